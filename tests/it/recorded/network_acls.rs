//! Network ACLs: associations whose ids change, and changes of several calls that are retried from the first.

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

/// An ACL of the VPC with its entries and its associations, each an id and a subnet.
fn acl(id: &str, entries: &[&str], associations: &[(&str, &str)]) -> String {
    let association = |(association, subnet): &(&str, &str)| {
        format!(
            "<item><networkAclAssociationId>{association}</networkAclAssociationId><networkAclId>{id}</networkAclId>\
             <subnetId>{subnet}</subnetId></item>"
        )
    };
    let (associations, entries): (String, String) = (associations.iter().map(association).collect(), entries.concat());
    let (default, tags) = match id {
        "acl-default" => (true, String::new()),
        _ => (false, xml_ownership_tags("network_acl.web", "item", "key", "value") + "<item><key>Name</key><value>shop-web</value></item>"),
    };
    format!(
        "<item><networkAclId>{id}</networkAclId><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><default>{default}</default>\
         <entrySet>{entries}{DENY_ALL}</entrySet><associationSet>{associations}</associationSet><tagSet>{tags}</tagSet></item>"
    )
}

/// The entry that AWS adds to every ACL.
const DENY_ALL: &str = "<item><ruleNumber>32767</ruleNumber><protocol>-1</protocol><ruleAction>deny</ruleAction><egress>false</egress>\
                        <cidrBlock>0.0.0.0/0</cidrBlock></item>";

fn https_from(cidr: &str) -> String {
    format!(
        "<item><ruleNumber>100</ruleNumber><protocol>6</protocol><ruleAction>allow</ruleAction><egress>false</egress>\
         <cidrBlock>{cidr}</cidrBlock><portRange><from>443</from><to>443</to></portRange></item>"
    )
}

fn acls(items: &[String]) -> Answer {
    xml(format!("<DescribeNetworkAclsResponse><networkAclSet>{}</networkAclSet></DescribeNetworkAclsResponse>", items.concat()))
}

fn created() -> Answer {
    xml(format!("<CreateNetworkAclResponse><networkAcl>{}</networkAcl></CreateNetworkAclResponse>", "<networkAclId>acl-1</networkAclId>"))
}

const MOVE: &str = "ReplaceNetworkAclAssociation";

/// The first attempt names an association that another change has ended in the meantime.
#[test]
fn moves_a_subnet_by_the_id_of_its_current_association() {
    let before =
        |association| acls(&[acl("acl-default", &[], &[(association, "subnet-1"), ("assoc-9", "subnet-9")]), acl("acl-1", &[], &[])]);
    let stale = ec2_error(400, "InvalidAssociationID.NotFound", "The association ID 'assoc-1' does not exist");
    let endpoint = Script::new()
        .on("CreateNetworkAcl", [created()])
        .after("CreateNetworkAcl")
        .on("DescribeNetworkAcls", [acls(&[acl("acl-1", &[], &[])])])
        .on_containing("DescribeNetworkAcls", "vpc-id", [before("assoc-1"), before("assoc-2")])
        .on_containing(MOVE, "assoc-1", [stale])
        .on_containing(MOVE, "assoc-2", [success(MOVE)])
        .after(MOVE)
        .on("DescribeNetworkAcls", [acls(&[acl("acl-1", &[], &[("assoc-3", "subnet-1")])])])
        .start("  network_acl: { web: { vpc: { id: vpc-1 }, subnets: [{ id: subnet-1 }] } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateNetworkAcl".to_owned(), format!("400 {MOVE}"), format!("200 {MOVE}")]);
    assert_eq!(endpoint.request_bodies(MOVE)[1]["NetworkAclId"], "acl-1");
}

/// A new subnet has no association for a moment.
#[test]
fn waits_for_the_first_association_of_a_subnet() {
    let shown = acls(&[acl("acl-default", &[], &[("assoc-1", "subnet-1")]), acl("acl-1", &[], &[])]);
    let endpoint = Script::new()
        .on("CreateNetworkAcl", [created()])
        .after("CreateNetworkAcl")
        .on("DescribeNetworkAcls", [acls(&[acl("acl-1", &[], &[])])])
        .on_containing("DescribeNetworkAcls", "vpc-id", [acls(&[acl("acl-default", &[], &[]), acl("acl-1", &[], &[])]), shown])
        .on(MOVE, [success(MOVE)])
        .after(MOVE)
        .on("DescribeNetworkAcls", [acls(&[acl("acl-1", &[], &[("assoc-3", "subnet-1")])])])
        .start("  network_acl: { web: { vpc: { id: vpc-1 }, subnets: [{ id: subnet-1 }] } }\n");
    endpoint.apply();
    assert_eq!(endpoint.call_count(MOVE), 1);
}

const ENTRY: &str = "CreateNetworkAclEntry";
const WITH_RULE: &str =
    "  network_acl: { web: { vpc: { id: vpc-1 }, ingress: [{ number: 100, action: allow, port: 443, cidr: 10.0.0.0/8 }] } }\n";

fn script_with_existing_entry(entry: &str) -> Script {
    let exists = ec2_error(400, "NetworkAclEntryAlreadyExists", "The network acl entry identified by 100 already exists.");
    Script::new()
        .on("CreateNetworkAcl", [created()])
        .after("CreateNetworkAcl")
        .on("DescribeNetworkAcls", [acls(&[acl("acl-1", &[], &[])]), acls(&[acl("acl-1", &[entry], &[])])])
        .on_containing("DescribeNetworkAcls", "NetworkAclId.1", [acls(&[acl("acl-1", &[entry], &[])])])
        .on(ENTRY, [exists])
        .on("DeleteNetworkAcl", [success("DeleteNetworkAcl")])
        .after("DeleteNetworkAcl")
        .on("DescribeNetworkAcls", [acls(&[])])
}

#[test]
fn accepts_an_entry_created_by_an_earlier_attempt() {
    let endpoint = script_with_existing_entry(&https_from("10.0.0.0/8")).start(WITH_RULE);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateNetworkAcl".to_owned(), format!("400 {ENTRY}")]);
}

#[test]
fn does_not_mistake_another_entry_for_its_own() {
    let endpoint = script_with_existing_entry(&https_from("192.0.2.0/24")).start(WITH_RULE);
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("NetworkAclEntryAlreadyExists"), "{}", done.combined_output());
    assert_eq!(endpoint.call_count(ENTRY), 1);
}

/// A subnet outside the stack keeps an ACL of the stack from being deleted.
#[test]
fn gives_its_subnets_back_before_it_is_deleted() {
    let used = acl("acl-1", &[], &[("assoc-1", "subnet-1")]);
    let in_use = ec2_error(400, "DependencyViolation", "The networkAcl 'acl-1' has dependencies and cannot be deleted.");
    let endpoint = Script::new()
        .on("DescribeNetworkAcls", [acls(std::slice::from_ref(&used))])
        .on_containing("DescribeNetworkAcls", "vpc-id", [acls(&[acl("acl-default", &[], &[]), used])])
        .on("DeleteNetworkAcl", [in_use])
        .on(MOVE, [success(MOVE)])
        .after(MOVE)
        .on("DeleteNetworkAcl", [success("DeleteNetworkAcl")])
        .after("DeleteNetworkAcl")
        .on("DescribeNetworkAcls", [acls(&[acl("acl-default", &[], &[("assoc-2", "subnet-1")])])])
        .start("  network_acl: { web: { vpc: { id: vpc-1 }, subnets: [{ id: subnet-1 }] } }\n");
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["400 DeleteNetworkAcl".to_owned(), format!("200 {MOVE}"), "200 DeleteNetworkAcl".to_owned()]);
    assert_eq!(endpoint.request_bodies(MOVE)[0]["NetworkAclId"], "acl-default");
}

#[test]
fn never_lists_the_acl_of_a_vpc() {
    let endpoint = Script::new()
        .on("DescribeNetworkAcls", [acls(&[acl("acl-default", &[], &[("assoc-1", "subnet-1")])])])
        .start("  network_acl: { web: { vpc: { id: vpc-1 } } }\n");
    let done = endpoint.run("import", &["network_acl.web", "acl-default", "--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("acl-default"), "{}", done.combined_output());
}
