//! Configuration of managed rule groups that need one.

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    AwsManagedRulesAtpRuleSet, AwsManagedRulesBotControlRuleSet, InspectionLevel, ManagedRuleGroupConfig, PasswordField, PayloadType,
    RequestInspection, UsernameField,
};

use crate::core::Result;

/// Configuration of the group `bot-control`.
#[spec]
#[derive(PartialEq)]
pub struct BotControl {
    /// Inspection level.
    #[field(default = Level::Common)]
    pub level: Level,
    /// Lets machine learning analyze the traffic, at the level `targeted`.
    #[field(default = true)]
    pub machine_learning: bool,
}

/// Inspection level of the group `bot-control`.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum Level {
    /// Detects bots that identify themselves.
    #[default]
    Common,
    /// Detects those that hide, too; AWS charges more for it.
    Targeted,
}

/// Configuration of the group `AWSManagedRulesATPRuleSet`, which protects a login page.
#[spec]
#[derive(PartialEq)]
pub struct LoginPage {
    /// Path to which the login is sent, such as `/api/login`.
    #[field(length = 1..=256, pattern = "/.*")]
    pub path: String,
    /// Format of the login.
    #[field(default = Payload::Form)]
    pub payload: Payload,
    /// Name of the field with the user name: for a form, such as `user`, for JSON as a pointer, such as `/login/user`.
    #[field(length = 1..=512)]
    pub username_field: String,
    /// Name of the field with the password, like `username_field`.
    #[field(length = 1..=512)]
    pub password_field: String,
}

/// Format of a login.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[allow(missing_docs)]
pub enum Payload {
    #[default]
    Form,
    Json,
}

impl BotControl {
    fn config(&self) -> Result<ManagedRuleGroupConfig> {
        let level = match self.level {
            Level::Common => InspectionLevel::Common,
            Level::Targeted => InspectionLevel::Targeted,
        };
        let config = AwsManagedRulesBotControlRuleSet::builder().inspection_level(level).enable_machine_learning(self.machine_learning);
        Ok(ManagedRuleGroupConfig::builder().aws_managed_rules_bot_control_rule_set(config.build()?).build())
    }
}

impl LoginPage {
    /// What acme has no field for stays as in `live`.
    fn config(&self, live: Option<&AwsManagedRulesAtpRuleSet>) -> Result<ManagedRuleGroupConfig> {
        let payload = match self.payload {
            Payload::Form => PayloadType::FormEncoded,
            Payload::Json => PayloadType::Json,
        };
        let request = RequestInspection::builder().payload_type(payload);
        let request = request.username_field(UsernameField::builder().identifier(&self.username_field).build()?);
        let request = request.password_field(PasswordField::builder().identifier(&self.password_field).build()?);
        let config = AwsManagedRulesAtpRuleSet::builder().login_path(&self.path).request_inspection(request.build()?);
        let config = config.set_response_inspection(live.and_then(|live| live.response_inspection.clone()));
        let config = config.set_enable_regex_in_path(live.map(|live| live.enable_regex_in_path));
        Ok(ManagedRuleGroupConfig::builder().aws_managed_rules_atp_rule_set(config.build()?).build())
    }
}

/// Configurations to send: the declared ones, and the live ones of other groups, for which acme has no field.
pub(super) fn configs(
    bot_control: Option<&BotControl>,
    login: Option<&LoginPage>,
    live: &[ManagedRuleGroupConfig],
) -> Result<Option<Vec<ManagedRuleGroupConfig>>> {
    let is_declared = |config: &ManagedRuleGroupConfig| {
        bot_control.is_some() && config.aws_managed_rules_bot_control_rule_set.is_some()
            || login.is_some() && config.aws_managed_rules_atp_rule_set.is_some()
    };
    let live_login = live.iter().find_map(|config| config.aws_managed_rules_atp_rule_set.as_ref());
    let declared = bot_control.map(BotControl::config).into_iter().chain(login.map(|login| login.config(live_login)));
    let mut all = declared.collect::<Result<Vec<_>>>()?;
    all.extend(live.iter().filter(|config| !is_declared(config)).cloned());
    Ok((!all.is_empty()).then_some(all))
}

/// The inverse of [`configs`], for what acme manages.
pub(super) fn read(configs: &[ManagedRuleGroupConfig]) -> (Option<BotControl>, Option<LoginPage>) {
    let bot_control = configs.iter().find_map(|config| config.aws_managed_rules_bot_control_rule_set.as_ref());
    let login = configs.iter().find_map(|config| config.aws_managed_rules_atp_rule_set.as_ref());
    let bot_control = bot_control.map(|config| BotControl {
        level: if config.inspection_level == InspectionLevel::Targeted { Level::Targeted } else { Level::Common },
        machine_learning: config.enable_machine_learning,
    });
    let login = login.and_then(|config| {
        let request = config.request_inspection.as_ref()?;
        Some(LoginPage {
            path: config.login_path.clone(),
            payload: if request.payload_type == PayloadType::Json { Payload::Json } else { Payload::Form },
            username_field: request.username_field.as_ref().map(|field| field.identifier.clone()).unwrap_or_default(),
            password_field: request.password_field.as_ref().map(|field| field.identifier.clone()).unwrap_or_default(),
        })
    });
    (bot_control, login)
}
