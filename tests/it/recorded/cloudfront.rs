//! Distributions of CloudFront: states, versions, deletion in two halves, and settings that acme does not manage.

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const ARN: &str = "arn:aws:cloudfront::123456789012:distribution/EDFDVBD6EXAMPLE";
const TAGS: &str = "GET /tagging?Resource";
const READ: &str = "GET /distribution/-";
const CREATE: &str = "POST /distribution?WithTags";
const CONFIG: &str = "GET /distribution/-/config";
const UPDATE: &str = "PUT /distribution/-/config";
const DELETE: &str = "DELETE /distribution/-";

/// A configuration with the settings that CloudFront fills in, and one that acme does not manage.
fn config(enabled: bool, comment: &str, policy: &str) -> String {
    let list = |name: &str| format!("<{name}><Quantity>0</Quantity></{name}>");
    let methods = "<AllowedMethods><Quantity>2</Quantity><Items><Method>HEAD</Method><Method>GET</Method></Items><CachedMethods>\
                   <Quantity>2</Quantity><Items><Method>HEAD</Method><Method>GET</Method></Items></CachedMethods></AllowedMethods>";
    let behavior = format!(
        "<TargetOriginId>web</TargetOriginId><TrustedSigners><Enabled>true</Enabled><Quantity>1</Quantity><Items>\
         <AwsAccountNumber>self</AwsAccountNumber></Items></TrustedSigners><ViewerProtocolPolicy>redirect-to-https</ViewerProtocolPolicy>\
         {methods}<SmoothStreaming>false</SmoothStreaming><Compress>true</Compress><FieldLevelEncryptionId></FieldLevelEncryptionId>{policy}"
    );
    let origin = "<Id>web</Id><DomainName>web.example.com</DomainName><OriginPath></OriginPath><CustomOriginConfig><HTTPPort>80</HTTPPort>\
                  <HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy><OriginSslProtocols><Quantity>1</Quantity>\
                  <Items><SslProtocol>TLSv1.2</SslProtocol></Items></OriginSslProtocols><OriginReadTimeout>30</OriginReadTimeout>\
                  <OriginKeepaliveTimeout>5</OriginKeepaliveTimeout></CustomOriginConfig><ConnectionAttempts>3</ConnectionAttempts>\
                  <ConnectionTimeout>10</ConnectionTimeout><OriginShield><Enabled>false</Enabled></OriginShield>";
    format!(
        "<CallerReference>token</CallerReference>{}<DefaultRootObject></DefaultRootObject><Origins><Quantity>1</Quantity><Items><Origin>\
         {origin}</Origin></Items></Origins>{}<DefaultCacheBehavior>{behavior}</DefaultCacheBehavior>{}{}<Comment>{comment}</Comment>\
         <Logging><Enabled>false</Enabled><IncludeCookies>false</IncludeCookies><Bucket></Bucket><Prefix></Prefix></Logging>\
         <PriceClass>PriceClass_All</PriceClass><Enabled>{enabled}</Enabled><ViewerCertificate><CloudFrontDefaultCertificate>true\
         </CloudFrontDefaultCertificate><MinimumProtocolVersion>TLSv1</MinimumProtocolVersion><CertificateSource>cloudfront\
         </CertificateSource></ViewerCertificate><Restrictions><GeoRestriction><RestrictionType>none</RestrictionType><Quantity>0</Quantity>\
         </GeoRestriction></Restrictions><WebACLId></WebACLId><HttpVersion>http2</HttpVersion><IsIPV6Enabled>true</IsIPV6Enabled>\
         <ContinuousDeploymentPolicyId>policy-1</ContinuousDeploymentPolicyId><Staging>false</Staging>",
        list("Aliases"),
        list("OriginGroups"),
        list("CacheBehaviors"),
        list("CustomErrorResponses"),
    )
}

const OPTIMIZED: &str = "<CachePolicyId>658327ea-f89d-4fab-a63d-7e88639e58f6</CachePolicyId>";
const LEGACY: &str = "<ForwardedValues><QueryString>false</QueryString><Cookies><Forward>none</Forward></Cookies></ForwardedValues>\
                      <MinTTL>0</MinTTL><DefaultTTL>60</DefaultTTL><MaxTTL>600</MaxTTL>";

fn described(status: &str, config: &str) -> Answer {
    xml(format!(
        "<Distribution><Id>EDFDVBD6EXAMPLE</Id><ARN>{ARN}</ARN><Status>{status}</Status><LastModifiedTime>2026-01-01T00:00:00Z\
         </LastModifiedTime><InProgressInvalidationBatches>0</InProgressInvalidationBatches><DomainName>d111111abcdef8.cloudfront.net\
         </DomainName><DistributionConfig>{config}</DistributionConfig></Distribution>"
    ))
}

fn read(status: &str, enabled: bool, comment: &str) -> Answer {
    described(status, &config(enabled, comment, OPTIMIZED))
}

fn current(config: &str) -> Answer {
    xml(format!("<DistributionConfig>{config}</DistributionConfig>"))
}

fn tags() -> Answer {
    xml(format!("<Tags><Items>{}</Items></Tags>", xml_ownership_tags("cloudfront_distribution.web", "Tag", "Key", "Value")))
}

fn definition(more: &str) -> String {
    format!(
        "  cloudfront_distribution:\n    web: {{ origins: {{ web: {{ domain: web.example.com, type: {{ custom: {{}} }} }} }}, \
         default_behavior: {{ origin: web }}{more} }}\n"
    )
}

/// A script of an account without policies, access controls and functions, which are listed beside distributions.
fn alone() -> Script {
    let empty = |list: &str| xml(format!("<{list}><MaxItems>100</MaxItems><Quantity>0</Quantity></{list}>"));
    let controls = "<OriginAccessControlList><Marker></Marker><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated><Quantity>0</Quantity>\
                    </OriginAccessControlList>";
    Script::new()
        .on("GET /origin-access-control", [xml(controls)])
        .on("GET /cache-policy?Type", [empty("CachePolicyList")])
        .on("GET /origin-request-policy?Type", [empty("OriginRequestPolicyList")])
        .on("GET /response-headers-policy?Type", [empty("ResponseHeadersPolicyList")])
        .on("GET /function?Stage", [empty("FunctionList")])
}

fn existing() -> Script {
    alone().with_tagged_resources(&[(ARN, "cloudfront_distribution.web")]).on(TAGS, [tags()])
}

#[test]
fn waits_until_a_new_distribution_is_deployed() {
    let endpoint = alone()
        .on(CREATE, [read("InProgress", true, "")])
        .after(CREATE)
        .with_tagged_resources(&[(ARN, "cloudfront_distribution.web")])
        .on(TAGS, [tags()])
        .on(READ, [read("InProgress", true, ""), read("InProgress", true, ""), read("Deployed", true, "")])
        .start(&definition(""));
    endpoint.apply();
    assert!(endpoint.call_count(READ) >= 3);
    let sent = endpoint.request_bodies(CREATE)[0].to_string();
    for part in ["<Key>acme:stack</Key>", OPTIMIZED, "<CloudFrontDefaultCertificate>true", "<ViewerProtocolPolicy>redirect-to-https"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    assert!(!sent.contains("ForwardedValues"), "{sent}");
}

#[test]
fn does_not_wait_where_the_definition_says_so() {
    let endpoint = alone()
        .on(CREATE, [read("InProgress", true, "")])
        .after(CREATE)
        .with_tagged_resources(&[(ARN, "cloudfront_distribution.web")])
        .on(TAGS, [tags()])
        .on(READ, [read("InProgress", true, "")])
        .start(&definition(", wait_until_deployed: false"));
    endpoint.apply();
}

/// The next attempt reads the configuration that another change left, with its version.
#[test]
fn an_update_keeps_other_settings_and_repeats_after_another_change() {
    let endpoint = existing()
        .on(READ, [read("Deployed", true, "")])
        .on(CONFIG, [current(&config(true, "", OPTIMIZED))])
        .on(UPDATE, [xml_error(412, "PreconditionFailed", "The precondition evaluated to false."), read("InProgress", true, "Shop")])
        .after(UPDATE)
        .on(READ, [read("InProgress", true, "Shop"), read("Deployed", true, "Shop")])
        .start(&definition(", comment: Shop"));
    endpoint.apply();
    assert_eq!(endpoint.request_headers(UPDATE, "if-match"), ["E0", "E0"]);
    let sent = endpoint.request_bodies(UPDATE)[1].to_string();
    for part in [
        "<CallerReference>token</CallerReference>",
        "<ContinuousDeploymentPolicyId>policy-1</ContinuousDeploymentPolicyId>",
        "<AwsAccountNumber>self</AwsAccountNumber>",
        "<Comment>Shop</Comment>",
    ] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
}

#[test]
fn a_distribution_is_disabled_everywhere_before_it_is_deleted() {
    let endpoint = existing()
        .on(READ, [read("Deployed", true, "")])
        .on(UPDATE, [read("InProgress", false, "")])
        .after(UPDATE)
        .on(READ, [read("InProgress", false, ""), read("InProgress", false, ""), read("Deployed", false, "")])
        .on(DELETE, [(204, String::new())])
        .after(DELETE)
        .on(READ, [xml_error(404, "NoSuchDistribution", "The specified distribution does not exist.")])
        .start(&definition(""));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("200 {UPDATE}"), format!("204 {DELETE}")]);
    assert_eq!(endpoint.request_headers(UPDATE, "if-match"), ["E0"]);
    assert_eq!(endpoint.request_headers(DELETE, "if-match"), ["E1"]);
    assert!(endpoint.request_bodies(UPDATE)[0].to_string().contains("<Enabled>false</Enabled>"));
}

#[test]
fn a_plan_says_that_a_deletion_takes_two_steps() {
    let endpoint = existing().on(READ, [read("Deployed", true, "")]).start(&definition(""));
    let plan = endpoint.run("plan", &["--destroy"]).combined_output();
    assert!(plan.contains("it is disabled in all edge locations first"), "{plan}");
}

#[test]
fn an_alias_of_another_distribution_is_no_reason_to_adopt_one() {
    let taken =
        xml_error(409, "CNAMEAlreadyExists", "One or more of the CNAMEs you provided are already associated with a different resource.");
    let certificate = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
    let more = format!(", aliases: [shop.example.com], certificate: '{certificate}'");
    let endpoint = alone().on(CREATE, [taken]).start(&definition(&more));
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0);
    let output = done.combined_output();
    assert!(output.contains("CNAMEAlreadyExists") && !output.contains("acme import"), "{output}");
}

#[test]
fn deprecated_cache_settings_can_stay() {
    let legacy = config(true, "", LEGACY);
    let endpoint = existing().on(READ, [described("Deployed", &legacy)]).start(&definition(""));
    assert_eq!(endpoint.planned_changes(), ["update cloudfront_distribution.web"]);
    endpoint.redefine(&definition("").replace("origin: web }", "origin: web, cache_policy: legacy }"));
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
}

#[test]
fn reports_certificates_and_firewalls_of_other_regions() {
    let more = ", aliases: [shop.example.com, other.example.com], certificate: shop, web_acl: web";
    let wrong = format!(
        "{}  certificate: {{ shop: {{ domain: shop.example.com, region: eu-west-1 }} }}\n  waf_web_acl: {{ web: {{}} }}\n",
        definition(more)
    );
    let done = Script::new().start(&wrong).run("plan", &[]);
    for problem in [
        "the certificate is in eu-west-1, and CloudFront uses those of us-east-1 only",
        "`certificate.shop` is not for `other.example.com`",
        "`waf_web_acl.web` has the scope `regional`",
    ] {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
    assert!(!done.stderr.contains("is not for `shop.example.com`"), "{}", done.combined_output());
}
