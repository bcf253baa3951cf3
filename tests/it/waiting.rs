//! Runs that wait: for people, for reads that lag, for what somebody else deleted; and what a failed run keeps.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    acme::{Acme, CommandOutput, write_file},
    proxy::{Faults, Kill, Proxy, WriteFault},
    standin::{self, Standin, StandinKind},
};

const CERTIFICATE_IN_NEW_ZONE: &str = "
stack: shop
region: us-east-1
resources:
  dns_zone: { main: { domain: shop.example.com } }
  certificate: { main: { domain: shop.example.com, zone: main, timeouts: { create: 1s } } }
  ecr_repository: { images: { on_delete: delete } }
";

/// moto issues a certificate after a minute.
#[test]
fn a_certificate_in_a_new_zone_names_the_name_servers_and_undoes_nothing() {
    let (standin, folder) = (Standin::start(StandinKind::Moto), tempfile::tempdir().expect("a folder"));
    let stack = write_file(folder.path(), "stack.yaml", CERTIFICATE_IN_NEW_ZONE);
    let acme = Acme::at_endpoint(&standin.url);
    let done = acme.run("apply", &stack, &["--yes"]);
    assert_eq!(done.code, 4, "{}", done.combined_output());
    let servers = standin.run_boto3(
        "zone = client('route53').list_hosted_zones()['HostedZones'][0]['Id']
out = client('route53').get_hosted_zone(Id=zone)['DelegationSet']['NameServers']",
    );
    let first = servers[0].as_str().expect("a name server");
    for part in ["action needed: certificate.main", "CNAME", "waiting: certificate.main", first, "acme apply", "acme rollback"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    let made = standin.run_boto3("out = [r['repositoryName'] for r in client('ecr').describe_repositories()['repositories']]");
    assert_eq!(made, json!(["shop-images"]), "independent steps go on");
    let history = acme.run("history", &stack, &[]).assert_success();
    assert!(history.stdout.contains("waiting"), "{}", history.combined_output());
}

const NETWORK: &str = "
stack: shop
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a } }
";

/// Applies with a fault at one write.
fn apply_with_fault(standin: &Standin, acme: &Acme, stack: &Path, more: &[&str], fault: (usize, WriteFault)) -> CommandOutput {
    let proxy = Proxy::start(&standin.url, Faults { at_write: Some(fault), ..Faults::default() });
    acme.with_endpoint(&proxy.url).run("apply", stack, &[&["--yes"], more].concat())
}

/// Number of the write that creates the subnet; the first two are about the VPC.
const SUBNET: usize = 3;

const VPCS: &str = "out = [v['VpcId'] for v in client('ec2').describe_vpcs(Filters=[{'Name': 'is-default', 'Values': ['false']}])['Vpcs']]";

#[test]
fn says_which_resource_was_deleted_during_the_run() {
    // Before the VPC is changed, and before the subnet is created in it; ministack creates subnets in any VPC.
    for (kind, at) in [(StandinKind::Moto, 2), (StandinKind::Moto, SUBNET), (StandinKind::Ministack, 2)] {
        let (standin, folder) = (Standin::start(kind), tempfile::tempdir().expect("a folder"));
        let stack = write_file(folder.path(), "stack.yaml", NETWORK);
        let url = standin.url.clone();
        let delete = Kill(Arc::new(move || {
            standin::run_boto3(&url, &format!("{VPCS}\nclient('ec2').delete_vpc(VpcId=out[0])"));
        }));
        let done = apply_with_fault(&standin, &Acme::at_endpoint(&standin.url), &stack, &[], (at, WriteFault::Before(delete)));
        assert_eq!(done.code, 1, "{}", done.combined_output());
        for part in ["DeletedOutside", "vpc.main (vpc-", "was deleted outside acme during this run"] {
            assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
        }
        assert_eq!(standin.run_boto3(VPCS), json!([]));
    }
}

/// The journal has the ids of the resources that a run created.
#[test]
fn rollback_deletes_what_the_run_created_even_if_its_tags_are_gone() {
    for kind in [StandinKind::Moto, StandinKind::Ministack] {
        let (standin, folder) = (Standin::start(kind), tempfile::tempdir().expect("a folder"));
        let (stack, acme) = (write_file(folder.path(), "stack.yaml", NETWORK), Acme::at_endpoint(&standin.url));
        let url = standin.url.clone();
        let untag = Kill(Arc::new(move || {
            let keys = "Tags=[{'Key': 'acme:stack'}, {'Key': 'acme:environment'}, {'Key': 'acme:address'}]";
            standin::run_boto3(&url, &format!("{VPCS}\nclient('ec2').delete_tags(Resources=out, {keys})"));
        }));
        // The tags are removed, and the subnet is refused: the run rolls back, or a later command does.
        let done = apply_with_fault(&standin, &acme, &stack, &[], (SUBNET, WriteFault::RefuseAfter(untag.clone())));
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert_eq!(standin.run_boto3(VPCS), json!([]), "{}", done.combined_output());
        let done = apply_with_fault(&standin, &acme, &stack, &["--no-rollback"], (SUBNET, WriteFault::RefuseAfter(untag)));
        assert_eq!(done.code, 3, "{}", done.combined_output());
        acme.run("rollback", &stack, &["--yes"]).assert_success();
        assert_eq!(standin.run_boto3(VPCS), json!([]));
    }
}

#[test]
fn the_definition_chooses_what_a_failed_apply_keeps() {
    for (policy, first, update) in [("always", 1, 1), ("on-update", 3, 1), ("never", 3, 3)] {
        let (standin, folder) = (Standin::start(StandinKind::Ministack), tempfile::tempdir().expect("a folder"));
        let acme = Acme::at_endpoint(&standin.url);
        let stack = write_file(folder.path(), "stack.yaml", &format!("rollback: {policy}{NETWORK}"));
        let done = apply_with_fault(&standin, &acme, &stack, &[], (SUBNET, WriteFault::Refuse));
        assert_eq!(done.code, first, "{policy}: {}", done.combined_output());
        assert_eq!(done.stderr.contains("--no-rollback"), first == 1, "{policy}: {}", done.combined_output());
        acme.apply(&stack);
        let more = "  elastic_ip: { a: {}, b: { depends_on: [elastic_ip.a] } }\n";
        let stack = write_file(folder.path(), "stack.yaml", &format!("rollback: {policy}{NETWORK}{more}"));
        let done = apply_with_fault(&standin, &acme, &stack, &[], (2, WriteFault::Refuse));
        assert_eq!(done.code, update, "{policy}: {}", done.combined_output());
        let kept = standin.run_boto3("out = len(client('ec2').describe_addresses()['Addresses'])");
        assert_eq!(kept, json!(usize::from(update == 3)), "{policy}");
    }
}

/// Reads show the old state for longer than acme waits at a stand-in.
#[test]
fn a_read_that_lags_for_long_is_a_warning() {
    for (resource, changed, service, field) in [
        (
            "  kms_key: { main: { on_delete: delete } }\n",
            "  kms_key: { main: { rotation: false, on_delete: delete } }\n",
            "kms",
            "rotation",
        ),
        (
            "  ecr_repository: { main: { on_delete: delete } }\n",
            "  ecr_repository: { main: { immutable_tags: false, on_delete: delete } }\n",
            "ecr",
            "immutable_tags",
        ),
    ] {
        let (standin, folder) = (Standin::start(StandinKind::Ministack), tempfile::tempdir().expect("a folder"));
        let acme = Acme::at_endpoint(&standin.url);
        let head = "stack: shop\nregion: us-east-1\nresources:\n";
        acme.apply(&write_file(folder.path(), "stack.yaml", &format!("{head}{resource}")));
        let stack = write_file(folder.path(), "stack.yaml", &format!("{head}{changed}"));
        let lag = BTreeMap::from([(service, Duration::from_secs(600))]);
        let proxy = Proxy::start(&standin.url, Faults { read_lag: lag, ..Faults::default() });
        let done = acme.with_endpoint(&proxy.url).run("apply", &stack, &["--yes"]);
        assert_eq!(done.code, 0, "{}", done.combined_output());
        let warning = format!("AWS accepted the change, but does not show {field} as ");
        assert!(done.stderr.contains(&warning), "{}", done.combined_output());
        acme.assert_no_changes(&stack);
    }
}

/// The simulated cloud waits for a person on request, so that this can be tried without an account.
#[test]
fn the_simulated_cloud_waits_for_a_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let definition = "
stack: shop
region: us-east-1
resources:
  dns_zone: { main: { domain: shop.example.com } }
  certificate: { main: { domain: shop.example.com, zone: main } }
  ecr_repository: { images: { on_delete: delete } }
outputs: { certificate: '{{ certificate.main.arn }}' }
";
    let stack = write_file(folder.path(), "stack.yaml", definition);
    let acme = Acme::local(&folder.path().join("cloud"));
    let waiting = [("ACME_LOCAL_FAULT", "waiting:certificate")];
    for _ in 0..2 {
        let done = acme.run_with_env(&waiting, "apply", &stack, &["--yes"]);
        assert_eq!(done.code, 4, "{}", done.combined_output());
        for part in ["action needed: certificate.main", "waiting: certificate.main", "dns_zone.main", "acme apply"] {
            assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
        }
    }
    // The person has acted.
    let done = acme.run("apply", &stack, &["--yes"]).assert_success();
    assert!(!done.stderr.contains("action needed"), "{}", done.combined_output());
    acme.assert_no_changes(&stack);
    // Only types wait.
    let done = acme.run_with_env(&[("ACME_LOCAL_FAULT", "waiting:nothing")], "plan", &stack, &[]);
    assert!(done.code == 1 && done.stderr.contains("waiting:TYPE"), "{}", done.combined_output());
}
