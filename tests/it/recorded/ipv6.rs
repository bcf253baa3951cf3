//! IPv6 ranges of VPCs and subnets: AWS chooses that of a VPC, and adds and removes ranges step by step.

use crate::scripted_endpoint::{Answer, Script, xml, xml_ownership_tags};

fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_ownership_tags(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

/// DescribeVpcs: the IPv6 ranges of the VPC, each with its state and its pool.
fn vpc(ranges: &[(&str, &str, &str)]) -> Answer {
    let range = |(cidr, state, pool): &(&str, &str, &str)| {
        format!(
            "<item><associationId>vpc-cidr-assoc-1</associationId><ipv6CidrBlock>{cidr}</ipv6CidrBlock>\
             <ipv6CidrBlockState><state>{state}</state></ipv6CidrBlockState><ipv6Pool>{pool}</ipv6Pool>\
             <networkBorderGroup>us-east-1</networkBorderGroup></item>"
        )
    };
    let (ranges, tags): (String, String) = (ranges.iter().map(range).collect(), tags("vpc.main"));
    xml(format!(
        "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><state>available</state>\
         <cidrBlock>10.1.0.0/16</cidrBlock><ipv6CidrBlockAssociationSet>{ranges}</ipv6CidrBlockAssociationSet>\
         <instanceTenancy>default</instanceTenancy><tagSet>{tags}</tagSet></item></vpcSet></DescribeVpcsResponse>"
    ))
}

fn attributes(host_names: bool) -> Answer {
    let on = "<enableDnsSupport><value>true</value></enableDnsSupport>";
    let host_names = format!("<enableDnsHostnames><value>{host_names}</value></enableDnsHostnames>");
    xml(format!("<DescribeVpcAttributeResponse>{on}{host_names}</DescribeVpcAttributeResponse>"))
}

/// A subnet with these IPv6 ranges, each with its state.
fn subnet(ranges: &[(&str, &str)], assigns: bool) -> String {
    let range = |(cidr, state): &(&str, &str)| {
        format!(
            "<item><associationId>subnet-cidr-assoc-{state}</associationId><ipv6CidrBlock>{cidr}</ipv6CidrBlock>\
             <ipv6CidrBlockState><state>{state}</state></ipv6CidrBlockState></item>"
        )
    };
    let (ranges, tags): (String, String) = (ranges.iter().map(range).collect(), tags("subnet.a"));
    format!(
        "<subnetId>subnet-1</subnetId><subnetArn>arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1</subnetArn><state>available</state>\
         <vpcId>vpc-1</vpcId><cidrBlock>10.1.0.0/24</cidrBlock><availabilityZone>us-east-1a</availabilityZone>\
         <assignIpv6AddressOnCreation>{assigns}</assignIpv6AddressOnCreation>\
         <ipv6CidrBlockAssociationSet>{ranges}</ipv6CidrBlockAssociationSet><tagSet>{tags}</tagSet>"
    )
}

fn subnets(items: &[String]) -> Answer {
    let items: String = items.iter().map(|item| format!("<item>{item}</item>")).collect();
    xml(format!("<DescribeSubnetsResponse><subnetSet>{items}</subnetSet></DescribeSubnetsResponse>"))
}

const WHOLE: (&str, &str, &str) = ("2001:db8:1:100::/56", "associated", "Amazon");
const PART_3: &str = "2001:db8:1:103::/64";
const PART_4: &str = "2001:db8:1:104::/64";
const DISASSOCIATE: &str = "DisassociateSubnetCidrBlock";
const ASSOCIATE: &str = "AssociateSubnetCidrBlock";

fn definition(more: &str) -> String {
    format!("  subnet: {{ a: {{ vpc: {{ id: vpc-1 }}, cidr: 10.1.0.0/24, availability_zone: us-east-1a{more} }} }}\n")
}

#[test]
fn creates_a_subnet_with_a_part_of_the_range_that_aws_chose() {
    let created = subnet(&[(PART_3, "associating")], false);
    let modify = "ModifySubnetAttribute";
    let endpoint = Script::new()
        .on_containing("DescribeVpcs", "vpc-id", [vpc(&[("2001:db8:9:900::/56", "disassociated", "Amazon"), WHOLE])])
        .on("CreateSubnet", [xml(format!("<CreateSubnetResponse><subnet>{created}</subnet></CreateSubnetResponse>"))])
        .after("CreateSubnet")
        .on("DescribeSubnets", [subnets(&[created]), subnets(&[subnet(&[(PART_3, "associated")], false)])])
        .on(modify, [success(modify)])
        .after(modify)
        .on("DescribeSubnets", [subnets(&[subnet(&[(PART_3, "associated")], true)])])
        .start(&definition(", ipv6_index: 3, ipv6_on_launch: true"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateSubnet".to_owned(), format!("200 {modify}")]);
    assert_eq!(endpoint.request_bodies("CreateSubnet")[0]["Ipv6CidrBlock"], PART_3);
}

/// A subnet has at most one range.
#[test]
fn releases_the_range_of_a_subnet_before_it_adds_another() {
    let endpoint = Script::new()
        .on_containing("DescribeVpcs", "vpc-id", [vpc(&[WHOLE])])
        .on("DescribeSubnets", [subnets(&[subnet(&[(PART_3, "associated")], false)])])
        .on(DISASSOCIATE, [success(DISASSOCIATE)])
        .on(ASSOCIATE, [success(ASSOCIATE)])
        .after(ASSOCIATE)
        .on("DescribeSubnets", [subnets(&[subnet(&[(PART_3, "disassociated"), (PART_4, "associated")], false)])])
        .start(&definition(", ipv6_index: 4"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {DISASSOCIATE}"), format!("200 {ASSOCIATE}")]);
    assert_eq!(endpoint.request_bodies(ASSOCIATE)[0]["Ipv6CidrBlock"], PART_4);
}

#[test]
fn removes_the_range_of_a_vpc_after_those_of_its_subnets() {
    let (host_names, whole, modify) = ("ModifyVpcAttribute", "DisassociateVpcCidrBlock", "ModifySubnetAttribute");
    let network = |vpc: &str, subnet: &str| {
        format!(
            "  vpc: {{ main: {{ cidr: 10.1.0.0/16{vpc} }} }}\n  subnet: {{ a: {{ vpc: main, cidr: 10.1.0.0/24, availability_zone: us-east-1a{subnet} }} }}\n"
        )
    };
    // The first run sets something else, so that its record has the ranges, too.
    let endpoint = Script::new()
        .on("DescribeVpcAttribute", [attributes(false)])
        .on("DescribeVpcs", [vpc(&[WHOLE])])
        .on("DescribeSubnets", [subnets(&[subnet(&[(PART_3, "associated")], true)])])
        .on(host_names, [success(host_names)])
        .after(host_names)
        .on("DescribeVpcAttribute", [attributes(true)])
        .on(modify, [success(modify)])
        .on(DISASSOCIATE, [success(DISASSOCIATE)])
        .after(DISASSOCIATE)
        .on("DescribeSubnets", [subnets(&[subnet(&[(PART_3, "disassociated")], false)])])
        .on(whole, [success(whole)])
        .after(whole)
        .on("DescribeVpcs", [vpc(&[("2001:db8:1:100::/56", "disassociating", "Amazon")]), vpc(&[])])
        .start(&network(", ipv6: {}", ", ipv6_index: 3, ipv6_on_launch: true"));
    endpoint.apply();
    endpoint.redefine(&network("", ""));
    endpoint.apply();
    let writes = endpoint.writes();
    assert_eq!(writes[1..4], [format!("200 {modify}"), format!("200 {DISASSOCIATE}"), format!("200 {whole}")]);
}

/// AWS reports that IPAM assigned a range, but not from which pool.
#[test]
fn recognizes_a_range_of_ipam() {
    let endpoint = Script::new()
        .on("DescribeVpcAttribute", [attributes(true)])
        .on("DescribeVpcs", [vpc(&[("2001:db8:1:100::/56", "associated", "IPAM Managed")])])
        .start("  vpc: { main: { cidr: 10.1.0.0/16, ipv6: { pool: ipam-pool-0123456789abcdef0, prefix_length: 56 } } }\n");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine("  vpc: { main: { cidr: 10.1.0.0/16, ipv6: { pool: amazon } } }\n");
    assert_eq!(endpoint.planned_changes(), ["replace vpc.main"]);
}

#[test]
fn refuses_ranges_that_a_vpc_does_not_have() {
    let network = |vpc: &str, index: u32| {
        format!(
            "  vpc: {{ main: {{ cidr: 10.1.0.0/16{vpc} }} }}\n  subnet: {{ a: {{ vpc: main, cidr: 10.1.0.0/24, availability_zone: us-east-1a, ipv6_index: {index} }} }}\n"
        )
    };
    let endpoint = Script::new().start(&network("", 1));
    let refused = |message: &str| {
        let done = endpoint.run("plan", &[]);
        assert!(done.code != 0 && done.stderr.contains(message), "{}", done.combined_output());
    };
    refused("`vpc.main` has no IPv6 range");
    endpoint.redefine(&network(", ipv6: {}", 256));
    refused("has only 256 ranges for subnets");
    endpoint.redefine("  vpc: { main: { cidr: 10.1.0.0/16, ipv6: { cidr: '2001:db8:1:100::/56' } } }\n");
    refused("AWS chooses the range from Amazon's pool");
    endpoint.redefine("  vpc: { main: { cidr: 10.1.0.0/16, ipv6: { pool: ipv6pool-ec2-0123, prefix_length: 56 } } }\n");
    refused("only IPAM chooses a range by its prefix length");
    endpoint.redefine(&network(", ipv6: {}", 255));
    endpoint.run("plan", &[]).assert_success();
}

fn gateways(items: &str) -> Answer {
    let set = format!("<egressOnlyInternetGatewaySet>{items}</egressOnlyInternetGatewaySet>");
    xml(format!("<DescribeEgressOnlyInternetGatewaysResponse>{set}</DescribeEgressOnlyInternetGatewaysResponse>"))
}

/// The route needs the gateway, so it is made after it.
#[test]
fn routes_lead_to_an_egress_only_gateway() {
    let gateway = format!(
        "<egressOnlyInternetGatewayId>eigw-1</egressOnlyInternetGatewayId>\
         <attachmentSet><item><state>attached</state><vpcId>vpc-1</vpcId></item></attachmentSet><tagSet>{}</tagSet>",
        tags("egress_only_gateway.main")
    );
    let table = |routes: &str| {
        let tags = tags("route_table.main");
        xml(format!(
            "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId>\
             <ownerId>123456789012</ownerId><routeSet>{routes}</routeSet><tagSet>{tags}</tagSet></item></routeTableSet></DescribeRouteTablesResponse>"
        ))
    };
    let route = "<item><destinationIpv6CidrBlock>::/0</destinationIpv6CidrBlock>\
                 <egressOnlyInternetGatewayId>eigw-1</egressOnlyInternetGatewayId><origin>CreateRoute</origin></item>";
    let create = "CreateEgressOnlyInternetGateway";
    let endpoint = Script::new()
        .on(create, [xml(format!("<{create}Response><egressOnlyInternetGateway>{gateway}</egressOnlyInternetGateway></{create}Response>"))])
        .on("DescribeRouteTables", [table("")])
        .after(create)
        .on("DescribeEgressOnlyInternetGateways", [gateways(&format!("<item>{gateway}</item>"))])
        .on("CreateRoute", [success("CreateRoute")])
        .after("CreateRoute")
        .on("DescribeRouteTables", [table(route)])
        .start(
            "
  egress_only_gateway: { main: { vpc: { id: vpc-1 } } }
  route_table: { main: { vpc: { id: vpc-1 }, routes: [{ destination: '::/0', egress_only_gateway: main }] } }
",
        );
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("CreateRoute")[0]["EgressOnlyInternetGatewayId"], "eigw-1");
    assert_eq!(endpoint.request_bodies("CreateRoute")[0]["DestinationIpv6CidrBlock"], "::/0");
}
