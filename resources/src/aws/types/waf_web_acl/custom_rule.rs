//! Rules with conditions of their own.

use std::collections::{BTreeSet, HashMap};

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CaptchaAction, ChallengeAction, CountAction, CustomResponse, CustomResponseBody, Label, ResponseContentType,
    Rule, RuleAction, builders::RuleBuilder,
};

use super::{
    condition::{Condition, read_conditions, statement},
    rate::Rate,
    rule::{RATE_LIMIT, is_list_rule, visibility_config},
};
use crate::core::{Error, Result};

/// A rule with conditions of its own. Updates keep settings that acme does not manage, such as headers that it inserts.
#[spec]
#[derive(PartialEq)]
pub struct CustomRule {
    /// Name, unique in the firewall, and that of its metric in CloudWatch.
    #[field(length = 1..=128, pattern = r"[\w-]+")]
    pub name: String,
    /// Action for a request that meets all conditions.
    #[field(risky(Verdict::Count, "it blocks nothing"))]
    pub action: Verdict,
    /// Conditions, all of which a request must meet.
    #[field(default, length = 0..=10)]
    pub conditions: Vec<Condition>,
    /// Applies the action only to clients with more requests that meet the conditions than this.
    #[field(default, dropped = None)]
    pub rate: Option<Rate>,
    /// Labels that it adds to a request, for the conditions of later rules and for the logs.
    // Limit: <https://docs.aws.amazon.com/waf/latest/APIReference/API_Rule.html>
    #[field(default, length = 0..=100, pattern = "[0-9A-Za-z_:-]{1,1024}")]
    pub labels: BTreeSet<String>,
    /// Response to a blocked request.
    #[field(unset = "403 without a body", dropped = None)]
    pub response: Option<BlockResponse>,
}

/// Action of a rule.
#[spec]
#[derive(Copy, PartialEq)]
pub enum Verdict {
    /// Allows the request; later rules are not evaluated.
    Allow,
    /// Blocks the request.
    Block,
    /// Counts the request; later rules are evaluated.
    Count,
    /// Lets a person solve a puzzle.
    Captcha,
    /// Checks silently that the client is a browser.
    Challenge,
}

/// Response to a blocked request.
#[spec]
#[derive(PartialEq)]
pub struct BlockResponse {
    /// HTTP status code.
    // https://docs.aws.amazon.com/waf/latest/developerguide/customizing-the-response-status-codes.html
    #[field(range = 200..=599)]
    pub status_code: u16,
    /// Body, at most 4 KB.
    #[field(default, length = 0..=4096)]
    pub body: String,
    /// Content type of the body.
    #[field(default = "text/plain", one_of = ["text/plain", "text/html", "application/json"])]
    pub content_type: String,
}

impl CustomRule {
    /// Rule in WAF's format.
    pub(super) fn rule(&self) -> Result<RuleBuilder> {
        let conditions = statement(&self.conditions)?;
        let statement = match &self.rate {
            Some(rate) => Some(rate.statement(conditions)?),
            None => conditions,
        };
        let labels = self.labels.iter().map(|name| Label::builder().name(name).build()).collect::<std::result::Result<Vec<_>, _>>()?;
        let rule = Rule::builder().name(&self.name).statement(statement.ok_or_else(|| Error::missing_field("Statement"))?);
        let rule = rule.action(self.action()?).set_rule_labels((!labels.is_empty()).then_some(labels));
        Ok(rule.visibility_config(visibility_config(&self.name)?))
    }

    fn action(&self) -> Result<RuleAction> {
        let action = RuleAction::builder();
        let action = match self.action {
            Verdict::Allow => action.allow(AllowAction::builder().build()),
            Verdict::Count => action.count(CountAction::builder().build()),
            Verdict::Captcha => action.captcha(CaptchaAction::builder().build()),
            Verdict::Challenge => action.challenge(ChallengeAction::builder().build()),
            Verdict::Block => {
                let response = self.response.as_ref().map(|response| {
                    let body = (!response.body.is_empty()).then(|| self.name.clone());
                    CustomResponse::builder().response_code(response.status_code.into()).set_custom_response_body_key(body).build()
                });
                action.block(BlockAction::builder().set_custom_response(response.transpose()?).build())
            }
        };
        Ok(action.build())
    }

    /// Body of its response, which is part of the firewall under the rule's name.
    pub(super) fn response_body(&self) -> Result<Option<(String, CustomResponseBody)>> {
        let Some(response) = self.response.as_ref().filter(|response| !response.body.is_empty()) else { return Ok(None) };
        let kind = match response.content_type.as_str() {
            "text/html" => ResponseContentType::TextHtml,
            "application/json" => ResponseContentType::ApplicationJson,
            _ => ResponseContentType::TextPlain,
        };
        Ok(Some((self.name.clone(), CustomResponseBody::builder().content(&response.body).content_type(kind).build()?)))
    }

    /// The rule in a firewall with these bodies of responses. Statements that acme does not manage read as no conditions, which no
    /// definition has.
    pub(super) fn read(rule: &Rule, bodies: &HashMap<String, CustomResponseBody>) -> CustomRule {
        let rate = rule.statement().and_then(|statement| statement.rate_based_statement());
        let statement = match rate {
            Some(rate) => rate.scope_down_statement.as_deref(),
            None => rule.statement(),
        };
        let conditions = statement.map_or_else(|| Some(Vec::new()), read_conditions);
        let rate = rate.map(Rate::read);
        let (conditions, rate) = match (conditions, rate) {
            (Some(conditions), None) => (conditions, None),
            (Some(conditions), Some(Some(rate))) => (conditions, Some(rate)),
            _ => (Vec::new(), None),
        };
        let action = rule.action();
        let response = action.and_then(|action| action.block.as_ref()?.custom_response.as_ref());
        CustomRule {
            name: rule.name.clone(),
            action: match action {
                Some(action) if action.allow.is_some() => Verdict::Allow,
                Some(action) if action.count.is_some() => Verdict::Count,
                Some(action) if action.captcha.is_some() => Verdict::Captcha,
                Some(action) if action.challenge.is_some() => Verdict::Challenge,
                _ => Verdict::Block,
            },
            conditions,
            rate,
            labels: rule.rule_labels().iter().map(|label| label.name.clone()).collect(),
            response: response.map(|response| {
                let body = response.custom_response_body_key.as_ref().and_then(|key| bodies.get(key));
                BlockResponse {
                    status_code: response.response_code.try_into().unwrap_or_default(),
                    body: body.map(|body| body.content.clone()).unwrap_or_default(),
                    content_type: body.map_or("text/plain", |body| content_type(&body.content_type)).to_owned(),
                }
            }),
        }
    }

    /// Problems of the rule.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.conditions.iter().flat_map(Condition::problems).collect();
        match &self.rate {
            Some(rate) => problems.extend(rate.problem(!self.conditions.is_empty()).map(str::to_owned)),
            None if self.conditions.is_empty() => problems.push("a rule needs `conditions`, a `rate`, or both".to_owned()),
            None => {}
        }
        if self.response.is_some() && self.action != Verdict::Block {
            problems.push("`response` goes with `action: block`".to_owned());
        }
        if is_reserved(&self.name) {
            problems.push(format!("the name `{}` is that of a rule acme makes for another field", self.name));
        }
        problems
    }
}

fn content_type(kind: &ResponseContentType) -> &'static str {
    match kind {
        ResponseContentType::TextHtml => "text/html",
        ResponseContentType::ApplicationJson => "application/json",
        _ => "text/plain",
    }
}

/// Whether a rule for `allow`, `block`, `rate_limit` or `managed_rules` may have this name.
fn is_reserved(name: &str) -> bool {
    name == RATE_LIMIT || is_list_rule(name) || name.starts_with("AWSManagedRules")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn rule(value: Value) -> CustomRule {
        serde_json::from_value(value).expect("a rule")
    }

    #[test]
    fn rules_read_back_as_they_were_written() {
        let country = json!([{ "countries": ["DE"] }]);
        for action in ["allow", "block", "count", "captcha", "challenge"] {
            let rule = rule(json!({ "name": "a", "action": action, "conditions": country, "labels": ["seen:here"] }));
            let built = rule.rule().and_then(|built| Ok(built.priority(1).build()?)).expect("a rule");
            assert_eq!(CustomRule::read(&built, &HashMap::new()), rule);
        }
        let response = json!({ "status_code": 429, "body": "{}", "content_type": "application/json" });
        let rate = json!({ "requests": 100, "keys": ["header:x-api-key"] });
        let limited = rule(json!({ "name": "b", "action": "block", "conditions": country, "rate": rate, "response": response }));
        let built = limited.rule().and_then(|built| Ok(built.priority(1).build()?)).expect("a rule");
        let bodies = limited.response_body().expect("a body").into_iter().collect();
        assert_eq!(CustomRule::read(&built, &bodies), limited);
    }

    #[test]
    fn a_rule_needs_conditions_or_a_rate() {
        let problems = |value| rule(value).problems();
        assert_eq!(problems(json!({ "name": "a", "action": "block" })), ["a rule needs `conditions`, a `rate`, or both"]);
        assert!(problems(json!({ "name": "a", "action": "block", "rate": { "requests": 10 } })).is_empty());
        let all = json!({ "name": "block-1", "action": "allow", "rate": { "requests": 10 }, "response": { "status_code": 429 } });
        assert_eq!(problems(all).len(), 2);
    }
}
