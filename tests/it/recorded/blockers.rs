//! Resources that EC2 does not delete because of blockers outside the stack, which acme reports.

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_ownership_tags(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
}

fn list(action: &str, set: &str, items: &str) -> Answer {
    xml(format!("<{action}Response><{set}>{items}</{set}></{action}Response>"))
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

/// Interfaces of a load balancer created by a cluster's controller, and of an instance.
fn interfaces() -> Answer {
    let of_balancer = "<item><networkInterfaceId>eni-1</networkInterfaceId><description>ELB app/k8s-web/0123</description></item>";
    let of_machine = "<item><networkInterfaceId>eni-2</networkInterfaceId><attachment><instanceId>i-1</instanceId></attachment></item>";
    list("DescribeNetworkInterfaces", "networkInterfaceSet", &format!("{of_balancer}{of_machine}"))
}

fn group(id: &str, name: &str, tags: &str) -> String {
    format!(
        "<item><ownerId>123456789012</ownerId><groupId>{id}</groupId><groupName>{name}</groupName><vpcId>vpc-1</vpcId>\
         <groupDescription>Managed by acme</groupDescription><tagSet>{tags}</tagSet></item>"
    )
}

/// The only resource: its reads, EC2's first rejection of its deletion, and the filters that find its blockers.
struct BlockedDeletion {
    resource: &'static str,
    read: (&'static str, Answer),
    delete: (&'static str, &'static str, &'static str),
    filters: &'static [(&'static str, &'static str)],
}

impl BlockedDeletion {
    /// Destroys it, and expects a message with the blockers.
    #[track_caller]
    fn assert_blocked_by(self, script: impl FnOnce(Script) -> Script, holders: &str) {
        let (delete, code, message) = self.delete;
        let endpoint = script(Script::new().on(self.read.0, [self.read.1]))
            .on("DescribeNetworkInterfaces", [interfaces()])
            .on(delete, [ec2_error(400, code, message), success(delete)])
            .start(self.resource);
        let done = endpoint.run("destroy", &["--yes"]).assert_success();
        let told = format!("{code}: {}; used by {holders}\n", message.trim_end_matches('.'));
        assert!(done.stderr.contains(&told), "`{told}` is missing in\n{}", done.combined_output());
        let asked = &endpoint.request_bodies("DescribeNetworkInterfaces")[0];
        for (number, (name, value)) in self.filters.iter().enumerate() {
            let at = format!("Filter.{}", number + 1);
            assert_eq!((&asked[format!("{at}.Name")], &asked[format!("{at}.Value.1")]), (&(*name).into(), &(*value).into()));
        }
    }
}

const INTERFACES: &str = "network interface eni-1 (ELB app/k8s-web/0123), network interface eni-2 (instance i-1)";

#[test]
fn names_interfaces_blocking_a_subnet() {
    let subnet = format!(
        "<item><subnetId>subnet-1</subnetId><state>available</state><vpcId>vpc-1</vpcId><cidrBlock>10.1.0.0/24</cidrBlock>\
         <availabilityZone>us-east-1a</availabilityZone><tagSet>{}</tagSet></item>",
        tags("subnet.a")
    );
    let held = BlockedDeletion {
        resource: "  subnet: { a: { vpc: { id: vpc-1 }, cidr: 10.1.0.0/24, availability_zone: us-east-1a } }\n",
        read: ("DescribeSubnets", list("DescribeSubnets", "subnetSet", &subnet)),
        delete: ("DeleteSubnet", "DependencyViolation", "The subnet 'subnet-1' has dependencies and cannot be deleted."),
        filters: &[("subnet-id", "subnet-1")],
    };
    held.assert_blocked_by(|script| script, INTERFACES);
}

#[test]
fn names_interfaces_and_rules_blocking_a_security_group() {
    let groups = |items: &str| list("DescribeSecurityGroups", "securityGroupInfo", items);
    let own = group("sg-1", "shop-web", &tags("security_group.web"));
    // A rule of the group itself is not a blocker.
    let both = groups(&format!("{own}{}", group("sg-9", "k8s-traffic-shop", "")));
    let held = BlockedDeletion {
        resource: "  security_group: { web: { vpc: { id: vpc-1 } } }\n",
        read: ("DescribeSecurityGroups", groups(&own)),
        delete: ("DeleteSecurityGroup", "DependencyViolation", "resource sg-1 has a dependent object"),
        filters: &[("group-id", "sg-1")],
    };
    let named = |script: Script| {
        let script = script.on_containing("DescribeSecurityGroups", "ip-permission.group-id", [both]);
        script.on_containing("DescribeSecurityGroups", "egress.ip-permission.group-id", [groups(&group("sg-8", "bastion", ""))])
    };
    held.assert_blocked_by(named, &format!("{INTERFACES}, security group sg-8 (bastion), security group sg-9 (k8s-traffic-shop)"));
}

const VPC: &str = "  vpc: { main: { cidr: 10.1.0.0/16 } }\n";

fn vpcs() -> Answer {
    let vpc = format!(
        "<item><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><state>available</state><cidrBlock>10.1.0.0/16</cidrBlock>\
         <instanceTenancy>default</instanceTenancy><tagSet>{}</tagSet></item>",
        tags("vpc.main")
    );
    list("DescribeVpcs", "vpcSet", &vpc)
}

#[test]
fn deletes_the_group_that_global_accelerator_leaves_in_a_vpc() {
    let groups = group("sg-8", "default", "") + &group("sg-9", "GlobalAccelerator", "");
    let endpoint = Script::new()
        .on("DescribeVpcs", [vpcs()])
        .on("DescribeSecurityGroups", [list("DescribeSecurityGroups", "securityGroupInfo", &groups)])
        .on("DeleteVpc", [ec2_error(400, "DependencyViolation", "The vpc 'vpc-1' has dependencies and cannot be deleted.")])
        .on("DeleteSecurityGroup", [success("DeleteSecurityGroup")])
        .after("DeleteSecurityGroup")
        .on("DeleteVpc", [success("DeleteVpc")])
        .start(VPC);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["400 DeleteVpc", "200 DeleteSecurityGroup", "200 DeleteVpc"]);
    assert_eq!(endpoint.request_bodies("DeleteSecurityGroup")[0]["GroupId"], "sg-9");
}

#[test]
fn names_foreign_resources_blocking_a_vpc() {
    let groups = group("sg-8", "default", "") + &group("sg-9", "k8s-traffic-shop", "");
    let held = BlockedDeletion {
        resource: VPC,
        read: ("DescribeVpcs", vpcs()),
        delete: ("DeleteVpc", "DependencyViolation", "The vpc 'vpc-1' has dependencies and cannot be deleted."),
        filters: &[("vpc-id", "vpc-1")],
    };
    let others = |script: Script| {
        let groups = list("DescribeSecurityGroups", "securityGroupInfo", &groups);
        let subnets = list("DescribeSubnets", "subnetSet", "<item><subnetId>subnet-9</subnetId></item>");
        script.on_containing("DescribeSecurityGroups", "vpc-id", [groups]).on_containing("DescribeSubnets", "vpc-id", [subnets])
    };
    held.assert_blocked_by(others, &format!("{INTERFACES}, security group sg-9 (k8s-traffic-shop), subnet subnet-9"));
}

#[test]
fn names_public_addresses_blocking_an_internet_gateway() {
    let gateway = format!(
        "<item><internetGatewayId>igw-1</internetGatewayId><ownerId>123456789012</ownerId><attachmentSet><item><vpcId>vpc-1</vpcId>\
         <state>available</state></item></attachmentSet><tagSet>{}</tagSet></item>",
        tags("internet_gateway.main")
    );
    let held = BlockedDeletion {
        resource: "  internet_gateway: { main: { vpc: { id: vpc-1 } } }\n",
        read: ("DescribeInternetGateways", list("DescribeInternetGateways", "internetGatewaySet", &gateway)),
        delete: (
            "DetachInternetGateway",
            "DependencyViolation",
            "Network vpc-1 has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.",
        ),
        filters: &[("vpc-id", "vpc-1"), ("association.public-ip", "*")],
    };
    held.assert_blocked_by(|script| script.on("DeleteInternetGateway", [success("DeleteInternetGateway")]), INTERFACES);
}

#[test]
fn names_the_interface_blocking_an_address() {
    let address = format!(
        "<item><publicIp>192.0.2.1</publicIp><allocationId>eipalloc-1</allocationId><domain>vpc</domain>\
         <publicIpv4Pool>amazon</publicIpv4Pool><networkBorderGroup>us-east-1</networkBorderGroup><tagSet>{}</tagSet></item>",
        tags("elastic_ip.nat")
    );
    let held = BlockedDeletion {
        resource: "  elastic_ip: { nat: {} }\n",
        read: ("DescribeAddresses", list("DescribeAddresses", "addressesSet", &address)),
        delete: ("ReleaseAddress", "AuthFailure", "You do not have permission to access the specified resource."),
        filters: &[("association.allocation-id", "eipalloc-1")],
    };
    held.assert_blocked_by(|script| script, INTERFACES);
}
