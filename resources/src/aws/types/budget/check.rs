//! Rules of budgets.

use std::collections::BTreeSet;

use super::{super::prelude::*, Budget, BudgetType, Notification, NotificationType, Period, filter, timestamp};
use crate::core::Pointer;

/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html>
pub(super) fn check(budget: &Budget) -> Vec<Problem> {
    let mut problems = Vec::new();
    if budget.amount.is_none() && budget.planned.is_empty() && budget.auto_adjust.is_none() {
        problems.push(Problem::new(Pointer::ROOT, "a budget needs an amount").help("set `amount: …`"));
    }
    if !matches!(budget.budget_type, BudgetType::Cost | BudgetType::Usage) && budget.unit != "PERCENTAGE" {
        problems.push(Problem::new(Budget::POINTERS.unit, "this type of budget is a percentage").help("set `unit: PERCENTAGE`"));
    }
    if budget.period == Period::Custom && (budget.start.is_none() || budget.end.is_none()) {
        problems.push(Problem::new(Budget::POINTERS.period, "a custom period needs a first and a last day").help("set `start` and `end`"));
    }
    let days = [(Budget::POINTERS.start, &budget.start), (Budget::POINTERS.end, &budget.end)];
    let days = days.into_iter().filter_map(|(pointer, day)| Some((pointer, day.as_ref()?)));
    let planned = budget.planned.keys().map(|day| (Budget::POINTERS.planned.item(day), day));
    let wrong = days.chain(planned).filter_map(|(pointer, day)| Some((pointer, timestamp(day).err()?)));
    problems.extend(wrong.map(|(pointer, error)| Problem::new(pointer, error.message)));
    if let (Some(start), Some(end)) = (&budget.start, &budget.end)
        && start >= end
    {
        problems.push(Problem::new(Budget::POINTERS.end, "is not after `start`"));
    }
    if let Err(error) = filter::to_sdk(&budget.filter) {
        problems.push(Problem::new(Budget::POINTERS.filter, error.message));
    }
    let mut keys = BTreeSet::new();
    for (index, one) in budget.notifications.iter().enumerate() {
        let at = |field: Pointer| Budget::POINTERS.notifications.item(index).field(field);
        if !keys.insert(one.key()) {
            let problem = Problem::new(at(Notification::POINTERS.threshold), "is declared twice");
            problems.push(problem.help("put all receivers into one notification"));
        }
        if one.emails.is_empty() && one.topic.is_none() {
            let problem = Problem::new(at(Notification::POINTERS.emails), "a notification needs a receiver");
            problems.push(problem.help("add `emails: [...]` or `topic: …`"));
        }
        if one.kind == NotificationType::Forecasted && !matches!(budget.budget_type, BudgetType::Cost | BudgetType::Usage) {
            problems.push(Problem::new(at(Notification::POINTERS.kind), "this type of budget has no forecast").help("use `ACTUAL`"));
        }
    }
    problems
}
