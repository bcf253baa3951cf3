//! Generated documentation: the JSON Schema, the reference, shell completions and manual pages.

use std::{collections::BTreeMap, fs, path::Path, process::Command, process::Stdio};

use acme::{
    definition::{LoadOptions, Source, load},
    docs::{reference, schema},
};
use serde_json::{Value, json};

use crate::{acme::binary, standin::python};

fn read_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run_acme(arguments: &[&str]) -> (i32, String, String) {
    let done = Command::new(binary()).args(arguments).env("NO_COLOR", "1").output().expect("acme runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (done.status.code().unwrap_or(-1), text(done.stdout), text(done.stderr))
}

/// Locations of all problems that Python's `jsonschema` finds in each instance; moto depends on it.
fn schema_violations(instances: &BTreeMap<String, Value>) -> BTreeMap<String, Vec<(String, String)>> {
    const SCRIPT: &str = "
import json, sys
from jsonschema import Draft202012Validator as Validator
given = json.load(sys.stdin)
Validator.check_schema(given['schema'])
validator = Validator(given['schema'])
found = lambda instance: [('/' + '/'.join(map(str, e.absolute_path)), e.message) for e in validator.iter_errors(instance)]
print(json.dumps({name: found(instance) for name, instance in given['instances'].items()}))
";
    let mut child =
        Command::new(python()).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    let given = json!({ "schema": schema::definition(), "instances": instances });
    serde_json::to_writer(child.stdin.take().expect("a pipe"), &given).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "the validator failed");
    serde_json::from_slice(&done.stdout).expect("it prints JSON")
}

#[test]
fn every_stack_in_the_repository_is_valid_and_names_the_schema() {
    let mut instances = BTreeMap::from([("the examples".to_owned(), schema::examples().clone())]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    for entry in fs::read_dir(folder).expect("the stacks").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a stack");
        let name = entry.path().display().to_string();
        assert!(text.starts_with("# yaml-language-server: $schema=../docs/schema.json\n"), "{name} does not begin with its schema");
        instances.insert(name, serde_yaml::from_str(&text).expect("YAML"));
    }
    // The output of acme is a definition, too.
    let (code, expanded, _) = run_acme(&["show", "stacks/reference.yaml", "--env", "production"]);
    assert_eq!(code, 0);
    instances.insert("the expanded reference stack".into(), serde_yaml::from_str(&expanded).expect("YAML"));
    assert!(instances.len() >= 5);
    let wrong: Vec<_> = schema_violations(&instances).into_iter().filter(|(_, found)| !found.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn schema_reports_each_mistake_at_its_location() {
    let cases: BTreeMap<String, Value> = serde_yaml::from_str(&read_file("tests/fixtures/broken.yaml")).expect("YAML");
    assert!(cases.len() >= 30, "{}", cases.len());
    let mut elsewhere = Vec::new();
    for (place, found) in schema_violations(&cases) {
        // An unknown key is reported at its owner.
        let owner = |at: &str| place == "/netwrk" && at == "/";
        if !found.iter().any(|(at, _)| *at == place || owner(at)) || found.len() != 1 {
            elsewhere.push(format!("{place}: {found:?}"));
        }
    }
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

/// The compiler and the schema agree: definitions rejected by the schema do not compile.
#[test]
fn definitions_the_schema_rejects_do_not_compile() {
    let cases: BTreeMap<String, Value> = serde_yaml::from_str(&read_file("tests/fixtures/broken.yaml")).expect("YAML");
    let compiles = |definition: &Value| {
        let source = Source::new("stack.yaml", serde_yaml::to_string(definition).expect("YAML"));
        load(&source, &LoadOptions::default()).is_ok()
    };
    let taken: Vec<&String> = cases.iter().filter(|(_, definition)| compiles(definition)).map(|(place, _)| place).collect();
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn examples_compile_and_cover_every_type_and_section() {
    let source = Source::new("examples.yaml", schema::EXAMPLES_TEXT);
    if let Err(problems) = load(&source, &LoadOptions::default()) {
        panic!("{}", problems.iter().map(|problem| problem.render(&source, false)).collect::<Vec<_>>().join("\n"));
    }
    let without: Vec<&str> =
        acme::aws::types::RESOURCE_TYPES.iter().map(|kind| kind.name).filter(|name| schema::example(name).is_none()).collect();
    assert!(without.is_empty(), "add these to src/docs/examples.yaml: {without:?}");
    let without: Vec<&&str> =
        acme::definition::sections::SECTION_NAMES.iter().filter(|name| schema::examples().get(**name).is_none()).collect();
    assert!(without.is_empty(), "add these to src/docs/examples.yaml: {without:?}");
}

#[test]
fn every_field_has_a_description() {
    let schema = schema::definition();
    let types = schema["$defs"].as_object().expect("types");
    let fields = types.iter().flat_map(|(kind, schema)| {
        let fields = schema["properties"].as_object().into_iter().flatten();
        fields
            .filter(|(_, field)| field.get("$ref").is_none() && field.get("description").is_none())
            .map(move |(name, _)| format!("{kind}.{name}"))
    });
    assert_eq!(fields.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn generated_docs_are_up_to_date() {
    let help = "run `cargo run -- docs` and commit what it writes";
    assert!(read_file("docs/schema.json") == schema::definition_json(), "docs/schema.json is stale: {help}");
    let pages = reference::pages();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut there: Vec<String> =
        fs::read_dir(folder).expect("the reference").flatten().map(|e| e.file_name().to_string_lossy().into()).collect();
    there.sort();
    assert_eq!(there, pages.keys().cloned().collect::<Vec<_>>(), "left: docs/reference, right: what there should be; {help}");
    for (name, text) in pages {
        assert!(read_file(&format!("docs/reference/{name}")) == text, "docs/reference/{name} is stale: {help}");
    }
}

/// A page shows its stack as `acme graph --sections` draws it.
#[test]
fn pages_of_stacks_show_their_sections() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stacks")).expect("the pages").flatten() {
        let name = entry.file_name().to_string_lossy().replace(".md", "");
        let stack = format!("stacks/{name}.yaml");
        let (code, drawing, error) = run_acme(&["graph", &stack, "--env", "production", "--sections"]);
        assert_eq!(code, 0, "{error}");
        let page = read_file(&format!("docs/stacks/{name}.md"));
        assert!(page.contains(&format!("```mermaid\n{drawing}```\n")), "docs/stacks/{name}.md is stale: it must show\n{drawing}");
    }
}

#[test]
fn docs_command_writes_to_the_given_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made");
    let (code, _, said) = run_acme(&["docs", "--out", &out.display().to_string()]);
    assert_eq!(code, 0, "{said}");
    let page = fs::read_to_string(out.join("reference/nat_gateway.md")).unwrap();
    insta::assert_snapshot!("reference_page", page);
    let (code, printed, _) = run_acme(&["schema"]);
    assert!(code == 0 && printed == fs::read_to_string(out.join("schema.json")).unwrap());
}

#[test]
fn explain_describes_error_codes() {
    let shown =
        [vec!["explain", "unknown-field"], vec!["explain", "DependencyViolation"], vec!["explain", "unknow-field"], vec!["explain", "zzz"]];
    let shown: Vec<String> = shown
        .iter()
        .map(|arguments| {
            let (code, out, said) = run_acme(arguments);
            format!("$ acme {}\n{out}{said}$? = {code}\n", arguments.join(" "))
        })
        .collect();
    insta::assert_snapshot!("explained", shown.join("\n"));
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, said) = run_acme(&["completions", shell]);
        assert!(code == 0 && script.contains("ACME_COMPLETE"), "{shell}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let text = "stack: shop\nenvironments: { staging: {}, production: {} }\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";
    fs::write(folder.path().join("shop.yaml"), text).unwrap();
    // As the script for bash calls it.
    let completed = |words: &[&str]| -> Vec<String> {
        let mut command = Command::new(binary());
        command.env("ACME_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string()).env("_CLAP_IFS", "\n");
        command.env_remove("ACME_ENV").current_dir(folder.path()).arg("--").args(words);
        String::from_utf8(command.output().expect("acme runs").stdout).expect("text").lines().map(str::to_owned).collect()
    };
    assert!(completed(&["acme", "rol"]).iter().any(|word| word == "rollback"), "{:?}", completed(&["acme", "rol"]));
    assert_eq!(completed(&["acme", "plan", "shop.yaml", "--env", ""]), ["production", "staging"]);
    assert_eq!(completed(&["acme", "forget", "shop.yaml", "vp"]), ["vpc.main"]);
    for option in ["--only", "--except", "--replace"] {
        assert_eq!(completed(&["acme", "plan", "shop.yaml", option, "vp"]), ["vpc.main"], "{option}");
    }
    assert_eq!(completed(&["acme", "explain", "unknown-f"]), ["unknown-field"]);
    // The shell accepts the script.
    let (_, script, _) = run_acme(&["completions", "bash"]);
    let checked = Command::new("bash").args(["-c", &format!("{script}\ncomplete -p acme")]).output();
    if let Ok(checked) = checked {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
    let (code, ..) = run_acme(&["man", "--out", &folder.path().display().to_string()]);
    assert_eq!(code, 0);
    let page = fs::read_to_string(folder.path().join("acme-plan.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("detailed"), "{page}");
    let (code, page, _) = run_acme(&["man"]);
    assert!(code == 0 && page.contains("acme"), "{page}");
}
