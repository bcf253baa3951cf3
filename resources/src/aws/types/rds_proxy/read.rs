//! Reads proxies, with their pools and targets.

use aws_sdk_rds::types::{ConnectionPoolConfigurationInfo, DbProxy, DbProxyTarget, TargetState, TargetType, UserAuthConfigInfo};

use super::{
    super::{prelude::*, rds_subnet_group::rds_tags},
    ConnectionPool, Outputs, ProxyAuth, RdsProxy, TARGET_GROUP,
};
use crate::core::Tags;

pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<RdsProxy>>> {
    let proxies: Vec<_> = aws.rds.describe_db_proxies().max_records(100).into_paginator().items().send().try_collect().await?;
    let proxies = proxies
        .into_iter()
        .filter(|proxy| scope.covers(proxy.db_proxy_name().unwrap_or_default(), proxy.db_proxy_arn().unwrap_or_default()));
    for_each_concurrent(proxies, |proxy| async move {
        let name = proxy.db_proxy_name().unwrap_or_default().to_owned();
        let Some(tags) = rds_tags(aws, scope, &name, proxy.db_proxy_arn().unwrap_or_default()).await? else { return Ok(None) };
        // A proxy that is being created or deleted may have no group yet, or no longer.
        let groups = aws.rds.describe_db_proxy_target_groups().db_proxy_name(&name).target_group_name(TARGET_GROUP).send();
        let targets = aws.rds.describe_db_proxy_targets().db_proxy_name(&name).target_group_name(TARGET_GROUP);
        let targets = targets.max_records(100).into_paginator().items().send();
        let (groups, targets) = tokio::join!(groups, targets.try_collect());
        let group = ok_or_not_found(groups)?.and_then(|reply| reply.target_groups).unwrap_or_default().into_iter().next();
        let targets: Vec<DbProxyTarget> = ok_or_not_found(targets)?.unwrap_or_default();
        observed(proxy, tags, group.and_then(|group| group.connection_pool_config), &targets).map(Some)
    })
    .await
}

/// Source of the states: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBProxy.html>.
pub(super) fn phase(status: &str, targets: &[DbProxyTarget]) -> Phase {
    let registers =
        |target: &DbProxyTarget| target.target_health.as_ref().is_some_and(|health| health.state == Some(TargetState::Registering));
    match status {
        "available" if targets.iter().any(registers) => Phase::Progressing("registering its target".to_owned()),
        "available" | "suspended" => Phase::Ready,
        "deleting" => Phase::Deleting,
        "incompatible-network" | "insufficient-resource-limits" => Phase::Failed(status.to_owned()),
        _ => Phase::Progressing(status.to_owned()),
    }
}

fn observed(
    proxy: DbProxy,
    tags: Tags,
    pool: Option<ConnectionPoolConfigurationInfo>,
    targets: &[DbProxyTarget],
) -> Result<Observed<RdsProxy>> {
    let name = proxy.db_proxy_name.ok_or_else(|| Error::missing_field("DBProxyName"))?;
    let phase = phase(proxy.status.as_ref().map(|status| status.as_str()).unwrap_or_default(), targets);
    // A cluster's instances are targets, too.
    let cluster = targets.iter().find_map(|target| match &target.r#type {
        Some(TargetType::TrackedCluster) => target.rds_resource_id.clone(),
        _ => target.tracked_cluster_id.clone().filter(|cluster| !cluster.is_empty()),
    });
    let instance = targets.iter().find(|target| target.r#type == Some(TargetType::RdsInstance));
    let instance = instance.filter(|_| cluster.is_none()).and_then(|target| target.rds_resource_id.clone());
    let text = |text: Option<&str>, default: fn() -> String| text.filter(|text| !text.is_empty()).map_or_else(default, str::to_owned);
    let spec = RdsProxy {
        name: Some(name.clone()),
        engine_family: proxy.engine_family.unwrap_or_default(),
        subnets: proxy.vpc_subnet_ids.unwrap_or_default().into_iter().map(Ref::to).collect(),
        security_groups: proxy.vpc_security_group_ids.unwrap_or_default().into_iter().map(Ref::to).collect(),
        role: ArnRef::to(proxy.role_arn.unwrap_or_default()),
        auth: proxy.auth.unwrap_or_default().into_iter().map(auth).collect(),
        default_auth: text(proxy.default_auth_scheme.as_deref(), RdsProxy::default_default_auth),
        require_tls: proxy.require_tls.unwrap_or_default(),
        idle_seconds: proxy.idle_client_timeout.unwrap_or_default(),
        debug_logging: proxy.debug_logging.unwrap_or_default(),
        endpoint_network: text(proxy.endpoint_network_type.as_ref().map(|kind| kind.as_str()), RdsProxy::default_endpoint_network),
        target_network: text(proxy.target_connection_network_type.as_ref().map(|kind| kind.as_str()), RdsProxy::default_target_network),
        instance: instance.map(Ref::to),
        cluster: cluster.map(Ref::to),
        pool: pool.map(ConnectionPool::from_sdk).unwrap_or_default(),
    };
    let outputs = Outputs { arn: proxy.db_proxy_arn.unwrap_or_default(), endpoint: proxy.endpoint };
    Ok(Observed::new(name, tags, spec, outputs).phase(phase))
}

fn auth(auth: UserAuthConfigInfo) -> ProxyAuth {
    ProxyAuth {
        secret: ArnRef::to(auth.secret_arn.unwrap_or_default()),
        iam: auth.iam_auth.map_or_else(ProxyAuth::default_iam, |mode| mode.as_str().to_owned()),
        client_password: auth.client_password_auth_type.map(|kind| kind.as_str().to_owned()),
        description: auth.description.unwrap_or_default(),
    }
}

impl ConnectionPool {
    fn from_sdk(pool: ConnectionPoolConfigurationInfo) -> ConnectionPool {
        ConnectionPool {
            max_connections_percent: pool.max_connections_percent.unwrap_or_else(Self::default_max_connections_percent),
            max_idle_percent: pool.max_idle_connections_percent.unwrap_or_else(Self::default_max_idle_percent),
            borrow_seconds: pool.connection_borrow_timeout.unwrap_or_else(Self::default_borrow_seconds),
            init_query: pool.init_query.unwrap_or_default(),
            session_pinning_filters: pool.session_pinning_filters.unwrap_or_default().into_iter().collect(),
        }
    }
}
