//! EC2: pages, error codes, one attribute a call.

use crate::script::{Answer, Script, ec2_refused, xml, xml_marks};

const SUBNETS: &str = "
  subnet:
    a: { vpc: { id: vpc-1 }, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: { id: vpc-1 }, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
";

/// EC2 shows a name by its tag.
fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_marks(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
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

fn a() -> String {
    subnet("subnet-1", "a", "10.0.0.0/24", "available", "")
}
fn b() -> String {
    subnet("subnet-2", "b", "10.0.1.0/24", "available", "")
}

fn done(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

#[test]
fn every_page_is_read() {
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets(&[a()], "more")])
        .on_text("DescribeSubnets", "NextToken=more", [subnets(&[b()], "")])
        .start(SUBNETS);
    assert_eq!(endpoint.run("plan", &["--detailed-exitcode"]).code, 0);
    assert_eq!(endpoint.count("DescribeSubnets"), 2);
}

#[test]
fn an_error_of_aws_is_told_with_code_message_and_request() {
    let denied = ec2_refused(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    let done = Script::new().on("DescribeSubnets", [denied]).start(SUBNETS).run("plan", &[]);
    assert_eq!(done.code, 1);
    for part in ["UnauthorizedOperation", "reading `subnet`", "not authorized", "req-1"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.screen());
    }
}

#[test]
fn a_busy_service_is_asked_again() {
    let busy = || ec2_refused(503, "RequestLimitExceeded", "Request limit exceeded.");
    let endpoint = Script::new().on("DescribeSubnets", [busy(), busy(), subnets(&[a(), b()], "")]).start(SUBNETS);
    let done = endpoint.run("plan", &["--detailed-exitcode", "--stats"]);
    assert_eq!(done.code, 0, "{}", done.screen());
    assert!(done.stderr.contains("DescribeSubnets (2 tries again)"), "{}", done.screen());
}

/// What a service or a load balancer in front of it says when it breaks down need not be in its language.
#[test]
fn a_read_that_fails_inside_the_service_is_asked_again() {
    let broken = |status| (status, "<html><body>sorry".to_owned());
    let endpoint = Script::new().on("DescribeSubnets", [broken(500), broken(502), subnets(&[a(), b()], "")]).start(SUBNETS);
    let done = endpoint.run("plan", &["--detailed-exitcode", "--stats"]);
    assert_eq!(done.code, 0, "{}", done.screen());
    assert!(done.stderr.contains("DescribeSubnets (2 tries again)"), "{}", done.screen());
}

/// A write may have been served all the same: it is looked for, not made again.
#[test]
fn a_write_that_fails_inside_the_service_is_looked_for() {
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets(&[a()], ""), subnets(&[a(), b()], "")])
        .on("CreateSubnet", [(500, "<html><body>sorry".to_owned())])
        .start(SUBNETS);
    endpoint.run("apply", &["--yes"]).ok();
    assert_eq!(endpoint.writes(), ["500 CreateSubnet"]);
}

#[test]
fn what_is_in_use_is_asked_again_until_it_is_free() {
    let in_use = ec2_refused(400, "DependencyViolation", "The subnet 'subnet-1' has dependencies and cannot be deleted.");
    let endpoint = Script::new()
        .on("DescribeSubnets", [subnets(&[a(), b()], "")])
        .on("DeleteSubnet", [done("DeleteSubnet")])
        .on_text("DeleteSubnet", "subnet-1", [in_use, done("DeleteSubnet")])
        .start(SUBNETS);
    endpoint.run("destroy", &["--yes"]).ok();
    let mut writes = endpoint.writes();
    writes.sort();
    assert_eq!(writes, ["200 DeleteSubnet", "200 DeleteSubnet", "400 DeleteSubnet"]);
}

#[test]
fn a_subnet_takes_one_attribute_a_call() {
    let flags = |public, dns64| format!("<mapPublicIpOnLaunch>{public}</mapPublicIpOnLaunch><enableDns64>{dns64}</enableDns64>");
    let state = |state, public, dns64| subnets(&[subnet("subnet-1", "a", "10.0.0.0/24", state, &flags(public, dns64))], "");
    let modify = "ModifySubnetAttribute";
    let endpoint = Script::new()
        .on("CreateSubnet", [xml("<CreateSubnetResponse><subnet><subnetId>subnet-1</subnetId></subnet></CreateSubnetResponse>")])
        .on(modify, [ec2_refused(400, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist"), done(modify)])
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
    for body in endpoint.sent(modify) {
        let flags = ["MapPublicIpOnLaunch.Value", "EnableDns64.Value"].iter().filter(|flag| body.get(flag).is_some()).count();
        assert_eq!(flags, 1, "one attribute a call: {body}");
    }
}

#[test]
fn only_the_description_of_a_rule_changes() {
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
        .on(update, [done(update)])
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
    let sent = &endpoint.sent(update)[0];
    assert_eq!(sent["IpPermissions.1.IpRanges.1.CidrIp"], "10.0.0.0/8");
    assert_eq!(sent["IpPermissions.1.IpRanges.1.Description"], "new");
    assert!(sent.get("IpPermissions.2.IpProtocol").is_none(), "the other rule is left alone: {sent}");
}
