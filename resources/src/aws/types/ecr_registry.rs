//! `ecr_registry`: the settings of the private registry of an account in a region, in which all repositories are.
//!
//! AWS has one per account and region, which can't be created or deleted, and which has no tags. A stack owns its settings as long as a
//! parameter of Systems Manager names it. Settings made outside the stack are never taken over without `acme import`, and the settings stay
//! when a stack lets them go: others may rely on them.

mod replication;
mod scanning;

use std::collections::BTreeSet;

use aws_sdk_ecr::types as ecr;

pub use replication::{Destination, ReplicationRule};
pub use scanning::{ScanFrequency, ScanType, Scanning, ScanningRule};

use super::prelude::*;
use crate::{
    aws::services::ssm::ownership,
    core::{ErrorKind, TagChange},
};

/// The settings of the private registry of the account in the region.
///
/// There is one per account and region. When the resource leaves the definition, or the stack is destroyed, the settings stay as they are.
#[spec]
#[derive(PartialEq)]
pub struct EcrRegistry {
    /// The registry: AWS has only the private one of the account in the region.
    #[field(default = "private", one_of = ["private"], lookup, unique = "registry", replaces)]
    pub registry: String,
    /// Registry policy, which allows other accounts to replicate into the registry, or to use its pull-through caches; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged", after_create = Some(Policy::none()), important, dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Rules for copying pushed images to other regions and accounts.
    #[field(default, length = 0..=10, after_create)]
    pub replication: BTreeSet<ReplicationRule>,
    /// Scans for known vulnerabilities.
    #[field(default, after_create, important)]
    pub scanning: Scanning,
}

/// Name of the only registry.
const REGISTRY: &str = "private";

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Account id.
    #[schemars(extend("x-acme-determined" = "{account}"))]
    pub registry_id: String,
}

impl Default for EcrRegistry {
    fn default() -> EcrRegistry {
        let (replication, scanning) = (BTreeSet::new(), Scanning::default());
        EcrRegistry { registry: REGISTRY.to_owned(), policy: Some(Policy::none()), replication, scanning }
    }
}

impl Resource for EcrRegistry {
    const TYPE: TypeInfo = TypeInfo::new("ecr_registry", &services::ecr::SERVICE, "{registry}", "")
        .without_charge("the images in the repositories cost")
        .ownership_beside()
        .listed_with(&[])
        .already_exists("ParameterAlreadyExists")
        .deletable_while_in_use()
        .iam_actions(
            IamActions::new("ecr:*")
                .list(&["ecr:DescribeRegistry", "ecr:GetRegistryPolicy", "ecr:GetRegistryScanningConfiguration"])
                .grants(&[
                    IamGrant::change(
                        &[
                            "ecr:DeleteRegistryPolicy",
                            "ecr:PutRegistryPolicy",
                            "ecr:PutRegistryScanningConfiguration",
                            "ecr:PutReplicationConfiguration",
                        ],
                        GrantTarget::AllResources,
                    ),
                    IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("replication.ecr.amazonaws.com"))
                        .needed_for(|| EcrRegistry::POINTERS.replication),
                    IamGrant::read(&["ssm:GetParameter"], GrantTarget::Arn("ssm:parameter/acme/ownership/ecr_registry/*")),
                    IamGrant::change(
                        &["ssm:DeleteParameter", "ssm:PutParameter"],
                        GrantTarget::Arn("ssm:parameter/acme/ownership/ecr_registry/*"),
                    ),
                ]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// A registry with an owner, or with other settings than AWS's, is there; any other is free.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let owner = ownership::read(aws, Self::TYPE.name, REGISTRY).await?;
        let is_wanted = scope.covers(REGISTRY, "");
        if !is_wanted && !owner.as_ref().is_some_and(|tags| scope.owns(tags)) {
            return Ok(Vec::new());
        }
        let (spec, registry_id) = read(aws).await?;
        let is_free = owner.is_none() && scope.adopt.is_none() && (scope.waited_for().is_some() || spec == Self::default());
        let found = Observed::new(REGISTRY, owner.unwrap_or_default(), spec, Outputs { registry_id });
        Ok(if is_free { Vec::new() } else { vec![found] })
    }

    /// Claims the registry; the engine then sets what differs from AWS's defaults.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let owner = ownership::read(cx.api, Self::TYPE.name, REGISTRY).await?;
        let (live, registry_id) = read(cx.api).await?;
        if owner.is_none() && live != Self::default() {
            let message = "the registry has settings that this stack did not make";
            return Err(Error::new(ErrorKind::AlreadyExists, "ParameterAlreadyExists", message));
        }
        let tags = cx.call.ownership();
        ownership::claim(cx.api, Self::TYPE.name, REGISTRY, &tags).await?;
        Ok(Created::Complete(Observed::new(REGISTRY, tags, live, Outputs { registry_id })))
    }

    /// Each of the calls replaces a whole setting.
    async fn update(&self, cx: &Cx<'_>, _: &Existing<Self>, changes: EcrRegistryChanges) -> Result<()> {
        let ecr = &cx.ecr;
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            match policy.is_empty() {
                true => drop(ok_or_not_found(ecr.delete_registry_policy().send().await)?),
                false => drop(ecr.put_registry_policy().policy_text(policy.to_json()).send().await?),
            }
        }
        if changes.scanning {
            let call = ecr.put_registry_scanning_configuration().scan_type(self.scanning.scan_type());
            call.set_rules(Some(self.scanning.rules()?)).send().await?;
        }
        if changes.replication {
            let rules = self.replication.iter().map(ReplicationRule::to_sdk).collect::<Result<_>>()?;
            let all = ecr::ReplicationConfiguration::builder().set_rules(Some(rules)).build()?;
            ecr.put_replication_configuration().replication_configuration(all).send().await?;
        }
        Ok(())
    }

    /// Only the ownership ends: the settings stay.
    async fn delete(cx: &Cx<'_>, _: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(ownership::release(cx.api, Self::TYPE.name, REGISTRY).await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        ownership::retag(aws, Self::TYPE.name, change).await
    }

    fn deletion_effect(&self) -> Option<String> {
        Some("the registry keeps its settings".into())
    }

    fn check(&self) -> Vec<Problem> {
        self.scanning.check().into_iter().chain(replication::check(&self.replication)).collect()
    }
}

/// The settings, and the account.
async fn read(aws: &Aws) -> Result<(EcrRegistry, String)> {
    let (registry, scanning, policy) = tokio::try_join!(
        async { Ok::<_, Error>(aws.ecr.describe_registry().send().await?) },
        async { Ok(aws.ecr.get_registry_scanning_configuration().send().await?) },
        async { ok_or_not_found(aws.ecr.get_registry_policy().send().await) },
    )?;
    let policy = policy.and_then(|reply| reply.policy_text).map(|text| Policy::parse(&text)).transpose()?;
    let rules = registry.replication_configuration.map(|all| all.rules).unwrap_or_default();
    let spec = EcrRegistry {
        registry: REGISTRY.to_owned(),
        policy: Some(policy.unwrap_or_else(Policy::none)),
        replication: rules.into_iter().map(ReplicationRule::read).collect(),
        scanning: Scanning::read(scanning.scanning_configuration)?,
    };
    Ok((spec, registry.registry_id.unwrap_or_default()))
}
