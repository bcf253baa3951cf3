//! Tests of listeners and groups.

use aws_sdk_globalaccelerator::types as sdk;
use serde_json::{Value, json};

use super::{
    Accelerator, AcceleratorListener, EndpointGroup,
    listener::{adopt_order, matching},
};
use crate::core::Resource;

fn listener(spec: Value) -> AcceleratorListener {
    serde_json::from_value(spec).expect("a listener")
}

#[test]
fn a_listener_is_known_by_its_ports() {
    let live = [json!({ "ports": ["443"] }), json!({ "ports": ["80", "8000-8100"] }), json!({ "protocol": "UDP", "ports": ["443"] })];
    let live = live.map(listener);
    let wanted = [json!({ "protocol": "UDP", "ports": ["443"] }), json!({ "ports": ["8050"] }), json!({ "ports": ["22"] })].map(listener);
    assert_eq!(matching(&wanted, &live), [Some(2), Some(1), None]);
    let mut ordered = live.to_vec();
    adopt_order(&wanted, &mut ordered);
    assert_eq!(ordered, [live[2].clone(), live[1].clone(), live[0].clone()]);
}

#[test]
fn what_aws_does_not_report_is_taken_over() {
    let group = |port, attachment: &str| json!({ "endpoints": [{ "id": "eipalloc-1", "attachment": attachment }], "health_check": { "port": port } });
    let wanted = [listener(json!({ "ports": ["443"], "groups": { "eu-west-1": group(0, "arn:a") } }))];
    let mut live = vec![listener(json!({ "ports": ["443"], "groups": { "eu-west-1": group(443, "") } }))];
    adopt_order(&wanted, &mut live);
    assert_eq!(live, wanted);
}

#[test]
fn an_update_keeps_settings_of_endpoints_that_are_left_alone() {
    let group: EndpointGroup =
        serde_json::from_value(json!({ "endpoints": [{ "id": "a" }, { "id": "b", "preserve_client_ip": true, "weight": 0 }] }))
            .expect("a group");
    let live = ["a", "b"].map(|id| sdk::EndpointDescription::builder().endpoint_id(id).client_ip_preservation_enabled(false).build());
    let sent = group.configurations(&live);
    assert_eq!(sent.iter().map(|one| one.client_ip_preservation_enabled).collect::<Vec<_>>(), [Some(false), Some(true)]);
    assert_eq!(sent.iter().map(|one| one.weight).collect::<Vec<_>>(), [Some(128), Some(0)]);
    assert_eq!(group.configurations(&[])[0].client_ip_preservation_enabled, None);
}

#[test]
fn reports_ports_that_do_not_fit() {
    let accelerator: Accelerator = serde_json::from_value(json!({ "listeners": [
        { "ports": ["80", "8000-8100"], "groups": { "europe": {}, "eu-west-1": {
            "endpoints": [{ "id": "a" }, { "id": "a", "weight": 1 }], "port_overrides": { "81": 8080, "8050": 0 },
            "health_check": { "path": "/ready" } } } },
        { "ports": ["8100", "9-8", "7-7"] },
    ] }))
    .expect("an accelerator");
    let places: Vec<String> = accelerator.check().into_iter().map(|problem| problem.pointer).collect();
    let group = "/listeners/0/groups/eu-west-1";
    let within = |field: &str| format!("{group}/{field}");
    assert_eq!(
        places,
        [
            within("endpoints"),
            within("port_overrides/8050"),
            within("port_overrides/81"),
            within("health_check/path"),
            "/listeners/0/groups/europe".to_owned(),
            "/listeners/1/ports".to_owned(),
            "/listeners/1/ports".to_owned(),
            "/listeners/1/ports".to_owned(),
        ]
    );
}
