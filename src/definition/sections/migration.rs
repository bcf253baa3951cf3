//! `migration`: tasks of Database Migration Service, with their endpoints, a replication instance in the network's private subnets, and a role
//! that reads the secrets.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DedicatedGroup, Expansion, SectionEntry, data_store::StoreKind, field_names, is_set, set_default};

/// Fields of a migration in addition to those of `dms_task`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Database or other place that is read, with the fields of `dms_endpoint`; or the name of one. Its secret has the keys `username`,
    /// `password`, `host` and `port`.
    #[serde(default)]
    pub source: Value,
    /// Database or other place that is written, with the fields of `dms_endpoint`; or the name of one.
    #[serde(default)]
    pub target: Value,
    /// Tables to copy, as `schema.table` or a schema alone; `%` stands for any text. Default: those that `mappings` selects.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Tables among these that are not copied, in the same form. Default: none.
    #[serde(default)]
    pub excluded_tables: Vec<String>,
    /// Replication instance, with the fields of `dms_instance`; or the name of one. Default: one of the class `dms.t3.medium`.
    #[serde(default)]
    pub instance: Value,
}

/// Fields of a replication instance in addition to those of `dms_instance`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Subnets of its subnet group: a tier of the network (`private`, `public`, `database`, `intra`), or a list; otherwise, all migrations share a
    /// group. Default: `database` if the network has that tier, else `private`.
    #[serde(default)]
    pub subnets: Value,
}

/// Class of a replication instance that states none.
const DEFAULT_CLASS: &str = "dms.t3.medium";

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let mut kind = StoreKind::new("migration", "dms_subnet_group");
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let own: Migration = out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default();
        let instance = instance(out, &mut kind, &entry, own.instance);
        let mut secrets = Vec::new();
        let source = endpoint(out, &entry, "source", own.source, &mut secrets);
        let target = endpoint(out, &entry, "target", own.target, &mut secrets);
        add_role(out, &entry, &secrets);
        for (field, name) in [("instance", instance), ("source", source), ("target", target)] {
            if let Some(name) = name {
                entry.fields.insert(field.into(), name.into());
            }
        }
        let has_tables = !own.tables.is_empty() || !own.excluded_tables.is_empty();
        if has_tables && entry.is_set("mappings") {
            let help = "state the tables in `mappings`, or remove it";
            out.compiler.problem_at_key("migration", &format!("{}/mappings", entry.pointer), "`tables` makes the mappings", help);
        } else if has_tables {
            entry.fields.insert("mappings".into(), json!({ "rules": rules(&own.tables, &own.excluded_tables) }));
        }
        if let Some(draft) = out.add_resource("dms_task", entry.name, entry.fields, &entry.pointer) {
            draft.extra_fields = field_names::<Migration>();
            if has_tables {
                draft.pointer_overrides.push(("/mappings".into(), format!("{}/tables", entry.pointer)));
            }
        }
    }
}

/// Name of the instance of an entry, which is added unless it is a name.
fn instance(out: &mut Expansion<'_, '_>, kind: &mut StoreKind, entry: &SectionEntry, value: Value) -> Option<String> {
    if let Value::String(name) = value {
        return Some(name);
    }
    let pointer = format!("{}/instance", entry.pointer);
    let place = if value.is_null() { entry.pointer.clone() } else { pointer.clone() };
    let mut own = SectionEntry { name: entry.name.clone(), fields: out.parse_fields(value, &pointer)?, pointer: place };
    let what = format!("the instance of `{}`", entry.name);
    let Instance { subnets } = out.take_own_fields(&mut own.fields, &own.pointer, &what).unwrap_or_default();
    set_default(&mut own.fields, "class", DEFAULT_CLASS);
    kind.set_subnet_group(out, &mut own, subnets);
    set_security_group(out, &mut own);
    if let Some(draft) = out.add_resource("dms_instance", own.name, own.fields, &own.pointer) {
        draft.extra_fields = field_names::<Instance>();
    }
    Some(entry.name.clone())
}

/// Sets `security_groups` to a group that admits nobody: the instance connects to databases.
fn set_security_group(out: &mut Expansion<'_, '_>, instance: &mut SectionEntry) {
    if instance.is_set("security_groups") {
        return;
    }
    let group = DedicatedGroup {
        name: format!("migration-{}", instance.name),
        description: format!("Connections of the migration {}", instance.name),
        port: None,
        connects: true,
    };
    if let Some(groups) = out.add_security_group(instance, group) {
        instance.fields.insert("security_groups".into(), groups);
    }
}

/// Name of an endpoint of an entry, which is added unless it is a name.
fn endpoint(out: &mut Expansion<'_, '_>, entry: &SectionEntry, kind: &str, value: Value, secrets: &mut Vec<String>) -> Option<String> {
    let at = format!("{}/{kind}", entry.pointer);
    let mut fields = match value {
        Value::String(name) => return Some(name),
        // The task reports that it is missing.
        Value::Null => return None,
        other => out.parse_fields(other, &at)?,
    };
    fields.insert("type".into(), kind.into());
    for (secret, role) in [("secret", "secret_role"), ("asm_secret", "asm_secret_role")] {
        if is_set(&fields, secret) && !is_set(&fields, role) {
            secrets.extend(secret_arn(&fields[secret]));
            fields.insert(role.into(), role_name(entry).into());
        }
    }
    let name = format!("{}-{kind}", entry.name);
    out.add_resource("dms_endpoint", name.clone(), fields, &at);
    Some(name)
}

fn role_name(entry: &SectionEntry) -> String {
    format!("migration-{}", entry.name)
}

/// ARN of a secret: of one of the stack by its name, or of another one.
fn secret_arn(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.starts_with("arn:") || text.contains("${") => Some(text.clone()),
        Value::String(name) => Some(format!("${{secret.{name}.arn}}")),
        other => other.get("arn").and_then(Value::as_str).map(str::to_owned),
    }
}

/// The role with which Database Migration Service reads the secrets of an entry. It does so with the principal of the region.
fn add_role(out: &mut Expansion<'_, '_>, entry: &SectionEntry, secrets: &[String]) {
    if secrets.is_empty() {
        return;
    }
    let region = out.compiler.render(&"{{ region }}".into(), &entry.pointer);
    let principal = format!("dms.{}.amazonaws.com", region.as_str().unwrap_or_default());
    let reads = json!({
        "Effect": "Allow", "Action": ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"], "Resource": secrets,
    });
    let role = json!({
        "description": format!("Lets Database Migration Service read the secrets of the migration {}", entry.name),
        "trust": { "services": [principal] },
        "inline_policies": { "secrets": { "Statement": [reads] } },
    });
    out.add_generated("iam_role", role_name(entry), role, &entry.pointer);
}

/// Rules that select tables, in AWS's format.
fn rules(tables: &[String], excluded: &[String]) -> Vec<Value> {
    let actions = tables.iter().map(|table| (table, "include")).chain(excluded.iter().map(|table| (table, "exclude")));
    let rule = |(number, (table, action)): (usize, (&String, &str))| {
        let (schema, table) = table.split_once('.').unwrap_or((table, "%"));
        let number = (number + 1).to_string();
        json!({
            "rule-type": "selection", "rule-id": number, "rule-name": number, "rule-action": action,
            "object-locator": { "schema-name": schema, "table-name": table },
        })
    };
    actions.enumerate().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_rules() {
        let found = rules(&["shop.orders".into(), "audit".into()], &["shop.tmp%".into()]);
        let places: Vec<String> = found
            .iter()
            .map(|rule| {
                let place = &rule["object-locator"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!(
                    "{} {} {} {}",
                    text(&rule["rule-id"]),
                    text(&rule["rule-action"]),
                    text(&place["schema-name"]),
                    text(&place["table-name"])
                )
            })
            .collect();
        assert_eq!(places, ["1 include shop orders", "2 include audit %", "3 exclude shop tmp%"]);
    }

    #[test]
    fn secrets_have_arns() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:legacy";
        for (value, expected) in [
            (json!("legacy"), Some("${secret.legacy.arn}")),
            (json!("${secret.other.arn}"), Some("${secret.other.arn}")),
            (json!(arn), Some(arn)),
            (json!({ "arn": arn }), Some(arn)),
            (json!({ "id": "x" }), None),
        ] {
            assert_eq!(secret_arn(&value).as_deref(), expected);
        }
    }
}
