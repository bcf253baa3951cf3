//! In GitHub Actions: annotations at the lines of a definition, the step's summary, and the templates.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::acme::{Acme, CommandOutput, repository_stack, write_file};

/// Runs a command as a step of a job; returns its result and the step's summary.
fn run_step(acme: &Acme, folder: &Path, command: &str, definition: &Path, more: &[&str]) -> (CommandOutput, String) {
    let summary = folder.join("summary.md");
    fs::write(&summary, "").unwrap();
    let mut process = acme.command(command, definition, more);
    let process = process.current_dir(folder).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let done = CommandOutput::from_output(process.env_remove("NO_COLOR").output().expect("acme runs"));
    (done, fs::read_to_string(summary).unwrap())
}

fn annotations(done: &CommandOutput) -> Vec<&str> {
    done.stderr.lines().filter(|line| line.starts_with("::")).collect()
}

const STACK: &str = "
stack: small
region: eu-west-1
resources:
  vpc:
    main: { cidr: 10.0.0.0/16 }
";

#[test]
fn annotates_mistakes_at_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    write_file(folder.path(), "a,b.yaml", &STACK.replace("cidr: 10.0.0.0/16", "cidr: 10.0.0.0/99, flavour: 100%"));
    let (done, _) = run_step(&acme, folder.path(), "plan", Path::new("a,b.yaml"), &["--color", "always"]);
    assert_eq!(done.code, 1);
    insta::assert_snapshot!(annotations(&done).join("\n"));
    let nowhere = run_step(&acme, folder.path(), "plan", Path::new("none.yaml"), &[]).0;
    assert_eq!(annotations(&nowhere).len(), 1, "{}", nowhere.stderr);
}

#[test]
fn annotates_failures_and_blockers_at_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let gateways = "stack: many\nregion: eu-west-1\nresources:\n  nat_gateway:\n    a: { for_each: 40, connectivity: private, subnet: \
                    { id: subnet-0123456789abcdef0 } }\n";
    write_file(folder.path(), "many.yaml", gateways);
    let (done, summary) = run_step(&acme, folder.path(), "apply", Path::new("many.yaml"), &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    let lines = annotations(&done);
    assert!(!lines.is_empty(), "{}", done.stderr);
    for line in lines {
        assert!(line.starts_with("::error file=many.yaml,line=5::creating nat_gateway.a-") && line.contains("NotFound"), "{line}");
    }
    assert!(summary.contains("### Outcome of apply") && summary.contains("Everything is as it was before."), "{summary}");

    let role = |stack: &str| {
        let text = "region: eu-west-1\nresources:\n  iam_role:\n    app: { name: shared, trust: { services: [ec2.amazonaws.com] } }\n";
        write_file(folder.path(), &format!("{stack}.yaml"), &format!("stack: {stack}\n{text}"))
    };
    acme.apply(&role("one"));
    role("two");
    let (done, summary) = run_step(&acme, folder.path(), "plan", Path::new("two.yaml"), &[]);
    assert_eq!(done.code, 1);
    insta::assert_snapshot!(annotations(&done).join("\n"));
    assert!(summary.contains("**Blocked; 0 unchanged.**"), "{summary}");
}

#[test]
fn step_summary_shows_the_plan_and_the_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let definition = write_file(folder.path(), "stack.yaml", STACK);
    let (_, planned) = run_step(&acme, folder.path(), "plan", &definition, &["--color", "always"]);
    insta::assert_snapshot!(planned);
    let (done, applied) = run_step(&acme, folder.path(), "apply", &definition, &["--yes", "--color", "always"]);
    assert_eq!((done.code, annotations(&done)), (0, Vec::new()));
    assert!(applied.starts_with(&planned) && applied.contains("### Outcome of apply\n\n```text\nDone: 1 created in "), "{applied}");
    assert!(!format!("{planned}{applied}").contains('\u{1b}'), "colour: {planned:?}");
    let (_, again) = run_step(&acme, folder.path(), "apply", &definition, &["--yes"]);
    assert!(again.contains("**No changes; 1 unchanged.**") && again.contains("Done: no changes."), "{again}");

    let long = run_step(&acme, folder.path(), "plan", &repository_stack("quickstart.yaml"), &["--env", "production"]).1;
    assert!(long.contains("<details><summary>network: ") && long.contains(" to create</summary>\n\n```text\n"), "{long}");
    assert!(long.contains("```\n\n</details>\n\n```text\nPlan: ") && long.trim_end().ends_with("```"), "{long}");

    // Outside GitHub Actions nothing is written, whatever the other variable contains.
    let summary = write_file(folder.path(), "elsewhere.md", "");
    let mut process = acme.command("plan", &definition, &[]);
    assert_eq!(CommandOutput::from_output(process.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap()).assert_success().code, 0);
    assert_eq!(fs::read_to_string(summary).unwrap(), "");
}

/// The policies in the template are those of the quickstart, and the template is a valid definition.
#[test]
fn template_roles_allow_what_the_quickstart_needs() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/github/bootstrap.yaml");
    let text = fs::read_to_string(&template).unwrap();
    let definition: Value = serde_yaml::from_str(&text).unwrap();
    let printed = Acme::without_cloud()
        .run("policy", &repository_stack("quickstart.yaml"), &["--env", "production", "--resources"])
        .assert_success()
        .stdout;
    let printed: Value = serde_yaml::from_str(&printed).unwrap();
    assert_eq!(
        definition["resources"]["iam_policy"], printed["iam_policy"],
        "acme policy stacks/quickstart.yaml --env production --resources"
    );

    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(folder.path());
    let plan = acme.plan(&template);
    assert!(plan.changes().contains(&"create iam_role.apply".to_owned()), "{:#}", plan.0);
    let attached: Vec<&str> = text.match_indices("iam_policy['").map(|(at, _)| text[at + 12..].split('\'').next().unwrap()).collect();
    let made: Vec<String> = printed["iam_policy"].as_object().unwrap().keys().cloned().collect();
    for policy in &made {
        assert!(attached.contains(&policy.as_str()), "no role of the template has {policy}");
    }
}

/// A release for `install.sh`.
fn write_release(folder: &Path) {
    let at = folder.join("download/v1.2.3");
    fs::create_dir_all(&at).unwrap();
    let script = r#"
        printf '#!/bin/sh\necho acme 1.2.3\n' > acme && chmod +x acme
        for machine in x86_64 aarch64; do for system in unknown-linux-musl apple-darwin; do tar -czf acme-$machine-$system.tar.gz acme; done; done
        if command -v sha256sum > /dev/null; then sha256sum *.tar.gz; else shasum -a 256 *.tar.gz; fi > SHA256SUMS
    "#;
    assert!(Command::new("sh").args(["-euc", script]).current_dir(at).status().unwrap().success());
}

fn install(folder: &Path) -> CommandOutput {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    let mut process = Command::new("sh");
    let process = process.arg(script).args(["--version", "1.2.3", "--from", &format!("file://{}", folder.display()), "--to"]);
    CommandOutput::from_output(process.arg(folder.join("bin")).env_remove("GITHUB_PATH").output().expect("sh runs"))
}

#[test]
fn installs_a_release_only_if_its_checksum_matches() {
    let folder = tempfile::tempdir().unwrap();
    write_release(folder.path());
    let installed = install(folder.path()).assert_success();
    assert!(installed.stdout.contains("Installed acme 1.2.3 into"), "{}", installed.stdout);
    fs::remove_dir_all(folder.path().join("bin")).unwrap();
    for file in
        fs::read_dir(folder.path().join("download/v1.2.3")).unwrap().flatten().filter(|f| f.path().extension() == Some("gz".as_ref()))
    {
        fs::OpenOptions::new().append(true).open(file.path()).and_then(|mut f| std::io::Write::write_all(&mut f, b"more")).unwrap();
    }
    let refused = install(folder.path());
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("the checksum of") && !folder.path().join("bin/acme").exists(), "{}", refused.stderr);
}

/// `curl` that reads from a folder and notes its arguments, and `gh` that accepts or rejects attestations.
fn install_from_github(folder: &Path, gh: &str) -> (CommandOutput, String) {
    let tools = folder.join("tools");
    fs::create_dir_all(&tools).unwrap();
    let curl = format!(
        "#!/bin/sh\necho \"$*\" >> {0}/calls\nwhile [ $# -gt 1 ]; do [ \"$1\" = -o ] && out=$2; shift; done\ncp \"{0}/download/v1.2.3/${{1##*/}}\" \"$out\"\n",
        folder.display()
    );
    for (name, script) in [("curl", curl.as_str()), ("gh", &format!("#!/bin/sh\necho \"gh $*\" >> {}/calls\n{gh}\n", folder.display()))] {
        fs::write(tools.join(name), script).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(tools.join(name)).status().unwrap().success());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut process = Command::new("sh");
    let process = process.arg(script).args(["--version", "1.2.3", "--to"]).arg(folder.join("bin")).env("PATH", path);
    let done = CommandOutput::from_output(process.env_remove("GITHUB_PATH").env_remove("ACME_RELEASES").output().expect("sh runs"));
    (done, fs::read_to_string(folder.join("calls")).unwrap())
}

#[test]
fn installs_a_release_only_if_its_attestation_is_valid() {
    for (gh, code) in [("exit 0", 0), ("[ \"$1\" = auth ]", 1), ("exit 1", 0)] {
        let folder = tempfile::tempdir().unwrap();
        write_release(folder.path());
        let (done, calls) = install_from_github(folder.path(), gh);
        assert_eq!(done.code, code, "{gh}: {}", done.combined_output());
        assert_eq!(folder.path().join("bin/acme").exists(), code == 0);
        let downloads: Vec<&str> = calls.lines().filter(|line| line.contains("https://")).collect();
        assert!(
            downloads.len() == 2 && downloads.iter().all(|line| line.contains("--proto =https") && line.contains("--tlsv1.2")),
            "{calls}"
        );
        let verified = "--repo example/acme --signer-workflow example/acme/.github/workflows/release.yml";
        assert_eq!(calls.contains(verified), gh != "exit 1", "{calls}");
        assert_eq!(done.stderr.contains("was not verified"), gh == "exit 1", "{}", done.stderr);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut process = Command::new("sh");
    let process = process.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh")).args(["--from", "http://example.com", "--to"]);
    let refused = CommandOutput::from_output(process.arg(folder.path()).output().expect("sh runs"));
    assert!(refused.code == 1 && refused.stderr.contains("must begin with https://"), "{}", refused.stderr);
}

/// Runs the script with these tools only.
fn install_with_tools(folder: &Path, tools: &[&str], more: &[&str]) -> CommandOutput {
    let bin = folder.join("only");
    fs::create_dir_all(&bin).unwrap();
    for tool in tools {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().expect("sh runs").stdout;
        std::os::unix::fs::symlink(String::from_utf8(found).unwrap().trim(), bin.join(tool)).unwrap();
    }
    let mut process = Command::new("/bin/sh");
    process.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh")).args(more).env("PATH", &bin).env_remove("GITHUB_PATH");
    CommandOutput::from_output(process.env("HOME", folder).env("SHELL", "/bin/zsh").output().expect("sh runs"))
}

#[test]
fn install_script_names_missing_tools_and_the_command_for_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let without_curl = install_with_tools(folder.path(), &["uname", "cat", "mktemp", "rm"], &["--version", "1.2.3"]);
    assert_eq!(without_curl.code, 1);
    assert_eq!(without_curl.stderr.lines().count(), 1, "{}", without_curl.stderr);
    assert!(without_curl.stderr.contains("it needs curl: install curl"), "{}", without_curl.stderr);
    let help = install_with_tools(folder.path(), &[], &["--help"]).assert_success();
    for option in ["--version VERSION", "--to DIR", "--from URL"] {
        assert!(help.stdout.contains(option), "{}", help.stdout);
    }
    let unknown = install_with_tools(folder.path(), &[], &["--upgrade"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("unknown argument: --upgrade (--help shows"), "{}", unknown.stderr);

    write_release(folder.path());
    let (to, from) = (folder.path().join("bin").display().to_string(), format!("file://{}", folder.path().display()));
    let tools = ["curl", "tar", "gzip", "grep", "mkdir", "install", "sh", "sha256sum", "shasum"];
    let has = |tool: &&&str| Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().expect("sh runs").status.success();
    let tools: Vec<&str> = tools.iter().filter(has).copied().collect();
    let done = install_with_tools(folder.path(), &tools, &["--version", "1.2.3", "--from", &from, "--to", &to]).assert_success();
    let hint = format!("  export PATH=\"{to}:$PATH\"\nand add that line to {}/.zshrc", folder.path().display());
    assert!(done.stdout.contains(&hint), "{}", done.stdout);
}

/// A tag can be moved to another commit.
#[test]
fn release_names_every_action_by_its_commit() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml")).unwrap();
    let uses: Vec<&str> = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: ")).collect();
    assert!(!uses.is_empty());
    for action in uses {
        let (name, commit) = action.split_once('@').unwrap();
        let commit = commit.split(' ').next().unwrap();
        assert!(name.starts_with("actions/") && commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{action}");
    }
}
