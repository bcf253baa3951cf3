//! Actions of a stage.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_codepipeline::types as sdk;

use super::super::{code_connection::CodeConnection, iam_role::IamRole, prelude::*};
use crate::core::{HIDDEN, is_plain_secret};

/// An action of a stage. <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html>
#[spec]
#[derive(PartialEq)]
pub struct Action {
    /// Name, unique in its stage.
    #[field(length = 1..=100, pattern = "[A-Za-z0-9.@_-]+")]
    pub name: String,
    /// What it does.
    #[field(one_of = ["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"])]
    pub category: String,
    /// Owner of the action's type.
    #[field(default = "AWS", one_of = ["AWS", "Custom", "ThirdParty"])]
    pub owner: String,
    /// Service that runs it, such as `CodeStarSourceConnection`, `CodeBuild`, `ECS`, `EKS`, `CloudFormation` or `Manual`.
    #[field(length = 1..=35, pattern = "[0-9A-Za-z_-]+", important)]
    pub provider: String,
    /// Version of the action's type.
    #[field(default = "1", length = 1..=9, pattern = "[0-9A-Za-z_-]+")]
    pub version: String,
    /// Settings, which depend on the provider: `{ProjectName: "{{ codebuild_project.app.id }}"}`.
    #[field(default)]
    pub configuration: BTreeMap<String, String>,
    /// Connection to the Git provider, for the provider `CodeStarSourceConnection`.
    #[field(unset = "none", dropped = None)]
    pub connection: Option<ArnRef<CodeConnection>>,
    /// Shell commands, for the category `Compute`.
    #[field(default, length = 0..=50)]
    pub commands: Vec<String>,
    /// Artifacts that it reads.
    #[field(default)]
    pub inputs: Vec<String>,
    /// Artifacts that it leaves.
    #[field(default)]
    pub outputs: Vec<String>,
    /// Files of the artifact that commands leave.
    #[field(default, length = 0..=10)]
    pub output_files: Vec<String>,
    /// Environment variables of commands that later actions use.
    #[field(default, length = 0..=15)]
    pub output_variables: Vec<String>,
    /// Environment variables of commands, by name.
    #[field(default, length = 0..=10)]
    pub variables: BTreeMap<String, ActionVariable>,
    /// Namespace under which later actions use its variables: `#{<namespace>.<variable>}`.
    #[field(default, length = 0..=100, pattern = "[A-Za-z0-9@_-]*")]
    pub namespace: String,
    /// Role for the action, which may be in another account.
    #[field(unset = "the role of the pipeline", dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Region in which it runs.
    #[field(unset = "the region of the pipeline", length = 4..=30, dropped = None)]
    pub region: Option<String>,
    /// Position in the stage: actions with the same number run at the same time, those with a lower one before.
    #[field(default = 1, range = 1..=999)]
    pub run_order: i32,
    /// Time after which it fails, in minutes; for an approval at most 86,400 (60 days).
    #[field(unset = "the provider's default", range = 5..=86_400, dropped = None)]
    pub timeout_minutes: Option<i32>,
}

/// An environment variable of commands: a `value`, or a secret.
#[spec]
#[derive(PartialEq)]
pub struct ActionVariable {
    /// Value. Everybody who may read the pipeline sees it: use `secret` for passwords and tokens.
    #[field(unset = "none", conflicts_with = secret, dropped = None)]
    pub value: Option<String>,
    /// Name or ARN of a secret, with a key if it is a JSON object: `{{ secret.registry.arn }}:token`.
    #[field(default)]
    pub secret: String,
}

/// Setting with the connection.
pub(super) const CONNECTION: &str = "ConnectionArn";

impl Action {
    /// With the values of the live action that acme does not show.
    pub(super) fn to_sdk(&self, live: Option<&sdk::ActionDeclaration>) -> Result<sdk::ActionDeclaration> {
        let kind = sdk::ActionTypeId::builder()
            .category(self.category.as_str().into())
            .owner(self.owner.as_str().into())
            .provider(&self.provider)
            .version(&self.version)
            .build()?;
        let list = |all: &[String]| (!all.is_empty()).then(|| all.to_vec());
        let outputs =
            self.outputs.iter().map(|name| Ok(sdk::OutputArtifact::builder().name(name).set_files(list(&self.output_files)).build()?));
        let inputs = self.inputs.iter().map(|name| Ok(sdk::InputArtifact::builder().name(name).build()?));
        let connection = self.connection.as_ref().map(|connection| (CONNECTION.to_owned(), connection.get().to_owned()));
        let configuration: HashMap<String, String> = self.configuration.clone().into_iter().chain(connection).collect();
        let live_variables = live.and_then(|live| live.environment_variables.as_deref()).unwrap_or_default();
        let variables = self.variables.iter().filter_map(|(name, variable)| variable.to_sdk(name, live_variables).transpose());
        let variables = variables.collect::<Result<Vec<_>>>()?;
        let action = sdk::ActionDeclaration::builder()
            .name(&self.name)
            .action_type_id(kind)
            .run_order(self.run_order)
            .set_configuration(Some(configuration).filter(|all| !all.is_empty()))
            .set_commands(list(&self.commands))
            .set_output_artifacts(Some(outputs.collect::<Result<_>>()?))
            .set_input_artifacts(Some(inputs.collect::<Result<_>>()?))
            .set_output_variables(list(&self.output_variables))
            .set_environment_variables(Some(variables).filter(|all| !all.is_empty()))
            .set_role_arn(self.role.as_ref().map(|role| role.get().to_owned()))
            .set_region(self.region.clone())
            .set_namespace(Some(self.namespace.clone()).filter(|text| !text.is_empty()))
            .set_timeout_in_minutes(self.timeout_minutes);
        Ok(action.build()?)
    }

    /// AWS reports the region of every action.
    pub(super) fn from_sdk(action: sdk::ActionDeclaration, region: &str) -> Result<Action> {
        let kind = action.action_type_id.ok_or_else(|| Error::missing_field("actionTypeId"))?;
        let outputs = action.output_artifacts.unwrap_or_default();
        let mut configuration: BTreeMap<String, String> = action.configuration.unwrap_or_default().into_iter().collect();
        Ok(Action {
            name: action.name,
            category: kind.category.as_str().to_owned(),
            owner: kind.owner.as_str().to_owned(),
            provider: kind.provider,
            version: kind.version,
            connection: configuration.remove(CONNECTION).map(ArnRef::to),
            configuration,
            commands: action.commands.unwrap_or_default(),
            inputs: action.input_artifacts.unwrap_or_default().into_iter().map(|artifact| artifact.name).collect(),
            output_files: outputs.iter().flat_map(|artifact| artifact.files()).cloned().collect(),
            outputs: outputs.into_iter().map(|artifact| artifact.name).collect(),
            output_variables: action.output_variables.unwrap_or_default(),
            variables: action.environment_variables.unwrap_or_default().into_iter().map(ActionVariable::from_sdk).collect(),
            namespace: action.namespace.unwrap_or_default(),
            role: action.role_arn.filter(|role| !role.is_empty()).map(ArnRef::to),
            region: action.region.filter(|own| own != region),
            run_order: action.run_order.unwrap_or(1),
            timeout_minutes: action.timeout_in_minutes,
        })
    }
}

impl ActionVariable {
    /// `None`: its hidden value is no longer there.
    fn to_sdk(&self, name: &str, live: &[sdk::EnvironmentVariable]) -> Result<Option<sdk::EnvironmentVariable>> {
        if self.value.as_deref() == Some(HIDDEN) {
            return Ok(live.iter().find(|variable| variable.name == name).cloned());
        }
        let (kind, value) = match self.secret.is_empty() {
            true => (sdk::EnvironmentVariableType::Plaintext, self.value.as_deref().unwrap_or_default()),
            false => (sdk::EnvironmentVariableType::SecretsManager, self.secret.as_str()),
        };
        Ok(Some(sdk::EnvironmentVariable::builder().name(name).value(value).r#type(kind).build()?))
    }

    fn from_sdk(variable: sdk::EnvironmentVariable) -> (String, ActionVariable) {
        let read = match variable.r#type {
            Some(sdk::EnvironmentVariableType::SecretsManager) => ActionVariable { value: None, secret: variable.value },
            _ if is_plain_secret(&variable.name, &variable.value) => {
                ActionVariable { value: Some(HIDDEN.to_owned()), secret: String::new() }
            }
            _ => ActionVariable { value: Some(variable.value), secret: String::new() },
        };
        (variable.name, read)
    }
}
