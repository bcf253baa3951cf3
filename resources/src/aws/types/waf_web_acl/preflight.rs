//! Managed rule groups that the account can use.

use std::collections::BTreeSet;

use aws_sdk_wafv2::types::Scope as WafScope;

use super::{
    WafWebAcl, WafWebAclChanges, WebAclScope,
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
    let offered = rule_groups(questions, acl.scope).await.unwrap_or_default();
    let mut problems = Vec::new();
    for (index, group) in acl.managed_rules.iter().enumerate() {
        let at = WafWebAcl::POINTERS.managed_rules.item(index);
        let of_vendor: BTreeSet<&str> =
            offered.iter().filter(|(vendor, _)| *vendor == group.vendor).map(|(_, name)| shorten_name(name)).collect();
        let scope = format!(" as a managed rule group of {}", group.vendor);
        let at_name = at.clone().field(super::ManagedRules::POINTERS.name);
        problems.extend(match of_vendor.is_empty() {
            // The simulated cloud has the groups of AWS only.
            true if questions.is_simulated() => None,
            true => {
                let vendors: BTreeSet<&str> = offered.iter().map(|(vendor, _)| vendor.as_str()).collect();
                let at_vendor = at.field(super::ManagedRules::POINTERS.vendor);
                Problem::not_offered(at_vendor, &group.vendor, "vendors", " as a vendor of managed rule groups", vendors)
            }
            false => Problem::not_offered(at_name, &group.name, "groups", &scope, of_vendor),
        });
    }
    problems
}

/// Vendors and names of managed rule groups. `None` without an answer.
async fn rule_groups(questions: &Questions<'_, Aws>, scope: WebAclScope) -> Option<Vec<(String, String)>> {
    let scope = match scope {
        WebAclScope::Regional => WafScope::Regional,
        WebAclScope::Cloudfront => WafScope::Cloudfront,
    };
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
