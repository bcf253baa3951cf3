//! Outputs of stacks never have the value of a secret, neither for people nor for other stacks.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    acme::{Acme, CommandOutput},
    composition::folder,
    standin::{Standin, StandinKind},
};

/// A stack that reads the output `token` of another.
const CONSUMER: &str = "\
stack: shop
region: us-east-1
stacks: { tokens: { stack: tokens, environment: default } }
resources:
  parameter: { copy: { value: 'x-{{ stacks.tokens.token }}' } }
outputs: { copy: '{{ stacks.tokens.token }}' }
";

/// Files below a folder that contain a text.
fn files_with(folder: &Path, text: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => files_with(&path, text),
        false => fs::read(&path).ok().filter(|bytes| String::from_utf8_lossy(bytes).contains(text)).map(|_| path).into_iter().collect(),
    });
    found.collect()
}

#[test]
fn an_output_in_plain_text_is_refused_and_not_repeated() {
    for (outputs, line) in [
        ("{ db_password: tiger4711 }", "db_password"),
        ("{ url: 'postgres://shop:tiger4711@db.example.com/shop' }", "url"),
        ("{ app: { api_key: tiger4711 } }", "api_key"),
        ("{ hosts: [a, 'https://shop:tiger4711@example.com'] }", "hosts"),
        ("{ db_password: '{{ word }}' }", "db_password"),
    ] {
        let cloud = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&cloud.path().join("cloud"));
        let text = format!("stack: tokens\nregion: us-east-1\nvalues: {{ word: none }}\nkeys: {{ main: {{}} }}\noutputs: {outputs}\n");
        let folder = folder(&[("stack.yaml", &text)]);
        let (stack, log) = (folder.path().join("stack.yaml"), cloud.path().join("log"));
        let values = cloud.path().join("values.yaml");
        fs::write(&values, "word: tiger4711\n").expect("a file");
        let more = ["--values", &values.display().to_string(), "--log", &log.display().to_string(), "-vv"].map(str::to_owned);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        for command in ["plan", "apply"] {
            let json = acme.run(command, &stack, &[&more[..], &["-o", "json"]].concat());
            let done = acme.run(command, &stack, &more);
            let problem = "is a secret in plain text, which acme would print and store";
            assert!(
                done.code == 1 && done.stderr.contains(problem) && done.stderr.contains("error[outputs]"),
                "{outputs}: {}",
                done.stderr
            );
            assert!(done.stderr.contains(line), "{}", done.stderr);
            let error: Value = serde_json::from_str(json.stdout.lines().last().expect("an error")).expect("JSON");
            assert_eq!(error["problems"][0]["code"], "outputs", "{error:#}");
            for shown in [json.combined_output(), done.combined_output()] {
                assert!(!shown.contains("tiger4711"), "{shown}");
            }
        }
        fs::remove_file(&values).expect("a file");
        assert_eq!(files_with(cloud.path(), "tiger4711"), Vec::<std::path::PathBuf>::new());
    }
}

/// What a stack may output: the place of a secret, and names.
#[test]
fn an_output_names_the_place_of_a_secret() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let text = "stack: tokens\nregion: us-east-1\nsecrets: { db: {} }\noutputs: { db_secret: '{{ secrets.db.arn }}', secret: '{{ secrets.db.name }}' }\n";
    let folder = folder(&[("stack.yaml", text)]);
    let stack = folder.path().join("stack.yaml");
    acme.apply(&stack);
    let arn = acme.run("outputs", &stack, &["--name", "db_secret"]).assert_success().stdout;
    assert!(arn.starts_with("arn:aws:secretsmanager:"), "{arn}");
}

fn assert_refused(done: &CommandOutput, message: &str) {
    assert!(done.code == 1 && done.stderr.contains(message), "{}", done.combined_output());
    assert!(done.stderr.contains("stack.yaml:5:"), "{}", done.stderr);
}

#[test]
fn a_secret_of_another_stack_is_not_read() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let tokens = "stack: tokens\nregion: us-east-1\nresources: { parameter: { token: { type: secure_string, generate: {} } } }\n\
                  outputs: { token: '{{ parameter.token.value }}' }\n";
    let folder = folder(&[("tokens.yaml", tokens), ("stack.yaml", CONSUMER)]);
    let [tokens, stack] = ["tokens.yaml", "stack.yaml"].map(|name| folder.path().join(name));
    acme.apply(&tokens);
    assert_refused(&acme.run("plan", &stack, &[]), "the output `token` of the stack tokens (default) has no value");
    // A setting of a resource that AWS shows and acme hides.
    let stored = files_with(cloud.path(), "${parameter.token.value}");
    let [stored] = stored.as_slice() else { panic!("{stored:?}") };
    let text = fs::read_to_string(stored).expect("the outputs");
    let hidden = text.replace("${parameter.token.value}", "****");
    assert_ne!(text, hidden);
    fs::write(stored, hidden).expect("the outputs");
    for command in ["plan", "apply"] {
        assert_refused(&acme.run(command, &stack, &[]), "contains a secret, which acme does not record");
    }
    let json = acme.run("plan", &stack, &["-o", "json"]);
    assert!(!json.stdout.contains("****"), "{}", json.stdout);
}

/// AWS has the value of a secure parameter, and gives it to whoever asks for it.
#[test]
#[ignore = "full run"]
fn a_secret_of_another_stack_is_not_read_on_moto() {
    let standin = Standin::start(StandinKind::Moto);
    let acme = Acme::at_endpoint(&standin.url);
    let arn = standin.run_boto3("out = client('secretsmanager').create_secret(Name='token', SecretString='tiger4711')['ARN']");
    let arn = arn.as_str().expect("an ARN");
    let text = format!(
        "stack: tokens\nregion: us-east-1\nresources: {{ parameter: {{ token: {{ name: /tokens/token, type: secure_string, secret: '{arn}' }} }} }}\n\
         outputs: {{ token: '{{{{ parameter.token.value }}}}' }}\n"
    );
    let folder = folder(&[("tokens.yaml", &text), ("stack.yaml", CONSUMER)]);
    let [tokens, stack] = ["tokens.yaml", "stack.yaml"].map(|name| folder.path().join(name));
    let log = folder.path().join("log");
    let more = ["--log", &log.display().to_string(), "-vv"].map(str::to_owned);
    let run = |command: &str, stack: &Path, options: &[&str]| {
        let more: Vec<&str> = more.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let done = acme.run(command, stack, &more);
        assert!(!done.combined_output().contains("tiger4711"), "{command}: {}", done.combined_output());
        done
    };
    run("apply", &tokens, &["--yes"]).assert_success();
    let value = standin.run_boto3("out = client('ssm').get_parameter(Name='/tokens/token', WithDecryption=True)['Parameter']['Value']");
    assert_eq!(value, "tiger4711", "the parameter has the secret");
    for options in [&[][..], &["-o", "json"]] {
        run("outputs", &tokens, options).assert_success();
        run("plan", &stack, options);
        run("plan", &tokens, options).assert_success();
        run("show", &tokens, &[&["--live"][..], options].concat()).assert_success();
        run("history", &tokens, options).assert_success();
        run("drift", &tokens, options).assert_success();
    }
    assert_refused(&run("plan", &stack, &[]), "the output `token` of the stack tokens (default) has no value");
    for place in [folder.path(), acme.state_dir()] {
        assert_eq!(files_with(place, "tiger4711"), Vec::<std::path::PathBuf>::new());
    }
    run("destroy", &tokens, &["--yes"]).assert_success();
}
