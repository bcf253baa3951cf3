//! The script that writes the digest of schemas for `aws_resource`.

use std::process::Command;

/// Runs Python with the script's functions and a schema; returns what it prints.
fn run(code: &str) -> String {
    let whole = format!(
        "
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, 'tools')
import cloud_control_digest as script
login = {{'type': 'object', 'properties': {{'Password': {{'type': 'string'}}, 'Mode': {{'type': 'string', 'enum': ['A']}}}}}}
variables = {{'patternProperties': {{'.*': {{'$ref': '#/definitions/SensitiveText'}}}}}}
schema = {{
    'properties': {{'Name': {{'type': 'string'}}, 'Login': login, 'Variables': variables}},
    'definitions': {{'SensitiveText': {{'type': 'string'}}}},
}}
def refusal(write_only):
    try:
        script.check_secrets('AWS::Shop::Cart', schema, write_only, set())
    except SystemExit as error:
        return str(error)
    return 'accepted'
{code}"
    );
    let done = Command::new("python3").current_dir(env!("CARGO_MANIFEST_DIR")).args(["-c", &whole]).output().expect("python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

#[test]
fn refuses_properties_that_nobody_has_reviewed() {
    let told = run("print(refusal({'Name'}))");
    assert_eq!(told, "AWS::Shop::Cart: review Login/Password, Name, Variables/*, and add them to SECRETS, NAMED_VALUES or REVIEWED");
}

#[test]
fn accepts_properties_in_one_of_its_tables() {
    let tables = "
script.SECRETS['AWS::Shop::Cart'] = {'Login/Password': 'leave it out'}
script.NAMED_VALUES['AWS::Shop::Cart'] = {'Variables': 'leave it out'}
script.REVIEWED['AWS::Shop::Cart'] = ['Name']
";
    assert_eq!(run(&format!("{tables}print(refusal({{'Name'}}))")), "accepted");
    let told = run(&format!("{tables}print(refusal(set()))"));
    assert_eq!(told, "AWS::Shop::Cart: REVIEWED lists Name, which the schema neither hides nor names like a secret");
}
