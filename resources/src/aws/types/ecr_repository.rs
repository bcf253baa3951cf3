//! `ecr_repository`: a registry of container images.

mod lifecycle_policy;

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageStatusFilter, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, ListImagesFilter, Repository,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use lifecycle_policy::LifecyclePolicy;

use super::kms_key::KmsKey;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnRef, Created, DataProtection, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, OnDelete, Policy,
        PriceContext, Pricing, Product, Resource, Result, Scope, Tags, TypeInfo, UsageKey, ok_or_not_found,
    },
};

/// A registry of container images.
#[spec]
pub struct EcrRepository {
    /// Name in lowercase letters, may contain `/`; unique in account and region.
    #[field(
        name(max = 256, lowercase),
        length = 2..=256,
        pattern = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
        replaces
    )]
    pub name: Option<String>,
    /// Prevents a pushed tag from being moved to another image.
    #[field(default = true, important)]
    pub immutable_tags: bool,
    /// Tags to which the opposite of `immutable_tags` applies, such as `latest` or `dev-*`.
    #[field(default, length = 0..=5, pattern = "[0-9a-zA-Z._*-]{1,128}")]
    pub tag_exceptions: BTreeSet<String>,
    /// Scans every pushed image for known vulnerabilities.
    #[field(default = true, important)]
    pub scan_on_push: bool,
    /// The key that encrypts it.
    #[field(important, unset = "Amazon's own key (AES256)", replaces, dropped(impossible, "the encryption of a repository is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Encrypts it in two layers with the key (KMS_DSSE).
    #[field(unset = "one layer, when it is created", requires = kms_key, replaces)]
    #[field(dropped(impossible, "the encryption of a repository is permanent"))]
    pub two_layers: Option<bool>,
    /// Number of images to keep, newest first; 0 keeps all.
    #[field(default = 0, after_create, own_read, conflicts_with = lifecycle_policy)]
    pub keep_last: u32,
    /// Rules for expiring images, as `{rules: [...]}` in ECR's format. Without rules, no image expires.
    #[field(default, after_create, own_read)]
    pub lifecycle_policy: LifecyclePolicy,
    /// Repository policy for access by other accounts and by Lambda; `{Statement: []}` for none.
    #[field(policy = "repository", unset = "unchanged, at creation none", after_create = Some(Policy::none()), own_read, important)]
    #[field(dropped = Policy::none())]
    pub policy: Option<Policy>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Repository URI for pushing images: `123456789012.dkr.ecr.eu-west-1.amazonaws.com/name`.
    #[schemars(extend("x-acme-simulated" = "{account}.dkr.ecr.{region}.{simulated_domain}/{id}"))]
    pub uri: String,
    /// Account id.
    #[schemars(extend("x-acme-determined" = "{account}"))]
    pub registry_id: String,
}

/// GB stored.
const GB_STORED: UsageKey = UsageKey::new("gb_stored", "GB stored");

impl Resource for EcrRepository {
    const TYPE: TypeInfo =
        TypeInfo::new("ecr_repository", &services::ecr::SERVICE, "{name}", "arn:aws:ecr:{region}:{account}:repository/{name}")
            .data_protection(DataProtection::Contents)
            .lost_on_recreation("the images in it are lost")
            .deletable_while_in_use()
            .without_token()
            .quota(100_000, "LimitExceededException")
            .iam_actions(
                IamActions::new("ecr:repository/{name}")
                    .read(&["ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy", "ecr:ListImages", "ecr:ListTagsForResource"])
                    .create(&["ecr:CreateRepository"])
                    .change(&[
                        "ecr:DeleteLifecyclePolicy",
                        "ecr:DeleteRepository",
                        "ecr:DeleteRepositoryPolicy",
                        "ecr:PutImageScanningConfiguration",
                        "ecr:PutImageTagMutability",
                        "ecr:PutLifecyclePolicy",
                        "ecr:SetRepositoryPolicy",
                    ])
                    .grants(&[
                        IamGrant::read(&["ecr:DescribeRepositories"], GrantTarget::Arn("ecr:repository/*")),
                        IamGrant::change(&["kms:CreateGrant", "kms:DescribeKey"], GrantTarget::Referenced("kms_key")),
                    ]),
            );
    const USAGE: &'static [UsageKey] = &[GB_STORED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AmazonECR").family("EC2 Container Registry").usage_type("TimedStorage-ByteHrs");
        Pricing::of(vec![context.metered("images", &GB_STORED, "GB-months", product)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.ecr.describe_repositories().max_results(1000).into_paginator().items().send().try_collect().await?;
        let ours =
            all.into_iter().filter(|r| scope.covers(r.repository_name().unwrap_or_default(), r.repository_arn().unwrap_or_default()));
        for_each_concurrent(ours, |repository| read(aws, scope, repository)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let (mutability, exceptions) = self.mutability()?;
        let call = cx.ecr.create_repository().set_repository_name(self.name.clone()).set_tags(Some(services::ecr::to_tags(&cx.call.tags)));
        let call = call.image_tag_mutability(mutability).set_image_tag_mutability_exclusion_filters(exceptions);
        let encryption = match &self.kms_key {
            Some(key) => {
                let layers = if self.two_layers == Some(true) { EncryptionType::KmsDsse } else { EncryptionType::Kms };
                EncryptionConfiguration::builder().encryption_type(layers).kms_key(key.get())
            }
            None => EncryptionConfiguration::builder().encryption_type(EncryptionType::Aes256),
        };
        let call = call.encryption_configuration(encryption.build()?);
        let reply = call.image_scanning_configuration(self.scanning()).send().await?;
        let repository = reply.repository.ok_or_else(|| Error::missing_field("repository"))?;
        let id = repository.repository_name.clone().ok_or_else(|| Error::missing_field("repositoryName"))?;
        Ok(Created::from_answer(
            id,
            observed(repository, cx.call.tags.clone(), LifecyclePolicy::default(), self.policy.as_ref().map(|_| Policy::none())),
        ))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EcrRepositoryChanges) -> Result<()> {
        let (ecr, id) = (&cx.ecr, &live.id);
        if changes.immutable_tags || changes.tag_exceptions {
            let (mutability, exceptions) = self.mutability()?;
            let call = ecr.put_image_tag_mutability().repository_name(id).image_tag_mutability(mutability);
            call.set_image_tag_mutability_exclusion_filters(exceptions).send().await?;
        }
        if changes.scan_on_push {
            ecr.put_image_scanning_configuration().repository_name(id).image_scanning_configuration(self.scanning()).send().await?;
        }
        if changes.keep_last || changes.lifecycle_policy {
            match self.lifecycle() {
                None => drop(ecr.delete_lifecycle_policy().repository_name(id).send().await?),
                Some(policy) => drop(ecr.put_lifecycle_policy().repository_name(id).lifecycle_policy_text(policy).send().await?),
            }
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            match policy.is_empty() {
                true => drop(ok_or_not_found(ecr.delete_repository_policy().repository_name(id).send().await)?),
                false => drop(ecr.set_repository_policy().repository_name(id).policy_text(policy.to_json()).send().await?),
            }
        }
        Ok(())
    }

    /// PutLifecyclePolicy answers with the lifecycle policy; a repository policy is read.
    async fn finish_creation(&self, cx: &Cx<'_>, created: Observed<Self>, changes: EcrRepositoryChanges) -> Result<Created<Self>> {
        if changes.policy {
            let live = Existing { id: created.id, spec: created.spec, version: None };
            self.update(cx, &live, changes).await?;
            return Ok(live.id.into());
        }
        let Some(policy) = self.lifecycle().filter(|_| changes.keep_last || changes.lifecycle_policy) else { return Ok(created.id.into()) };
        let reply = cx.ecr.put_lifecycle_policy().repository_name(&created.id).lifecycle_policy_text(policy).send().await?;
        let Some(Ok(policy)) = reply.lifecycle_policy_text.map(|text| serde_json::from_str(&text)) else { return Ok(created.id.into()) };
        let spec = created.spec.with_policy(LifecyclePolicy::new(policy));
        Ok(Created::Complete(Observed { spec, ..created }))
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.ecr.delete_repository().repository_name(&live.id).force(cx.call.on_delete == OnDelete::Delete).send().await?;
        Ok(Deletion::Requested)
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        // By default, ECR does not list archived images.
        let all = ListImagesFilter::builder().image_status(ImageStatusFilter::Any).build();
        let call = aws.ecr.list_images().repository_name(id).filter(all).max_results(1000);
        let Some(page) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        // An image is listed once for each of its tags.
        let images: BTreeSet<_> = page.image_ids().iter().filter_map(|image| image.image_digest()).collect();
        Ok(match (images.len(), page.next_token.is_some()) {
            (0, false) => None,
            (count, true) => Some(format!("more than {count} images")),
            (1, false) => Some("1 image".into()),
            (count, false) => Some(format!("{count} images")),
        })
    }

    /// A policy that only keeps the last images can be written in both forms.
    fn normalize(&self, live: &mut Self) {
        if live.keep_last > 0 && self.lifecycle_policy.kept_images() == Some(live.keep_last) {
            (live.keep_last, live.lifecycle_policy) = (0, self.lifecycle_policy.clone());
        }
    }
}

impl EcrRepository {
    /// With a lifecycle policy, in its short form where it has one.
    fn with_policy(self, policy: LifecyclePolicy) -> EcrRepository {
        let kept = policy.kept_images();
        let lifecycle_policy = if kept.is_some() { LifecyclePolicy::default() } else { policy };
        EcrRepository { keep_last: kept.unwrap_or_default(), lifecycle_policy, ..self }
    }
    /// Lifecycle policy for ECR, if any.
    pub fn lifecycle(&self) -> Option<String> {
        let policy = if self.keep_last > 0 { LifecyclePolicy::keep_images(self.keep_last) } else { self.lifecycle_policy.clone() };
        (!policy.is_none()).then(|| policy.to_json())
    }
    fn scanning(&self) -> ImageScanningConfiguration {
        ImageScanningConfiguration::builder().scan_on_push(self.scan_on_push).build()
    }
    fn mutability(&self) -> Result<(ImageTagMutability, Option<Vec<ImageTagMutabilityExclusionFilter>>)> {
        tag_mutability(self.immutable_tags, &self.tag_exceptions)
    }
}

/// ECR's form of `immutable_tags` and `tag_exceptions`.
pub(super) fn tag_mutability(
    immutable: bool,
    exceptions: &BTreeSet<String>,
) -> Result<(ImageTagMutability, Option<Vec<ImageTagMutabilityExclusionFilter>>)> {
    let filter = |pattern| {
        ImageTagMutabilityExclusionFilter::builder().filter_type(ImageTagMutabilityExclusionFilterType::Wildcard).filter(pattern).build()
    };
    let exceptions = exceptions.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
    Ok(match (immutable, exceptions.is_empty()) {
        (true, true) => (ImageTagMutability::Immutable, None),
        (true, false) => (ImageTagMutability::ImmutableWithExclusion, Some(exceptions)),
        (false, true) => (ImageTagMutability::Mutable, None),
        (false, false) => (ImageTagMutability::MutableWithExclusion, Some(exceptions)),
    })
}

/// Whether tags are immutable, apart from exceptions.
pub(super) fn has_immutable_tags(mutability: Option<&ImageTagMutability>) -> bool {
    matches!(mutability, Some(ImageTagMutability::Immutable | ImageTagMutability::ImmutableWithExclusion))
}

/// Reads tags and lifecycle policy, which the description lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, repository: Repository) -> Result<Option<Observed<EcrRepository>>> {
    let name = repository.repository_name().unwrap_or_default();
    let arn = repository.repository_arn().unwrap_or_default();
    let ask_tags = async {
        let reply = ok_or_not_found(aws.ecr.list_tags_for_resource().resource_arn(arn).send().await)?;
        Ok(reply.map(|reply| services::ecr::from_tags(reply.tags())))
    };
    let tags = scope.tags_or_fetch(arn, ask_tags).await?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(name)) else { return Ok(None) };
    let wanted = scope.own_reads_to_make::<EcrRepository>(&tags);
    let mut policy = LifecyclePolicy::default();
    if wanted.keep_last || wanted.lifecycle_policy {
        let reply = ok_or_not_found(aws.ecr.get_lifecycle_policy().repository_name(name).send().await)?;
        if let Some(text) = reply.and_then(|reply| reply.lifecycle_policy_text) {
            policy = LifecyclePolicy::new(serde_json::from_str(&text)?);
        }
    }
    let mut access = None;
    if wanted.policy {
        let reply = ok_or_not_found(aws.ecr.get_repository_policy().repository_name(name).send().await)?;
        access = Some(reply.and_then(|reply| reply.policy_text).map(|text| Policy::parse(&text)).transpose()?.unwrap_or_else(Policy::none));
    }
    observed(repository, tags, policy, access).map(Some)
}

fn observed(repository: Repository, tags: Tags, policy: LifecyclePolicy, access: Option<Policy>) -> Result<Observed<EcrRepository>> {
    let name = repository.repository_name.ok_or_else(|| Error::missing_field("repositoryName"))?;
    let exceptions = repository.image_tag_mutability_exclusion_filters.unwrap_or_default();
    let encryption = repository.encryption_configuration;
    let spec = EcrRepository {
        name: Some(name.clone()),
        immutable_tags: has_immutable_tags(repository.image_tag_mutability.as_ref()),
        tag_exceptions: exceptions.into_iter().map(|exception| exception.filter).collect(),
        scan_on_push: repository.image_scanning_configuration.is_some_and(|scanning| scanning.scan_on_push),
        two_layers: encryption.as_ref().map(|encryption| encryption.encryption_type == EncryptionType::KmsDsse),
        kms_key: encryption.and_then(|encryption| encryption.kms_key).map(ArnRef::to),
        keep_last: 0,
        lifecycle_policy: LifecyclePolicy::default(),
        policy: access,
    };
    let spec = spec.with_policy(policy);
    let outputs = Outputs {
        arn: repository.repository_arn.ok_or_else(|| Error::missing_field("repositoryArn"))?,
        uri: repository.repository_uri.unwrap_or_default(),
        registry_id: repository.registry_id.unwrap_or_default(),
    };
    Ok(Observed::new(name, tags, spec, outputs))
}
