//! `--cost` and `--max-monthly`: the monthly cost of a plan.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::refusal::refuse;
use crate::{
    engine::{
        cost::{Cache, Costs, PriceSource, estimate},
        plan::Plan,
        session::Session,
    },
    report::{self, Style},
};

/// Estimate of the cost.
#[derive(Clone, Debug, Default, Args)]
pub struct CostArguments {
    /// Estimate the monthly cost and its change, from AWS's price list. `usage` in the definition states what depends on the usage.
    #[arg(long)]
    cost: bool,
    /// Refuse a plan with a higher monthly cost; implies `--cost`.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, allow_negative_numbers = true)]
    max_monthly: Option<f64>,
    /// Folder of recorded answers of the price list (`aws pricing get-products`), instead of calls.
    #[arg(long, value_name = "DIR", env = "ACME_PRICES", hide_env_values = true)]
    prices: Option<PathBuf>,
}

fn parse_amount(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0);
    amount.ok_or_else(|| "an amount is a number, not below 0, such as `500`".to_owned())
}

/// Estimates the cost of a plan, from recorded answers in a folder or from calls.
///
/// # Errors
/// Fails if the folder can't be read. Calls that fail are notes.
pub async fn estimate_from(prices: Option<&Path>, session: &Session, plan: &Plan) -> Result<Costs> {
    let source = match prices {
        Some(folder) => PriceSource::recorded(folder).with_context(|| format!("can't read recorded prices in `{}`", folder.display()))?,
        None => PriceSource::of_cloud(session.cloud(), Cache::default_folder()),
    };
    Ok(estimate(plan, session.stack(), &source).await)
}

impl CostArguments {
    /// Estimates the cost of a plan, if it is asked for.
    ///
    /// # Errors
    /// Fails if the folder of recorded answers can't be read. Calls that fail are notes.
    pub async fn estimate(&self, session: &Session, plan: &Plan) -> Result<Option<Costs>> {
        if !self.cost && self.max_monthly.is_none() {
            return Ok(None);
        }
        let mut costs = estimate_from(self.prices.as_deref(), session, plan).await?;
        let note = self.unchecked_limit(&costs);
        costs.notes.extend(note);
        Ok(Some(costs))
    }

    /// Why a known cost could not be compared with the limit.
    fn unchecked_limit(&self, costs: &Costs) -> Option<String> {
        let limit = self.max_monthly?;
        match (costs.is_known(), costs.is_unread) {
            (false, _) => Some(format!("the limit of {limit:.2} a month was not checked, because no price is known")),
            (true, true) => Some(format!("the limit of {limit:.2} a month was checked without the parts that are not priced")),
            (true, false) => None,
        }
    }

    /// Refuses a cost above the limit, and warns if the limit can't be checked.
    ///
    /// # Errors
    /// Fails if it is above.
    pub fn check(&self, costs: Option<&Costs>) -> Result<()> {
        let (Some(limit), Some(costs)) = (self.max_monthly, costs) else { return Ok(()) };
        if let Some(warning) = self.unchecked_limit(costs) {
            report::eprint(&format!("{} {warning}", Style::Changed.paint("warning:")));
        }
        let total = costs.total().after;
        if costs.is_known() && total > limit {
            refuse!("max-monthly", "the estimated cost is {total:.2} {} a month, above the limit of {limit:.2}", costs.currency);
        }
        Ok(())
    }
}
