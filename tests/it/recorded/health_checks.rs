//! Health checks: versions, caller references, and what an update resets.

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const ID: &str = "abcdef11-2222-3333-4444-555555fedcba";

/// A health check as Route 53 returns it.
fn check(reference: &str, version: u32, config: &str) -> String {
    format!(
        "<HealthCheck><Id>{ID}</Id><CallerReference>{reference}</CallerReference><HealthCheckConfig>{config}</HealthCheckConfig>\
         <HealthCheckVersion>{version}</HealthCheckVersion></HealthCheck>"
    )
}

fn list(checks: &str) -> Answer {
    xml(format!(
        "<ListHealthChecksResponse><HealthChecks>{checks}</HealthChecks><Marker></Marker><IsTruncated>false</IsTruncated>\
         <MaxItems>100</MaxItems></ListHealthChecksResponse>"
    ))
}

fn tags(tags: &str) -> Answer {
    xml(format!(
        "<ListTagsForResourcesResponse><ResourceTagSets><ResourceTagSet><ResourceType>healthcheck</ResourceType>\
         <ResourceId>{ID}</ResourceId><Tags>{tags}</Tags></ResourceTagSet></ResourceTagSets></ListTagsForResourcesResponse>"
    ))
}

fn own_tags() -> Answer {
    tags(&xml_ownership_tags("health_check.web", "Tag", "Key", "Value"))
}

const REGIONS: &str = "<Regions><Region>eu-west-1</Region><Region>us-east-1</Region><Region>us-west-2</Region></Regions>";

/// A check of `www.example.com`, with the elements that AWS fills in.
fn https(path: &str, threshold: u32) -> String {
    format!(
        "<Port>443</Port><Type>HTTPS</Type>{path}<FullyQualifiedDomainName>www.example.com</FullyQualifiedDomainName>\
         <RequestInterval>30</RequestInterval><FailureThreshold>{threshold}</FailureThreshold><MeasureLatency>false</MeasureLatency>\
         <Inverted>false</Inverted><Disabled>false</Disabled><EnableSNI>true</EnableSNI>{REGIONS}"
    )
}

fn definition(more: &str) -> String {
    format!("  health_check: {{ web: {{ type: https, domain: www.example.com, regions: [eu-west-1, us-east-1, us-west-2]{more} }} }}\n")
}

const UPDATED: &str = "<UpdateHealthCheckResponse></UpdateHealthCheckResponse>";

/// A path can only be removed by its name, and a mismatch means that the check has changed since it was read.
#[test]
fn resets_a_path_with_the_version_that_was_read() {
    let path = "<ResourcePath>/healthz</ResourcePath>";
    let mismatch = xml_error(409, "HealthCheckVersionMismatch", "The value of HealthCheckVersion does not match");
    let endpoint = Script::new()
        .with_tagged_resources(&[("arn:aws:route53:::healthcheck/abcdef11-2222-3333-4444-555555fedcba", "health_check.web")])
        .on("GET /healthcheck", [list(&check("r", 7, &https(path, 3)))])
        .on("POST /tags/-", [own_tags()])
        .on("POST /healthcheck/-", [mismatch, xml(UPDATED)])
        .after("POST /healthcheck/-")
        .on("GET /healthcheck", [list(&check("r", 8, &https("", 3)))])
        .start(&definition(""));
    endpoint.apply();
    let sent = endpoint.request_bodies("POST /healthcheck/-");
    let text = sent[sent.len() - 1].to_string();
    assert!(text.contains("<HealthCheckVersion>7</HealthCheckVersion>"), "{text}");
    assert!(text.contains("<ResetElements><ResettableElementName>ResourcePath</ResettableElementName></ResetElements>"), "{text}");
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
}

#[test]
fn leaves_a_check_without_tags_alone_that_another_stack_created() {
    let other = check("acme/other/default/web/0123456789abcdef", 1, &https("", 3));
    let endpoint = Script::new().on("GET /healthcheck", [list(&other)]).on("POST /tags/-", [tags("")]).start(&definition(""));
    assert_eq!(endpoint.planned_changes(), ["create health_check.web"]);
}

/// Of Application Recovery Controller.
#[test]
fn ignores_checks_of_a_type_that_it_does_not_manage() {
    let config = "<Type>RECOVERY_CONTROL</Type><RoutingControlArn>arn:aws:route53-recovery-control::123456789012:controlpanel/1/routingcontrol/2\
                  </RoutingControlArn>";
    let endpoint = Script::new().on("GET /healthcheck", [list(&check("r", 1, config))]).start(&definition(""));
    assert_eq!(endpoint.planned_changes(), ["create health_check.web"]);
}

/// Checks that AWS Cloud Map made.
#[test]
fn ignores_checks_of_other_services() {
    let linked = "<LinkedService><ServicePrincipal>servicediscovery.amazonaws.com</ServicePrincipal></LinkedService>";
    let check = check("acme/shop/default/web/0123456789abcdef", 1, &https("", 3))
        .replace("</CallerReference>", &format!("</CallerReference>{linked}"));
    let endpoint = Script::new().on("GET /healthcheck", [list(&check)]).start(&definition(""));
    assert_eq!(endpoint.planned_changes(), ["create health_check.web"]);
}

#[test]
fn reports_fields_of_another_type_of_check() {
    let wrong = "  health_check:
    a: { type: tcp, ip_address: 10.0.0.1 }
    b: { type: calculated, domain: www.example.com }
    c: { type: alarm }
    d: { type: http, domain: www.example.com, sni: false }
    e: { type: https }
";
    let done = Script::new().start(wrong).run("plan", &[]);
    let problems = [
        "a TCP check needs a `port`",
        "AWS checks public addresses only, and 10.0.0.1 is none",
        "`domain` goes with `http`, `https` and `tcp`",
        "a calculated check needs `children`",
        "a check of this type needs an `alarm`",
        "`sni` goes with `https`",
        "a check of an endpoint needs a `domain` or an `ip_address`",
    ];
    for problem in problems {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
}
