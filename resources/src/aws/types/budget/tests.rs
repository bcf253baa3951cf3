use serde_json::{Value, json};

use super::*;

fn budget(spec: Value) -> Budget {
    serde_json::from_value(spec).expect("a budget")
}

fn problems(spec: Value) -> Vec<String> {
    budget(spec).check().into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn reads_the_budget_that_it_writes() {
    for written in [
        json!({ "name": "a", "amount": 100.5, "start": "2026-01-01", "end": "2027-01-01", "cost_filters": { "Region": ["eu-west-1"] },
            "cost_types": { "taxes": false, "amortized": true } }),
        json!({ "name": "a", "planned": { "2026-01-01": 10.0, "2026-02-01": 20.0 }, "start": "2026-01-01", "end": "2027-01-01" }),
        json!({ "name": "a", "amount": 1.0, "metric": "AmortizedCost", "start": "2026-01-01", "end": "2027-01-01", "filter": { "And": [
            { "Dimensions": { "Key": "REGION", "Values": ["eu-west-1"] } },
            { "Not": { "Tags": { "Key": "team", "Values": ["a"], "MatchOptions": ["STARTS_WITH"] } } },
            { "Or": [{ "CostCategories": { "Key": "c", "Values": ["d"] } }, { "Dimensions": { "Key": "SERVICE", "Values": ["e"] } }] },
        ] } }),
        json!({ "name": "a", "auto_adjust": { "past_periods": 3 }, "start": "2026-01-01", "end": "2027-01-01" }),
    ] {
        let written = budget(written);
        assert!(written.check().is_empty(), "{:?}", written.check());
        let read = read::described(written.to_sdk(None).expect("a budget")).expect("a budget");
        assert_eq!(json!(read), json!(written));
    }
}

#[test]
fn checks_amounts_days_and_notifications() {
    assert_eq!(problems(json!({ "amount": 10 })), [""; 0]);
    assert_eq!(problems(json!({})), [""]);
    assert_eq!(problems(json!({ "amount": 10, "period": "CUSTOM" })), ["/period"]);
    assert_eq!(problems(json!({ "amount": 10, "start": "2026-13-01" })), ["/start"]);
    assert_eq!(problems(json!({ "amount": 10, "start": "2026-02-01", "end": "2026-01-01" })), ["/end"]);
    assert_eq!(problems(json!({ "amount": 80, "budget_type": "RI_COVERAGE" })), ["/unit"]);
    assert_eq!(problems(json!({ "amount": 10, "filter": { "Region": ["a"] } })), ["/filter"]);
    let one = json!({ "threshold": 80, "emails": ["ops@example.com"] });
    assert_eq!(problems(json!({ "amount": 10, "notifications": [one, one] })), ["/notifications/1/threshold"]);
    assert_eq!(problems(json!({ "amount": 10, "notifications": [{ "threshold": 80 }] })), ["/notifications/0/emails"]);
}

#[test]
fn ignores_the_amount_of_a_budget_that_adjusts_itself_and_the_order_of_notifications() {
    let one = |threshold: u32| json!({ "threshold": threshold, "emails": ["ops@example.com"] });
    let declared = budget(json!({ "auto_adjust": {}, "notifications": [one(80), one(100)] }));
    let mut live = budget(json!({ "auto_adjust": {}, "notifications": [one(100), one(80)] }));
    live.amount = Some(12.0);
    declared.normalize(&mut live);
    assert_eq!(json!(live), json!(declared));
}
