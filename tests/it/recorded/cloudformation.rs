//! CloudFormation: stacks from which resources are imported.

use serde_json::json;

use crate::scripted_endpoint::{Script, xml, xml_error};

/// A page of `ListStackResources`: resources by type, logical id, physical id and status.
fn page(resources: &[(&str, &str, &str, &str)], next: &str) -> (u16, String) {
    let member = |(kind, name, id, status): &(&str, &str, &str, &str)| {
        format!(
            "<member><ResourceType>{kind}</ResourceType><LogicalResourceId>{name}</LogicalResourceId><PhysicalResourceId>{id}\
             </PhysicalResourceId><ResourceStatus>{status}</ResourceStatus><LastUpdatedTimestamp>2026-01-01T00:00:00Z\
             </LastUpdatedTimestamp></member>"
        )
    };
    let members: String = resources.iter().map(member).collect();
    let token = if next.is_empty() { String::new() } else { format!("<NextToken>{next}</NextToken>") };
    xml(format!(
        "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>{members}</StackResourceSummaries>{token}\
         </ListStackResourcesResult></ListStackResourcesResponse>"
    ))
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html>
#[test]
fn reads_every_page_of_a_stack_and_of_its_nested_stacks() {
    let nested = "arn:aws:cloudformation:us-east-1:123456789012:stack/old-Inner/1";
    let first = [
        ("AWS::Lambda::Function", "Api", "api", "CREATE_COMPLETE"),
        ("AWS::CloudFormation::Stack", "Inner", nested, "CREATE_COMPLETE"),
        ("AWS::Lambda::Function", "Removed", "removed", "DELETE_COMPLETE"),
        ("AWS::Lambda::Function", "Coming", "", "CREATE_IN_PROGRESS"),
    ];
    let endpoint = Script::new()
        .on("ListStackResources", [page(&first, "more")])
        .on_containing("ListStackResources", "NextToken=more", [page(&[("AWS::Lambda::Alias", "Live", "live", "CREATE_COMPLETE")], "")])
        .on_containing("ListStackResources", "old-Inner", [page(&[("AWS::Lambda::Layer", "Base", "base", "CREATE_COMPLETE")], "")])
        .start("  {}\n");
    let done = endpoint.run("import", &["--from-cloudformation", "old", "--yes"]);
    let screen = done.combined_output();
    for name in
        ["Api (AWS::Lambda::Function)", "Live (AWS::Lambda::Alias)", "Inner-Base (AWS::Lambda::Layer)", "no resource can be adopted"]
    {
        assert!(screen.contains(name), "`{name}` is missing:\n{screen}");
    }
    for name in ["Removed", "Coming"] {
        assert!(!screen.contains(name), "{screen}");
    }
    let stacks: Vec<_> = endpoint.request_bodies("ListStackResources").iter().map(|body| body["StackName"].clone()).collect();
    assert_eq!(stacks, [json!("old"), json!("old"), json!(nested)]);
}

/// CloudFormation answers with `ValidationError` for a stack that does not exist.
#[test]
fn names_a_stack_of_cloudformation_that_does_not_exist() {
    let endpoint =
        Script::new().on("ListStackResources", [xml_error(400, "ValidationError", "Stack with id none does not exist")]).start("  {}\n");
    let done = endpoint.run("import", &["--from-cloudformation", "none", "--yes"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("there is no CloudFormation stack `none` in us-east-1"), "{}", done.stderr);
    let endpoint = Script::new()
        .on("ListStackResources", [xml_error(400, "ValidationError", "1 validation error detected: Value 'x' at 'stackName'")])
        .start("  {}\n");
    let done = endpoint.run("import", &["--from-cloudformation", "x", "--yes"]);
    assert!(done.code == 1 && done.stderr.contains("1 validation error detected"), "{}", done.stderr);
}
