//! `transit`: a transit gateway, to which the network is attached.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, Fields, field_names, set_default};

/// Fields of the transit gateway in addition to those of `transit_gateway`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transit {
    /// Attaches the network. Default: true if the definition has one.
    #[serde(default)]
    pub attach: Option<bool>,
    /// Subnets with the network interfaces of the attachment: a tier of the network, or a list with one for each zone. Default: `intra` if
    /// the network has that tier, else `private`.
    #[serde(default)]
    pub subnets: Value,
    /// IPv4 ranges outside the network that its private subnets reach through the transit gateway. Default: none.
    #[serde(default)]
    pub destinations: BTreeSet<String>,
    /// Route tables of the transit gateway by name, with the fields of `transit_gateway_route_table`. The attachment of the network is
    /// `network`.
    #[serde(default)]
    pub route_tables: Value,
}

/// Name of the attachment of the network.
const ATTACHMENT: &str = "network";

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(mut fields) = out.parse_fields(value, at) else { return };
    let own: Transit = out.take_own_fields(&mut fields, at, "`transit`").unwrap_or_default();
    for mut table in out.parse_entries(own.route_tables, &format!("{at}/route_tables")) {
        set_default(&mut table.fields, "transit_gateway", "main");
        out.add_resource("transit_gateway_route_table", table.name, table.fields, &table.pointer);
    }
    if let Some(draft) = out.add_resource("transit_gateway", "main", fields, at) {
        draft.extra_fields = field_names::<Transit>();
    }
    if own.attach.unwrap_or(out.network.is_some()) {
        attach(out, own.subnets, &own.destinations, at);
    } else if !own.destinations.is_empty() {
        let help = "remove the line, or attach the network";
        out.compiler.problem_at_key("transit", &format!("{at}/destinations"), "the network is not attached", help);
    }
}

fn attach(out: &mut Expansion<'_, '_>, subnets: Value, destinations: &BTreeSet<String>, at: &str) {
    let has_intra = out.network.as_ref().is_some_and(|layout| layout.tiers.contains_key("intra"));
    let mut fields = Fields::from_iter([("subnets".to_owned(), subnets)]);
    out.set_default_subnets(&mut fields, if has_intra { "intra" } else { "private" }, at, "a transit gateway's attachment");
    fields.insert("transit_gateway".into(), "main".into());
    fields.insert("vpc".into(), "main".into());
    out.add_resource("transit_gateway_attachment", ATTACHMENT, fields, at);
    // AWS refuses a route to a transit gateway to which the VPC is not attached, so the routes refer to the attachment.
    let routes = destinations.iter().map(|range| json!({ "destination": range, "transit_gateway": ATTACHMENT }));
    let routes: Vec<Value> = routes.collect();
    let tables = out.network.as_ref().map(|layout| layout.private_route_tables.clone()).unwrap_or_default();
    for draft in out.drafts.iter_mut().filter(|draft| draft.resource_type.name == "route_table") {
        if tables.iter().any(|table| table.strip_prefix("route_table.") == Some(draft.name.as_str()))
            && let Some(Value::Array(existing)) = draft.spec.get_mut("routes")
        {
            existing.extend(routes.iter().cloned());
        }
    }
}
