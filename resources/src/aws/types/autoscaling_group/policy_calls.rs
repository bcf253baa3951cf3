//! Calls for scaling policies.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::{
    operation::put_scaling_policy::builders::PutScalingPolicyFluentBuilder,
    types::{
        self as sdk, CustomizedMetricSpecification, Metric, MetricDimension, PredefinedMetricSpecification, PredictiveScalingConfiguration,
        PredictiveScalingMaxCapacityBreachBehavior, PredictiveScalingMetricSpecification, PredictiveScalingPredefinedMetricPair,
        StepAdjustment, TargetTrackingConfiguration, TargetTrackingMetricDataQuery, TargetTrackingMetricStat,
    },
};

use super::{
    super::prelude::*,
    MetricQuery, PredictiveScaling, ScalingPolicy, SimpleScaling, StepScaling, TargetTracking, TrackedMetric,
    policy::{AdjustmentType, Step},
};
use crate::aws::{from_aws, to_aws};

fn dimensions(dimensions: &BTreeMap<String, String>) -> Option<Vec<MetricDimension>> {
    let all: Vec<_> = dimensions.iter().map(|(name, value)| MetricDimension::builder().name(name).value(value).build()).collect();
    Some(all).filter(|all| !all.is_empty())
}

fn from_dimensions(dimensions: Option<Vec<MetricDimension>>) -> BTreeMap<String, String> {
    dimensions.unwrap_or_default().into_iter().filter_map(|one| Some((one.name?, one.value.unwrap_or_default()))).collect()
}

impl TrackedMetric {
    fn to_sdk(&self) -> CustomizedMetricSpecification {
        CustomizedMetricSpecification::builder()
            .namespace(&self.namespace)
            .metric_name(&self.name)
            .set_dimensions(dimensions(&self.dimensions))
            .statistic(self.statistic.as_str().into())
            .set_unit(self.unit.clone())
            .set_period(self.period_seconds)
            .build()
    }
    fn to_stat(&self) -> TargetTrackingMetricStat {
        let metric = Metric::builder().namespace(&self.namespace).metric_name(&self.name).set_dimensions(dimensions(&self.dimensions));
        let stat = TargetTrackingMetricStat::builder().metric(metric.build()).stat(&self.statistic);
        stat.set_unit(self.unit.clone()).set_period(self.period_seconds).build()
    }
    fn from_stat(stat: TargetTrackingMetricStat) -> TrackedMetric {
        let metric = stat.metric.unwrap_or_else(|| Metric::builder().build());
        TrackedMetric {
            namespace: metric.namespace.unwrap_or_default(),
            name: metric.metric_name.unwrap_or_default(),
            dimensions: from_dimensions(metric.dimensions),
            statistic: stat.stat.unwrap_or_default(),
            unit: stat.unit,
            period_seconds: stat.period,
        }
    }
}

impl TargetTracking {
    fn to_sdk(&self) -> TargetTrackingConfiguration {
        let predefined = self.metric.as_deref().map(|metric| {
            let metric = PredefinedMetricSpecification::builder().predefined_metric_type(metric.into());
            metric.set_resource_label(self.resource_label.clone()).build()
        });
        let query = |(id, query): (&String, &MetricQuery)| {
            TargetTrackingMetricDataQuery::builder()
                .id(id)
                .set_expression(Some(query.expression.clone()).filter(|text| !text.is_empty()))
                .set_label(Some(query.label.clone()).filter(|text| !text.is_empty()))
                .set_metric_stat(query.metric.as_ref().map(TrackedMetric::to_stat))
                .return_data(query.tracked)
                .build()
        };
        let queries = (!self.queries.is_empty()).then(|| self.queries.iter().map(query).collect::<Vec<_>>());
        let queries = queries.map(|queries| CustomizedMetricSpecification::builder().set_metrics(Some(queries)).build());
        TargetTrackingConfiguration::builder()
            .target_value(self.target)
            .disable_scale_in(self.only_increase)
            .set_predefined_metric_specification(predefined)
            .set_customized_metric_specification(self.custom_metric.as_ref().map(TrackedMetric::to_sdk).or(queries))
            .build()
    }

    fn from_sdk(tracking: TargetTrackingConfiguration) -> TargetTracking {
        let (metric, resource_label) = tracking.predefined_metric_specification.map_or((None, None), |metric| {
            (metric.predefined_metric_type.map(|kind| kind.as_str().to_owned()), metric.resource_label.filter(|label| !label.is_empty()))
        });
        let mut custom = tracking.customized_metric_specification;
        let queries = custom.as_mut().and_then(|custom| custom.metrics.take()).unwrap_or_default();
        let query = |query: TargetTrackingMetricDataQuery| {
            let read = MetricQuery {
                metric: query.metric_stat.map(TrackedMetric::from_stat),
                expression: query.expression.unwrap_or_default(),
                label: query.label.unwrap_or_default(),
                // The default of the API.
                tracked: query.return_data.unwrap_or(true),
            };
            Some((query.id?, read))
        };
        let custom_metric = custom.filter(|custom| custom.metric_name.is_some()).map(|custom| TrackedMetric {
            namespace: custom.namespace.unwrap_or_default(),
            name: custom.metric_name.unwrap_or_default(),
            dimensions: from_dimensions(custom.dimensions),
            statistic: custom.statistic.map(|statistic| statistic.as_str().to_owned()).unwrap_or_default(),
            unit: custom.unit.filter(|unit| !unit.is_empty()),
            period_seconds: custom.period,
        });
        TargetTracking {
            target: tracking.target_value.unwrap_or_default(),
            metric,
            resource_label,
            custom_metric,
            queries: queries.into_iter().filter_map(query).collect(),
            only_increase: tracking.disable_scale_in.unwrap_or_default(),
        }
    }
}

impl PredictiveScaling {
    fn to_sdk(&self) -> PredictiveScalingConfiguration {
        let pair = PredictiveScalingPredefinedMetricPair::builder().predefined_metric_type(self.metric.as_str().into());
        let pair = pair.set_resource_label(self.resource_label.clone()).build();
        let metric = PredictiveScalingMetricSpecification::builder().target_value(self.target).predefined_metric_pair_specification(pair);
        let breach = match self.exceed_max {
            true => PredictiveScalingMaxCapacityBreachBehavior::IncreaseMaxCapacity,
            false => PredictiveScalingMaxCapacityBreachBehavior::HonorMaxCapacity,
        };
        PredictiveScalingConfiguration::builder()
            .metric_specifications(metric.build())
            .mode(self.mode.as_str().into())
            .scheduling_buffer_time(self.buffer_seconds)
            .max_capacity_breach_behavior(breach)
            .set_max_capacity_buffer(self.max_buffer_percentage.filter(|_| self.exceed_max).or(self.exceed_max.then_some(0)))
            .build()
    }

    fn from_sdk(predictive: PredictiveScalingConfiguration) -> PredictiveScaling {
        let metric = predictive.metric_specifications.unwrap_or_default().into_iter().next();
        let target = metric.as_ref().and_then(|metric| metric.target_value).unwrap_or_default();
        let pair = metric.and_then(|metric| metric.predefined_metric_pair_specification);
        let exceed_max = predictive.max_capacity_breach_behavior == Some(PredictiveScalingMaxCapacityBreachBehavior::IncreaseMaxCapacity);
        PredictiveScaling {
            resource_label: pair.as_ref().and_then(|pair| pair.resource_label.clone()).filter(|label| !label.is_empty()),
            metric: pair.and_then(|pair| pair.predefined_metric_type).map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            target,
            mode: predictive.mode.map_or_else(|| "ForecastOnly".into(), |mode| mode.as_str().to_owned()),
            buffer_seconds: predictive.scheduling_buffer_time.unwrap_or(300),
            exceed_max,
            max_buffer_percentage: predictive.max_capacity_buffer.filter(|buffer| exceed_max && *buffer > 0),
        }
    }
}

impl ScalingPolicy {
    fn put(&self, cx: &Cx<'_>, group: &str, name: &str) -> PutScalingPolicyFluentBuilder {
        let call = cx.autoscaling.put_scaling_policy().auto_scaling_group_name(group).policy_name(name).enabled(self.enabled);
        let call = call.set_estimated_instance_warmup(self.warmup_seconds);
        if let Some(tracking) = &self.target_tracking {
            call.policy_type("TargetTrackingScaling").target_tracking_configuration(tracking.to_sdk())
        } else if let Some(step) = &self.step {
            let steps = step.steps.iter().map(|step| {
                let adjustment = StepAdjustment::builder().scaling_adjustment(step.change);
                adjustment.set_metric_interval_lower_bound(step.from).set_metric_interval_upper_bound(step.to).build()
            });
            call.policy_type("StepScaling")
                .adjustment_type(to_aws(&step.adjustment_type))
                .set_min_adjustment_magnitude(step.min_adjustment)
                .metric_aggregation_type(&step.aggregation)
                .set_step_adjustments(Some(steps.collect()))
        } else if let Some(simple) = &self.simple {
            call.policy_type("SimpleScaling")
                .adjustment_type(to_aws(&simple.adjustment_type))
                .scaling_adjustment(simple.change)
                .set_min_adjustment_magnitude(simple.min_adjustment)
                .set_cooldown(simple.cooldown_seconds)
        } else {
            call.policy_type("PredictiveScaling")
                .set_predictive_scaling_configuration(self.predictive.as_ref().map(PredictiveScaling::to_sdk))
        }
    }

    fn from_sdk(policy: sdk::ScalingPolicy) -> Result<ScalingPolicy> {
        let kind = policy.policy_type.unwrap_or_default();
        let adjustment = || policy.adjustment_type.as_deref().map_or(Ok(AdjustmentType::Change), from_aws);
        let step = match kind.as_str() {
            "StepScaling" => Some(StepScaling {
                adjustment_type: adjustment()?,
                min_adjustment: policy.min_adjustment_magnitude,
                aggregation: policy.metric_aggregation_type.filter(|text| !text.is_empty()).unwrap_or_else(|| "Average".into()),
                steps: policy
                    .step_adjustments
                    .unwrap_or_default()
                    .into_iter()
                    .map(|step| Step {
                        from: step.metric_interval_lower_bound,
                        to: step.metric_interval_upper_bound,
                        change: step.scaling_adjustment.unwrap_or_default(),
                    })
                    .collect(),
            }),
            _ => None,
        };
        let simple = match kind.as_str() {
            "SimpleScaling" | "" => Some(SimpleScaling {
                adjustment_type: adjustment()?,
                change: policy.scaling_adjustment.unwrap_or_default(),
                min_adjustment: policy.min_adjustment_magnitude,
                cooldown_seconds: policy.cooldown,
            }),
            _ => None,
        };
        // Some endpoints report the settings of other types, empty.
        let tracking = policy.target_tracking_configuration.filter(|_| kind == "TargetTrackingScaling");
        let predictive = policy.predictive_scaling_configuration.filter(|_| kind == "PredictiveScaling");
        Ok(ScalingPolicy {
            enabled: policy.enabled.unwrap_or(true),
            target_tracking: tracking.map(TargetTracking::from_sdk),
            step,
            simple,
            predictive: predictive.map(PredictiveScaling::from_sdk),
            warmup_seconds: policy.estimated_instance_warmup,
        })
    }
}

/// The policies by name, and their ARNs in this order.
pub(super) async fn read(aws: &Aws, group: &str) -> Result<(BTreeMap<String, ScalingPolicy>, Vec<String>)> {
    let call = aws.autoscaling.describe_policies().auto_scaling_group_name(group).into_paginator();
    let policies = ok_or_not_found(call.items().send().try_collect().await)?.unwrap_or_default();
    let named = policies.into_iter().filter_map(|policy: sdk::ScalingPolicy| Some((policy.policy_name.clone()?, policy)));
    let named: BTreeMap<String, sdk::ScalingPolicy> = named.collect();
    let arns = named.values().filter_map(|policy| policy.policy_arn.clone()).collect();
    let policies = named.into_iter().map(|(name, policy)| Ok((name, ScalingPolicy::from_sdk(policy)?)));
    Ok((policies.collect::<Result<_>>()?, arns))
}

/// PutScalingPolicy replaces a policy of the same name, and keeps its ARN.
pub(super) async fn change(
    cx: &Cx<'_>,
    group: &str,
    before: &BTreeMap<String, ScalingPolicy>,
    after: &BTreeMap<String, ScalingPolicy>,
) -> Result<()> {
    for (name, policy) in after.iter().filter(|(name, policy)| before.get(*name) != Some(*policy)) {
        policy.put(cx, group, name).send().await?;
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        ok_or_not_found(cx.autoscaling.delete_policy().auto_scaling_group_name(group).policy_name(name).send().await)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tracking(spec: Value) -> TargetTracking {
        serde_json::from_value(spec).expect("a policy")
    }

    #[test]
    fn reads_the_targets_that_it_writes() {
        for spec in [
            json!({ "target": 60.0, "metric": "ASGAverageCPUUtilization", "only_increase": true }),
            json!({ "target": 100.0, "metric": "ALBRequestCountPerTarget", "resource_label": "app/web/1/targetgroup/web/2" }),
            json!({ "target": 10.0, "custom_metric": { "namespace": "Shop", "name": "Load", "dimensions": { "queue": "orders" } } }),
            json!({ "target": 10.0, "queries": {
                "visible": { "metric": { "namespace": "AWS/SQS", "name": "ApproximateNumberOfMessagesVisible", "statistic": "Sum" } },
                "share": { "expression": "visible / 2", "tracked": true },
            } }),
        ] {
            let ours = tracking(spec);
            assert_eq!(serde_json::to_value(TargetTracking::from_sdk(ours.to_sdk())).ok(), serde_json::to_value(&ours).ok());
        }
    }

    #[test]
    fn reads_the_forecasts_that_it_writes() {
        let spec = json!({ "metric": "ASGCPUUtilization", "target": 50.0, "mode": "ForecastAndScale", "exceed_max": true, "max_buffer_percentage": 10 });
        let ours: PredictiveScaling = serde_json::from_value(spec).expect("a policy");
        assert_eq!(serde_json::to_value(PredictiveScaling::from_sdk(ours.to_sdk())).ok(), serde_json::to_value(&ours).ok());
    }
}
