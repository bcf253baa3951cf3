//! Classic load balancers: TLS policies, certificates, and load balancers that are gone.

use serde_json::json;

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const LIST: &str = "DescribeLoadBalancers";
const TAGS: &str = "DescribeTags";
const ATTRIBUTES: &str = "DescribeLoadBalancerAttributes";
const POLICIES: &str = "DescribeLoadBalancerPolicies";
const CREATE: &str = "CreateLoadBalancer";
const HEALTH: &str = "ConfigureHealthCheck";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1";
const NEW_CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/2";

fn answer(action: &str, inner: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"))
}

/// A load balancer with TLS at port 443.
fn balancer(certificate: &str, policy: &str, target: &str) -> String {
    format!(
        "<member><LoadBalancerName>shop-web</LoadBalancerName><DNSName>web.us-east-1.elb.amazonaws.com</DNSName>\
         <CanonicalHostedZoneNameID>Z35SXDOTRQ7X7K</CanonicalHostedZoneNameID><Scheme>internet-facing</Scheme><Subnets><member>subnet-1\
         </member></Subnets><SecurityGroups><member>sg-1</member></SecurityGroups><SourceSecurityGroup><OwnerAlias>123456789012</OwnerAlias>\
         <GroupName>web</GroupName></SourceSecurityGroup><ListenerDescriptions><member><PolicyNames><member>{policy}</member></PolicyNames>\
         <Listener><Protocol>HTTPS</Protocol><LoadBalancerPort>443</LoadBalancerPort><InstanceProtocol>HTTP</InstanceProtocol><InstancePort>\
         8080</InstancePort><SSLCertificateId>{certificate}</SSLCertificateId></Listener></member></ListenerDescriptions><HealthCheck><Target>\
         {target}</Target><Interval>30</Interval><Timeout>5</Timeout><UnhealthyThreshold>2</UnhealthyThreshold><HealthyThreshold>10\
         </HealthyThreshold></HealthCheck></member>"
    )
}

fn listed(balancers: &str) -> Answer {
    answer(LIST, &format!("<LoadBalancerDescriptions>{balancers}</LoadBalancerDescriptions>"))
}

fn tags() -> Answer {
    let tags = xml_ownership_tags("classic_load_balancer.web", "member", "Key", "Value");
    let member = format!("<member><LoadBalancerName>shop-web</LoadBalancerName><Tags>{tags}</Tags></member>");
    answer(TAGS, &format!("<TagDescriptions>{member}</TagDescriptions>"))
}

fn attributes() -> Answer {
    answer(
        ATTRIBUTES,
        "<LoadBalancerAttributes><CrossZoneLoadBalancing><Enabled>false</Enabled></CrossZoneLoadBalancing><AccessLog><Enabled>false</Enabled>\
         </AccessLog><ConnectionDraining><Enabled>false</Enabled><Timeout>300</Timeout></ConnectionDraining><ConnectionSettings><IdleTimeout>60\
         </IdleTimeout></ConnectionSettings><AdditionalAttributes><member><Key>elb.http.desyncmitigationmode</Key><Value>defensive</Value>\
         </member></AdditionalAttributes></LoadBalancerAttributes>",
    )
}

fn policies(name: &str, reference: &str) -> Answer {
    let attribute =
        format!("<member><AttributeName>Reference-Security-Policy</AttributeName><AttributeValue>{reference}</AttributeValue></member>");
    answer(
        POLICIES,
        &format!(
            "<PolicyDescriptions><member><PolicyName>{name}</PolicyName><PolicyTypeName>SSLNegotiationPolicyType</PolicyTypeName>\
             <PolicyAttributeDescriptions>{attribute}</PolicyAttributeDescriptions></member></PolicyDescriptions>"
        ),
    )
}

fn definition(certificate: &str, more: &str) -> String {
    format!(
        "  classic_load_balancer:\n    web:\n      subnets: [{{ id: subnet-1 }}]\n      security_groups: [{{ id: sg-1 }}]\n      \
         listeners: [{{ port: 443, protocol: HTTPS, instance_port: 8080, certificate: \"{certificate}\"{more} }}]\n      \
         health_check: {{ target: \"HTTP:8080/healthz\" }}\n"
    )
}

const DEFAULT: &str = "ELBSecurityPolicy-2016-08";
const STRICT: &str = "ELBSecurityPolicy-TLS-1-2-2017-01";

/// A certificate that was just issued is not known yet.
#[test]
fn waits_for_a_certificate_to_be_known() {
    let unknown = xml_error(400, "CertificateNotFound", "Server Certificate not found for the key");
    let (create_policy, set) = ("CreateLoadBalancerPolicy", "SetLoadBalancerPoliciesOfListener");
    let endpoint = Script::new()
        .on(LIST, [listed("")])
        .on(TAGS, [tags()])
        .on(ATTRIBUTES, [attributes()])
        .on(POLICIES, [policies(DEFAULT, DEFAULT)])
        .on(CREATE, [unknown, answer(CREATE, "<DNSName>web.us-east-1.elb.amazonaws.com</DNSName>")])
        .on(HEALTH, [answer(HEALTH, "")])
        .on(create_policy, [xml_error(400, "DuplicatePolicyName", "Policy name already exists")])
        .on(set, [answer(set, "")])
        .after(CREATE)
        .on(LIST, [listed(&balancer(CERTIFICATE, DEFAULT, "TCP:8080"))])
        .after(HEALTH)
        .on(LIST, [listed(&balancer(CERTIFICATE, "acme-ELBSecurityPolicy-TLS-1-2-2017-01", "HTTP:8080/healthz"))])
        .on(POLICIES, [policies("acme-ELBSecurityPolicy-TLS-1-2-2017-01", STRICT)])
        .start(&definition(CERTIFICATE, &format!(", tls_policy: {STRICT}")));
    endpoint.apply();
    assert_eq!(endpoint.call_count(CREATE), 2);
    assert_eq!(endpoint.request_bodies(create_policy)[0]["PolicyAttributes.member.1.AttributeValue"], STRICT);
    assert_eq!(endpoint.request_bodies(set)[0]["PolicyNames.member.1"], format!("acme-{STRICT}"));
}

#[test]
fn changes_a_certificate_without_making_the_listener_again() {
    let set = "SetLoadBalancerListenerSSLCertificate";
    let endpoint = Script::new()
        .on(LIST, [listed(&balancer(CERTIFICATE, DEFAULT, "HTTP:8080/healthz"))])
        .on(TAGS, [tags()])
        .on(ATTRIBUTES, [attributes()])
        .on(POLICIES, [policies(DEFAULT, DEFAULT)])
        .on(set, [answer(set, "")])
        .after(set)
        .on(LIST, [listed(&balancer(NEW_CERTIFICATE, DEFAULT, "HTTP:8080/healthz"))])
        .start(&definition(NEW_CERTIFICATE, ""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {set}")]);
    assert_eq!(endpoint.request_bodies(set)[0]["SSLCertificateId"], json!(NEW_CERTIFICATE));
}

/// DescribeTags fails for all if one is gone.
#[test]
fn reads_the_others_when_one_is_gone() {
    let gone = balancer(CERTIFICATE, DEFAULT, "TCP:1").replace("shop-web", "shop-gone");
    let both = gone + &balancer(CERTIFICATE, DEFAULT, "HTTP:8080/healthz");
    let not_found = xml_error(400, "LoadBalancerNotFound", "There is no ACTIVE Load Balancer named 'shop-gone'");
    let endpoint = Script::new()
        .on(LIST, [listed(&both)])
        .on(TAGS, [tags()])
        .on_containing(TAGS, "shop-gone", [not_found])
        .on(ATTRIBUTES, [attributes()])
        .on(POLICIES, [policies(DEFAULT, DEFAULT)])
        .start(&definition(CERTIFICATE, ""));
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
}
