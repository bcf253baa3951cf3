//! Statements of firewall rules in Terraform.

use aws_sdk_wafv2::types::{
    FieldToMatch, ForwardedIpConfig, ManagedRuleGroupConfig, RateBasedStatementCustomKey as CustomKey, Statement, TextTransformation,
};
use serde_json::{Map, Value, json};

/// A statement in the form sent to AWS, as the block of Terraform with the same name.
pub(super) fn statement(statement: &Statement) -> Value {
    let nested = |all: &[Statement]| all.iter().map(self::statement).collect::<Vec<_>>();
    let mut blocks = Map::new();
    let mut add = |name: &str, block: Option<Value>| blocks.extend(block.map(|block| (name.to_owned(), json!([block]))));
    add("and_statement", statement.and_statement().map(|and| json!({ "statement": nested(and.statements()) })));
    add("or_statement", statement.or_statement().map(|or| json!({ "statement": nested(or.statements()) })));
    let not = statement.not_statement().and_then(|not| not.statement());
    add("not_statement", not.map(|inner| json!({ "statement": [self::statement(inner)] })));
    add(
        "geo_match_statement",
        statement.geo_match_statement().map(|geo| {
            let codes = geo.country_codes().iter().map(|code| code.as_str()).collect::<Vec<_>>();
            json!({ "country_codes": codes, "forwarded_ip_config": forwarded(geo.forwarded_ip_config()) })
        }),
    );
    add(
        "asn_match_statement",
        statement
            .asn_match_statement()
            .map(|asn| json!({ "asn_list": asn.asn_list(), "forwarded_ip_config": forwarded(asn.forwarded_ip_config()) })),
    );
    add(
        "ip_set_reference_statement",
        statement.ip_set_reference_statement().map(|set| {
            let config = set.ip_set_forwarded_ip_config().map(|config| {
                json!({
                    "header_name": config.header_name,
                    "fallback_behavior": config.fallback_behavior.as_str(),
                    "position": config.position.as_str(),
                })
            });
            json!({ "arn": set.arn, "ip_set_forwarded_ip_config": config.into_iter().collect::<Vec<_>>() })
        }),
    );
    add("label_match_statement", statement.label_match_statement().map(|label| json!({ "scope": label.scope.as_str(), "key": label.key })));
    let text = statement.byte_match_statement().map(|text| {
        let searched = String::from_utf8_lossy(text.search_string.as_ref());
        let details = json!({ "search_string": searched, "positional_constraint": text.positional_constraint.as_str() });
        inspecting(details, text.field_to_match(), text.text_transformations())
    });
    add("byte_match_statement", text);
    let regex = statement
        .regex_match_statement()
        .map(|regex| inspecting(json!({ "regex_string": regex.regex_string }), regex.field_to_match(), regex.text_transformations()));
    add("regex_match_statement", regex);
    let set = statement
        .regex_pattern_set_reference_statement()
        .map(|set| inspecting(json!({ "arn": set.arn }), set.field_to_match(), set.text_transformations()));
    add("regex_pattern_set_reference_statement", set);
    let size = statement.size_constraint_statement().map(|size| {
        let details = json!({ "comparison_operator": size.comparison_operator.as_str(), "size": size.size });
        inspecting(details, size.field_to_match(), size.text_transformations())
    });
    add("size_constraint_statement", size);
    let code = statement.sqli_match_statement().map(|code| {
        let level = code.sensitivity_level().map(|level| level.as_str());
        inspecting(json!({ "sensitivity_level": level }), code.field_to_match(), code.text_transformations())
    });
    add("sqli_match_statement", code);
    let script =
        statement.xss_match_statement().map(|script| inspecting(json!({}), script.field_to_match(), script.text_transformations()));
    add("xss_match_statement", script);
    let rate = statement.rate_based_statement().map(|rate| {
        json!({
            "limit": rate.limit,
            "aggregate_key_type": rate.aggregate_key_type.as_str(),
            "evaluation_window_sec": rate.evaluation_window_sec,
            "custom_key": rate.custom_keys().iter().map(custom_key).collect::<Vec<_>>(),
            "forwarded_ip_config": forwarded(rate.forwarded_ip_config()),
            "scope_down_statement": rate.scope_down_statement().map(self::statement).into_iter().collect::<Vec<_>>(),
        })
    });
    add("rate_based_statement", rate);
    let group = statement.managed_rule_group_statement().map(|group| {
        let counted = group.rule_action_overrides().iter().map(|one| json!({ "name": one.name, "action_to_use": [{ "count": [{}] }] }));
        json!({
            "name": group.name,
            "vendor_name": group.vendor_name,
            "version": group.version,
            "rule_action_override": counted.collect::<Vec<_>>(),
            "managed_rule_group_configs": group.managed_rule_group_configs().iter().map(managed_config).collect::<Vec<_>>(),
            "scope_down_statement": group.scope_down_statement().map(self::statement).into_iter().collect::<Vec<_>>(),
        })
    });
    add("managed_rule_group_statement", group);
    blocks.into()
}

fn forwarded(config: Option<&ForwardedIpConfig>) -> Vec<Value> {
    let block =
        |config: &ForwardedIpConfig| json!({ "header_name": config.header_name, "fallback_behavior": config.fallback_behavior.as_str() });
    config.map(block).into_iter().collect()
}

/// A statement about a part of the request.
fn inspecting(mut details: Value, field: Option<&FieldToMatch>, transformations: &[TextTransformation]) -> Value {
    details["field_to_match"] = field.map(field_to_match).into_iter().collect();
    details["text_transformation"] = text_transformations(transformations).into();
    details
}

fn text_transformations(all: &[TextTransformation]) -> Vec<Value> {
    all.iter().map(|one| json!({ "priority": one.priority, "type": one.r#type.as_str() })).collect()
}

fn field_to_match(field: &FieldToMatch) -> Value {
    let empty = || json!({});
    let parts = [
        ("all_query_arguments", field.all_query_arguments().map(|_| empty())),
        ("method", field.method().map(|_| empty())),
        ("query_string", field.query_string().map(|_| empty())),
        ("uri_path", field.uri_path().map(|_| empty())),
        ("body", field.body().map(|body| json!({ "oversize_handling": body.oversize_handling().map(|handling| handling.as_str()) }))),
        (
            "json_body",
            field.json_body().map(|body| {
                json!({
                    "match_pattern": [{ "all": [{}] }],
                    "match_scope": body.match_scope.as_str(),
                    "oversize_handling": body.oversize_handling().map(|handling| handling.as_str()),
                })
            }),
        ),
        (
            "cookies",
            field.cookies().map(|cookies| {
                let included = cookies.match_pattern().map(|pattern| pattern.included_cookies()).unwrap_or_default();
                json!({
                    "match_pattern": [{ "included_cookies": included }],
                    "match_scope": cookies.match_scope.as_str(),
                    "oversize_handling": cookies.oversize_handling.as_str(),
                })
            }),
        ),
        ("single_header", field.single_header().map(|header| json!({ "name": header.name }))),
        ("single_query_argument", field.single_query_argument().map(|argument| json!({ "name": argument.name }))),
        ("ja3_fingerprint", field.ja3_fingerprint().map(|print| json!({ "fallback_behavior": print.fallback_behavior.as_str() }))),
        ("ja4_fingerprint", field.ja4_fingerprint().map(|print| json!({ "fallback_behavior": print.fallback_behavior.as_str() }))),
    ];
    parts.into_iter().filter_map(|(name, block)| Some((name.to_owned(), json!([block?])))).collect::<Map<_, _>>().into()
}

fn custom_key(key: &CustomKey) -> Value {
    let empty = || json!({});
    let named = |name: &str, all: &[TextTransformation]| json!({ "name": name, "text_transformation": text_transformations(all) });
    let parts = [
        ("ip", key.ip().map(|_| empty())),
        ("forwarded_ip", key.forwarded_ip().map(|_| empty())),
        ("asn", key.asn().map(|_| empty())),
        ("http_method", key.http_method().map(|_| empty())),
        ("uri_path", key.uri_path().map(|path| json!({ "text_transformation": text_transformations(path.text_transformations()) }))),
        (
            "query_string",
            key.query_string().map(|query| json!({ "text_transformation": text_transformations(query.text_transformations()) })),
        ),
        ("header", key.header().map(|header| named(&header.name, header.text_transformations()))),
        ("cookie", key.cookie().map(|cookie| named(&cookie.name, cookie.text_transformations()))),
        ("query_argument", key.query_argument().map(|argument| named(&argument.name, argument.text_transformations()))),
        ("label_namespace", key.label_namespace().map(|label| json!({ "namespace": label.namespace }))),
        ("ja3_fingerprint", key.ja3_fingerprint().map(|print| json!({ "fallback_behavior": print.fallback_behavior.as_str() }))),
        ("ja4_fingerprint", key.ja4_fingerprint().map(|print| json!({ "fallback_behavior": print.fallback_behavior.as_str() }))),
    ];
    parts.into_iter().filter_map(|(name, block)| Some((name.to_owned(), json!([block?])))).collect::<Map<_, _>>().into()
}

fn managed_config(config: &ManagedRuleGroupConfig) -> Value {
    let mut blocks = Map::new();
    if let Some(bots) = config.aws_managed_rules_bot_control_rule_set() {
        let block =
            json!([{ "inspection_level": bots.inspection_level.as_str(), "enable_machine_learning": bots.enable_machine_learning }]);
        blocks.insert("aws_managed_rules_bot_control_rule_set".to_owned(), block);
    }
    if let Some(login) = config.aws_managed_rules_atp_rule_set() {
        let request = login.request_inspection().map(|request| {
            json!({
                "payload_type": request.payload_type.as_str(),
                "username_field": request.username_field().map(|field| json!({ "identifier": field.identifier })).into_iter().collect::<Vec<_>>(),
                "password_field": request.password_field().map(|field| json!({ "identifier": field.identifier })).into_iter().collect::<Vec<_>>(),
            })
        });
        let block = json!([{ "login_path": login.login_path, "request_inspection": request.into_iter().collect::<Vec<_>>() }]);
        blocks.insert("aws_managed_rules_atp_rule_set".to_owned(), block);
    }
    blocks.into()
}
