//! `rds_proxy`: a pool of connections to a database.

mod price;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aws_sdk_rds::types::{ConnectionPoolConfiguration, UserAuthConfig};

use super::{
    aurora_cluster::{AuroraCluster, AuroraEngine},
    iam_role::{IamRole, check_trust},
    prelude::*,
    rds_instance::{Engine, RdsInstance},
    rds_subnet_group::NETWORK_READS,
    secret::Secret,
    security_group::SecurityGroup,
    subnet::{Subnet, single_zone},
};
use crate::core::{ErrorKind, referenced_ids};

/// A pool of connections to a database, which clients use through an endpoint of its own (RDS Proxy). It signs in to the database with secrets.
#[spec]
pub struct RdsProxy {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 63, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Engine of the database: MySQL and MariaDB, or PostgreSQL.
    #[field(one_of = ["MYSQL", "POSTGRESQL"], replaces, important)]
    pub engine_family: String,
    /// Subnets of the proxy, in at least two availability zones.
    #[field(length = 2..=100, replaces)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Security groups. The database's must admit them.
    #[field(length = 1..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Role with which the proxy reads the secrets.
    pub role: ArnRef<IamRole>,
    /// How the proxy signs in to the database, and clients to the proxy: an entry for each user of the database.
    #[field(default, length = 0..=200, important)]
    pub auth: BTreeSet<ProxyAuth>,
    /// Sign-in of users without an entry in `auth`: none, or by IAM from the client to the database.
    #[field(default = "NONE", one_of = ["NONE", "IAM_AUTH"])]
    pub default_auth: String,
    /// Refuses connections without TLS.
    #[field(important, default = true, risky(false, "clients can connect without encryption"))]
    pub require_tls: bool,
    /// Time after which the proxy closes an idle connection of a client, in seconds.
    #[field(default = 1800, range = 1..=28_800)]
    pub idle_seconds: i32,
    /// Logs statements in detail, for 24 hours.
    #[field(default = false, risky(true, "the log contains statements with their values"))]
    pub debug_logging: bool,
    /// IP versions of the endpoint.
    #[field(default = "IPV4", one_of = ["IPV4", "IPV6", "DUAL"], replaces)]
    pub endpoint_network: String,
    /// IP version of the connections to the database.
    #[field(default = "IPV4", one_of = ["IPV4", "IPV6"], replaces)]
    pub target_network: String,
    /// Database that the proxy connects to.
    #[field(unset = "none", conflicts_with = cluster, after_create, important, dropped = None)]
    #[field(impact = "connections to the earlier database end")]
    pub instance: Option<Ref<RdsInstance>>,
    /// Aurora cluster that the proxy connects to.
    #[field(unset = "none", after_create, important, dropped = None, impact = "connections to the earlier database end")]
    pub cluster: Option<Ref<AuroraCluster>>,
    /// The pool.
    #[field(default, after_create)]
    pub pool: ConnectionPool,
}

/// How a proxy signs in as a user.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyAuth {
    /// Secret with `username` and `password`.
    pub secret: ArnRef<Secret>,
    /// Whether clients sign in to the proxy by IAM.
    #[field(default = "DISABLED", one_of = ["DISABLED", "ENABLED", "REQUIRED"])]
    pub iam: String,
    /// How clients prove that they have the password.
    #[field(unset = "AWS's choice for the engine", dropped(kept, "AWS's choice for the engine will do"))]
    #[field(one_of = ["MYSQL_CACHING_SHA2_PASSWORD", "MYSQL_NATIVE_PASSWORD", "POSTGRES_MD5", "POSTGRES_SCRAM_SHA_256"])]
    pub client_password: Option<String>,
    /// Description.
    #[field(default, length = 0..=1000)]
    pub description: String,
}

/// A pool of connections.
#[spec]
#[derive(PartialEq)]
pub struct ConnectionPool {
    /// Share of the database's connections that the proxy may use, in percent.
    #[field(default = 100, range = 1..=100)]
    pub max_connections_percent: i32,
    /// Share of the database's connections that stay open while they are idle, in percent.
    #[field(default = 50, range = 0..=100)]
    pub max_idle_percent: i32,
    /// Time for which a client waits for a connection, in seconds.
    #[field(default = 120, range = 0..=300)]
    pub borrow_seconds: i32,
    /// Statement that the proxy runs on each new connection; empty for none.
    #[field(default, length = 0..=4096)]
    pub init_query: String,
    /// Statements after which clients nevertheless share a connection.
    #[field(default, one_of = ["EXCLUDE_VARIABLE_SETS"])]
    pub session_pinning_filters: BTreeSet<String>,
}

impl Default for ConnectionPool {
    fn default() -> Self {
        ConnectionPool {
            max_connections_percent: Self::default_max_connections_percent(),
            max_idle_percent: Self::default_max_idle_percent(),
            borrow_seconds: Self::default_borrow_seconds(),
            init_query: String::new(),
            session_pinning_filters: BTreeSet::new(),
        }
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name of the endpoint.
    pub endpoint: Option<String>,
}

/// Name of the only target group of a proxy.
const TARGET_GROUP: &str = "default";

impl Resource for RdsProxy {
    const TYPE: TypeInfo =
        TypeInfo::new("rds_proxy", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:db-proxy:prx-{hex17}")
            .typical_seconds(300)
            .without_token()
            .quota(20, "DBProxyQuotaExceededFault")
            .not_found("DBProxyNotFoundFault")
            .already_exists("DBProxyAlreadyExistsFault")
            .in_use("InvalidDBProxyStateFault")
            .iam_actions(
                IamActions::new("rds:db-proxy:*")
                    .read(&["rds:ListTagsForResource"])
                    .change(&["rds:DeleteDBProxy", "rds:ModifyDBProxy"])
                    .grants(&[
                        IamGrant::change(&["rds:CreateDBProxy"], GrantTarget::AllResources),
                        IamGrant::read(&["rds:DescribeDBProxies"], GrantTarget::Arn("rds:db-proxy:*")),
                        IamGrant::read(
                            &["rds:DescribeDBProxyTargetGroups", "rds:DescribeDBProxyTargets"],
                            GrantTarget::Arn("rds:db-proxy:*"),
                        ),
                        IamGrant::read(
                            &["rds:DescribeDBProxyTargetGroups", "rds:DescribeDBProxyTargets"],
                            GrantTarget::Arn("rds:target-group:*"),
                        ),
                        IamGrant::change(
                            &["rds:DeregisterDBProxyTargets", "rds:ModifyDBProxyTargetGroup", "rds:RegisterDBProxyTargets"],
                            GrantTarget::Arn("rds:target-group:*"),
                        ),
                        IamGrant::change(&["rds:RegisterDBProxyTargets"], GrantTarget::Referenced("aurora_cluster")),
                        IamGrant::change(&["rds:RegisterDBProxyTargets"], GrantTarget::Referenced("rds_instance")),
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["rds.amazonaws.com"])),
                        IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("rds.amazonaws.com")),
                        IamGrant::change(NETWORK_READS, GrantTarget::AllResources),
                    ]),
            );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_db_proxy().set_db_proxy_name(self.name.clone()).engine_family(self.engine_family.as_str().into());
        let call = call.set_auth(self.auth_to_sdk()).default_auth_scheme(self.default_auth.as_str().into()).role_arn(self.role.get());
        let call = call.set_vpc_subnet_ids(Some(referenced_ids(&self.subnets)));
        let call = call.set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        let call = call.require_tls(self.require_tls).idle_client_timeout(self.idle_seconds).debug_logging(self.debug_logging);
        let call = call.endpoint_network_type(self.endpoint_network.as_str().into());
        let call = call.target_connection_network_type(self.target_network.as_str().into());
        let reply = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).send().await?;
        let name = reply.db_proxy.and_then(|proxy| proxy.db_proxy_name);
        name.map(Created::Id).ok_or_else(|| Error::missing_field("DBProxyName"))
    }

    /// AWS changes the proxy, its pool and its target one after the other: each call waits for the proxy to be available.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsProxyChanges) -> Result<()> {
        let of_proxy = RdsProxyChanges { instance: false, cluster: false, pool: false, ..changes };
        if !Self::pointers(&of_proxy).is_empty() {
            let call = cx.rds.modify_db_proxy().db_proxy_name(&live.id).role_arn(self.role.get()).set_auth(self.auth_to_sdk());
            let call = call.default_auth_scheme(self.default_auth.as_str().into());
            let call = call.require_tls(self.require_tls).idle_client_timeout(self.idle_seconds).debug_logging(self.debug_logging);
            call.set_security_groups(Some(referenced_ids(&self.security_groups))).send().await?;
        }
        if changes.pool {
            let call = cx.rds.modify_db_proxy_target_group().db_proxy_name(&live.id).target_group_name(TARGET_GROUP);
            call.connection_pool_config(self.pool.to_sdk()).send().await?;
        }
        if changes.instance || changes.cluster {
            self.change_target(cx, live).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.rds.delete_db_proxy().db_proxy_name(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        let mut problems = Vec::new();
        if self.auth.is_empty() && self.default_auth == Self::default_default_auth() {
            let problem = Problem::new(at.auth.clone(), "a proxy needs a secret to sign in to the database");
            problems.push(problem.help("add `auth: [{ secret: … }]`, or set `default_auth: IAM_AUTH`"));
        }
        let prefix = if self.engine_family == "MYSQL" { "MYSQL" } else { "POSTGRES" };
        let wrong = |auth: &&ProxyAuth| auth.client_password.as_ref().is_some_and(|kind| !kind.starts_with(prefix) && !kind.contains("${"));
        if let Some(auth) = self.auth.iter().find(wrong) {
            let kind = auth.client_password.as_deref().unwrap_or_default();
            problems.push(Problem::new(at.auth, format!("`{kind}` is not for the engine family `{}`", self.engine_family)));
        }
        if self.pool.max_idle_percent > self.pool.max_connections_percent {
            let at = at.pool.clone().field(ConnectionPool::POINTERS.max_idle_percent);
            problems.push(Problem::new(at, "must not be more than `max_connections_percent`"));
        }
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(proxy) = declared.spec() else { return Vec::new() };
        let at = Self::POINTERS;
        let mut problems: Vec<Problem> = single_zone(declared, at.subnets, &proxy.subnets, "a proxy").into_iter().collect();
        problems.extend(check_trust(declared, at.role, &proxy.role, "rds.amazonaws.com"));
        let family = |is_postgres: bool| if is_postgres { "POSTGRESQL" } else { "MYSQL" };
        let instance = proxy.instance.as_ref().and_then(|instance| declared.referenced(instance));
        let instance = instance.map(|(address, database)| (at.instance, address.to_string(), family(database.engine == Engine::Postgres)));
        let cluster = proxy.cluster.as_ref().and_then(|cluster| declared.referenced(cluster));
        let cluster =
            cluster.map(|(address, database)| (at.cluster, address.to_string(), family(database.engine == AuroraEngine::AuroraPostgresql)));
        for (at, address, family) in instance.into_iter().chain(cluster) {
            if family != proxy.engine_family {
                let problem = Problem::new(at, format!("`{address}` is of the engine family `{family}`, not `{}`", proxy.engine_family));
                problems.push(problem.help(format!("set `engine_family: {family}`")));
            }
        }
        problems
    }

    fn normalize(&self, live: &mut Self) {
        // AWS fills in how clients prove a password.
        let unset: BTreeSet<&str> = self.auth.iter().filter(|auth| auth.client_password.is_none()).map(|auth| auth.secret.get()).collect();
        let auth = std::mem::take(&mut live.auth).into_iter().map(|auth| match unset.contains(auth.secret.get()) {
            true => ProxyAuth { client_password: None, ..auth },
            false => auth,
        });
        live.auth = auth.collect();
    }
}

impl RdsProxy {
    fn auth_to_sdk(&self) -> Option<Vec<UserAuthConfig>> {
        let auth = self.auth.iter().map(|auth| {
            UserAuthConfig::builder()
                .auth_scheme(aws_sdk_rds::types::AuthScheme::Secrets)
                .secret_arn(auth.secret.get())
                .iam_auth(auth.iam.as_str().into())
                .set_client_password_auth_type(auth.client_password.as_deref().map(Into::into))
                .set_description(Some(auth.description.clone()).filter(|text| !text.is_empty()))
                .build()
        });
        Some(auth.collect())
    }

    /// Replaces the target. A database that is registered already is left alone.
    async fn change_target(&self, cx: &Cx<'_>, live: &Existing<Self>) -> Result<()> {
        let name = &live.id;
        let (old_instance, old_cluster) = (live.spec.instance.as_ref(), live.spec.cluster.as_ref());
        let left = old_instance.filter(|old| self.instance.as_ref() != Some(old)).map(|old| old.get().to_owned());
        let left_cluster = old_cluster.filter(|old| self.cluster.as_ref() != Some(old)).map(|old| old.get().to_owned());
        if left.is_some() || left_cluster.is_some() {
            let call = cx.rds.deregister_db_proxy_targets().db_proxy_name(name).target_group_name(TARGET_GROUP);
            let call = call.set_db_instance_identifiers(left.map(|left| vec![left]));
            let call = call.set_db_cluster_identifiers(left_cluster.map(|left| vec![left]));
            match call.send().await.map_err(Error::from) {
                // An earlier attempt removed it.
                Err(error) if error.code == "DBProxyTargetNotFoundFault" => {}
                answer => drop(answer?),
            }
        }
        if self.instance.is_none() && self.cluster.is_none() {
            return Ok(());
        }
        let call = cx.rds.register_db_proxy_targets().db_proxy_name(name).target_group_name(TARGET_GROUP);
        let call = call.set_db_instance_identifiers(self.instance.as_ref().map(|instance| vec![instance.get().to_owned()]));
        let call = call.set_db_cluster_identifiers(self.cluster.as_ref().map(|cluster| vec![cluster.get().to_owned()]));
        match call.send().await.map_err(Error::from) {
            Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
            answer => answer.map(drop),
        }
    }
}

impl ConnectionPool {
    fn to_sdk(&self) -> ConnectionPoolConfiguration {
        ConnectionPoolConfiguration::builder()
            .max_connections_percent(self.max_connections_percent)
            .max_idle_connections_percent(self.max_idle_percent)
            .connection_borrow_timeout(self.borrow_seconds)
            .init_query(&self.init_query)
            .set_session_pinning_filters(Some(self.session_pinning_filters.iter().cloned().collect()))
            .build()
    }
}
