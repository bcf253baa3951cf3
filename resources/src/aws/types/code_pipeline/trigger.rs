//! Triggers of a pipeline.

use std::collections::BTreeSet;

use aws_sdk_codepipeline::types as sdk;

use super::super::prelude::*;

/// Events of a Git repository that start the pipeline.
#[spec]
#[derive(Default, PartialEq)]
pub struct Trigger {
    /// Pushes that start it: those that one of the filters accepts.
    #[field(default, length = 0..=3)]
    pub push: Vec<PushFilter>,
    /// Pull requests that start it: those that one of the filters accepts.
    #[field(default, length = 0..=3)]
    pub pull_requests: Vec<PullRequestFilter>,
}

/// Patterns of names, such as `main` and `release/**`.
#[spec]
#[derive(Default, PartialEq)]
pub struct Patterns {
    /// Names that count; empty for all.
    #[field(default, length = 0..=8)]
    pub includes: BTreeSet<String>,
    /// Names that don't count.
    #[field(default, length = 0..=8)]
    pub excludes: BTreeSet<String>,
}

/// A filter of pushes, either of tags or of branches.
#[spec]
#[derive(Default, PartialEq)]
pub struct PushFilter {
    /// Git tags.
    #[field(unset = "pushes of tags don't count", conflicts_with = branches, conflicts_with = files, dropped = None)]
    pub tags: Option<Patterns>,
    /// Branches.
    #[field(unset = "all branches, unless `tags` is set", dropped = None)]
    pub branches: Option<Patterns>,
    /// Paths of changed files.
    #[field(unset = "all files", requires = branches, dropped = None)]
    pub files: Option<Patterns>,
}

/// A filter of pull requests.
#[spec]
#[derive(Default, PartialEq)]
pub struct PullRequestFilter {
    /// Events that count; empty for all.
    #[field(default, one_of = ["OPEN", "UPDATED", "CLOSED"])]
    pub events: BTreeSet<String>,
    /// Branches into which a pull request leads.
    #[field(unset = "all branches", dropped = None)]
    pub branches: Option<Patterns>,
    /// Paths of changed files.
    #[field(unset = "all files", dropped = None)]
    pub files: Option<Patterns>,
}

/// Converts patterns, whose three shapes the SDK has as different types.
macro_rules! criteria {
    ($sdk:ident, $patterns:expr) => {
        $patterns.as_ref().map(|patterns: &Patterns| {
            let list = |all: &BTreeSet<String>| (!all.is_empty()).then(|| all.iter().cloned().collect::<Vec<_>>());
            sdk::$sdk::builder().set_includes(list(&patterns.includes)).set_excludes(list(&patterns.excludes)).build()
        })
    };
}

/// Converts the SDK's criteria to patterns.
macro_rules! patterns {
    ($criteria:expr) => {
        $criteria.map(|criteria| Patterns {
            includes: criteria.includes.unwrap_or_default().into_iter().collect(),
            excludes: criteria.excludes.unwrap_or_default().into_iter().collect(),
        })
    };
}

impl Trigger {
    pub(super) fn to_sdk(&self, action: &str) -> Result<sdk::PipelineTriggerDeclaration> {
        let push = self.push.iter().map(|filter| {
            sdk::GitPushFilter::builder()
                .set_tags(criteria!(GitTagFilterCriteria, filter.tags))
                .set_branches(criteria!(GitBranchFilterCriteria, filter.branches))
                .set_file_paths(criteria!(GitFilePathFilterCriteria, filter.files))
                .build()
        });
        let pull_requests = self.pull_requests.iter().map(|filter| {
            let events = filter.events.iter().map(|event| event.as_str().into()).collect::<Vec<_>>();
            sdk::GitPullRequestFilter::builder()
                .set_events(Some(events).filter(|events| !events.is_empty()))
                .set_branches(criteria!(GitBranchFilterCriteria, filter.branches))
                .set_file_paths(criteria!(GitFilePathFilterCriteria, filter.files))
                .build()
        });
        let configuration = sdk::GitConfiguration::builder()
            .source_action_name(action)
            .set_push((!self.push.is_empty()).then(|| push.collect()))
            .set_pull_request((!self.pull_requests.is_empty()).then(|| pull_requests.collect()))
            .build()?;
        let trigger = sdk::PipelineTriggerDeclaration::builder().git_configuration(configuration);
        Ok(trigger.provider_type(sdk::PipelineTriggerProviderType::CodeStarSourceConnection).build()?)
    }

    /// Source action and trigger. `None`: a trigger of a kind that acme does not know.
    pub(super) fn from_sdk(trigger: sdk::PipelineTriggerDeclaration) -> Option<(String, Trigger)> {
        let configuration = trigger.git_configuration?;
        let push = configuration.push.unwrap_or_default().into_iter().map(|filter| PushFilter {
            tags: patterns!(filter.tags),
            branches: patterns!(filter.branches),
            files: patterns!(filter.file_paths),
        });
        let pull_requests = configuration.pull_request.unwrap_or_default().into_iter().map(|filter| PullRequestFilter {
            events: filter.events.unwrap_or_default().iter().map(|event| event.as_str().to_owned()).collect(),
            branches: patterns!(filter.branches),
            files: patterns!(filter.file_paths),
        });
        Some((configuration.source_action_name, Trigger { push: push.collect(), pull_requests: pull_requests.collect() }))
    }

    /// Whether it is the trigger that AWS adds for a source action without one: pushes to its branch.
    pub(super) fn is_default_of(&self, branch: Option<&str>) -> bool {
        let is_branch = |filter: &PushFilter| {
            let includes =
                filter.branches.as_ref().map(|branches| (branches.includes.iter().map(String::as_str), branches.excludes.is_empty()));
            let is_own = includes.is_some_and(|(mut includes, no_excludes)| no_excludes && includes.all(|name| Some(name) == branch));
            is_own && filter.tags.is_none() && filter.files.is_none()
        };
        self.pull_requests.is_empty() && self.push.iter().all(is_branch)
    }
}
