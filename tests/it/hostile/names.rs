//! Names that would become other paths.

use std::{fs, path::Path};

use crate::{
    acme::{Acme, write_file},
    scripted_endpoint::{Script, xml},
};

/// Names that leave a folder or a prefix, or are no name at all.
const WRONG: &[&str] = &["../b/production", "../../x", "..", "a/b", "/etc/x", "a\\b", "a b", "a\nb", "Production", "a.b"];

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[test]
fn names_of_stacks_and_environments_never_become_paths() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("below/cloud"));
    for name in WRONG {
        let quoted = serde_json::to_string(name).expect("JSON");
        let resources = "resources: { vpc: { main: { cidr: 10.0.0.0/16 } } }";
        let text = format!("stack: shop\nregion: eu-west-1\nenvironments:\n  {quoted}: {{}}\n{resources}\n");
        let done = acme.run("apply", &write_file(folder.path(), "stack.yaml", &text), &["--yes"]);
        assert_eq!(done.code, 1, "{name}: {}", done.combined_output());
        assert!(done.stderr.contains("error[environment-name]") && done.stderr.contains("stack.yaml:4:3"), "{}", done.stderr);
        assert!(done.stderr.contains("use a lowercase letter, then"), "the remedy: {}", done.stderr);

        let text = format!("stack: {quoted}\nregion: eu-west-1\n{resources}\n");
        let done = acme.run("apply", &write_file(folder.path(), "stack.yaml", &text), &["--yes"]);
        assert_eq!(done.code, 1, "{name}: {}", done.combined_output());
        assert!(done.stderr.contains("error[stack-name]") && done.stderr.contains("stack.yaml:1:8"), "{}", done.stderr);

        let stack = write_file(folder.path(), "stack.yaml", &format!("stack: shop\n{resources}\n"));
        for option in ["--env", "--region"] {
            let done = acme.run("apply", &stack, &["--yes", option, name]);
            assert_eq!(done.code, 2, "{option} {name}: {}", done.combined_output());
        }
        let done = Acme::without_cloud().with_only_args(&["--with", "network"]).run("new", Path::new(name), &[]);
        assert_eq!(done.code, 1, "{name}: {}", done.combined_output());
    }
    assert_eq!(files(folder.path()), [folder.path().join("stack.yaml").display().to_string()]);
}

#[test]
fn names_of_resources_have_a_closed_alphabet() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::without_cloud();
    let names = ["a/b", "..\\x", "a b", "ä", "a\nb", &"a".repeat(129)];
    for (name, section) in names.into_iter().flat_map(|name| ["vpc", "keys", "for_each"].map(|section| (name, section))) {
        let quoted = serde_json::to_string(name).expect("JSON");
        let text = match section {
            "vpc" => format!("stack: shop\nresources:\n  vpc:\n    {quoted}: {{ cidr: 10.0.0.0/16 }}\n"),
            "keys" => format!("stack: shop\nkeys:\n  {quoted}: {{}}\n"),
            _ => format!("stack: shop\nresources:\n  ecr_repository:\n    '{{{{ each.key }}}}': {{ for_each: [{quoted}] }}\n"),
        };
        let done = acme.run("validate", &write_file(folder.path(), "stack.yaml", &text), &[]);
        assert_eq!(done.code, 1, "{name} {section}: {}", done.combined_output());
        assert!(done.stderr.contains("error[name]"), "{}", done.stderr);
    }
}

/// The default backend's folder and bucket contain the account.
#[test]
fn account_ids_from_aws_never_become_paths() {
    let identity = "<GetCallerIdentityResult><Account>../../x</Account></GetCallerIdentityResult>";
    let endpoint = Script::new()
        .on("GetCallerIdentity", [xml(format!("<GetCallerIdentityResponse>{identity}</GetCallerIdentityResponse>"))])
        .start("  secret: { b: {} }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("`../../x` is not a valid account id"), "{}", done.stderr);
    assert_eq!(endpoint.writes(), [""; 0]);
}
