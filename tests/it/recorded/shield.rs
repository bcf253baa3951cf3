//! Protections of Shield Advanced: health checks, automatic responses, and accounts without a subscription.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_ownership_tags, ok};

const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const ARN: &str = "arn:aws:shield::123456789012:protection/01234567-89ab-cdef-0123-456789abcdef";
const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188";
const CHECK: &str = "arn:aws:route53:::healthcheck/abcdef11-2222-3333-4444-555555fedcba";

fn protection(checks: &[&str], response: Value) -> Value {
    json!({
        "Id": ID, "Name": "shop-web", "ResourceArn": BALANCER, "ProtectionArn": ARN, "HealthCheckIds": checks,
        "ApplicationLayerAutomaticResponseConfiguration": response,
    })
}

fn described(checks: &[&str], response: Value) -> Answer {
    ok(json!({ "Protection": protection(checks, response) }))
}

fn definition(more: &str) -> String {
    format!("  shield_protection: {{ web: {{ resource: '{BALANCER}'{more} }} }}\n")
}

#[test]
fn refuses_a_protection_without_a_subscription_and_states_the_price() {
    let endpoint = Script::new()
        .on("ListProtections", [ok(json!({ "Protections": [] }))])
        .on("GetSubscriptionState", [ok(json!({ "SubscriptionState": "INACTIVE" }))])
        .start(&definition(""));
    let done = endpoint.run("apply", &["--yes"]);
    let output = done.combined_output();
    assert!(output.contains("not subscribed to Shield Advanced") && output.contains("3,000 USD a month"), "{output}");
    assert_eq!(endpoint.writes(), Vec::<String>::new());
}

#[test]
fn sets_health_checks_and_responses_after_the_creation() {
    let off = || json!({ "Status": "DISABLED", "Action": { "Block": {} } });
    let script = Script::new()
        .on("ListProtections", [ok(json!({ "Protections": [] }))])
        .on("GetSubscriptionState", [ok(json!({ "SubscriptionState": "ACTIVE" }))])
        .on("CreateProtection", [ok(json!({ "ProtectionId": ID }))])
        .after("CreateProtection")
        .with_tagged_resources(&[(ARN, "shield_protection.web")])
        .on("ListTagsForResource", [ok(json!({ "Tags": json_ownership_tags("shield_protection.web") }))])
        .on("ListProtections", [ok(json!({ "Protections": [protection(&[], off())] }))])
        .on("DescribeProtection", [described(&[], off())])
        .on("AssociateHealthCheck", [ok(json!({}))])
        .on("EnableApplicationLayerAutomaticResponse", [ok(json!({}))])
        .after("EnableApplicationLayerAutomaticResponse")
        .on(
            "DescribeProtection",
            [described(&["abcdef11-2222-3333-4444-555555fedcba"], json!({ "Status": "ENABLED", "Action": { "Count": {} } }))],
        );
    let endpoint = script.start(&definition(&format!(", health_checks: ['{CHECK}'], automatic_response: count")));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("AssociateHealthCheck")[0]["HealthCheckArn"], CHECK);
    assert_eq!(endpoint.request_bodies("EnableApplicationLayerAutomaticResponse")[0]["Action"], json!({ "Count": {} }));
    endpoint.redefine(&definition(", health_checks: [], automatic_response: block"));
    let plan = endpoint.run("plan", &["-o", "json"]);
    assert!(plan.stdout.contains("/automatic_response") && plan.stdout.contains("/health_checks"), "{}", plan.combined_output());
}

#[test]
fn reports_resources_that_shield_does_not_protect() {
    let wrong = "  shield_protection:
    a: { resource: 'arn:aws:s3:::files' }
    b: { resource: 'arn:aws:ec2:us-east-1:123456789012:eip-allocation/eipalloc-1', automatic_response: block }
";
    let done = Script::new().start(wrong).run("plan", &[]);
    for problem in ["Shield does not protect `arn:aws:s3:::files`", "only a distribution or an application load balancer"] {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
}
