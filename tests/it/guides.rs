//! The documentation can be followed: its commands run in order on the simulated cloud, with the output that a page shows, and each
//! command in the text exists.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    acme::{CommandOutput, binary},
    readme::copy_stacks,
    standin,
};

/// Commands that the simulated cloud can't run: the page, how the command begins, and the reason.
const NOT_RUN: [(&str, &str, &str); 28] = [
    ("README.md", "", "readme.rs runs them, those without --local on a stand-in"),
    ("docs/cost.md", "aws pricing", "calls AWS"),
    ("docs/gitops.md", "", "needs a Git repository, which Argo CD reads: service_rollback.rs and tests/it/kubernetes"),
    ("docs/graph.md", "", "runs until it is stopped: playground.rs"),
    ("docs/json.md", "", "shows formats, which events.rs and json.rs compare with the output"),
    ("docs/logs.md", "acme plan", "shows times and ids of a run: log.rs"),
    ("docs/logs.md", "jq ", "not on every machine"),
    ("docs/procedures.md", "acme cutover shop.yaml --env production    ", "watches gates for an hour: tests/it/procedures"),
    ("docs/procedures.md", "acme cutover shop.yaml --env production --back", "needs the cut-over before it"),
    ("docs/procedures.md", "acme cutover shop.yaml --env production --decommission", "needs the cut-over before it"),
    ("docs/procedures.md", "acme drill", "shows times of a run; the pages of stacks run drills"),
    ("docs/render.md", "", "needs a Git repository of the reader"),
    ("docs/guides/from-eksctl.md", "aws cloudformation", "calls CloudFormation"),
    ("docs/guides/from-eksctl.md", "name=", "for calls of CloudFormation"),
    ("docs/guides/from-eksctl.md", "jq ", "for calls of CloudFormation"),
    ("docs/guides/from-eksctl.md", "acme import web.yaml", "reads CloudFormation: bulk_import.rs"),
    ("docs/guides/from-eksctl.md", "acme kubeconfig", "clusters of the simulated cloud have no Kubernetes API"),
    ("docs/guides/from-eksctl.md", "acme plan web.yaml", "needs the import before it"),
    ("docs/guides/remote.md", "acme apply stacks/quickstart.yaml", "starts a build in AWS: remote_run.rs"),
    ("docs/guides/remote.md", "acme destroy stacks/quickstart.yaml", "starts a build in AWS: remote_run.rs"),
    ("docs/guides/remote.md", "acme plan stacks/quickstart.yaml", "saves a plan for a build in AWS"),
    ("docs/guides/remote.md", "acme apply shop.acmeplan", "starts a build in AWS: remote_run.rs"),
    ("docs/guides/remote.md", "acme remote ", "follows a build in AWS: remote_run.rs"),
    ("docs/guides/several-accounts.md", "AWS_PROFILE=production", "the simulated cloud has one account, which has the role of staging"),
    ("docs/stacks/alb-eks-rds.md", "acme cutover --env production    ", "watches gates for an hour: tests/it/procedures"),
    ("docs/stacks/alb-eks-rds.md", "acme cutover --env production --back", "needs the cut-over before it"),
    ("docs/stacks/highly-available.md", "acme failover --env staging    ", "asks the real standby: tests/it/procedures"),
    ("docs/stacks/highly-available.md", "acme failback", "needs the failover before it"),
];

/// Where a page shows this exit code, the fault that makes the simulated cloud behave as AWS does there.
const FAULTS: [(&str, i32, &str); 1] = [("docs/guides/https-and-dns.md", 4, "waiting:certificate")];

/// What a page expects to exist before its first command.
const PREPARATIONS: [(&str, &str); 4] = [
    (
        "docs/cost.md",
        "acme new shop --with network --region eu-west-1 --out shop.yaml && cp -r \"$REPOSITORY/tests/fixtures/prices\" prices",
    ),
    ("docs/logs.md", "acme new shop --with network --out shop.yaml"),
    ("docs/procedures.md", "acme new shop --like alb-eks-rds --out shop.yaml && acme apply shop.yaml --env production --yes"),
    (
        "docs/guides/from-terraform.md",
        r#"
cat > before.yaml <<'END'
stack: before
region: eu-west-1
resources:
  s3_bucket: { files: { name: shop-files-example } }
  sqs_queue: { orders: { name: shop-orders } }
END
acme apply before.yaml --yes && acme forget before.yaml s3_bucket.files sqs_queue.orders --yes
cat > terraform.tfstate <<'END'
{ "version": 4, "terraform_version": "1.14.0", "serial": 1, "lineage": "4e1c", "outputs": {}, "resources": [
  { "mode": "managed", "type": "aws_s3_bucket", "name": "files", "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
    "instances": [{ "schema_version": 0, "attributes": { "id": "shop-files-example", "bucket": "shop-files-example" } }] },
  { "mode": "managed", "type": "aws_sqs_queue", "name": "orders", "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
    "instances": [{ "schema_version": 0, "attributes": { "name": "shop-orders",
      "id": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-orders" } }] }
] }
END
"#,
    ),
];

/// Commands that ask. A reader answers; the test adds `--yes`.
const ASKING: [&str; 9] = ["apply", "cutover", "destroy", "drill", "failback", "failover", "forget", "import", "rollback"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block.
struct Block<'a> {
    info: &'a str,
    body: &'a str,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').map_or(Block { info: block, body: "" }, |(info, body)| Block { info, body })).collect()
}

/// Name of the file that a block of YAML is: its first line is a comment with it.
fn file_name<'a>(block: &Block<'a>) -> Option<&'a str> {
    let name = block.body.lines().next()?.strip_prefix("# ")?;
    (block.info == "yaml" && name.ends_with(".yaml") && !name.contains(' ')).then_some(name)
}

/// A command, and what the page shows below it.
#[derive(Debug)]
struct Shown<'a> {
    command: &'a str,
    output: Vec<&'a str>,
    code: i32,
}

/// A part of a page that does something.
enum Step<'a> {
    File(&'a str, &'a str),
    Command(Shown<'a>),
}

/// Commands of a console block. `$ echo $?` is not one: the line below it is the exit code of the command before.
fn console<'a>(page: &str, block: &Block<'a>) -> Vec<Shown<'a>> {
    let mut commands: Vec<Shown<'a>> = Vec::new();
    let mut is_code = false;
    for line in block.body.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some("echo $?"), _) => is_code = true,
            (Some(command), _) => {
                is_code = false;
                commands.push(Shown { command, output: Vec::new(), code: 0 });
            }
            (None, None) => panic!("{page}: a console block begins with a command: {line}"),
            (None, Some(last)) if is_code => last.code = line.parse().unwrap_or_else(|_| panic!("{page}: no exit code: {line}")),
            (None, Some(last)) => last.output.push(line),
        }
    }
    commands
}

/// Files and commands of a page, in order. Commands outside console blocks are those of `sh`, and lines of other blocks that begin with
/// `acme `.
fn steps<'a>(page: &str, text: &'a str) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for block in blocks(text) {
        if let Some(name) = file_name(&block) {
            steps.push(Step::File(name, block.body));
        } else if block.info == "console" {
            steps.extend(console(page, &block).into_iter().map(Step::Command));
        } else {
            let lines = block.body.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line));
            let commands = lines.filter(|line| block.info == "sh" && !line.is_empty() || line.starts_with("acme "));
            steps.extend(commands.map(|command| Step::Command(Shown { command, output: Vec::new(), code: 0 })));
        }
    }
    steps
}

/// Index of the entry of [`NOT_RUN`] for a command.
fn exception(page: &str, command: &str) -> Option<usize> {
    NOT_RUN.iter().position(|(of, start, _)| *of == page && format!("{command}    ").starts_with(start))
}

/// A folder with the repository's stacks, and `acme` on the simulated cloud.
fn folder() -> tempfile::TempDir {
    let folder = copy_stacks();
    let acme = std::path::absolute(binary()).expect("a path");
    let acme = acme.display();
    let cloud = folder.path().join("cloud");
    // Commands without a cloud don't have the flag, and a command that already has it has the same cloud.
    let script = format!(
        "#!/bin/sh\nlocal=\nfor last; do [ \"$last\" != --local ] || local=1; done\nif [ -z \"$local\" ] && {acme} \"$1\" --help | grep -q -- '--local\\['; then \
         exec {acme} \"$@\" --local={cloud}; fi\nfor word; do shift; [ \"$word\" != --local ] || word=--local={cloud}; set -- \"$@\" \"$word\"; done\n\
         exec {acme} \"$@\"\n",
        cloud = cloud.display()
    );
    let program = folder.path().join("bin/acme");
    fs::remove_file(&program).expect("the link");
    fs::write(&program, script).expect("written");
    assert!(Command::new("chmod").arg("+x").arg(&program).status().expect("chmod runs").success());
    folder
}

fn pages_of(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(repository().join(folder)).expect("the pages").flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    found.sort();
    found
}

/// All pages for readers, but the generated reference.
fn pages() -> Vec<PathBuf> {
    let mut found = ["README.md", "CONTRIBUTING.md"].map(|name| repository().join(name)).to_vec();
    found.extend(["docs", "docs/guides", "docs/stacks"].into_iter().flat_map(pages_of));
    found
}

fn name_of(page: &Path) -> String {
    page.strip_prefix(repository()).expect("a page of the repository").display().to_string()
}

/// Runs a script in the folder. stderr is part of the output, in the order of a terminal.
fn run(folder: &Path, script: &str, fault: Option<&str>) -> CommandOutput {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").expect("a path"));
    let mut shell = standin::with_test_credentials(Command::new("sh"));
    shell.args(["-c", &format!("exec 2>&1\n{script}\nexit $?")]).current_dir(folder).env("PATH", &path);
    shell.env("HOME", folder).env("XDG_STATE_HOME", folder.join("state")).env("NO_COLOR", "1").env("REPOSITORY", repository());
    for name in ["ACME_BACKEND", "ACME_ENV", "ACME_LOCAL_FAULT", "GITHUB_ACTIONS", "CI", "KUBECONFIG"] {
        shell.env_remove(name);
    }
    shell.envs(fault.map(|fault| ("ACME_LOCAL_FAULT", fault)));
    CommandOutput::from_output(shell.output().expect("sh runs"))
}

/// The command as the test runs it: without its comment, and with the answer to its question.
fn answered(command: &str) -> String {
    let command = command.split(" # ").next().unwrap_or_default().trim_end();
    let asks = ASKING.iter().any(|name| command.contains(&format!("acme {name} ")));
    let answered = ["--yes", "--plan", "--status"].iter().any(|option| command.contains(option));
    if asks && !answered { format!("{command} --yes") } else { command.to_owned() }
}

/// The plan after an apply of a definition, which shows no changes.
fn second_plan(command: &str) -> Option<String> {
    let applies = command.contains("acme apply ") && !command.contains(".acmeplan");
    applies.then(|| format!("{} --detailed-exitcode", command.replace("acme apply ", "acme plan ").replace(" --yes", "")))
}

fn is_ellipsis(text: &str) -> bool {
    matches!(text, "..." | "…")
}

/// Whether a line is the shown one, in which `...` and `…` stand for any text.
fn matches(shown: &str, line: &str) -> bool {
    let shown = shown.replace('…', "...");
    let parts: Vec<&str> = shown.split("...").collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    if parts.len() == 1 {
        return rest.trim_end().is_empty();
    }
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.trim_end().ends_with(last)
}

/// The first shown line that the output lacks, in its order.
fn missing<'a>(shown: &[&'a str], output: &str) -> Option<&'a str> {
    let mut lines = output.lines();
    shown.iter().copied().find(|shown| !is_ellipsis(shown) && !lines.any(|line| matches(shown, line)))
}

/// Number of commands that ran.
fn check(page: &Path) -> usize {
    let name = name_of(page);
    let text = fs::read_to_string(page).expect("a page");
    let folder = folder();
    if let Some((_, script)) = PREPARATIONS.iter().find(|(of, _)| *of == name) {
        let done = run(folder.path(), script, None);
        assert_eq!(done.code, 0, "{name}: {}", done.combined_output());
    }
    let mut commands = 0;
    for step in steps(&name, &text) {
        match step {
            Step::File(file, body) => {
                let file = folder.path().join(file);
                fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                fs::write(file, format!("{body}\n")).expect("written");
            }
            Step::Command(shown) if exception(&name, shown.command).is_some() => {}
            Step::Command(shown) => {
                let command = answered(shown.command);
                let fault = FAULTS.iter().find(|(of, code, _)| *of == name && *code == shown.code).map(|(.., fault)| *fault);
                let done = run(folder.path(), &command, fault);
                assert_eq!(done.code, shown.code, "{name}: $ {command}\n{}", done.combined_output());
                let missing = missing(&shown.output, &done.stdout);
                assert_eq!(missing, None, "{name}: $ {command}\n{}", done.stdout);
                if let Some(plan) = second_plan(&command).filter(|_| shown.code == 0) {
                    let done = run(folder.path(), &plan, None);
                    assert_eq!(done.code, 0, "{name}: a second plan shows changes: $ {plan}\n{}", done.stdout);
                }
                commands += 1;
            }
        }
    }
    commands
}

/// Runs the pages side by side.
fn check_all(pages: &[PathBuf]) -> Vec<(String, usize)> {
    std::thread::scope(|scope| {
        let running: Vec<_> = pages.iter().map(|page| (name_of(page), scope.spawn(move || check(page)))).collect();
        running
            .into_iter()
            .map(|(name, thread)| match thread.join() {
                Ok(commands) => (name, commands),
                Err(failure) => std::panic::resume_unwind(failure),
            })
            .collect()
    })
}

#[test]
fn guide_commands_run_in_order() {
    let guides = pages_of("docs/guides");
    assert!(guides.len() >= 10, "{guides:?}");
    let ran = check_all(&guides);
    println!("{ran:?}");
    let without: Vec<&String> = ran.iter().filter(|(_, commands)| *commands == 0).map(|(name, _)| name).collect();
    assert!(without.is_empty(), "without commands: {without:?}");
}

#[test]
fn commands_of_other_pages_run_in_order() {
    let ran = check_all(&pages_of("docs"));
    println!("{ran:?}");
    assert!(ran.iter().map(|(_, commands)| commands).sum::<usize>() >= 5, "{ran:?}");
}

#[test]
fn commands_of_the_pages_of_stacks_run_in_order() {
    let ran = check_all(&pages_of("docs/stacks"));
    println!("{ran:?}");
    assert!(ran.len() == 5 && ran.iter().all(|(_, commands)| *commands >= 5), "{ran:?}");
}

#[test]
fn exceptions_are_commands_of_their_pages() {
    let mut used = BTreeSet::new();
    for page in pages() {
        let (name, text) = (name_of(&page), fs::read_to_string(&page).expect("a page"));
        for step in steps(&name, &text) {
            if let Step::Command(shown) = step {
                used.extend(exception(&name, shown.command));
            }
        }
    }
    let stale: Vec<_> = NOT_RUN.iter().enumerate().filter(|(index, _)| !used.contains(index)).map(|(_, entry)| entry).collect();
    assert!(stale.is_empty(), "{stale:?}");
}

/// A fence's first line is not shown, so the name of a file is part of the YAML.
#[test]
fn definitions_begin_with_the_name_of_their_file() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for block in blocks(&text) {
            let is_definition = block.info.starts_with("yaml") && block.body.lines().any(|line| line.starts_with("stack: "));
            if block.info.starts_with("yaml ") || is_definition && file_name(&block).is_none() {
                wrong.push(format!("{}: ```{}\n{}", name_of(&page), block.info, block.body.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "the first line must be `# FILE.yaml`: {wrong:#?}");
}

/// Words of a command of acme, up to the end of that command in a pipeline. An ellipsis stands for arguments, brackets for optional ones.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => words.push(String::new()),
            (None, '|' | '>' | '#' | ';' | '&' | ')') if words.last().is_none_or(String::is_empty) || character == ')' => break,
            _ => words.last_mut().expect("a word").push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    let is_value = |at: usize| at > 0 && words[at - 1].starts_with("--");
    let kept = words.iter().enumerate().filter(|(at, word)| !is_ellipsis(word) || is_value(*at));
    // Placeholders are in capitals, names are not.
    let is_placeholder = |word: &str| word.chars().all(|character| character.is_ascii_uppercase());
    kept.map(|(_, word)| if is_placeholder(word) || is_ellipsis(word) { "placeholder".to_owned() } else { word.clone() }).collect()
}

/// Commands of acme on a page: in blocks, and between backticks.
fn commands_of_acme(page: &str, text: &str) -> Vec<String> {
    let in_blocks = steps(page, text).into_iter().filter_map(|step| match step {
        Step::Command(shown) => shown
            .command
            .replace("cargo run -- ", "acme ")
            .find("acme ")
            .map(|at| shown.command.replace("cargo run -- ", "acme ")[at..].to_owned()),
        Step::File(..) => None,
    });
    let outside: String = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    let in_text = outside
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("acme "))
        .map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "));
    in_blocks.chain(in_text).collect()
}

#[test]
fn commands_in_the_documentation_exist() {
    let mut commands = BTreeSet::new();
    for page in pages() {
        let (name, text) = (name_of(&page), fs::read_to_string(&page).expect("a page"));
        commands.extend(commands_of_acme(&name, &text).into_iter().map(|command| (words(&command), name.clone())));
    }
    assert!(commands.len() > 150, "{}", commands.len());
    println!("{} commands", commands.len());
    let mut wrong = Vec::new();
    for (words, page) in &commands {
        let mut acme = Command::new(binary());
        // clap reads the arguments before `--help`, and rejects those that do not exist.
        acme.args(&words[1..]).args(words.iter().all(|word| word != "--help" && word != "--version").then_some("--help"));
        let done = CommandOutput::from_output(acme.env_remove("ACME_ENV").output().expect("acme runs"));
        if done.code != 0 {
            wrong.push(format!("{page}: {}\n{}", words.join(" "), done.combined_output()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Paths of [the page](../../docs/architecture.md): in its text, in its drawing, and in its tables.
#[test]
fn paths_of_the_architecture_exist() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).expect("the page");
    let begins_path = |word: &&str| ["src/", "engine/", "resources/", "macros/", "tests/"].iter().any(|start| word.starts_with(start));
    let separators = |character: char| character.is_whitespace() || "`\"<>[](){}|,".contains(character);
    let words = page.split(separators).filter(begins_path).map(|word| word.trim_end_matches(['.', ':', '*', '/']));
    let paths: BTreeSet<&str> = words.map(|word| word.split("/*").next().unwrap_or(word)).collect();
    assert!(paths.len() > 25, "{paths:?}");
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| {
            let path = if path.starts_with("engine/") { format!("src/{path}") } else { (**path).to_owned() };
            !repository().join(&path).exists() && !repository().join(format!("{path}.rs")).exists()
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
