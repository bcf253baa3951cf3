//! Gates by HTTP behave as users expect.

use serde_json::Value;

use super::Shop;
use crate::standin::free_port;

/// State and reason of a gate now.
fn state(shop: &Shop, gate: &str) -> (String, String) {
    let gates = format!("  cutover: {{ value: share, steps: [1], gates: {{ {gate} }} }}\n");
    let shown = shop.acme.run("cutover", &shop.define(&gates), &["--plan", "-o", "json"]).assert_success().stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let gate = &shown["gates"][0]["gates"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&gate["state"]), text(&gate["reason"]))
}

#[test]
fn redirects_are_followed_only_if_the_definition_says_so() {
    let shop = Shop::new();
    let open = ("open".to_owned(), String::new());
    let closed = |reason: &str| ("closed".to_owned(), reason.to_owned());
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/health' }]"), open);
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/absent' }]"), closed("the answer has status 404, not 200"));
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/absent', status: 404 }]"), open);
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/moved' }]"), closed("the answer has status 302, not 200"));
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/moved', status: 302 }]"), open);
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/moved', follow_redirects: true }]"), open);
    assert_eq!(state(&shop, "http: [{ url: 'SERVER/circle', follow_redirects: true }]"), closed("more than 10 redirects"));
}

#[test]
fn a_request_without_an_answer_closes_a_gate() {
    let shop = Shop::new();
    let slow = state(&shop, "http: [{ url: 'SERVER/slow', timeout: 1s }]");
    assert_eq!(slow, ("closed".to_owned(), "no answer within 1 s".to_owned()));
    let (state, reason) = state(&shop, &format!("http: [{{ url: 'http://127.0.0.1:{}/' }}]", free_port()));
    assert!(state == "closed" && reason.contains("refused"), "{state}: {reason}");
}

#[test]
fn missing_resources_and_queries_are_told_apart() {
    let shop = Shop::new();
    // Nothing is applied yet.
    assert_eq!(state(&shop, "healthy: [sqs_queue.orders]"), ("closed".to_owned(), "it does not exist".to_owned()));
    let url = state(&shop, "http: [{ url: 'https://{{ sqs_queue.orders.name }}.example.com/' }]");
    assert_eq!(url.0, "closed");
    shop.apply("  failover: { values: { active: x }, gates: { healthy: [sqs_queue.orders] } }\n");
    assert_eq!(state(&shop, "healthy: [sqs_queue.orders]").0, "open");
}
