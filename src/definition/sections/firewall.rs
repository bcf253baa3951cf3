//! `firewall`: web firewalls in front of load balancers.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, Fields, field_names};

/// Fields of a firewall in addition to those of `waf_web_acl`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// Load balancers of the stack that it protects, by name. Default: none.
    #[serde(default)]
    pub associate: Vec<String>,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for entry in out.parse_entries(value, at) {
        let mut fields = entry.fields;
        let own: Firewall = out.take_own_fields(&mut fields, &entry.pointer, &format!("`{}`", entry.name)).unwrap_or_default();
        expand_short_forms(&mut fields);
        for (index, load_balancer) in own.associate.iter().enumerate() {
            let arn = format!("${{load_balancer.{load_balancer}.arn}}");
            let spec = json!({ "web_acl": entry.name, "resource": arn });
            let at = format!("{}/associate/{index}", entry.pointer);
            if let Some(draft) = out.add_generated("waf_association", format!("{}-{load_balancer}", entry.name), spec, &at) {
                draft.pointer_overrides.push(("/resource".into(), at));
            }
        }
        if let Some(draft) = out.add_resource("waf_web_acl", entry.name, fields, &entry.pointer) {
            draft.extra_fields = field_names::<Firewall>();
        }
    }
}

/// Expands `managed_rules: [common]` and `rate_limit: 2000`.
fn expand_short_forms(fields: &mut Fields) {
    if let Some(Value::Array(rules)) = fields.get_mut("managed_rules") {
        for rule in rules.iter_mut().filter(|rule| rule.is_string()) {
            *rule = json!({ "name": rule.take() });
        }
    }
    if let Some(limit) = fields.get_mut("rate_limit").filter(|limit| limit.is_number()) {
        *limit = json!({ "requests": limit.take() });
    }
}
