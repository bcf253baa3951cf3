//! Webhook of a project: builds on events of the Git provider.

use std::collections::BTreeSet;

use aws_sdk_codebuild::types as sdk;

use super::super::prelude::*;

/// Builds on events of the Git provider. CodeBuild registers the webhook at the provider, with a connection or the account's credentials.
#[spec]
#[derive(PartialEq)]
pub struct Webhook {
    /// Groups of filters. An event starts a build if it meets all filters of one group.
    #[field(default, length = 0..=50)]
    pub groups: Vec<FilterGroup>,
    /// What an event starts.
    #[field(default = "BUILD", one_of = ["BUILD", "BUILD_BATCH", "RUNNER_BUILDKITE_BUILD"])]
    pub build_type: String,
    /// Approval of builds for pull requests.
    #[field(unset = "the provider's default", dropped(kept, "AWS has defaults of its own for each provider"))]
    pub pull_requests: Option<PullRequestPolicy>,
    /// Organization or group whose repositories start builds, instead of one repository. A change registers the webhook again.
    #[field(unset = "the repository of the source", dropped = None)]
    pub scope: Option<WebhookScope>,
}

/// Filters, all of which an event must meet.
#[spec]
#[derive(PartialEq)]
pub struct FilterGroup {
    /// The filters. One of them has the type `EVENT`.
    #[field(length = 1..=20)]
    pub filters: Vec<WebhookFilter>,
}

/// A filter of events.
#[spec]
#[derive(PartialEq)]
pub struct WebhookFilter {
    /// Part of the event.
    #[field(
        one_of = [
            "EVENT", "BASE_REF", "HEAD_REF", "ACTOR_ACCOUNT_ID", "FILE_PATH", "COMMIT_MESSAGE", "WORKFLOW_NAME", "TAG_NAME",
            "RELEASE_NAME", "REPOSITORY_NAME", "ORGANIZATION_NAME"
        ]
    )]
    #[serde(rename = "type")]
    pub kind: String,
    /// Regular expression, such as `^refs/heads/main$`; for `EVENT` a list of names, such as `PUSH, PULL_REQUEST_CREATED`.
    #[field(length = 1..=4096)]
    pub pattern: String,
    /// Whether the event must not match.
    #[field(default = false)]
    pub exclude: bool,
}

/// Approval of builds for pull requests, by a comment.
#[spec]
#[derive(PartialEq)]
pub struct PullRequestPolicy {
    /// Pull requests whose builds need a comment with an approval.
    #[field(one_of = ["DISABLED", "ALL_PULL_REQUESTS", "FORK_PULL_REQUESTS"])]
    #[field(risky("DISABLED", "anyone who can open a pull request can run code with the project's role"))]
    pub approval: String,
    /// Roles at the provider that may approve, such as `GITHUB_WRITE`.
    #[field(
        default,
        one_of = [
            "GITHUB_READ", "GITHUB_TRIAGE", "GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN", "GITLAB_GUEST", "GITLAB_PLANNER",
            "GITLAB_REPORTER", "GITLAB_DEVELOPER", "GITLAB_MAINTAINER", "GITLAB_OWNER", "BITBUCKET_READ", "BITBUCKET_WRITE",
            "BITBUCKET_ADMIN"
        ]
    )]
    pub approvers: BTreeSet<String>,
}

/// Organization or group whose repositories start builds.
#[spec]
#[derive(PartialEq)]
pub struct WebhookScope {
    /// What it is.
    #[field(one_of = ["GITHUB_ORGANIZATION", "GITHUB_GLOBAL", "GITLAB_GROUP"])]
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    #[field(length = 1..=255)]
    pub name: String,
    /// Domain of a provider at a server of your own.
    #[field(default)]
    pub domain: String,
}

impl Webhook {
    fn filters_to_sdk(&self) -> Result<Vec<Vec<sdk::WebhookFilter>>> {
        let filter = |filter: &WebhookFilter| {
            let built = sdk::WebhookFilter::builder().r#type(filter.kind.as_str().into()).pattern(&filter.pattern);
            Ok(built.set_exclude_matched_pattern(filter.exclude.then_some(true)).build()?)
        };
        self.groups.iter().map(|group| group.filters.iter().map(filter).collect()).collect()
    }

    fn policy_to_sdk(&self) -> Result<Option<sdk::PullRequestBuildPolicy>> {
        let policy = self.pull_requests.as_ref().map(|policy| {
            let roles = policy.approvers.iter().map(|role| role.as_str().into()).collect::<Vec<_>>();
            let built = sdk::PullRequestBuildPolicy::builder().requires_comment_approval(policy.approval.as_str().into());
            built.set_approver_roles(Some(roles).filter(|roles| !roles.is_empty())).build()
        });
        Ok(policy.transpose()?)
    }

    fn scope_to_sdk(&self) -> Result<Option<sdk::ScopeConfiguration>> {
        let scope = self.scope.as_ref().map(|scope| {
            let built = sdk::ScopeConfiguration::builder().scope(scope.kind.as_str().into()).name(&scope.name);
            built.set_domain(Some(scope.domain.clone()).filter(|domain| !domain.is_empty())).build()
        });
        Ok(scope.transpose()?)
    }

    /// Roles that the definition leaves to AWS.
    pub(super) fn normalize(&self, live: &mut Webhook) {
        if let Some((wanted, live)) = self.pull_requests.as_ref().zip(live.pull_requests.as_mut())
            && wanted.approvers.is_empty()
        {
            live.approvers.clear();
        }
    }

    pub(super) fn from_sdk(webhook: sdk::Webhook) -> Webhook {
        let filter = |filter: sdk::WebhookFilter| WebhookFilter {
            kind: filter.r#type.as_str().to_owned(),
            pattern: filter.pattern,
            exclude: filter.exclude_matched_pattern.unwrap_or_default(),
        };
        let groups = webhook.filter_groups.unwrap_or_default().into_iter();
        Webhook {
            groups: groups.map(|group| FilterGroup { filters: group.into_iter().map(filter).collect() }).collect(),
            build_type: webhook.build_type.map_or_else(Self::default_build_type, |kind| kind.as_str().to_owned()),
            pull_requests: webhook.pull_request_build_policy.map(|policy| PullRequestPolicy {
                approval: policy.requires_comment_approval.as_str().to_owned(),
                approvers: policy.approver_roles.unwrap_or_default().iter().map(|role| role.as_str().to_owned()).collect(),
            }),
            scope: webhook.scope_configuration.map(|scope| WebhookScope {
                kind: scope.scope.as_str().to_owned(),
                name: scope.name,
                domain: scope.domain.unwrap_or_default(),
            }),
        }
    }
}

/// Creates, changes or deletes the webhook. Only a new one gets a scope. The response of its creation has a secret, which is not kept.
pub(super) async fn update(cx: &Cx<'_>, project: &str, live: Option<&Webhook>, wanted: Option<&Webhook>) -> Result<()> {
    let is_kept = live.zip(wanted).is_some_and(|(live, wanted)| live.scope == wanted.scope);
    if live.is_some() && !is_kept {
        ok_or_not_found(cx.codebuild.delete_webhook().project_name(project).send().await)?;
    }
    let Some(wanted) = wanted else { return Ok(()) };
    let (filters, policy) = (wanted.filters_to_sdk()?, wanted.policy_to_sdk()?);
    let kind = wanted.build_type.as_str().into();
    if is_kept {
        let call = cx.codebuild.update_webhook().project_name(project).set_filter_groups(Some(filters)).build_type(kind);
        call.set_pull_request_build_policy(policy).send().await?;
    } else {
        let call = cx.codebuild.create_webhook().project_name(project).build_type(kind).set_pull_request_build_policy(policy);
        let call = call.set_filter_groups(Some(filters).filter(|groups| !groups.is_empty()));
        call.set_scope_configuration(wanted.scope_to_sdk()?).send().await?;
    }
    Ok(())
}
