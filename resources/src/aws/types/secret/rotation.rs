//! Rotation of a secret by a function.

use acme_macros::spec;
use aws_sdk_secretsmanager::{operation::describe_secret::DescribeSecretOutput, types::RotationRulesType};

use super::Secret;
use crate::{
    aws::Aws,
    core::{Error, Problem, Result},
};

/// Rotation of a secret's value by a Lambda function.
///
/// The first rotation is at the next time of the schedule. To rotate at once, run `aws secretsmanager rotate-secret`. A secret that RDS or
/// another service keeps is rotated by that service, and is not part of a stack.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Rotation {
    /// ARN of the function, whose policy allows `secretsmanager.amazonaws.com` to invoke it.
    #[field(pattern = "arn:aws.*:lambda:.+", length = 1..=2048)]
    pub lambda: String,
    /// Schedule in UTC: `rate(30 days)`, `rate(12 hours)` or `cron(0 4 1 * ? *)`.
    #[field(pattern = r"rate\([1-9][0-9]* (hour|hours|day|days)\)|cron\(.+\)", length = 1..=256)]
    pub schedule: String,
    /// Hours after a time of the schedule within which the rotation happens; 0 for the rest of the day, or of the hour for a schedule in hours.
    #[field(default = 0, range = 0..=24)]
    pub window_hours: u32,
}

impl Rotation {
    /// A schedule is at most every four hours, and at least every 1000 days.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html>
    pub(super) fn check(&self) -> Vec<Problem> {
        let at = Secret::POINTERS.rotation.field(Self::POINTERS.schedule);
        let rate = self.schedule.strip_prefix("rate(").and_then(|rate| rate.strip_suffix(')')).and_then(|rate| rate.split_once(' '));
        let Some((number, unit)) = rate.and_then(|(number, unit)| Some((number.parse::<u32>().ok()?, unit))) else { return Vec::new() };
        let is_hours = unit.starts_with("hour");
        let limits = if is_hours { 4..=999 } else { 1..=999 };
        let problem = Problem::new(at, format!("AWS accepts {} to {} {unit}", limits.start(), limits.end()));
        if limits.contains(&number) { Vec::new() } else { vec![problem] }
    }

    /// `None`: it does not rotate. AWS keeps the rules of a rotation that has ended.
    pub(super) fn read(secret: &DescribeSecretOutput) -> Option<Rotation> {
        let lambda = secret.rotation_lambda_arn.clone().filter(|_| secret.rotation_enabled == Some(true))?;
        let rules = secret.rotation_rules.clone().unwrap_or_else(|| RotationRulesType::builder().build());
        let days = rules.automatically_after_days.map(|days| format!("rate({days} days)"));
        let hours = rules.duration.and_then(|hours| hours.trim_end_matches('h').parse().ok());
        let schedule = rules.schedule_expression.filter(|text| !text.is_empty()).or(days).unwrap_or_default();
        Some(Rotation { lambda, schedule, window_hours: hours.unwrap_or_default() })
    }

    /// `rate(1 day)` means the same as `rate(1 days)`, which acme reads from a number of days.
    pub(super) fn normalize(&self, live: &mut Rotation) {
        let plain = |schedule: &str| schedule.replace("days)", "day)").replace("hours)", "hour)");
        if plain(&self.schedule) == plain(&live.schedule) {
            live.schedule.clone_from(&self.schedule);
        }
    }
}

/// Sets the rotation, or ends it. Without `RotateImmediately: false`, AWS would rotate at once.
pub(super) async fn put(aws: &Aws, id: &str, rotation: Option<&Rotation>) -> Result<()> {
    let Some(rotation) = rotation else {
        aws.secretsmanager.cancel_rotate_secret().secret_id(id).send().await?;
        return Ok(());
    };
    let hours = (rotation.window_hours > 0).then(|| format!("{}h", rotation.window_hours));
    let rules = RotationRulesType::builder().schedule_expression(&rotation.schedule).set_duration(hours).build();
    let call = aws.secretsmanager.rotate_secret().secret_id(id).rotation_lambda_arn(&rotation.lambda).rotation_rules(rules);
    call.rotate_immediately(false).send().await.map(drop).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(schedule: &str) -> Rotation {
        Rotation { lambda: "arn:aws:lambda:eu-west-1:123456789012:function:f".into(), schedule: schedule.into(), window_hours: 0 }
    }

    #[test]
    fn reports_rates_that_aws_rejects() {
        for (schedule, expected) in
            [("rate(30 days)", 0), ("rate(4 hours)", 0), ("rate(3 hours)", 1), ("rate(1000 days)", 1), ("cron(0 4 1 * ? *)", 0)]
        {
            assert_eq!(rotation(schedule).check().len(), expected, "{schedule}");
        }
    }

    #[test]
    fn a_day_is_a_day() {
        let mut live = rotation("rate(1 days)");
        rotation("rate(1 day)").normalize(&mut live);
        assert_eq!(live, rotation("rate(1 day)"));
    }
}
