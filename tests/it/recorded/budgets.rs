//! Budgets: changes of receivers, which an update of the budget does not make.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_ownership_tags, ok};

const ARN: &str = "arn:aws:budgets::123456789012:budget/shop-month";

fn budget(amount: &str) -> Answer {
    ok(json!({ "Budgets": [described(amount)] }))
}

fn described(amount: &str) -> Value {
    json!({
        "BudgetName": "shop-month", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": { "Amount": amount, "Unit": "USD" },
        "TimePeriod": { "Start": 1_767_225_600, "End": 3_706_473_600_u64 }, "CalculatedSpend": { "ActualSpend": { "Amount": "3.1", "Unit": "USD" } },
        "CostTypes": { "IncludeTax": true, "IncludeSubscription": true, "UseBlended": false },
        "BillingViewArn": "arn:aws:billing::123456789012:billingview/primary",
    })
}

fn notification() -> Value {
    json!({ "NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0, "NotificationState": "OK" })
}

fn receivers(all: &[&str]) -> Answer {
    let all: Vec<Value> = all.iter().map(|address| json!({ "SubscriptionType": "EMAIL", "Address": address })).collect();
    ok(json!({ "Subscribers": all }))
}

fn script() -> Script {
    Script::new()
        .on("DescribeBudgets", [budget("100.0")])
        .on("DescribeBudget", [ok(json!({ "Budget": described("100.0") }))])
        .on("ListTagsForResource", [ok(json!({ "ResourceTags": json_ownership_tags("budget.month") }))])
        .on("DescribeNotificationsForBudget", [ok(json!({ "Notifications": [notification()] }))])
        .on("DescribeSubscribersForNotification", [receivers(&["old@example.com"])])
}

fn definition(amount: u32, email: &str) -> String {
    format!("  budget: {{ month: {{ amount: {amount}, notifications: [{{ threshold: 80, emails: [{email}] }}] }} }}\n")
}

/// The last receiver would take the notification with it.
#[test]
fn adds_receivers_before_it_removes_others() {
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "budget.month")])
        .on("CreateSubscriber", [ok(json!({}))])
        .on("DeleteSubscriber", [ok(json!({}))])
        .after("DeleteSubscriber")
        .on("DescribeSubscribersForNotification", [receivers(&["new@example.com"])])
        .start(&definition(100, "new@example.com"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateSubscriber", "200 DeleteSubscriber"]);
}

/// UpdateBudget replaces the whole budget, except its notifications.
#[test]
fn an_update_keeps_the_period_and_the_billing_view() {
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "budget.month")])
        .on("UpdateBudget", [ok(json!({}))])
        .after("UpdateBudget")
        .on("DescribeBudgets", [budget("200.0")])
        .start(&definition(200, "old@example.com"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 UpdateBudget"]);
    let sent = &endpoint.request_bodies("UpdateBudget")[0]["NewBudget"];
    assert_eq!((&sent["BudgetLimit"]["Amount"], &sent["TimePeriod"]["Start"]), (&json!("200"), &json!(1_767_225_600)));
    assert_eq!(sent["BillingViewArn"], "arn:aws:billing::123456789012:billingview/primary");
}
