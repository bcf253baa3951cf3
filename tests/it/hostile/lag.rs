//! Crashes in a cloud whose reads lag behind: what a run made is not there to be seen yet when the next one looks.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use acme::{
    engine::{
        cloud::Cloud,
        discover::World,
        journal::{replay, touched},
        run::wait_until_visible,
    },
    simulator::{Behaviour, Local},
};

use super::{Bench, addresses};
use crate::acme::write;

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

impl Bench {
    fn lagging() -> Bench {
        Bench::at(tempfile::tempdir().expect("a folder")).with_own_stacks()
    }
    fn with_own_stacks(self) -> Bench {
        write(self.folder.path(), "before.yaml", BEFORE);
        write(self.folder.path(), "after.yaml", AFTER);
        self
    }
}

/// The address was made and answered; the run dies at a call that makes nothing.
#[test]
fn what_a_crashed_run_made_is_not_made_twice() {
    let bench = Bench::lagging();
    bench.acme.run_with(&LAG, "apply", &bench.before, &["--yes"]).ok();
    bench.crash("crash-after:3,lag:1500");
    let back = bench.copy().with_own_stacks();

    bench.acme.run_with(&LAG, "apply", &bench.after, &["--yes"]).ok();
    assert_eq!(addresses(&bench.content()), ["ecr_repository.kept", "elastic_ip.nat"]);
    back.acme.run_with(&LAG, "rollback", &back.after, &["--yes"]).ok();
    assert_eq!(addresses(&back.content()), ["ecr_repository.kept"]);
}

/// A run that does not see what is there asks for it again, and is refused: that is no reason to take away what was there.
#[test]
fn what_aws_refused_to_make_is_not_undone() {
    let bench = Bench::lagging();
    bench.acme.apply(&bench.before);
    let before = bench.content();
    // Long enough that it looks before the lag is over, however busy the machine.
    let done = bench.acme.run_with(&[("ACME_LOCAL_FAULT", "lag:6000")], "apply", &bench.after, &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("already exists"), "{}", done.screen());
    assert_eq!(bench.content(), before);
    bench.acme.settled(&bench.before);
}

/// What was looked for too early is looked for again, however long looking took.
#[tokio::test]
async fn a_slow_look_that_began_too_early_does_not_count() {
    let bench = Bench::lagging();
    bench.acme.apply(&bench.before);
    bench.crash("crash-after:3");
    let touched = touched(&[replay(&fs::read(bench.journal(2)).expect("a journal"))]);
    let made = touched.values().filter_map(|touched| touched.made_at).max().expect("something was made");
    let made = UNIX_EPOCH + Duration::from_millis(made);
    let lag = Duration::from_millis(200);
    std::thread::sleep((made + 2 * lag).duration_since(SystemTime::now()).unwrap_or_default());

    let behaviour = Behaviour { read_lag: lag, ..Behaviour::default() };
    let cloud = Cloud::Local(Box::new(Local::behaving(bench.cloud(), "eu-west-1", behaviour).expect("a cloud")));
    let look = |after: Duration| World { read_at: Some(made + after), ..World::default() };
    assert!(wait_until_visible(&cloud, &look(lag / 2), &touched).await, "it was not visible when it was looked for");
    assert!(!wait_until_visible(&cloud, &look(lag), &touched).await, "it would have been seen");
}
