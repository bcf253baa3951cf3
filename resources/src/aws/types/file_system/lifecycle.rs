//! Storage classes of files.

use aws_sdk_efs::types::{LifecyclePolicy, TransitionToPrimaryStorageClassRules};

use super::super::prelude::*;

/// Days after which files move to cheaper storage, since their last use.
#[spec]
#[derive(Default, PartialEq)]
pub struct Lifecycle {
    /// Days until a file moves to Infrequent Access.
    #[field(unset = "never", one_of = [1, 7, 14, 30, 60, 90, 180, 270, 365], dropped = None)]
    pub infrequent_access_days: Option<u32>,
    /// Days until a file moves to Archive; for regional file systems with elastic throughput.
    #[field(unset = "never", one_of = [1, 7, 14, 30, 60, 90, 180, 270, 365], dropped = None)]
    pub archive_days: Option<u32>,
    /// Moves a file back when it is used.
    #[field(default = false)]
    pub back_on_access: bool,
}

impl Lifecycle {
    /// A policy has one transition.
    pub(super) fn to_sdk(&self) -> Vec<LifecyclePolicy> {
        let rule = |days: u32| if days == 1 { "AFTER_1_DAY".to_owned() } else { format!("AFTER_{days}_DAYS") };
        let cold = self.infrequent_access_days.map(|days| LifecyclePolicy::builder().transition_to_ia(rule(days).as_str().into()));
        let archive = self.archive_days.map(|days| LifecyclePolicy::builder().transition_to_archive(rule(days).as_str().into()));
        let first_use = TransitionToPrimaryStorageClassRules::After1Access;
        let back = self.back_on_access.then(|| LifecyclePolicy::builder().transition_to_primary_storage_class(first_use));
        [cold, archive, back].into_iter().flatten().map(|policy| policy.build()).collect()
    }

    pub(super) fn from_sdk(policies: &[LifecyclePolicy]) -> Lifecycle {
        let days = |rule: &str| rule.split('_').nth(1).and_then(|days| days.parse().ok());
        Lifecycle {
            infrequent_access_days: policies.iter().find_map(|policy| days(policy.transition_to_ia()?.as_str())),
            archive_days: policies.iter().find_map(|policy| days(policy.transition_to_archive()?.as_str())),
            back_on_access: policies.iter().any(|policy| policy.transition_to_primary_storage_class().is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for lifecycle in [
            Lifecycle::default(),
            Lifecycle { infrequent_access_days: Some(1), ..Lifecycle::default() },
            Lifecycle { infrequent_access_days: Some(30), archive_days: Some(90), back_on_access: true },
        ] {
            assert_eq!(Lifecycle::from_sdk(&lifecycle.to_sdk()), lifecycle);
        }
        let one = Lifecycle { infrequent_access_days: Some(1), ..Lifecycle::default() };
        assert_eq!(one.to_sdk()[0].transition_to_ia().map(|rule| rule.as_str()), Some("AFTER_1_DAY"));
    }
}
