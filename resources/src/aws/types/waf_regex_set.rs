//! `waf_regex_set`: regular expressions that rules of web firewalls refer to.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{Regex, RegexPatternSet};

use super::waf_web_acl::{WebAclScope, list_arns_in_scope, parse_arn, read_tags, with_lock};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, Created, Deletion, Error, Existing, IamActions, Observed, Problem, Resource, Result, Scope, TypeInfo, ok_or_not_found,
    },
};

/// Longest expression: <https://docs.aws.amazon.com/waf/latest/developerguide/limits.html>.
pub(super) const MAX_EXPRESSION_CHARACTERS: usize = 200;

/// Regular expressions that rules of web firewalls refer to.
#[spec]
pub struct WafRegexSet {
    /// Physical name.
    #[field(name(max = 128), pattern = r"[\w-]+", replaces, unique = "name")]
    pub name: Option<String>,
    /// `regional`, or `cloudfront`: then it is in us-east-1, whatever the stack's region is.
    #[field(default = WebAclScope::Regional, replaces, unique = "name", global_region = "cloudfront")]
    pub scope: WebAclScope,
    /// Expressions of at most 200 characters, in the syntax of PCRE without backreferences, lookarounds and possessive quantifiers. A
    /// request matches the set if it matches one of them.
    #[field(default, length = 0..=10, important)]
    pub expressions: BTreeSet<String>,
    /// Description of 3 to 256 characters.
    // Characters: <https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateRegexPatternSet.html>
    #[field(default, length = 3..=256, pattern = r"[\w+=:#@/,.-][\w+=:#@/,.\s-]+[\w+=:#@/,.-]", dropped = None)]
    pub description: Option<String>,
}

impl Resource for WafRegexSet {
    const TYPE: TypeInfo = TypeInfo::new(
        "waf_regex_set",
        &services::wafv2::SERVICE,
        "{arn}",
        "arn:aws:wafv2:{region}:{account}:{scope|cloudfront=global|regional}/regexpatternset/{name}/{uuid}",
    )
    .without_charge("the web ACL costs")
    .without_token()
    // https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
    .quota(10, "WAFLimitsExceededException")
    .iam_actions(
        IamActions::new("wafv2:*/regexpatternset/{name}/*")
            .list(&["wafv2:ListRegexPatternSets"])
            .read(&["wafv2:GetRegexPatternSet", "wafv2:ListTagsForResource"])
            .create(&["wafv2:CreateRegexPatternSet"])
            .change(&["wafv2:DeleteRegexPatternSet", "wafv2:UpdateRegexPatternSet"]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let page = |waf_scope, marker| async move {
            let page = aws.wafv2.list_regex_pattern_sets().scope(waf_scope).limit(100).set_next_marker(marker).send().await?;
            let sets = page.regex_pattern_sets.unwrap_or_default().into_iter();
            Ok((sets.filter_map(|set| Some((set.name?, set.arn?))).collect(), page.next_marker))
        };
        for_each_concurrent(list_arns_in_scope(aws, scope, "regexpatternset", page).await?, |arn| async move {
            let Some((set, lock)) = ok_or_not_found(get_regex_set(aws, &arn).await)? else { return Ok(None) };
            let Some(tags) = read_tags(aws, scope, &arn).await? else { return Ok(None) };
            let spec = WafRegexSet::read(set, &arn);
            Ok(Some(Observed::new(arn.clone(), tags, spec, ArnOutput { arn }).version(lock)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.wafv2.create_regex_pattern_set().set_name(self.name.clone()).scope(self.scope.to_sdk());
        let call = call.set_description(self.description.clone()).set_regular_expression_list(Some(self.regexes()));
        let reply = call.set_tags(Some(services::wafv2::to_tags(&cx.call.tags))).send().await?;
        Ok(reply.summary.and_then(|summary| summary.arn).ok_or_else(|| Error::missing_field("ARN"))?.into())
    }

    /// UpdateRegexPatternSet replaces the complete set.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: WafRegexSetChanges) -> Result<()> {
        let (scope, name, id) = parse_arn(&live.id);
        let description = self.description.as_ref().or(live.spec.description.as_ref().filter(|_| !changes.description)).cloned();
        let call = cx.wafv2.update_regex_pattern_set().scope(scope).name(name).id(id);
        let call = call.set_regular_expression_list(Some(self.regexes())).set_description(description);
        with_lock(live, get_lock_token(cx, &live.id), |lock| call.clone().set_lock_token(lock).send()).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (scope, name, id) = parse_arn(&live.id);
        let call = cx.wafv2.delete_regex_pattern_set().scope(scope).name(name).id(id);
        with_lock(live, get_lock_token(cx, &live.id), |lock| call.clone().set_lock_token(lock).send()).await?;
        Ok(Deletion::Requested)
    }

    fn check(&self) -> Vec<Problem> {
        let problem = |text: &String| Some(Problem::new(Self::POINTERS.expressions, invalid_expression(text)?));
        self.expressions.iter().filter_map(problem).collect()
    }
}

impl WafRegexSet {
    fn regexes(&self) -> Vec<Regex> {
        self.expressions.iter().map(|text| Regex::builder().regex_string(text).build()).collect()
    }

    fn read(set: RegexPatternSet, arn: &str) -> WafRegexSet {
        WafRegexSet {
            name: set.name,
            scope: WebAclScope::of_arn(arn),
            expressions: set.regular_expression_list.unwrap_or_default().into_iter().filter_map(|regex| regex.regex_string).collect(),
            description: set.description.filter(|text| !text.is_empty()),
        }
    }
}

/// Why WAF would refuse an expression, as far as this is known without asking it: its length, and syntax that it does not support.
///
/// Source: <https://docs.aws.amazon.com/waf/latest/developerguide/waf-regex-pattern-support.html>.
pub(super) fn invalid_expression(text: &str) -> Option<String> {
    if text.contains("${") {
        return None;
    }
    let length = text.chars().count();
    if length == 0 || length > MAX_EXPRESSION_CHARACTERS {
        return Some(format!("an expression has 1 to {MAX_EXPRESSION_CHARACTERS} characters, this one {length}"));
    }
    let unsupported = [("(?=", "lookahead"), ("(?!", "lookahead"), ("(?<=", "lookbehind"), ("(?<!", "lookbehind")];
    let found = unsupported.into_iter().find_map(|(syntax, name)| text.contains(syntax).then_some(name));
    found.map(|name| format!("WAF does not support a {name}, in `{text}`"))
}

/// Set with the lock token for the next change.
async fn get_regex_set(aws: &Aws, arn: &str) -> Result<(RegexPatternSet, Option<String>)> {
    let (scope, name, id) = parse_arn(arn);
    let reply = aws.wafv2.get_regex_pattern_set().scope(scope).name(name).id(id).send().await?;
    Ok((reply.regex_pattern_set.ok_or_else(|| Error::missing_field("RegexPatternSet"))?, reply.lock_token))
}

async fn get_lock_token(aws: &Aws, arn: &str) -> Result<Option<String>> {
    Ok(get_regex_set(aws, arn).await?.1)
}
