//! Reading budgets.

use aws_sdk_budgets::types as sdk;

use super::{super::prelude::*, AutoAdjust, Budget, BudgetType, CostTypes, date, filter, from_aws, notification};

/// ARN of a budget, which no call reports.
pub(super) fn arn(aws: &Aws, account: &str, name: &str) -> String {
    format!("arn:{}:budgets::{account}:budget/{name}", partition(&aws.region))
}

/// Reads tags and notifications, which the description lacks. `None`: it was deleted, or is not part of the stack.
pub(super) async fn read(aws: &Aws, scope: &Scope, account: &str, arn: String, budget: sdk::Budget) -> Result<Option<Observed<Budget>>> {
    let name = budget.budget_name.clone();
    let fetch = async {
        let reply = ok_or_not_found(aws.budgets.list_tags_for_resource().resource_arn(&arn).send().await)?;
        Ok(reply.map(|reply| services::budgets::from_tags(reply.resource_tags())))
    };
    let tags = scope.tags_or_fetch(&arn, fetch).await?.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name));
    let Some(tags) = tags else { return Ok(None) };
    let notifications = match scope.own_reads_to_make::<Budget>(&tags).notifications {
        true => match ok_or_not_found(notification::list(aws, (account, &name)).await)? {
            Some(notifications) => notifications,
            None => return Ok(None),
        },
        false => Vec::new(),
    };
    let spec = Budget { notifications, ..described(budget)? };
    Ok(Some(Observed::new(name, tags, spec, ArnOutput { arn })))
}

/// The spec, as far as the description has it.
#[allow(deprecated)] // See `Budget::to_sdk`.
pub(super) fn described(budget: sdk::Budget) -> Result<Budget> {
    let amount = |spend: &sdk::Spend| spend.amount.parse::<f64>().ok();
    let planned = budget.planned_budget_limits.unwrap_or_default();
    let unit = budget.budget_limit.as_ref().or(planned.values().next()).map(|spend| spend.unit.clone());
    let planned = planned.iter().filter_map(|(seconds, spend)| {
        let day = date(&aws_sdk_budgets::primitives::DateTime::from_secs(seconds.parse().ok()?))?;
        Some((day, amount(spend)?))
    });
    let planned: std::collections::BTreeMap<_, _> = planned.collect();
    let adjust = budget.auto_adjust_data.as_ref();
    let period = budget.time_period.unwrap_or_else(|| sdk::TimePeriod::builder().build());
    let metric = budget.metrics.unwrap_or_default().into_iter().next().map(|metric| metric.as_str().to_owned());
    let expression = filter::from_sdk(budget.filter_expression.as_ref());
    let filters = budget.cost_filters.unwrap_or_default().into_iter().map(|(name, values)| (name, values.into_iter().collect()));
    Ok(Budget {
        budget_type: from_aws::<BudgetType>(budget.budget_type.as_str())?,
        amount: budget.budget_limit.as_ref().and_then(amount).filter(|_| planned.is_empty()),
        unit: unit.unwrap_or_else(Budget::default_unit),
        period: from_aws(budget.time_unit.as_str())?,
        start: period.start.as_ref().and_then(date),
        end: period.end.as_ref().and_then(date),
        planned,
        auto_adjust: adjust
            .map(|adjust| AutoAdjust { past_periods: adjust.historical_options.as_ref().map(|options| options.budget_adjustment_period) }),
        // An expression is reported in the earlier form, too.
        cost_filters: if expression.is_empty() { filters.collect() } else { Default::default() },
        cost_types: match (&budget.cost_types, &metric, expression.is_empty()) {
            (Some(types), None, true) => CostTypes::from_sdk(types),
            _ => CostTypes::default(),
        },
        filter: expression,
        metric,
        notifications: Vec::new(),
        name: Some(budget.budget_name),
    })
}
