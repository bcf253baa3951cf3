//! Commands on a stack of which nothing exists.

use serde_json::Value;

use crate::acme::{Acme, write_file};

const TWO_ENVIRONMENTS: &str = "
x-sizes: &sizes { keep: 5 }
stack: shop
region: eu-west-1
environments: { staging: *sizes, production: { keep: 50 } }
registries: { web: { keep_last: '{{ keep }}' } }
outputs: { image: '{{ registries.web.uri }}' }
";

#[test]
fn says_that_nothing_exists_and_how_to_create_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "shop.yaml", TWO_ENVIRONMENTS);
    let in_staging = acme.with_args(&["--env", "staging"]);
    for (command, more, code, label) in
        [("drift", &[][..], 1, "error[not-applied]"), ("outputs", &[], 1, "error[not-applied]"), ("show", &["--live"], 0, "Note")]
    {
        let said = in_staging.run(command, &stack, more);
        let text = said.combined_output();
        assert_eq!(said.code, code, "{command}: {text}");
        assert!(text.contains(&format!("{label}: nothing of shop (staging) exists in eu-west-1, account 123456789012")), "{text}");
        assert!(text.contains("create it with `acme apply") && text.contains("--env staging --local="), "{text}");
    }
    let destroyed = in_staging.run("destroy", &stack, &["--yes"]);
    assert_eq!(destroyed.code, 0);
    assert!(destroyed.combined_output().contains("No changes: nothing of the stack exists."), "{}", destroyed.combined_output());
    // A program gets an empty list.
    let live = in_staging.run("show", &stack, &["--live", "--output", "json"]).assert_success();
    let live: Value = serde_json::from_str(&live.stdout).expect("JSON");
    assert_eq!(live["resources"], Value::Array(Vec::new()));

    in_staging.apply(&stack);
    in_staging.run("drift", &stack, &[]).assert_success();
    in_staging.destroy(&stack);
    // A destroyed stack has a record with which the account agrees.
    in_staging.run("drift", &stack, &[]).assert_success();
}

#[test]
fn the_environment_can_be_a_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "shop.yaml", TWO_ENVIRONMENTS);
    let planned = acme.run_with_env(&[("ACME_ENV", "production")], "plan", &stack, &[]).combined_output();
    assert!(planned.contains("shop (production) in eu-west-1"), "{planned}");
    let planned = acme.with_args(&["--env", "staging"]).run_with_env(&[("ACME_ENV", "production")], "plan", &stack, &[]);
    assert!(planned.combined_output().contains("shop (staging) in eu-west-1"));
}

#[test]
fn validates_all_environments_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::without_cloud().with_only_args(&[]);
    let stack = write_file(folder.path(), "shop.yaml", TWO_ENVIRONMENTS);
    let valid = acme.run("validate", &stack, &["--all-environments"]).assert_success();
    assert_eq!(
        valid.stderr.lines().collect::<Vec<_>>(),
        ["shop is valid: 1 resource in environment production.", "shop is valid: 1 resource in environment staging."]
    );
    let stack = write_file(folder.path(), "shop.yaml", &TWO_ENVIRONMENTS.replace("keep: 50", "keep: many"));
    let invalid = acme.run("validate", &stack, &["--all-environments"]);
    assert_eq!(invalid.code, 1, "{}", invalid.combined_output());
    assert!(invalid.stderr.contains("shop is valid: 1 resource in environment staging."), "{}", invalid.stderr);
    assert!(invalid.stderr.contains("not valid: production."), "{}", invalid.stderr);
    // Without an environment, all are checked, and what several have is shown once.
    write_file(folder.path(), "shop.yaml", &TWO_ENVIRONMENTS.replace("stack: shop", "stack: shop\nqueus: {}"));
    let invalid = acme.run("validate", &stack, &[]);
    assert_eq!(invalid.code, 1, "{}", invalid.combined_output());
    assert_eq!(invalid.stderr.matches("there is no section `queus`").count(), 1, "{}", invalid.stderr);
    assert!(invalid.stderr.contains("not valid: production, staging."), "{}", invalid.stderr);
    let one = acme.run("validate", &stack, &["--env", "staging"]);
    assert!(one.code == 1 && one.stderr.contains("the definition has 1 problem"), "{}", one.stderr);
    write_file(folder.path(), "shop.yaml", TWO_ENVIRONMENTS);
    assert_eq!(acme.run("validate", &stack, &[]).assert_success().stderr, valid.stderr);
}

#[test]
fn an_expression_without_quotes_has_its_own_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::without_cloud().with_only_args(&[]);
    for line in ["  zones: {{ zones }}", "  zones: [{{ zones }}]", "  zones:\n    - {{ zones }}"] {
        let stack = write_file(folder.path(), "shop.yaml", &format!("stack: shop\nnetwork:\n{line}\n"));
        let said = acme.run("validate", &stack, &[]).combined_output();
        assert!(said.contains("put the expression in quotes: `\"{{ … }}\"`"), "{line}: {said}");
    }
}
