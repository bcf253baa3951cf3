//! `aurora_instance`: an instance of an Aurora cluster.

use aws_sdk_rds::types::DbInstance;

use super::{
    aurora_cluster::AuroraCluster,
    iam_role::{IamRole, check_trust},
    prelude::*,
    rds_instance::{account_limit, is_empty, phase, windows},
    rds_parameter_group::RdsParameterGroup,
};
use crate::{
    aws::to_aws,
    core::{AccountLimit, Declared},
};

/// An instance of an Aurora cluster. Aurora chooses one of the instances as the writer; the others are readers, and one of them becomes the
/// writer if it fails.
#[spec]
pub struct AuroraInstance {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 63, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// The cluster.
    #[field(replaces)]
    pub cluster: Ref<AuroraCluster>,
    /// Instance class, such as `db.r7g.large`; `db.serverless` for the capacity that the cluster states in `serverless`.
    #[field(important, impact = "the instance restarts; if it is the writer, a reader takes over", pattern = "db\\..+")]
    pub class: String,
    /// Order in which readers become the writer: lower numbers first.
    #[field(default = 1, range = 0..=15)]
    pub promotion_tier: i32,
    /// Availability zone.
    #[field(unset = "assigned by AWS", replaces, assigned_by_aws, dropped(kept, "any zone will do"))]
    pub availability_zone: Option<String>,
    /// Assigns a public address.
    #[field(default = false, important, risky(true, "the database has a public address"))]
    pub publicly_accessible: bool,
    /// Parameter group with engine settings of this instance.
    #[field(unset = "AWS's default group for the version", impact = "its parameters take effect only after the next restart")]
    #[field(dropped(kept, "the group stays until another one is set"))]
    pub parameter_group: Option<Ref<RdsParameterGroup>>,
    /// Weekly maintenance window in UTC, such as `sun:04:00-sun:05:00`.
    #[field(unset = "assigned by AWS", pattern = "[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]-[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]")]
    #[field(dropped(kept, "any window will do"))]
    pub maintenance_window: Option<String>,
    /// Enables Performance Insights.
    #[field(unset = "as the cluster sets it", dropped(kept, "the cluster's setting applies when it changes"))]
    pub performance_insights: Option<bool>,
    /// Interval of enhanced monitoring, in seconds: 1, 5, 10, 15, 30 or 60; 0 disables it.
    #[field(unset = "as the cluster sets it", dropped(kept, "the cluster's setting applies when it changes"))]
    #[field(one_of = [0, 1, 5, 10, 15, 30, 60])]
    pub monitoring_interval_seconds: Option<i32>,
    /// Role for enhanced monitoring; required if it is enabled here.
    #[field(unset = "the cluster's", requires = monitoring_interval_seconds, dropped(kept, "a role without monitoring has no effect"))]
    pub monitoring_role: Option<ArnRef<IamRole>>,
    /// Installs new minor versions in the maintenance window.
    #[field(default = true)]
    pub auto_minor_version_upgrade: bool,
    /// Certificate authority of the server's certificate, such as `rds-ca-rsa2048-g1`.
    #[field(unset = "assigned by AWS", dropped(kept, "AWS's choice applies only at creation"))]
    pub ca_certificate: Option<String>,
    /// Applies changes immediately; otherwise disruptive ones wait for the maintenance window.
    #[field(default = true, apply_immediately, write_only)]
    pub apply_immediately: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name of this instance. Applications use those of the cluster.
    pub endpoint: Option<String>,
    /// Port of the endpoint.
    #[schemars(extend("x-acme-simulated" = "5432"))]
    pub port: Option<i32>,
    /// Identifier in IAM policies: `db-ABCDEFGHIJKL`.
    #[schemars(extend("x-acme-simulated" = "db-{upper26}"))]
    pub resource_id: Option<String>,
    /// Exact engine version.
    pub engine_version: Option<String>,
}

/// Aurora capacity units on average, of a serverless instance; 0: the cluster's `min`.
const CAPACITY_UNITS: UsageKey =
    UsageKey::new("capacity_units", "Aurora capacity units on average, of a serverless instance; 0: the cluster's `min`");

impl Resource for AuroraInstance {
    const TYPE: TypeInfo = TypeInfo::new("aurora_instance", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:db:{name}")
        .typical_seconds(480)
        .longest_hours(24)
        .without_token()
        .quota(400, "InstanceQuotaExceeded")
        .not_found("DBInstanceNotFound")
        .already_exists("DBInstanceAlreadyExists")
        .iam_actions(
            IamActions::new("rds:db:{name}")
                .create(&["rds:CreateDBInstance"])
                .change(&["rds:DeleteDBInstance", "rds:ModifyDBInstance"])
                .questions(&["rds:DescribeAccountAttributes"])
                .grants(&[
                    IamGrant::read(&["rds:DescribeDBInstances"], GrantTarget::Arn("rds:db:*")),
                    IamGrant::change(&["rds:CreateDBInstance", "rds:DescribeDBClusters"], GrantTarget::Arn("rds:cluster:*")),
                    IamGrant::change(&["rds:CreateDBInstance", "rds:ModifyDBInstance"], GrantTarget::Arn("rds:pg:*")),
                    IamGrant::change(&["rds:CreateDBInstance"], GrantTarget::Arn("rds:subgrp:*")),
                    IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["monitoring.rds.amazonaws.com"])),
                ]),
        );
    const USAGE: &'static [UsageKey] = &[CAPACITY_UNITS];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let Some(cluster) = context.referenced(&self.cluster) else {
            return Pricing::default().without("its cluster is outside the stack, so the engine is not known");
        };
        cluster.instance_price(context, &self.class, &CAPACITY_UNITS)
    }

    /// The description contains everything, including tags, of all instances. An `rds_instance` has no cluster.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let instances: Vec<_> = aws.rds.describe_db_instances().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = |instance: &DbInstance| {
            let is_member = instance.db_cluster_identifier().is_some_and(|cluster| !cluster.is_empty())
                && instance.engine().is_some_and(|engine| engine.starts_with("aurora"));
            let is_wanted = scope.lookup.contains(instance.db_instance_identifier().unwrap_or_default());
            is_member && (is_wanted || scope.owns(&services::rds::from_tags(instance.tag_list())))
        };
        instances.into_iter().filter(covered).map(observed).collect()
    }

    /// The response lacks the endpoint, so the instance is read again in any case.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let engine = cluster_engine(cx.api, self.cluster.get()).await?;
        let call = cx.rds.create_db_instance().set_db_instance_identifier(self.name.clone()).db_cluster_identifier(self.cluster.get());
        let call = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).engine(engine).db_instance_class(&self.class);
        let call = call.promotion_tier(self.promotion_tier).set_availability_zone(self.availability_zone.clone());
        let call = call.publicly_accessible(self.publicly_accessible);
        let call = call.set_db_parameter_group_name(self.parameter_group.as_ref().map(|group| group.get().to_owned()));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone());
        let call = call.set_enable_performance_insights(self.performance_insights);
        let call = call.set_monitoring_interval(self.monitoring_interval_seconds);
        let call = call.set_monitoring_role_arn(self.monitoring_role.as_ref().map(|role| role.get().to_owned()));
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade);
        let reply = call.set_ca_certificate_identifier(self.ca_certificate.clone()).send().await?;
        let id = reply.db_instance.and_then(|instance| instance.db_instance_identifier);
        id.map(Created::Id).ok_or_else(|| Error::missing_field("DBInstanceIdentifier"))
    }

    /// Makes one call with all changes; RDS keeps omitted settings.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AuroraInstanceChanges) -> Result<()> {
        let call = cx.rds.modify_db_instance().db_instance_identifier(&live.id).apply_immediately(self.apply_immediately);
        let call = call.set_db_instance_class(changes.class.then(|| self.class.clone()));
        let call = call.set_promotion_tier(changes.promotion_tier.then_some(self.promotion_tier));
        let call = call.set_publicly_accessible(changes.publicly_accessible.then_some(self.publicly_accessible));
        let group = self.parameter_group.as_ref().filter(|_| changes.parameter_group);
        let call = call.set_db_parameter_group_name(group.map(|group| group.get().to_owned()));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone().filter(|_| changes.maintenance_window));
        let call = call.set_enable_performance_insights(self.performance_insights.filter(|_| changes.performance_insights));
        let monitoring = changes.monitoring_interval_seconds || changes.monitoring_role;
        let call = call.set_monitoring_interval(self.monitoring_interval_seconds.filter(|_| monitoring));
        let is_monitored = self.monitoring_interval_seconds.is_some_and(|seconds| seconds > 0);
        let role = self.monitoring_role.as_ref().filter(|_| monitoring && is_monitored);
        let call = call.set_monitoring_role_arn(role.map(|role| role.get().to_owned()));
        let call = call.set_auto_minor_version_upgrade(changes.auto_minor_version_upgrade.then_some(self.auto_minor_version_upgrade));
        call.set_ca_certificate_identifier(self.ca_certificate.clone().filter(|_| changes.ca_certificate)).send().await?;
        Ok(())
    }

    /// The data is the cluster's, which has the backups, too: RDS takes no final snapshot of an instance.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.rds.delete_db_instance().db_instance_identifier(&live.id).skip_final_snapshot(true).send().await)
    }

    async fn account_limit(questions: &Questions<'_, Aws>) -> Option<AccountLimit> {
        account_limit(questions, "DBInstances").await
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(instance) = declared.spec() else { return Vec::new() };
        let at = Self::POINTERS;
        let role = instance.monitoring_role.as_ref();
        let mut problems: Vec<Problem> =
            role.and_then(|role| check_trust(declared, at.monitoring_role, role, "monitoring.rds.amazonaws.com")).into_iter().collect();
        let Some((address, cluster)) = declared.referenced(&instance.cluster) else { return problems };
        if instance.class == "db.serverless" && cluster.serverless.is_none() {
            let help = format!("set `serverless` of `{address}`");
            problems.push(Problem::new(at.class, format!("`{address}` states no capacity of serverless instances")).help(help));
        }
        let group = instance.parameter_group.as_ref().and_then(|group| declared.referenced(group));
        let engine = to_aws(&cluster.engine);
        if let Some((group, family)) = group.map(|(address, group)| (address, group.family)).filter(|(_, family)| !family.contains("${"))
            && !family.strip_prefix(&engine).is_some_and(|major| cluster.version.contains("${") || cluster.version.starts_with(major))
        {
            let message = format!("`{group}` has the family `{family}`, which is not for {engine} {} of `{address}`", cluster.version);
            problems.push(Problem::new(at.parameter_group, message).help("use a group of the engine's family"));
        }
        problems
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        let windows = ((at.maintenance_window.clone(), &None), (at.maintenance_window, &self.maintenance_window));
        let mut problems = windows::check(windows.0, windows.1, windows::SHORTEST);
        if self.monitoring_interval_seconds.is_some_and(|seconds| seconds > 0) && self.monitoring_role.is_none() {
            problems.push(Problem::new(at.monitoring_role, "enhanced monitoring needs a role"));
        }
        problems
    }

    fn normalize(&self, live: &mut Self) {
        if windows::same(&self.maintenance_window, &live.maintenance_window) {
            live.maintenance_window.clone_from(&self.maintenance_window);
        }
    }
}

/// The create call names the engine of the cluster.
async fn cluster_engine(aws: &Aws, cluster: &str) -> Result<String> {
    let reply = aws.rds.describe_db_clusters().db_cluster_identifier(cluster).send().await?;
    let engine = reply.db_clusters.unwrap_or_default().into_iter().find_map(|cluster| cluster.engine);
    engine.ok_or_else(|| Error::missing_field("Engine"))
}

fn observed(instance: DbInstance) -> Result<Observed<AuroraInstance>> {
    let tags = services::rds::from_tags(instance.tag_list());
    // Changes that wait for the maintenance window count as applied, so that a second plan shows no changes.
    let pending = instance.pending_modified_values;
    let pending = pending.as_ref();
    let id = instance.db_instance_identifier.clone().ok_or_else(|| Error::missing_field("DBInstanceIdentifier"))?;
    let phase = match phase(instance.db_instance_status.as_deref().unwrap_or_default()) {
        Phase::Ready if pending.is_some_and(|pending| !is_empty(pending)) => Phase::PendingChanges("changes pending".to_owned()),
        phase => phase,
    };
    let spec = AuroraInstance {
        name: instance.db_instance_identifier,
        cluster: Ref::to(instance.db_cluster_identifier.unwrap_or_default()),
        class: pending.and_then(|p| p.db_instance_class.clone()).or(instance.db_instance_class).unwrap_or_default(),
        promotion_tier: instance.promotion_tier.unwrap_or_else(AuroraInstance::default_promotion_tier),
        availability_zone: instance.availability_zone,
        publicly_accessible: instance.publicly_accessible.unwrap_or_default(),
        parameter_group: instance.db_parameter_groups.unwrap_or_default().into_iter().find_map(|g| g.db_parameter_group_name).map(Ref::to),
        maintenance_window: instance.preferred_maintenance_window,
        performance_insights: Some(instance.performance_insights_enabled.unwrap_or_default()),
        monitoring_interval_seconds: Some(instance.monitoring_interval.unwrap_or_default()),
        monitoring_role: instance.monitoring_role_arn.map(ArnRef::to),
        auto_minor_version_upgrade: instance.auto_minor_version_upgrade.unwrap_or_default(),
        ca_certificate: pending.and_then(|p| p.ca_certificate_identifier.clone()).or(instance.ca_certificate_identifier),
        apply_immediately: true,
    };
    let endpoint = instance.endpoint.as_ref();
    let outputs = Outputs {
        arn: instance.db_instance_arn.unwrap_or_default(),
        endpoint: endpoint.and_then(|endpoint| endpoint.address.clone()),
        port: endpoint.and_then(|endpoint| endpoint.port),
        resource_id: instance.dbi_resource_id,
        engine_version: instance.engine_version,
    };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}
