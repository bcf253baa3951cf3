//! Amounts and days.

use aws_sdk_budgets::{primitives::DateTime, types::Spend};
use aws_smithy_types::date_time::Format;

use crate::core::{Error, ErrorKind, Result};

/// An amount, which AWS takes as text.
pub(super) fn spend(amount: f64, unit: &str) -> Result<Spend> {
    Ok(Spend::builder().amount(amount.to_string()).unit(unit).build()?)
}

/// The start of a day such as `2026-01-01`, in UTC.
pub(super) fn timestamp(day: &str) -> Result<DateTime> {
    let invalid = |_| Error::new(ErrorKind::Rejected, "Request", format!("`{day}` is not a valid day: write it as `2026-01-31`"));
    DateTime::from_str(&format!("{day}T00:00:00Z"), Format::DateTime).map_err(invalid)
}

/// The day of a time.
pub(super) fn date(time: &DateTime) -> Option<String> {
    time.fmt(Format::DateTime).ok().and_then(|text| text.split_once('T').map(|(day, _)| day.to_owned()))
}
