//! Network load balancers with addresses that stay: what AWS changes in place, and what an address holds up.

use serde_json::Value;

use crate::script::{Answer, Script, ec2_refused, xml, xml_marks};

const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/shop-edge/1";

/// What a query service answers, with this inside its result.
fn answer(action: &str, inside: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{inside}</{action}Result></{action}Response>"))
}

/// A zone as AWS shows it.
fn zone(subnet: &str, address: &str) -> String {
    let addresses = if address.is_empty() { String::new() } else { format!("<member>{address}</member>") };
    format!("<member><SubnetId>{subnet}</SubnetId><LoadBalancerAddresses>{addresses}</LoadBalancerAddresses></member>")
}

/// The same with an elastic IP.
fn elastic(subnet: &str, id: &str) -> String {
    zone(subnet, &format!("<IpAddress>192.0.2.1</IpAddress><AllocationId>{id}</AllocationId>"))
}

/// A network load balancer as AWS shows it.
fn balancer(zones: &[String], more: &str) -> Answer {
    let zones = zones.concat();
    let inside = format!(
        "<member><LoadBalancerArn>{BALANCER}</LoadBalancerArn><LoadBalancerName>shop-edge</LoadBalancerName><Type>network</Type>\
         <Scheme>internet-facing</Scheme><AvailabilityZones>{zones}</AvailabilityZones>{more}</member>"
    );
    answer("DescribeLoadBalancers", &format!("<LoadBalancers>{inside}</LoadBalancers>"))
}

fn none() -> Answer {
    answer("DescribeLoadBalancers", "<LoadBalancers/>")
}

/// It is made and deleted, and has its marks while it is there.
fn marked() -> Script {
    let tags = xml_marks("load_balancer.edge", "member", "Key", "Value");
    let of = format!("<TagDescriptions><member><ResourceArn>{BALANCER}</ResourceArn><Tags>{tags}</Tags></member></TagDescriptions>");
    let made = format!("<LoadBalancers><member><LoadBalancerArn>{BALANCER}</LoadBalancerArn></member></LoadBalancers>");
    Script::new()
        .on("DescribeTags", [answer("DescribeTags", &of)])
        .on("CreateLoadBalancer", [answer("CreateLoadBalancer", &made)])
        .on("DeleteLoadBalancer", [answer("DeleteLoadBalancer", "")])
        .on("SetSubnets", [answer("SetSubnets", "")])
}

/// Its stack; `fields` beside its type.
fn stack(fields: &str) -> String {
    format!("  load_balancer: {{ edge: {{ type: network, deletion_protection: false, {fields} }} }}\n")
}

/// Mappings of subnets to elastic IPs.
fn mappings(pairs: &[(&str, &str)]) -> String {
    let one = |(subnet, address): &(&str, &str)| format!("{{ subnet: {{ id: {subnet} }}, elastic_ip: {{ id: {address} }} }}");
    stack(&format!("subnet_mappings: [{}]", pairs.iter().map(one).collect::<Vec<_>>().join(", ")))
}

#[test]
fn a_load_balancer_is_made_with_its_addresses() {
    let zones = [elastic("subnet-a", "eipalloc-1"), elastic("subnet-b", "eipalloc-2")];
    let endpoint = marked()
        .on("DescribeLoadBalancers", [none()])
        .after("CreateLoadBalancer")
        .on("DescribeLoadBalancers", [balancer(&zones, "")])
        .start(&mappings(&[("subnet-b", "eipalloc-2"), ("subnet-a", "eipalloc-1")]));
    endpoint.apply();
    let sent = &endpoint.sent("CreateLoadBalancer")[0];
    let of = |key: &str| sent.get(format!("SubnetMappings.member.{key}")).and_then(Value::as_str);
    assert_eq!([of("1.SubnetId"), of("1.AllocationId")], [Some("subnet-a"), Some("eipalloc-1")]);
    assert_eq!([of("2.SubnetId"), of("2.AllocationId")], [Some("subnet-b"), Some("eipalloc-2")]);
    assert!(sent.get("Subnets.member.1").is_none(), "{sent:?}");
}

#[test]
fn a_subnet_comes_in_place_and_the_others_keep_their_addresses() {
    let before = [elastic("subnet-a", "eipalloc-1")];
    let after = [elastic("subnet-a", "eipalloc-1"), elastic("subnet-b", "eipalloc-2")];
    for (before, after, wanted) in [
        (&before[..], &after[..], &[("subnet-a", "eipalloc-1"), ("subnet-b", "eipalloc-2")][..]),
        (&after[..], &before[..], &[("subnet-a", "eipalloc-1")]),
    ] {
        let endpoint = marked()
            .on("DescribeLoadBalancers", [balancer(before, "")])
            .after("SetSubnets")
            .on("DescribeLoadBalancers", [balancer(after, "")])
            .start(&mappings(wanted));
        endpoint.apply();
        assert_eq!(endpoint.writes(), ["200 SetSubnets"]);
        let sent = &endpoint.sent("SetSubnets")[0];
        assert_eq!(sent["SubnetMappings.member.1.AllocationId"], "eipalloc-1");
        assert_eq!(sent.get("SubnetMappings.member.2.AllocationId").is_some(), wanted.len() == 2);
    }
}

/// An address is not changed where it stands, and one that stays can't be at two load balancers.
#[test]
fn another_address_needs_another_load_balancer_which_waits_for_the_old_ones() {
    let before = [elastic("subnet-a", "eipalloc-1"), elastic("subnet-b", "eipalloc-2")];
    let after = [elastic("subnet-a", "eipalloc-1"), elastic("subnet-b", "eipalloc-3")];
    let endpoint = marked()
        .on("DescribeLoadBalancers", [balancer(&before, "")])
        .after("DeleteLoadBalancer")
        .on("DescribeLoadBalancers", [none()])
        .after("CreateLoadBalancer")
        .on("DescribeLoadBalancers", [balancer(&after, "")])
        .start(&mappings(&[("subnet-a", "eipalloc-1"), ("subnet-b", "eipalloc-3")]));
    assert_eq!(endpoint.changes(), ["replace load_balancer.edge"]);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 DeleteLoadBalancer", "200 CreateLoadBalancer"]);
}

/// Where all addresses are new, the new one comes first; AWS takes no other subnet of the same zone in one step.
#[test]
fn other_subnets_need_another_load_balancer_too() {
    let endpoint = marked()
        .on("DescribeLoadBalancers", [balancer(&[elastic("subnet-a", "eipalloc-1"), elastic("subnet-b", "eipalloc-2")], "")])
        .start(&mappings(&[("subnet-a", "eipalloc-1"), ("subnet-c", "eipalloc-2")]));
    assert_eq!(endpoint.changes(), ["replace load_balancer.edge"]);
    let endpoint = marked()
        .on("DescribeLoadBalancers", [balancer(&[elastic("subnet-a", "eipalloc-1")], "")])
        .start(&mappings(&[("subnet-a", "eipalloc-3")]));
    let screen = endpoint.run("plan", &[]).ok().stdout;
    assert!(screen.contains("the new one comes first"), "{screen}");
}

#[test]
fn addresses_that_aws_drew_are_nobodys_choice() {
    let drawn = [zone("subnet-a", "<IPv6Address>2001:db8::1</IPv6Address>"), zone("subnet-b", "")];
    let shown = || marked().on("DescribeLoadBalancers", [balancer(&drawn, "<IpAddressType>dualstack</IpAddressType>")]);
    for fields in [
        "subnets: [{ id: subnet-a }, { id: subnet-b }]",
        "subnet_mappings: [{ subnet: { id: subnet-b } }, { subnet: { id: subnet-a } }]",
        "subnet_mappings: [{ subnet: { id: subnet-b } }, { subnet: { id: subnet-a }, ipv6_address: '2001:DB8:0::1' }]",
    ] {
        let endpoint = shown().start(&stack(&format!("ip_address_type: dualstack, {fields}")));
        assert_eq!(endpoint.changes(), [""; 0], "{fields}");
    }
}

/// The service has no call for it.
#[test]
fn a_network_load_balancer_without_security_groups_never_gets_any() {
    let endpoint = marked()
        .on("DescribeLoadBalancers", [balancer(&[zone("subnet-a", "")], "")])
        .start(&stack("subnets: [{ id: subnet-a }], security_groups: [{ id: sg-1 }]"));
    assert_eq!(endpoint.changes(), ["replace load_balancer.edge"]);
    let groups = "<SecurityGroups><member>sg-1</member></SecurityGroups>";
    let endpoint = marked()
        .on("DescribeLoadBalancers", [balancer(&[zone("subnet-a", "")], groups)])
        .start(&stack("subnets: [{ id: subnet-a }], security_groups: [{ id: sg-2 }]"));
    assert_eq!(endpoint.changes(), ["update load_balancer.edge"]);
}

/// No attribute, but a setting of the security groups.
#[test]
fn what_comes_through_private_link_is_told_with_the_security_groups() {
    let shown = |word: &str| {
        let enforced = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic";
        let groups = "<SecurityGroups><member>sg-1</member></SecurityGroups>";
        balancer(&[zone("subnet-a", "")], &format!("{groups}<{enforced}>{word}</{enforced}>"))
    };
    let endpoint = marked()
        .on("DescribeLoadBalancers", [shown("on")])
        .on("SetSecurityGroups", [answer("SetSecurityGroups", "")])
        .after("SetSecurityGroups")
        .on("DescribeLoadBalancers", [shown("off")])
        .start(&stack("subnets: [{ id: subnet-a }], security_groups: [{ id: sg-1 }], enforce_security_groups_on_private_link: false"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 SetSecurityGroups"]);
    let sent = &endpoint.sent("SetSecurityGroups")[0];
    assert_eq!(sent["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"], "off");
    assert_eq!(sent["SecurityGroups.member.1"], "sg-1");
}

/// AWS keeps the address until the interfaces of the load balancer are gone, which is after the load balancer is.
#[test]
fn an_address_is_released_once_its_load_balancer_let_go_of_it() {
    let tags = xml_marks("elastic_ip.edge", "item", "key", "value");
    let address = format!(
        "<item><publicIp>192.0.2.1</publicIp><allocationId>eipalloc-1</allocationId><domain>vpc</domain>\
         <publicIpv4Pool>amazon</publicIpv4Pool><networkBorderGroup>us-east-1</networkBorderGroup><tagSet>{tags}</tagSet></item>"
    );
    let addresses = |all: &str| xml(format!("<DescribeAddressesResponse><addressesSet>{all}</addressesSet></DescribeAddressesResponse>"));
    let held = ec2_refused(400, "AuthFailure", "You do not have permission to access the specified resource.");
    let endpoint = marked()
        .on("DescribeLoadBalancers", [balancer(&[elastic("subnet-a", "eipalloc-1")], "")])
        .on("DescribeAddresses", [addresses(&address)])
        .after("DeleteLoadBalancer")
        .on("DescribeLoadBalancers", [none()])
        .on("ReleaseAddress", [held, xml("<ReleaseAddressResponse><return>true</return></ReleaseAddressResponse>")])
        .after("ReleaseAddress")
        .on("DescribeAddresses", [addresses("")])
        .start(&format!("  elastic_ip: {{ edge: {{}} }}\n{}", stack("subnet_mappings: [{ subnet: { id: subnet-a }, elastic_ip: edge }]")));
    endpoint.run("destroy", &["--yes"]).ok();
    assert_eq!(endpoint.writes(), ["200 DeleteLoadBalancer", "400 ReleaseAddress", "200 ReleaseAddress"]);
}
