//! Rules of a firewall: sets of addresses, a rate limit, managed rule groups.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CountAction, IpSetReferenceStatement, ManagedRuleGroupStatement, NoneAction, OverrideAction,
    RateBasedStatement, RateBasedStatementAggregateKeyType, Rule, RuleAction, RuleActionOverride, Statement, VisibilityConfig,
    builders::RuleBuilder,
};
use serde::{Deserialize, Deserializer};

use super::{super::waf_ip_set::WafIpSet, AclAction};
use crate::core::{ArnRef, Result};

/// Managed rule group of AWS or another vendor.
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
    #[field(unset = "the vendor's current default version")]
    pub version: Option<String>,
    /// Counts requests that the group would block, instead of blocking them.
    #[field(default = false, risky(true, "it blocks nothing"))]
    pub count: bool,
    /// Rules of the group that only count requests.
    #[field(default)]
    pub count_rules: BTreeSet<String>,
}

/// Rate limit per client address.
#[spec]
#[derive(Default, PartialEq)]
pub struct RateLimit {
    /// Maximum number of requests in the window, at least 10; 0 for no limit.
    #[field(range = 0..=2_000_000_000)]
    pub requests: u32,
    /// The window, in seconds: 60, 120, 300 or 600.
    #[field(default = DEFAULT_WINDOW_SECONDS)]
    pub window_seconds: u32,
    /// Counts requests over the limit, instead of blocking them.
    #[field(default = false, risky(true, "it blocks nothing"))]
    pub count: bool,
}

const DEFAULT_WINDOW_SECONDS: u32 = 300;

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

fn shorten_name(name: &str) -> String {
    MANAGED_RULE_GROUPS.iter().find(|(_, long)| *long == name).map_or(name, |(short, _)| short).to_owned()
}

fn short_name<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(shorten_name(&String::deserialize(deserializer)?))
}

const RATE_LIMIT: &str = "rate-limit";
/// Vendor of a rule that acme did not write, so that a plan shows a difference.
const CUSTOM_RULE: &str = "custom rule";

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

    /// Set that a rule allows or blocks. acme never writes rules about forwarded addresses.
    pub(super) fn read(rule: &Rule) -> Option<(AclAction, ArnRef<WafIpSet>)> {
        let set = rule.statement()?.ip_set_reference_statement().filter(|set| set.ip_set_forwarded_ip_config.is_none())?;
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
    fn long_name(&self) -> &str {
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
        let action = OverrideAction::builder();
        let action = match self.count {
            true => action.count(CountAction::builder().build()),
            false => action.none(NoneAction::builder().build()),
        };
        let name = self.rule_name();
        let statement = Statement::builder().managed_rule_group_statement(group.build()?).build();
        let rule = Rule::builder().name(&name).statement(statement).override_action(action.build());
        Ok(rule.visibility_config(visibility_config(&name)?))
    }

    pub(super) fn read(rule: &Rule) -> ManagedRules {
        let Some(group) = rule.statement().and_then(|statement| statement.managed_rule_group_statement()) else {
            return ManagedRules {
                name: rule.name.clone(),
                vendor: CUSTOM_RULE.to_owned(),
                version: None,
                count: false,
                count_rules: BTreeSet::new(),
            };
        };
        let counted = |one: &&RuleActionOverride| one.action_to_use().is_some_and(|action| action.count.is_some());
        let overridden = group.rule_action_overrides().iter().filter(counted).map(|one| one.name.clone());
        ManagedRules {
            name: if group.vendor_name == "AWS" { shorten_name(&group.name) } else { group.name.clone() },
            vendor: group.vendor_name.clone(),
            version: group.version.clone(),
            count: rule.override_action().is_some_and(|action| action.count.is_some()),
            // `ExcludedRules` is an older equivalent.
            count_rules: overridden.chain(group.excluded_rules().iter().map(|rule| rule.name.clone())).collect(),
        }
    }
}

/// CloudWatch metrics under this name, and request samples.
pub(super) fn visibility_config(name: &str) -> Result<VisibilityConfig> {
    let config = VisibilityConfig::builder().metric_name(name).cloud_watch_metrics_enabled(true);
    Ok(config.sampled_requests_enabled(true).build()?)
}
