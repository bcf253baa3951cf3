//! Conditions of a stage.

use std::collections::BTreeMap;

use aws_sdk_codepipeline::types as sdk;

use super::super::{iam_role::IamRole, prelude::*};

/// A condition: what happens if one of its rules is not met.
/// <https://docs.aws.amazon.com/codepipeline/latest/userguide/stage-conditions.html>
#[spec]
#[derive(PartialEq)]
pub struct Condition {
    /// What happens if a rule is not met.
    #[field(one_of = ["FAIL", "ROLLBACK", "RETRY", "SKIP"])]
    pub result: String,
    /// Rules.
    #[field(length = 1..=5)]
    pub rules: Vec<Rule>,
}

/// A rule of a condition. <https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html>
#[spec]
#[derive(PartialEq)]
pub struct Rule {
    /// Name, unique in its condition.
    #[field(length = 1..=100, pattern = "[A-Za-z0-9.@_-]+")]
    pub name: String,
    /// What it checks: `CloudWatchAlarm`, `DeploymentWindow`, `LambdaInvoke`, `CodeBuild`, `Commands` or `VariableCheck`.
    #[field(length = 1..=35, pattern = "[0-9A-Za-z_-]+")]
    pub provider: String,
    /// Version of the rule's type.
    #[field(default = "1", length = 1..=9, pattern = "[0-9A-Za-z_-]+")]
    pub version: String,
    /// Settings, which depend on the provider: `{AlarmName: "{{ metric_alarm.errors.id }}"}`.
    #[field(default)]
    pub configuration: BTreeMap<String, String>,
    /// Shell commands, for the provider `Commands`.
    #[field(default, length = 0..=50)]
    pub commands: Vec<String>,
    /// Artifacts that it reads.
    #[field(default)]
    pub inputs: Vec<String>,
    /// Role for the rule.
    #[field(unset = "the role of the pipeline", dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Region in which it runs.
    #[field(unset = "the region of the pipeline", length = 4..=30, dropped = None)]
    pub region: Option<String>,
    /// Time after which it fails, in minutes.
    #[field(unset = "the provider's default", range = 5..=86_400, dropped = None)]
    pub timeout_minutes: Option<i32>,
}

impl Condition {
    pub(super) fn to_sdk(&self) -> Result<sdk::Condition> {
        let rules = self.rules.iter().map(Rule::to_sdk).collect::<Result<Vec<_>>>()?;
        Ok(sdk::Condition::builder().result(self.result.as_str().into()).set_rules(Some(rules)).build())
    }

    pub(super) fn from_sdk(condition: sdk::Condition, region: &str) -> Condition {
        let rules = condition.rules.unwrap_or_default().into_iter();
        Condition {
            result: condition.result.map(|result| result.as_str().to_owned()).unwrap_or_default(),
            rules: rules.map(|rule| Rule::from_sdk(rule, region)).collect(),
        }
    }
}

impl Rule {
    fn to_sdk(&self) -> Result<sdk::RuleDeclaration> {
        let kind = sdk::RuleTypeId::builder()
            .category(sdk::RuleCategory::Rule)
            .owner(sdk::RuleOwner::Aws)
            .provider(&self.provider)
            .version(&self.version)
            .build()?;
        let inputs = self.inputs.iter().map(|name| Ok(sdk::InputArtifact::builder().name(name).build()?)).collect::<Result<Vec<_>>>()?;
        let rule = sdk::RuleDeclaration::builder()
            .name(&self.name)
            .rule_type_id(kind)
            .set_configuration((!self.configuration.is_empty()).then(|| self.configuration.clone().into_iter().collect()))
            .set_commands((!self.commands.is_empty()).then(|| self.commands.clone()))
            .set_input_artifacts(Some(inputs).filter(|all| !all.is_empty()))
            .set_role_arn(self.role.as_ref().map(|role| role.get().to_owned()))
            .set_region(self.region.clone())
            .set_timeout_in_minutes(self.timeout_minutes);
        Ok(rule.build()?)
    }

    fn from_sdk(rule: sdk::RuleDeclaration, region: &str) -> Rule {
        let kind = rule.rule_type_id;
        Rule {
            name: rule.name,
            provider: kind.as_ref().map(|kind| kind.provider.clone()).unwrap_or_default(),
            version: kind.and_then(|kind| kind.version).unwrap_or_else(Self::default_version),
            configuration: rule.configuration.unwrap_or_default().into_iter().collect(),
            commands: rule.commands.unwrap_or_default(),
            inputs: rule.input_artifacts.unwrap_or_default().into_iter().map(|artifact| artifact.name).collect(),
            role: rule.role_arn.filter(|role| !role.is_empty()).map(ArnRef::to),
            region: rule.region.filter(|own| own != region),
            timeout_minutes: rule.timeout_in_minutes,
        }
    }
}
