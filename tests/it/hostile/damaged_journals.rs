//! Truncated, changed or missing journals of crashed runs, through the command line.

use std::fs;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{TestStack, proptest_runner, sorted_addresses};
use crate::history::without_authors;

/// Damage to the journal of a crashed run.
#[derive(Clone, Debug)]
enum JournalDamage {
    Cut(f64),
    Flip(f64),
    Gone,
    BackendGone,
}

fn damage_journal(bench: &TestStack, damage: &JournalDamage) {
    let path = bench.journal(2);
    let mut bytes = fs::read(&path).expect("a journal");
    let place = |at: f64| (at * bytes.len() as f64) as usize;
    match damage {
        JournalDamage::Cut(at) => bytes.truncate(place(*at)),
        JournalDamage::Flip(at) => {
            let at = place(*at);
            bytes[at] ^= 4;
        }
        JournalDamage::Gone => return fs::remove_file(path).expect("it can be removed"),
        JournalDamage::BackendGone => return fs::remove_dir_all(bench.backend()).expect("it can be removed"),
    }
    fs::write(path, bytes).expect("it can be written");
}

/// With any damage, `apply` succeeds, `rollback` deletes no previous resource, and both report what they can't read.
#[test]
fn damaged_journal_never_deletes_existing_resources() {
    let applied = TestStack::new();
    let before = applied.live_resources();
    let damage = prop_oneof![
        3 => (0.0..1.0f64).prop_map(JournalDamage::Cut),
        3 => (0.0..1.0f64).prop_map(JournalDamage::Flip),
        1 => Just(JournalDamage::Gone),
        1 => Just(JournalDamage::BackendGone),
    ];
    // Every case takes several processes, so a failing one is reported without shrinking.
    let config = Config { max_shrink_iters: 0, ..proptest_runner(12).config().clone() };
    TestRunner::new(config)
        .run(&(1u64..9, damage), |(k, damage)| {
            let forward = applied.copy();
            forward.apply_until_crash(&format!("crash-after:{k}"));
            // Except for resources that the crashed run itself deleted.
            let crashed = forward.live_resources();
            damage_journal(&forward, &damage);
            let back = forward.copy();

            let plan = forward.acme.plan(&forward.after);
            let done = forward.assert_apply_completes();
            let rolled = back.acme.run("rollback", &back.after, &["--yes"]);
            for id in before.keys().filter(|id| crashed.contains_key(*id)) {
                prop_assert!(
                    back.live_resources().contains_key(id),
                    "rollback deleted {id}: {:?} {k}\n{}",
                    damage,
                    rolled.combined_output()
                );
            }
            match damage {
                JournalDamage::Flip(_) => {
                    prop_assert!(done.stderr.contains("warning:"), "apply is silent\n{}", done.combined_output());
                    prop_assert!(
                        rolled.stderr.contains("warning:") || rolled.code == 1,
                        "rollback is silent\n{}",
                        rolled.combined_output()
                    );
                }
                JournalDamage::Gone => {
                    prop_assert!(done.stderr.contains("journal of revision 2"), "{}", done.combined_output());
                    prop_assert!(rolled.code == 1 && rolled.stderr.contains("journal of revision 2"), "{}", rolled.combined_output());
                    prop_assert_eq!(back.live_resources().len(), crashed.len(), "rollback changed something");
                }
                JournalDamage::BackendGone => {
                    prop_assert!(rolled.code == 1 && rolled.stderr.contains("no run of shop"), "{}", rolled.combined_output());
                }
                JournalDamage::Cut(_) => {}
            }
            prop_assert!(!plan.0.is_null());
            Ok(())
        })
        .expect("damage deletes nothing");
}

/// The journal ends before the gateway: a rollback keeps the gateway, and can't delete its dependencies.
#[test]
fn rollback_names_an_unknown_dependent_and_does_not_wait_for_it() {
    let applied = TestStack::new();
    let before = applied.live_resources();
    let crashed = (6..14).find_map(|k| {
        let bench = applied.copy();
        bench.apply_until_crash(&format!("crash-before:{k}"));
        sorted_addresses(&bench.live_resources()).contains(&"nat_gateway.nat".to_owned()).then_some(bench)
    });
    let bench = crashed.expect("a run that dies after the gateway was made");
    let journal = fs::read_to_string(bench.journal(2)).expect("a journal");
    let known: Vec<&str> = journal.split_inclusive('\n').take_while(|line| !line.contains("\"address\":\"nat_gateway.nat\"")).collect();
    assert!(known.concat().contains("\"address\":\"elastic_ip.nat\"") && known.concat().len() < journal.len(), "{journal}");
    fs::write(bench.journal(2), known.concat()).expect("it can be written");

    let done = bench.acme.run("rollback", &bench.after, &["--yes"]);
    assert_eq!(done.code, 3, "{}", done.combined_output());
    let gateway =
        bench.live_resources().keys().find_map(|key| key.strip_prefix("nat_gateway/").map(str::to_owned)).expect("it is left alone");
    let named = format!("used by nat_gateway.nat ({gateway})");
    for part in ["  elastic_ip.nat: DependencyViolation", &named, "which this run does not change", "remove the resource that uses it"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.combined_output());
    }
    assert!(before.keys().all(|id| bench.live_resources().contains_key(id)), "{}", done.combined_output());
    bench.assert_apply_completes();
}

#[test]
fn plan_does_not_depend_on_the_backend() {
    let bench = TestStack::new();
    bench.apply_until_crash("crash-after:5");
    let plan = || without_authors(bench.acme.plan(&bench.after).0);
    let with = plan();
    fs::remove_dir_all(bench.backend()).expect("it can be removed");
    assert_eq!(plan(), with);
    bench.assert_apply_completes();
}

/// The record of a finished run takes precedence over a journal truncated later: it does not count as a crashed run, whose new
/// resources have no data yet.
#[test]
fn run_with_a_truncated_journal_still_counts_as_finished() {
    let bench = TestStack::new();
    bench.acme.apply(&bench.after);
    let content = bench.live_resources();
    let bytes = fs::read(bench.journal(2)).expect("a journal");
    fs::write(bench.journal(2), &bytes[..bytes.len() * 2 / 3]).expect("it can be written");
    let done = bench.acme.run("apply", &bench.after, &["--yes"]).assert_success();
    assert!(!done.stderr.contains("is unfinished"), "{}", done.combined_output());
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    fs::write(bench.journal(2), damaged).expect("it can be written");
    let refused = bench.acme.run("rollback", &bench.after, &["--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("--to"), "{}", refused.combined_output());
    assert_eq!(bench.live_resources(), content);
    bench.acme.run("rollback", &bench.after, &["--yes", "--to", "1"]).assert_success();
    bench.acme.assert_no_changes(&bench.before);
}

/// A rollback of a run that continued another undoes both.
#[test]
fn rollback_undoes_a_run_and_the_one_it_continued() {
    let bench = TestStack::new();
    let before = sorted_addresses(&bench.live_resources());
    for k in [2, 5] {
        bench.apply_until_crash(&format!("crash-after:{k}"));
        bench.assert_apply_completes();
        bench.acme.run("rollback", &bench.after, &["--yes"]).assert_success();
        assert_eq!(sorted_addresses(&bench.live_resources()), before);
        bench.acme.assert_no_changes(&bench.before);
    }
}

/// The state after undoing a run with the one before it is the state before both.
#[test]
fn rollback_to_an_undone_run_restores_its_final_state() {
    let bench = TestStack::new();
    let before = sorted_addresses(&bench.live_resources());
    bench.apply_until_crash("crash-after:3");
    let done = bench.acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:1")], "apply", &bench.after, &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("Everything is as it was before"), "{}", done.combined_output());
    assert_eq!(sorted_addresses(&bench.live_resources()), before);
    bench.acme.apply(&bench.after);
    bench.acme.run("rollback", &bench.after, &["--yes", "--to", "3"]).assert_success();
    assert_eq!(sorted_addresses(&bench.live_resources()), before);
    bench.acme.assert_no_changes(&bench.before);
}

/// A resource that was to get another address, before the run failed, is in the record of the run.
#[test]
fn rollback_to_an_undone_run_keeps_resources_that_it_did_not_rename() {
    let bench = TestStack::new();
    let stack = |name: &str, names: [&str; 2], more: &str| {
        let [one, two] = names;
        let ranges = format!("{one}: {{ cidr: 10.1.0.0/16 }}, {two}: {{ cidr: 10.2.0.0/16 }}{more}");
        let text = format!("stack: shop\nregion: eu-west-1\nresources: {{ vpc: {{ {ranges} }} }}\n");
        crate::acme::write_file(bench.folder.path(), name, &text)
    };
    let old = stack("old.yaml", ["a", "b"], "");
    bench.acme.apply(&old);
    let before = bench.live_resources();
    let new = stack("new.yaml", ["c", "d"], "");
    let one_by_one = ["--yes", "--parallelism", "1"];
    let failed = bench.acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:1")], "apply", &new, &one_by_one);
    assert!(failed.code == 1 && failed.stderr.contains("Everything is as it was before"), "{}", failed.combined_output());
    bench.acme.apply(&stack("more.yaml", ["c", "d"], ", e: { cidr: 10.3.0.0/16 }"));
    bench.acme.run("rollback", &new, &["--yes", "--to", "3"]).assert_success();
    assert_eq!(bench.live_resources(), before);
    bench.acme.assert_no_changes(&old);
}

/// A forgotten resource still exists: it gets its ownership tags back, and no duplicate is created.
#[test]
fn rollback_adopts_retained_resources_again() {
    let bench = TestStack::new();
    let kept = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  s3_bucket: { files: { on_delete: retain } }
  kms_key: { data: { on_delete: retain } }
";
    let kept = crate::acme::write_file(bench.folder.path(), "kept.yaml", kept);
    let given_up = crate::acme::write_file(
        bench.folder.path(),
        "given-up.yaml",
        "stack: shop\nregion: eu-west-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n",
    );
    bench.acme.apply(&kept);
    let before = bench.live_resources();
    let done = bench.acme.run("apply", &given_up, &["--yes"]).assert_success();
    assert!(done.stderr.contains("forgot s3_bucket.files") && done.stderr.contains("forgot kms_key.data"), "{}", done.combined_output());
    bench.acme.run("rollback", &given_up, &["--yes"]).assert_success();
    assert_eq!(bench.live_resources(), before);
    bench.acme.assert_no_changes(&kept);
}
