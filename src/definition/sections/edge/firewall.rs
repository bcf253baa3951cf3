//! The firewall of the load balancer at the edge.

use serde_json::{Value, json};

use super::Expansion;

/// Requests from one address in five minutes.
const RATE_LIMIT: u32 = 2000;

/// Lets a firewall protect a load balancer, unless one does.
pub fn add(out: &mut Expansion<'_, '_>, balancer: &str, at: &str) {
    let arn = format!("${{load_balancer.{balancer}.arn}}");
    let mut associations = out.drafts.iter().filter(|draft| draft.resource_type.name == "waf_association");
    if associations.any(|draft| draft.complete_field("resource").is_some_and(|resource| resource == arn)) {
        return;
    }
    let acls = out.drafts.iter().filter(|draft| draft.resource_type.name == "waf_web_acl");
    let regional = acls.filter(|draft| draft.spec.get("scope").and_then(Value::as_str) != Some("cloudfront"));
    let names: Vec<String> = regional.map(|draft| draft.name.clone()).collect();
    let acl = match &names[..] {
        [] => {
            let rules = json!({ "managed_rules": [{ "name": "common" }, { "name": "known-bad-inputs" }], "rate_limit": { "requests": RATE_LIMIT } });
            out.add_generated("waf_web_acl", "edge", rules, at);
            "edge".to_owned()
        }
        [only] => only.clone(),
        _ => {
            let message = format!("several entries of `firewall` can protect `{balancer}`");
            return out.compiler.problem("edge", at, message, format!("add `associate: [{balancer}]` to one of them"));
        }
    };
    out.add_generated("waf_association", format!("{acl}-{balancer}"), json!({ "web_acl": acl, "resource": arn }), at);
}
