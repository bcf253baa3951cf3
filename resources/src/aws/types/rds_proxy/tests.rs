//! Rules and states of proxies.

use aws_sdk_rds::types::{DbProxyTarget, TargetHealth, TargetState, TargetType};
use serde_json::{Value, json};

use super::*;

fn proxy(more: Value) -> RdsProxy {
    let mut spec = json!({
        "engine_family": "POSTGRESQL", "subnets": [{ "id": "subnet-1" }, { "id": "subnet-2" }], "security_groups": [{ "id": "sg-1" }],
        "role": "arn:aws:iam::123456789012:role/proxy", "auth": [{ "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db" }],
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    serde_json::from_value(spec).expect("a proxy")
}

#[test]
fn checks_how_it_signs_in() {
    let problems = |more: Value| -> Vec<String> { proxy(more).check().into_iter().map(|problem| problem.pointer).collect() };
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db";
    assert_eq!(problems(json!({})), [""; 0]);
    assert_eq!(problems(json!({ "auth": [], "default_auth": "IAM_AUTH" })), [""; 0]);
    for (more, at) in [
        (json!({ "auth": [] }), "/auth"),
        (json!({ "auth": [{ "secret": secret, "client_password": "MYSQL_NATIVE_PASSWORD" }] }), "/auth"),
        (json!({ "pool": { "max_connections_percent": 40 } }), "/pool/max_idle_percent"),
    ] {
        assert_eq!(problems(more), [at]);
    }
}

#[test]
fn waits_for_a_target_that_is_being_registered() {
    let target = |state: TargetState| {
        vec![DbProxyTarget::builder().r#type(TargetType::RdsInstance).target_health(TargetHealth::builder().state(state).build()).build()]
    };
    assert_eq!(read::phase("available", &target(TargetState::Registering)), Phase::Progressing("registering its target".into()));
    // The user of the secret may come later.
    assert_eq!(read::phase("available", &target(TargetState::Unavailable)), Phase::Ready);
    assert_eq!(read::phase("creating", &[]), Phase::Progressing("creating".into()));
    assert_eq!(read::phase("incompatible-network", &[]), Phase::Failed("incompatible-network".into()));
}

#[test]
fn accepts_the_client_password_that_aws_chooses() {
    let (wanted, mut live) = (proxy(json!({})), proxy(json!({})));
    let chosen = Some("POSTGRES_SCRAM_SHA_256".to_owned());
    live.auth = wanted.auth.iter().map(|auth| ProxyAuth { client_password: chosen.clone(), ..auth.clone() }).collect();
    wanted.normalize(&mut live);
    assert_eq!(live.auth.iter().next().and_then(|auth| auth.client_password.clone()), None);
}
