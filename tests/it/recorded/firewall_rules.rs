//! Rules with conditions, and the logging of web firewalls.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const FIREWALL: &str = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/shop-web/1";
const LOGS: &str = "arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-shop";

fn visibility(name: &str) -> Value {
    json!({ "SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": name })
}

fn firewall(rules: Value, bodies: Value) -> Answer {
    ok(json!({ "LockToken": "1", "WebACL": {
        "Name": "shop-web", "Id": "1", "ARN": FIREWALL, "DefaultAction": { "Allow": {} }, "Capacity": 1, "Rules": rules,
        "VisibilityConfig": visibility("shop-web"), "CustomResponseBodies": bodies,
    } }))
}

/// The firewall of the stack.
fn script() -> Script {
    Script::new()
        .on_containing(
            "ListWebACLs",
            "REGIONAL",
            [ok(json!({ "WebACLs": [{ "Name": "shop-web", "Id": "1", "ARN": FIREWALL, "LockToken": "1" }] }))],
        )
        .on(
            "ListTagsForResource",
            [ok(json!({ "TagInfoForResource": { "ResourceARN": FIREWALL, "TagList": json_ownership_tags("waf_web_acl.web") } }))],
        )
}

/// A firewall with one rule, and further fields.
fn definition(limit: u32, more: &str) -> String {
    format!(
        "  waf_web_acl:
    web:
      {more}
      rules:
        - name: login
          action: block
          conditions:
            - {{ request: {{ part: path, starts_with: [/login, /register], transform: [lowercase] }} }}
            - {{ not: true, countries: [DE] }}
          rate: {{ requests: {limit}, window_seconds: 60, keys: [ip, 'header:x-api-key'] }}
          response: {{ status_code: 429, body: slow down }}
"
    )
}

/// Its rule as WAF has it.
fn login(limit: u32, headers: Value) -> Value {
    let text = |text: &str| {
        json!({ "ByteMatchStatement": {
            "SearchString": text, "FieldToMatch": { "UriPath": {} }, "PositionalConstraint": "STARTS_WITH",
            "TextTransformations": [{ "Priority": 0, "Type": "LOWERCASE" }],
        } })
    };
    let both = json!([
        // "/login" and "/register", as blobs.
        { "OrStatement": { "Statements": [text("L2xvZ2lu"), text("L3JlZ2lzdGVy")] } },
        { "NotStatement": { "Statement": { "GeoMatchStatement": { "CountryCodes": ["DE"] } } } },
    ]);
    let mut response = json!({ "ResponseCode": 429, "CustomResponseBodyKey": "login" });
    if !headers.is_null() {
        response["ResponseHeaders"] = headers;
    }
    json!({
        "Name": "login", "Priority": 0, "VisibilityConfig": visibility("login"),
        "Action": { "Block": { "CustomResponse": response } },
        "Statement": { "RateBasedStatement": {
            "Limit": limit, "EvaluationWindowSec": 60, "AggregateKeyType": "CUSTOM_KEYS",
            "CustomKeys": [
                { "Header": { "Name": "x-api-key", "TextTransformations": [{ "Priority": 0, "Type": "NONE" }] } },
                { "IP": {} },
            ],
            "ScopeDownStatement": { "AndStatement": { "Statements": both } },
        } },
    })
}

fn slow_down() -> Value {
    json!({ "ContentType": "TEXT_PLAIN", "Content": "slow down" })
}

#[test]
fn writes_rules_as_waf_has_them() {
    let endpoint = script()
        .on("GetWebACL", [firewall(json!([]), json!({}))])
        .on("UpdateWebACL", [ok(json!({ "NextLockToken": "2" }))])
        .after("UpdateWebACL")
        .on("GetWebACL", [firewall(json!([login(100, json!(null))]), json!({ "login": slow_down() }))])
        .start(&definition(100, ""));
    endpoint.apply();
    let sent = &endpoint.request_bodies("UpdateWebACL")[0];
    assert_eq!(sent["Rules"], json!([login(100, json!(null))]));
    assert_eq!(sent["CustomResponseBodies"], json!({ "login": slow_down() }));
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
}

/// Headers of responses, and bodies of rules that acme did not make.
#[test]
fn keeps_parts_of_rules_that_it_does_not_manage() {
    let headers = json!([{ "Name": "retry-after", "Value": "60" }]);
    let bodies = json!({ "login": slow_down(), "other": { "ContentType": "TEXT_HTML", "Content": "<p>no</p>" } });
    let endpoint = script()
        .on("GetWebACL", [firewall(json!([login(100, headers.clone())]), bodies.clone())])
        .on("UpdateWebACL", [ok(json!({ "NextLockToken": "2" }))])
        .after("UpdateWebACL")
        .on("GetWebACL", [firewall(json!([login(200, headers.clone())]), bodies.clone())])
        .start(&definition(200, ""));
    assert_eq!(endpoint.planned_changes(), ["update waf_web_acl.web"]);
    endpoint.apply();
    let sent = &endpoint.request_bodies("UpdateWebACL")[0];
    assert_eq!(sent["Rules"], json!([login(200, headers)]));
    assert_eq!(sent["CustomResponseBodies"], bodies);
}

#[test]
fn a_statement_of_another_form_is_a_difference() {
    let mut other = login(100, json!(null));
    other["Statement"] = json!({ "SizeConstraintStatement": {
        "FieldToMatch": { "UriPath": {} }, "ComparisonOperator": "LT", "Size": 5, "TextTransformations": [{ "Priority": 0, "Type": "NONE" }],
    } });
    let endpoint = script().on("GetWebACL", [firewall(json!([other]), json!({ "login": slow_down() }))]).start(&definition(100, ""));
    assert_eq!(endpoint.planned_changes(), ["update waf_web_acl.web"]);
}

fn no_logging() -> Answer {
    json_error(
        400,
        "WAFNonexistentItemException",
        "AWS WAF couldn\u{2019}t perform the operation because your resource doesn\u{2019}t exist.",
    )
}

fn logging(filter: Value) -> Value {
    let mut config = json!({
        "ResourceArn": FIREWALL, "LogDestinationConfigs": [LOGS], "RedactedFields": [{ "SingleHeader": { "Name": "authorization" } }],
        "LogScope": "CUSTOMER", "LogType": "WAF_LOGS", "ManagedByFirewallManager": false,
    });
    if !filter.is_null() {
        config["LoggingFilter"] = filter;
    }
    json!({ "LoggingConfiguration": config })
}

fn blocked_requests() -> Value {
    json!({ "DefaultBehavior": "DROP", "Filters": [{
        "Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": [{ "ActionCondition": { "Action": "BLOCK" } }],
    }] })
}

fn with_logging(more: &str) -> String {
    definition(100, &format!("logging: {{ destination: '{LOGS}', redacted: ['header:authorization']{more} }}"))
}

fn script_with_rule() -> Script {
    script().on("GetWebACL", [firewall(json!([login(100, json!(null))]), json!({ "login": slow_down() }))])
}

/// Without an update of the rules.
#[test]
fn logs_requests() {
    let endpoint = script_with_rule()
        .on("GetLoggingConfiguration", [no_logging()])
        .on("PutLoggingConfiguration", [ok(logging(blocked_requests()))])
        .after("PutLoggingConfiguration")
        .on("GetLoggingConfiguration", [ok(logging(blocked_requests()))])
        .start(&with_logging(", actions: [block]"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 PutLoggingConfiguration"]);
    let sent = &endpoint.request_bodies("PutLoggingConfiguration")[0]["LoggingConfiguration"];
    assert_eq!(sent["LoggingFilter"], blocked_requests());
    assert_eq!(sent["LogDestinationConfigs"], json!([LOGS]));
    assert_eq!(sent["RedactedFields"], json!([{ "SingleHeader": { "Name": "authorization" } }]));
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
}

/// One that drops requests, which no field expresses.
#[test]
fn keeps_a_filter_of_another_form() {
    let filter = json!({ "DefaultBehavior": "KEEP", "Filters": [{
        "Behavior": "DROP", "Requirement": "MEETS_ALL", "Conditions": [{ "ActionCondition": { "Action": "ALLOW" } }],
    }] });
    let mut live = logging(filter.clone());
    live["LoggingConfiguration"]["RedactedFields"] = json!([]);
    let endpoint = script_with_rule()
        .on("GetLoggingConfiguration", [ok(live)])
        .on("PutLoggingConfiguration", [ok(logging(filter.clone()))])
        .after("PutLoggingConfiguration")
        .on("GetLoggingConfiguration", [ok(logging(filter.clone()))])
        .start(&with_logging(""));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("PutLoggingConfiguration")[0]["LoggingConfiguration"]["LoggingFilter"], filter);
}

/// It is read only when a definition, or the last revision, has it.
#[test]
fn ends_logging_that_the_definition_no_longer_has() {
    let endpoint = script_with_rule()
        .on("GetLoggingConfiguration", [no_logging()])
        .on("PutLoggingConfiguration", [ok(logging(json!(null)))])
        .on("DeleteLoggingConfiguration", [ok(json!({}))])
        .after("PutLoggingConfiguration")
        .on("GetLoggingConfiguration", [ok(logging(json!(null)))])
        .after("DeleteLoggingConfiguration")
        .on("GetLoggingConfiguration", [no_logging()])
        .start(&with_logging(""));
    endpoint.apply();
    endpoint.redefine(&definition(100, ""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 PutLoggingConfiguration", "200 DeleteLoggingConfiguration"]);
    let before = endpoint.call_count("GetLoggingConfiguration");
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
    assert_eq!(endpoint.call_count("GetLoggingConfiguration"), before, "nothing has logging");
}

#[test]
fn reports_mistakes_at_their_lines() {
    let definition = "  waf_web_acl:
    web:
      rules:
        - { name: a, action: block }
        - { name: rate-limit, action: block, conditions: [{ countries: [XY] }] }
      final_rules:
        - { name: a, action: count, conditions: [{ labels: [seen] }], response: { status_code: 403 } }
      managed_rules: [{ name: AWSManagedRulesATPRuleSet }]
      logging: { destination: 'arn:aws:logs:us-east-1:123456789012:log-group:shop' }
";
    let endpoint = Script::new().start(definition);
    let done = endpoint.run("plan", &[]);
    let problems = [
        "a rule needs `conditions`, a `rate`, or both",
        "`XY` is not a country code of ISO 3166, such as `DE`",
        "the name `rate-limit` is that of a rule acme makes for another field",
        "`response` goes with `action: block`",
        "two rules have the name `a`",
        "the group protects a login page, which `login` describes",
        "logging",
    ];
    for problem in problems {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
    assert_ne!(done.code, 0);
}
