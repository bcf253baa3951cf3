//! `ecr_creation_template`: the settings of repositories that ECR creates itself.
//!
//! The template has no tags of its own: a parameter of Systems Manager names the stack that owns it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecr::types::{
    EncryptionConfigurationForRepositoryCreationTemplate as EncryptionConfiguration, EncryptionType, RctAppliedFor,
    RepositoryCreationTemplate,
};

use super::{
    ecr_repository::{LifecyclePolicy, has_immutable_tags, tag_mutability},
    iam_role::IamRole,
    kms_key::KmsKey,
    prelude::*,
};
use crate::{
    aws::{from_aws, services::ssm::ownership, to_aws},
    core::{ErrorKind, TagChange, Tags},
};

/// The settings of repositories that ECR creates itself, below a prefix: for images that it caches or replicates, or that are pushed to a
/// repository that does not exist.
///
/// A change applies to repositories that ECR creates later. When the template is deleted, the repositories stay.
#[spec]
pub struct EcrCreationTemplate {
    /// Prefix of the repositories: `shop` for `shop/cart`; `ROOT` for every name without another template.
    #[field(lookup, unique = "prefix", length = 1..=256, pattern = "ROOT|([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*", replaces)]
    pub prefix: String,
    /// When ECR uses it.
    #[field(length = 1..=3, important)]
    pub applied_for: BTreeSet<Creation>,
    /// Description.
    #[field(default, length = 0..=256)]
    pub description: String,
    /// Prevents a pushed tag from being moved to another image. A cache then never updates the image of a tag.
    #[field(default = false, important)]
    pub immutable_tags: bool,
    /// Tags to which the opposite of `immutable_tags` applies, such as `latest` or `dev-*`.
    #[field(default, length = 0..=5, pattern = "[0-9a-zA-Z._*-]{1,128}")]
    pub tag_exceptions: BTreeSet<String>,
    /// The key that encrypts the repositories.
    #[field(unset = "Amazon's own key (AES256)", requires = role, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Encrypts them in two layers with the key (KMS_DSSE).
    #[field(default = false)]
    pub two_layers: bool,
    /// Rules for expiring images, as `{rules: [...]}` in ECR's format. Without rules, no image expires.
    #[field(default)]
    pub lifecycle_policy: LifecyclePolicy,
    /// Policy of the repositories for access by other accounts and by Lambda; `{Statement: []}` for none.
    #[field(policy = "repository", unset = "unchanged, at creation none", important, dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Tags of the repositories.
    #[field(default, length = 0..=50)]
    pub repository_tags: BTreeMap<String, String>,
    /// Role that ECR assumes to create the repositories; required for a key and for tags. It trusts `ecr.amazonaws.com`, and may create, tag and
    /// replicate into repositories, and use the key.
    #[field(unset = "ECR's service-linked role", dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
}

/// Reason for which ECR creates a repository.
#[spec]
#[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Creation {
    /// An image is pushed to a repository that does not exist.
    CreateOnPush,
    /// An image is pulled through a cache for the first time.
    PullThroughCache,
    /// An image is replicated from another region or account.
    Replication,
}

/// Outputs of the resource: none of its own.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for EcrCreationTemplate {
    const TYPE: TypeInfo = TypeInfo::new("ecr_creation_template", &services::ecr::SERVICE, "{prefix}", "")
        .without_charge("the images in the repositories cost")
        .ownership_beside()
        .listed_with(&[])
        .without_token()
        .deletable_while_in_use()
        .quota(50, "LimitExceededException")
        .not_found("TemplateNotFoundException")
        .already_exists("TemplateAlreadyExistsException")
        .iam_actions(IamActions::new("ecr:*").list(&["ecr:DescribeRepositoryCreationTemplates"]).grants(&[
            IamGrant::change(
                &["ecr:CreateRepositoryCreationTemplate", "ecr:DeleteRepositoryCreationTemplate", "ecr:UpdateRepositoryCreationTemplate"],
                GrantTarget::AllResources,
            ),
            IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("ecr.amazonaws.com")),
            IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["ecr.amazonaws.com"])),
            IamGrant::read(&["ssm:GetParametersByPath"], GrantTarget::Arn("ssm:parameter/acme/ownership/ecr_creation_template*")),
            IamGrant::change(
                &["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"],
                GrantTarget::Arn("ssm:parameter/acme/ownership/ecr_creation_template/*"),
            ),
        ]));
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let pages = aws.ecr.describe_repository_creation_templates().max_results(1000).into_paginator().items().send();
        let templates: Vec<_> = pages.try_collect().await?;
        if templates.is_empty() {
            return Ok(Vec::new());
        }
        let mut owners = ownership::read_all(aws, Self::TYPE.name).await?;
        let read = templates.into_iter().filter_map(|template| {
            let prefix = template.prefix.clone()?;
            let tags = owners.remove(&prefix).unwrap_or_default();
            (scope.owns(&tags) || scope.covers(&prefix, "")).then(|| observed(template, prefix, tags))
        });
        read.collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if template(cx.api, &self.prefix).await?.is_some() {
            let message = format!("there is a repository creation template for `{}`", self.prefix);
            return Err(Error::new(ErrorKind::AlreadyExists, Self::TYPE.error_codes.already_exists, message));
        }
        let (mutability, exceptions) = tag_mutability(self.immutable_tags, &self.tag_exceptions)?;
        let call = cx.ecr.create_repository_creation_template().prefix(&self.prefix).set_applied_for(Some(self.creations()));
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let call = call.image_tag_mutability(mutability).set_image_tag_mutability_exclusion_filters(exceptions);
        let call = call.encryption_configuration(self.encryption()?);
        let call = call.set_lifecycle_policy(Some(self.lifecycle()).filter(|text| !text.is_empty()));
        let call = call.set_repository_policy(Some(self.policy_text()).filter(|text| !text.is_empty()));
        let call = call.set_resource_tags(Some(self.tags()).filter(|tags| !tags.is_empty()));
        let call = call.set_custom_role_arn(self.role.as_ref().map(|role| role.get().to_owned()));
        ownership::create_owned(cx.api, (Self::TYPE.name, &self.prefix), &cx.call.ownership(), call.send()).await?;
        Ok(self.prefix.clone().into())
    }

    /// One call; ECR keeps what it omits, except the mutability of tags, which it would reset. An empty text removes a policy or the role.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EcrCreationTemplateChanges) -> Result<()> {
        let (mutability, exceptions) = tag_mutability(self.immutable_tags, &self.tag_exceptions)?;
        let call = cx.ecr.update_repository_creation_template().prefix(&live.id);
        let call = call.image_tag_mutability(mutability).set_image_tag_mutability_exclusion_filters(exceptions);
        let call = call.set_applied_for(changes.applied_for.then(|| self.creations()));
        let call = call.set_description(changes.description.then(|| self.description.clone()));
        let encryption = changes.kms_key || changes.two_layers;
        let call = call.set_encryption_configuration(encryption.then(|| self.encryption()).transpose()?);
        let call = call.set_lifecycle_policy(changes.lifecycle_policy.then(|| self.lifecycle()));
        let call = call.set_repository_policy(changes.policy.then(|| self.policy_text()));
        let call = call.set_resource_tags(changes.repository_tags.then(|| self.tags()));
        let role = || self.role.as_ref().map(|role| role.get().to_owned()).unwrap_or_default();
        call.set_custom_role_arn(changes.role.then(role)).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let answer = cx.ecr.delete_repository_creation_template().prefix(&live.id).send().await;
        ok_or_not_found(answer)?;
        Deletion::requested(ownership::release(cx.api, Self::TYPE.name, &live.id).await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        ownership::retag(aws, Self::TYPE.name, change).await
    }

    fn deletion_effect(&self) -> Option<String> {
        Some("the repositories that ECR created stay".into())
    }

    /// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates-create.html>
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.repository_tags.is_empty() && self.role.is_none() {
            let problem = Problem::new(Self::POINTERS.repository_tags, "ECR's service-linked role can't tag repositories");
            problems.push(problem.help("set `role`"));
        }
        if self.two_layers && self.kms_key.is_none() {
            problems.push(Problem::new(Self::POINTERS.two_layers, "two layers of encryption need a key").help("set `kms_key`"));
        }
        problems
    }
}

impl EcrCreationTemplate {
    fn creations(&self) -> Vec<RctAppliedFor> {
        self.applied_for.iter().map(|creation| RctAppliedFor::from(to_aws(creation).as_str())).collect()
    }
    fn encryption(&self) -> Result<EncryptionConfiguration> {
        let kind = self.encryption_type();
        let key = self.kms_key.as_ref().map(|key| key.get().to_owned());
        Ok(EncryptionConfiguration::builder().encryption_type(EncryptionType::from(kind)).set_kms_key(key).build()?)
    }
    /// ECR's name of the encryption.
    pub fn encryption_type(&self) -> &'static str {
        match (self.kms_key.is_some(), self.two_layers) {
            (true, true) => "KMS_DSSE",
            (true, false) => "KMS",
            (false, _) => "AES256",
        }
    }
    /// ECR's text of the lifecycle policy; empty if no image expires.
    pub fn lifecycle(&self) -> String {
        if self.lifecycle_policy.is_none() { String::new() } else { self.lifecycle_policy.to_json() }
    }
    /// ECR's text of the policy; empty for none.
    pub fn policy_text(&self) -> String {
        self.policy.as_ref().filter(|policy| !policy.is_empty()).map(Policy::to_json).unwrap_or_default()
    }
    fn tags(&self) -> Vec<aws_sdk_ecr::types::Tag> {
        services::ecr::to_tags(&self.repository_tags)
    }
}

/// The template for a prefix.
async fn template(aws: &Aws, prefix: &str) -> Result<Option<RepositoryCreationTemplate>> {
    let reply = ok_or_not_found(aws.ecr.describe_repository_creation_templates().prefixes(prefix).send().await)?;
    Ok(reply.and_then(|reply| reply.repository_creation_templates?.into_iter().next()))
}

fn observed(template: RepositoryCreationTemplate, prefix: String, tags: Tags) -> Result<Observed<EcrCreationTemplate>> {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let repository_tags = services::ecr::from_tags(template.resource_tags());
    let creations = template.applied_for.unwrap_or_default();
    let encryption = template.encryption_configuration;
    let lifecycle = text(template.lifecycle_policy).map(|text| serde_json::from_str(&text)).transpose()?;
    let policy = text(template.repository_policy).map(|text| Policy::parse(&text)).transpose()?;
    let spec = EcrCreationTemplate {
        prefix: prefix.clone(),
        applied_for: creations.iter().map(|creation| from_aws(creation.as_str())).collect::<Result<_>>()?,
        description: template.description.unwrap_or_default(),
        immutable_tags: has_immutable_tags(template.image_tag_mutability.as_ref()),
        tag_exceptions: template
            .image_tag_mutability_exclusion_filters
            .unwrap_or_default()
            .into_iter()
            .map(|exception| exception.filter)
            .collect(),
        two_layers: encryption.as_ref().is_some_and(|encryption| encryption.encryption_type == EncryptionType::KmsDsse),
        kms_key: encryption.and_then(|encryption| encryption.kms_key).map(ArnRef::to),
        lifecycle_policy: lifecycle.map(LifecyclePolicy::new).unwrap_or_default(),
        policy: Some(policy.unwrap_or_else(Policy::none)),
        repository_tags,
        role: text(template.custom_role_arn).map(ArnRef::to),
    };
    Ok(Observed::new(prefix, tags, spec, Outputs {}))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn spells_the_reasons_as_aws_does() {
        for name in RctAppliedFor::values() {
            assert!(from_aws::<Creation>(name).is_ok_and(|creation| to_aws(&creation) == *name), "{name}");
        }
    }

    #[test]
    fn reports_what_ecr_rejects() {
        let problems = |more: Value| {
            let mut template = json!({ "prefix": "shop", "applied_for": ["REPLICATION"] });
            template.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let template: EcrCreationTemplate = serde_json::from_value(template).expect("a template");
            template.check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({})), [""; 0]);
        assert_eq!(problems(json!({ "repository_tags": { "team": "shop" } })), ["/repository_tags"]);
        assert_eq!(problems(json!({ "two_layers": true })), ["/two_layers"]);
        assert_eq!(problems(json!({ "two_layers": true, "kms_key": "data", "role": "ecr" })), [""; 0]);
    }
}
