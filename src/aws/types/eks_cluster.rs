//! `eks_cluster`: a Kubernetes control plane.

mod inside;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_sdk_eks::types::{
    ClusterStatus, CreateAccessConfigRequest, EncryptionConfig, KubernetesNetworkConfigRequest, LogSetup, Logging, Provider,
    UpdateAccessConfigRequest, UpgradePolicyRequest, VpcConfigRequest, ZonalShiftConfigRequest,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use inside::{covers, failed_update, inside, of_clusters, told};
use read::observed;

use super::{iam_role::IamRole, kms_key::KmsKey, security_group::SecurityGroup, subnet::Subnet};
use crate::{
    aws::{Aws, each, tags, text},
    core::{
        Actions, ArnRef, Changed, Cidr, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On,
        OneWay, Problem, Ref, Result, Scope, Service, Sort, Way, ids, ok_or_not_found,
    },
};

/// A Kubernetes control plane.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EksCluster {
    /// Name, at most 100 letters, digits, `-` and `_`. Default: `<stack>-<environment>-<name>`. Changing it replaces the cluster.
    #[serde(default)]
    pub name: Option<String>,
    /// Kubernetes minor version in quotes, such as `"1.34"`; it goes up one minor version at a time. Default: AWS's newest default at
    /// creation, then left alone.
    #[serde(default)]
    pub version: Option<String>,
    /// The role the control plane acts with; it needs `AmazonEKSClusterPolicy`. Changing it replaces the cluster.
    pub role: ArnRef<IamRole>,
    /// Subnets for the control plane's network interfaces, in at least two availability zones. New ones must be in the same zones.
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Security groups of the control plane's network interfaces, besides the one EKS makes. Default: none.
    #[serde(default)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Makes the Kubernetes API reachable from the internet, see `public_access_cidrs`. Default: true.
    #[serde(default = "yes")]
    pub endpoint_public: bool,
    /// Makes the Kubernetes API reachable inside the VPC, so that nodes do not leave it. Default: true.
    #[serde(default = "yes")]
    pub endpoint_private: bool,
    /// Ranges that may reach the public endpoint. Default: `0.0.0.0/0`; without meaning unless `endpoint_public`.
    #[serde(default = "everywhere")]
    pub public_access_cidrs: BTreeSet<Cidr>,
    /// Control plane logs sent to CloudWatch. Default: none.
    #[serde(default)]
    pub log_types: BTreeSet<LogType>,
    /// Encrypts Kubernetes secrets with this key. Default: an AWS owned key. It can be added later, but AWS neither changes nor removes it.
    #[serde(default)]
    pub secrets_key: Option<ArnRef<KmsKey>>,
    /// Where Kubernetes permissions of IAM principals are kept; AWS only lets it go from `CONFIG_MAP` over `API_AND_CONFIG_MAP` to `API`.
    /// Default: `API_AND_CONFIG_MAP`, which access entries need at least.
    #[serde(default = "both_modes")]
    pub authentication_mode: Option<AuthenticationMode>,
    /// Makes whoever creates the cluster its administrator. Default: AWS's, true. Has effect only at creation.
    #[serde(default)]
    pub bootstrap_cluster_creator_admin_permissions: Option<bool>,
    /// Installs the network add-ons (`vpc-cni`, `coredns`, `kube-proxy`) unmanaged. Default: true. Has effect only at creation.
    #[serde(default = "yes")]
    pub bootstrap_self_managed_addons: bool,
    /// Range of service addresses, between /24 and /12. Default: AWS chooses. Changing it replaces the cluster.
    #[serde(default)]
    pub service_ipv4_cidr: Option<Cidr>,
    /// Addresses of pods and services. Default: AWS's, `ipv4`. Changing it replaces the cluster.
    #[serde(default)]
    pub ip_family: Option<IpFamily>,
    /// Whether AWS refuses to delete the cluster. Default: true.
    #[serde(default = "yes")]
    pub deletion_protection: bool,
    /// What happens at the end of a version's standard support: `STANDARD` upgrades by itself, `EXTENDED` (AWS's default) costs more.
    #[serde(default)]
    pub support_type: Option<SupportType>,
    /// Lets traffic be shifted away from an impaired availability zone. Default: AWS's, false.
    #[serde(default)]
    pub zonal_shift: Option<bool>,
}

/// A control plane log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum LogType {
    Api,
    Audit,
    Authenticator,
    ControllerManager,
    Scheduler,
}

/// Where Kubernetes permissions of IAM principals are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationMode {
    /// Access entries.
    Api,
    /// Access entries and the config map `aws-auth`.
    ApiAndConfigMap,
    /// The config map `aws-auth`.
    ConfigMap,
}

/// Addresses of pods and services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum IpFamily {
    Ipv4,
    Ipv6,
}

/// What happens at the end of standard support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SupportType {
    /// The cluster is upgraded.
    Standard,
    /// The version stays, at a higher price.
    Extended,
}

fn yes() -> bool {
    true
}
fn everywhere() -> BTreeSet<Cidr> {
    "0.0.0.0/0".parse().into_iter().collect()
}
/// An `Option` although there is a default: older clusters report no mode, and that is not a difference.
fn both_modes() -> Option<AuthenticationMode> {
    Some(AuthenticationMode::ApiAndConfigMap)
}

/// What others may refer to. All but the ARN is known only once the cluster is active.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// URL of the Kubernetes API.
    pub endpoint: Option<String>,
    /// Certificate of the Kubernetes API, base64.
    pub certificate_authority: Option<String>,
    /// Kubernetes version.
    pub version: Option<String>,
    /// Version of EKS's own parts, such as `eks.4`.
    pub platform_version: Option<String>,
    /// The security group EKS made for control plane and nodes.
    pub security_group_id: Option<String>,
    /// The VPC of the subnets.
    pub vpc_id: Option<String>,
    /// URL of the OpenID Connect issuer, for roles of service accounts.
    pub oidc_issuer: Option<String>,
}

/// Services that EKS hands roles to: itself, nodes, and the agents of Fargate and pod identity.
pub(super) const PASSED_TO: &[&str] =
    &["ec2.amazonaws.com", "eks.amazonaws.com", "eks-fargate-pods.amazonaws.com", "pods.eks.amazonaws.com"];

const ELSEWHERE: &str = "its API is reached from elsewhere than before";

impl Resource for EksCluster {
    const TYPE: &'static str = "eks_cluster";
    const SERVICE: Service = Service::Eks;
    const ARN: Option<&'static str> = Some("eks:cluster/");
    const REPLACE: &'static [&'static str] = &["/name", "/role", "/service_ipv4_cidr", "/ip_family"];
    const NAME: Option<Naming> = Some(Naming { max: 100, lower: false, prefix: "" });
    const USUAL: Duration = Duration::from_secs(540);
    const PROTECTION: Option<&'static str> = Some("/deletion_protection");
    const DISTURBS: &'static [(&'static str, &'static str)] = &[
        ("/version", "its API may answer slowly for minutes; nodes and add-ons keep their versions"),
        ("/endpoint_public", ELSEWHERE),
        ("/endpoint_private", ELSEWHERE),
        ("/public_access_cidrs", ELSEWHERE),
    ];
    // https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html
    const ONE_WAY: &'static [OneWay] = &[
        // https://docs.aws.amazon.com/eks/latest/userguide/rollback-cluster.html
        OneWay { field: "/version", why: "AWS takes a Kubernetes version back by one only, for a week", way: Way::OneMinor },
        OneWay { field: "/secrets_key", why: "AWS does not end the encryption of secrets, nor change its key", way: Way::Once },
        OneWay {
            field: "/authentication_mode",
            why: "AWS goes on to access entries, not back",
            way: Way::Through(&["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]),
        },
    ];
    const ACTIONS: Actions = Actions::on("eks:cluster/{name}")
        .list(&["eks:ListClusters"])
        .read(&["eks:DescribeCluster"])
        .change(&[
            "eks:AssociateEncryptionConfig",
            "eks:DeleteCluster",
            "eks:DescribeUpdate",
            "eks:ListUpdates",
            "eks:UpdateClusterConfig",
            "eks:UpdateClusterVersion",
        ])
        .more(&[
            Grant::change(&["eks:CreateCluster"], On::Marking),
            Grant::change(&["iam:PassRole"], On::Passed(PASSED_TO)),
            Grant::change(&["iam:CreateServiceLinkedRole"], On::ServiceLinked("eks.amazonaws.com")),
            Grant::change(&["kms:CreateGrant", "kms:DescribeKey"], On::Used("kms_key")),
            // EKS looks at the network with the caller's permissions.
            Grant::change(&["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"], On::Everything),
        ]);
    type Outputs = Outputs;

    /// The index names the stack's clusters, so that ListClusters, which has no filter, is not needed.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let describe = |names: BTreeSet<String>| {
            each(names, |name| async move {
                let reply = ok_or_not_found(aws.eks.describe_cluster().name(name).send().await)?;
                reply.and_then(|reply| reply.cluster).map(observed).transpose()
            })
        };
        let mut names = scope.wanted.clone();
        let indexed = scope.index.iter().flat_map(BTreeMap::keys).filter(|arn| arn.contains(":eks:"));
        names.extend(indexed.filter_map(|arn| arn.split_once(":cluster/")).map(|(_, name)| name.to_owned()));
        let mut clusters = describe(names).await?;
        // What replaced one has another name than is wanted, and the index lags.
        let missing = scope.wanted.iter().any(|name| !clusters.iter().any(|cluster: &Observed<Self>| cluster.id == *name));
        if scope.index.is_none() || missing {
            let all: Vec<String> = aws.eks.list_clusters().into_paginator().items().send().try_collect().await?;
            let known: BTreeSet<String> = clusters.iter().map(|cluster| cluster.id.clone()).collect();
            let covered = all.into_iter().filter(|name| scope.covers(name, "") && !known.contains(name));
            clusters.extend(describe(covered.collect()).await?);
        }
        Ok(clusters)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let network = (self.service_ipv4_cidr.is_some() || self.ip_family.is_some()).then(|| {
            KubernetesNetworkConfigRequest::builder()
                .set_service_ipv4_cidr(self.service_ipv4_cidr.as_ref().map(ToString::to_string))
                .set_ip_family(self.ip_family.map(|family| text(&family).as_str().into()))
                .build()
        });
        let access = (self.authentication_mode.is_some() || self.bootstrap_cluster_creator_admin_permissions.is_some()).then(|| {
            CreateAccessConfigRequest::builder()
                .set_authentication_mode(self.authentication_mode.map(|mode| text(&mode).as_str().into()))
                .set_bootstrap_cluster_creator_admin_permissions(self.bootstrap_cluster_creator_admin_permissions)
                .build()
        });
        let reply = cx
            .aws
            .eks
            .create_cluster()
            .set_name(self.name.clone())
            .client_request_token(cx.token)
            .set_version(self.version.clone())
            .role_arn(self.role.get())
            .resources_vpc_config(
                self.endpoints().set_subnet_ids(Some(ids(&self.subnets))).set_security_group_ids(Some(ids(&self.security_groups))).build(),
            )
            .set_logging((!self.log_types.is_empty()).then(|| self.logging(&BTreeSet::new())))
            .set_encryption_config(self.secrets_key.as_ref().map(|key| vec![encryption(key)]))
            .set_kubernetes_network_config(network)
            .set_access_config(access)
            .set_bootstrap_self_managed_addons((!self.bootstrap_self_managed_addons).then_some(false))
            .deletion_protection(self.deletion_protection)
            .set_upgrade_policy(self.upgrade_policy())
            .set_zonal_shift_config(self.zonal_shift_config())
            .set_tags(Some(tags::map(cx.tags)))
            .send()
            .await?;
        reply.cluster.and_then(|cluster| cluster.name).ok_or_else(|| Error::missing("name"))
    }

    /// A cluster takes one kind of change per call ("Only one type of update can be allowed"; subnets and endpoints are two kinds) and one
    /// call at a time. So this makes the first change that is needed; the engine comes back for the rest when the cluster is active again.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let call = || cx.aws.eks.update_cluster_config().name(id);
        if changed.has("/deletion_protection") {
            let answer = there(call().deletion_protection(self.deletion_protection).send().await);
            if answer.is_err() && !self.deletion_protection && never_active(cx.aws, id).await? {
                return Ok(());
            }
            answer?;
        } else if changed.any(&["/subnets", "/security_groups"]) {
            let both = VpcConfigRequest::builder()
                .set_subnet_ids(Some(ids(&self.subnets)))
                .set_security_group_ids(Some(ids(&self.security_groups)));
            there(call().resources_vpc_config(both.build()).send().await)?;
        } else if changed.any(&["/endpoint_public", "/endpoint_private", "/public_access_cidrs"]) {
            there(call().resources_vpc_config(self.endpoints().build()).send().await)?;
        } else if let (true, Some(mode)) = (changed.has("/authentication_mode"), self.authentication_mode) {
            // No step may be left out: https://docs.aws.amazon.com/eks/latest/userguide/setting-up-access-entries.html
            let next = match before.authentication_mode {
                Some(AuthenticationMode::ConfigMap) => AuthenticationMode::ApiAndConfigMap,
                _ => mode,
            };
            let access = UpdateAccessConfigRequest::builder().authentication_mode(text(&next).as_str().into()).build();
            there(call().access_config(access).send().await)?;
        } else if changed.has("/log_types") {
            there(call().logging(self.logging(&before.log_types)).send().await)?;
        } else if changed.has("/support_type") {
            there(call().set_upgrade_policy(self.upgrade_policy()).send().await)?;
        } else if changed.has("/zonal_shift") {
            there(call().set_zonal_shift_config(self.zonal_shift_config()).send().await)?;
        } else if let (true, Some(key)) = (changed.has("/secrets_key"), &self.secrets_key) {
            cx.aws.eks.associate_encryption_config().cluster_name(id).encryption_config(encryption(key)).send().await?;
        } else if changed.has("/version") {
            cx.aws.eks.update_cluster_version().name(id).set_version(self.version.clone()).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        let answer = cx.aws.eks.delete_cluster().name(id).send().await.map_err(Error::from);
        answer.map(drop).map_err(|error| match error.code == "InvalidRequestException" && live.deletion_protection {
            // Its protection was lifted just before, which takes effect a moment later.
            true => Error { sort: Sort::Conflict, ..error },
            false => error,
        })
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        failed_update(aws, id, None).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let minor = |version: &str| version.split_once('.').is_some_and(|(a, b)| a == "1" && b.parse::<u8>().is_ok());
        if let Some(version) = self.version.as_deref().filter(|version| !version.contains("${") && !minor(version)) {
            problems.push(Problem::new("/version", format!("`{version}` is no Kubernetes minor version")).help("write it like \"1.34\""));
        }
        if self.subnets.len() < 2 {
            problems.push(Problem::new("/subnets", "a cluster needs subnets in at least two availability zones"));
        }
        if !self.endpoint_public && !self.endpoint_private {
            problems.push(Problem::new("/endpoint_private", "with both endpoints off nothing reaches the Kubernetes API"));
        }
        if self.endpoint_public && self.public_access_cidrs.is_empty() {
            let problem = Problem::new("/public_access_cidrs", "a public endpoint needs a range that may reach it");
            problems.push(problem.help("set `endpoint_public: false` to close it"));
        }
        problems
    }

    fn align(&self, live: &mut Self) {
        // AWS ignores the ranges of a closed endpoint, and opens dual-stack endpoints to `::/0` besides `0.0.0.0/0`.
        let dual: BTreeSet<Cidr> = ["0.0.0.0/0", "::/0"].iter().filter_map(|range| range.parse().ok()).collect();
        if !self.endpoint_public && !live.endpoint_public || self.public_access_cidrs == everywhere() && live.public_access_cidrs == dual {
            live.public_access_cidrs.clone_from(&self.public_access_cidrs);
        }
        // AWS never reports the first two, and stand-ins do not report the mode.
        live.bootstrap_self_managed_addons = self.bootstrap_self_managed_addons;
        live.bootstrap_cluster_creator_admin_permissions = self.bootstrap_cluster_creator_admin_permissions;
        live.authentication_mode = live.authentication_mode.or(self.authentication_mode);
    }
}

impl EksCluster {
    fn endpoints(&self) -> aws_sdk_eks::types::builders::VpcConfigRequestBuilder {
        let ranges = self.public_access_cidrs.iter().map(ToString::to_string).collect();
        VpcConfigRequest::builder()
            .endpoint_public_access(self.endpoint_public)
            .endpoint_private_access(self.endpoint_private)
            .set_public_access_cidrs(self.endpoint_public.then_some(ranges))
    }
    /// Logs on, and those of `before` that are no longer wanted off.
    fn logging(&self, before: &BTreeSet<LogType>) -> Logging {
        let setup = |types: Vec<LogType>, enabled| {
            let types = types.iter().map(|log| text(log).as_str().into()).collect::<Vec<_>>();
            (!types.is_empty()).then(|| LogSetup::builder().set_types(Some(types)).enabled(enabled).build())
        };
        let on = setup(self.log_types.iter().copied().collect(), true);
        let off = setup(before.difference(&self.log_types).copied().collect(), false);
        Logging::builder().set_cluster_logging(Some(on.into_iter().chain(off).collect())).build()
    }
    fn upgrade_policy(&self) -> Option<UpgradePolicyRequest> {
        self.support_type.map(|support| UpgradePolicyRequest::builder().support_type(text(&support).as_str().into()).build())
    }
    fn zonal_shift_config(&self) -> Option<ZonalShiftConfigRequest> {
        self.zonal_shift.map(|enabled| ZonalShiftConfigRequest::builder().enabled(enabled).build())
    }
}

/// What is encrypted need no longer be said, but clusters of old versions take no key without it.
#[allow(deprecated)]
fn encryption(key: &ArnRef<KmsKey>) -> EncryptionConfig {
    EncryptionConfig::builder().resources("secrets").provider(Provider::builder().key_arn(key.get()).build()).build()
}

/// What a change is refused with that changes nothing: of endpoints, of logs.
const SAME: &[&str] = &["already at the desired configuration", "No changes needed"];

/// A second try of a change that a first has made is refused.
fn there<T>(answer: std::result::Result<T, impl Into<Error>>) -> Result<()> {
    match answer.map_err(Into::into) {
        Err(error) if SAME.iter().any(|text| error.message.contains(text)) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Whether it is not a cluster yet, or won't ever be: AWS changes nothing of it, and deletes it even where it is protected.
///
/// Source: <https://docs.aws.amazon.com/eks/latest/userguide/deletion-protection.html>
async fn never_active(aws: &Aws, id: &str) -> Result<bool> {
    let reply = ok_or_not_found(aws.eks.describe_cluster().name(id).send().await)?;
    let status = reply.and_then(|reply| reply.cluster?.status);
    Ok(matches!(status, Some(ClusterStatus::Creating | ClusterStatus::Failed | ClusterStatus::Deleting)))
}
