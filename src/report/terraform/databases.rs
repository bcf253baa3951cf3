//! Option groups, proxies and event subscriptions of RDS in Terraform.

use serde_json::{Value, json};

use super::{
    mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn},
    monitoring::non_empty,
};
use crate::{
    aws::types::{
        aurora_global::AuroraGlobal, rds_event_subscription::RdsEventSubscription, rds_instance::PointInTime,
        rds_option_group::RdsOptionGroup, rds_proxy::RdsProxy,
    },
    core::referenced_ids,
};

/// The block for a database that is created as another one was.
pub(super) fn point_in_time(point: &PointInTime) -> Value {
    json!({
        "source_db_instance_identifier": id_or_arn(point.database.as_ref()),
        "source_db_instance_automated_backups_arn": point.backup,
        "restore_time": point.time,
        "use_latest_restorable_time": point.time.is_none(),
    })
}

impl ToTerraform for RdsOptionGroup {
    const TERRAFORM_TYPE: &'static str = "aws_db_option_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let options = self.options.iter().map(|(name, option)| {
            let settings = option.settings.iter().map(|(name, value)| json!({ "name": name, "value": value }));
            json!({
                "option_name": name,
                "port": option.port,
                "version": option.version,
                "vpc_security_group_memberships": referenced_ids(&option.security_groups),
                "option_settings": settings.collect::<Vec<_>>(),
            })
        });
        json!({
            "name": self.name,
            "engine_name": self.engine,
            "major_engine_version": self.version,
            "option_group_description": self.description,
            "option": options.collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for RdsProxy {
    const TERRAFORM_TYPE: &'static str = "aws_db_proxy";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let auth = self.auth.iter().map(|auth| {
            json!({
                "auth_scheme": "SECRETS",
                "secret_arn": auth.secret.get(),
                "iam_auth": auth.iam,
                "client_password_auth_type": auth.client_password,
                "description": non_empty(&auth.description),
            })
        });
        json!({
            "name": self.name,
            "engine_family": self.engine_family,
            "vpc_subnet_ids": referenced_ids(&self.subnets),
            "vpc_security_group_ids": referenced_ids(&self.security_groups),
            "role_arn": self.role.get(),
            "auth": auth.collect::<Vec<_>>(),
            "default_auth_scheme": self.default_auth,
            "require_tls": self.require_tls,
            "idle_client_timeout": self.idle_seconds,
            "debug_logging": self.debug_logging,
            "endpoint_network_type": self.endpoint_network,
            "target_connection_network_type": self.target_network,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let name = at.output_reference("id");
        let pool = SubResource::single(
            "aws_db_proxy_default_target_group",
            json!({
                "db_proxy_name": name,
                "connection_pool_config": [{
                    "max_connections_percent": self.pool.max_connections_percent,
                    "max_idle_connections_percent": self.pool.max_idle_percent,
                    "connection_borrow_timeout": self.pool.borrow_seconds,
                    "init_query": non_empty(&self.pool.init_query),
                    "session_pinning_filters": self.pool.session_pinning_filters,
                }],
            }),
        );
        let target = (self.instance.is_some() || self.cluster.is_some()).then(|| {
            SubResource::single(
                "aws_db_proxy_target",
                json!({
                    "db_proxy_name": name,
                    "target_group_name": "default",
                    "db_instance_identifier": id_or_arn(self.instance.as_ref()),
                    "db_cluster_identifier": id_or_arn(self.cluster.as_ref()),
                }),
            )
        });
        std::iter::once(pool).chain(target).collect()
    }
}

impl ToTerraform for RdsEventSubscription {
    const TERRAFORM_TYPE: &'static str = "aws_db_event_subscription";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "sns_topic": self.topic.get(),
            "source_type": self.source_type,
            "source_ids": self.sources,
            "event_categories": self.categories,
            "enabled": self.enabled,
        })
    }
}

impl ToTerraform for AuroraGlobal {
    const TERRAFORM_TYPE: &'static str = "aws_rds_global_cluster";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        // With a cluster, RDS takes the rest from it.
        let own = Some(self).filter(|global| global.source.is_none());
        let support = if self.extended_support { "open-source-rds-extended-support" } else { "open-source-rds-extended-support-disabled" };
        json!({
            "global_cluster_identifier": self.name,
            "source_db_cluster_identifier": id_or_arn(self.source.as_ref()),
            "engine": own.map(|global| global.engine),
            "engine_version": own.map(|global| global.version.clone()),
            "engine_lifecycle_support": own.map(|_| support),
            "database_name": self.database_name,
            "storage_encrypted": own.map(|global| global.encrypted),
            "deletion_protection": self.deletion_protection,
        })
    }
}
