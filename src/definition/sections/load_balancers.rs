//! `load_balancers`: load balancers with their target groups and listeners. Unless `security_groups` is set, an application
//! load balancer is open on the ports of its listeners: to everyone, or to the network when it is internal.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, SectionEntry, add_depends_on, field_names, set_default};

/// Fields of a load balancer in addition to those of `load_balancer`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    /// Target groups by name, with the fields of `target_group`. Their names in the stack are `<load balancer>-<name>`.
    #[serde(default)]
    pub target_groups: Value,
    /// Listeners by name, with the fields of `listener`, and `forward` or `redirect_to_https`. Their names in the stack are
    /// `<load balancer>-<name>`.
    #[serde(default)]
    pub listeners: Value,
}

/// Short forms of a listener's `default_action`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Target group of this load balancer that receives the requests.
    #[serde(default)]
    pub forward: Option<String>,
    /// Redirects clients to the same address with HTTPS on port 443. Default: false.
    #[serde(default)]
    pub redirect_to_https: bool,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for entry in out.parse_entries(value, at) {
        let mut fields = entry.fields;
        let own: LoadBalancer = out.take_own_fields(&mut fields, &entry.pointer, &format!("`{}`", entry.name)).unwrap_or_default();
        let internal = fields.get("internal").and_then(Value::as_bool).unwrap_or_default();
        if fields.get("subnet_mappings").is_none_or(Value::is_null) {
            out.set_default_subnets(&mut fields, if internal { "private" } else { "public" }, &entry.pointer, "a load balancer");
        }
        if out.network.is_some() && !internal {
            // AWS refuses an internet-facing load balancer while its VPC has no internet gateway.
            add_depends_on(&mut fields, ["internet_gateway.main".to_owned()]);
        }
        let network = fields.get("type").and_then(Value::as_str) == Some("network");
        for group in out.parse_entries(own.target_groups, &format!("{}/target_groups", entry.pointer)) {
            let mut fields = group.fields;
            if out.network.is_some() && fields.get("target_type").and_then(Value::as_str) != Some("lambda") {
                set_default(&mut fields, "vpc", "main");
            }
            set_default(&mut fields, "protocol", if network { "TCP" } else { "HTTP" });
            out.add_resource("target_group", format!("{}-{}", entry.name, group.name), fields, &group.pointer);
        }
        let listeners = out.parse_entries(own.listeners, &format!("{}/listeners", entry.pointer));
        let application = fields.get("type").and_then(Value::as_str).is_none_or(|kind| kind == "application");
        if application
            && fields.get("security_groups").is_none_or(Value::is_null)
            && let Some(layout) = &out.network
        {
            let from = if internal { layout.ranges.clone() } else { vec!["0.0.0.0/0".to_owned()] };
            let ports = listeners.iter().filter_map(|listener| listener.fields.get("port"));
            let rules: Vec<Value> = ports.map(|port| json!({ "port": port, "cidrs": from })).collect();
            let group = format!("load-balancer-{}", entry.name);
            let description = format!("Access to the load balancer {}", entry.name);
            fields.insert("security_groups".into(), json!([group]));
            out.add_generated(
                "security_group",
                group,
                json!({ "vpc": "main", "description": description, "ingress": rules }),
                &entry.pointer,
            );
        }
        for listener in listeners {
            self::add_listener(out, &entry.name, listener);
        }
        if let Some(draft) = out.add_resource("load_balancer", entry.name, fields, &entry.pointer) {
            draft.extra_fields = field_names::<LoadBalancer>();
        }
    }
}

fn add_listener(out: &mut Expansion<'_, '_>, load_balancer: &str, entry: SectionEntry) {
    let mut fields = entry.fields;
    let own: Listener = out.take_own_fields(&mut fields, &entry.pointer, &format!("`{}`", entry.name)).unwrap_or_default();
    set_default(&mut fields, "load_balancer", load_balancer);
    if let Some(group) = &own.forward {
        set_default(
            &mut fields,
            "default_action",
            json!({ "forward": { "target_groups": [{ "target_group": format!("{load_balancer}-{group}") }] } }),
        );
    } else if own.redirect_to_https {
        set_default(&mut fields, "default_action", json!({ "redirect": { "protocol": "HTTPS", "port": "443", "status_code": 301 } }));
    }
    if let Some(draft) = out.add_resource("listener", format!("{load_balancer}-{}", entry.name), fields, &entry.pointer) {
        draft.extra_fields = field_names::<Listener>();
        if own.forward.is_some() {
            draft.pointer_overrides.push(("/default_action".into(), format!("{}/forward", entry.pointer)));
        }
    }
}
