//! `databases`: RDS instances in the network's private subnets, reachable from the network unless `security_groups` is set.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, Fields, field_names};

/// Fields of a database in addition to those of `rds_instance`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Engine settings, stored in a parameter group with the database's name. Default: AWS's default group.
    #[serde(default)]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Family of that group, such as `postgres16`. Default: derived from engine and version.
    #[serde(default)]
    pub family: Option<String>,
    /// Subnets of the subnet group, shared by databases with the same subnets: `private`, `public` or a list. Default: private.
    #[serde(default)]
    pub subnets: Value,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let mut shared = None;
    for entry in out.parse_entries(value, at) {
        let mut fields = entry.fields;
        let what = format!("`{}`", entry.name);
        let own: Database = out.take_own_fields(&mut fields, &entry.pointer, &what).unwrap_or_default();
        if fields.get("subnet_group").is_none_or(Value::is_null) {
            let own_subnets = !own.subnets.is_null();
            let group = if own_subnets { entry.name.clone() } else { "main".to_owned() };
            fields.insert("subnet_group".into(), group.as_str().into());
            if own_subnets || shared.is_none() {
                let mut group_fields = Fields::from_iter([("subnets".to_owned(), own.subnets)]);
                out.set_default_subnets(&mut group_fields, "private", &entry.pointer, "a database");
                out.add_resource("rds_subnet_group", group, group_fields, &entry.pointer);
            }
            if !own_subnets {
                shared = Some(());
            }
        }
        if let Some(parameters) = own.parameters.filter(|_| fields.get("parameter_group").is_none_or(Value::is_null)) {
            let family = own.family.or_else(|| parameter_group_family(&fields));
            let spec = json!({ "family": family.unwrap_or_default(), "parameters": parameters });
            out.add_generated("rds_parameter_group", &entry.name, spec, &entry.pointer);
            fields.insert("parameter_group".into(), entry.name.as_str().into());
        }
        if fields.get("security_groups").is_none_or(Value::is_null)
            && let Some(layout) = &out.network
        {
            let rule = json!({ "port": engine_port(&fields), "cidrs": layout.ranges, "description": "The network" });
            let group = format!("database-{}", entry.name);
            let description = format!("Access to the database {}", entry.name);
            fields.insert("security_groups".into(), json!([group]));
            let spec = json!({ "vpc": "main", "description": description, "ingress": [rule], "egress": [] });
            out.add_generated("security_group", group, spec, &entry.pointer);
        }
        if let Some(draft) = out.add_resource("rds_instance", entry.name, fields, &entry.pointer) {
            draft.extra_fields = field_names::<Database>();
        }
    }
}

/// Port the database listens on.
fn engine_port(fields: &Fields) -> Value {
    let usual = if fields.get("engine").and_then(Value::as_str) == Some("postgres") { 5432 } else { 3306 };
    fields.get("port").filter(|port| !port.is_null()).cloned().unwrap_or_else(|| usual.into())
}

/// `postgres16`, `mysql8.0`: PostgreSQL's families name the major version, the others' also the minor one.
///
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithDBInstanceParamGroups.html>
fn parameter_group_family(fields: &Fields) -> Option<String> {
    let (engine, version) = (fields.get("engine")?.as_str()?, fields.get("version")?.as_str()?);
    let parts = if engine == "postgres" { 1 } else { 2 };
    Some(format!("{engine}{}", version.split('.').take(parts).collect::<Vec<_>>().join(".")))
}
