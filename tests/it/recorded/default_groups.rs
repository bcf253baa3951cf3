//! The default security group of a VPC, which AWS makes and deletes with the VPC.

use crate::scripted_endpoint::{Answer, Script, xml, xml_ownership_tags};

fn vpcs() -> Answer {
    let mut tags = xml_ownership_tags("vpc.main", "item", "key", "value");
    tags.push_str("<item><key>Name</key><value>shop-main</value></item>");
    xml(format!(
        "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-0</vpcId><ownerId>123456789012</ownerId><state>available</state>\
         <cidrBlock>10.0.0.0/16</cidrBlock><instanceTenancy>default</instanceTenancy><tagSet>{tags}</tagSet></item></vpcSet></DescribeVpcsResponse>"
    ))
}

fn attribute(name: &str) -> Answer {
    xml(format!("<DescribeVpcAttributeResponse><vpcId>vpc-0</vpcId><{name}><value>true</value></{name}></DescribeVpcAttributeResponse>"))
}

fn groups(inside: &str) -> Answer {
    xml(format!(
        "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-0</groupId><groupName>default</groupName><vpcId>vpc-0</vpcId>\
         {inside}</item></securityGroupInfo></DescribeSecurityGroupsResponse>"
    ))
}

/// The rules go, the group stays, and a field that leaves the definition leaves it as it is.
#[test]
fn closes_the_default_security_group_and_lets_go_of_it() {
    let open = "<ipPermissions><item><ipProtocol>-1</ipProtocol><groups><item><groupId>sg-0</groupId><userId>123456789012</userId></item></groups>\
                </item></ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item>\
                </ipRanges></item></ipPermissionsEgress>";
    let done = |action: &str| xml(format!("<{action}Response><return>true</return></{action}Response>"));
    let (ingress, egress) = ("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress");
    let endpoint = Script::new()
        .on("DescribeVpcs", [vpcs()])
        .on_containing("DescribeVpcAttribute", "enableDnsSupport", [attribute("enableDnsSupport")])
        .on_containing("DescribeVpcAttribute", "enableDnsHostnames", [attribute("enableDnsHostnames")])
        .on("DescribeSecurityGroups", [groups(open)])
        .on(ingress, [done(ingress)])
        .on(egress, [done(egress)])
        .after(egress)
        .on("DescribeSecurityGroups", [groups("")])
        .start("  vpc: { main: { cidr: 10.0.0.0/16, default_security_group: deny } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {ingress}"), format!("200 {egress}")]);
    let sent = &endpoint.request_bodies(ingress)[0];
    assert_eq!((&sent["GroupId"], &sent["IpPermissions.1.Groups.1.GroupId"]), (&"sg-0".into(), &"sg-0".into()));
    endpoint.redefine("  vpc: { main: { cidr: 10.0.0.0/16 } }\n");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}
