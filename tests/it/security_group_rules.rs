//! Rules of security groups outside the stack: acme changes and deletes only its own.

use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    scripted_endpoint::{Script, ownership_tags, xml, xml_ownership_tags},
    standin::{Standin, StandinKind},
};

/// A group that somebody else made, with a rule of its own.
const OTHERS_GROUP: &str = "
ec2 = client('ec2')
vpc = ec2.create_vpc(CidrBlock='10.9.0.0/16')['Vpc']['VpcId']
group = ec2.create_security_group(GroupName='database', Description='of others', VpcId=vpc)['GroupId']
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
    {'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': [{'CidrIp': '192.0.2.0/24'}]}])
out = group
";

/// Ports of a group's rules for incoming traffic, sorted.
fn ports(standin: &Standin, group: &str) -> Vec<i64> {
    let script = format!(
        "group = client('ec2').describe_security_groups(GroupIds=['{group}'])['SecurityGroups'][0]\n\
         out = sorted(rule['FromPort'] for rule in group['IpPermissions'])\n"
    );
    serde_json::from_value(standin.run_boto3(&script)).expect("a list of ports")
}

fn definition(folder: &std::path::Path, group: &str, rules: &str) -> std::path::PathBuf {
    let text = format!(
        "stack: shop\nregion: us-east-1\nresources:\n  vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }}\n  security_group: {{ app: {{ vpc: main }} }}\n{rules}"
    );
    write_file(folder, "stack.yaml", &text.replace("GROUP", group))
}

#[test]
fn rules_of_others_groups_live_and_die_alone() {
    for kind in [StandinKind::Moto, StandinKind::Ministack] {
        let standin = Standin::start(kind);
        let group = standin.run_boto3(OTHERS_GROUP).as_str().expect("an id").to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::at_endpoint(&standin.url);
        let rule = |port: u16| {
            format!(
                "  security_group_rule:\n    database:\n      security_group: {{ id: GROUP }}\n      rule: {{ port: {port}, security_group: app }}\n"
            )
        };
        let path = definition(folder.path(), &group, &rule(5432));
        acme.apply(&path);
        acme.assert_no_changes(&path);
        assert_eq!(ports(&standin, &group), [22, 5432], "{kind:?}");

        let path = definition(folder.path(), &group, &rule(5433));
        assert_eq!(acme.plan(&path).changes(), ["replace security_group_rule.database"], "{kind:?}");
        acme.apply(&path);
        acme.assert_no_changes(&path);
        assert_eq!(ports(&standin, &group), [22, 5433], "{kind:?}");

        acme.destroy(&path);
        assert_eq!(ports(&standin, &group), [22], "{kind:?}");
    }
}

const RULE: &str = "
  security_group_rule:
    database:
      security_group: { id: sg-0123456789abcdef0 }
      rule: { port: 5432, cidr: 10.0.0.0/16, description: TEXT }
";

fn rules(description: &str) -> (u16, String) {
    let tags = xml_ownership_tags("security_group_rule.database", "item", "key", "value");
    xml(format!(
        "<DescribeSecurityGroupRulesResponse><securityGroupRuleSet><item><securityGroupRuleId>sgr-0123456789abcdef0</securityGroupRuleId>\
         <groupId>sg-0123456789abcdef0</groupId><groupOwnerId>123456789012</groupOwnerId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol>\
         <fromPort>5432</fromPort><toPort>5432</toPort><cidrIpv4>10.0.0.0/16</cidrIpv4><description>{description}</description>\
         <tagSet>{tags}<item><key>Name</key><value>shop-database</value></item></tagSet></item></securityGroupRuleSet></DescribeSecurityGroupRulesResponse>"
    ))
}

/// A rule is tagged by the call that makes it.
#[test]
fn a_rule_is_created_with_its_tags() {
    let made = "<AuthorizeSecurityGroupIngressResponse><return>true</return><securityGroupRuleSet><item>\
                <securityGroupRuleId>sgr-0123456789abcdef0</securityGroupRuleId></item></securityGroupRuleSet></AuthorizeSecurityGroupIngressResponse>";
    let none = xml("<DescribeSecurityGroupRulesResponse><securityGroupRuleSet/></DescribeSecurityGroupRulesResponse>");
    let endpoint = Script::new()
        .on("DescribeSecurityGroupRules", [none])
        .on("AuthorizeSecurityGroupIngress", [xml(made)])
        .after("AuthorizeSecurityGroupIngress")
        .on("DescribeSecurityGroupRules", [rules("Application")])
        .start(&RULE.replace("TEXT", "Application"));
    endpoint.apply();
    let sent = &endpoint.request_bodies("AuthorizeSecurityGroupIngress")[0];
    let text = sent.to_string();
    assert_eq!(sent["GroupId"], "sg-0123456789abcdef0", "{text}");
    for (_, value) in ownership_tags("security_group_rule.database") {
        assert!(text.contains(&value), "{value}: {text}");
    }
    assert!(text.contains("security-group-rule") && text.contains("Application"), "{text}");
}

/// Another description is no reason to delete a rule.
#[test]
fn a_description_changes_in_place() {
    let update = "UpdateSecurityGroupRuleDescriptionsIngress";
    let endpoint = Script::new()
        .on("DescribeSecurityGroupRules", [rules("Old")])
        .on(update, [xml("<UpdateSecurityGroupRuleDescriptionsIngressResponse><return>true</return></UpdateSecurityGroupRuleDescriptionsIngressResponse>")])
        .after(update)
        .on("DescribeSecurityGroupRules", [rules("New")])
        .start(&RULE.replace("TEXT", "New"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {update}")]);
    let sent = endpoint.request_bodies(update)[0].to_string();
    assert!(sent.contains("sgr-0123456789abcdef0") && sent.contains("New"), "{sent}");
}

#[test]
fn a_group_of_the_stack_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |rule: &str, message: &str| {
        let rules = format!("  security_group_rule: {{ a: {rule} }}\n");
        let said = Acme::without_cloud().run("validate", &definition(folder.path(), "", &rules), &[]).combined_output();
        assert!(said.contains(message) && said.contains("stack.yaml:6:"), "{rule}: {said}");
    };
    refused("{ security_group: app, rule: { port: 1, cidr: 10.0.0.0/8 } }", "`security_group.app` is in the stack");
    refused("{ security_group: { id: sg-1 }, rule: { port: 1, cidrs: [10.0.0.0/8, 192.0.2.0/24] } }", "one rule has one source, not 2");
    refused("{ security_group: { id: sg-1 }, rule: { cidr: 10.0.0.0/8 } }", "needs `port`");
}

/// A cluster's own group is not in the stack either.
#[test]
fn a_rule_can_be_about_the_group_of_a_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let rules = "  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] }, policies: [AmazonEKSClusterPolicy] } }
  eks_cluster: { main: { role: cluster, subnets: [a, b], deletion_protection: false } }
  security_group_rule:
    api: { security_group: { id: '{{ eks_cluster.main.security_group_id }}' }, rule: { port: 443, security_group: app } }
    out: { security_group: { id: '{{ eks_cluster.main.security_group_id }}' }, direction: egress, rule: { protocol: all, cidr: 10.0.0.0/8 } }
";
    let path = definition(folder.path(), "", rules);
    acme.apply(&path);
    acme.assert_no_changes(&path);
    let graph = acme.run("graph", &path, &["--live", "--format", "json"]).assert_success().stdout;
    let graph: Value = serde_json::from_str(&graph).expect("JSON");
    let node = graph["nodes"].as_array().expect("a list").iter().find(|node| node["address"] == "security_group_rule.out").cloned();
    assert_eq!(node.expect("a node")["live"]["direction"], json!("egress"));
    acme.destroy(&path);
}
