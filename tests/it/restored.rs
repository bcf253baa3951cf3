//! Rollbacks of finished runs on a stand-in.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    standin::{Standin, StandinKind},
};

const STACK: &str = "
stack: shop
resources:
  sqs_queue: { jobs: { name: NAME-jobs, on_delete: delete } }
  waf_ip_set: { office: { name: NAME-office, addresses: [192.0.2.0/24] } }
  rds_parameter_group: { main: { name: NAME-main, family: postgres16 } }
";

const NAMES: &str = "
queues = client('sqs').list_queues().get('QueueUrls', [])
sets = client('wafv2').list_ip_sets(Scope='REGIONAL')['IPSets']
groups = client('rds').describe_db_parameter_groups()['DBParameterGroups']
names = [url.split('/')[-1] for url in queues] + [one['Name'] for one in sets] + [one['DBParameterGroupName'] for one in groups]
out = sorted(name for name in names if name.startswith(('old', 'new')))
";

fn renamed(folder: &Path, prefix: &str) -> PathBuf {
    write_file(folder, "shop.yaml", &STACK.replace("NAME", prefix))
}

/// The resource with the new name is not in the state to restore, and reads for a rollback don't use the tag index, which lags.
#[test]
fn rollback_deletes_the_resource_with_the_new_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::at_endpoint(&standin.url);
    let old = json!(["old-jobs", "old-main", "old-office"]);
    let names = || -> Value { standin.run_boto3(NAMES) };
    acme.apply(&renamed(folder.path(), "old"));
    assert_eq!(names(), old);
    for more in [&["--yes"][..], &["--yes", "--to", "1"]] {
        let edited = renamed(folder.path(), "new");
        acme.apply(&edited);
        assert_eq!(names(), json!(["new-jobs", "new-main", "new-office"]));
        acme.run("rollback", &edited, more).assert_success();
        assert_eq!(names(), old, "{more:?}");
    }
}

/// AWS does not say in which zone the validation records of an issued certificate are.
#[test]
fn rollback_restores_a_certificate_with_its_validation_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::at_endpoint(&standin.url);
    let definition = |domain: &str| {
        let text = format!(
            "stack: shop\nresources:\n  dns_zone: {{ main: {{ domain: example.com }} }}\n  certificate: {{ web: {{ domain: {domain}, zone: main }} }}\n"
        );
        write_file(folder.path(), "shop.yaml", &text)
    };
    let records = || -> Value {
        standin.run_boto3(
            "
zone = client('route53').list_hosted_zones()['HostedZones'][0]['Id']
sets = client('route53').list_resource_record_sets(HostedZoneId=zone)['ResourceRecordSets']
out = sorted(one['Name'] + ' ' + one['Type'] for one in sets if one['Type'] in ('CNAME', 'TXT'))
",
        )
    };
    acme.apply(&definition("old.example.com"));
    let before = records();
    assert_eq!(before.as_array().map(Vec::len), Some(2), "{before}");
    let edited = definition("new.example.com");
    acme.apply(&edited);
    assert_ne!(records(), before);
    acme.run("rollback", &edited, &["--yes"]).assert_success();
    assert_eq!(records(), before);
    acme.assert_no_changes(&definition("old.example.com"));
    acme.destroy(&definition("old.example.com"));
}
