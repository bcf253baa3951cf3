//! `databases`: RDS instances and Aurora clusters in the network's private subnets, reachable from the network unless `security_groups` is set.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Expansion, SectionEntry,
    data_store::{StoreFields, StoreKind, set_parameter_group},
    field_names, merged_schema,
};

/// Engines of Aurora.
pub(super) const AURORA_ENGINES: &[&str] = &["aurora-mysql", "aurora-postgresql"];

/// Fields of an Aurora database in addition to those of `aurora_cluster`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuroraFields {
    /// Class of the instances, such as `db.r7g.large`. Default: `db.serverless` if `serverless` is set.
    #[serde(default)]
    pub class: Option<String>,
    /// Number of instances, from 1 to 15: a writer, and readers. Default: 2.
    #[serde(default)]
    pub instances: Option<u8>,
}

/// Fields of an Aurora database of the section itself.
pub fn aurora_schema() -> Schema {
    merged_schema::<AuroraFields, StoreFields>()
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let mut kind = StoreKind::new("database", "rds_subnet_group");
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let is_aurora = entry.text("engine").is_some_and(|engine| AURORA_ENGINES.contains(&engine));
        let aurora: Option<AuroraFields> =
            is_aurora.then(|| out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default());
        let own: StoreFields = out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default();
        kind.set_subnet_group(out, &mut entry, own.subnets);
        let group_type = if is_aurora { "aurora_parameter_group" } else { "rds_parameter_group" };
        let family = own.family.or_else(|| parameter_group_family(&entry));
        set_parameter_group(out, &mut entry, group_type, own.parameters, family);
        let is_postgres = entry.text("engine").is_some_and(|engine| engine.ends_with("postgres") || engine.ends_with("postgresql"));
        kind.set_security_group(out, &mut entry, if is_postgres { 5432 } else { 3306 });
        let mut extra_fields = field_names::<StoreFields>();
        if let Some(aurora) = aurora {
            extra_fields.extend(field_names::<AuroraFields>());
            add_instances(out, &entry, &aurora);
        }
        let type_name = if is_aurora { "aurora_cluster" } else { "rds_instance" };
        if let Some(draft) = out.add_resource(type_name, entry.name, entry.fields, &entry.pointer) {
            draft.extra_fields = extra_fields;
        }
    }
}

/// Adds the instances of a cluster: `orders-1`, `orders-2`.
fn add_instances(out: &mut Expansion<'_, '_>, entry: &SectionEntry, aurora: &AuroraFields) {
    let number = aurora.instances.unwrap_or(2);
    if !(1..=15).contains(&number) {
        let at = format!("{}/instances", entry.pointer);
        out.compiler.problem(
            "databases",
            &at,
            format!("`instances` must be from 1 to 15, not {number}"),
            "a cluster has at most 15 instances",
        );
        return;
    }
    let default = entry.is_set("serverless").then(|| "db.serverless".to_owned());
    let Some(class) = aurora.class.clone().or(default) else {
        let message = format!("`{}` needs `class`", entry.name);
        out.compiler.problem_at_key("databases", &entry.pointer, message, "set a class such as `db.r7g.large`, or `serverless`");
        return;
    };
    for index in 1..=number {
        let spec = json!({ "cluster": entry.name, "class": class });
        out.add_generated("aurora_instance", format!("{}-{index}", entry.name), spec, &entry.pointer);
    }
}

/// `postgres16`, `mysql8.0`, `aurora-postgresql16`: PostgreSQL's families name the major version, the others' also the minor one.
///
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithDBInstanceParamGroups.html>
fn parameter_group_family(entry: &SectionEntry) -> Option<String> {
    let (engine, version) = (entry.text("engine")?, entry.text("version")?);
    let parts = if matches!(engine, "postgres" | "aurora-postgresql") { 1 } else { 2 };
    Some(format!("{engine}{}", version.split('.').take(parts).collect::<Vec<_>>().join(".")))
}
