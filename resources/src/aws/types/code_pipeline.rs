//! `code_pipeline`: a pipeline of CodePipeline, which moves changes through stages.

mod action;
mod check;
mod condition;
mod read;
mod stage;
#[cfg(test)]
mod tests;
mod trigger;

use std::collections::BTreeMap;

use aws_sdk_codepipeline::types as sdk;

use super::{
    iam_role::{IamRole, check_trust},
    kms_key::KmsKey,
    prelude::*,
    s3_bucket::S3Bucket,
};

pub use action::{Action, ActionVariable};
pub use condition::{Condition, Rule};
pub use stage::{OnFailure, Stage};
pub use trigger::{Patterns, PullRequestFilter, PushFilter, Trigger};

/// A pipeline of CodePipeline, which moves changes through stages. It runs as soon as it is created.
#[spec]
pub struct CodePipeline {
    /// Name, unique in account and region.
    #[field(name(max = 100), pattern = "[A-Za-z0-9.@_-]+", replaces)]
    pub name: Option<String>,
    /// Role that CodePipeline assumes.
    #[field(important)]
    pub role: ArnRef<IamRole>,
    /// Type, which determines features and price. Variables, triggers and most execution modes need `V2`.
    #[field(default = "V2", one_of = ["V1", "V2"])]
    #[serde(rename = "type")]
    pub kind: String,
    /// What happens to an execution while another one runs: it is overtaken by newer ones, waits, or runs at the same time.
    #[field(default = "SUPERSEDED", one_of = ["SUPERSEDED", "QUEUED", "PARALLEL"])]
    pub execution_mode: String,
    /// Where artifacts are kept.
    pub artifact_store: ArtifactStore,
    /// Where artifacts are kept in other regions, by region: one for each other region in which an action runs.
    #[field(default)]
    pub regional_stores: BTreeMap<String, ArtifactStore>,
    /// Variables, by name. Actions use them as `#{variables.<name>}`.
    #[field(default, length = 0..=50)]
    pub variables: BTreeMap<String, PipelineVariable>,
    /// Events of Git repositories that start the pipeline, by source action. A source action without a trigger starts it at each push to its
    /// branch.
    #[field(default, length = 0..=50, important)]
    pub triggers: BTreeMap<String, Trigger>,
    /// Stages, in their order: sources first.
    #[field(length = 2..=50, important)]
    pub stages: Vec<Stage>,
}

/// Where artifacts are kept.
#[spec]
#[derive(PartialEq)]
pub struct ArtifactStore {
    /// Bucket, in the region of the actions.
    pub bucket: Ref<S3Bucket>,
    /// Key that encrypts the artifacts.
    #[field(unset = "AWS's own key for S3", important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
}

/// A variable of a pipeline.
#[spec]
#[derive(PartialEq)]
pub struct PipelineVariable {
    /// Value for executions that are started without one. Everybody who may read the pipeline sees it.
    #[field(unset = "none: each execution is started with a value", length = 1..=1000, dropped = None)]
    pub default_value: Option<String>,
    /// Description.
    #[field(default, length = 0..=200)]
    pub description: String,
}

/// Minutes of actions.
const ACTION_MINUTES: UsageKey = UsageKey::new("action_minutes", "minutes that actions of a `V2` pipeline run in a month");

impl Resource for CodePipeline {
    const TYPE: TypeInfo =
        TypeInfo::new("code_pipeline", &services::codepipeline::SERVICE, "{name}", "arn:aws:codepipeline:{region}:{account}:{name}")
            .deletable_while_in_use()
            .lost_on_recreation("the history of its executions")
            .without_token()
            .quota(1000, "LimitExceededException")
            .iam_actions(
                IamActions::new("codepipeline:{name}")
                    .list(&["codepipeline:ListPipelines"])
                    .read(&["codepipeline:GetPipeline", "codepipeline:ListTagsForResource"])
                    .create(&["codepipeline:CreatePipeline"])
                    .change(&["codepipeline:DeletePipeline", "codepipeline:UpdatePipeline"])
                    .grants(&[
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["codepipeline.amazonaws.com"])),
                        IamGrant::change(&["codeconnections:PassConnection"], GrantTarget::Referenced("code_connection")),
                    ]),
            );
    const USAGE: &'static [UsageKey] = &[ACTION_MINUTES];
    type Api = Aws;
    type Outputs = ArnOutput;

    /// <https://aws.amazon.com/codepipeline/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |family, usage_type| Product::new("AWSCodePipeline").family(family).usage_type(usage_type);
        let part = match self.kind.as_str() {
            "V1" => context
                .monthly("pipeline", 1.0, "pipeline-months", product("Active Pipeline", "activePipeline"))
                .assuming("it has a change in the month, and is not the account's first one"),
            _ => context.metered("actions", &ACTION_MINUTES, "minutes", product("Action Execution Minutes", "actionExecutionMinute")),
        };
        Pricing::of(vec![part])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// The response lacks the ARN.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.codepipeline.create_pipeline().pipeline(self.to_sdk(&cx.region, None)?);
        let reply = call.set_tags(Some(services::codepipeline::to_tags(&cx.call.tags))).send().await?;
        let name = reply.pipeline.map(|pipeline| pipeline.name).ok_or_else(|| Error::missing_field("pipeline"))?;
        Ok(name.into())
    }

    /// UpdatePipeline replaces the whole pipeline, so it repeats the settings that acme does not manage.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: CodePipelineChanges) -> Result<()> {
        let reply = cx.codepipeline.get_pipeline().name(&live.id).send().await?;
        cx.codepipeline.update_pipeline().pipeline(self.to_sdk(&cx.region, reply.pipeline)?).send().await?;
        Ok(())
    }

    /// A pipeline that is gone is no error.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.codepipeline.delete_pipeline().name(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let trust = check_trust(declared, Self::POINTERS.role, &spec.role, "codepipeline.amazonaws.com");
        let regions = declared.region().map(|region| check::check_regions(&spec, region)).unwrap_or_default();
        trust.into_iter().chain(regions).collect()
    }

    fn normalize(&self, live: &mut Self) {
        read::normalize(self, live);
    }
}

impl ArtifactStore {
    fn to_sdk(&self) -> Result<sdk::ArtifactStore> {
        let key = self.kms_key.as_ref().map(|key| sdk::EncryptionKey::builder().id(key.get()).r#type(sdk::EncryptionKeyType::Kms).build());
        let store = sdk::ArtifactStore::builder().r#type(sdk::ArtifactStoreType::S3).location(self.bucket.get());
        Ok(store.set_encryption_key(key.transpose()?).build()?)
    }

    fn from_sdk(store: sdk::ArtifactStore) -> ArtifactStore {
        ArtifactStore { bucket: Ref::to(store.location), kms_key: store.encryption_key.map(|key| ArnRef::to(key.id)) }
    }
}

impl CodePipeline {
    /// With the settings of a live pipeline that acme does not manage.
    fn to_sdk(&self, region: &str, live: Option<sdk::PipelineDeclaration>) -> Result<sdk::PipelineDeclaration> {
        let pipeline = sdk::PipelineDeclaration::builder().name(self.name.clone().unwrap_or_default()).role_arn(self.role.get());
        let pipeline = pipeline.pipeline_type(self.kind.as_str().into());
        // AWS takes either one store or a store for each region.
        let pipeline = match self.regional_stores.is_empty() {
            true => pipeline.artifact_store(self.artifact_store.to_sdk()?),
            false => {
                let all = self.regional_stores.iter().map(|(region, store)| (region.as_str(), store));
                let all = all.chain([(region, &self.artifact_store)]).map(|(region, store)| Ok((region.to_owned(), store.to_sdk()?)));
                pipeline.set_artifact_stores(Some(all.collect::<Result<_>>()?))
            }
        };
        let stages = self.stages.iter().map(|stage| {
            let live = live.as_ref().and_then(|live| live.stages.iter().find(|live| live.name == stage.name));
            stage.to_sdk(live)
        });
        let pipeline = pipeline.set_stages(Some(stages.collect::<Result<_>>()?));
        // A pipeline of the type V1 has neither.
        if self.kind == sdk::PipelineType::V1.as_str() {
            return Ok(pipeline.build()?);
        }
        let variables = self.variables.iter().map(|(name, variable)| {
            let built = sdk::PipelineVariableDeclaration::builder().name(name).set_default_value(variable.default_value.clone());
            Ok(built.set_description(Some(variable.description.clone()).filter(|text| !text.is_empty())).build()?)
        });
        let triggers = self.triggers.iter().map(|(action, trigger)| trigger.to_sdk(action));
        let pipeline = pipeline.execution_mode(self.execution_mode.as_str().into());
        let pipeline = pipeline.set_variables(Some(variables.collect::<Result<Vec<_>>>()?).filter(|all| !all.is_empty()));
        Ok(pipeline.set_triggers(Some(triggers.collect::<Result<Vec<_>>>()?).filter(|all| !all.is_empty())).build()?)
    }
}
