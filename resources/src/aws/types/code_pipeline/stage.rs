//! Stages of a pipeline.

use aws_sdk_codepipeline::types as sdk;

use super::{
    super::prelude::*,
    {Action, Condition},
};

/// A stage of a pipeline.
#[spec]
#[derive(PartialEq)]
pub struct Stage {
    /// Name, unique in its pipeline.
    #[field(length = 1..=100, pattern = "[A-Za-z0-9.@_-]+")]
    pub name: String,
    /// Actions.
    #[field(length = 1..=50)]
    pub actions: Vec<Action>,
    /// Conditions that are checked before the stage starts.
    #[field(default, length = 0..=1)]
    pub before_entry: Vec<Condition>,
    /// Conditions that are checked when its actions have succeeded.
    #[field(default, length = 0..=1)]
    pub on_success: Vec<Condition>,
    /// What happens when an action fails.
    #[field(unset = "the execution fails", dropped = None)]
    pub on_failure: Option<OnFailure>,
}

/// What happens when an action of a stage fails.
#[spec]
#[derive(PartialEq)]
pub struct OnFailure {
    /// What happens: the execution fails, the stage is rolled back to its last successful execution, is tried once more, or is skipped.
    #[field(unset = "what the conditions say", one_of = ["FAIL", "ROLLBACK", "RETRY", "SKIP"], dropped = None)]
    pub result: Option<String>,
    /// Which actions are tried once more, for the result `RETRY`.
    #[field(unset = "`FAILED_ACTIONS`", one_of = ["FAILED_ACTIONS", "ALL_ACTIONS"], dropped = None)]
    pub retry_mode: Option<String>,
    /// Conditions under which something else happens.
    #[field(default, length = 0..=1)]
    pub conditions: Vec<Condition>,
}

impl Stage {
    /// With the settings of the live stage that acme does not manage.
    pub(super) fn to_sdk(&self, live: Option<&sdk::StageDeclaration>) -> Result<sdk::StageDeclaration> {
        let conditions = |all: &[Condition]| all.iter().map(Condition::to_sdk).collect::<Result<Vec<_>>>();
        let (before, success) = (conditions(&self.before_entry)?, conditions(&self.on_success)?);
        let before = (!before.is_empty()).then(|| sdk::BeforeEntryConditions::builder().set_conditions(Some(before)).build());
        let success = (!success.is_empty()).then(|| sdk::SuccessConditions::builder().set_conditions(Some(success)).build());
        let failure = match &self.on_failure {
            None => None,
            Some(failure) => {
                let retry = failure.retry_mode.as_deref().map(|mode| sdk::RetryConfiguration::builder().retry_mode(mode.into()).build());
                let conditions = Some(conditions(&failure.conditions)?).filter(|all| !all.is_empty());
                let built = sdk::FailureConditions::builder().set_result(failure.result.as_deref().map(Into::into));
                Some(built.set_retry_configuration(retry).set_conditions(conditions).build())
            }
        };
        let actions = self.actions.iter().map(|action| {
            let live = live.and_then(|live| live.actions.iter().find(|live| live.name == action.name));
            action.to_sdk(live)
        });
        let stage = sdk::StageDeclaration::builder()
            .name(&self.name)
            .set_blockers(live.and_then(|live| live.blockers.clone()))
            .set_actions(Some(actions.collect::<Result<_>>()?))
            .set_before_entry(before.transpose()?)
            .set_on_success(success.transpose()?)
            .set_on_failure(failure);
        Ok(stage.build()?)
    }

    pub(super) fn from_sdk(stage: sdk::StageDeclaration, region: &str) -> Result<Stage> {
        let conditions = |all: Vec<sdk::Condition>| all.into_iter().map(|condition| Condition::from_sdk(condition, region)).collect();
        Ok(Stage {
            name: stage.name,
            actions: stage.actions.into_iter().map(|action| Action::from_sdk(action, region)).collect::<Result<_>>()?,
            before_entry: stage.before_entry.map(|before| conditions(before.conditions)).unwrap_or_default(),
            on_success: stage.on_success.map(|success| conditions(success.conditions)).unwrap_or_default(),
            on_failure: stage.on_failure.map(|failure| OnFailure {
                result: failure.result.map(|result| result.as_str().to_owned()),
                retry_mode: failure.retry_configuration.and_then(|retry| retry.retry_mode).map(|mode| mode.as_str().to_owned()),
                conditions: conditions(failure.conditions.unwrap_or_default()),
            }),
        })
    }
}
