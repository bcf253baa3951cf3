//! Conditions of rules, and their statements.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    AndStatement, AsnMatchStatement, CountryCode, FallbackBehavior, ForwardedIpConfig, ForwardedIpPosition, GeoMatchStatement,
    IpSetForwardedIpConfig, IpSetReferenceStatement, LabelMatchScope, LabelMatchStatement, NotStatement, OrStatement, Statement,
};

use super::{super::waf_ip_set::WafIpSet, request_match::RequestMatch};
use crate::core::{ArnRef, Result};

/// Condition on a request. It has exactly one of `countries`, `ip_sets`, `asns`, `labels` and `request`, whose entries are alternatives.
#[spec]
#[derive(Default, PartialEq)]
pub struct Condition {
    /// Inverts the condition.
    #[field(default = false)]
    pub not: bool,
    /// Countries of the client's address, such as `DE`, as two letters of ISO 3166.
    #[field(default)]
    pub countries: BTreeSet<String>,
    /// Sets of client addresses.
    #[field(default)]
    pub ip_sets: BTreeSet<ArnRef<WafIpSet>>,
    /// Numbers of the autonomous systems of the client's address.
    #[field(default, length = 0..=100)]
    pub asns: BTreeSet<u32>,
    /// Header with the client's address, such as `X-Forwarded-For`, for `countries`, `ip_sets` and `asns`. A request with an invalid address
    /// in it does not match.
    #[field(unset = "the address of the connection", length = 0..=255, pattern = r"[a-zA-Z0-9-]*")]
    pub forwarded_header: String,
    /// Labels that an earlier rule has added, such as `awswaf:managed:aws:bot-control:bot:verified`; all of a namespace if it ends with `:`.
    #[field(default)]
    pub labels: BTreeSet<String>,
    /// Content of a part of the request.
    #[field(default, dropped = None)]
    pub request: Option<RequestMatch>,
}

impl Condition {
    /// Problems of the condition.
    pub(super) fn problems(&self) -> Vec<String> {
        let kinds =
            [!self.countries.is_empty(), !self.ip_sets.is_empty(), !self.asns.is_empty(), !self.labels.is_empty(), self.request.is_some()];
        let mut problems = Vec::new();
        if kinds.into_iter().filter(|set| *set).count() != 1 {
            problems.push("a condition has exactly one of `countries`, `ip_sets`, `asns`, `labels` and `request`".to_owned());
        }
        let is_known = |code: &&String| CountryCode::values().contains(&code.as_str()) || code.contains("${");
        let unknown = self.countries.iter().filter(|code| !is_known(code));
        problems.extend(unknown.map(|code| format!("`{code}` is not a country code of ISO 3166, such as `DE`")));
        if !self.forwarded_header.is_empty() && self.countries.is_empty() && self.ip_sets.is_empty() && self.asns.is_empty() {
            problems.push("`forwarded_header` goes with `countries`, `ip_sets` or `asns`".to_owned());
        }
        problems.extend(self.request.iter().flat_map(RequestMatch::problems));
        problems
    }

    /// Statement in WAF's format.
    pub(super) fn statement(&self) -> Result<Statement> {
        let forwarded = || {
            let config = ForwardedIpConfig::builder().header_name(&self.forwarded_header).fallback_behavior(FallbackBehavior::NoMatch);
            (!self.forwarded_header.is_empty()).then(|| config.build()).transpose()
        };
        let mut any = Vec::new();
        if !self.countries.is_empty() {
            let codes = self.countries.iter().map(|code| CountryCode::from(code.as_str())).collect();
            let geo = GeoMatchStatement::builder().set_country_codes(Some(codes)).set_forwarded_ip_config(forwarded()?);
            any.push(Statement::builder().geo_match_statement(geo.build()).build());
        }
        if !self.asns.is_empty() {
            let list = self.asns.iter().map(|&number| number.into()).collect();
            let asns = AsnMatchStatement::builder().set_asn_list(Some(list)).set_forwarded_ip_config(forwarded()?);
            any.push(Statement::builder().asn_match_statement(asns.build()?).build());
        }
        for set in &self.ip_sets {
            let config = IpSetForwardedIpConfig::builder().header_name(&self.forwarded_header).position(ForwardedIpPosition::First);
            let config = config.fallback_behavior(FallbackBehavior::NoMatch);
            let config = (!self.forwarded_header.is_empty()).then(|| config.build()).transpose()?;
            let reference = IpSetReferenceStatement::builder().arn(set.get()).set_ip_set_forwarded_ip_config(config);
            any.push(Statement::builder().ip_set_reference_statement(reference.build()?).build());
        }
        for label in &self.labels {
            let scope = if label.ends_with(':') { LabelMatchScope::Namespace } else { LabelMatchScope::Label };
            let label = LabelMatchStatement::builder().scope(scope).key(label);
            any.push(Statement::builder().label_match_statement(label.build()?).build());
        }
        if let Some(request) = &self.request {
            any.extend(request.statements()?);
        }
        let statement = match any.as_slice() {
            [one] => one.clone(),
            _ => Statement::builder().or_statement(OrStatement::builder().set_statements(Some(any)).build()?).build(),
        };
        if !self.not {
            return Ok(statement);
        }
        Ok(Statement::builder().not_statement(NotStatement::builder().statement(statement).build()).build())
    }

    /// The inverse of [`Condition::statement`]; `None` for a statement that acme does not manage.
    fn read(statement: &Statement) -> Option<Condition> {
        if let Some(not) = &statement.not_statement {
            let inner = Condition::read(not.statement.as_deref()?).filter(|inner| !inner.not)?;
            return Some(Condition { not: true, ..inner });
        }
        if let Some(or) = &statement.or_statement {
            let mut alternatives = or.statements().iter().map(Condition::read_one);
            let first = alternatives.next()??;
            return alternatives.try_fold(first, |all, one| all.merge(one?));
        }
        Condition::read_one(statement)
    }

    /// A condition without alternatives.
    fn read_one(statement: &Statement) -> Option<Condition> {
        let header = |config: Option<&ForwardedIpConfig>| match config {
            None => Some(String::new()),
            Some(config) => (config.fallback_behavior == FallbackBehavior::NoMatch).then(|| config.header_name.clone()),
        };
        let mut read = Condition::default();
        if let Some(geo) = &statement.geo_match_statement {
            read.countries = geo.country_codes().iter().map(|code| code.as_str().to_owned()).collect();
            read.forwarded_header = header(geo.forwarded_ip_config())?;
        } else if let Some(asns) = &statement.asn_match_statement {
            read.asns = asns.asn_list.iter().map(|&number| number.try_into().ok()).collect::<Option<_>>()?;
            read.forwarded_header = header(asns.forwarded_ip_config())?;
        } else if let Some(set) = &statement.ip_set_reference_statement {
            read.ip_sets.insert(ArnRef::to(&set.arn));
            if let Some(config) = &set.ip_set_forwarded_ip_config {
                let plain = config.position == ForwardedIpPosition::First && config.fallback_behavior == FallbackBehavior::NoMatch;
                read.forwarded_header = plain.then(|| config.header_name.clone())?;
            }
        } else if let Some(label) = &statement.label_match_statement {
            let namespace = label.scope == LabelMatchScope::Namespace;
            read.labels.insert(Some(&label.key).filter(|key| key.ends_with(':') == namespace)?.clone());
        } else {
            read.request = Some(RequestMatch::read(statement)?);
        }
        (read != Condition { forwarded_header: read.forwarded_header.clone(), ..Condition::default() }).then_some(read)
    }

    /// One condition with the alternatives of both, if they differ in nothing else.
    fn merge(mut self, mut other: Condition) -> Option<Condition> {
        let sets = std::mem::take(&mut other.ip_sets);
        let labels = std::mem::take(&mut other.labels);
        let texts = other.request.as_mut().map(RequestMatch::take_texts);
        let (own_sets, own_labels) = (std::mem::take(&mut self.ip_sets), std::mem::take(&mut self.labels));
        let own_texts = self.request.as_mut().map(RequestMatch::take_texts);
        // Only sets, labels and texts are alternatives of one statement each.
        let kinds = |sets: bool, labels: bool, texts: &Option<[BTreeSet<String>; 5]>| {
            let texts = texts.iter().flatten().map(|texts| !texts.is_empty());
            [sets, labels].into_iter().chain(texts).collect::<Vec<_>>()
        };
        let kind = kinds(!sets.is_empty(), !labels.is_empty(), &texts);
        let same = self == other && kind == kinds(!own_sets.is_empty(), !own_labels.is_empty(), &own_texts);
        if !same || !kind.contains(&true) {
            return None;
        }
        self.ip_sets = own_sets.into_iter().chain(sets).collect();
        self.labels = own_labels.into_iter().chain(labels).collect();
        if let (Some(request), Some(own), Some(others)) = (&mut self.request, own_texts, texts) {
            let mut both = own.into_iter().zip(others).map(|(own, other)| own.into_iter().chain(other).collect());
            request.texts_mut().into_iter().for_each(|texts| *texts = both.next().unwrap_or_default());
        }
        Some(self)
    }
}

/// Statement for a request that meets all conditions; `None` without conditions.
pub(super) fn statement(conditions: &[Condition]) -> Result<Option<Statement>> {
    let mut all = conditions.iter().map(Condition::statement).collect::<Result<Vec<_>>>()?;
    Ok(match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Statement::builder().and_statement(AndStatement::builder().set_statements(Some(all)).build()?).build()),
    })
}

/// The inverse of [`statement`]; `None` for a statement that acme does not manage.
pub(super) fn read_conditions(statement: &Statement) -> Option<Vec<Condition>> {
    match &statement.and_statement {
        Some(all) => all.statements().iter().map(Condition::read).collect(),
        None => Some(vec![Condition::read(statement)?]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn conditions(value: Value) -> Vec<Condition> {
        serde_json::from_value(value).expect("conditions")
    }

    #[test]
    fn conditions_read_back_as_they_were_written() {
        let set = |kind: &str, name: &str| format!("arn:aws:wafv2:us-east-1:123456789012:regional/{kind}/{name}/1");
        let all = json!([
            { "countries": ["DE", "FR"] },
            { "not": true, "countries": ["KP"], "forwarded_header": "X-Forwarded-For" },
            { "ip_sets": [set("ipset", "a")] },
            { "ip_sets": [set("ipset", "a"), set("ipset", "b")], "forwarded_header": "X-Forwarded-For" },
            { "asns": [64496, 64511] },
            { "labels": ["awswaf:managed:aws:bot-control:bot:verified"] },
            { "not": true, "labels": ["shop:seen:", "shop:other"] },
            { "request": { "part": "path", "starts_with": ["/admin", "/internal"], "transform": ["lowercase", "url_decode"] } },
            { "request": { "part": "header:user-agent", "equals": ["x"] } },
            { "request": { "part": "cookie:session", "contains": ["x"], "oversize": "no_match" } },
            { "not": true, "request": { "part": "method", "equals": ["GET", "HEAD"] } },
            { "request": { "part": "query_string", "ends_with": ["x"] } },
            { "request": { "part": "query_argument:id", "contains_word": ["x"], "transform": ["utf8_to_unicode", "base64_decode"] } },
            { "request": { "part": "path", "regex": "^/v[0-9]+/" } },
            { "request": { "part": "path", "regex_set": set("regexpatternset", "a") } },
            { "request": { "part": "body", "larger_than": 8192, "oversize": "match" } },
            { "request": { "part": "json_body", "sql_injection": "high" } },
            { "request": { "part": "query_arguments", "sql_injection": "low" } },
            { "request": { "part": "ja4", "cross_site_scripting": true } },
        ]);
        let all = conditions(all);
        for one in &all {
            assert_eq!(one.problems(), Vec::<String>::new(), "{one:?}");
            let built = one.statement().expect("a statement");
            assert_eq!(Condition::read(&built).as_ref(), Some(one), "{built:?}");
        }
        let both = statement(&all[..2]).expect("a statement").expect("conditions");
        assert_eq!(read_conditions(&both).as_deref(), Some(&all[..2]));
        assert!(statement(&[]).expect("no statement").is_none());
    }

    #[test]
    fn statements_of_another_form_are_not_read() {
        let of = |value| conditions(json!([value])).remove(0).statement().expect("a statement");
        let or = |statements| {
            let all = OrStatement::builder().set_statements(Some(statements)).build().expect("alternatives");
            Statement::builder().or_statement(all).build()
        };
        let (country, label) = (of(json!({ "countries": ["DE"] })), of(json!({ "labels": ["a"] })));
        assert_eq!(Condition::read(&or(vec![country.clone(), label.clone()])), None, "two kinds");
        assert_eq!(Condition::read(&or(vec![country.clone(), country])), None, "countries are one statement");
        let path = |text: Value| of(json!({ "request": { "part": "path", "equals": text } }));
        let method = of(json!({ "request": { "part": "method", "equals": ["GET"] } }));
        assert_eq!(Condition::read(&or(vec![path(json!(["/"])), method])), None, "two parts");
        assert_eq!(Condition::read(&Statement::builder().build()), None);
    }

    #[test]
    fn a_condition_names_one_thing() {
        let problems = |value| conditions(json!([value])).remove(0).problems();
        assert_eq!(problems(json!({})).len(), 1);
        assert_eq!(problems(json!({ "countries": ["DE"], "labels": ["a"] })).len(), 1);
        assert_eq!(problems(json!({ "countries": ["XY"] })), ["`XY` is not a country code of ISO 3166, such as `DE`"]);
        assert_eq!(problems(json!({ "labels": ["a"], "forwarded_header": "X-Real-IP" })).len(), 1);
        assert_eq!(problems(json!({ "request": { "part": "path" } })).len(), 1);
        assert_eq!(problems(json!({ "request": { "part": "path", "equals": ["x".repeat(201)] } })), ["a text has 1 to 200 bytes, not 201"]);
        assert_eq!(
            problems(json!({ "request": { "part": "path", "regex": "a(?=b)" } })),
            ["WAF does not support a lookahead, in `a(?=b)`"]
        );
        assert_eq!(problems(json!({ "request": { "part": "path", "equals": ["/"], "oversize": "match" } })).len(), 1);
    }
}
