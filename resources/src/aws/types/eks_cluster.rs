//! `eks_cluster`: a Kubernetes control plane.

pub mod auto_mode;
mod check;
mod children;
pub mod contents;
mod preflight;
mod read;
mod settings;
mod upgrade;
mod upgrade_facts;
mod volumes;

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_eks::types::{
    ClusterStatus, CreateAccessConfigRequest, EncryptionConfig, KubernetesNetworkConfigRequest, LogSetup, Logging, Provider,
    UpdateAccessConfigRequest, UpgradePolicyRequest, VpcConfigRequest, ZonalShiftConfigRequest,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use auto_mode::{AutoMode, NodePool};
pub(super) use children::{failed_update, list_in_clusters, names_in_clusters, split_id, with_reasons};
pub(super) use preflight::{addon_versions, kubernetes_version};
use read::read;
pub use settings::{AuthenticationMode, IpFamily, LogType, SupportType};
pub use upgrade::UpgradeGate;
pub(super) use upgrade::{MAX_SKEW, minor};

use super::{iam_role::IamRole, kms_key::KmsKey, security_group::SecurityGroup, subnet::Subnet};
use crate::{
    aws::{
        Aws, Cx, for_each_concurrent,
        leftovers::{self, VolumePolicy},
        services, to_aws,
    },
    core::{
        ArnRef, Cidr, Created, Declared, Deletion, Error, ErrorKind, Existing, GateReport, GateSource, GrantTarget, IamActions, IamGrant,
        LeftoverRequest, Leftovers, Observed, PlannedSpecs, PriceContext, Pricing, Problem, Product, Questions, Ref, Resource, Result,
        Scope, Stage, TypeInfo, UsageKey, ok_or_not_found, referenced_ids,
    },
    kubernetes::Endpoint,
};

/// A Kubernetes control plane.
#[spec]
pub struct EksCluster {
    /// Name of letters, digits, `-` and `_`.
    #[field(name(max = 100), replaces, pattern = "[0-9A-Za-z][0-9A-Za-z_-]*")]
    pub name: Option<String>,
    /// Kubernetes minor version in quotes, such as `"1.34"`. AWS upgrades it by one minor version at a time: acme makes an upgrade by several
    /// in steps, each after its gates, and the node groups and add-ons of the stack follow each.
    // https://docs.aws.amazon.com/eks/latest/userguide/rollback-cluster.html
    #[field(
        important,
        unset = "AWS's default when the cluster is created; acme does not change it afterwards",
        pattern = "1[.][0-9]+",
        impact = "its API may respond slowly for minutes",
        one_way(Direction::OneMinorVersion, "AWS rolls back only the last minor version, within 7 days of its upgrade, after the nodes")
    )]
    #[field(dropped(kept, "AWS's default applies only at creation"))]
    pub version: Option<String>,
    /// Role of the control plane; needs `AmazonEKSClusterPolicy`.
    #[field(important, replaces)]
    pub role: ArnRef<IamRole>,
    /// Subnets of the control plane's network interfaces, in at least two availability zones. New subnets must be in the same zones.
    /// Those of another VPC replace the cluster.
    // AWS describes only changes within the VPC of the cluster:
    // <https://aws.amazon.com/blogs/containers/enhanced-vpc-flexibility-modify-subnets-and-security-groups-in-amazon-eks/>.
    #[field(keeps = "vpc")]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Security groups of the control plane's network interfaces, in addition to the one EKS creates.
    #[field(default, length = 0..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Makes the Kubernetes API reachable from the internet, see `public_access_cidrs`.
    #[field(
        default = true,
        important,
        risky(true, "its API is reachable from the internet"),
        impact = "clients may no longer reach its API"
    )]
    pub endpoint_public: bool,
    /// Makes the Kubernetes API reachable inside the VPC, so that node traffic does not leave it.
    #[field(default = true, impact = "clients may no longer reach its API")]
    pub endpoint_private: bool,
    /// Ranges with access to the public endpoint. Has no effect unless `endpoint_public` is true.
    #[field(default = everywhere(), important, impact = "clients may no longer reach its API")]
    pub public_access_cidrs: BTreeSet<Cidr>,
    /// Control plane logs to send to CloudWatch.
    #[field(default)]
    pub log_types: BTreeSet<LogType>,
    /// The key that encrypts Kubernetes secrets. It can be added later.
    #[field(
        important,
        unset = "a key that AWS owns",
        one_way(Direction::SetOnce, "AWS neither ends the encryption of secrets nor changes its key")
    )]
    #[field(dropped(impossible, "AWS does not end the encryption of secrets, and without the key the cluster is lost"))]
    pub secrets_key: Option<ArnRef<KmsKey>>,
    /// Source of the Kubernetes permissions of IAM principals. Access entries need at least `API_AND_CONFIG_MAP`.
    // An `Option` although there is a default: older clusters report no mode, and that is not a difference.
    // https://docs.aws.amazon.com/eks/latest/userguide/setting-up-access-entries.html
    #[field(
        important,
        default = Some(AuthenticationMode::ApiAndConfigMap),
        one_way(Direction::Ordered(&["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]), "AWS switches to access entries, but not back")
    )]
    pub authentication_mode: Option<AuthenticationMode>,
    /// Makes the principal that creates the cluster its administrator.
    #[field(unset = "AWS's default, true", initial_only, dropped(kept, "used only at creation"))]
    pub bootstrap_cluster_creator_admin_permissions: Option<bool>,
    /// Installs the network add-ons (`vpc-cni`, `coredns`, `kube-proxy`) unmanaged. Has no effect with `auto_mode`, which contains them.
    #[field(default = true, initial_only)]
    pub bootstrap_self_managed_addons: bool,
    /// Range of service addresses.
    #[field(unset = "AWS's choice", replaces, prefix = 12..=24, dropped(kept, "any range will do"))]
    pub service_ipv4_cidr: Option<Cidr>,
    /// Addresses of pods and services.
    #[field(unset = "AWS's default, ipv4", replaces, dropped = IpFamily::Ipv4)]
    pub ip_family: Option<IpFamily>,
    /// Enables deletion protection.
    #[field(important, default = true, protects_deletion, risky(false, "deletion protection is disabled"))]
    pub deletion_protection: bool,
    /// Support after the end of a version's standard support.
    #[field(unset = "AWS's default, EXTENDED", important, dropped = SupportType::Extended)]
    pub support_type: Option<SupportType>,
    /// Enables zonal shifts, which move traffic away from an impaired availability zone.
    #[field(unset = "AWS's default, false", dropped = false)]
    pub zonal_shift: Option<bool>,
    /// EKS Auto Mode: AWS manages nodes, block storage and load balancers. The cluster's role needs `AmazonEKSBlockStoragePolicy`,
    /// `AmazonEKSComputePolicy`, `AmazonEKSLoadBalancingPolicy` and `AmazonEKSNetworkingPolicy`, too, and its trust policy must allow
    /// `sts:TagSession`.
    #[field(unset = "off", important, dropped = None, impact = "AWS starts nodes of its own, or stops them")]
    pub auto_mode: Option<AutoMode>,
    /// What becomes of the EBS volumes that controllers made for claims when the cluster is deleted, or is no longer declared. It is stored in the
    /// tag `acme:volumes` of the cluster.
    #[field(unset = "snapshot", dropped = VolumePolicy::Snapshot)]
    pub volumes: Option<VolumePolicy>,
    /// Checks to leave out before each minor version of an upgrade.
    #[field(default, write_only)]
    pub skip_upgrade_gates: BTreeSet<UpgradeGate>,
    /// Makes EKS upgrade, or roll back, even if its own insights report errors.
    #[field(default = false, risky(true, "upgrades ignore the insights of EKS"), write_only)]
    pub force_upgrade: bool,
}

fn everywhere() -> BTreeSet<Cidr> {
    "0.0.0.0/0".parse().into_iter().collect()
}

/// Outputs of the resource. All but the ARN are known only once the cluster is active.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// URL of the Kubernetes API.
    #[schemars(extend("x-acme-simulated" = "https://{label}.eks.{region}.{simulated_domain}"))]
    pub endpoint: Option<String>,
    /// Certificate of the Kubernetes API, base64.
    #[schemars(extend("x-acme-simulated" = "LS0tLS1CRUdJTiBTSU1VTEFURUQtLS0tLQo="))]
    pub certificate_authority: Option<String>,
    /// Kubernetes version.
    #[schemars(extend("x-acme-simulated" = "1.34"))]
    pub version: Option<String>,
    /// EKS platform version, such as `eks.4`.
    #[schemars(extend("x-acme-simulated" = "eks.1"))]
    pub platform_version: Option<String>,
    /// Security group that EKS created for control plane and nodes.
    #[schemars(extend("x-acme-simulated" = "sg-{hex17}"))]
    pub security_group_id: Option<String>,
    /// VPC of the subnets.
    #[schemars(extend("x-acme-determined" = "{subnet.vpc}"))]
    pub vpc_id: Option<String>,
    /// URL of the OpenID Connect issuer, for roles of service accounts.
    #[schemars(extend("x-acme-simulated" = "https://oidc.eks.{region}.{simulated_domain}/id/{HEX32}"))]
    pub oidc_issuer: Option<String>,
}

/// Services to which EKS passes roles: itself, nodes, and the agents of Fargate and pod identity.
pub(super) const PASS_ROLE_SERVICES: &[&str] =
    &["ec2.amazonaws.com", "eks.amazonaws.com", "eks-fargate-pods.amazonaws.com", "pods.eks.amazonaws.com"];

/// While its version is in extended support, else 0.
const EXTENDED_SUPPORT: UsageKey = UsageKey::new("extended_support", "while its version is in extended support, else 0");

impl Resource for EksCluster {
    const TYPE: TypeInfo = TypeInfo::new("eks_cluster", &services::eks::SERVICE, "{name}", "arn:aws:eks:{region}:{account}:cluster/{name}")
        .leaving_leftovers()
        .lost_on_recreation("the Kubernetes objects in it are lost, and it has another endpoint")
        .typical_seconds(540)
        .longest_hours(6)
        .quota(100, "ResourceLimitExceededException")
        .iam_actions(
            IamActions::new("eks:cluster/{name}")
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
                .questions(&["ec2:DescribeAvailabilityZones", "eks:DescribeClusterVersions"])
                .grants(&[
                    IamGrant::change(&["eks:CreateCluster"], GrantTarget::TagOnCreate),
                    IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(PASS_ROLE_SERVICES)),
                    IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("eks.amazonaws.com")),
                    IamGrant::change(&["kms:CreateGrant", "kms:DescribeKey"], GrantTarget::Referenced("kms_key")),
                    // What must hold before an upgrade, for its plan, too.
                    IamGrant::read(
                        &["eks:DescribeInsight", "eks:ListAddons", "eks:ListInsights", "eks:ListNodegroups"],
                        GrantTarget::Arn("eks:cluster/{name}"),
                    ),
                    IamGrant::read(&["eks:DescribeAddon"], GrantTarget::Arn("eks:addon/{name}/*")),
                    IamGrant::read(&["eks:DescribeNodegroup"], GrantTarget::Arn("eks:nodegroup/{name}/*")),
                    IamGrant::read(&["ec2:DescribeSubnets", "eks:DescribeAddonVersions"], GrantTarget::AllResources),
                    // EKS reads the network with the caller's permissions.
                    IamGrant::change(&["ec2:DescribeSecurityGroups", "ec2:DescribeVpcs"], GrantTarget::AllResources),
                    // What controllers made, see `leftovers`.
                    leftovers::FIND,
                    leftovers::DELETE_IN_ZONES,
                    leftovers::DELETE_ACCELERATORS,
                    leftovers::DELETE_BALANCERS,
                    leftovers::DELETE_MACHINES,
                    leftovers::DELETE_PROFILES,
                    leftovers::DELETE_INTERFACES,
                    leftovers::DELETE_VOLUMES,
                    leftovers::SNAPSHOT_VOLUMES,
                    leftovers::DELETE_LOG_GROUPS,
                ]),
        );
    const USAGE: &'static [UsageKey] = &[EXTENDED_SUPPORT];
    type Api = Aws;
    type Outputs = Outputs;

    /// <https://aws.amazon.com/eks/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |usage_type| Product::new("AmazonEKS").family("Compute").usage_type(usage_type);
        let mut pricing = Pricing::of(vec![context.hourly("control plane", 1.0, product("AmazonEKS-Hours:perCluster"))]);
        if context.quantity(&EXTENDED_SUPPORT) > 0.0 {
            let product = product("AmazonEKS-Hours:extendedSupport");
            pricing.components.push(context.metered_hourly("extended support", &EXTENDED_SUPPORT, "hours", product));
        }
        if self.auto_mode.is_none() { pricing } else { pricing.without("the nodes of Auto Mode, whose number AWS chooses") }
    }

    /// The index lists the stack's clusters, so ListClusters, which has no filter, is not needed.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let describe = |names: BTreeSet<String>| {
            for_each_concurrent(names, |name| async move {
                let reply = ok_or_not_found(aws.eks.describe_cluster().name(name).send().await)?;
                let cluster = reply.and_then(|reply| reply.cluster);
                if let Some((name, endpoint)) =
                    cluster.as_ref().and_then(|cluster| Some((cluster.name.as_deref()?, Endpoint::of(cluster)?)))
                {
                    aws.kubernetes.remember(name, endpoint);
                }
                cluster.map(read).transpose()
            })
        };
        if let Some(ids) = scope.waited_for() {
            return describe(ids.clone()).await;
        }
        let mut names = scope.lookup.clone();
        let indexed = scope.tag_index.iter().flat_map(|index| index.keys()).filter(|arn| arn.contains(":eks:"));
        names.extend(indexed.filter_map(|arn| arn.split_once(":cluster/")).map(|(_, name)| name.to_owned()));
        let mut clusters = describe(names).await?;
        // A replaced cluster has another name than the one asked for, and the index lags behind.
        let is_missing = scope.lookup.iter().any(|name| clusters.iter().all(|cluster| cluster.id != *name));
        if scope.tag_index.as_ref().is_none_or(|index| is_missing && !index.is_empty()) {
            let all: Vec<String> = aws.eks.list_clusters().into_paginator().items().send().try_collect().await?;
            let known: BTreeSet<String> = clusters.iter().map(|cluster| cluster.id.clone()).collect();
            let covered = all.into_iter().filter(|name| scope.covers(name, "") && !known.contains(name));
            clusters.extend(describe(covered.collect()).await?);
        }
        Ok(clusters)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let auto = self.auto_mode.as_ref().map(|mode| auto_mode::Parts::of(Some(mode)));
        let network = (self.service_ipv4_cidr.is_some() || self.ip_family.is_some() || auto.is_some()).then(|| {
            KubernetesNetworkConfigRequest::builder()
                .set_elastic_load_balancing(auto.as_ref().map(|auto| auto.load_balancing.clone()))
                .set_service_ipv4_cidr(self.service_ipv4_cidr.as_ref().map(ToString::to_string))
                .set_ip_family(self.ip_family.map(|family| to_aws(&family).as_str().into()))
                .build()
        });
        let access = (self.authentication_mode.is_some() || self.bootstrap_cluster_creator_admin_permissions.is_some()).then(|| {
            CreateAccessConfigRequest::builder()
                .set_authentication_mode(self.authentication_mode.map(|mode| to_aws(&mode).as_str().into()))
                .set_bootstrap_cluster_creator_admin_permissions(self.bootstrap_cluster_creator_admin_permissions)
                .build()
        });
        let reply = cx
            .eks
            .create_cluster()
            .set_name(self.name.clone())
            .client_request_token(&cx.call.token)
            .set_version(self.version.clone())
            .role_arn(self.role.get())
            .resources_vpc_config(
                self.endpoints()
                    .set_subnet_ids(Some(referenced_ids(&self.subnets)))
                    .set_security_group_ids(Some(referenced_ids(&self.security_groups)))
                    .build(),
            )
            .set_logging((!self.log_types.is_empty()).then(|| self.logging(&BTreeSet::new())))
            .set_encryption_config(self.secrets_key.as_ref().map(|key| vec![encryption(key)]))
            .set_kubernetes_network_config(network)
            .set_access_config(access)
            .set_bootstrap_self_managed_addons((!self.bootstrap_self_managed_addons || auto.is_some()).then_some(false))
            .set_compute_config(auto.as_ref().map(|auto| auto.compute.clone()))
            .set_storage_config(auto.map(|auto| auto.storage))
            .deletion_protection(self.deletion_protection)
            .set_upgrade_policy(self.upgrade_policy())
            .set_zonal_shift_config(self.zonal_shift_config())
            .set_tags(Some(services::eks::to_tags(&volumes::with_tag(&cx.call.tags, self.volumes))))
            .send()
            .await?;
        let name = reply.cluster.and_then(|cluster| cluster.name).ok_or_else(|| Error::missing_field("name"))?;
        Ok(name.into())
    }

    /// A cluster accepts one kind of change per call ("Only one type of update can be allowed"; subnets and endpoints are two kinds) and
    /// one call at a time. So this makes the first necessary change; the engine calls it again for the rest when the cluster is active.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EksClusterChanges) -> Result<()> {
        let (id, before) = (&live.id, &live.spec);
        let call = || cx.eks.update_cluster_config().name(id);
        if changes.volumes {
            volumes::set_tag(cx.api, id, self.volumes).await?;
        } else if changes.deletion_protection {
            let answer = ok_if_already_applied(call().deletion_protection(self.deletion_protection).send().await);
            if answer.is_err() && !self.deletion_protection && was_never_active(cx.api, id).await? {
                return Ok(());
            }
            answer?;
        } else if changes.subnets || changes.security_groups {
            let both = VpcConfigRequest::builder()
                .set_subnet_ids(Some(referenced_ids(&self.subnets)))
                .set_security_group_ids(Some(referenced_ids(&self.security_groups)));
            ok_if_already_applied(call().resources_vpc_config(both.build()).send().await)?;
        } else if changes.endpoint_public || changes.endpoint_private || changes.public_access_cidrs {
            ok_if_already_applied(call().resources_vpc_config(self.endpoints().build()).send().await)?;
        } else if let (true, Some(mode)) = (changes.authentication_mode, self.authentication_mode) {
            // AWS does not allow skipping a step.
            let next = match before.authentication_mode {
                Some(AuthenticationMode::ConfigMap) => AuthenticationMode::ApiAndConfigMap,
                _ => mode,
            };
            let access = UpdateAccessConfigRequest::builder().authentication_mode(to_aws(&next).as_str().into()).build();
            ok_if_already_applied(call().access_config(access).send().await)?;
        } else if changes.log_types {
            ok_if_already_applied(call().logging(self.logging(&before.log_types)).send().await)?;
        } else if changes.support_type {
            ok_if_already_applied(call().set_upgrade_policy(self.upgrade_policy()).send().await)?;
        } else if changes.zonal_shift {
            ok_if_already_applied(call().set_zonal_shift_config(self.zonal_shift_config()).send().await)?;
        } else if changes.auto_mode {
            let auto_mode::Parts { compute, storage, load_balancing } = auto_mode::Parts::of(self.auto_mode.as_ref());
            let network = KubernetesNetworkConfigRequest::builder().elastic_load_balancing(load_balancing).build();
            let call = call().compute_config(compute).storage_config(storage).kubernetes_network_config(network);
            ok_if_already_applied(call.send().await)?;
        } else if let (true, Some(key)) = (changes.secrets_key, &self.secrets_key) {
            cx.eks.associate_encryption_config().cluster_name(id).encryption_config(encryption(key)).send().await?;
        } else if changes.version {
            let call = cx.eks.update_cluster_version().name(id).set_version(self.version.clone());
            call.set_force(self.force_upgrade.then_some(true)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        match cx.eks.delete_cluster().name(&live.id).send().await.map_err(Error::from) {
            Ok(_) => Ok(Deletion::Requested),
            // Deletion protection was just disabled, which takes effect a moment later.
            Err(error) if error.code == "InvalidRequestException" && live.spec.deletion_protection => {
                Err(Error { kind: ErrorKind::Conflict, ..error })
            }
            Err(error) => Err(error),
        }
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: EksClusterChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    async fn leftovers(aws: &Aws, live: &Observed<Self>, request: &LeftoverRequest) -> Leftovers {
        leftovers::of_cluster(aws, live, request).await
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        failed_update(aws, id, None).await
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn stages(&self, live: &Self, _: &[String]) -> Vec<Stage<Self>> {
        upgrade::stages(self, live)
    }

    async fn gates(&self, source: &GateSource<'_, Aws>, live: &Existing<Self>, planned: &PlannedSpecs) -> Result<GateReport> {
        upgrade::gates(self, source, live, planned).await
    }

    fn replaces(&self, live: &Self) -> EksClusterChanges {
        let auto_mode = auto_mode::has_other_node_role(self.auto_mode.as_ref(), live.auto_mode.as_ref());
        EksClusterChanges { auto_mode, ..EksClusterChanges::default() }
    }

    fn normalize(&self, live: &mut Self) {
        // AWS ignores the ranges of a disabled endpoint, and opens dual-stack endpoints to `::/0` in addition to `0.0.0.0/0`.
        let dual: BTreeSet<Cidr> = ["0.0.0.0/0", "::/0"].iter().filter_map(|range| range.parse().ok()).collect();
        if !self.endpoint_public && !live.endpoint_public || self.public_access_cidrs == everywhere() && live.public_access_cidrs == dual {
            live.public_access_cidrs.clone_from(&self.public_access_cidrs);
        }
        // Stand-ins do not report the mode.
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
    /// Enables the desired logs, and disables the other ones in `before`.
    fn logging(&self, before: &BTreeSet<LogType>) -> Logging {
        let setup = |types: Vec<LogType>, enabled| {
            let types = types.iter().map(|log| to_aws(log).as_str().into()).collect::<Vec<_>>();
            (!types.is_empty()).then(|| LogSetup::builder().set_types(Some(types)).enabled(enabled).build())
        };
        let on = setup(self.log_types.iter().copied().collect(), true);
        let off = setup(before.difference(&self.log_types).copied().collect(), false);
        Logging::builder().set_cluster_logging(Some(on.into_iter().chain(off).collect())).build()
    }
    fn upgrade_policy(&self) -> Option<UpgradePolicyRequest> {
        self.support_type.map(|support| UpgradePolicyRequest::builder().support_type(to_aws(&support).as_str().into()).build())
    }
    fn zonal_shift_config(&self) -> Option<ZonalShiftConfigRequest> {
        self.zonal_shift.map(|enabled| ZonalShiftConfigRequest::builder().enabled(enabled).build())
    }
}

/// `resources` is deprecated, but clusters of old versions require it with a key.
#[allow(deprecated)]
fn encryption(key: &ArnRef<KmsKey>) -> EncryptionConfig {
    EncryptionConfig::builder().resources("secrets").provider(Provider::builder().key_arn(key.get()).build()).build()
}

/// Messages of AWS for an update of endpoints or logs without changes.
const ALREADY_UP_TO_DATE: &[&str] = &["already at the desired configuration", "No changes needed"];

/// AWS rejects a change that an earlier attempt already made.
fn ok_if_already_applied<T>(answer: std::result::Result<T, impl Into<Error>>) -> Result<()> {
    match answer.map_err(Into::into) {
        Err(error) if ALREADY_UP_TO_DATE.iter().any(|text| error.message.contains(text)) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Whether the cluster has never been active. AWS does not change such a cluster, and deletes it even if it is protected.
///
/// Source: <https://docs.aws.amazon.com/eks/latest/userguide/deletion-protection.html>
async fn was_never_active(aws: &Aws, id: &str) -> Result<bool> {
    let reply = ok_or_not_found(aws.eks.describe_cluster().name(id).send().await)?;
    let status = reply.and_then(|reply| reply.cluster?.status);
    Ok(matches!(status, Some(ClusterStatus::Creating | ClusterStatus::Failed | ClusterStatus::Deleting)))
}
