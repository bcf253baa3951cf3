//! Object Lock of a bucket.

use acme_macros::spec;
use aws_sdk_s3::types as s3;

use super::{S3Bucket, non_default};
use crate::{
    aws::{Aws, from_aws, to_aws},
    core::{Problem, Result, ok_or_not_found},
};

/// Object Lock: versions of objects can't be deleted or overwritten while they are retained. `{}` enables it without a default retention.
#[spec]
#[derive(Default, PartialEq, Eq)]
pub struct ObjectLock {
    /// Default retention of new objects, with `days` or `years`.
    #[field(unset = "new objects are retained only if the writer says so", dropped = None)]
    pub mode: Option<RetentionMode>,
    /// Days for which new objects are retained; 0 for `years`.
    #[field(default = 0, range = 0..=36_500, conflicts_with = years)]
    pub days: i32,
    /// Years for which new objects are retained; 0 for `days`.
    #[field(default = 0, range = 0..=100)]
    pub years: i32,
}

/// Retention mode.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetentionMode {
    /// Principals with `s3:BypassGovernanceRetention` can end the retention. acme does not.
    Governance,
    /// No principal can end the retention, not even the account's root user.
    Compliance,
}

impl ObjectLock {
    pub(super) fn check(&self, versioning: bool) -> Vec<Problem> {
        let at = S3Bucket::POINTERS.object_lock;
        let mut problems = Vec::new();
        if !versioning {
            problems.push(Problem::new(at.clone(), "Object Lock needs versioning").help("set `versioning: true`"));
        }
        let has_period = self.days > 0 || self.years > 0;
        if self.mode.is_some() && !has_period {
            problems.push(Problem::new(at.field(Self::POINTERS.mode), "a retention needs a period").help("set `days` or `years`"));
        } else if self.mode.is_none() && has_period {
            let field = if self.days > 0 { Self::POINTERS.days } else { Self::POINTERS.years };
            let problem = Problem::new(at.field(field), "a retention needs a `mode`");
            problems.push(problem.help("set `mode: GOVERNANCE` or `mode: COMPLIANCE`"));
        }
        problems
    }

    /// Sets the default retention; the default hold of a live one is kept. Enables Object Lock, too, if a versioned bucket has none.
    pub(super) async fn put(&self, aws: &Aws, bucket: &str) -> Result<()> {
        let live = read_retention(aws, bucket).await?.flatten().and_then(|retention| retention.default_event_hold);
        let mode = self.mode.map(|mode| s3::ObjectLockRetentionMode::from(to_aws(&mode).as_str()));
        let retention = s3::DefaultRetention::builder().set_days(non_default(self.days)).set_years(non_default(self.years));
        let retention = retention.set_mode(mode).set_default_event_hold(live.clone()).build();
        let rule = s3::ObjectLockRule::builder().default_retention(retention).build();
        let has_rule = self.mode.is_some() || live.is_some();
        let lock = s3::ObjectLockConfiguration::builder().object_lock_enabled(s3::ObjectLockEnabled::Enabled);
        let lock = lock.set_rule(has_rule.then_some(rule)).build();
        aws.s3.put_object_lock_configuration().bucket(bucket).object_lock_configuration(lock).send().await?;
        Ok(())
    }

    pub(super) async fn read(aws: &Aws, bucket: &str) -> Result<Option<ObjectLock>> {
        let Some(retention) = read_retention(aws, bucket).await? else { return Ok(None) };
        let Some(retention) = retention else { return Ok(Some(ObjectLock::default())) };
        let mode = retention.mode.map(|mode| from_aws(mode.as_str())).transpose()?;
        Ok(Some(ObjectLock { mode, days: retention.days.unwrap_or_default(), years: retention.years.unwrap_or_default() }))
    }
}

/// The default retention of a bucket with Object Lock.
async fn read_retention(aws: &Aws, bucket: &str) -> Result<Option<Option<s3::DefaultRetention>>> {
    let reply = ok_or_not_found(aws.s3.get_object_lock_configuration().bucket(bucket).send().await)?;
    let lock = reply.and_then(|reply| reply.object_lock_configuration);
    let lock = lock.filter(|lock| lock.object_lock_enabled == Some(s3::ObjectLockEnabled::Enabled));
    Ok(lock.map(|lock| lock.rule.and_then(|rule| rule.default_retention)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_retention_has_a_mode_and_a_period() {
        let problems = |lock: Value, versioning: bool| {
            let lock: ObjectLock = serde_json::from_value(lock).expect("a lock");
            lock.check(versioning).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({}), true), [""; 0]);
        assert_eq!(problems(json!({ "mode": "COMPLIANCE", "years": 7 }), true), [""; 0]);
        assert_eq!(problems(json!({ "mode": "GOVERNANCE" }), true), ["/object_lock/mode"]);
        assert_eq!(problems(json!({ "years": 7 }), true), ["/object_lock/years"]);
        assert_eq!(problems(json!({}), false), ["/object_lock"]);
    }
}
