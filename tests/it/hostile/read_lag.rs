//! Crashes in a cloud with lagging reads: resources of a crashed run are not visible yet to the next one.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use acme::{
    engine::{
        cloud::Cloud,
        discover::LiveState,
        journal::{replay, touched_resources},
        run::wait_until_visible,
    },
    simulator::{Behaviour, Simulator},
};

use super::{TestStack, sorted_addresses};
use crate::acme::write_file;

const BEFORE: &str = "
stack: shop
region: eu-west-1
resources: { ecr_repository: { kept: {} } }
";
const AFTER: &str = "
stack: shop
region: eu-west-1
tags: { team: web }
resources: { ecr_repository: { kept: { keep_last: 3 } }, elastic_ip: { nat: {} } }
";

const LAG: [(&str, &str); 1] = [("ACME_LOCAL_FAULT", "lag:1500")];

impl TestStack {
    fn with_lag_stacks() -> TestStack {
        TestStack::in_folder(tempfile::tempdir().expect("a folder")).write_lag_stacks()
    }
    fn write_lag_stacks(self) -> TestStack {
        write_file(self.folder.path(), "before.yaml", BEFORE);
        write_file(self.folder.path(), "after.yaml", AFTER);
        self
    }
}

/// The run crashes after three calls, of which one creates the address: with a response, or as the last one without.
#[test]
fn does_not_recreate_what_a_crashed_run_created() {
    let bench = TestStack::with_lag_stacks();
    bench.acme.run_with_env(&LAG, "apply", &bench.before, &["--yes"]).assert_success();
    bench.apply_until_crash("crash-after:3,lag:1500");
    let back = bench.copy().write_lag_stacks();

    bench.acme.run_with_env(&LAG, "apply", &bench.after, &["--yes"]).assert_success();
    assert_eq!(sorted_addresses(&bench.live_resources()), ["ecr_repository.kept", "elastic_ip.nat"]);
    back.acme.run_with_env(&LAG, "rollback", &back.after, &["--yes"]).assert_success();
    assert_eq!(sorted_addresses(&back.live_resources()), ["ecr_repository.kept"]);
}

/// A run that does not see an existing resource tries to create it and is rejected: it must not delete the existing one.
#[test]
fn does_not_roll_back_a_create_that_aws_refused() {
    let bench = TestStack::with_lag_stacks();
    bench.acme.apply(&bench.before);
    let before = bench.live_resources();
    // Long enough that it reads before the lag is over, even on a busy machine.
    let done = bench.acme.run_with_env(&[("ACME_LOCAL_FAULT", "lag:6000")], "apply", &bench.after, &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("already exists"), "{}", done.combined_output());
    assert_eq!(bench.live_resources(), before);
    bench.acme.assert_no_changes(&bench.before);
}

/// A resource read too early is read again, even if the read took long.
#[tokio::test]
async fn discovery_that_started_too_early_does_not_count() {
    let bench = TestStack::with_lag_stacks();
    bench.acme.apply(&bench.before);
    bench.apply_until_crash("crash-after:3");
    let mut touched = touched_resources(&[replay(&fs::read(bench.journal(2)).expect("a journal"))]);
    // As if the crash had not hit the creation: the time of its effect is known.
    touched.values_mut().for_each(|touched| touched.unanswered_create = None);
    let made = touched.values().filter_map(|touched| touched.last_created_at).max().expect("something was made");
    let made = UNIX_EPOCH + Duration::from_millis(made);
    let lag = Duration::from_millis(200);
    std::thread::sleep((made + 2 * lag).duration_since(SystemTime::now()).unwrap_or_default());

    let behaviour = Behaviour { read_lag: lag, ..Behaviour::default() };
    let cloud = Cloud::Simulated(Box::new(Simulator::with_behaviour(bench.cloud(), "eu-west-1", behaviour).expect("a cloud")));
    let look = |after: Duration| LiveState { read_at: Some(made + after), ..LiveState::default() };
    assert!(wait_until_visible(&cloud, &look(lag / 2), &touched).await, "it was not visible when it was looked for");
    assert!(!wait_until_visible(&cloud, &look(lag), &touched).await, "it would have been seen");
}
