//! Auto Scaling groups: instances that start, replacements of instances, and the parts of a deletion.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const LIST: &str = "DescribeAutoScalingGroups";
const CREATE: &str = "CreateAutoScalingGroup";
const UPDATE: &str = "UpdateAutoScalingGroup";
const DELETE: &str = "DeleteAutoScalingGroup";
const REFRESH: &str = "StartInstanceRefresh";
const REFRESHES: &str = "DescribeInstanceRefreshes";
const ACTIVITIES: &str = "DescribeScalingActivities";
/// The role with which EC2 starts spot instances.
const SPOT_ROLE: &str = "<Roles><member><Path>/aws-service-role/spot.amazonaws.com/</Path><RoleName>AWSServiceRoleForEC2Spot</RoleName>\
    <RoleId>AROA</RoleId><Arn>arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot</Arn><CreateDate>\
    2024-01-01T00:00:00Z</CreateDate></member></Roles><IsTruncated>false</IsTruncated>";

fn answer(action: &str, inner: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"))
}

fn done(action: &str) -> Answer {
    answer(action, "")
}

/// A group with these limits, and instances in this state.
#[derive(Clone)]
struct Group {
    name: &'static str,
    version: &'static str,
    sizes: (i32, i32, i32),
    instances: Vec<&'static str>,
    more: &'static str,
}

const WEB: Group = Group { name: "shop-web", version: "$Default", sizes: (1, 3, 1), instances: Vec::new(), more: "" };

impl Group {
    fn member(&self) -> String {
        let Group { name, version, sizes: (min, max, desired), instances, more } = self;
        let tags = xml_ownership_tags("autoscaling_group.web", "member", "Key", "Value");
        let instance = |(number, state): (usize, &&str)| {
            format!(
                "<member><InstanceId>i-{number}</InstanceId><AvailabilityZone>us-east-1a</AvailabilityZone><LifecycleState>{state}\
                 </LifecycleState><HealthStatus>Healthy</HealthStatus><ProtectedFromScaleIn>true</ProtectedFromScaleIn></member>"
            )
        };
        let instances: String = instances.iter().enumerate().map(instance).collect();
        format!(
            "<member><AutoScalingGroupName>{name}</AutoScalingGroupName><AutoScalingGroupARN>arn:aws:autoscaling:us-east-1:123456789012:\
             autoScalingGroup:1-2:autoScalingGroupName/{name}</AutoScalingGroupARN><MinSize>{min}</MinSize><MaxSize>{max}</MaxSize>\
             <DesiredCapacity>{desired}</DesiredCapacity><DefaultCooldown>300</DefaultCooldown><HealthCheckType>EC2</HealthCheckType>\
             <HealthCheckGracePeriod>300</HealthCheckGracePeriod><VPCZoneIdentifier>subnet-1</VPCZoneIdentifier><TerminationPolicies>\
             <member>Default</member></TerminationPolicies><NewInstancesProtectedFromScaleIn>false</NewInstancesProtectedFromScaleIn>\
             <LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><LaunchTemplateName>web</LaunchTemplateName><Version>{version}</Version>\
             </LaunchTemplate><Tags>{tags}</Tags><Instances>{instances}</Instances>{more}</member>"
        )
    }
    fn listed(&self) -> Answer {
        answer(LIST, &format!("<AutoScalingGroups>{}</AutoScalingGroups>", self.member()))
    }
    fn with(&self, instances: &[&'static str]) -> Group {
        Group { instances: instances.to_vec(), ..self.clone() }
    }
}

fn none() -> Answer {
    answer(LIST, "<AutoScalingGroups/>")
}

fn refreshes(status: &str, percentage: u32, reason: &str) -> Answer {
    answer(
        REFRESHES,
        &format!(
            "<InstanceRefreshes><member><InstanceRefreshId>r-1</InstanceRefreshId><Status>{status}</Status><StatusReason>{reason}</StatusReason>\
             <PercentageComplete>{percentage}</PercentageComplete><DesiredConfiguration><LaunchTemplate><LaunchTemplateId>lt-1\
             </LaunchTemplateId><Version>1</Version></LaunchTemplate></DesiredConfiguration></member></InstanceRefreshes>"
        ),
    )
}

fn failed_activity(message: &str) -> Answer {
    let activity =
        format!("<member><ActivityId>1</ActivityId><StatusCode>Failed</StatusCode><StatusMessage>{message}</StatusMessage></member>");
    answer(ACTIVITIES, &format!("<Activities>{activity}</Activities>"))
}

fn definition(more: &str) -> String {
    format!("  autoscaling_group:\n    web: {{ launch_template: {{ id: lt-1 }}, min: 1, max: 3, subnets: [{{ id: subnet-1 }}]{more} }}\n")
}

#[test]
fn waits_for_the_fewest_instances_and_says_why_none_starts() {
    let endpoint = Script::new()
        .on(LIST, [none()])
        .on(CREATE, [done(CREATE)])
        .on(ACTIVITIES, [failed_activity("The image id ami-1 does not exist"), answer(ACTIVITIES, "<Activities/>")])
        .after(CREATE)
        .on(LIST, [WEB.listed(), WEB.with(&["Pending"]).listed(), WEB.with(&["InService"]).listed()])
        .start(&definition(""));
    endpoint.apply();
    let sent = &endpoint.request_bodies(CREATE)[0];
    assert_eq!((&sent["LaunchTemplate.LaunchTemplateId"], &sent["LaunchTemplate.Version"]), (&json!("lt-1"), &json!("$Default")));
    assert_eq!(sent["VPCZoneIdentifier"], "subnet-1");
    let plan = Script::new()
        .on(LIST, [WEB.listed()])
        .on(ACTIVITIES, [failed_activity("The image id ami-1 does not exist")])
        .start(&definition(""))
        .run("show", &["--live"]);
    assert!(plan.combined_output().contains("ami-1 does not exist"), "{}", plan.combined_output());
}

/// The group gets the new settings from the replacement of its instances, when that succeeds.
#[test]
fn replaces_the_instances_for_another_version_of_the_template() {
    let two = Group { version: "2", ..WEB };
    let three = Group { version: "3", ..WEB };
    let running = ["InService"];
    let endpoint = Script::new()
        .on(LIST, [two.with(&running).listed()])
        .on(REFRESHES, [answer(REFRESHES, "<InstanceRefreshes/>")])
        .on(REFRESH, [answer(REFRESH, "<InstanceRefreshId>r-1</InstanceRefreshId>")])
        .after(REFRESH)
        .on(REFRESHES, [refreshes("InProgress", 40, "Waiting for instances to warm up"), refreshes("Successful", 100, "")])
        .on(LIST, [two.with(&running).listed(), three.with(&running).listed()])
        .start(&definition(
            ", launch_template_version: '3', instance_refresh: { min_healthy_percentage: 50, auto_rollback: true, checkpoints: [50] }",
        ));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {REFRESH}")]);
    let sent = &endpoint.request_bodies(REFRESH)[0];
    assert_eq!(sent["DesiredConfiguration.LaunchTemplate.Version"], "3");
    assert_eq!((&sent["Preferences.MinHealthyPercentage"], &sent["Preferences.AutoRollback"]), (&json!("50"), &json!("true")));
    assert_eq!(sent["Preferences.CheckpointPercentages.member.1"], "50");
}

#[test]
fn cancels_a_replacement_with_other_settings() {
    let two = Group { version: "2", ..WEB };
    let three = Group { version: "3", ..WEB };
    let busy = xml_error(400, "InstanceRefreshInProgress", "An Instance Refresh is already in progress");
    let cancel = "CancelInstanceRefresh";
    let endpoint = Script::new()
        .on(LIST, [two.with(&["InService"]).listed()])
        .on(REFRESHES, [refreshes("Successful", 100, ""), refreshes("InProgress", 10, "")])
        .on(REFRESH, [busy, answer(REFRESH, "<InstanceRefreshId>r-2</InstanceRefreshId>")])
        .on(cancel, [answer(cancel, "<InstanceRefreshId>r-1</InstanceRefreshId>")])
        .after(cancel)
        .on(REFRESHES, [refreshes("Successful", 100, "")])
        .on(LIST, [three.with(&["InService"]).listed()])
        .start(&definition(", launch_template_version: '3', instance_refresh: {}"));
    endpoint.apply();
    assert_eq!((endpoint.call_count(cancel), endpoint.call_count(REFRESH)), (1, 2));
}

/// Without `instance_refresh`, only new instances get the settings.
#[test]
fn leaves_the_instances_alone_without_a_refresh() {
    let two = Group { version: "2", ..WEB };
    let three = Group { version: "3", ..WEB };
    let endpoint = Script::new()
        .on(LIST, [two.with(&["InService"]).listed()])
        .on(UPDATE, [done(UPDATE)])
        .after(UPDATE)
        .on(LIST, [three.with(&["InService"]).listed()])
        .start(&definition(", launch_template_version: '3'"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(UPDATE)[0];
    assert_eq!((&sent["LaunchTemplate.Version"], &sent["MinSize"]), (&json!("3"), &Value::Null));
}

/// Policies and scalers set the number; limits that exclude it move it.
#[test]
fn leaves_the_number_of_instances_alone_between_the_limits() {
    let scaled = Group { sizes: (1, 3, 3), ..WEB }.with(&["InService", "InService", "InService"]);
    let endpoint = Script::new().on(LIST, [scaled.listed()]).start(&definition(", desired: 1"));
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
    let fewer = Group { sizes: (1, 2, 2), ..WEB }.with(&["InService", "InService"]);
    let endpoint = Script::new()
        .on(LIST, [scaled.listed()])
        .on(UPDATE, [done(UPDATE)])
        .after(UPDATE)
        .on(LIST, [fewer.listed()])
        .start(&definition(", desired: 1").replace("max: 3", "max: 2"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(UPDATE)[0];
    assert_eq!((&sent["MinSize"], &sent["MaxSize"], &sent["DesiredCapacity"]), (&json!("1"), &json!("2"), &json!("2")));
}

/// UpdateAutoScalingGroup keeps what it does not name, and has a value of its own for none.
#[test]
fn names_the_values_for_none() {
    let settings = "<DefaultInstanceWarmup>120</DefaultInstanceWarmup><MaxInstanceLifetime>86400</MaxInstanceLifetime><PlacementGroup>web\
                    </PlacementGroup><InstanceMaintenancePolicy><MinHealthyPercentage>90</MinHealthyPercentage><MaxHealthyPercentage>120\
                    </MaxHealthyPercentage></InstanceMaintenancePolicy>";
    let set = Group { more: settings, ..WEB }.with(&["InService"]);
    let with = ", warmup_seconds: 120, max_instance_lifetime_seconds: 86400, placement_group: web, \
                maintenance: { min_healthy_percentage: 90, max_healthy_percentage: 120 }";
    let endpoint = Script::new()
        .on(LIST, [none()])
        .on(CREATE, [done(CREATE)])
        .on(UPDATE, [done(UPDATE)])
        .after(CREATE)
        .on(LIST, [set.listed()])
        .after(UPDATE)
        .on(LIST, [WEB.with(&["InService"]).listed()])
        .start(&definition(with));
    endpoint.apply();
    endpoint.redefine(&definition(""));
    endpoint.apply();
    let sent = &endpoint.request_bodies(UPDATE)[0];
    assert_eq!((&sent["DefaultInstanceWarmup"], &sent["MaxInstanceLifetime"]), (&json!("-1"), &json!("0")));
    assert_eq!((&sent["PlacementGroup"], &sent["InstanceMaintenancePolicy.MinHealthyPercentage"]), (&json!(""), &json!("-1")));
}

/// Its instances leave load balancers and run their hooks before the group goes.
#[test]
fn shrinks_before_it_is_deleted() {
    let suspended = "<SuspendedProcesses><member><ProcessName>Terminate</ProcessName></member></SuspendedProcesses>";
    let running = Group { more: suspended, ..WEB }.with(&["InService"]);
    let empty = Group { sizes: (0, 0, 0), ..WEB };
    let (protect, resume) = ("SetInstanceProtection", "ResumeProcesses");
    let endpoint = Script::new()
        .on(LIST, [running.listed()])
        .on(protect, [done(protect)])
        .on(resume, [done(resume)])
        .on(UPDATE, [done(UPDATE)])
        .on(DELETE, [xml_error(400, "ScalingActivityInProgress", "Scaling activities are in progress"), done(DELETE)])
        .after(UPDATE)
        .on(LIST, [empty.with(&["Terminating:Wait"]).listed(), empty.with(&["Terminating"]).listed(), empty.listed()])
        .after(DELETE)
        .on(LIST, [none()])
        .start(&definition(""));
    endpoint.run("destroy", &["--yes"]).assert_success();
    let expected =
        [format!("200 {protect}"), format!("200 {resume}"), format!("200 {UPDATE}"), format!("400 {DELETE}"), format!("200 {DELETE}")];
    assert_eq!(endpoint.writes(), expected);
    assert_eq!(endpoint.request_bodies(UPDATE)[0]["MaxSize"], "0");
}

#[test]
fn reads_all_pages() {
    let other = Group { name: "other", ..WEB };
    let page = |group: &Group, next: &str| answer(LIST, &format!("<AutoScalingGroups>{}</AutoScalingGroups>{next}", group.member()));
    let endpoint = Script::new()
        .on(LIST, [page(&other, "<NextToken>2</NextToken>")])
        .on_containing(LIST, "NextToken", [page(&WEB.with(&["InService"]), "")])
        .start(&definition(""));
    let plan = endpoint.run("plan", &[]);
    assert!(endpoint.call_count(LIST) >= 2, "{}", plan.combined_output());
}

#[test]
fn reports_a_template_that_starts_nothing() {
    let wrong = "  launch_template: { web: { instance_type: t3.micro } }
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1a } }
  autoscaling_group:
    web:
      launch_template: web
      min: 1
      max: 2
      subnets: [a]
      tags: { role: web }
      instance_tags: { role: web }
      scaling_policies: { cpu: { target_tracking: { target: 60, metric: ALBRequestCountPerTarget } } }
";
    let done = Script::new().start(wrong).run("plan", &[]);
    let problems = [
        "`launch_template.web` has no `image`",
        "is also a tag of the group alone, under `tags`",
        "is for `metric: ALBRequestCountPerTarget`, which requires it",
    ];
    assert!(problems.iter().any(|problem| done.stderr.contains(problem)), "{}", done.combined_output());
    assert!(done.stderr.contains(problems[2]), "{}", done.combined_output());
    let fixed = wrong.replace("metric: ALBRequestCountPerTarget", "metric: ASGAverageCPUUtilization");
    let done = Script::new().start(&fixed).run("plan", &[]);
    for problem in &problems[..2] {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
}

/// Everything that no stand-in keeps, as AWS reports it.
#[test]
fn reads_what_it_has_set() {
    let settings = "<CapacityRebalance>true</CapacityRebalance><AvailabilityZoneDistribution><CapacityDistributionStrategy>balanced-only\
        </CapacityDistributionStrategy></AvailabilityZoneDistribution><AvailabilityZoneImpairmentPolicy><ZonalShiftEnabled>true\
        </ZonalShiftEnabled><ImpairedZoneHealthCheckBehavior>IgnoreUnhealthy</ImpairedZoneHealthCheckBehavior>\
        </AvailabilityZoneImpairmentPolicy><CapacityReservationSpecification><CapacityReservationPreference>capacity-reservations-only\
        </CapacityReservationPreference><CapacityReservationTarget><CapacityReservationIds><member>cr-1</member></CapacityReservationIds>\
        </CapacityReservationTarget></CapacityReservationSpecification><DeletionProtection>prevent-all-deletion</DeletionProtection>\
        <InstanceLifecyclePolicy><RetentionTriggers><TerminateHookAbandon>retain</TerminateHookAbandon></RetentionTriggers>\
        </InstanceLifecyclePolicy><TrafficSources><member><Identifier>arn:aws:vpc-lattice:us-east-1:123456789012:targetgroup/tg-1</Identifier>\
        <Type>vpc-lattice</Type></member></TrafficSources><SuspendedProcesses><member><ProcessName>AZRebalance</ProcessName></member>\
        </SuspendedProcesses><EnabledMetrics><member><Metric>GroupMaxSize</Metric><Granularity>1Minute</Granularity></member></EnabledMetrics>";
    let fields = ", capacity_rebalance: true, zone_distribution: balanced-only, zonal_shift: true, impaired_zone_health_checks: \
        IgnoreUnhealthy, capacity_reservation: { preference: capacity-reservations-only, reservations: [cr-1] }, deletion_protection: true, \
        retain_abandoned_instances: true, lattice_target_groups: ['arn:aws:vpc-lattice:us-east-1:123456789012:targetgroup/tg-1'], \
        suspended_processes: [AZRebalance], metrics: [GroupMaxSize], notifications: [{ topic: 'arn:aws:sns:us-east-1:123456789012:ops', \
        events: [launch, terminate_error] }]";
    let (suspend, metrics, notify) = ("SuspendProcesses", "EnableMetricsCollection", "PutNotificationConfiguration");
    let notified = |kind: &str| {
        format!(
            "<member><TopicARN>arn:aws:sns:us-east-1:123456789012:ops</TopicARN><NotificationType>autoscaling:{kind}</NotificationType></member>"
        )
    };
    let topics = "DescribeNotificationConfigurations";
    let both = format!("{}{}", notified("EC2_INSTANCE_LAUNCH"), notified("EC2_INSTANCE_TERMINATE_ERROR"));
    let endpoint = Script::new()
        .on(LIST, [none()])
        .on(CREATE, [done(CREATE)])
        .on(suspend, [done(suspend)])
        .on(metrics, [done(metrics)])
        .on(notify, [done(notify)])
        .after(CREATE)
        .on(LIST, [WEB.with(&["InService"]).listed()])
        .after(notify)
        .on(LIST, [Group { more: settings, ..WEB }.with(&["InService"]).listed()])
        .on(topics, [answer(topics, &format!("<NotificationConfigurations>{both}</NotificationConfigurations>"))])
        .start(&definition(fields));
    endpoint.apply();
    let sent = &endpoint.request_bodies(CREATE)[0];
    assert_eq!(sent["CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationIds.member.1"], "cr-1");
    assert_eq!(sent["TrafficSources.member.1.Type"], "vpc-lattice");
    assert_eq!(endpoint.request_bodies(notify)[0]["NotificationTypes.member.2"], "autoscaling:EC2_INSTANCE_TERMINATE_ERROR");
}

#[test]
fn mixes_instance_types_and_spot_instances() {
    let mixed = "<MixedInstancesPolicy><LaunchTemplate><LaunchTemplateSpecification><LaunchTemplateId>lt-1</LaunchTemplateId><Version>$Default\
        </Version></LaunchTemplateSpecification><Overrides><member><InstanceType>m7g.large</InstanceType><WeightedCapacity>1</WeightedCapacity>\
        </member><member><InstanceType>m7g.xlarge</InstanceType><WeightedCapacity>2</WeightedCapacity></member></Overrides></LaunchTemplate>\
        <InstancesDistribution><OnDemandAllocationStrategy>prioritized</OnDemandAllocationStrategy><OnDemandBaseCapacity>1\
        </OnDemandBaseCapacity><OnDemandPercentageAboveBaseCapacity>50</OnDemandPercentageAboveBaseCapacity><SpotAllocationStrategy>\
        price-capacity-optimized</SpotAllocationStrategy></InstancesDistribution></MixedInstancesPolicy>";
    let fields = ", mixed_instances: { on_demand_base: 1, on_demand_percentage: 50, overrides: [{ instance_type: m7g.large, weight: 1 }, \
        { instance_type: m7g.xlarge, weight: 2 }] }";
    let endpoint = Script::new()
        .on_containing("ListRoles", "aws-service-role", [answer("ListRoles", SPOT_ROLE)])
        .on(LIST, [none()])
        .on(CREATE, [done(CREATE)])
        .after(CREATE)
        .on(LIST, [Group { more: mixed, ..WEB }.with(&["InService"]).listed()])
        .start(&definition(fields));
    endpoint.apply();
    let sent = &endpoint.request_bodies(CREATE)[0];
    let overrides = "MixedInstancesPolicy.LaunchTemplate.Overrides.member";
    assert_eq!(
        (&sent[format!("{overrides}.1.InstanceType")], &sent[format!("{overrides}.2.WeightedCapacity")]),
        (&json!("m7g.large"), &json!("2"))
    );
    assert_eq!(sent["MixedInstancesPolicy.InstancesDistribution.OnDemandPercentageAboveBaseCapacity"], "50");
    assert_eq!(sent["LaunchTemplate.LaunchTemplateId"], Value::Null);
}
