//! Network load balancers with static addresses: changes in place, and conflicts of addresses.

use serde_json::Value;

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/shop-edge/1";

/// Response of a query service with this result.
fn answer(action: &str, inside: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inside}</{action}Result></{action}Response>"))
}

/// A zone as returned by AWS.
fn zone(subnet: &str, address: &str) -> String {
    let addresses = if address.is_empty() { String::new() } else { format!("<member>{address}</member>") };
    format!("<member><SubnetId>{subnet}</SubnetId><LoadBalancerAddresses>{addresses}</LoadBalancerAddresses></member>")
}

/// Same with an elastic IP.
fn elastic_ip_zone(subnet: &str, id: &str) -> String {
    zone(subnet, &format!("<IpAddress>192.0.2.1</IpAddress><AllocationId>{id}</AllocationId>"))
}

/// A network load balancer as returned by AWS.
fn load_balancer(zones: &[String], more: &str) -> Answer {
    let zones = zones.concat();
    let inside = format!(
        "<member><LoadBalancerArn>{BALANCER}</LoadBalancerArn><LoadBalancerName>shop-edge</LoadBalancerName><Type>network</Type>\
         <Scheme>internet-facing</Scheme><AvailabilityZones>{zones}</AvailabilityZones>{more}</member>"
    );
    answer("DescribeLoadBalancers", &format!("<LoadBalancers>{inside}</LoadBalancers>"))
}

fn no_load_balancer() -> Answer {
    answer("DescribeLoadBalancers", "<LoadBalancers/>")
}

/// Creates and deletes it, with its ownership tags while it exists.
fn script_with_tags() -> Script {
    let tags = xml_ownership_tags("load_balancer.edge", "member", "Key", "Value");
    let of = format!("<TagDescriptions><member><ResourceArn>{BALANCER}</ResourceArn><Tags>{tags}</Tags></member></TagDescriptions>");
    let made = format!("<LoadBalancers><member><LoadBalancerArn>{BALANCER}</LoadBalancerArn></member></LoadBalancers>");
    Script::new()
        .on("DescribeTags", [answer("DescribeTags", &of)])
        .on("CreateLoadBalancer", [answer("CreateLoadBalancer", &made)])
        .on("DeleteLoadBalancer", [answer("DeleteLoadBalancer", "")])
        .on("SetSubnets", [answer("SetSubnets", "")])
}

/// Its stack; `fields` in addition to its type.
fn stack(fields: &str) -> String {
    format!("  load_balancer: {{ edge: {{ type: network, deletion_protection: false, {fields} }} }}\n")
}

/// Mappings of subnets to elastic IPs.
fn mappings(pairs: &[(&str, &str)]) -> String {
    let one = |(subnet, address): &(&str, &str)| format!("{{ subnet: {{ id: {subnet} }}, elastic_ip: {{ id: {address} }} }}");
    stack(&format!("subnet_mappings: [{}]", pairs.iter().map(one).collect::<Vec<_>>().join(", ")))
}

#[test]
fn creates_a_load_balancer_with_its_addresses() {
    let zones = [elastic_ip_zone("subnet-a", "eipalloc-1"), elastic_ip_zone("subnet-b", "eipalloc-2")];
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [no_load_balancer()])
        .after("CreateLoadBalancer")
        .on("DescribeLoadBalancers", [load_balancer(&zones, "")])
        .start(&mappings(&[("subnet-b", "eipalloc-2"), ("subnet-a", "eipalloc-1")]));
    endpoint.apply();
    let sent = &endpoint.request_bodies("CreateLoadBalancer")[0];
    let of = |key: &str| sent.get(format!("SubnetMappings.member.{key}")).and_then(Value::as_str);
    assert_eq!([of("1.SubnetId"), of("1.AllocationId")], [Some("subnet-a"), Some("eipalloc-1")]);
    assert_eq!([of("2.SubnetId"), of("2.AllocationId")], [Some("subnet-b"), Some("eipalloc-2")]);
    assert!(sent.get("Subnets.member.1").is_none(), "{sent:?}");
}

#[test]
fn adds_and_removes_subnets_in_place_and_keeps_other_addresses() {
    let before = [elastic_ip_zone("subnet-a", "eipalloc-1")];
    let after = [elastic_ip_zone("subnet-a", "eipalloc-1"), elastic_ip_zone("subnet-b", "eipalloc-2")];
    for (before, after, wanted) in [
        (&before[..], &after[..], &[("subnet-a", "eipalloc-1"), ("subnet-b", "eipalloc-2")][..]),
        (&after[..], &before[..], &[("subnet-a", "eipalloc-1")]),
    ] {
        let endpoint = script_with_tags()
            .on("DescribeLoadBalancers", [load_balancer(before, "")])
            .after("SetSubnets")
            .on("DescribeLoadBalancers", [load_balancer(after, "")])
            .start(&mappings(wanted));
        endpoint.apply();
        assert_eq!(endpoint.writes(), ["200 SetSubnets"]);
        let sent = &endpoint.request_bodies("SetSubnets")[0];
        assert_eq!(sent["SubnetMappings.member.1.AllocationId"], "eipalloc-1");
        assert_eq!(sent.get("SubnetMappings.member.2.AllocationId").is_some(), wanted.len() == 2);
    }
}

/// An address can't change in place, and an unchanged one can't belong to two load balancers.
#[test]
fn changing_an_address_deletes_the_old_load_balancer_first() {
    let before = [elastic_ip_zone("subnet-a", "eipalloc-1"), elastic_ip_zone("subnet-b", "eipalloc-2")];
    let after = [elastic_ip_zone("subnet-a", "eipalloc-1"), elastic_ip_zone("subnet-b", "eipalloc-3")];
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [load_balancer(&before, "")])
        .after("DeleteLoadBalancer")
        .on("DescribeLoadBalancers", [no_load_balancer()])
        .after("CreateLoadBalancer")
        .on("DescribeLoadBalancers", [load_balancer(&after, "")])
        .start(&mappings(&[("subnet-a", "eipalloc-1"), ("subnet-b", "eipalloc-3")]));
    assert_eq!(endpoint.planned_changes(), ["replace load_balancer.edge"]);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 DeleteLoadBalancer", "200 CreateLoadBalancer"]);
}

/// If all addresses are new, the new load balancer is created first; AWS can't exchange subnets of a zone in one step.
#[test]
fn changing_subnets_of_a_zone_replaces_the_load_balancer() {
    let endpoint = script_with_tags()
        .on(
            "DescribeLoadBalancers",
            [load_balancer(&[elastic_ip_zone("subnet-a", "eipalloc-1"), elastic_ip_zone("subnet-b", "eipalloc-2")], "")],
        )
        .start(&mappings(&[("subnet-a", "eipalloc-1"), ("subnet-c", "eipalloc-2")]));
    assert_eq!(endpoint.planned_changes(), ["replace load_balancer.edge"]);
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [load_balancer(&[elastic_ip_zone("subnet-a", "eipalloc-1")], "")])
        .start(&mappings(&[("subnet-a", "eipalloc-3")]));
    let screen = endpoint.run("plan", &[]).assert_success().stdout;
    assert!(screen.contains("new one created first"), "{screen}");
}

#[test]
fn ignores_addresses_assigned_by_aws() {
    let drawn = [zone("subnet-a", "<IPv6Address>2001:db8::1</IPv6Address>"), zone("subnet-b", "")];
    let shown = || script_with_tags().on("DescribeLoadBalancers", [load_balancer(&drawn, "<IpAddressType>dualstack</IpAddressType>")]);
    for fields in [
        "subnets: [{ id: subnet-a }, { id: subnet-b }]",
        "subnet_mappings: [{ subnet: { id: subnet-b } }, { subnet: { id: subnet-a } }]",
        "subnet_mappings: [{ subnet: { id: subnet-b } }, { subnet: { id: subnet-a }, ipv6_address: '2001:DB8:0::1' }]",
    ] {
        let endpoint = shown().start(&stack(&format!("ip_address_type: dualstack, {fields}")));
        assert_eq!(endpoint.planned_changes(), [""; 0], "{fields}");
    }
}

/// The service has no call for this change.
#[test]
fn adding_security_groups_to_a_network_load_balancer_replaces_it() {
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [load_balancer(&[zone("subnet-a", "")], "")])
        .start(&stack("subnets: [{ id: subnet-a }], security_groups: [{ id: sg-1 }]"));
    assert_eq!(endpoint.planned_changes(), ["replace load_balancer.edge"]);
    let groups = "<SecurityGroups><member>sg-1</member></SecurityGroups>";
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [load_balancer(&[zone("subnet-a", "")], groups)])
        .start(&stack("subnets: [{ id: subnet-a }], security_groups: [{ id: sg-2 }]"));
    assert_eq!(endpoint.planned_changes(), ["update load_balancer.edge"]);
}

/// Not an attribute, but a setting of the security groups.
#[test]
fn sets_private_link_enforcement_with_the_security_groups() {
    let shown = |word: &str| {
        let enforced = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic";
        let groups = "<SecurityGroups><member>sg-1</member></SecurityGroups>";
        load_balancer(&[zone("subnet-a", "")], &format!("{groups}<{enforced}>{word}</{enforced}>"))
    };
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [shown("on")])
        .on("SetSecurityGroups", [answer("SetSecurityGroups", "")])
        .after("SetSecurityGroups")
        .on("DescribeLoadBalancers", [shown("off")])
        .start(&stack("subnets: [{ id: subnet-a }], security_groups: [{ id: sg-1 }], enforce_security_groups_on_private_link: false"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 SetSecurityGroups"]);
    let sent = &endpoint.request_bodies("SetSecurityGroups")[0];
    assert_eq!(sent["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"], "off");
    assert_eq!(sent["SecurityGroups.member.1"], "sg-1");
}

/// AWS keeps the address until the load balancer's interfaces are deleted, which is after the load balancer itself.
#[test]
fn releases_an_address_once_its_load_balancer_frees_it() {
    let tags = xml_ownership_tags("elastic_ip.edge", "item", "key", "value");
    let address = format!(
        "<item><publicIp>192.0.2.1</publicIp><allocationId>eipalloc-1</allocationId><domain>vpc</domain>\
         <publicIpv4Pool>amazon</publicIpv4Pool><networkBorderGroup>us-east-1</networkBorderGroup><tagSet>{tags}</tagSet></item>"
    );
    let addresses = |all: &str| xml(format!("<DescribeAddressesResponse><addressesSet>{all}</addressesSet></DescribeAddressesResponse>"));
    let held = ec2_error(400, "AuthFailure", "You do not have permission to access the specified resource.");
    let endpoint = script_with_tags()
        .on("DescribeLoadBalancers", [load_balancer(&[elastic_ip_zone("subnet-a", "eipalloc-1")], "")])
        .on("DescribeAddresses", [addresses(&address)])
        .after("DeleteLoadBalancer")
        .on("DescribeLoadBalancers", [no_load_balancer()])
        .on("ReleaseAddress", [held, xml("<ReleaseAddressResponse><return>true</return></ReleaseAddressResponse>")])
        .after("ReleaseAddress")
        .on("DescribeAddresses", [addresses("")])
        .start(&format!("  elastic_ip: {{ edge: {{}} }}\n{}", stack("subnet_mappings: [{ subnet: { id: subnet-a }, elastic_ip: edge }]")));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 DeleteLoadBalancer", "400 ReleaseAddress", "200 ReleaseAddress"]);
}
