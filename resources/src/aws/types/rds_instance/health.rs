//! Whether a replica keeps up with its source.

use super::RdsInstance;
use crate::{
    aws::{Aws, metrics::latest_maximum},
    core::{Existing, Phase, Result},
};

/// Longest time by which a healthy replica may be behind its source, in seconds.
const LONGEST_LAG: f64 = 60.0;

/// `None` for a database that is no replica: its status says everything.
pub(super) async fn health(aws: &Aws, live: &Existing<RdsInstance>) -> Result<Option<Phase>> {
    if live.spec.replica_of.is_none() {
        return Ok(None);
    }
    let reply = aws.rds.describe_db_instances().db_instance_identifier(&live.id).send().await?;
    let infos = reply.db_instances.unwrap_or_default().into_iter().flat_map(|instance| instance.status_infos.unwrap_or_default());
    if let Some(broken) = infos.into_iter().find(|info| info.normal() == Some(false)) {
        let message = broken.message().unwrap_or_default();
        let text = format!("replication is in the state {}: {message}", broken.status().unwrap_or_default());
        return Ok(Some(Phase::Degraded(text.trim_end_matches([':', ' ']).to_owned())));
    }
    let search = format!("{{AWS/RDS,DBInstanceIdentifier}} MetricName=\"ReplicaLag\" DBInstanceIdentifier=\"{}\"", live.id);
    Ok(Some(match latest_maximum(aws, &search).await? {
        None => Phase::Progressing("its metric ReplicaLag has no value yet".to_owned()),
        // -1: replication does not run.
        Some(seconds) if seconds < 0.0 => Phase::Degraded("replication does not run".to_owned()),
        Some(seconds) if seconds > LONGEST_LAG => {
            Phase::Progressing(format!("it is {seconds:.0} s behind its source, more than {LONGEST_LAG:.0} s"))
        }
        Some(_) => Phase::Ready,
    }))
}
