//! Results of a drill, compared with its goals.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::DrillRecord;
use crate::{core::Address, definition::procedures::Drill};

/// Result of the restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Time at which the last gate opened, in milliseconds since 1970; `None` if it did not.
    pub recovered_at: Option<u64>,
    /// Why not: the apply that failed, or the gates that stayed closed.
    pub failures: Vec<String>,
    /// Gates that can't be checked here, each with the reason.
    pub unchecked: Vec<String>,
    /// Whether the user interrupted it.
    pub interrupted: bool,
}

/// A drill with its goals, for a report.
#[derive(Clone, Debug, PartialEq)]
pub struct DrillResult {
    /// Restored resources.
    pub resources: Vec<RestoredResource>,
    /// Recovery point objective.
    pub rpo: Option<Duration>,
    /// Time from the start to the last open gate; `None` if it did not open.
    pub recovery_time: Option<Duration>,
    /// Recovery time objective.
    pub rto: Option<Duration>,
    /// Time of the start, in milliseconds since 1970.
    pub started_at: u64,
    /// See [`Measured`].
    pub measured: Measured,
}

/// A restored resource.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoredResource {
    /// Address in both environments.
    pub address: Address,
    /// Physical id of the resource whose backup it has.
    pub source: String,
    /// Kind of the backup.
    pub backup: String,
    /// Time of the data, in milliseconds since 1970.
    pub data_time: u64,
    /// Age of the data when the drill looked up the newest backup: what a loss at that time would have cost.
    pub data_age: Duration,
}

impl DrillResult {
    /// Compares a result with the goals.
    pub fn new(drill: &Drill, record: &DrillRecord, measured: Measured) -> DrillResult {
        let resource = |(address, restored): (&Address, &super::record::RestoredBackup)| RestoredResource {
            address: address.clone(),
            source: restored.id.clone(),
            backup: restored.point.kind.clone(),
            data_time: restored.point.data_time,
            data_age: Duration::from_millis(record.looked_up_at.saturating_sub(restored.point.data_time)),
        };
        let recovered = measured.recovered_at.map(|at| Duration::from_millis(at.saturating_sub(record.started_at)));
        DrillResult {
            resources: record.restored.iter().map(resource).collect(),
            rpo: drill.rpo,
            recovery_time: recovered,
            rto: drill.rto,
            started_at: record.started_at,
            measured,
        }
    }

    /// Whether the platform is back, within all goals.
    pub fn is_reached(&self) -> bool {
        self.has_recovered() && self.missed().is_empty()
    }

    /// Whether everything was restored, and all gates opened.
    pub fn has_recovered(&self) -> bool {
        self.recovery_time.is_some()
    }

    /// Whether the data of a resource is as new as the goal requires.
    pub fn meets_rpo(&self, resource: &RestoredResource) -> bool {
        self.rpo.is_none_or(|goal| resource.data_age <= goal)
    }

    /// Goals that were missed: `RPO of rds_instance.orders`, `RTO`.
    pub fn missed(&self) -> Vec<String> {
        let old = self.resources.iter().filter(|resource| !self.meets_rpo(resource));
        let mut missed: Vec<String> = old.map(|resource| format!("RPO of {}", resource.address)).collect();
        if let (Some(goal), Some(took)) = (self.rto, self.recovery_time)
            && took > goal
        {
            missed.push("RTO".to_owned());
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::record::RestoredBackup, *};
    use crate::core::RestorePoint;

    fn result(data_time: u64, recovered_at: Option<u64>) -> DrillResult {
        let point = RestorePoint { fields: serde_json::Map::new(), data_time, kind: "point-in-time recovery".to_owned() };
        let restored = BTreeMap::from([(Address::new("rds_instance", "orders"), RestoredBackup { id: "orders".to_owned(), point })]);
        let record = DrillRecord::new("production", 1_000_000, restored);
        let drill = Drill {
            environment: "drill".parse().unwrap(),
            restore: vec![Address::new("rds_instance", "orders")],
            gates: crate::definition::procedures::Gates::default(),
            rpo: Some(Duration::from_secs(300)),
            rto: Some(Duration::from_secs(60)),
        };
        DrillResult::new(&drill, &record, Measured { recovered_at, ..Measured::default() })
    }

    #[test]
    fn compares_the_age_of_the_data_and_the_time_of_the_recovery_with_the_goals() {
        let good = result(700_000, Some(1_060_000));
        assert_eq!((good.resources[0].data_age, good.recovery_time), (Duration::from_secs(300), Some(Duration::from_secs(60))));
        assert!(good.is_reached());
        assert_eq!(result(699_999, Some(1_060_001)).missed(), ["RPO of rds_instance.orders", "RTO"]);
        let failed = result(700_000, None);
        assert!(!failed.is_reached() && failed.missed().is_empty(), "without a recovery there is no time to compare");
    }
}
