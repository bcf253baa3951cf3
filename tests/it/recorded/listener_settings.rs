//! Listeners: secrets of clients, certificates of clients, and attributes.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Endpoint, Script, json_error, ok, xml, xml_ownership_tags};

const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop-web/1";
const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop-web/1/2";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:login-AbCdEf";
const VALUE: &str = "c1ient-s3cret";

fn answer(action: &str, inside: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inside}</{action}Result></{action}Response>"))
}

fn tags(more: &str) -> Answer {
    let tags = xml_ownership_tags("listener.web", "member", "Key", "Value");
    let all = format!("<ResourceArn>{LISTENER}</ResourceArn><Tags>{tags}{more}</Tags>");
    answer("DescribeTags", &format!("<TagDescriptions><member>{all}</member></TagDescriptions>"))
}

fn source(key: &str) -> String {
    format!("<member><Key>acme:client-secret</Key><Value>{SECRET} {key}</Value></member>")
}

const FIXED: &str = "<Type>fixed-response</Type><FixedResponseConfig><StatusCode>200</StatusCode></FixedResponseConfig>";

fn oidc(scope: &str) -> String {
    format!(
        "<member><Order>1</Order><Type>authenticate-oidc</Type><AuthenticateOidcConfig><Issuer>https://login.example.com</Issuer>\
         <AuthorizationEndpoint>https://login.example.com/authorize</AuthorizationEndpoint>\
         <TokenEndpoint>https://login.example.com/token</TokenEndpoint><UserInfoEndpoint>https://login.example.com/user</UserInfoEndpoint>\
         <ClientId>shop</ClientId><Scope>{scope}</Scope><SessionCookieName>AWSELBAuthSessionCookie</SessionCookieName>\
         <SessionTimeout>604800</SessionTimeout><OnUnauthenticatedRequest>authenticate</OnUnauthenticatedRequest>\
         </AuthenticateOidcConfig></member><member><Order>2</Order>{FIXED}</member>"
    )
}

fn listener(call: &str, actions: &str, more: &str) -> Answer {
    answer(
        call,
        &format!(
            "<Listeners><member><ListenerArn>{LISTENER}</ListenerArn><LoadBalancerArn>{BALANCER}</LoadBalancerArn><Port>443</Port>\
             <Protocol>HTTPS</Protocol><SslPolicy>ELBSecurityPolicy-TLS13-1-2-2021-06</SslPolicy>\
             <Certificates><member><CertificateArn>{CERTIFICATE}</CertificateArn></member></Certificates>\
             <DefaultActions>{actions}</DefaultActions>{more}</member></Listeners>"
        ),
    )
}

fn definition(action: &str, more: &str) -> String {
    format!(
        "  listener: {{ web: {{ load_balancer: '{BALANCER}', port: 443, protocol: HTTPS, certificate: '{CERTIFICATE}',\n    \
         default_action: {action}{more} }} }}\n"
    )
}

fn login(scope: &str, key: &str) -> String {
    format!(
        "{{ authenticate_oidc: {{ issuer: 'https://login.example.com', authorization_endpoint: 'https://login.example.com/authorize',
         token_endpoint: 'https://login.example.com/token', user_info_endpoint: 'https://login.example.com/user', client_id: shop,
         client_secret: '{SECRET}', client_secret_key: '{key}', scope: '{scope}', then: {{ fixed_response: {{ status_code: 200 }} }} }} }}"
    )
}

fn script() -> Script {
    let value = json!({ "client": VALUE, "next": "next-s3cret" }).to_string();
    Script::new()
        .on("GetSecretValue", [ok(json!({ "ARN": SECRET, "Name": "login", "SecretString": value }))])
        .on("DescribeTags", [tags("")])
        .on("CreateListener", [listener("CreateListener", &oidc("openid"), "")])
        .on("ModifyListener", [listener("ModifyListener", &oidc("openid"), "")])
        .on("AddTags", [answer("AddTags", "")])
        .on("RemoveTags", [answer("RemoveTags", "")])
}

const FIELD: &str = "DefaultActions.member.1.AuthenticateOidcConfig.ClientSecret";
const KEEPS: &str = "DefaultActions.member.1.AuthenticateOidcConfig.UseExistingClientSecret";

fn field(endpoint: &Endpoint, call: &str, number: usize, name: &str) -> Value {
    endpoint.request_bodies(call)[number].get(name).cloned().unwrap_or_default()
}

/// AWS never reports the secret. Tags record which one it has, so that it is sent once, and again only when the reference changes.
#[test]
fn sends_the_secret_of_a_client_once_and_never_shows_it() {
    let endpoint = script()
        .after("CreateListener")
        .on("DescribeListeners", [listener("DescribeListeners", &oidc("openid"), "")])
        .on("DescribeTags", [tags(&source("client"))])
        .after("ModifyListener")
        .on("DescribeListeners", [listener("DescribeListeners", &oidc("openid email"), "")])
        .after("AddTags")
        .on("DescribeTags", [tags(&source("next"))])
        .start(&definition(&login("openid", "client"), ""));
    let mut shown = endpoint.run("plan", &["-o", "json"]).combined_output();
    shown += &endpoint.apply().combined_output();
    assert_eq!(field(&endpoint, "CreateListener", 0, FIELD), VALUE);
    let created = endpoint.request_bodies("CreateListener")[0].to_string();
    assert!(created.contains("acme:client-secret") && created.contains(&format!("{SECRET} client")), "{created}");

    // Another setting: AWS keeps the secret.
    endpoint.redefine(&definition(&login("openid email", "client"), ""));
    shown += &endpoint.apply().combined_output();
    assert_eq!(field(&endpoint, "ModifyListener", 0, FIELD), Value::Null);
    assert_eq!(field(&endpoint, "ModifyListener", 0, KEEPS), "true");

    // Another reference: the value is sent, and recorded afterwards.
    endpoint.redefine(&definition(&login("openid email", "next"), ""));
    shown += &endpoint.apply().combined_output();
    assert_eq!(field(&endpoint, "ModifyListener", 1, FIELD), "next-s3cret");
    assert_eq!(endpoint.writes(), ["200 CreateListener", "200 ModifyListener", "200 ModifyListener", "200 AddTags"]);
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn an_action_that_no_longer_authenticates_has_no_secret() {
    let plain = format!("<member>{FIXED}</member>");
    let endpoint = script()
        .on("DescribeListeners", [listener("DescribeListeners", &oidc("openid"), "")])
        .on("DescribeTags", [tags(&source("client"))])
        .with_tagged_resources(&[(LISTENER, "listener.web")])
        .after("ModifyListener")
        .on("DescribeListeners", [listener("DescribeListeners", &plain, "")])
        .after("RemoveTags")
        .on("DescribeTags", [tags("")])
        .start(&definition("{ fixed_response: { status_code: 200 } }", ""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 ModifyListener", "200 RemoveTags"]);
    assert_eq!(endpoint.request_bodies("RemoveTags")[0]["TagKeys.member.1"], "acme:client-secret");
}

/// The secret has no value yet.
#[test]
fn reports_a_secret_without_a_value() {
    let missing = json_error(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value");
    let endpoint = script().on("GetSecretValue", [missing]).start(&definition(&login("openid", ""), ""));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("can't find the specified secret value"), "{}", done.combined_output());
    assert_eq!(endpoint.call_count("CreateListener"), 0);
}

/// Certificates of clients, and attributes, of which only those that differ are sent.
#[test]
fn sets_certificates_of_clients_and_headers() {
    const STORE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:truststore/clients/1";
    let attribute = |key: &str, value: &str| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
    let attributes = |server: bool, policy: &str| {
        let all = [
            attribute("routing.http.response.server.enabled", &server.to_string()),
            attribute("routing.http.response.x_frame_options.header_value", "DENY"),
            attribute("routing.http.response.content_security_policy.header_value", policy),
            attribute("routing.http.request.x_amzn_tls_version.header_name", ""),
        ];
        answer("DescribeListenerAttributes", &format!("<Attributes>{}</Attributes>", all.concat()))
    };
    let plain = format!("<member>{FIXED}</member>");
    let mutual = format!(
        "<MutualAuthentication><Mode>verify</Mode><TrustStoreArn>{STORE}</TrustStoreArn><IgnoreClientCertificateExpiry>false\
         </IgnoreClientCertificateExpiry><AdvertiseTrustStoreCaNames>off</AdvertiseTrustStoreCaNames></MutualAuthentication>"
    );
    let off = "<MutualAuthentication><Mode>off</Mode></MutualAuthentication>";
    let headers = ", response_headers: { server: false, frame_options: DENY, content_security_policy: \"default-src 'self'\" }";
    let action = "{ fixed_response: { status_code: 200 } }";
    let endpoint = script()
        .with_tagged_resources(&[(LISTENER, "listener.web")])
        .on("DescribeListeners", [listener("DescribeListeners", &plain, off)])
        .on("DescribeListenerAttributes", [attributes(true, "")])
        .on("ModifyListenerAttributes", [answer("ModifyListenerAttributes", "")])
        .after("ModifyListener")
        .on("DescribeListeners", [listener("DescribeListeners", &plain, &mutual)])
        .after("ModifyListenerAttributes")
        .on("DescribeListenerAttributes", [attributes(false, "default-src 'self'")])
        .start(&definition(action, &format!(", mutual_authentication: {{ mode: verify, trust_store: '{STORE}' }}{headers}")));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 ModifyListener", "200 ModifyListenerAttributes"]);
    assert_eq!(endpoint.request_bodies("ModifyListener")[0]["MutualAuthentication.TrustStoreArn"], STORE);
    let sent = endpoint.request_bodies("ModifyListenerAttributes")[0].to_string();
    assert!(sent.contains("server.enabled") && sent.contains("content_security_policy") && !sent.contains("x_frame_options"), "{sent}");
}
