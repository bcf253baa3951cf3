//! Random and damaged input in every file that acme reads: no panics, no hangs, no excessive memory.
//!
//! `cargo test --test it fuzz::exhaustive -- --ignored` runs a million cases of each; `ACME_CASES` sets another number.

use std::{fs, path::Path, time::Duration};

use acme::{
    core::EnvironmentName,
    definition::{LoadOptions, Source, load},
    engine::{
        backend::{Backend, HeldLease, Lease},
        history::History,
        journal::{replay, touched_resources},
        plan::Goal,
        saved_plan::SavedPlan,
    },
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{TestStack, proptest_runner};
use crate::acme::{Acme, write_file};

const MILLION: u32 = 1_000_000;

/// Pieces of definitions, so that random input is sometimes nearly valid.
const FRAGMENTS: &[&str] = &[
    "stack: a\n",
    "region: eu-west-1\n",
    "resources:\n",
    "values:\n",
    "environments:\n",
    "  a: ",
    "for_each: ",
    "when: ",
    "{{ ",
    " }}",
    "{% if a %}",
    "{% endif %}",
    "each.key",
    "each.value",
    "range(end=3)",
    "cidrsubnet(cidr='10.0.0.0/8', newbits=8, index=1)",
    "vpc.main.id",
    "${vpc.main.id}",
    "  vpc:\n",
    "    main: { cidr: 10.0.0.0/16 }\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ": ",
    ", ",
    "&a ",
    "*a",
    "<<: ",
    "\n",
    "  ",
    "\t",
    "\"",
    "'",
    "|",
    ">",
    "#",
    "!",
    "---\n",
    "...\n",
    "null",
    "~",
    "1e999",
    "-9223372036854775808",
    "0x",
    "é",
    "\u{2028}",
    "\u{0}",
    "9223372036854775807",
    "true",
    "%",
    "overrides:\n",
    "outputs:\n",
    "network:\n",
    "depends_on: [",
    "on_delete: ",
    "backend: s3://",
];

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(FRAGMENTS).prop_map(str::to_owned), 1 => ".{0,3}"]
}

/// Positions are fractions of a text's length, so that they are valid for every text.
#[derive(Clone, Debug)]
enum Mutation {
    Delete(f64, usize),
    Duplicate(f64, usize),
    Move(f64, f64, usize),
    Insert(f64, String),
    Flip(f64, u8),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let edit = prop_oneof![
        (0.0..1.0, 1usize..40).prop_map(|(at, length)| Mutation::Delete(at, length)),
        (0.0..1.0, 1usize..200).prop_map(|(at, length)| Mutation::Duplicate(at, length)),
        (0.0..1.0, 0.0..1.0, 1usize..60).prop_map(|(from, to, length)| Mutation::Move(from, to, length)),
        (0.0..1.0, fragment()).prop_map(|(at, word)| Mutation::Insert(at, word)),
        (0.0..1.0, 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
    ];
    proptest::collection::vec(edit, 1..5)
}

fn mutate(bytes: &[u8], edits: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for edit in edits {
        let length = bytes.len();
        let place = |at: f64| (at * length as f64) as usize;
        let piece = |at: f64, n: usize| place(at)..(place(at) + n).min(length);
        match edit {
            Mutation::Delete(at, n) => drop(bytes.drain(piece(*at, *n))),
            Mutation::Duplicate(at, n) => {
                let copy = bytes[piece(*at, *n)].to_vec();
                bytes.splice(place(*at)..place(*at), copy);
            }
            Mutation::Move(from, to, n) => {
                let moved: Vec<u8> = bytes.drain(piece(*from, *n)).collect();
                let to = place(*to).min(bytes.len());
                bytes.splice(to..to, moved);
            }
            Mutation::Insert(at, word) => drop(bytes.splice(place(*at)..place(*at), word.bytes())),
            Mutation::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(place(*at)) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }
    bytes
}

/// Compiles a text; its problems can be rendered.
fn compile(text: &str) {
    let source = Source::new("stack.yaml", text);
    for environment in [None, "production".parse().ok()] {
        if let Err(problems) = load(&source, &LoadOptions { environment, ..LoadOptions::default() }) {
            assert!(!problems.is_empty(), "refused without a word");
            for problem in problems.iter().take(3) {
                assert!(!problem.render(&source, false).is_empty());
            }
        }
    }
}

fn all_definitions() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["stacks", "tests/fixtures", "tests/it/types"] {
        let entries = fs::read_dir(root.join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
        for file in entries.filter(|path| path.is_file()) {
            let text = fs::read_to_string(file).expect("a definition");
            // Thousands of resources find no more bugs than a few.
            all.push(text.replace("n: 1000", "n: 3").into_bytes());
        }
    }
    assert!(all.len() > 30);
    all
}

fn fuzz_definitions(mut runner: TestRunner) {
    // A runner counts its cases once.
    let mut other = runner.clone();
    runner
        .run(&proptest::collection::vec(fragment(), 0..40), |words| {
            compile(&words.concat());
            Ok(())
        })
        .expect("no definition breaks it");
    other
        .run(&proptest::collection::vec(any::<u8>(), 0..200), |bytes| {
            compile(&String::from_utf8_lossy(&bytes));
            Ok(())
        })
        .expect("no bytes break it");
}

fn fuzz_damaged_definitions(mut runner: TestRunner) {
    runner
        .run(&(proptest::sample::select(all_definitions()), mutations()), |(text, edits)| {
            compile(&String::from_utf8_lossy(&mutate(&text, &edits)));
            Ok(())
        })
        .expect("no damage breaks it");
}

/// The journals of a run that was rolled back and of one that crashed.
fn sample_journals() -> Vec<Vec<u8>> {
    let bench = TestStack::new();
    bench.acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:4")], "apply", &bench.after, &["--yes"]);
    bench.apply_until_crash("crash-after:3");
    (1..=3).map(|n| fs::read(bench.journal(n)).expect("a journal")).collect()
}

fn fuzz_damaged_journals(mut runner: TestRunner) {
    // A runner counts its cases once.
    let mut other = runner.clone();
    let journals = sample_journals();
    runner
        .run(&(proptest::sample::select(journals), mutations()), |(journal, edits)| {
            let (whole, read) = (replay(&journal), replay(&mutate(&journal, &edits)));
            prop_assert!(whole.damage.is_none());
            prop_assert!(whole.lines.starts_with(&read.lines), "something was read that was never written");
            let (all, some) = (touched_resources(std::slice::from_ref(&whole)), touched_resources(&[read]));
            prop_assert!(some.keys().all(|address| all.contains_key(address)));
            Ok(())
        })
        .expect("no damage breaks it");
    other
        .run(&proptest::collection::vec(any::<u8>(), 0..400), |bytes| {
            prop_assert!(replay(&bytes).lines.is_empty());
            Ok(())
        })
        .expect("no bytes break it");
}

/// A saved plan with every action; and the original plan.
fn saved_plan(bench: &TestStack) -> String {
    let out = bench.folder.path().join("plan.json");
    bench.acme.run("plan", &bench.after, &["--out", &out.display().to_string()]).assert_success();
    fs::read_to_string(out).expect("a saved plan")
}

fn fuzz_damaged_plans(mut runner: TestRunner) {
    // A runner counts its cases once.
    let mut other = runner.clone();
    let text = saved_plan(&TestStack::new());
    let whole = SavedPlan::parse(&text).expect("a whole plan");
    assert!(matches!(whole.goal, Goal::Apply) && whole.changes.len() > 5, "{whole:?}");
    runner
        .run(&mutations(), |edits| {
            let damaged = mutate(text.as_bytes(), &edits);
            let damaged = String::from_utf8_lossy(&damaged);
            match SavedPlan::parse(&damaged) {
                // Still a plan: acme compares it with a new plan before any change.
                Ok(plan) => prop_assert!(SavedPlan::is_saved_plan(&damaged) || plan == whole),
                Err(unfit) => prop_assert!(!unfit.to_string().is_empty()),
            }
            Ok(())
        })
        .expect("no damage breaks it");
    other
        .run(&proptest::collection::vec(any::<u8>(), 0..400), |bytes| {
            prop_assert!(SavedPlan::parse(&String::from_utf8_lossy(&bytes)).is_err());
            Ok(())
        })
        .expect("no bytes break it");
}

/// Other records of a run, damaged and then read.
fn fuzz_damaged_objects(mut runner: TestRunner) {
    let bench = TestStack::new();
    let objects = ["shop/default/lease.json", "shop/default/revisions/000001/revision.json"];
    let objects = objects.map(|key| (key, fs::read(bench.backend().join(key)).expect("an object")));
    let backend = Backend::folder(bench.backend());
    let (stack, environment) = ("shop".parse().expect("a name"), EnvironmentName::default());
    let history = History::new(backend.clone(), &stack, &environment);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let any_bytes = prop_oneof![mutations().prop_map(Ok), proptest::collection::vec(any::<u8>(), 0..200).prop_map(Err)];
    runner
        .run(&(proptest::sample::select(objects.to_vec()), any_bytes), |((key, object), damage)| {
            let bytes = damage.map_or_else(|bytes| bytes, |edits| mutate(&object, &edits));
            fs::write(bench.backend().join(key), bytes).expect("it can be written");
            runtime.block_on(async {
                // Both results are valid, as long as there is one.
                history.revision(1).await.ok();
                if let Ok(Some(HeldLease::By { holder, .. })) = Lease::held(&backend, &stack, &environment).await {
                    assert!(!holder.to_string().is_empty() && holder.since_last_heartbeat() < Duration::MAX);
                    holder.has_exited();
                }
                if let Ok(lease) = Lease::acquire(&backend, &stack, &environment, "apply", Duration::ZERO, |_| {}).await {
                    lease.release().await.ok();
                }
            });
            Ok(())
        })
        .expect("no damage breaks it");
}

#[test]
fn rejects_random_definitions() {
    fuzz_definitions(proptest_runner(1000));
}
#[test]
fn rejects_or_reads_damaged_definitions() {
    fuzz_damaged_definitions(proptest_runner(500));
}
#[test]
fn damaged_journals_replay_only_what_was_written() {
    fuzz_damaged_journals(proptest_runner(2000));
}
#[test]
fn rejects_or_reads_damaged_plans() {
    fuzz_damaged_plans(proptest_runner(2000));
}
#[test]
fn rejects_or_reads_damaged_backend_objects() {
    fuzz_damaged_objects(proptest_runner(500));
}
mod exhaustive {
    use super::{MILLION, proptest_runner};

    #[test]
    #[ignore = "takes hours"]
    fn rejects_random_definitions() {
        super::fuzz_definitions(proptest_runner(MILLION));
    }

    #[test]
    #[ignore = "takes hours"]
    fn rejects_or_reads_damaged_definitions() {
        super::fuzz_damaged_definitions(proptest_runner(MILLION));
    }

    #[test]
    #[ignore = "takes hours"]
    fn damaged_journals_replay_only_what_was_written() {
        super::fuzz_damaged_journals(proptest_runner(MILLION));
    }

    #[test]
    #[ignore = "takes hours"]
    fn rejects_or_reads_damaged_plans() {
        super::fuzz_damaged_plans(proptest_runner(MILLION));
    }

    #[test]
    #[ignore = "takes hours"]
    fn rejects_or_reads_damaged_backend_objects() {
        super::fuzz_damaged_objects(proptest_runner(MILLION));
    }
}

/// Definitions that would exhaust memory or time are rejected, with a location or a remedy.
#[test]
fn rejects_expansion_bombs() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let nested = |open: &str, close: &str, depth: usize| format!("stack: a\nvalues: {}{}\n", open.repeat(depth), close.repeat(depth));
    let block: String = (1..5000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let chain = |first: &str, next: &dyn Fn(usize) -> String| {
        let more: String = (1..40).map(|i| format!("  v{i}: {}\n", next(i - 1))).collect();
        format!("stack: a\nvalues:\n  v0: {first}\n{more}")
    };
    let vpc = |rest: &str| format!("stack: a\nregion: eu-west-1\nresources:\n  vpc:\n    a:\n      cidr: 10.0.0.0/16\n{rest}");
    let bombs = [
        ("lists in lists", nested("[", "]", 100_000), "error[syntax]"),
        ("maps in maps", nested("{a: ", "}", 100_000), "error[syntax]"),
        ("maps in maps, by indentation", format!("stack: a\nvalues:\n{block}"), "error[syntax]"),
        ("aliases of aliases", chain("&v0 [x, x]", &|i| format!("&v{} [*v{i}, *v{i}, *v{i}]", i + 1)), "alias"),
        ("lists of values of lists", chain("[x, x]", &|i| format!("[\"{{{{ v{i} }}}}\", \"{{{{ v{i} }}}}\"]")), "exceeds 4 MiB"),
        ("texts of values of texts", chain("xxxxxxxx", &|i| format!("\"{{{{ v{i} }}}}{{{{ v{i} }}}}\"")), "exceeds 4 MiB"),
        (
            "a loop in a loop",
            "stack: a\nvalues:\n  zz: \"{% for i in range(end=99999) %}{% for j in range(end=99999) %}x{% endfor %}{% endfor %}\"\n".into(),
            "exceed 1000000 steps",
        ),
        (
            "a loop in a loop without a text",
            "stack: a\nvalues:\n  zz: \"{% for i in range(end=99999) %}{% for j in range(end=i + 1) %}{% endfor %}{% endfor %}\"\n".into(),
            "exceed 1000000 steps",
        ),
        (
            "a loop in a loop of a list",
            "stack: a\nvalues:\n  zz: \"{{ [[i for i in [1, 2]] for j in [1, 2]] }}\"\n".into(),
            "not available",
        ),
        (
            "a value doubled by itself",
            format!(
                "stack: a\nvalues:\n  zz: \"{{% set x = 'xxxxxxxx' %}}{}{{{{ x | length }}}}\"\n",
                "{% set_global x = x ~ x %}".repeat(60)
            ),
            "exceeds 1 MiB",
        ),
        (
            "a list doubled by itself",
            format!("stack: a\nvalues:\n  zz: \"{{% set x = [1] %}}{}{{{{ x | length }}}}\"\n", "{% set_global x = [x, x] %}".repeat(60)),
            "exceeds 1 MiB",
        ),
        (
            "a chain of replacements",
            format!("stack: a\nvalues:\n  zz: \"{{{{ 'xxxxxxxx'{} | length }}}}\"\n", " | replace(from='x', to='xxxxxxxx')".repeat(40)),
            "exceeds 1 MiB",
        ),
        (
            "ranges in a list",
            format!("stack: a\nvalues:\n  zz: \"{{{{ [{}] | length }}}}\"\n", "range(end=99999), ".repeat(5000)),
            "exceed 1000000 steps",
        ),
        (
            "large values joined",
            format!("stack: a\nvalues:\n  v: {}\n  zz: \"{{{{ (v{}) | length }}}}\"\n", "x".repeat(1 << 20), " ~ v".repeat(5000)),
            "more than 256 MiB",
        ),
        ("a huge range", vpc("      for_each: { from: -9223372036854775808, to: 9223372036854775807 }\n"), "entries, which is too many"),
        ("a huge number", vpc("      for_each: 9223372036854775807\n"), "entries, which is too many"),
        ("a range of nothing less than nothing", vpc("      for_each: -9223372036854775808\n"), ""),
        ("entries of entries", vpc("      for_each: 100000\n      tags: { a: { for_each: 100000, b: c } }\n"), "error["),
        ("ten thousand mistakes", vpc("      for_each: 10000\n      x{{ each.key }}: 1\n"), "more problems"),
        ("all of IPv6", vpc("      description: \"{{ cidrsubnet(cidr='::/0', newbits=0, index=0) }}\"\n"), "error["),
    ];
    for (what, text, expected) in bombs {
        let done = acme.run("plan", &write_file(folder.path(), "stack.yaml", &text), &[]);
        eprintln!("{what}: {}", done.stderr.lines().next().unwrap_or_default());
        assert!(
            done.code == i32::from(!expected.is_empty()),
            "{what}: {} {}",
            done.code,
            &done.combined_output()[..done.combined_output().len().min(2000)]
        );
        assert!(done.stderr.contains(expected), "{what}: {}", &done.stderr[..done.stderr.len().min(2000)]);
    }
}
