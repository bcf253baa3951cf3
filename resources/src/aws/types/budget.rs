//! `budget`: a limit for costs or usage, with notifications.

mod amount;
mod check;
mod cost_types;
mod filter;
mod notification;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_budgets::types as sdk;

use super::prelude::*;
use crate::aws::{from_aws, to_aws};
use amount::{date, spend, timestamp};

pub use cost_types::CostTypes;
pub use notification::{Comparison, Notification, NotificationType, ThresholdType};

/// A limit for the account's costs or usage, with notifications.
///
/// Users and roles of an account can read budgets only if the account's owner has activated IAM access to billing information.
#[spec]
pub struct Budget {
    /// Name, unique in the account.
    #[field(name(max = 100), pattern = r"[^:\\]+", replaces)]
    pub name: Option<String>,
    /// Whether it limits costs, usage, or the use of reservations and Savings Plans.
    #[field(default)]
    pub budget_type: BudgetType,
    /// Amount for each period; unset with `auto_adjust` or `planned`.
    #[field(default, important, range = 0..=15_000_000_000_000_i64, conflicts_with = auto_adjust, conflicts_with = planned, dropped = None)]
    pub amount: Option<f64>,
    /// Unit of the amounts: the currency, a unit of usage such as `GB`, or `PERCENTAGE`.
    #[field(default = "USD", length = 1..=64)]
    pub unit: String,
    /// Length of a period.
    #[field(default)]
    pub period: Period,
    /// First day, such as `2026-01-01`.
    #[field(unset = "the first day of the current period", pattern = r"\d{4}-\d{2}-\d{2}")]
    #[field(dropped(kept, "AWS sets the first day only at creation"))]
    pub start: Option<String>,
    /// Day on which the budget ends.
    #[field(unset = "2087-06-15", pattern = r"\d{4}-\d{2}-\d{2}", dropped = FOREVER)]
    pub end: Option<String>,
    /// Amounts of the coming periods, by their first days, such as `{2026-01-01: 100}`: twelve months or four quarters.
    #[field(default, length = 0..=12, conflicts_with = auto_adjust)]
    pub planned: BTreeMap<String, f64>,
    /// Sets the amount from the past or from a forecast.
    #[field(default, dropped = None)]
    pub auto_adjust: Option<AutoAdjust>,
    /// Costs that count, by dimension, such as `{Service: [Amazon Elastic Kubernetes Service], TagKeyValue: [user:team$shop]}`.
    #[field(default, conflicts_with = filter)]
    pub cost_filters: BTreeMap<String, BTreeSet<String>>,
    /// Parts of the costs that count.
    #[field(default, conflicts_with = filter, conflicts_with = metric)]
    pub cost_types: CostTypes,
    /// Costs that count, as an expression: `{And: [{Dimensions: {Key: REGION, Values: [eu-west-1]}}, {Tags: {Key: team, Values: [shop]}}]}`.
    #[field(default)]
    pub filter: Document,
    /// Metric of the costs, instead of `cost_types`.
    #[field(
        default,
        one_of = [
            "BlendedCost", "UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost", "UsageQuantity",
            "NormalizedUsageAmount", "Hours"
        ],
        dropped = None
    )]
    pub metric: Option<String>,
    /// Notifications.
    #[field(default, length = 0..=10, own_read, important)]
    pub notifications: Vec<Notification>,
}

/// Day on which a budget without an end ends.
const FOREVER: &str = "2087-06-15";

/// What a budget limits.
#[allow(missing_docs)]
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BudgetType {
    #[default]
    Cost,
    Usage,
    /// Use of reserved instances, in percent.
    RiUtilization,
    /// Part of the usage that reserved instances cover, in percent.
    RiCoverage,
    /// Use of Savings Plans, in percent.
    SavingsPlansUtilization,
    /// Part of the usage that Savings Plans cover, in percent.
    SavingsPlansCoverage,
}

/// Length of a period.
#[allow(missing_docs)]
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Period {
    Daily,
    #[default]
    Monthly,
    Quarterly,
    Annually,
    /// From `start` to `end`.
    Custom,
}

/// Sets the amount of each period.
#[spec]
#[derive(PartialEq)]
pub struct AutoAdjust {
    /// Number of past periods whose average is the amount. Without it, the amount is the forecast.
    #[field(default, range = 1..=60, dropped = None)]
    pub past_periods: Option<i32>,
}

impl Resource for Budget {
    const TYPE: TypeInfo = TypeInfo::new("budget", &services::budgets::SERVICE, "{name}", "arn:aws:budgets::{account}:budget/{name}")
        .without_charge("budgets without actions cost nothing")
        .global()
        .deletable_while_in_use()
        .without_token()
        .quota(20_000, "CreationLimitExceededException")
        .iam_actions(IamActions::new("budgets:budget/{name}").read(&["budgets:ListTagsForResource"]).grants(&[
            IamGrant::read(&["budgets:ViewBudget"], GrantTarget::Arn("budgets:budget/*")),
            // One action creates, changes and deletes: a condition on tags would deny the creation.
            IamGrant::change(&["budgets:ModifyBudget"], GrantTarget::Arn("budgets:budget/{name}")),
        ]));
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let account = aws.account().await?;
        let call = aws.budgets.describe_budgets().account_id(&account).show_filter_expression(true).max_results(1000);
        let all: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        let named = all.into_iter().map(|budget| (read::arn(aws, &account, &budget.budget_name), budget));
        let ours = named.filter(|(arn, budget)| scope.covers(&budget.budget_name, arn));
        let account = account.as_str();
        for_each_concurrent(ours, |(arn, budget)| read::read(aws, scope, account, arn, budget)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let account = cx.account().await?;
        let notifications = self.notifications.iter().map(Notification::to_sdk).collect::<Result<Vec<_>>>()?;
        let call = cx.budgets.create_budget().account_id(account).budget(self.to_sdk(None)?);
        let call = call.set_notifications_with_subscribers((!notifications.is_empty()).then_some(notifications));
        call.set_resource_tags(Some(services::budgets::to_tags(&cx.call.tags))).send().await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("BudgetName"))?.into())
    }

    /// UpdateBudget replaces the budget, except its notifications.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: BudgetChanges) -> Result<()> {
        let account = cx.account().await?;
        let only_notifications = BudgetChanges { notifications: false, ..changes };
        if !Self::pointers(&only_notifications).is_empty() {
            let call = cx.budgets.describe_budget().account_id(&account).budget_name(&live.id).show_filter_expression(true);
            let budget = call.send().await?.budget;
            cx.budgets.update_budget().account_id(&account).new_budget(self.to_sdk(budget)?).send().await?;
        }
        if changes.notifications {
            notification::update(cx, (&account, &live.id), &live.spec.notifications, &self.notifications).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let account = cx.account().await?;
        Deletion::requested(cx.budgets.delete_budget().account_id(account).budget_name(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// AWS sets the amount of a budget that adjusts itself, and has an order of its own for notifications.
    fn normalize(&self, live: &mut Self) {
        if self.auto_adjust.is_some() && live.auto_adjust.is_some() {
            live.amount = self.amount;
        }
        let place = |live: &Notification| self.notifications.iter().position(|one| one.key() == live.key());
        live.notifications.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
    }
}

impl Budget {
    /// With the settings of the live budget that acme does not manage. Cost filters and cost types are deprecated in favour of expressions and
    /// metrics, but most budgets still have them.
    #[allow(deprecated)]
    fn to_sdk(&self, live: Option<sdk::Budget>) -> Result<sdk::Budget> {
        let budget = sdk::Budget::builder().budget_name(self.name.clone().unwrap_or_default());
        let budget = budget.budget_type(to_aws(&self.budget_type).as_str().into()).time_unit(to_aws(&self.period).as_str().into());
        let budget = budget.set_budget_limit(self.amount.map(|amount| spend(amount, &self.unit)).transpose()?);
        let planned = self.planned.iter().map(|(day, amount)| Ok((timestamp(day)?.secs().to_string(), spend(*amount, &self.unit)?)));
        let planned = planned.collect::<Result<std::collections::HashMap<_, _>>>()?;
        let budget = budget.set_planned_budget_limits((!planned.is_empty()).then_some(planned));
        let live_period = live.as_ref().and_then(|live| live.time_period.clone());
        let start = self.start.as_deref().map(timestamp).transpose()?.or(live_period.as_ref().and_then(|period| period.start));
        let end = self.end.as_deref().map(timestamp).transpose()?.or(live_period.and_then(|period| period.end));
        let period = sdk::TimePeriod::builder().set_start(start).set_end(end).build();
        let budget = budget.set_time_period((start.is_some() || end.is_some()).then_some(period));
        let adjust = self.auto_adjust.as_ref().map(|adjust| {
            let (way, options) = match adjust.past_periods {
                Some(periods) => {
                    let options = sdk::HistoricalOptions::builder().budget_adjustment_period(periods).build()?;
                    (sdk::AutoAdjustType::Historical, Some(options))
                }
                None => (sdk::AutoAdjustType::Forecast, None),
            };
            sdk::AutoAdjustData::builder().auto_adjust_type(way).set_historical_options(options).build()
        });
        let budget = budget.set_auto_adjust_data(adjust.transpose()?);
        let filters = self.cost_filters.iter().map(|(name, values)| (name.clone(), values.iter().cloned().collect::<Vec<_>>()));
        let budget = budget.set_cost_filters((!self.cost_filters.is_empty()).then(|| filters.collect()));
        // With an expression or a metric, AWS rejects cost types.
        let is_plain = self.filter.is_empty() && self.metric.is_none();
        let budget = budget.set_cost_types((is_plain && self.budget_type == BudgetType::Cost).then(|| self.cost_types.to_sdk()));
        let budget = budget.set_filter_expression(filter::to_sdk(&self.filter)?);
        let budget = budget.set_metrics(self.metric.as_deref().map(|metric| vec![metric.into()]));
        Ok(budget.set_billing_view_arn(live.and_then(|live| live.billing_view_arn)).build()?)
    }
}
