//! Unique values that one resource releases and another gets, in one plan: ports, attachments, routes, domains and names.

use crate::exclusive::{apply_all, codes};

fn balancer(listeners: &str) -> String {
    format!(
        "resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}
  subnet:
    a: {{ vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }}
    b: {{ vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }}
  security_group: {{ web: {{ vpc: main }} }}
  load_balancer: {{ web: {{ subnets: [a, b], security_groups: [web], internal: true, deletion_protection: false }} }}
  listener:
{listeners}"
    )
}

fn listener(name: &str, port: u16, status: u16) -> String {
    format!(
        "    {name}: {{ load_balancer: web, port: {port}, protocol: HTTP, default_action: {{ fixed_response: {{ status_code: {status} }} }} }}\n"
    )
}

#[test]
fn a_listener_gets_the_port_that_another_one_leaves() {
    let before = balancer(&listener("one", 80, 404));
    let after = balancer(&(listener("one", 8080, 404) + &listener("two", 80, 503)));
    let plans = apply_all(&[&before, &after, &balancer(&listener("two", 8080, 503))]);
    assert_eq!(codes(&plans[1]), [""; 0]);
    assert_eq!(plans[1].changes(), ["create listener.two", "update listener.one"]);
    assert_eq!(plans[2].changes(), ["delete listener.one", "update listener.two"]);
}

#[test]
fn listeners_that_exchange_their_ports_are_refused() {
    let before = balancer(&(listener("one", 80, 404) + &listener("two", 8080, 503)));
    let after = balancer(&(listener("one", 8080, 404) + &listener("two", 80, 503)));
    let plans = apply_all(&[&before, &after]);
    assert_eq!(codes(&plans[1]), ["taken listener.one"], "{:#}", plans[1].0);
}

#[test]
fn a_gateway_is_detached_before_another_one_is_attached() {
    let gateways = |one: &str, two: &str| {
        format!(
            "resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16 }}, other: {{ cidr: 10.1.0.0/16 }} }}
  internet_gateway: {{ one: {{ vpc: {one} }}, two: {{ vpc: {two} }} }}
"
        )
    };
    let plans = apply_all(&[
        &gateways("main", "other"),
        &gateways("main", "other").replace(", two: { vpc: other }", ""),
        &gateways("other", "main").replace("one: {", "zero: {"),
    ]);
    assert_eq!(codes(&plans[2]), [""; 0], "{:#}", plans[2].0);
}

#[test]
fn the_endpoint_of_a_route_table_is_replaced_by_another_one() {
    let endpoints = |text: &str| {
        format!(
            "resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}
  route_table: {{ one: {{ vpc: main }}, two: {{ vpc: main }} }}
  vpc_endpoint:
{text}"
        )
    };
    let (both, one) =
        ("    a: { vpc: main, service: s3, route_tables: [one, two] }\n", "    a: { vpc: main, service: s3, route_tables: [one] }\n");
    let other = "    b: { vpc: main, service: s3, route_tables: [two] }\n";
    let plans = apply_all(&[&endpoints(both), &endpoints(&format!("{one}{other}")), &endpoints(other), &endpoints(both)]);
    assert!(plans.iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
    assert_eq!(plans[1].changes(), ["create vpc_endpoint.b", "update vpc_endpoint.a"]);
}

#[test]
fn a_private_zone_is_deleted_before_one_of_its_domain() {
    let zone = |private: &str| {
        format!(
            "resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16 }}, other: {{ cidr: 10.1.0.0/16 }} }}
  dns_zone: {{ {private} }}
"
        )
    };
    let plans = apply_all(&[
        &zone("one: { domain: corp.example.com, comment: One, vpcs: [main, other] }"),
        &zone("one: { domain: corp.example.com, comment: One, vpcs: [other] }, two: { domain: corp.example.com, vpcs: [main] }"),
        &zone("three: { domain: corp.example.com, comment: Three, vpcs: [main, other] }"),
    ]);
    assert!(plans.iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
    assert_eq!(plans[1].changes(), ["create dns_zone.two", "update dns_zone.one"]);
}

/// AWS does not resize a range: the new one can be added when the old one is gone.
#[test]
fn a_secondary_range_that_overlaps_the_one_it_replaces_is_refused() {
    let vpc = |range: &str| format!("resources:\n  vpc: {{ main: {{ cidr: 10.0.0.0/16, secondary_cidrs: [{range}] }} }}\n");
    let plans = apply_all(&[&vpc("10.2.0.0/16"), &vpc("10.2.0.0/17"), &vpc(""), &vpc("10.2.0.0/17"), &vpc("10.3.0.0/17")]);
    assert_eq!(codes(&plans[1]), ["taken vpc.main"], "{:#}", plans[1].0);
    assert!(plans[2..].iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
}

/// IAM and EC2 compare these names without regard to case.
#[test]
fn names_that_differ_only_in_case_are_the_same() {
    let role = |name: &str| format!("resources:\n  iam_role: {{ app: {{ name: {name}, trust: {{ services: [ec2.amazonaws.com] }} }} }}\n");
    let plans = apply_all(&[&role("App"), &role("app")]);
    assert_eq!(plans[1].changes(), ["replace iam_role.app"]);
    assert_eq!(plans[1].0["changes"][0]["replacement_order"], "destroy_before_create");

    let group = |key: &str, name: &str| {
        format!("resources:\n  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}\n  security_group: {{ {key}: {{ vpc: main, name: {name} }} }}\n")
    };
    let plans = apply_all(&[&group("web", "Web"), &group("front", "WEB")]);
    assert!(codes(&plans[1]).is_empty(), "{:#}", plans[1].0);
}
