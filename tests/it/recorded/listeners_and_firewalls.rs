//! Listeners and web firewalls: settings that a change must include, and resources not visible everywhere yet.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok, xml, xml_error, xml_ownership_tags};

const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop-web/1";
const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop-web/1/2";

/// Response of a query service with this result.
fn answer(action: &str, inside: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inside}</{action}Result></{action}Response>"))
}

/// An action as returned by AWS.
fn fixed_response(status: u16) -> String {
    format!(
        "<member><Type>fixed-response</Type><FixedResponseConfig><StatusCode>{status}</StatusCode><ContentType>text/plain</ContentType>\
         </FixedResponseConfig></member>"
    )
}

fn listener(port: u16, status: u16, more: &str) -> Answer {
    let actions = fixed_response(status);
    answer(
        "DescribeListeners",
        &format!(
            "<Listeners><member><ListenerArn>{LISTENER}</ListenerArn><LoadBalancerArn>{BALANCER}</LoadBalancerArn><Port>{port}</Port>\
             <DefaultActions>{actions}</DefaultActions>{more}</member></Listeners>"
        ),
    )
}

/// A listener with ownership tags.
fn script_with_tags() -> Script {
    let tags = xml_ownership_tags("listener.web", "member", "Key", "Value");
    let of = format!("<TagDescriptions><member><ResourceArn>{LISTENER}</ResourceArn><Tags>{tags}</Tags></member></TagDescriptions>");
    Script::new().on("DescribeTags", [answer("DescribeTags", &of)]).on("ModifyListener", [answer("ModifyListener", "")])
}

/// Its stack; `more` are additional fields.
fn stack(more: &str) -> String {
    format!("  listener: {{ web: {{ load_balancer: '{BALANCER}', {more} }} }}\n")
}

const HTTP: &str = "<Protocol>HTTP</Protocol>";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1";

fn https(policy: &str) -> String {
    format!(
        "<Protocol>HTTPS</Protocol><SslPolicy>{policy}</SslPolicy>\
         <Certificates><member><CertificateArn>{CERTIFICATE}</CertificateArn></member></Certificates>"
    )
}

/// AWS requires a policy if there was none.
#[test]
fn sets_the_default_tls_policy_when_a_listener_becomes_secure() {
    let policy = "ELBSecurityPolicy-TLS13-1-2-2021-06";
    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(80, 404, HTTP)])
        .after("ModifyListener")
        .on("DescribeListeners", [listener(443, 404, &https(policy))])
        .start(&stack(&format!(
            "port: 443, protocol: HTTPS, certificate: '{CERTIFICATE}', default_action: {{ fixed_response: {{ status_code: 404 }} }}"
        )));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("ModifyListener")[0]["SslPolicy"], policy);
}

#[test]
fn keeps_an_undeclared_tls_policy() {
    let old = https("ELBSecurityPolicy-2016-08");
    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(443, 404, &old)])
        .after("ModifyListener")
        .on("DescribeListeners", [listener(443, 410, &old)])
        .start(&stack(&format!(
            "port: 443, protocol: HTTPS, certificate: '{CERTIFICATE}', default_action: {{ fixed_response: {{ status_code: 410 }} }}"
        )));
    endpoint.apply();
    assert!(endpoint.request_bodies("ModifyListener")[0].get("SslPolicy").is_none());
}

/// DescribeListenerCertificates: the default one and these, and the marker of the next page.
fn certificates(further: &[&str], marker: &str) -> Answer {
    let one = |arn: &str, default: bool| format!("<member><CertificateArn>{arn}</CertificateArn><IsDefault>{default}</IsDefault></member>");
    let further: String = further.iter().map(|arn| one(arn, false)).collect();
    let next = if marker.is_empty() { String::new() } else { format!("<NextMarker>{marker}</NextMarker>") };
    answer("DescribeListenerCertificates", &format!("<Certificates>{}{further}</Certificates>{next}", one(CERTIFICATE, true)))
}

const SECOND: &str = "arn:aws:acm:us-east-1:123456789012:certificate/2";
const THIRD: &str = "arn:aws:acm:us-east-1:123456789012:certificate/3";
const FOURTH: &str = "arn:aws:acm:us-east-1:123456789012:certificate/4";

/// A secure listener with additional certificates.
fn with_certificates(certificates: &[&str]) -> String {
    let certificates = certificates.iter().map(|arn| format!("'{arn}'")).collect::<Vec<_>>().join(", ");
    stack(&format!(
        "port: 443, protocol: HTTPS, certificate: '{CERTIFICATE}', additional_certificates: [{certificates}],
         default_action: {{ fixed_response: {{ status_code: 404 }} }}"
    ))
}

/// A certificate is not visible everywhere as soon as it is issued.
#[test]
fn adds_certificates_one_by_one_before_removing_others() {
    let live = https("ELBSecurityPolicy-2016-08");
    let unknown = xml_error(400, "CertificateNotFound", &format!("Certificate ARN '{SECOND}' is not found"));
    let added = || answer("AddListenerCertificates", "");
    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(443, 404, &live)])
        .on("DescribeListenerCertificates", [certificates(&[], "more")])
        .on_containing("DescribeListenerCertificates", "Marker=more", [certificates(&[FOURTH], "")])
        .on_containing("AddListenerCertificates", "%2F2", [unknown, added()])
        .on_containing("AddListenerCertificates", "%2F3", [added()])
        .on("RemoveListenerCertificates", [answer("RemoveListenerCertificates", "")])
        .after("RemoveListenerCertificates")
        .on("DescribeListenerCertificates", [certificates(&[SECOND, THIRD], "")])
        .start(&with_certificates(&[THIRD, SECOND]));
    endpoint.apply();
    let expected =
        ["400 AddListenerCertificates", "200 AddListenerCertificates", "200 AddListenerCertificates", "200 RemoveListenerCertificates"];
    assert_eq!(endpoint.writes(), expected);
    let removed = &endpoint.request_bodies("RemoveListenerCertificates")[0];
    assert_eq!(removed["Certificates.member.1.CertificateArn"], FOURTH);
    assert!(removed.get("Certificates.member.1.IsDefault").is_none() && removed.get("Certificates.member.2.CertificateArn").is_none());
}

#[test]
fn reports_too_many_certificates_without_retrying() {
    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(443, 404, &https("ELBSecurityPolicy-2016-08"))])
        .on("DescribeListenerCertificates", [certificates(&[], "")])
        .on("AddListenerCertificates", [xml_error(400, "TooManyCertificates", "The maximum number of certificates has been reached")])
        .start(&with_certificates(&[SECOND]));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("TooManyCertificates"), "{}", done.combined_output());
    assert_eq!(endpoint.call_count("AddListenerCertificates"), 1, "it does not pass");
}

/// Only a secure listener has a list of certificates, so it is read only for those.
#[test]
fn changes_listener_certificates_only_while_it_is_secure() {
    let secure = https("ELBSecurityPolicy-2016-08");
    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(80, 404, HTTP)])
        .on("AddListenerCertificates", [answer("AddListenerCertificates", "")])
        .after("AddListenerCertificates")
        .on("DescribeListeners", [listener(443, 404, &secure)])
        .on("DescribeListenerCertificates", [certificates(&[SECOND], "")])
        .start(&with_certificates(&[SECOND]));
    endpoint.run("plan", &[]).assert_success();
    assert_eq!(endpoint.call_count("DescribeListenerCertificates"), 0);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 ModifyListener", "200 AddListenerCertificates"]);

    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(443, 404, &secure)])
        .on("DescribeListenerCertificates", [certificates(&[SECOND], "")])
        .on("RemoveListenerCertificates", [answer("RemoveListenerCertificates", "")])
        .after("ModifyListener")
        .on("DescribeListeners", [listener(80, 404, HTTP)])
        .start(&stack("port: 80, protocol: HTTP, default_action: { fixed_response: { status_code: 404 } }"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 RemoveListenerCertificates", "200 ModifyListener"]);
}

/// A target group is not visible everywhere in the service at once.
#[test]
fn adopts_rules_created_by_an_earlier_attempt() {
    let group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-web/3";
    let rule = |priority: u32, action: &str| {
        format!(
            "<member><RuleArn>{LISTENER}/{priority}</RuleArn><Priority>{priority}</Priority><Conditions><member><Field>path-pattern</Field>\
             <PathPatternConfig><Values><member>/{priority}</member></Values></PathPatternConfig></member></Conditions>\
             <Actions>{action}</Actions></member>"
        )
    };
    let rules = |rules: &[&str]| answer("DescribeRules", &format!("<Rules>{}</Rules>", rules.concat()));
    let ten = rule(10, &fixed_response(404));
    let twenty = rule(20, &format!("<member><Type>forward</Type><TargetGroupArn>{group}</TargetGroupArn></member>"));
    let (in_use, unknown) = (xml_error(400, "PriorityInUse", "Priority '10' is currently in use"), "Target groups 'shop-web' not found");
    let made = || answer("CreateRule", "");
    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener(80, 404, HTTP)])
        .on_containing("CreateRule", "Priority=10", [made(), in_use])
        .on_containing("CreateRule", "Priority=20", [xml_error(400, "TargetGroupNotFound", unknown), made()])
        .on("ModifyRule", [answer("ModifyRule", "")])
        .after("CreateRule")
        .on("DescribeRules", [rules(&[&ten])])
        .after("CreateRule")
        .on("DescribeRules", [rules(&[&ten, &twenty])])
        .start(&stack(&format!(
            "port: 80, protocol: HTTP, default_action: {{ fixed_response: {{ status_code: 404 }} }}, rules: [
               {{ priority: 10, paths: [/10], action: {{ fixed_response: {{ status_code: 404 }} }} }},
               {{ priority: 20, paths: [/20], action: {{ forward: {{ target_groups: [{{ target_group: '{group}' }}] }} }} }}]"
        )));
    endpoint.apply();
    let expected = ["200 CreateRule", "400 CreateRule", "400 CreateRule", "200 CreateRule", "200 ModifyRule"];
    assert_eq!(endpoint.writes(), expected);
}

/// A listener with this default action.
fn listener_with_actions(actions: &str) -> Answer {
    let secure = https("ELBSecurityPolicy-2016-08");
    answer(
        "DescribeListeners",
        &format!(
            "<Listeners><member><ListenerArn>{LISTENER}</ListenerArn><LoadBalancerArn>{BALANCER}</LoadBalancerArn><Port>443</Port>\
             <DefaultActions>{actions}</DefaultActions>{secure}</member></Listeners>"
        ),
    )
}

/// AWS requires an order of two actions, and returns them in any order.
#[test]
fn orders_authentication_before_forwarding() {
    let pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_1";
    let group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-web/3";
    let forward = |order: &str| format!("<member><Type>forward</Type>{order}<TargetGroupArn>{group}</TargetGroupArn></member>");
    let authenticate = format!(
        "<member><Type>authenticate-cognito</Type><Order>1</Order><AuthenticateCognitoConfig><UserPoolArn>{pool}</UserPoolArn>\
         <UserPoolClientId>example</UserPoolClientId><UserPoolDomain>shop</UserPoolDomain><Scope>openid</Scope>\
         <SessionCookieName>AWSELBAuthSessionCookie</SessionCookieName><SessionTimeout>3600</SessionTimeout>\
         <OnUnauthenticatedRequest>authenticate</OnUnauthenticatedRequest></AuthenticateCognitoConfig></member>"
    );
    let both = [forward("<Order>2</Order>"), authenticate].concat();
    let then = format!("{{ forward: {{ target_groups: [{{ target_group: '{group}' }}] }} }}");
    let open = stack(&format!("port: 443, protocol: HTTPS, certificate: '{CERTIFICATE}', default_action: {then}"));
    let closed = open.replace(
        &then,
        &format!(
            "{{ authenticate_cognito: {{ user_pool: '{pool}', client_id: example, domain: shop, session_timeout_seconds: 3600, then: {then} }} }}"
        ),
    );

    let endpoint = script_with_tags()
        .on("DescribeListeners", [listener_with_actions(&forward(""))])
        .after("ModifyListener")
        .on("DescribeListeners", [listener_with_actions(&both)])
        .start(&closed);
    endpoint.apply();
    let sent = &endpoint.request_bodies("ModifyListener")[0];
    let of = |key: &str| sent.get(format!("DefaultActions.member.{key}")).and_then(Value::as_str);
    assert_eq!([of("1.Type"), of("1.Order")], [Some("authenticate-cognito"), Some("1")]);
    assert_eq!([of("2.Type"), of("2.Order")], [Some("forward"), Some("2")]);
    assert_eq!(of("1.AuthenticateCognitoConfig.SessionTimeout"), Some("3600"));

    let endpoint = script_with_tags().on("DescribeListeners", [listener_with_actions(&both)]).start(&open);
    assert_eq!(endpoint.planned_changes(), ["update listener.web"], "unauthenticated access is highlighted");
}

const FIREWALL: &str = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/shop-web/1";

/// A firewall as returned by WAF, with additional fields.
fn firewall(more: Value) -> Answer {
    let mut acl = json!({
        "Name": "shop-web", "Id": "1", "ARN": FIREWALL, "DefaultAction": { "Allow": {} }, "Rules": [], "Capacity": 1,
        "VisibilityConfig": { "SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "shop-web" },
    });
    let more: serde_json::Map<_, _> = serde_json::from_value(more).expect("an object");
    acl.as_object_mut().expect("an object").extend(more);
    ok(json!({ "LockToken": "1", "WebACL": acl }))
}

/// Firewall and load balancer are visible everywhere in WAF after minutes.
#[test]
fn treats_a_load_balancer_unknown_to_waf_as_unassociated() {
    let unavailable = || {
        json_error(
            400,
            "WAFUnavailableEntityException",
            "AWS WAF couldn\u{2019}t retrieve the resource that you requested. Retry your request.",
        )
    };
    let endpoint = Script::new()
        .on("GetWebACLForResource", [unavailable()])
        .on("AssociateWebACL", [unavailable(), ok(json!({}))])
        .after("AssociateWebACL")
        .on("GetWebACLForResource", [unavailable(), firewall(json!({}))])
        .start(&format!("  waf_association: {{ web: {{ web_acl: '{FIREWALL}', resource: '{BALANCER}' }} }}\n"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 AssociateWebACL", "200 AssociateWebACL"]);
}

/// UpdateWebACL replaces the complete firewall.
#[test]
fn keeps_undeclared_settings_of_a_firewall() {
    let besides = json!({ "TokenDomains": ["example.com"], "MonetizationConfig": { "CurrencyMode": "TEST" }, "ApplicationConfig": { "Attributes": [{ "Name": "a", "Values": ["b"] }] } });
    let with = |action: Value| {
        let mut all = besides.clone();
        all["DefaultAction"] = action;
        firewall(all)
    };
    let endpoint = Script::new()
        .on_containing(
            "ListWebACLs",
            "REGIONAL",
            [ok(json!({ "WebACLs": [{ "Name": "shop-web", "Id": "1", "ARN": FIREWALL, "LockToken": "1" }] }))],
        )
        .on(
            "ListTagsForResource",
            [ok(json!({ "TagInfoForResource": { "ResourceARN": FIREWALL, "TagList": json_ownership_tags("waf_web_acl.web") } }))],
        )
        .on("GetWebACL", [with(json!({ "Allow": {} }))])
        .on("UpdateWebACL", [ok(json!({ "NextLockToken": "2" }))])
        .after("UpdateWebACL")
        .on("GetWebACL", [with(json!({ "Block": {} }))])
        .start("  waf_web_acl: { web: { default_action: block } }\n");
    endpoint.apply();
    let sent = &endpoint.request_bodies("UpdateWebACL")[0];
    for key in ["TokenDomains", "MonetizationConfig", "ApplicationConfig"] {
        assert_eq!(sent[key], besides[key], "{key}");
    }
}
