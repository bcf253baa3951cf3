//! Managed rule groups that the account can use.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::{
    ManagedRules, WafWebAcl, WafWebAclChanges, WebAclScope,
    rule::{AWS_RULE_GROUPS, shorten_name},
};
use crate::{
    aws::Aws,
    core::{Problem, Questions},
};

/// Checks that each managed rule group exists, with the vendors the account subscribes to.
pub(super) async fn preflight(acl: &WafWebAcl, questions: &Questions<'_, Aws>, changes: WafWebAclChanges) -> Vec<Problem> {
    if !changes.managed_rules || acl.managed_rules.is_empty() {
        return Vec::new();
    }
    let details = acl.managed_rules.iter().enumerate().map(|(index, group)| details(questions, acl.scope, group, index));
    let (offered, details) = tokio::join!(rule_groups(questions, acl.scope), join_all(details));
    let offered = offered.unwrap_or_default();
    let mut problems = Vec::new();
    for (index, group) in acl.managed_rules.iter().enumerate() {
        let at = WafWebAcl::POINTERS.managed_rules.item(index);
        let of_vendor: BTreeSet<&str> =
            offered.iter().filter(|(vendor, _)| *vendor == group.vendor).map(|(_, name)| shorten_name(name)).collect();
        let scope = format!(" as a managed rule group of {}", group.vendor);
        let at_name = at.clone().field(ManagedRules::POINTERS.name);
        problems.extend(match of_vendor.is_empty() {
            // The simulated cloud has the groups of AWS only.
            true if questions.is_simulated() => None,
            true => {
                let vendors: BTreeSet<&str> = offered.iter().map(|(vendor, _)| vendor.as_str()).collect();
                let at_vendor = at.field(ManagedRules::POINTERS.vendor);
                Problem::not_offered(at_vendor, &group.vendor, "vendors", " as a vendor of managed rule groups", vendors)
            }
            false => Problem::not_offered(at_name, &group.name, "groups", &scope, of_vendor),
        });
    }
    problems.extend(details.into_iter().flatten());
    problems
}

/// Problems with the version of a managed rule group, and with names of its rules: WAF ignores overrides of rules that don't exist.
/// <https://docs.aws.amazon.com/waf/latest/APIReference/API_RuleActionOverride.html>
async fn details(questions: &Questions<'_, Aws>, scope: WebAclScope, group: &ManagedRules, index: usize) -> Vec<Problem> {
    if group.version.is_none() && group.count_rules.is_empty() {
        return Vec::new();
    }
    let at = WafWebAcl::POINTERS.managed_rules.item(index);
    let (vendor, name) = (&group.vendor, group.long_name());
    if let Some(version) = &group.version {
        let versions = versions(questions, scope, vendor, name).await.unwrap_or_default();
        let at = at.clone().field(ManagedRules::POINTERS.version);
        let versions = versions.iter().map(String::as_str);
        if let Some(problem) = Problem::not_offered(at, version, "versions", &format!(" of `{}`", group.name), versions) {
            return vec![problem];
        }
    }
    if group.count_rules.is_empty() {
        return Vec::new();
    }
    let rules = rules(questions, scope, group, name).await.unwrap_or_default();
    let at = at.field(ManagedRules::POINTERS.count_rules);
    let of_group = format!(" in `{}`", group.name);
    let problem = |rule: &String| Problem::not_offered(at.clone(), rule, "rules", &of_group, rules.iter().map(String::as_str));
    group.count_rules.iter().filter_map(problem).collect()
}

/// Versions of a managed rule group. `None` without an answer; empty for a group without versions.
async fn versions(questions: &Questions<'_, Aws>, scope: WebAclScope, vendor: &str, name: &str) -> Option<BTreeSet<String>> {
    let call = |aws: &Aws| {
        let call = aws.wafv2.list_available_managed_rule_group_versions().scope(scope.to_sdk()).vendor_name(vendor).name(name).limit(100);
        async move { Ok(call.send().await?.versions.unwrap_or_default().into_iter().filter_map(|version| version.name).collect()) }
    };
    questions.ask("wafv2:ListAvailableManagedRuleGroupVersions", &format!("{vendor} {name}"), call).await
}

/// Names of the rules of a managed rule group. `None` without an answer.
async fn rules(questions: &Questions<'_, Aws>, scope: WebAclScope, group: &ManagedRules, name: &str) -> Option<BTreeSet<String>> {
    let call = |aws: &Aws| {
        let call = aws.wafv2.describe_managed_rule_group().scope(scope.to_sdk()).vendor_name(&group.vendor).name(name);
        let call = call.set_version_name(group.version.clone());
        async move { Ok(call.send().await?.rules.unwrap_or_default().into_iter().filter_map(|rule| rule.name).collect()) }
    };
    let parameters = format!("{} {name} {}", group.vendor, group.version.as_deref().unwrap_or_default());
    questions.ask("wafv2:DescribeManagedRuleGroup", &parameters, call).await
}

/// Vendors and names of managed rule groups. `None` without an answer.
async fn rule_groups(questions: &Questions<'_, Aws>, scope: WebAclScope) -> Option<Vec<(String, String)>> {
    let scope = scope.to_sdk();
    let parameters = scope.as_str().to_owned();
    let call = |aws: &Aws| {
        let wafv2 = aws.wafv2.clone();
        async move {
            let (mut groups, mut next) = (Vec::new(), None);
            loop {
                let page = wafv2.list_available_managed_rule_groups().scope(scope.clone()).limit(100).set_next_marker(next).send().await?;
                let found = page.managed_rule_groups.unwrap_or_default().into_iter();
                groups.extend(found.filter_map(|group| Some((group.vendor_name?, group.name?))));
                next = page.next_marker.filter(|marker| !marker.is_empty());
                if next.is_none() {
                    return Ok(groups);
                }
            }
        }
    };
    let published = |_: &str| AWS_RULE_GROUPS.iter().map(|name| ("AWS".to_owned(), (*name).to_owned())).collect();
    questions.ask_or_simulate("wafv2:ListAvailableManagedRuleGroups", &parameters, published, call).await
}
