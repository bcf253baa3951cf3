//! `ecr_pull_through_cache`: a prefix of repositories in which ECR caches the images of another registry.
//!
//! The rule has no tags: a parameter of Systems Manager names the stack that owns it.

use aws_sdk_ecr::types::{PullThroughCacheRule, UpstreamRegistry};

use super::{iam_role::IamRole, prelude::*, secret::Secret};
use crate::{
    aws::{from_aws, services::ssm::ownership, to_aws},
    core::{ErrorKind, TagChange, Tags},
};

/// A prefix of repositories in which ECR caches the images of another registry.
///
/// ECR creates a repository below the prefix when an image is first pulled through it. When the rule is deleted, these repositories and their
/// images stay.
#[spec]
pub struct EcrPullThroughCache {
    /// Prefix of the repositories; `ROOT` for every name without another rule.
    #[field(lookup, unique = "prefix", length = 2..=30, pattern = "ROOT|[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*", replaces)]
    pub prefix: String,
    /// Kind of the other registry.
    #[field(replaces, important)]
    pub upstream: Upstream,
    /// Host of the other registry, for Azure (`example.azurecr.io`), GitLab, and another private registry of ECR
    /// (`123456789012.dkr.ecr.eu-west-1.amazonaws.com`).
    #[field(unset = "that of the kind", assigned_by_aws, replaces, pattern = "[a-z0-9.-]+", dropped(kept, "the host is permanent"))]
    pub upstream_host: Option<String>,
    /// Prefix of the repositories in another private registry of ECR; `ROOT` for all.
    #[field(unset = "`ROOT`", assigned_by_aws, replaces, pattern = "ROOT|[a-z0-9][a-z0-9._/-]*", dropped(kept, "the prefix is permanent"))]
    pub upstream_prefix: Option<String>,
    /// Secret with the keys `username` and `accessToken`, whose name begins with `ecr-pullthroughcache/`, in the same account and region.
    #[field(unset = "images are pulled without authentication", dropped(impossible, "ECR does not remove the credentials of a rule"))]
    pub secret: Option<ArnRef<Secret>>,
    /// Role that ECR assumes to pull from a private registry of ECR in another account.
    #[field(unset = "ECR's service-linked role", dropped(impossible, "ECR does not remove the role of a rule"))]
    pub role: Option<ArnRef<IamRole>>,
}

/// Kind of a registry.
#[spec]
#[derive(Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Upstream {
    AzureContainerRegistry,
    Chainguard,
    DockerHub,
    /// Another private registry of ECR.
    Ecr,
    EcrPublic,
    #[serde(rename = "github-container-registry")]
    GithubContainerRegistry,
    #[serde(rename = "gitlab-container-registry")]
    GitlabContainerRegistry,
    /// `registry.k8s.io`.
    K8s,
    Quay,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Prefix for pulling images: `123456789012.dkr.ecr.eu-west-1.amazonaws.com/prefix`.
    #[schemars(extend("x-acme-simulated" = "{account}.dkr.ecr.{region}.{simulated_domain}/{prefix}"))]
    pub uri: String,
}

/// Start of the names of secrets that ECR accepts.
const SECRET_PREFIX: &str = "ecr-pullthroughcache/";

impl Upstream {
    /// Host of the registry, if the kind has one.
    fn host(self) -> Option<&'static str> {
        match self {
            Upstream::Chainguard => Some("cgr.dev"),
            Upstream::DockerHub => Some("registry-1.docker.io"),
            Upstream::EcrPublic => Some("public.ecr.aws"),
            Upstream::GithubContainerRegistry => Some("ghcr.io"),
            Upstream::GitlabContainerRegistry => Some("registry.gitlab.com"),
            Upstream::K8s => Some("registry.k8s.io"),
            Upstream::Quay => Some("quay.io"),
            Upstream::AzureContainerRegistry | Upstream::Ecr => None,
        }
    }
    /// Whether the registry accepts only authenticated pulls.
    fn needs_secret(self) -> bool {
        matches!(
            self,
            Upstream::AzureContainerRegistry
                | Upstream::Chainguard
                | Upstream::DockerHub
                | Upstream::GithubContainerRegistry
                | Upstream::GitlabContainerRegistry
        )
    }
}

impl Resource for EcrPullThroughCache {
    const TYPE: TypeInfo = TypeInfo::new("ecr_pull_through_cache", &services::ecr::SERVICE, "{prefix}", "")
        .without_charge("the images in the repositories cost")
        .ownership_beside()
        .listed_with(&[])
        .without_token()
        .deletable_while_in_use()
        .quota(50, "LimitExceededException")
        .not_found("PullThroughCacheRuleNotFoundException")
        .already_exists("PullThroughCacheRuleAlreadyExistsException")
        .iam_actions(IamActions::new("ecr:*").list(&["ecr:DescribePullThroughCacheRules"]).grants(&[
            IamGrant::change(
                &["ecr:CreatePullThroughCacheRule", "ecr:DeletePullThroughCacheRule", "ecr:UpdatePullThroughCacheRule"],
                GrantTarget::AllResources,
            ),
            IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("pullthroughcache.ecr.amazonaws.com")),
            IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["pullthroughcache.ecr.amazonaws.com"])),
            IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
            IamGrant::read(&["ssm:GetParametersByPath"], GrantTarget::Arn("ssm:parameter/acme/ownership/ecr_pull_through_cache*")),
            IamGrant::change(
                &["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"],
                GrantTarget::Arn("ssm:parameter/acme/ownership/ecr_pull_through_cache/*"),
            ),
        ]));
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let pages = aws.ecr.describe_pull_through_cache_rules().max_results(1000).into_paginator().items().send();
        let rules: Vec<_> = pages.try_collect().await?;
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let mut owners = ownership::read_all(aws, Self::TYPE.name).await?;
        let read = rules.into_iter().filter_map(|rule| {
            let prefix = rule.ecr_repository_prefix.clone()?;
            let tags = owners.remove(&prefix).unwrap_or_default();
            (scope.owns(&tags) || scope.covers(&prefix, "")).then(|| observed(aws, rule, prefix, tags))
        });
        read.collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if rule(cx.api, &self.prefix).await?.is_some() {
            let message = format!("there is a pull-through cache for `{}`", self.prefix);
            return Err(Error::new(ErrorKind::AlreadyExists, Self::TYPE.error_codes.already_exists, message));
        }
        let call = cx.ecr.create_pull_through_cache_rule().ecr_repository_prefix(&self.prefix);
        let call = call.upstream_registry(UpstreamRegistry::from(to_aws(&self.upstream).as_str()));
        let call =
            call.set_upstream_registry_url(self.host().map(str::to_owned)).set_upstream_repository_prefix(self.upstream_prefix.clone());
        let call = call.set_credential_arn(self.secret.as_ref().map(|secret| secret.get().to_owned()));
        let call = call.set_custom_role_arn(self.role.as_ref().map(|role| role.get().to_owned()));
        ownership::create_owned(cx.api, (Self::TYPE.name, &self.prefix), &cx.call.ownership(), call.send()).await?;
        Ok(self.prefix.clone().into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EcrPullThroughCacheChanges) -> Result<()> {
        if changes.secret || changes.role {
            let call = cx.ecr.update_pull_through_cache_rule().ecr_repository_prefix(&live.id);
            let call = call.set_credential_arn(self.secret.as_ref().map(|secret| secret.get().to_owned()));
            call.set_custom_role_arn(self.role.as_ref().map(|role| role.get().to_owned())).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let answer = cx.ecr.delete_pull_through_cache_rule().ecr_repository_prefix(&live.id).send().await;
        ok_or_not_found(answer)?;
        Deletion::requested(ownership::release(cx.api, Self::TYPE.name, &live.id).await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        ownership::retag(aws, Self::TYPE.name, change).await
    }

    fn deletion_effect(&self) -> Option<String> {
        Some("the repositories with cached images stay".into())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.upstream.host().is_none() && self.upstream_host.is_none() {
            let problem =
                Problem::new(Self::POINTERS.upstream_host, format!("{} registries have hosts of their own", to_aws(&self.upstream)));
            problems.push(problem.help("set `upstream_host`"));
        }
        if self.upstream.needs_secret() && self.secret.is_none() {
            let problem = Problem::new(Self::POINTERS.secret, format!("{} accepts only authenticated pulls", to_aws(&self.upstream)));
            problems.push(problem.help("reference a secret with the keys `username` and `accessToken`"));
        }
        let ecr_only = [(Self::POINTERS.upstream_prefix, self.upstream_prefix.is_some()), (Self::POINTERS.role, self.role.is_some())];
        for (at, _) in ecr_only.into_iter().filter(|(_, is_set)| *is_set && self.upstream != Upstream::Ecr) {
            problems.push(Problem::new(at, "only for `upstream: ecr`"));
        }
        if self.upstream == Upstream::Ecr && self.secret.is_some() {
            let problem = Problem::new(Self::POINTERS.secret, "ECR authenticates at another private registry with a role");
            problems.push(problem.help("set `role` for a registry of another account"));
        }
        problems
    }

    /// ECR accepts only secrets with its prefix.
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let named = declared.spec().and_then(|cache| declared.referenced(&cache.secret?));
        let wrong = named.filter(|(_, secret)| !secret.name.as_ref().is_some_and(|name| name.starts_with(SECRET_PREFIX)));
        let problem = wrong.map(|(address, _)| {
            let problem = Problem::new(Self::POINTERS.secret, format!("the name of `{address}` does not begin with `{SECRET_PREFIX}`"));
            problem.help(format!("set its `name`, such as `{SECRET_PREFIX}docker-hub`"))
        });
        problem.into_iter().collect()
    }
}

impl EcrPullThroughCache {
    /// Host of the other registry.
    pub fn host(&self) -> Option<&str> {
        self.upstream_host.as_deref().or(self.upstream.host())
    }
}

/// The rule for a prefix.
async fn rule(aws: &Aws, prefix: &str) -> Result<Option<PullThroughCacheRule>> {
    let reply = ok_or_not_found(aws.ecr.describe_pull_through_cache_rules().ecr_repository_prefixes(prefix).send().await)?;
    Ok(reply.and_then(|reply| reply.pull_through_cache_rules?.into_iter().next()))
}

fn observed(aws: &Aws, rule: PullThroughCacheRule, prefix: String, tags: Tags) -> Result<Observed<EcrPullThroughCache>> {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let kind = rule.upstream_registry.ok_or_else(|| Error::missing_field("upstreamRegistry"))?;
    let upstream: Upstream = from_aws(kind.as_str())?;
    let host = text(rule.upstream_registry_url).map(|url| url.trim_start_matches("https://").to_owned());
    let spec = EcrPullThroughCache {
        prefix: prefix.clone(),
        upstream,
        upstream_host: host,
        upstream_prefix: text(rule.upstream_repository_prefix),
        secret: text(rule.credential_arn).map(ArnRef::to),
        role: text(rule.custom_role_arn).map(ArnRef::to),
    };
    let account = rule.registry_id.unwrap_or_default();
    let domain = crate::core::endpoint_domain(&aws.region);
    let uri = format!("{account}.dkr.ecr.{}.{domain}/{prefix}", aws.region);
    Ok(Observed::new(prefix, tags, spec, Outputs { uri }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn spells_the_kinds_of_registries_as_aws_does() {
        for name in UpstreamRegistry::values() {
            assert!(from_aws::<Upstream>(name).is_ok_and(|kind| to_aws(&kind) == *name), "{name}");
        }
    }

    #[test]
    fn reports_what_ecr_rejects() {
        let problems = |more: Value| {
            let mut cache = json!({ "prefix": "cache" });
            cache.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let cache: EcrPullThroughCache = serde_json::from_value(cache).expect("a cache");
            cache.check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({ "upstream": "ecr-public" })), [""; 0]);
        assert_eq!(problems(json!({ "upstream": "docker-hub" })), ["/secret"]);
        assert_eq!(problems(json!({ "upstream": "azure-container-registry", "secret": "azure" })), ["/upstream_host"]);
        assert_eq!(problems(json!({ "upstream": "quay", "role": "pull" })), ["/role"]);
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        assert_eq!(problems(json!({ "upstream": "ecr", "upstream_host": host, "role": "pull", "upstream_prefix": "ROOT" })), [""; 0]);
        assert_eq!(problems(json!({ "upstream": "ecr", "upstream_host": host, "secret": "s" })), ["/secret"]);
    }
}
