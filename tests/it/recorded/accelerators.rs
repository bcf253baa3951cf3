//! Accelerators, for which there is no stand-in: states, reconciliation of listeners and groups, and deletion in steps.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ARN: &str = "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh";
const LISTENER: &str = "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh/listener/0123vxyz";
const GROUP: &str = "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh/listener/0123vxyz/endpoint-group/098765zyxwvu";

fn accelerator(status: &str, enabled: bool) -> Value {
    json!({
        "AcceleratorArn": ARN, "Name": "shop-edge", "IpAddressType": "IPV4", "Enabled": enabled, "Status": status,
        "DnsName": "a1234567890abcdef.awsglobalaccelerator.com", "IpSets": [{ "IpFamily": "IPv4", "IpAddresses": ["192.0.2.250", "198.51.100.52"] }],
    })
}

fn list(status: &str, enabled: bool) -> Answer {
    ok(json!({ "Accelerators": [accelerator(status, enabled)] }))
}

fn described(status: &str, enabled: bool) -> Answer {
    ok(json!({ "Accelerator": accelerator(status, enabled) }))
}

fn listeners(ports: &[(u16, u16)]) -> Answer {
    let ranges: Vec<Value> = ports.iter().map(|(from, to)| json!({ "FromPort": from, "ToPort": to })).collect();
    ok(json!({ "Listeners": [{ "ListenerArn": LISTENER, "PortRanges": ranges, "Protocol": "TCP", "ClientAffinity": "NONE" }] }))
}

fn groups(endpoints: Value, dial: f64) -> Answer {
    ok(json!({ "EndpointGroups": [{
        "EndpointGroupArn": GROUP, "EndpointGroupRegion": "eu-west-1", "EndpointDescriptions": endpoints, "TrafficDialPercentage": dial,
        "HealthCheckPort": 443, "HealthCheckProtocol": "TCP", "HealthCheckIntervalSeconds": 30, "ThresholdCount": 3,
    }] }))
}

fn endpoint(id: &str, weight: u8, preserved: bool) -> Value {
    json!({ "EndpointId": id, "Weight": weight, "HealthState": "HEALTHY", "ClientIPPreservationEnabled": preserved })
}

fn definition(listeners: &str) -> String {
    format!("  accelerator: {{ edge: {{ listeners: {listeners} }} }}\n")
}

fn existing() -> Script {
    Script::new()
        .with_tagged_resources(&[(ARN, "accelerator.edge")])
        .on("ListAccelerators", [list("DEPLOYED", true)])
        .on("ListTagsForResource", [ok(json!({ "Tags": json_ownership_tags("accelerator.edge") }))])
}

const ENDPOINT: &str = "eipalloc-0123456789abcdef0";

/// Each change is deployed; meanwhile, Global Accelerator may refuse the next one.
#[test]
fn creates_listeners_and_groups_as_soon_as_the_accelerator_accepts_them() {
    let busy = json_error(400, "TransactionInProgressException", "There's already a transaction in progress.");
    let made = ok(json!({ "Listener": { "ListenerArn": LISTENER } }));
    let script = Script::new()
        .on("ListAccelerators", [ok(json!({ "Accelerators": [] }))])
        .on("CreateAccelerator", [described("IN_PROGRESS", true)])
        .after("CreateAccelerator")
        .with_tagged_resources(&[(ARN, "accelerator.edge")])
        .on("ListTagsForResource", [ok(json!({ "Tags": json_ownership_tags("accelerator.edge") }))])
        .on("ListAccelerators", [list("IN_PROGRESS", true)])
        .on("ListListeners", [ok(json!({ "Listeners": [] }))])
        .on("CreateListener", [busy.clone(), made])
        .after("CreateListener")
        .on("ListListeners", [listeners(&[(443, 443)])])
        .on("ListEndpointGroups", [ok(json!({ "EndpointGroups": [] }))])
        .on("CreateEndpointGroup", [busy, ok(json!({ "EndpointGroup": { "EndpointGroupArn": GROUP } }))])
        .after("CreateEndpointGroup")
        .on("ListEndpointGroups", [groups(json!([endpoint(ENDPOINT, 64, false)]), 50.0)])
        .on("ListAccelerators", [list("IN_PROGRESS", true), list("DEPLOYED", true)]);
    let group = format!("{{ endpoints: [{{ id: {ENDPOINT}, weight: 64 }}], traffic_dial_percent: 50 }}");
    let endpoint = script.start(&definition(&format!("[{{ ports: ['443'], groups: {{ eu-west-1: {group} }} }}]")));
    endpoint.apply();
    assert_eq!((endpoint.call_count("CreateListener"), endpoint.call_count("CreateEndpointGroup")), (2, 2), "only one took effect");
    let sent = &endpoint.request_bodies("CreateEndpointGroup")[1];
    assert_eq!((&sent["HealthCheckPort"], &sent["EndpointGroupRegion"]), (&json!(443), &json!("eu-west-1")));
    assert_eq!(sent["EndpointConfigurations"], json!([{ "EndpointId": ENDPOINT, "Weight": 64 }]));
}

/// The call replaces the list, so settings that the definition leaves alone are sent back.
#[test]
fn an_update_of_a_group_keeps_whether_addresses_are_preserved() {
    let before = json!([endpoint("i-0123456789abcdef0", 128, true)]);
    let after = json!([endpoint("i-0123456789abcdef0", 128, true), endpoint(ENDPOINT, 0, false)]);
    let endpoint = existing()
        .on("ListListeners", [listeners(&[(443, 443)])])
        .on("ListEndpointGroups", [groups(before, 100.0)])
        .on("UpdateEndpointGroup", [ok(json!({}))])
        .after("UpdateEndpointGroup")
        .on("ListEndpointGroups", [groups(after, 100.0)])
        .start(&definition(&format!("[{{ ports: ['443'], groups: {{ eu-west-1: {{ endpoints: [{{ id: i-0123456789abcdef0 }}, {{ id: {ENDPOINT}, weight: 0 }}] }} }} }}]")));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 UpdateEndpointGroup"]);
    let sent = &endpoint.request_bodies("UpdateEndpointGroup")[0]["EndpointConfigurations"];
    let kept = json!({ "EndpointId": "i-0123456789abcdef0", "Weight": 128, "ClientIPPreservationEnabled": true });
    assert!(sent.as_array().is_some_and(|sent| sent.contains(&kept)), "{sent}");
}

#[test]
fn changed_ports_change_the_listener_instead_of_replacing_it() {
    let endpoint = existing()
        .on("ListListeners", [listeners(&[(80, 80), (443, 443)])])
        .on("ListEndpointGroups", [ok(json!({ "EndpointGroups": [] }))])
        .on("UpdateListener", [ok(json!({}))])
        .after("UpdateListener")
        .on("ListListeners", [listeners(&[(443, 443), (8000, 8080)])])
        .start(&definition("[{ ports: ['443', 8000-8080] }]"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 UpdateListener"]);
}

#[test]
fn an_accelerator_is_disabled_and_emptied_before_it_is_deleted() {
    let endpoint = existing()
        .on("ListListeners", [listeners(&[(443, 443)])])
        .on("ListEndpointGroups", [groups(json!([]), 100.0)])
        .on("DescribeAccelerator", [described("DEPLOYED", true)])
        .on("UpdateAccelerator", [described("IN_PROGRESS", false)])
        .after("UpdateAccelerator")
        .on("ListAccelerators", [list("IN_PROGRESS", false), list("DEPLOYED", false)])
        .on("DescribeAccelerator", [described("DEPLOYED", false)])
        .on("DeleteEndpointGroup", [ok(json!({}))])
        .after("DeleteEndpointGroup")
        .on("ListEndpointGroups", [ok(json!({ "EndpointGroups": [] }))])
        .on("DeleteListener", [ok(json!({}))])
        .after("DeleteListener")
        .on("ListListeners", [ok(json!({ "Listeners": [] }))])
        .on("DeleteAccelerator", [ok(json!({}))])
        .after("DeleteAccelerator")
        .on("ListAccelerators", [ok(json!({ "Accelerators": [] }))])
        .start("  accelerator: { edge: { listeners: [{ ports: ['443'], groups: { eu-west-1: {} } }], on_delete: delete } }\n");
    endpoint.run("destroy", &["--yes"]).assert_success();
    let steps = ["UpdateAccelerator", "DeleteEndpointGroup", "DeleteListener", "DeleteAccelerator"];
    assert_eq!(endpoint.writes(), steps.map(|step| format!("200 {step}")));
}

#[test]
fn the_static_addresses_are_not_given_up_by_accident() {
    let endpoint = existing()
        .on("ListListeners", [ok(json!({ "Listeners": [] }))])
        .on("DescribeAccelerator", [described("DEPLOYED", true)])
        .start("  accelerator: { edge: {} }\n");
    let plan = endpoint.run("plan", &["--destroy"]);
    let output = plan.combined_output();
    assert!(
        output.contains("contains the static addresses 192.0.2.250, 198.51.100.52") && output.contains("on_delete: delete"),
        "{output}"
    );
}

/// The API is in us-west-2 alone.
#[test]
fn an_accelerator_is_in_its_own_region() {
    let endpoint = existing()
        .region("eu-central-1")
        .on("ListListeners", [ok(json!({ "Listeners": [] }))])
        .start("  accelerator: { edge: { region: eu-west-1 } }\n");
    let done = endpoint.run("plan", &[]);
    assert!(done.stderr.contains("`accelerator.edge` can only be in us-west-2"), "{}", done.combined_output());
    endpoint.redefine("  accelerator: { edge: {} }\n");
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
    let regions = endpoint.request_headers("ListAccelerators", "authorization");
    assert!(!regions.is_empty() && regions.iter().all(|header| header.contains("/us-west-2/globalaccelerator/")), "{regions:?}");
}
