//! Failovers and failbacks.

use super::Shop;

const FAILOVER: &str = "  failover:
    values: { active: eu-central-1 }
    bake: 0s
    before: { healthy: [sqs_queue.orders] }
    gates: { http: [{ url: 'SERVER/health' }] }
    failback: { gates: { http: [{ url: 'SERVER/health' }] } }
";

#[test]
fn moves_to_the_standby_and_back() {
    let shop = Shop::new();
    let stack = shop.apply(FAILOVER);
    let early = shop.acme.run("failback", &stack, &["--yes"]).assert_success();
    assert!(early.stderr.contains("there was no failover"), "{}", early.stderr);
    let planned = shop.acme.run("failover", &stack, &["--plan"]).assert_success().stdout;
    assert!(planned.contains("eu-west-1 → eu-central-1") && planned.contains("sqs_queue.orders"), "{planned}");

    let done = shop.acme.run("failover", &stack, &["--yes"]).assert_success();
    assert!(done.stderr.contains("failover: active = eu-central-1"), "{}", done.stderr);
    assert_eq!(shop.live(&stack)["region"], "eu-central-1");
    shop.acme.assert_no_changes(&stack);
    let plan = shop.acme.run("plan", &stack, &[]).assert_success().stdout;
    assert!(plan.contains("`active` is eu-central-1, moved by `acme failover`"), "{plan}");
    let again = shop.acme.run("failover", &stack, &["--yes"]).assert_success();
    assert!(again.stderr.contains("`acme failback ") && again.stderr.contains("` returns"), "{}", again.stderr);

    shop.acme.run("failback", &stack, &["--yes"]).assert_success();
    assert_eq!(shop.live(&stack)["region"], "eu-west-1");
    assert_eq!(shop.recorded(), serde_json::json!({}));
    shop.acme.assert_no_changes(&stack);
    assert_eq!(shop.history(&stack), ["failback", "failover", "apply"]);
}

#[test]
fn a_closed_gate_after_a_failover_returns_to_the_primary() {
    let shop = Shop::new();
    let stack = shop.apply(FAILOVER);
    shop.server.fail_after(0);
    let failed = shop.acme.run("failover", &stack, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("status 500, not 200") && failed.stderr.contains("Returned:"), "{}", failed.stderr);
    assert_eq!(shop.live(&stack)["region"], "eu-west-1");
    shop.acme.assert_no_changes(&stack);
    assert_eq!(shop.history(&stack), ["failover: back", "failover", "apply"]);
}

#[test]
fn a_closed_gate_after_a_failback_returns_to_the_standby() {
    let shop = Shop::new();
    let stack = shop.apply(FAILOVER);
    shop.acme.run("failover", &stack, &["--yes"]).assert_success();
    shop.server.fail_after(0);
    let failed = shop.acme.run("failback", &stack, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert_eq!(shop.live(&stack)["region"], "eu-central-1");
    shop.acme.assert_no_changes(&stack);

    let stays = shop.acme.run("failback", &stack, &["--yes", "--no-rollback"]);
    assert_eq!(stays.code, 3, "{}", stays.stderr);
    assert_eq!(shop.live(&stack)["region"], "eu-west-1");
    shop.server.recover();
    shop.acme.run("failback", &stack, &["--yes"]).assert_success();
    assert_eq!(shop.recorded(), serde_json::json!({}));
}

#[test]
fn an_unhealthy_standby_prevents_a_failover() {
    let shop = Shop::new();
    let stack = shop.apply(FAILOVER);
    let unhealthy = [("ACME_LOCAL_FAULT", "gate:sqs_queue.orders")];
    let refused = shop.acme.run_with_env(&unhealthy, "failover", &stack, &["--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("no changes made: a gate is closed: sqs_queue.orders"), "{}", refused.stderr);
    assert_eq!(shop.live(&stack)["region"], "eu-west-1");
    assert_eq!((shop.recorded(), shop.history(&stack).len()), (serde_json::Value::Null, 1));
}

#[test]
fn returns_from_a_failover_without_gates() {
    let shop = Shop::new();
    let stack = shop.apply(FAILOVER);
    shop.acme.run("failover", &stack, &["--yes"]).assert_success();
    shop.server.fail_after(0);
    shop.acme.run("failover", &stack, &["--yes", "--back"]).assert_success();
    assert_eq!(shop.live(&stack)["region"], "eu-west-1");
    shop.acme.assert_no_changes(&stack);
}
