//! Rules of a firewall: sets of addresses, a rate limit, managed rule groups. Rules with conditions are in `custom_rule.rs`.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CountAction, IpSetReferenceStatement, ManagedRuleGroupStatement, NoneAction, OverrideAction,
    RateBasedStatement, RateBasedStatementAggregateKeyType, Rule, RuleAction, RuleActionOverride, Statement, VisibilityConfig,
    builders::RuleBuilder,
};
use serde::{Deserialize, Deserializer};

use super::{
    super::waf_ip_set::WafIpSet,
    AclAction,
    condition::{Condition, read_conditions, statement},
    managed_config::{self, BotControl, LoginPage},
};
use crate::core::{ArnRef, Result};

/// Managed rule group of AWS or another vendor. Updates keep settings that acme does not manage.
#[spec]
#[derive(PartialEq)]
pub struct ManagedRules {
    /// Name of the group, such as `AWSManagedRulesCommonRuleSet`. Short names of AWS's: `common`, `admin-protection`,
    /// `known-bad-inputs`, `sqli`, `linux`, `unix`, `windows`, `php`, `wordpress`, `ip-reputation`, `anonymous-ip`, `bot-control`.
    #[serde(deserialize_with = "short_name")]
    pub name: String,
    /// Vendor.
    #[field(default = "AWS")]
    pub vendor: String,
    /// Version.
    #[field(unset = "the vendor's current default version", length = 1..=64, dropped = None)]
    pub version: Option<String>,
    /// Counts requests that the group would block, instead of blocking them.
    #[field(default = false, risky(true, "it blocks nothing"))]
    pub count: bool,
    /// Rules of the group that only count requests.
    #[field(default, length = 0..=100)]
    pub count_rules: BTreeSet<String>,
    /// Conditions, all of which a request must meet for the group to evaluate it.
    #[field(default, length = 0..=10)]
    pub scope_down: Vec<Condition>,
    /// Configuration of the group `bot-control`.
    #[field(unset = "the level `common`", dropped(kept, "an update keeps the configuration of a group"))]
    pub bot_control: Option<BotControl>,
    /// The login page that `AWSManagedRulesATPRuleSet` protects; required for this group.
    #[field(default, dropped(kept, "an update keeps the configuration of a group"))]
    pub login: Option<LoginPage>,
}

/// Rate limit per client address. Updates keep settings that acme does not manage, such as other keys and a scope-down statement.
#[spec]
#[derive(Default, PartialEq)]
pub struct RateLimit {
    /// Maximum number of requests in the window, at least 10; 0 for no limit.
    #[field(range = 0..=2_000_000_000)]
    pub requests: u32,
    /// The window, in seconds.
    #[field(default = DEFAULT_WINDOW_SECONDS, one_of = [60, 120, 300, 600])]
    pub window_seconds: u32,
    /// Counts requests over the limit, instead of blocking them.
    #[field(default = false, risky(true, "it blocks nothing"))]
    pub count: bool,
}

pub(super) const DEFAULT_WINDOW_SECONDS: u32 = 300;

/// <https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html>
const MANAGED_RULE_GROUPS: &[(&str, &str)] = &[
    ("common", "AWSManagedRulesCommonRuleSet"),
    ("admin-protection", "AWSManagedRulesAdminProtectionRuleSet"),
    ("known-bad-inputs", "AWSManagedRulesKnownBadInputsRuleSet"),
    ("sqli", "AWSManagedRulesSQLiRuleSet"),
    ("linux", "AWSManagedRulesLinuxRuleSet"),
    ("unix", "AWSManagedRulesUnixRuleSet"),
    ("windows", "AWSManagedRulesWindowsRuleSet"),
    ("php", "AWSManagedRulesPHPRuleSet"),
    ("wordpress", "AWSManagedRulesWordPressRuleSet"),
    ("ip-reputation", "AWSManagedRulesAmazonIpReputationList"),
    ("anonymous-ip", "AWSManagedRulesAnonymousIpList"),
    ("bot-control", "AWSManagedRulesBotControlRuleSet"),
];

/// All groups of AWS, from the same page.
pub(super) const AWS_RULE_GROUPS: &[&str] = &[
    "AWSManagedRulesACFPRuleSet",
    "AWSManagedRulesATPRuleSet",
    "AWSManagedRulesAdminProtectionRuleSet",
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesAnonymousIpList",
    "AWSManagedRulesAntiDDoSRuleSet",
    "AWSManagedRulesBotControlRuleSet",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesLinuxRuleSet",
    "AWSManagedRulesPHPRuleSet",
    "AWSManagedRulesSQLiRuleSet",
    "AWSManagedRulesUnixRuleSet",
    "AWSManagedRulesWindowsRuleSet",
    "AWSManagedRulesWordPressRuleSet",
];

/// Short name of a group, if it has one.
pub(super) fn shorten_name(name: &str) -> &str {
    MANAGED_RULE_GROUPS.iter().find(|(_, long)| *long == name).map_or(name, |(short, _)| short)
}

fn short_name<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(shorten_name(&String::deserialize(deserializer)?).to_owned())
}

/// Name of the rule for [`RateLimit`].
pub(super) const RATE_LIMIT: &str = "rate-limit";
/// Group that requires a login page.
pub(super) const ACCOUNT_TAKEOVER_GROUP: &str = "AWSManagedRulesATPRuleSet";

impl AclAction {
    /// Rule for one set of addresses.
    pub(super) fn rule(self, set: &ArnRef<WafIpSet>, number: usize) -> Result<RuleBuilder> {
        let (word, action) = match self {
            AclAction::Allow => ("allow", RuleAction::builder().allow(AllowAction::builder().build())),
            AclAction::Block => ("block", RuleAction::builder().block(BlockAction::builder().build())),
        };
        let name = format!("{word}-{number}");
        let statement = IpSetReferenceStatement::builder().arn(set.get()).build()?;
        let rule = Rule::builder().statement(Statement::builder().ip_set_reference_statement(statement).build());
        Ok(rule.action(action.build()).visibility_config(visibility_config(&name)?).name(name))
    }

    /// Set that a rule made by [`AclAction::rule`] allows or blocks.
    pub(super) fn read(rule: &Rule) -> Option<(AclAction, ArnRef<WafIpSet>)> {
        let set = rule
            .statement()
            .filter(|_| is_list_rule(&rule.name))?
            .ip_set_reference_statement()
            .filter(|set| set.ip_set_forwarded_ip_config.is_none())?;
        let action = rule.action()?;
        let verdict = match (&action.allow, &action.block) {
            (Some(_), _) => AclAction::Allow,
            (_, Some(_)) => AclAction::Block,
            _ => return None,
        };
        Some((verdict, ArnRef::to(&set.arn)))
    }
}

impl RateLimit {
    pub(super) fn rule(&self) -> Result<RuleBuilder> {
        let limit = RateBasedStatement::builder().limit(self.requests.into()).evaluation_window_sec(self.window_seconds.into());
        let limit = limit.aggregate_key_type(RateBasedStatementAggregateKeyType::Ip).build()?;
        let action = RuleAction::builder();
        let action = match self.count {
            true => action.count(CountAction::builder().build()),
            false => action.block(BlockAction::builder().build()),
        };
        let rule = Rule::builder().name(RATE_LIMIT).statement(Statement::builder().rate_based_statement(limit).build());
        Ok(rule.action(action.build()).visibility_config(visibility_config(RATE_LIMIT)?))
    }

    pub(super) fn read(rule: &Rule) -> Option<RateLimit> {
        let limit = rule.statement()?.rate_based_statement().filter(|_| rule.name == RATE_LIMIT)?;
        Some(RateLimit {
            requests: limit.limit.try_into().ok()?,
            // Stand-ins omit the default, which then reads as 0.
            window_seconds: limit.evaluation_window_sec.try_into().ok().filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_WINDOW_SECONDS),
            count: rule.action().is_some_and(|action| action.count.is_some()),
        })
    }
}

impl ManagedRules {
    pub(super) fn long_name(&self) -> &str {
        MANAGED_RULE_GROUPS.iter().find(|(short, _)| *short == self.name).map_or(&self.name, |(_, long)| long)
    }

    pub(super) fn rule_name(&self) -> String {
        if self.vendor == "AWS" { self.long_name().to_owned() } else { format!("{}-{}", self.vendor.replace(' ', "-"), self.name) }
    }

    pub(super) fn rule(&self) -> Result<RuleBuilder> {
        let counted = || RuleAction::builder().count(CountAction::builder().build()).build();
        let overrides = self.count_rules.iter().map(|name| RuleActionOverride::builder().name(name).action_to_use(counted()).build());
        let overrides: Vec<_> = overrides.collect::<Result<_, _>>()?;
        let group = ManagedRuleGroupStatement::builder().vendor_name(&self.vendor).name(self.long_name());
        let group = group.set_version(self.version.clone()).set_rule_action_overrides((!overrides.is_empty()).then_some(overrides));
        let group = group.set_scope_down_statement(statement(&self.scope_down)?.map(Box::new));
        let group = group.set_managed_rule_group_configs(managed_config::configs(self.bot_control.as_ref(), self.login.as_ref(), &[])?);
        let action = OverrideAction::builder();
        let action = match self.count {
            true => action.count(CountAction::builder().build()),
            false => action.none(NoneAction::builder().build()),
        };
        let name = self.rule_name();
        let group = Statement::builder().managed_rule_group_statement(group.build()?).build();
        let rule = Rule::builder().name(&name).statement(group).override_action(action.build());
        Ok(rule.visibility_config(visibility_config(&name)?))
    }

    /// `None` for another rule.
    pub(super) fn read(rule: &Rule) -> Option<ManagedRules> {
        let group = rule.statement()?.managed_rule_group_statement()?;
        let (bot_control, login) = managed_config::read(group.managed_rule_group_configs());
        let overridden = group.rule_action_overrides().iter().filter(|one| is_counted(one)).map(|one| one.name.clone());
        Some(ManagedRules {
            name: if group.vendor_name == "AWS" { shorten_name(&group.name).to_owned() } else { group.name.clone() },
            vendor: group.vendor_name.clone(),
            version: group.version.clone(),
            count: rule.override_action().is_some_and(|action| action.count.is_some()),
            // `ExcludedRules` is an older equivalent.
            count_rules: overridden.chain(group.excluded_rules().iter().map(|rule| rule.name.clone())).collect(),
            scope_down: group.scope_down_statement.as_deref().and_then(read_conditions).unwrap_or_default(),
            bot_control,
            login,
        })
    }
}

/// Adds the settings of the matching live rule that acme does not manage: visibility, labels of rules other than custom ones, scope-down
/// statements of a form that acme does not write, keys of the rate limit, responses to blocked requests, settings of a managed group, and
/// overrides of its rules other than counting.
pub(super) fn with_unmanaged_parts(mut rule: Rule, live: &[Rule]) -> Result<Rule> {
    let Some(live) = live.iter().find(|live| matches_rule(&rule, live)) else { return Ok(rule) };
    rule.captcha_config.clone_from(&live.captcha_config);
    rule.challenge_config.clone_from(&live.challenge_config);
    if live.visibility_config.is_some() {
        rule.visibility_config.clone_from(&live.visibility_config);
    }
    if !is_custom(&rule) {
        rule.rule_labels.clone_from(&live.rule_labels);
    }
    rule.action = rule.action.take().map(|action| with_unmanaged_action(action, live.action(), is_custom(live)));
    let is_rate_limit = rule.name == RATE_LIMIT;
    if let (Some(statement), Some(live)) = (&mut rule.statement, &live.statement) {
        if let (Some(limit), Some(live)) = (&mut statement.rate_based_statement, &live.rate_based_statement)
            && is_rate_limit
        {
            limit.aggregate_key_type = live.aggregate_key_type.clone();
            limit.scope_down_statement.clone_from(&live.scope_down_statement);
            limit.forwarded_ip_config.clone_from(&live.forwarded_ip_config);
            limit.custom_keys.clone_from(&live.custom_keys);
        }
        if let (Some(group), Some(live)) = (&mut statement.managed_rule_group_statement, &live.managed_rule_group_statement) {
            let unmanaged = live.scope_down_statement.as_deref().is_some_and(|statement| read_conditions(statement).is_none());
            if group.scope_down_statement.is_none() && unmanaged {
                group.scope_down_statement.clone_from(&live.scope_down_statement);
            }
            let (bot_control, login) = managed_config::read(group.managed_rule_group_configs());
            let configs = managed_config::configs(bot_control.as_ref(), login.as_ref(), live.managed_rule_group_configs())?;
            group.managed_rule_group_configs = configs;
            let mut overrides = group.rule_action_overrides.take().unwrap_or_default();
            let kept = live.rule_action_overrides().iter().filter(|one| !is_counted(one));
            overrides.extend(kept.filter(|one| !group_has(&overrides, &one.name)).cloned().collect::<Vec<_>>());
            group.rule_action_overrides = Some(overrides).filter(|overrides| !overrides.is_empty());
        }
    }
    Ok(rule)
}

/// An action with the details of the live one that acme does not manage. Custom rules have the response to a blocked request, but not its
/// headers.
fn with_unmanaged_action(mut action: RuleAction, live: Option<&RuleAction>, custom: bool) -> RuleAction {
    let Some(live) = live.filter(|live| verdict(Some(live)) == verdict(Some(&action))) else { return action };
    let Some(block) = action.block.as_mut().filter(|_| custom) else { return live.clone() };
    let live = live.block.as_ref().and_then(|block| block.custom_response.as_ref());
    if let (Some(response), Some(live)) = (&mut block.custom_response, live) {
        response.response_headers.clone_from(&live.response_headers);
    }
    action
}

/// Whether acme makes no rule with this name for `allow` and `block`.
fn is_custom(rule: &Rule) -> bool {
    let is_group = rule.statement().is_some_and(|statement| statement.managed_rule_group_statement.is_some());
    !is_group && rule.name != RATE_LIMIT && !is_list_rule(&rule.name)
}

/// Whether a rule for `allow` or `block` may have this name.
pub(super) fn is_list_rule(name: &str) -> bool {
    let number = name.strip_prefix("allow-").or_else(|| name.strip_prefix("block-"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether Shield Advanced added the rule, for its automatic mitigation:
/// <https://docs.aws.amazon.com/waf/latest/developerguide/ddos-automatic-app-layer-response-rg.html>.
pub(super) fn is_of_shield(rule: &Rule) -> bool {
    rule.name.starts_with("ShieldMitigationRuleGroup_")
}

/// Whether two rules have the same set of addresses or managed group, or else the same name. Priorities may differ, and the names of the
/// others.
fn matches_rule(rule: &Rule, live: &Rule) -> bool {
    let (Some(ours), Some(theirs)) = (&rule.statement, &live.statement) else { return false };
    if let (Some(ours), Some(theirs)) = (&ours.managed_rule_group_statement, &theirs.managed_rule_group_statement) {
        return (&ours.vendor_name, &ours.name) == (&theirs.vendor_name, &theirs.name);
    }
    if is_list_rule(&rule.name) {
        let set = |statement: &Statement| Some(statement.ip_set_reference_statement()?.arn.clone());
        return is_list_rule(&live.name) && set(ours) == set(theirs);
    }
    rule.name == live.name && is_custom(rule) == is_custom(live)
}

/// Name of an action, without its details.
fn verdict(action: Option<&RuleAction>) -> Option<&'static str> {
    let action = action?;
    let all = [
        (action.allow.is_some(), "allow"),
        (action.block.is_some(), "block"),
        (action.count.is_some(), "count"),
        (action.captcha.is_some(), "captcha"),
        (action.challenge.is_some(), "challenge"),
    ];
    all.into_iter().find_map(|(set, name)| set.then_some(name))
}

fn is_counted(one: &RuleActionOverride) -> bool {
    one.action_to_use().is_some_and(|action| action.count.is_some())
}

fn group_has(overrides: &[RuleActionOverride], name: &str) -> bool {
    overrides.iter().any(|one| one.name == name)
}

/// CloudWatch metrics under this name, and request samples.
pub(super) fn visibility_config(name: &str) -> Result<VisibilityConfig> {
    let config = VisibilityConfig::builder().metric_name(name).cloud_watch_metrics_enabled(true);
    Ok(config.sampled_requests_enabled(true).build()?)
}

#[cfg(test)]
mod tests {
    use aws_sdk_wafv2::types::{
        CaptchaAction, CustomResponse, GeoMatchStatement, Label, ManagedRuleGroupConfig, RateBasedStatementAggregateKeyType as KeyType,
    };

    use super::*;

    fn complete(rule: RuleBuilder) -> Rule {
        rule.priority(0).build().expect("a complete rule")
    }

    fn scope_down() -> Option<Box<Statement>> {
        Some(Box::new(Statement::builder().geo_match_statement(GeoMatchStatement::builder().build()).build()))
    }

    #[test]
    fn an_update_keeps_the_parts_of_a_managed_group_that_acme_has_no_field_for() {
        let group = |count_rules: &[&str]| ManagedRules {
            name: "common".to_owned(),
            vendor: "AWS".to_owned(),
            version: None,
            count: false,
            count_rules: count_rules.iter().map(|&name| name.to_owned()).collect(),
            scope_down: Vec::new(),
            bot_control: None,
            login: None,
        };
        let mut live = complete(group(&["A", "B"]).rule().expect("a rule"));
        live.name = "made-in-the-console".to_owned();
        live.rule_labels = Some(vec![Label::builder().name("seen").build().expect("a label")]);
        let statement = live.statement.as_mut().and_then(|statement| statement.managed_rule_group_statement.as_mut()).expect("a group");
        statement.scope_down_statement = scope_down();
        statement.managed_rule_group_configs = Some(vec![ManagedRuleGroupConfig::builder().build()]);
        let captcha = RuleAction::builder().captcha(CaptchaAction::builder().build()).build();
        let captcha = |name: &str| RuleActionOverride::builder().name(name).action_to_use(captcha.clone()).build().expect("an override");
        statement.rule_action_overrides.as_mut().expect("overrides").extend([captcha("C"), captcha("D")]);
        assert_eq!(ManagedRules::read(&live), Some(group(&["A", "B"])));

        let wanted = group(&["B", "C"]);
        let sent = with_unmanaged_parts(complete(wanted.rule().expect("a rule")), &[live.clone()]).expect("a rule");
        assert_eq!(ManagedRules::read(&sent), Some(wanted.clone()));
        assert_eq!(sent.rule_labels, live.rule_labels);
        let of =
            |rule: &Rule| rule.statement.as_ref().and_then(|statement| statement.managed_rule_group_statement.clone()).expect("a group");
        assert_eq!(of(&sent).scope_down_statement, of(&live).scope_down_statement);
        assert_eq!(of(&sent).managed_rule_group_configs, of(&live).managed_rule_group_configs);
        let overrides: Vec<_> = of(&sent).rule_action_overrides().iter().map(|one| (one.name.clone(), is_counted(one))).collect();
        assert_eq!(overrides, [("B".to_owned(), true), ("C".to_owned(), true), ("D".to_owned(), false)]);

        let other = ManagedRules { name: "sqli".to_owned(), ..wanted };
        let sent = with_unmanaged_parts(complete(other.rule().expect("a rule")), &[live]).expect("a rule");
        assert_eq!((of(&sent).scope_down_statement, sent.rule_labels), (None, None), "another group");
    }

    #[test]
    fn an_update_keeps_the_parts_of_a_rate_limit_that_acme_has_no_field_for() {
        let limit = |requests, count| RateLimit { requests, window_seconds: DEFAULT_WINDOW_SECONDS, count };
        let mut live = complete(limit(100, false).rule().expect("a rule"));
        let statement = live.statement.as_mut().and_then(|statement| statement.rate_based_statement.as_mut()).expect("a limit");
        statement.aggregate_key_type = KeyType::ForwardedIp;
        statement.scope_down_statement = scope_down();
        let response = CustomResponse::builder().response_code(429).build().expect("a response");
        let action = RuleAction::builder().block(BlockAction::builder().custom_response(response).build()).build();
        live.action = Some(action.clone());

        let sent = with_unmanaged_parts(complete(limit(200, false).rule().expect("a rule")), &[live.clone()]).expect("a rule");
        let of = |rule: &Rule| rule.statement.as_ref().and_then(|statement| statement.rate_based_statement.clone()).expect("a limit");
        assert_eq!(RateLimit::read(&sent), Some(limit(200, false)));
        assert_eq!((of(&sent).aggregate_key_type, of(&sent).scope_down_statement), (KeyType::ForwardedIp, scope_down()));
        assert_eq!(sent.action, Some(action));
        let counted = with_unmanaged_parts(complete(limit(200, true).rule().expect("a rule")), &[live]).expect("a rule");
        assert_eq!(RateLimit::read(&counted), Some(limit(200, true)));
    }
}
