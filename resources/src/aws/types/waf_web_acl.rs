//! `waf_web_acl`: a web firewall with rules of its own, managed rule groups and a rate limit.

mod condition;
mod custom_rule;
mod logging;
mod managed_config;
mod preflight;
mod rate;
mod request_match;
mod request_part;
mod rule;

use std::collections::{BTreeSet, HashMap};

use acme_macros::spec;
use aws_sdk_wafv2::types::{AllowAction, BlockAction, CustomResponseBody, DefaultAction, Rule, Scope as WafScope, WebAcl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::rule::{ACCOUNT_TAKEOVER_GROUP, visibility_config};
pub use self::{
    custom_rule::CustomRule,
    logging::Logging,
    rule::{ManagedRules, RateLimit},
};
use super::waf_ip_set::WafIpSet;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnRef, Created, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, PriceContext, Pricing, Problem, Product,
        Questions, Resource, Result, Scope, Tags, TypeInfo, UsageKey, ok_or_not_found,
    },
};

/// A web firewall.
#[spec]
pub struct WafWebAcl {
    /// Physical name.
    #[field(name(max = 128), pattern = r"[\w-]+", replaces, unique = "name")]
    pub name: Option<String>,
    /// `regional`, or `cloudfront`: then it is in us-east-1, whatever the stack's region is.
    #[field(important, default = WebAclScope::Regional, replaces, unique = "name", global_region = "cloudfront")]
    pub scope: WebAclScope,
    /// Action for a request that matches no rule.
    #[field(default = AclAction::Allow, important)]
    pub default_action: AclAction,
    /// Description of 3 to 256 characters.
    // Characters: <https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html>
    #[field(default, length = 3..=256, pattern = r"[\w+=:#@/,.-][\w+=:#@/,.\s-]+[\w+=:#@/,.-]", dropped = None)]
    pub description: Option<String>,
    /// Sets of allowed addresses, evaluated before all other rules.
    #[field(default)]
    pub allow: BTreeSet<ArnRef<WafIpSet>>,
    /// Sets of blocked addresses, evaluated after `allow`.
    #[field(default)]
    pub block: BTreeSet<ArnRef<WafIpSet>>,
    /// Rate limit per client address, evaluated after `block`.
    #[field(unset = "no limit", important)]
    pub rate_limit: RateLimit,
    /// Rules with conditions, evaluated in this order, after `rate_limit`.
    #[field(default, length = 0..=100, important)]
    pub rules: Vec<CustomRule>,
    /// Managed rule groups of AWS or another vendor, evaluated in this order, after `rules`.
    #[field(default, important)]
    pub managed_rules: Vec<ManagedRules>,
    /// Rules evaluated after `managed_rules`, such as those about labels that these add.
    #[field(default, length = 0..=100, important)]
    pub final_rules: Vec<CustomRule>,
    /// Logs requests.
    #[field(important, default, after_create, own_read, dropped = None)]
    pub logging: Option<Logging>,
}

/// Resources that a firewall can protect.
#[spec]
#[derive(Copy, Default)]
pub enum WebAclScope {
    /// Load balancers, APIs and user pools of the region.
    #[default]
    Regional,
    /// CloudFront distributions.
    Cloudfront,
}

/// Action for a request.
#[spec]
#[derive(Copy, Default)]
#[allow(missing_docs)]
pub enum AclAction {
    #[default]
    Allow,
    Block,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Capacity units in use, of 5,000.
    pub capacity: i64,
}

/// Requests in a month.
const REQUESTS: UsageKey = UsageKey::new("requests", "requests in a month");

/// Groups of AWS with fees besides that of a rule.
const PAID_GROUPS: &[&str] = &["AWSManagedRulesATPRuleSet", "AWSManagedRulesACFPRuleSet", "AWSManagedRulesBotControlRuleSet"];

impl Resource for WafWebAcl {
    const TYPE: TypeInfo = TypeInfo::new(
        "waf_web_acl",
        &services::wafv2::SERVICE,
        "{arn}",
        "arn:aws:wafv2:{region}:{account}:{scope|cloudfront=global|regional}/webacl/{name}/{uuid}",
    )
    .without_token()
    .iam_actions(
        IamActions::new("wafv2:*/webacl/{name}/*")
            .list(&["wafv2:ListWebACLs"])
            .read(&["wafv2:GetLoggingConfiguration", "wafv2:GetWebACL", "wafv2:ListTagsForResource"])
            .create(&["wafv2:CreateWebACL"])
            .change(&["wafv2:DeleteLoggingConfiguration", "wafv2:DeleteWebACL", "wafv2:PutLoggingConfiguration", "wafv2:UpdateWebACL"])
            .questions(&[
                "wafv2:DescribeManagedRuleGroup",
                "wafv2:ListAvailableManagedRuleGroupVersions",
                "wafv2:ListAvailableManagedRuleGroups",
            ])
            .grants(&[
                IamGrant::change(&["wafv2:CreateWebACL", "wafv2:UpdateWebACL"], GrantTarget::Arn("wafv2:*/managedruleset/*")),
                IamGrant::change(&["wafv2:CreateWebACL", "wafv2:UpdateWebACL"], GrantTarget::Referenced("waf_ip_set")),
                IamGrant::change(&["wafv2:CreateWebACL", "wafv2:UpdateWebACL"], GrantTarget::Referenced("waf_regex_set")),
                // WAF sets up the delivery of logs with the caller's permissions.
                // https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html, and -s3.html
                IamGrant::change(
                    &[
                        "logs:CreateLogDelivery",
                        "logs:DeleteLogDelivery",
                        "logs:DescribeLogGroups",
                        "logs:DescribeResourcePolicies",
                        "logs:PutResourcePolicy",
                    ],
                    GrantTarget::AllResources,
                ),
                IamGrant::change(&["s3:GetBucketPolicy", "s3:PutBucketPolicy"], GrantTarget::Arn("s3:aws-waf-logs-*")),
            ]),
    );
    const USAGE: &'static [UsageKey] = &[REQUESTS];
    type Api = Aws;
    type Outputs = Outputs;

    /// Each rule counts, and so does each group of rules: <https://aws.amazon.com/waf/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let is_global = self.scope == WebAclScope::Cloudfront;
        let product = |usage_type| {
            let product = Product::new("awswaf").family("Web Application Firewall").usage_type(usage_type);
            if is_global { product.global() } else { product }
        };
        let rules = self.rules.len() + self.managed_rules.len() + self.final_rules.len() + self.allow.len() + self.block.len();
        let rules = u32::try_from(rules + usize::from(self.rate_limit.requests > 0)).unwrap_or(u32::MAX);
        let pricing = Pricing::of(vec![
            context.monthly("web ACL", 1.0, "ACL-months", product("WebACLV2")),
            context.monthly("rules", f64::from(rules), "rule-months", product("RuleV2")),
            context.metered("requests", &REQUESTS, "requests", product("RequestV2-Tier1")),
        ]);
        let is_paid = |group: &ManagedRules| PAID_GROUPS.contains(&group.name.as_str());
        if self.managed_rules.iter().any(is_paid) { pricing.without("the fees of bot control and fraud control") } else { pricing }
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let page = |waf_scope, marker| async move {
            let page = aws.wafv2.list_web_acls().scope(waf_scope).limit(100).set_next_marker(marker).send().await?;
            let acls = page.web_acls.unwrap_or_default().into_iter();
            Ok((acls.filter_map(|acl| Some((acl.name?, acl.arn?))).collect(), page.next_marker))
        };
        for_each_concurrent(list_arns_in_scope(aws, scope, "webacl", page).await?, |arn| async move {
            let Some((acl, lock)) = ok_or_not_found(get_web_acl(aws, &arn).await)? else { return Ok(None) };
            let Some(tags) = read_tags(aws, scope, &arn).await? else { return Ok(None) };
            let own_reads = scope.own_reads_to_make::<Self>(&tags);
            let logging = if own_reads.logging { logging::read(aws, &arn).await? } else { None };
            let spec = WafWebAcl { logging, ..WafWebAcl::read(&acl, &arn) };
            let outputs = Outputs { arn: arn.clone(), capacity: acl.capacity };
            Ok(Some(Observed::new(arn, tags, spec, outputs).version(lock)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().unwrap_or_default();
        let call = cx.wafv2.create_web_acl().name(&name).scope(self.scope.to_sdk()).default_action(self.default_action());
        let call =
            call.set_description(self.description.clone()).visibility_config(visibility_config(&name)?).set_rules(Some(self.rules()?));
        let bodies = self.response_bodies()?;
        let call = call.set_custom_response_bodies((!bodies.is_empty()).then_some(bodies));
        let reply = call.set_tags(Some(services::wafv2::to_tags(&cx.call.tags))).send().await?;
        Ok(reply.summary.and_then(|summary| summary.arn).ok_or_else(|| Error::missing_field("ARN"))?.into())
    }

    /// UpdateWebACL replaces the complete firewall, so settings of the firewall and its rules that acme does not manage are read and sent back.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: WafWebAclChanges) -> Result<()> {
        if changes.logging {
            match &self.logging {
                Some(logging) => logging.put(cx, &live.id).await?,
                None => logging::delete(cx, &live.id).await?,
            }
        }
        let WafWebAclChanges { default_action, description, allow, block, rate_limit, rules, managed_rules, final_rules, .. } = changes;
        if ![default_action, description, allow, block, rate_limit, rules, managed_rules, final_rules].contains(&true) {
            return Ok(());
        }
        let (acl, lock) = get_web_acl(cx, &live.id).await?;
        let call = cx.wafv2.update_web_acl().name(&acl.name).id(&acl.id).scope(self.scope.to_sdk()).set_lock_token(lock);
        let rules = self.rules()?.into_iter().map(|rule| rule::with_unmanaged_parts(rule, acl.rules()));
        let mut rules = rules.collect::<Result<Vec<_>>>()?;
        rules.extend(acl.rules().iter().filter(|rule| rule::is_of_shield(rule)).cloned());
        // Bodies without a rule stay: rules of Shield, and responses that acme does not manage, may use them.
        let mut bodies = acl.custom_response_bodies.unwrap_or_default();
        bodies.extend(self.response_bodies()?);
        let visibility = acl.visibility_config.clone().map_or_else(|| visibility_config(&acl.name), Ok)?;
        let kept = acl.description.filter(|text| !changes.description && !text.is_empty());
        let call = call.default_action(self.default_action()).set_description(self.description.clone().or(kept));
        let call = call.visibility_config(visibility).set_rules(Some(rules));
        call.set_custom_response_bodies((!bodies.is_empty()).then_some(bodies))
            .set_captcha_config(acl.captcha_config)
            .set_challenge_config(acl.challenge_config)
            .set_token_domains(acl.token_domains)
            .set_association_config(acl.association_config)
            .set_data_protection_config(acl.data_protection_config)
            .set_on_source_d_do_s_protection_config(acl.on_source_d_do_s_protection_config)
            .set_application_config(acl.application_config)
            .set_monetization_config(acl.monetization_config)
            .send()
            .await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (scope, name, id) = parse_arn(&live.id);
        let call = cx.wafv2.delete_web_acl().name(name).id(id).scope(scope);
        let read = async { Ok(get_web_acl(cx, &live.id).await?.1) };
        with_lock(live, read, |lock| call.clone().set_lock_token(lock).send()).await?;
        Ok(Deletion::Requested)
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: WafWebAclChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        for (at, group) in self.managed_rules.iter().enumerate() {
            if !names.insert(group.rule_name()) {
                problems.push(Problem::new(
                    Self::POINTERS.managed_rules.item(at).field(ManagedRules::POINTERS.name),
                    format!("the group {} is listed twice", group.name),
                ));
            }
            let pointer = || Self::POINTERS.managed_rules.item(at);
            if group.vendor == "AWS" && group.name == ACCOUNT_TAKEOVER_GROUP && group.login.is_none() {
                let problem =
                    Problem::new(pointer().field(ManagedRules::POINTERS.name), "the group protects a login page, which `login` describes");
                problems.push(problem.help("add `login: { path: /login, username_field: user, password_field: password }`"));
            }
            let scope_down = group.scope_down.iter().flat_map(condition::Condition::problems);
            problems.extend(scope_down.map(|message| Problem::new(pointer().field(ManagedRules::POINTERS.scope_down), message)));
        }
        for (list, rules) in [(Self::POINTERS.rules, &self.rules), (Self::POINTERS.final_rules, &self.final_rules)] {
            for (at, rule) in rules.iter().enumerate() {
                let place = || list.clone().item(at);
                problems.extend(rule.problems().into_iter().map(|message| Problem::new(place(), message)));
                if !names.insert(rule.name.clone()) {
                    let message = format!("two rules have the name `{}`", rule.name);
                    problems.push(Problem::new(place().field(CustomRule::POINTERS.name), message));
                }
            }
        }
        let limit = &self.rate_limit;
        if limit.requests != 0 && limit.requests < 10 {
            problems.push(Problem::new(Self::POINTERS.rate_limit.field(RateLimit::POINTERS.requests), "must be at least 10 requests"));
        }
        problems
    }

    /// Without managed groups, nothing tells `rules` from `final_rules`.
    fn normalize(&self, live: &mut Self) {
        let all = |acl: &Self| acl.rules.iter().chain(&acl.final_rules).cloned().collect::<Vec<_>>();
        if live.managed_rules.is_empty() && all(self) == all(live) {
            live.rules = self.rules.clone();
            live.final_rules = self.final_rules.clone();
        }
    }
}

impl WafWebAcl {
    fn default_action(&self) -> DefaultAction {
        match self.default_action {
            AclAction::Allow => DefaultAction::builder().allow(AllowAction::builder().build()).build(),
            AclAction::Block => DefaultAction::builder().block(BlockAction::builder().build()).build(),
        }
    }

    /// Rules in WAF's format.
    pub fn rules(&self) -> Result<Vec<Rule>> {
        let lists = [(&self.allow, AclAction::Allow), (&self.block, AclAction::Block)];
        let lists = lists.into_iter().flat_map(|(sets, verdict)| sets.iter().zip(1..).map(move |(set, n)| verdict.rule(set, n)));
        let limit = (self.rate_limit.requests > 0).then(|| self.rate_limit.rule());
        let groups = self.managed_rules.iter().map(ManagedRules::rule);
        let all = lists.chain(limit).chain(self.rules.iter().map(CustomRule::rule)).chain(groups);
        let all = all.chain(self.final_rules.iter().map(CustomRule::rule)).zip(0..);
        all.map(|(rule, priority)| Ok(rule?.priority(priority).build()?)).collect()
    }

    /// Bodies of responses to blocked requests, by the names of the rules.
    fn response_bodies(&self) -> Result<HashMap<String, CustomResponseBody>> {
        let bodies = self.rules.iter().chain(&self.final_rules).map(CustomRule::response_body);
        Ok(bodies.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Everything but the logging.
    fn read(acl: &WebAcl, arn: &str) -> WafWebAcl {
        let mut rules: Vec<_> = acl.rules().iter().filter(|rule| !rule::is_of_shield(rule)).collect();
        rules.sort_by_key(|rule| rule.priority);
        let limit = rules.iter().find_map(|rule| RateLimit::read(rule));
        let listed =
            |verdict| rules.iter().filter_map(|rule| AclAction::read(rule)).filter(move |(v, _)| *v == verdict).map(|(_, set)| set);
        let (allow, block) = (listed(AclAction::Allow).collect(), listed(AclAction::Block).collect());
        let rest: Vec<_> = rules.into_iter().filter(|rule| RateLimit::read(rule).is_none() && AclAction::read(rule).is_none()).collect();
        let managed: Vec<_> = rest.iter().filter_map(|rule| Some((rule.priority, ManagedRules::read(rule)?))).collect();
        let first_group = managed.first().map_or(i32::MAX, |(priority, _)| *priority);
        let bodies = acl.custom_response_bodies().cloned().unwrap_or_default();
        let custom = rest.iter().filter(|rule| ManagedRules::read(rule).is_none());
        let (before, after): (Vec<_>, Vec<_>) = custom.partition(|rule| rule.priority < first_group);
        let read = |rules: Vec<&&Rule>| rules.into_iter().map(|rule| CustomRule::read(rule, &bodies)).collect();
        WafWebAcl {
            name: Some(acl.name.clone()),
            scope: WebAclScope::of_arn(arn),
            default_action: match &acl.default_action {
                Some(action) if action.block.is_some() => AclAction::Block,
                _ => AclAction::Allow,
            },
            description: acl.description.clone().filter(|text| !text.is_empty()),
            allow,
            block,
            rate_limit: limit.unwrap_or_default(),
            rules: read(before),
            managed_rules: managed.into_iter().map(|(_, group)| group).collect(),
            final_rules: read(after),
            logging: None,
        }
    }
}

impl WebAclScope {
    /// The scope in the ARN of a firewall or set.
    pub(super) fn of_arn(arn: &str) -> WebAclScope {
        if arn.contains(":global/") { WebAclScope::Cloudfront } else { WebAclScope::Regional }
    }

    pub(super) fn to_sdk(self) -> WafScope {
        match self {
            WebAclScope::Regional => WafScope::Regional,
            WebAclScope::Cloudfront => WafScope::Cloudfront,
        }
    }
}

/// Firewall with the lock token for the next change.
async fn get_web_acl(aws: &Aws, arn: &str) -> Result<(WebAcl, Option<String>)> {
    let (scope, name, id) = parse_arn(arn);
    let reply = aws.wafv2.get_web_acl().name(name).id(id).scope(scope).send().await?;
    Ok((reply.web_acl.ok_or_else(|| Error::missing_field("WebACL"))?, reply.lock_token))
}

/// WAF calls require scope, name and id, which are parts of an ARN: `arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/NAME/ID`.
pub(super) fn parse_arn(arn: &str) -> (WafScope, &str, &str) {
    let mut parts = arn.rsplit('/');
    let (id, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (WebAclScope::of_arn(arn).to_sdk(), name, id)
}

/// Makes a change with the lock token from the list. If there is none, or it is stale because of a later change (perhaps an earlier
/// attempt without a response), reads a new one.
pub(super) async fn with_lock<R, F, T, E>(
    live: &Existing<R>,
    read: impl Future<Output = Result<Option<String>>>,
    change: impl Fn(Option<String>) -> F,
) -> Result<()>
where
    F: Future<Output = std::result::Result<T, E>>,
    Error: From<E>,
{
    if let Some(lock) = &live.version {
        match change(Some(lock.clone())).await.map_err(Error::from) {
            Err(error) if error.code == "WAFOptimisticLockException" => {}
            answer => return answer.map(drop),
        }
    }
    change(read.await?).await?;
    Ok(())
}

/// ARNs of the resources of one kind (`webacl`) that the stack may own. `page` returns names and ARNs, and the marker of the next page.
pub(super) async fn list_arns_in_scope<F>(
    aws: &Aws,
    scope: &Scope,
    kind: &str,
    page: impl Fn(WafScope, Option<String>) -> F,
) -> Result<Vec<String>>
where
    F: Future<Output = Result<(Vec<(String, String)>, Option<String>)>>,
{
    if let Some(ids) = scope.waited_for() {
        return Ok(ids.iter().cloned().collect());
    }
    if let Some(index) = scope.complete_index() {
        return Ok(index.keys().filter(|arn| arn.contains(&format!("/{kind}/"))).cloned().collect());
    }
    let mut own: Vec<String> = Vec::new();
    for waf_scope in [WafScope::Regional, WafScope::Cloudfront] {
        // Resources for CloudFront are in us-east-1. They are not listed if all desired names were found before.
        let known = scope.lookup.iter().all(|name| own.iter().any(|arn| arn.contains(&format!("/{name}/"))));
        let indexed = scope.tag_index.as_ref().is_none_or(|index| index.keys().any(|arn| arn.contains(&format!(":global/{kind}/"))));
        if waf_scope == WafScope::Cloudfront && (aws.region != "us-east-1" || known && !indexed) {
            continue;
        }
        let mut marker = None;
        loop {
            let (found, next) = page(waf_scope.clone(), marker).await?;
            own.extend(found.into_iter().filter(|(name, arn)| scope.covers(name, arn)).map(|(_, arn)| arn));
            marker = next.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
    }
    Ok(own)
}

/// Tags; `None` if it does not exist.
pub(super) async fn read_tags(aws: &Aws, scope: &Scope, arn: &str) -> Result<Option<Tags>> {
    let read = async {
        let reply = ok_or_not_found(aws.wafv2.list_tags_for_resource().resource_arn(arn).limit(100).send().await)?;
        Ok(reply.map(|reply| reply.tag_info_for_resource.map(|info| services::wafv2::from_tags(info.tag_list())).unwrap_or_default()))
    };
    scope.tags_or_fetch(arn, read).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_shield_is_not_read() {
        let shield = Rule::builder().name("ShieldMitigationRuleGroup_123456789012_1_2").priority(10_000_000);
        let shield = shield.visibility_config(visibility_config("shield").expect("a config")).build().expect("a rule");
        let sdk = WebAcl::builder().name("web").id("1").arn("arn").rules(shield).build().expect("complete");
        assert!(WafWebAcl::read(&sdk, "arn:aws:wafv2:eu-west-1:1:regional/webacl/web/1").managed_rules.is_empty());
    }

    #[test]
    fn rules_round_trip_through_the_sdk() {
        let acl: WafWebAcl = serde_json::from_value(serde_json::json!({
            "name": "web",
            "managed_rules": [{ "name": "AWSManagedRulesCommonRuleSet", "count_rules": ["SizeRestrictions_BODY"] }, { "name": "sqli", "count": true }],
            "rate_limit": { "requests": 2000 },
            "allow": ["arn:aws:wafv2:::office", "arn:aws:wafv2:::vpn"],
            "block": ["arn:aws:wafv2:::abuse"],
        }))
        .expect("a firewall");
        let sdk = WebAcl::builder().name("web").id("1").arn("arn").set_rules(Some(acl.rules().expect("rules"))).build().expect("complete");
        let read = WafWebAcl::read(&sdk, "arn:aws:wafv2:eu-west-1:1:regional/webacl/web/1");
        assert_eq!((read.managed_rules, read.rate_limit), (acl.managed_rules, acl.rate_limit));
        assert_eq!((read.allow, read.block), (acl.allow, acl.block));
        let order: Vec<_> = sdk.rules().iter().map(|rule| (rule.priority, rule.name.as_str())).collect();
        let groups = [(4, "AWSManagedRulesCommonRuleSet"), (5, "AWSManagedRulesSQLiRuleSet")];
        assert_eq!(order, [&[(0, "allow-1"), (1, "allow-2"), (2, "block-1"), (3, "rate-limit")], &groups[..]].concat());
    }
}
