//! Calls that IAM denies until it knows the tags of a new resource.

use serde_json::json;

use crate::scripted_endpoint::{Answer, Script, ec2_error, json_error, json_ownership_tags, ok, xml, xml_ownership_tags};

const MODIFY: &str = "ModifyVpcAttribute";
const NETWORK: &str =
    "  vpc: { main: { cidr: 10.1.0.0/16 } }\n  subnet: { a: { vpc: main, cidr: 10.1.0.0/24, availability_zone: us-east-1a } }\n";

fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_ownership_tags(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
}

/// EC2's words for a call that no policy allows.
fn denied(action: &str) -> Answer {
    let message = format!(
        "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/deployer/ci is not authorized to \
         perform: ec2:{action} on resource: arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1 because no identity-based policy allows the \
         ec2:{action} action"
    );
    ec2_error(403, "UnauthorizedOperation", &message)
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response><return>true</return></{action}Response>"))
}

fn vpc() -> String {
    format!(
        "<vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><state>available</state><cidrBlock>10.1.0.0/16</cidrBlock>\
         <instanceTenancy>default</instanceTenancy><tagSet>{}</tagSet>",
        tags("vpc.main")
    )
}

fn subnet() -> String {
    format!(
        "<subnetId>subnet-1</subnetId><state>available</state><vpcId>vpc-1</vpcId><cidrBlock>10.1.0.0/24</cidrBlock>\
         <availabilityZone>us-east-1a</availabilityZone><mapPublicIpOnLaunch>false</mapPublicIpOnLaunch><tagSet>{}</tagSet>",
        tags("subnet.a")
    )
}

fn vpcs(items: &str) -> Answer {
    xml(format!("<DescribeVpcsResponse><vpcSet>{items}</vpcSet></DescribeVpcsResponse>"))
}

fn attributes(host_names: bool) -> Answer {
    xml(format!(
        "<DescribeVpcAttributeResponse><enableDnsSupport><value>true</value></enableDnsSupport><enableDnsHostnames><value>{host_names}\
         </value></enableDnsHostnames></DescribeVpcAttributeResponse>"
    ))
}

/// A network that can be created; these are the answers to the calls about its new parts.
fn new_network(modify: Vec<Answer>, create_subnet: Vec<Answer>) -> Script {
    let subnets = |items: &str| xml(format!("<DescribeSubnetsResponse><subnetSet>{items}</subnetSet></DescribeSubnetsResponse>"));
    Script::new()
        .on("CreateVpc", [xml(format!("<CreateVpcResponse><vpc>{}</vpc></CreateVpcResponse>", vpc()))])
        .on(MODIFY, modify)
        .on("CreateSubnet", create_subnet)
        .on("DeleteVpc", [success("DeleteVpc")])
        .on("DescribeVpcAttribute", [attributes(false)])
        .after("CreateVpc")
        .on("DescribeVpcs", [vpcs(&format!("<item>{}</item>", vpc()))])
        .after(MODIFY)
        .on("DescribeVpcAttribute", [attributes(true)])
        .after("CreateSubnet")
        .on("DescribeSubnets", [subnets(&format!("<item>{}</item>", subnet()))])
}

fn created_subnet() -> Answer {
    xml(format!("<CreateSubnetResponse><subnet>{}</subnet></CreateSubnetResponse>", subnet()))
}

#[test]
fn retries_denied_calls_about_new_resources() {
    let modify = vec![denied(MODIFY), denied(MODIFY), success(MODIFY)];
    // The condition is on the tags of the VPC.
    let create_subnet = vec![denied("CreateSubnet"), denied("CreateSubnet"), created_subnet()];
    let endpoint = new_network(modify, create_subnet).start(NETWORK);
    endpoint.apply();
    let expected = [
        "200 CreateVpc",
        "403 ModifyVpcAttribute",
        "403 ModifyVpcAttribute",
        "200 ModifyVpcAttribute",
        "403 CreateSubnet",
        "403 CreateSubnet",
        "200 CreateSubnet",
    ];
    assert_eq!(endpoint.writes(), expected);
}

#[test]
fn retries_denied_settings_of_a_new_key() {
    let arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let denied = || json_error(400, "AccessDeniedException", "User is not authorized to perform: kms:EnableKeyRotation");
    let key = json!({
        "KeyMetadata": {
            "KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab", "Arn": arn, "AWSAccountId": "123456789012", "Enabled": true,
            "KeyState": "Enabled", "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT", "Description": "", "MultiRegion": false,
            "KeyManager": "CUSTOMER", "Origin": "AWS_KMS",
        }
    });
    let endpoint = Script::new()
        .on("CreateKey", [ok(key)])
        .on("CreateAlias", [ok(json!({}))])
        .on("EnableKeyRotation", [denied(), denied(), json_error(400, "UnsupportedOperationException", "")])
        .on("ScheduleKeyDeletion", [ok(json!({}))])
        .start("  kms_key: { main: { rotation: true } }\n");
    endpoint.run("apply", &["--yes"]);
    // The third answer is final.
    assert_eq!(endpoint.call_count("EnableKeyRotation"), 3, "{:?}", endpoint.writes());
}

#[test]
fn gives_up_on_denied_calls_about_new_resources() {
    let endpoint = new_network(vec![denied(MODIFY)], vec![created_subnet()]).start(NETWORK);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("no identity-based policy allows the ec2:ModifyVpcAttribute action"), "{}", done.combined_output());
    assert!(endpoint.call_count(MODIFY) > 2, "{:?}", endpoint.writes());
    assert_eq!(endpoint.call_count("CreateSubnet"), 0);
    assert!(endpoint.call_count("DeleteVpc") > 0, "{:?}", endpoint.writes());

    // An explicit deny is final.
    let denied = ec2_error(403, "UnauthorizedOperation", "You are not authorized: with an explicit deny in a service control policy");
    let endpoint = new_network(vec![denied], vec![created_subnet()]).start(NETWORK);
    assert_eq!(endpoint.run("apply", &["--yes"]).code, 1);
    assert_eq!(endpoint.call_count(MODIFY), 1, "{:?}", endpoint.writes());
}

#[test]
fn does_not_retry_other_denied_calls() {
    // The first call about a resource, which needs no new one.
    let endpoint = Script::new().on("CreateVpc", [denied("CreateVpc")]).start(NETWORK);
    assert_eq!(endpoint.run("apply", &["--yes"]).code, 1);
    assert_eq!(endpoint.writes(), ["403 CreateVpc"]);

    // A resource of an earlier run.
    let endpoint = Script::new()
        .on("DescribeVpcs", [vpcs(&format!("<item>{}</item>", vpc()))])
        .on("DescribeVpcAttribute", [attributes(false)])
        .on(MODIFY, [denied(MODIFY)])
        .start("  vpc: { main: { cidr: 10.1.0.0/16 } }\n");
    assert_eq!(endpoint.run("apply", &["--yes"]).code, 1);
    assert_eq!(endpoint.writes(), ["403 ModifyVpcAttribute"]);

    // The same for another service.
    let queue = "https://sqs.us-east-1.amazonaws.com/123456789012/shop-jobs";
    let mut tags: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
    for tag in json_ownership_tags("sqs_queue.jobs").as_array().expect("a list") {
        tags.insert(tag["Key"].as_str().expect("a key").to_owned(), tag["Value"].clone());
    }
    let endpoint = Script::new()
        .on("ListQueues", [ok(json!({ "QueueUrls": [queue] }))])
        .on("ListQueueTags", [ok(json!({ "Tags": tags }))])
        .on("GetQueueUrl", [ok(json!({ "QueueUrl": queue }))])
        .on(
            "GetQueueAttributes",
            [ok(json!({ "Attributes": { "QueueArn": "arn:aws:sqs:us-east-1:123456789012:shop-jobs", "VisibilityTimeout": "30" } }))],
        )
        .on("SetQueueAttributes", [json_error(403, "AccessDeniedException", "User is not authorized to perform: sqs:SetQueueAttributes")])
        .on("TagQueue", [ok(json!({}))])
        .start("  sqs_queue: { jobs: { visibility_timeout_seconds: 60 } }\n");
    assert_eq!(endpoint.run("apply", &["--yes"]).code, 1);
    assert_eq!(endpoint.call_count("SetQueueAttributes"), 1, "{:?}", endpoint.writes());
}
