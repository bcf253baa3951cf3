//! Journals of crashed runs that are cut, changed or gone: through the command line, to the end.

use std::fs;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{Bench, addresses, cases};
use crate::history::without_by;

/// How the journal of a crashed run is found.
#[derive(Clone, Debug)]
enum Damage {
    Cut(f64),
    Flip(f64),
    Gone,
    AllGone,
}

fn damaged(bench: &Bench, damage: &Damage) {
    let path = bench.journal(2);
    let mut bytes = fs::read(&path).expect("a journal");
    let place = |at: f64| (at * bytes.len() as f64) as usize;
    match damage {
        Damage::Cut(at) => bytes.truncate(place(*at)),
        Damage::Flip(at) => {
            let at = place(*at);
            bytes[at] ^= 4;
        }
        Damage::Gone => return fs::remove_file(path).expect("it can be removed"),
        Damage::AllGone => return fs::remove_dir_all(bench.backend()).expect("it can be removed"),
    }
    fs::write(path, bytes).expect("it can be written");
}

/// `apply` ends right whatever became of the journal; `rollback` deletes nothing that was there before; both say what they can't read.
#[test]
fn a_damaged_journal_deletes_nothing() {
    let applied = Bench::new();
    let before = applied.content();
    let damage = prop_oneof![
        3 => (0.0..1.0f64).prop_map(Damage::Cut),
        3 => (0.0..1.0f64).prop_map(Damage::Flip),
        1 => Just(Damage::Gone),
        1 => Just(Damage::AllGone),
    ];
    // Every case is a handful of processes: one that fails is told as it is.
    let config = Config { max_shrink_iters: 0, ..cases(12).config().clone() };
    TestRunner::new(config)
        .run(&(1u64..9, damage), |(k, damage)| {
            let forward = applied.copy();
            forward.crash(&format!("crash-after:{k}"));
            // What the crashed run itself took away is not there to be spared.
            let crashed = forward.content();
            damaged(&forward, &damage);
            let back = forward.copy();

            let plan = forward.acme.plan(&forward.after);
            let done = forward.ends_right();
            let rolled = back.acme.run("rollback", &back.after, &["--yes"]);
            for id in before.keys().filter(|id| crashed.contains_key(*id)) {
                prop_assert!(back.content().contains_key(id), "rollback deleted {id}: {:?} {k}\n{}", damage, rolled.screen());
            }
            match damage {
                Damage::Flip(_) => {
                    prop_assert!(done.stderr.contains("warning:"), "apply is silent\n{}", done.screen());
                    prop_assert!(rolled.stderr.contains("warning:") || rolled.code == 1, "rollback is silent\n{}", rolled.screen());
                }
                Damage::Gone => {
                    prop_assert!(done.stderr.contains("journal of revision 2"), "{}", done.screen());
                    prop_assert!(rolled.code == 1 && rolled.stderr.contains("journal of revision 2"), "{}", rolled.screen());
                    prop_assert_eq!(back.content().len(), crashed.len(), "rollback changed something");
                }
                Damage::AllGone => {
                    prop_assert!(rolled.code == 1 && rolled.stderr.contains("no run of shop"), "{}", rolled.screen());
                }
                Damage::Cut(_) => {}
            }
            prop_assert!(!plan.0.is_null());
            Ok(())
        })
        .expect("damage deletes nothing");
}

/// The journal ends before the gateway: undoing leaves that alone, and can't take away what it uses.
#[test]
fn what_is_in_use_by_something_unknown_is_named_and_not_waited_for() {
    let applied = Bench::new();
    let before = applied.content();
    let crashed = (6..14).find_map(|k| {
        let bench = applied.copy();
        bench.crash(&format!("crash-before:{k}"));
        addresses(&bench.content()).contains(&"nat_gateway.nat".to_owned()).then_some(bench)
    });
    let bench = crashed.expect("a run that dies after the gateway was made");
    let journal = fs::read_to_string(bench.journal(2)).expect("a journal");
    let known: Vec<&str> = journal.split_inclusive('\n').take_while(|line| !line.contains("\"address\":\"nat_gateway.nat\"")).collect();
    assert!(known.concat().contains("\"address\":\"elastic_ip.nat\"") && known.concat().len() < journal.len(), "{journal}");
    fs::write(bench.journal(2), known.concat()).expect("it can be written");

    let done = bench.acme.run("rollback", &bench.after, &["--yes"]);
    assert_eq!(done.code, 3, "{}", done.screen());
    let gateway = bench.content().keys().find_map(|key| key.strip_prefix("nat_gateway/").map(str::to_owned)).expect("it is left alone");
    let named = format!("used by nat_gateway.nat ({gateway})");
    for part in ["  elastic_ip.nat: DependencyViolation", &named, "which this run leaves alone", "remove what uses it"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.screen());
    }
    assert!(before.keys().all(|id| bench.content().contains_key(id)), "{}", done.screen());
    bench.ends_right();
}

#[test]
fn without_the_backend_the_plan_is_the_same() {
    let bench = Bench::new();
    bench.crash("crash-after:5");
    let plan = || without_by(bench.acme.plan(&bench.after).0);
    let with = plan();
    fs::remove_dir_all(bench.backend()).expect("it can be removed");
    assert_eq!(plan(), with);
    bench.ends_right();
}

/// What a run wrote when it was over outweighs a journal that was cut since: it is not taken for a crashed one, whose new things hold
/// nothing yet.
#[test]
fn a_finished_run_whose_journal_was_cut_is_finished() {
    let bench = Bench::new();
    bench.acme.apply(&bench.after);
    let content = bench.content();
    let bytes = fs::read(bench.journal(2)).expect("a journal");
    fs::write(bench.journal(2), &bytes[..bytes.len() * 2 / 3]).expect("it can be written");
    let done = bench.acme.run("apply", &bench.after, &["--yes"]).ok();
    assert!(!done.stderr.contains("did not finish"), "{}", done.screen());
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    fs::write(bench.journal(2), damaged).expect("it can be written");
    let refused = bench.acme.run("rollback", &bench.after, &["--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("--to"), "{}", refused.screen());
    assert_eq!(bench.content(), content);
    bench.acme.run("rollback", &bench.after, &["--yes", "--to", "1"]).ok();
    bench.acme.settled(&bench.before);
}

/// Undoing the run that finished another's work undoes both.
#[test]
fn a_run_that_was_finished_by_the_next_one_is_undone_with_it() {
    let bench = Bench::new();
    let before = addresses(&bench.content());
    for k in [2, 5] {
        bench.crash(&format!("crash-after:{k}"));
        bench.ends_right();
        bench.acme.run("rollback", &bench.after, &["--yes"]).ok();
        assert_eq!(addresses(&bench.content()), before);
        bench.acme.settled(&bench.before);
    }
}

/// What stood after a run that was undone with the one before it is what stood before both.
#[test]
fn going_back_to_a_run_that_was_undone_goes_to_where_that_ended() {
    let bench = Bench::new();
    let before = addresses(&bench.content());
    bench.crash("crash-after:3");
    let done = bench.acme.run_with(&[("ACME_LOCAL_FAULT", "refuse:1")], "apply", &bench.after, &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("Everything is as it was before"), "{}", done.screen());
    assert_eq!(addresses(&bench.content()), before);
    bench.acme.apply(&bench.after);
    bench.acme.run("rollback", &bench.after, &["--yes", "--to", "3"]).ok();
    assert_eq!(addresses(&bench.content()), before);
    bench.acme.settled(&bench.before);
}

/// What was given up still stands: it gets its marks back, and nothing is made beside it.
#[test]
fn what_was_given_up_is_taken_back_by_undoing() {
    let bench = Bench::new();
    let kept = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  s3_bucket: { files: { on_delete: retain } }
  kms_key: { data: { on_delete: retain } }
";
    let kept = crate::acme::write(bench.folder.path(), "kept.yaml", kept);
    let given_up = crate::acme::write(
        bench.folder.path(),
        "given-up.yaml",
        "stack: shop\nregion: eu-west-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n",
    );
    bench.acme.apply(&kept);
    let before = bench.content();
    let done = bench.acme.run("apply", &given_up, &["--yes"]).ok();
    assert!(done.stderr.contains("gave up s3_bucket.files") && done.stderr.contains("gave up kms_key.data"), "{}", done.screen());
    bench.acme.run("rollback", &given_up, &["--yes"]).ok();
    assert_eq!(bench.content(), before);
    bench.acme.settled(&kept);
}
