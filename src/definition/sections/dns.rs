//! `dns`: hosted zones and their records.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, Fields, set_default};
use crate::definition::parse_section;

/// Fields of `dns`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Main zone: its domain, or the fields of `dns_zone`. Its name is `main`.
    #[serde(default)]
    pub zone: Value,
    /// Additional zones by name, each a domain or the fields of `dns_zone`. Default: none.
    #[serde(default)]
    pub zones: BTreeMap<String, Value>,
    /// Records by name, with the fields of `dns_record`. The name is prepended to the zone's domain (`@`: the domain itself)
    /// unless `domain` is set; `zone` defaults to `main`; `alias: web` is short for a load balancer of the stack.
    #[serde(default)]
    pub records: Value,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(dns) = parse_section::<Dns>(out.compiler, value, at, "dns") else { return };
    let mut domains: BTreeMap<String, String> = BTreeMap::new();
    let main = (!dns.zone.is_null()).then(|| ("main".to_owned(), dns.zone, format!("{at}/zone")));
    let others = dns.zones.into_iter().map(|(name, zone)| {
        let at = format!("{at}/zones/{name}");
        (name, zone, at)
    });
    for (name, zone, at) in main.into_iter().chain(others.collect::<Vec<_>>()) {
        let plain = zone.is_string();
        let fields = match zone {
            Value::String(domain) => Fields::from_iter([("domain".to_owned(), domain.into())]),
            other => match out.parse_fields(other, &at) {
                Some(fields) => fields,
                None => continue,
            },
        };
        if let Some(domain) = fields.get("domain").and_then(Value::as_str) {
            domains.insert(name.clone(), domain.to_owned());
        }
        if let Some(draft) = out.add_resource("dns_zone", name, fields, &at).filter(|_| plain) {
            draft.pointer_overrides.push(("/domain".into(), at));
        }
    }
    for entry in out.parse_entries(dns.records, &format!("{at}/records")) {
        let mut fields = entry.fields;
        set_default(&mut fields, "zone", "main");
        if let Some(domain) = fields.get("zone").and_then(Value::as_str).and_then(|zone| domains.get(zone)) {
            let full = if entry.name == "@" { domain.clone() } else { format!("{}.{domain}", entry.name) };
            set_default(&mut fields, "domain", full);
        }
        if let Some(name) = fields.get("alias").and_then(Value::as_str) {
            let output = |output: &str| format!("${{load_balancer.{name}.{output}}}");
            let alias = json!({ "target": output("dns_name"), "zone_id": output("zone_id") });
            fields.insert("alias".into(), alias);
        }
        out.add_resource("dns_record", entry.name, fields, &entry.pointer);
    }
}
