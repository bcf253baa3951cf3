//! Cloud Control: requests and their events, what a failed creation leaves, and what others do.

use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    policy,
    scripted_endpoint::{Answer, Endpoint, Script, json_error, json_ownership_tags, ok},
};

const TYPE: &str = "AWS::EC2::DHCPOptions";
const ID: &str = "dopt-0123456789abcdef0";
const ARN: &str = "arn:aws:ec2:us-east-1:123456789012:dhcp-options/dopt-0123456789abcdef0";
const CREATE: &str = "CreateResource";
const READ: &str = "GetResource";
const UPDATE: &str = "UpdateResource";
const DELETE: &str = "DeleteResource";
const STATUS: &str = "GetResourceRequestStatus";

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64().floor()
}

/// An event of a request.
pub fn event(operation: &str, status: &str, more: &Value) -> Value {
    let mut event = json!({
        "TypeName": TYPE, "RequestToken": "4b1b1b1b-0000-4000-8000-000000000001", "Operation": operation, "OperationStatus": status,
        "EventTime": now(),
    });
    event.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    event
}

pub fn progress(operation: &str, status: &str, more: &Value) -> Answer {
    ok(json!({ "ProgressEvent": event(operation, status, more) }))
}

fn known(operation: &str, status: &str) -> Answer {
    progress(operation, status, &json!({ "Identifier": ID }))
}

fn failed(operation: &str, code: &str, message: &str) -> Answer {
    progress(operation, "FAILED", &json!({ "Identifier": ID, "ErrorCode": code, "StatusMessage": message }))
}

pub fn missing() -> Answer {
    json_error(400, "ResourceNotFoundException", "Resource of this type with this identifier was not found.")
}

pub fn resource(identifier: &str, properties: &Value) -> Answer {
    ok(json!({ "TypeName": TYPE, "ResourceDescription": { "Identifier": identifier, "Properties": properties.to_string() } }))
}

fn options(domain: &str) -> Answer {
    resource(
        ID,
        &json!({
            "DhcpOptionsId": ID, "DomainName": domain, "DomainNameServers": ["10.0.0.2"], "NtpServers": [],
            "Tags": json_ownership_tags("aws_resource.corporate"),
        }),
    )
}

fn definition(domain: &str) -> String {
    format!(
        "  aws_resource:\n    corporate:\n      type: {TYPE}\n      properties: {{ DomainName: {domain}, DomainNameServers: [10.0.0.2] }}\n"
    )
}

fn existing(domain: &str) -> Script {
    Script::new().with_tagged_resources(&[(ARN, "aws_resource.corporate")]).on(READ, [options(domain)])
}

/// The desired states of all creations.
fn desired_states(endpoint: &Endpoint) -> Vec<Value> {
    let state = |body: &Value| serde_json::from_str(body["DesiredState"].as_str().expect("a text")).expect("JSON");
    endpoint.request_bodies(CREATE).iter().map(state).collect()
}

fn tokens(endpoint: &Endpoint) -> Vec<String> {
    let token = |body: &Value| body["ClientToken"].as_str().expect("a token").to_owned();
    endpoint.request_bodies(CREATE).iter().map(token).collect()
}

#[test]
fn follows_a_creation_until_it_has_an_identifier() {
    let output = "resolvers: '{{ aws_resource.corporate.DhcpOptionsId }} {{ aws_resource.corporate.arn }} {{ aws_resource.corporate.id }}'";
    let endpoint = Script::new()
        .on(READ, [missing()])
        .on(CREATE, [progress("CREATE", "PENDING", &json!({}))])
        .on(STATUS, [progress("CREATE", "IN_PROGRESS", &json!({})), known("CREATE", "IN_PROGRESS"), known("CREATE", "SUCCESS")])
        .after(CREATE)
        .on(READ, [options("corp.example.com")])
        .with_tagged_resources(&[(ARN, "aws_resource.corporate")])
        .start(&format!("{}outputs: {{ {output} }}\n", definition("corp.example.com")));
    endpoint.apply();
    let state = &desired_states(&endpoint)[0];
    assert_eq!(state["DomainNameServers"], json!(["10.0.0.2"]));
    assert_eq!(state["Tags"], json_ownership_tags("aws_resource.corporate"));
    assert_eq!(endpoint.call_count(STATUS), 3);
    let shown = endpoint.run("outputs", &[]).assert_success().stdout;
    assert!(shown.contains(&format!("{ID} {ARN} {TYPE}/{ID}")), "{shown}");
}

/// The handler created it, and then found that it does not become ready.
#[test]
fn deletes_what_a_failed_creation_left() {
    let endpoint = Script::new()
        .on(READ, [options("corp.example.com")])
        .on(CREATE, [known("CREATE", "IN_PROGRESS")])
        .on(STATUS, [failed("CREATE", "NotStabilized", "The options did not become available")])
        .on(DELETE, [known("DELETE", "IN_PROGRESS")])
        .after(DELETE)
        .on(READ, [missing()])
        .on(STATUS, [known("DELETE", "SUCCESS")])
        .start(&definition("corp.example.com"));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.combined_output().contains("The options did not become available"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 CreateResource", "200 DeleteResource"]);
}

#[test]
fn keeps_what_a_failed_creation_found() {
    let endpoint = Script::new()
        .on(READ, [options("corp.example.com")])
        .on(CREATE, [failed("CREATE", "AlreadyExists", "There are options of this name")])
        .start(&definition("corp.example.com"));
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0);
    assert_eq!(endpoint.writes(), ["200 CreateResource"]);
}

/// Cloud Control answers a token that it knows with the request of that token, even if that failed.
#[test]
fn asks_again_with_another_token_after_a_failure() {
    let earlier = json!({ "ErrorCode": "Throttling", "StatusMessage": "Rate exceeded", "EventTime": now() - 3600.0 });
    let endpoint = Script::new()
        .on(READ, [missing()])
        .on(CREATE, [progress("CREATE", "FAILED", &earlier), known("CREATE", "SUCCESS")])
        .after(CREATE)
        .on(READ, [options("corp.example.com")])
        .start(&definition("corp.example.com"));
    endpoint.apply();
    let tokens = tokens(&endpoint);
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn repeats_a_lost_creation_with_its_token() {
    let endpoint = Script::new()
        .on(READ, [missing()])
        .on("ListResources", [ok(json!({ "TypeName": TYPE, "ResourceDescriptions": [] }))])
        .on(CREATE, [(200, "{".to_owned()), known("CREATE", "SUCCESS")])
        .on(READ, [options("corp.example.com")])
        .start(&definition("corp.example.com"));
    endpoint.run("apply", &["--yes"]).assert_success();
    let tokens = tokens(&endpoint);
    assert!(tokens.len() == 2 && tokens[0] == tokens[1], "{tokens:?}");
}

#[test]
fn replaces_a_resource_for_properties_that_aws_cannot_change() {
    let endpoint = existing("old.example.com").start(&definition("new.example.com"));
    assert_eq!(endpoint.planned_changes(), ["replace aws_resource.corporate"]);
}

#[test]
fn a_policy_has_the_actions_of_the_handlers() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("stack: shop\nregion: us-east-1\nresources:\n{}", definition("corp.example.com"));
    let stack = write_file(folder.path(), "stack.yaml", &text);
    let allowed = |purpose: &str| policy::allowed_actions(&policy::policy_documents(&Acme::without_cloud(), &stack, purpose));
    let changes = ["cloudformation:CreateResource", "ec2:CreateDhcpOptions"].map(str::to_owned);
    let reads = ["cloudformation:GetResource", "ec2:DescribeDhcpOptions"].map(str::to_owned);
    let (plan, apply) = (allowed("plan"), allowed("apply"));
    assert!(changes.iter().all(|action| apply.contains(action) && !plan.contains(action)), "{apply:?}");
    assert!(reads.iter().all(|action| apply.contains(action) && plan.contains(action)), "{plan:?}");
}

#[test]
fn retries_a_deletion_that_conflicts() {
    let endpoint = existing("corp.example.com")
        .on(DELETE, [failed("DELETE", "ResourceConflict", "The options are associated with vpc-1"), known("DELETE", "SUCCESS")])
        .after(DELETE)
        .after(DELETE)
        .on(READ, [missing()])
        .start("  aws_resource: {}\n");
    assert_eq!(endpoint.planned_changes(), ["delete aws_resource.corporate"]);
    endpoint.run("apply", &["--yes"]).assert_success();
    assert_eq!(endpoint.call_count(DELETE), 2);
}

/// Another run, or another program, is still at it.
#[test]
fn shows_a_resource_that_is_being_changed() {
    let running = event("UPDATE", "IN_PROGRESS", &json!({ "Identifier": ID, "StatusMessage": "Waiting for the network" }));
    let done = json!({ "ResourceRequestStatusSummaries": [running] });
    let first = json!({ "ResourceRequestStatusSummaries": [], "NextToken": "page-2" });
    let endpoint = existing("corp.example.com")
        .on("ListResourceRequests", [ok(first)])
        .on_containing("ListResourceRequests", "page-2", [ok(done)])
        .start(&definition("corp.example.com"));
    let plan = endpoint.run("plan", &["-o", "json"]);
    assert!(endpoint.call_count("ListResourceRequests") >= 2, "{}", plan.combined_output());
}

#[test]
fn adopts_a_resource_by_its_type_and_identifier() {
    let model = json!({ "DhcpOptionsId": ID, "DomainName": "corp.example.com", "Tags": [{ "Key": "team", "Value": "net" }] });
    let endpoint = Script::new()
        .on(READ, [resource(ID, &model)])
        .on(UPDATE, [known("UPDATE", "SUCCESS")])
        .after(UPDATE)
        .on(READ, [options("corp.example.com")])
        .start("  aws_resource: {}\n");
    let printed = endpoint.run("import", &["aws_resource.corporate", &format!("{TYPE}/{ID}"), "--yes"]).assert_success().stdout;
    assert!(printed.contains("DomainName: corp.example.com") && !printed.contains("null"), "{printed}");
    let patch = endpoint.request_bodies(UPDATE)[0]["PatchDocument"].as_str().expect("a text").to_owned();
    assert!(patch.contains(r#""path":"/Tags""#) && patch.contains("acme:address") && patch.contains("team"), "{patch}");
}

#[test]
fn refuses_references_to_attributes_of_other_types() {
    let group = "    group: { type: AWS::ResourceGroups::Group, properties: { Name: shop, Description: '{{ aws_resource.corporate.RootResourceId }}' } }\n";
    let endpoint = Script::new().start(&format!("{}{group}", definition("corp.example.com")));
    let done = endpoint.run("plan", &[]);
    assert!(done.stderr.contains("`aws_resource.corporate` does not have"), "{}", done.combined_output());
}

#[test]
fn refuses_mistakes_at_their_lines() {
    let wrong = "  aws_resource:
    network: { type: AWS::EC2::VPC, properties: { CidrBlock: 10.0.0.0/16 } }
    allow: { type: AWS::Lambda::Permission, properties: { Action: lambda:InvokeFunction } }
    other: { type: AWS::EC2::DHCPOption, properties: {} }
    options: { type: AWS::EC2::DHCPOptions, properties: { DomainNam: a.example.com, NtpServers: 10.0.0.3, Tags: [], DhcpOptionsId: dopt-1 } }
    group: { type: AWS::ResourceGroups::Group, properties: { Description: Orders } }
    tunnel:
      type: AWS::EC2::VPNConnection
      properties:
        CustomerGatewayId: cgw-1
        Type: ipsec.1
        VpnTunnelOptionsSpecifications:
          - PreSharedKey: not-for-definitions
    saml: { type: AWS::IAM::SAMLProvider, region: eu-west-1, properties: { SamlMetadataDocument: <x/> } }
";
    let endpoint = Script::new().start(wrong);
    let done = endpoint.run("plan", &[]);
    for problem in [
        "acme has the type `vpc` for `AWS::EC2::VPC`",
        "acme does not support `AWS::Lambda::Permission`: it has no tags",
        "did you mean `AWS::EC2::DHCPOptions`?",
        "did you mean `DomainName`?",
        "expected a list",
        "acme sets `Tags` itself",
        "AWS sets `DhcpOptionsId`",
        "the property `Name` is missing",
        "acme keeps no secrets",
        "set `region: us-east-1` on the resource",
    ] {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
    assert!(endpoint.writes().is_empty() && endpoint.call_count(READ) == 0);
}
