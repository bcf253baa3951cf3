//! Exchanges as AWS documents them, where no stand-in answers so: pages, states on the way, error codes.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    acme::{Acme, write},
    proxy::{Faults, Proxy},
    standin::{Kind, Standin},
};

const NETWORK: &str = "
stack: pages
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
";

/// A stand-in with the network, and a proxy that answers the given actions as recorded.
fn recorded(answers: BTreeMap<&'static str, Vec<(u16, String)>>) -> (Standin, Proxy, tempfile::TempDir, PathBuf) {
    let standin = Standin::start(Kind::Ministack);
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write(folder.path(), "network.yaml", NETWORK);
    Acme::on(&standin.url).apply(&stack);
    let proxy = Proxy::start(&standin.url, Faults { recorded: answers, ..Faults::default() });
    (standin, proxy, folder, stack)
}

fn subnets(of: &[(&str, &str, &str, &str)], vpc: &str, next: Option<&str>) -> String {
    let tag = |key: &str, value: &str| format!("<item><key>{key}</key><value>{value}</value></item>");
    let items: String = of
        .iter()
        .map(|(id, name, cidr, state)| {
            let tags = [
                tag("acme:stack", "pages"),
                tag("acme:environment", "default"),
                tag("acme:address", &format!("subnet.{name}")),
                tag("Name", &format!("pages-{name}")),
            ];
            format!(
                "<item><subnetId>{id}</subnetId><state>{state}</state><vpcId>{vpc}</vpcId><cidrBlock>{cidr}</cidrBlock>\
                 <availabilityZone>us-east-1{name}</availabilityZone><mapPublicIpOnLaunch>false</mapPublicIpOnLaunch>\
                 <tagSet>{}</tagSet></item>",
                tags.concat()
            )
        })
        .collect();
    let next = next.map(|token| format!("<nextToken>{token}</nextToken>")).unwrap_or_default();
    format!("<DescribeSubnetsResponse><requestId>1</requestId><subnetSet>{items}</subnetSet>{next}</DescribeSubnetsResponse>")
}

fn vpc_id(standin: &Standin) -> String {
    let found = standin.boto("out = [v['VpcId'] for v in client('ec2').describe_vpcs()['Vpcs'] if v.get('Tags')]");
    found[0].as_str().expect("one VPC").to_owned()
}

#[test]
fn every_page_is_read() {
    let (standin, plain, _folder, stack) = recorded(BTreeMap::new());
    drop(plain);
    let vpc = vpc_id(&standin);
    let pages = vec![
        (200, subnets(&[("subnet-1", "a", "10.0.0.0/24", "available")], &vpc, Some("more"))),
        (200, subnets(&[("subnet-2", "b", "10.0.1.0/24", "available")], &vpc, None)),
    ];
    let proxy = Proxy::start(&standin.url, Faults { recorded: BTreeMap::from([("DescribeSubnets", pages)]), ..Faults::default() });
    let done = Acme::on(&proxy.url).run("plan", &stack, &["--detailed-exitcode"]);
    assert_eq!(done.code, 0, "{}", done.screen());
    assert_eq!(proxy.take().0.iter().filter(|seen| seen.action == "DescribeSubnets").count(), 2);
}

#[test]
fn an_error_of_aws_is_told_with_code_message_and_request() {
    let denied = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation.\
                  </Message></Error></Errors><RequestID>req-1</RequestID></Response>";
    let answers = BTreeMap::from([("DescribeSubnets", vec![(403, denied.to_owned())])]);
    let (_standin, proxy, _folder, stack) = recorded(answers);
    let done = Acme::on(&proxy.url).run("plan", &stack, &[]);
    assert_eq!(done.code, 1);
    for part in ["UnauthorizedOperation", "reading `subnet`", "not authorized", "req-1"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.screen());
    }
}

#[test]
fn a_busy_service_is_asked_again() {
    let busy = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors>\
                <RequestID>req-1</RequestID></Response>";
    let answers = BTreeMap::from([("DescribeSubnets", vec![(503, busy.to_owned()), (503, busy.to_owned())])]);
    let (_standin, proxy, _folder, stack) = recorded(answers);
    let done = Acme::on(&proxy.url).run("plan", &stack, &["--detailed-exitcode", "--stats"]);
    assert_eq!(done.code, 0, "{}", done.screen());
    assert!(done.stderr.contains("DescribeSubnets (2 tries again)"), "{}", done.screen());
}

#[test]
fn what_is_in_use_is_asked_again_until_it_is_free() {
    let in_use = "<Response><Errors><Error><Code>DependencyViolation</Code><Message>The subnet has dependencies and cannot be deleted.\
                  </Message></Error></Errors><RequestID>req-1</RequestID></Response>";
    let answers = BTreeMap::from([("DeleteSubnet", vec![(400, in_use.to_owned())])]);
    let (standin, proxy, _folder, stack) = recorded(answers);
    Acme::on(&proxy.url).destroy(&stack);
    assert_eq!(standin.everything(), serde_json::json!({}), "something is left");
}
