//! `acme fmt`: the standard layout of definitions.

use std::{fs, io::Write as _, path::Path, process::Stdio};

use crate::acme::{CommandOutput, binary, write_file};

const TEXT: &str = "stack:   shop # ours\nvalues: {zones:   2}\nnetwork:\n    zones: '{{ zones }}'   # all of them\n";
const FORMATTED: &str = "stack: shop # ours\nvalues: { zones: 2 }\nnetwork:\n  zones: \"{{ zones }}\" # all of them\n";

fn run(folder: &Path, arguments: &[&str], input: &str) -> CommandOutput {
    let mut command = std::process::Command::new(binary());
    command.arg("fmt").args(arguments).current_dir(folder).env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("acme starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).ok();
    CommandOutput::from_output(child.wait_with_output().expect("acme ends"))
}

#[test]
fn formats_files_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_file(folder.path(), "acme.yaml", TEXT);
    let checked = run(folder.path(), &["--check"], "");
    assert_eq!(checked.code, 2, "{}", checked.combined_output());
    assert!(checked.stdout.contains("- stack:   shop # ours") && checked.stdout.contains("+ stack: shop # ours"), "{}", checked.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), TEXT, "a check writes nothing");
    let done = run(folder.path(), &[], "").assert_success();
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), done.stderr.as_str()), (FORMATTED, "Formatted acme.yaml.\n"));
    let again = run(folder.path(), &["--check", "acme.yaml"], "").assert_success();
    assert_eq!(again.combined_output(), "");
    assert_eq!(run(folder.path(), &["-"], TEXT).assert_success().stdout, FORMATTED);
    let wrong = run(folder.path(), &["-"], "stack: [\n");
    assert!(wrong.code == 1 && wrong.stdout.is_empty(), "{}", wrong.combined_output());
}

/// Files of the repository that are YAML and not hidden.
fn yaml_files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_skipped = name.to_string_lossy().starts_with('.') || ["target", "node_modules"].iter().any(|skipped| name == *skipped);
        match path.is_dir() {
            true if !is_skipped => yaml_files(&path, into),
            false if path.extension().is_some_and(|end| end == "yaml" || end == "yml") => into.push(path),
            _ => {}
        }
    }
}

#[test]
fn definitions_of_the_repository_have_the_standard_layout() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    yaml_files(root, &mut files);
    files.retain(|file| fs::read_to_string(file).expect("a file").lines().any(|line| line.starts_with("stack:")));
    let shown = |file: &std::path::PathBuf| file.strip_prefix(root).expect("in the repository").display().to_string();
    let names: Vec<String> = files.iter().map(shown).collect();
    for known in ["stacks/reference.yaml", "templates/github/bootstrap.yaml", "tests/fixtures/platform.yaml", "src/docs/examples.yaml"] {
        assert!(names.iter().any(|name| name == known), "`{known}` is missing: {names:?}");
    }
    let arguments: Vec<&str> = ["--check"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let checked = run(root, &arguments, "");
    assert_eq!(checked.code, 0, "run `acme fmt` on these:\n{}", checked.combined_output());
}

/// Blocks that show alternatives are no documents: a key occurs twice.
#[test]
fn examples_in_the_documentation_have_the_standard_layout() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/guides", "docs/reference", "docs/stacks"] {
        pages.extend(fs::read_dir(root.join(folder)).expect("a folder").flatten().map(|entry| entry.path()));
    }
    let mut checked = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(page).expect("a page");
        for block in text.split("\n```yaml").skip(1).filter_map(|block| block.split_once('\n')?.1.split("\n```").next()) {
            let block = format!("{block}\n");
            if let Ok(formatted) = acme::definition::formatted_text(&acme::definition::Source::new("block", block.as_str())) {
                assert_eq!(formatted, block, "{}", page.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn printed_policies_have_the_standard_layout() {
    let folder = tempfile::tempdir().unwrap();
    let acme = crate::acme::Acme::without_cloud();
    let quickstart = crate::acme::repository_stack("quickstart.yaml");
    let policy = acme.run("policy", &quickstart, &["--env", "production", "--resources"]).assert_success().stdout;
    assert!(policy.contains("  quickstart-production-plan-1:\n"), "{policy}");
    assert_eq!(run(folder.path(), &["-"], &policy).assert_success().stdout, policy);
}
