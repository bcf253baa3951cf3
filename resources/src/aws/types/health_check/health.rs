//! Whether a health check is healthy, as Route 53 sees it.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::AlarmType;

use super::{super::metric_alarm::shared, HealthCheck, HealthCheckKind};
use crate::{
    aws::{Aws, for_each_concurrent},
    core::{Existing, Phase, Result},
};

/// An endpoint is healthy if more than this share of the checkers reach it:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>.
const HEALTHY_SHARE: f64 = 0.18;

pub(super) async fn health(aws: &Aws, live: &Existing<HealthCheck>) -> Result<Phase> {
    let check = &live.spec;
    if check.disabled {
        return Ok(Phase::Ready);
    }
    let phase = match check.kind {
        HealthCheckKind::Http | HealthCheckKind::Https | HealthCheckKind::Tcp => endpoint(&reports(aws, &live.id).await?),
        HealthCheckKind::Calculated => {
            let children: BTreeSet<String> = check.children.iter().map(|child| child.get().to_owned()).collect();
            let children: Vec<Phase> =
                for_each_concurrent(children, |child| async move { Ok(Some(endpoint(&reports(aws, &child).await?))) }).await?;
            let healthy = children.iter().filter(|phase| **phase == Phase::Ready).count();
            match healthy >= usize::from(check.healthy_children) {
                true => Phase::Ready,
                false => {
                    Phase::Degraded(format!("{healthy} of {} checks are healthy, fewer than {}", children.len(), check.healthy_children))
                }
            }
        }
        HealthCheckKind::Alarm => match &check.alarm {
            Some(alarm) => shared::health(&aws.elsewhere(&alarm.region), &alarm.name, AlarmType::MetricAlarm).await?,
            None => Phase::Degraded("it has no alarm".to_owned()),
        },
    };
    Ok(match (check.inverted, phase) {
        (true, Phase::Ready) => Phase::Degraded("it is inverted, and what it checks is healthy".to_owned()),
        (true, Phase::Degraded(_)) => Phase::Ready,
        (_, phase) => phase,
    })
}

/// Reports of the checkers. AWS refuses this call for checks that combine others.
async fn reports(aws: &Aws, id: &str) -> Result<Vec<String>> {
    let reply = aws.route53.get_health_check_status().health_check_id(id).send().await?;
    let reports = reply.health_check_observations.into_iter().filter_map(|one| one.status_report?.status);
    Ok(reports.collect())
}

fn endpoint(reports: &[String]) -> Phase {
    if reports.is_empty() {
        return Phase::Progressing("no checker has reported yet".to_owned());
    }
    let healthy = reports.iter().filter(|report| report.starts_with("Success")).count();
    if healthy as f64 > HEALTHY_SHARE * reports.len() as f64 {
        return Phase::Ready;
    }
    let failure = reports.iter().find(|report| !report.starts_with("Success")).map(String::as_str).unwrap_or_default();
    Phase::Degraded(format!("{healthy} of {} checkers reach it: {failure}", reports.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_share_of_healthy_checkers() {
        let reports = |healthy: usize, all: usize| -> Vec<String> {
            let report = |number| if number < healthy { "Success: HTTP Status Code 200, OK" } else { "Failure: timeout" };
            (0..all).map(|number| report(number).to_owned()).collect()
        };
        assert_eq!(endpoint(&reports(3, 16)), Phase::Ready);
        assert_eq!(endpoint(&reports(2, 16)), Phase::Degraded("2 of 16 checkers reach it: Failure: timeout".into()));
        assert_eq!(endpoint(&[]), Phase::Progressing("no checker has reported yet".into()));
    }
}
