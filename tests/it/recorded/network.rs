//! Networks: resources that stay visible after deletion, and changes of several calls that are retried from the first.

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_ownership_tags(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

/// DescribeVpcs: ranges and their states.
fn vpc(ranges: &[(&str, &str)]) -> Answer {
    let range = |(cidr, state): &(&str, &str)| {
        format!(
            "<item><cidrBlock>{cidr}</cidrBlock><associationId>vpc-cidr-assoc-{}</associationId>\
             <cidrBlockState><state>{state}</state></cidrBlockState></item>",
            &cidr[..4]
        )
    };
    let (ranges, tags): (String, String) = (ranges.iter().map(range).collect(), tags("vpc.main"));
    xml(format!(
        "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><state>available</state>\
         <cidrBlock>10.1.0.0/16</cidrBlock><cidrBlockAssociationSet>{ranges}</cidrBlockAssociationSet>\
         <instanceTenancy>default</instanceTenancy><tagSet>{tags}</tagSet></item></vpcSet></DescribeVpcsResponse>"
    ))
}

#[test]
fn ignores_a_disassociated_cidr_block() {
    let (disassociate, own) = ("DisassociateVpcCidrBlock", ("10.1.0.0/16", "associated"));
    let on = "<value>true</value>";
    let attributes = format!(
        "<DescribeVpcAttributeResponse><enableDnsSupport>{on}</enableDnsSupport><enableDnsHostnames>{on}</enableDnsHostnames>\
         </DescribeVpcAttributeResponse>"
    );
    let state = |state| vpc(&[own, ("10.2.0.0/16", state), ("10.3.0.0/16", "disassociated")]);
    let endpoint = Script::new()
        .on("DescribeVpcAttribute", [xml(attributes)])
        .on("DescribeVpcs", [state("associated")])
        .on(disassociate, [success(disassociate)])
        .after(disassociate)
        .on("DescribeVpcs", [state("associated"), state("disassociating"), state("disassociated")])
        .start("  vpc: { main: { cidr: 10.1.0.0/16 } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {disassociate}")]);
    assert_eq!(endpoint.request_bodies(disassociate)[0]["AssociationId"], "vpc-cidr-assoc-10.2");
}

#[test]
fn reports_a_failed_subnet_and_deletes_it() {
    let subnet = format!(
        "<item><subnetId>subnet-1</subnetId><state>failed</state><vpcId>vpc-1</vpcId><cidrBlock>10.1.0.0/24</cidrBlock>\
         <availabilityZone>us-east-1a</availabilityZone><tagSet>{}</tagSet></item>",
        tags("subnet.a")
    );
    let subnets = |items: &str| xml(format!("<DescribeSubnetsResponse><subnetSet>{items}</subnetSet></DescribeSubnetsResponse>"));
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets("")])
        .on("CreateSubnet", [xml("<CreateSubnetResponse><subnet><subnetId>subnet-1</subnetId></subnet></CreateSubnetResponse>")])
        .after("CreateSubnet")
        .on("DescribeSubnets", [subnets(&subnet)])
        .on("DeleteSubnet", [success("DeleteSubnet")])
        .after("DeleteSubnet")
        .on("DescribeSubnets", [subnets("")])
        .start("  subnet: { a: { vpc: { id: vpc-1 }, cidr: 10.1.0.0/24, availability_zone: us-east-1a } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("AWS reports `failed`"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 CreateSubnet", "200 DeleteSubnet"]);
}

/// DescribeRouteTables: one with these routes in addition to the one to its own VPC.
fn route_table(routes: &[&str]) -> Answer {
    let local = "<item><destinationCidrBlock>10.1.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><origin>CreateRouteTable</origin></item>";
    let (routes, tags) = (routes.concat(), tags("route_table.main"));
    xml(format!(
        "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId>\
         <routeSet>{local}{routes}</routeSet><tagSet>{tags}</tagSet></item></routeTableSet></DescribeRouteTablesResponse>"
    ))
}

/// Create a table, before the test of its routes.
fn script_creating_table() -> Script {
    Script::new()
        .on(
            "CreateRouteTable",
            [xml("<CreateRouteTableResponse><routeTable><routeTableId>rtb-1</routeTableId></routeTable></CreateRouteTableResponse>")],
        )
        .after("CreateRouteTable")
        .on("DescribeRouteTables", [route_table(&[])])
}

const ROUTE_ALREADY_EXISTS: &str = "RouteAlreadyExists";

/// A NAT gateway is not visible everywhere in EC2 at once.
#[test]
fn accepts_routes_created_by_an_earlier_attempt() {
    let route = |to: &str, target: &str| {
        format!("<item><destinationCidrBlock>{to}</destinationCidrBlock>{target}<origin>CreateRoute</origin></item>")
    };
    let (out, nat) = (route("0.0.0.0/0", "<gatewayId>igw-1</gatewayId>"), route("10.9.0.0/16", "<natGatewayId>nat-1</natGatewayId>"));
    let there = ec2_error(400, ROUTE_ALREADY_EXISTS, "The route identified by 0.0.0.0/0 already exists.");
    let unknown = ec2_error(400, "InvalidNatGatewayID.NotFound", "The natGateway ID 'nat-1' does not exist");
    let endpoint = script_creating_table()
        .on_containing("CreateRoute", "0.0.0.0", [success("CreateRoute"), there])
        .on_containing("CreateRoute", "10.9.0.0", [unknown, success("CreateRoute")])
        .after("CreateRoute")
        .on("DescribeRouteTables", [route_table(&[&out])])
        .after("CreateRoute")
        .on("DescribeRouteTables", [route_table(&[&out, &nat])])
        .start(
            "
  route_table:
    main:
      vpc: { id: vpc-1 }
      routes: [{ destination: 0.0.0.0/0, gateway: { id: igw-1 } }, { destination: 10.9.0.0/16, nat_gateway: { id: nat-1 } }]
",
        );
    endpoint.apply();
    let expected = ["200 CreateRouteTable", "200 CreateRoute", "400 CreateRoute", "400 CreateRoute", "200 CreateRoute"];
    assert_eq!(endpoint.writes(), expected);
}

#[test]
fn does_not_mistake_a_route_of_aws_for_its_own() {
    let endpoint = script_creating_table()
        .on("CreateRoute", [ec2_error(400, ROUTE_ALREADY_EXISTS, "The route identified by 10.1.0.0/16 already exists.")])
        .on("DeleteRouteTable", [success("DeleteRouteTable")])
        .start("  route_table: { main: { vpc: { id: vpc-1 }, routes: [{ destination: 10.1.0.0/16, gateway: { id: igw-1 } }] } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains(ROUTE_ALREADY_EXISTS), "{}", done.combined_output());
    assert_eq!(endpoint.call_count("CreateRoute"), 1);
}

/// With a missing rule in a call, AWS revokes none.
#[test]
fn revokes_rules_one_by_one_when_one_is_missing() {
    let rule = |cidr: &str| {
        format!(
            "<item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort>\
             <ipRanges><item><cidrIp>{cidr}</cidrIp></item></ipRanges></item>"
        )
    };
    let group = |ingress: &str| {
        let open = "<item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>";
        xml(format!(
            "<DescribeSecurityGroupsResponse><securityGroupInfo><item><ownerId>123456789012</ownerId><groupId>sg-1</groupId>\
             <groupName>shop-web</groupName><groupDescription>Managed by acme</groupDescription><vpcId>vpc-1</vpcId>\
             <ipPermissions>{ingress}</ipPermissions><ipPermissionsEgress>{open}</ipPermissionsEgress><tagSet>{}</tagSet></item>\
             </securityGroupInfo></DescribeSecurityGroupsResponse>",
            tags("security_group.web")
        ))
    };
    let revoke = "RevokeSecurityGroupIngress";
    let gone = ec2_error(400, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
    let endpoint = Script::new()
        .on("DescribeSecurityGroups", [group(&(rule("10.0.0.0/8") + &rule("192.0.2.0/24")))])
        .on(revoke, [success(revoke)])
        .on_containing(revoke, "192.0.2.0", [gone])
        .after(revoke)
        .on("DescribeSecurityGroups", [group("")])
        .start("  security_group: { web: { vpc: { id: vpc-1 } } }\n");
    endpoint.apply();
    let mut writes = endpoint.writes();
    writes.sort();
    assert_eq!(writes, [format!("200 {revoke}"), format!("400 {revoke}"), format!("400 {revoke}")]);
    let several = endpoint.request_bodies(revoke).iter().filter(|call| call.get("IpPermissions.2.IpProtocol").is_some()).count();
    assert_eq!(several, 1, "all together once, then each alone");
}

/// The examples of EC2's documentation leave the owner out of the answer; without it the ARN is not known.
#[test]
fn reads_a_gateway_whose_owner_the_answer_lacks() {
    let gateway = |more: &str| {
        let tags = tags("internet_gateway.main");
        format!("<internetGatewayId>igw-1</internetGatewayId><attachmentSet/>{more}<tagSet>{tags}</tagSet>")
    };
    let list = |items: &str| {
        let set = format!("<internetGatewaySet>{items}</internetGatewaySet>");
        xml(format!("<DescribeInternetGatewaysResponse>{set}</DescribeInternetGatewaysResponse>"))
    };
    let answer = gateway("");
    let owned = gateway("<ownerId>123456789012</ownerId>");
    let endpoint = Script::new()
        .on("DescribeInternetGateways", [list("")])
        .on(
            "CreateInternetGateway",
            [xml(format!("<CreateInternetGatewayResponse><internetGateway>{answer}</internetGateway></CreateInternetGatewayResponse>"))],
        )
        .after("CreateInternetGateway")
        .on("DescribeInternetGateways", [list(&format!("<item>{owned}</item>"))])
        .start("  internet_gateway: { main: {} }\noutputs: { arn: '{{ internet_gateway.main.arn }}' }\n");
    let done = endpoint.apply();
    let arn = "arn:aws:ec2:us-east-1:123456789012:internet-gateway/igw-1";
    assert!(done.combined_output().contains(arn), "{}", done.combined_output());
}

/// An endpoint of this type and in this state, as EC2 shows it.
fn endpoints(kind: &str, state: &str) -> Answer {
    let tags = tags("vpc_endpoint.s3");
    xml(format!(
        "<DescribeVpcEndpointsResponse><vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId><vpcEndpointType>{kind}</vpcEndpointType>\
         <vpcId>vpc-1</vpcId><serviceName>com.amazonaws.us-east-1.s3</serviceName><state>{state}</state><ownerId>123456789012</ownerId>\
         <tagSet>{tags}</tagSet></item></vpcEndpointSet></DescribeVpcEndpointsResponse>"
    ))
}

#[test]
fn does_not_mistake_other_types_of_endpoints_for_gateways() {
    let definition = "  vpc_endpoint: { s3: { vpc: { id: vpc-1 }, service: s3 } }\n";
    let endpoint = Script::new().on("DescribeVpcEndpoints", [endpoints("Gateway", "available")]).start(definition);
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    for kind in ["Resource", "ServiceNetwork"] {
        let endpoint = Script::new().on("DescribeVpcEndpoints", [endpoints(kind, "available")]).start(definition);
        let done = endpoint.run("plan", &[]);
        assert!(done.code != 0 && done.stderr.contains("VpcEndpointType"), "{kind}: {}", done.combined_output());
    }
}

#[test]
fn reports_an_endpoint_of_which_only_parts_are_up() {
    let endpoint = Script::new()
        .on("DescribeVpcEndpoints", [endpoints("Gateway", "partial")])
        .start("  vpc_endpoint: { s3: { vpc: { id: vpc-1 }, service: s3 } }\n");
    let done = endpoint.run("plan", &[]);
    assert!(done.combined_output().contains("partial"), "{}", done.combined_output());
}

/// The owner of the service accepts the connection by hand.
#[test]
fn ends_waiting_until_an_endpoint_is_accepted() {
    let endpoint = Script::new()
        .on(
            "CreateVpcEndpoint",
            [xml(
                "<CreateVpcEndpointResponse><vpcEndpoint><vpcEndpointId>vpce-1</vpcEndpointId></vpcEndpoint></CreateVpcEndpointResponse>",
            )],
        )
        .after("CreateVpcEndpoint")
        .on("DescribeVpcEndpoints", [endpoints("Gateway", "pendingAcceptance")])
        .start("  vpc_endpoint: { s3: { vpc: { id: vpc-1 }, service: s3, timeouts: { create: 1s } } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 4, "{}", done.combined_output());
    let told = "accept the connection of vpce-1 in the account of the endpoint service com.amazonaws.us-east-1.s3";
    assert!(done.stderr.contains(told), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 CreateVpcEndpoint"], "nothing is undone");
}
