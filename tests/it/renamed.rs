//! Rollbacks after the change of a fixed name: the resource with the new name is not in the state to restore, and reads for a rollback don't use
//! the tag index, which lags.

use std::path::Path;

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

fn definition(folder: &Path, prefix: &str) -> std::path::PathBuf {
    write_file(folder, "shop.yaml", &STACK.replace("NAME", prefix))
}

#[test]
fn rollback_deletes_the_resource_with_the_new_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::at_endpoint(&standin.url);
    let old = json!(["old-jobs", "old-main", "old-office"]);
    let names = || -> Value { standin.run_boto3(NAMES) };
    acme.apply(&definition(folder.path(), "old"));
    assert_eq!(names(), old);
    for more in [&["--yes"][..], &["--yes", "--to", "1"]] {
        let renamed = definition(folder.path(), "new");
        acme.apply(&renamed);
        assert_eq!(names(), json!(["new-jobs", "new-main", "new-office"]));
        acme.run("rollback", &renamed, more).assert_success();
        assert_eq!(names(), old, "{more:?}");
    }
}
