//! EC2: pages, error codes, one attribute per call.

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

const SUBNETS: &str = "
  subnet:
    a: { vpc: { id: vpc-1 }, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: { id: vpc-1 }, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
";

/// EC2 returns a name as a tag.
fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_ownership_tags(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
}

fn subnet(id: &str, name: &str, cidr: &str, state: &str, more: &str) -> String {
    let tags = tags(&format!("subnet.{name}"));
    format!(
        "<item><subnetId>{id}</subnetId><state>{state}</state><vpcId>vpc-1</vpcId><cidrBlock>{cidr}</cidrBlock>\
         <availabilityZone>us-east-1{name}</availabilityZone><tagSet>{tags}</tagSet>{more}</item>"
    )
}

fn subnets(items: &[String], next: &str) -> Answer {
    let next = if next.is_empty() { String::new() } else { format!("<nextToken>{next}</nextToken>") };
    xml(format!(
        "<DescribeSubnetsResponse><requestId>1</requestId><subnetSet>{}</subnetSet>{next}</DescribeSubnetsResponse>",
        items.concat()
    ))
}

fn subnet_a() -> String {
    subnet("subnet-1", "a", "10.0.0.0/24", "available", "")
}
fn subnet_b() -> String {
    subnet("subnet-2", "b", "10.0.1.0/24", "available", "")
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

#[test]
fn reads_every_page() {
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets(&[subnet_a()], "more")])
        .on_containing("DescribeSubnets", "NextToken=more", [subnets(&[subnet_b()], "")])
        .start(SUBNETS);
    assert_eq!(endpoint.run("plan", &["--detailed-exitcode"]).code, 0);
    assert_eq!(endpoint.call_count("DescribeSubnets"), 2);
}

#[test]
fn reports_code_message_and_request_id_of_an_aws_error() {
    let denied = ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    let done = Script::new().on("DescribeSubnets", [denied]).start(SUBNETS).run("plan", &[]);
    assert_eq!(done.code, 1);
    for part in ["UnauthorizedOperation", "reading `subnet`", "not authorized", "req-1"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.combined_output());
    }
}

#[test]
fn retries_when_throttled() {
    let busy = || ec2_error(503, "RequestLimitExceeded", "Request limit exceeded.");
    let endpoint = Script::new().on("DescribeSubnets", [busy(), busy(), subnets(&[subnet_a(), subnet_b()], "")]).start(SUBNETS);
    let done = endpoint.run("plan", &["--detailed-exitcode", "--stats"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert!(done.stderr.contains("DescribeSubnets (2 retries)"), "{}", done.combined_output());
}

/// The error of a broken service or its load balancer may not be in the service's format.
#[test]
fn retries_a_read_after_an_internal_error() {
    let broken = |status| (status, "<html><body>sorry".to_owned());
    let endpoint = Script::new().on("DescribeSubnets", [broken(500), broken(502), subnets(&[subnet_a(), subnet_b()], "")]).start(SUBNETS);
    let done = endpoint.run("plan", &["--detailed-exitcode", "--stats"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert!(done.stderr.contains("DescribeSubnets (2 retries)"), "{}", done.combined_output());
}

/// A write may have taken effect anyway: acme looks for the resource and does not repeat the call.
#[test]
fn looks_for_the_result_of_a_failed_write() {
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets(&[subnet_a()], ""), subnets(&[subnet_a(), subnet_b()], "")])
        .on("CreateSubnet", [(500, "<html><body>sorry".to_owned())])
        .start(SUBNETS);
    endpoint.run("apply", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["500 CreateSubnet"]);
}

#[test]
fn retries_a_deletion_until_the_resource_is_unused() {
    let in_use = ec2_error(400, "DependencyViolation", "The subnet 'subnet-1' has dependencies and cannot be deleted.");
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets(&[subnet_a(), subnet_b()], "")])
        .on("DeleteSubnet", [success("DeleteSubnet")])
        .on_containing("DeleteSubnet", "subnet-1", [in_use, success("DeleteSubnet")])
        .start(SUBNETS);
    endpoint.run("destroy", &["--yes"]).assert_success();
    let mut writes = endpoint.writes();
    writes.sort();
    assert_eq!(writes, ["200 DeleteSubnet", "200 DeleteSubnet", "400 DeleteSubnet"]);
}

#[test]
fn changes_one_subnet_attribute_per_call() {
    let flags = |public, dns64| format!("<mapPublicIpOnLaunch>{public}</mapPublicIpOnLaunch><enableDns64>{dns64}</enableDns64>");
    let state = |state, public, dns64| subnets(&[subnet("subnet-1", "a", "10.0.0.0/24", state, &flags(public, dns64))], "");
    let modify = "ModifySubnetAttribute";
    let endpoint = Script::new()
        .on("CreateSubnet", [xml("<CreateSubnetResponse><subnet><subnetId>subnet-1</subnetId></subnet></CreateSubnetResponse>")])
        .on(modify, [ec2_error(400, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist"), success(modify)])
        .after(modify)
        .on("DescribeSubnets", [subnets(&[], "")])
        .after(modify)
        .on("DescribeSubnets", [subnets(&[], ""), state("pending", true, false), state("available", true, true)])
        .start("  subnet: { a: { vpc: { id: vpc-1 }, cidr: 10.0.0.0/24, availability_zone: us-east-1a, public_ip_on_launch: true, dns64: true } }\n");
    endpoint.apply();
    assert_eq!(
        endpoint.writes(),
        ["200 CreateSubnet", "400 ModifySubnetAttribute", "200 ModifySubnetAttribute", "200 ModifySubnetAttribute"]
    );
    for body in endpoint.request_bodies(modify) {
        let flags = ["MapPublicIpOnLaunch.Value", "EnableDns64.Value"].iter().filter(|flag| body.get(flag).is_some()).count();
        assert_eq!(flags, 1, "one attribute a call: {body}");
    }
}

#[test]
fn updates_a_rule_description_in_place() {
    let group = |description: &str| {
        let tags = tags("security_group.web");
        let open = "<item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>";
        xml(format!(
            "<DescribeSecurityGroupsResponse><securityGroupInfo><item><ownerId>123456789012</ownerId><groupId>sg-1</groupId>\
             <groupName>shop-web</groupName><groupDescription>Managed by acme</groupDescription><vpcId>vpc-1</vpcId>\
             <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort>\
             <ipRanges><item><cidrIp>10.0.0.0/8</cidrIp><description>{description}</description></item><item><cidrIp>192.0.2.0/24</cidrIp></item>\
             </ipRanges></item></ipPermissions><ipPermissionsEgress>{open}</ipPermissionsEgress><tagSet>{tags}</tagSet></item>\
             </securityGroupInfo></DescribeSecurityGroupsResponse>"
        ))
    };
    let update = "UpdateSecurityGroupRuleDescriptionsIngress";
    let endpoint = Script::new()
        .on("DescribeSecurityGroups", [group("old")])
        .on(update, [success(update)])
        .after(update)
        .on("DescribeSecurityGroups", [group("old"), group("new")])
        .start(
            "
  security_group:
    web:
      vpc: { id: vpc-1 }
      description: Managed by acme
      ingress: [{ port: 443, cidr: 10.0.0.0/8, description: new }, { port: 443, cidr: 192.0.2.0/24 }]
",
        );
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {update}")]);
    let sent = &endpoint.request_bodies(update)[0];
    assert_eq!(sent["IpPermissions.1.IpRanges.1.CidrIp"], "10.0.0.0/8");
    assert_eq!(sent["IpPermissions.1.IpRanges.1.Description"], "new");
    assert!(sent.get("IpPermissions.2.IpProtocol").is_none(), "the other rule is left alone: {sent}");
}
