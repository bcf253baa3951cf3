//! Gates by SQL, with a program in place of `psql` that keeps what it was given.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use crate::{
    acme::{Acme, write_file},
    standin::{Standin, StandinKind},
};

const STACK: &str = r#"
stack: shop
region: us-east-1
values: { share: 0 }
resources:
  vpc: { main: { cidr: 10.1.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.1.0.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.1.1.0/24, availability_zone: us-east-1b }
  rds_subnet_group: { main: { subnets: [a, b] } }
  security_group: { db: { vpc: main } }
  secret: { orders: { generate: { length: 20, exclude_punctuation: true } } }
  rds_instance:
    orders:
      engine: postgres
      version: "16"
      class: db.t4g.medium
      storage_gib: 20
      username: owner
      database_name: orders
      password_secret: orders
      subnet_group: main
      security_groups: [db]
  parameter: { share: { value: "{{ share }} percent" } }
procedures:
  cutover:
    value: share
    steps: [100]
    bake: 0s
    gates: { sql: [{ database: orders, query: select count(*) from orders, expect: "42" }] }
"#;

/// Writes `psql`, which prints an answer and keeps its arguments and its environment.
fn install_psql(folder: &Path, answer: &str) {
    let program = write_file(
        folder,
        "psql",
        &format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{0}/arguments'\nenv > '{0}/environment'\necho {answer}\n", folder.display()),
    );
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("a program");
}

#[test]
#[ignore = "full run"]
fn a_query_runs_with_the_password_of_the_database() {
    let standin = Standin::start(StandinKind::Moto);
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::at_endpoint(&standin.url);
    let stack = write_file(folder.path(), "shop.yaml", STACK);
    acme.apply(&stack);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH"));

    let empty = tempfile::tempdir().expect("a folder");
    let missing = acme.run_with_env(&[("PATH", &empty.path().display().to_string())], "cutover", &stack, &["--yes"]);
    assert!(missing.code == 1 && missing.stderr.contains("needs the program `psql`"), "{}", missing.combined_output());

    install_psql(folder.path(), "41");
    let closed = acme.run_with_env(&[("PATH", &path)], "cutover", &stack, &["--yes"]);
    assert_eq!(closed.code, 1, "{}", closed.combined_output());
    assert!(closed.stderr.contains("query on rds_instance.orders: the result is `41`, not `42`"), "{}", closed.stderr);

    install_psql(folder.path(), "42");
    let open = acme.run_with_env(&[("PATH", &path)], "cutover", &stack, &["--yes"]).assert_success();
    let arguments = fs::read_to_string(folder.path().join("arguments")).expect("arguments");
    assert!(arguments.ends_with("--command\nselect count(*) from orders\n"), "{arguments}");
    let environment = fs::read_to_string(folder.path().join("environment")).expect("an environment");
    let variable = |name: &str| environment.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned);
    assert_eq!(variable("PGUSER").as_deref(), Some("owner"));
    assert_eq!(variable("PGDATABASE").as_deref(), Some("orders"));
    let password = variable("PGPASSWORD").expect("a password");
    assert_eq!(password.len(), 20);
    // It is nowhere else.
    let live = acme.run("show", &stack, &["--live", "-o", "json"]).assert_success().stdout;
    let live: Value = serde_json::from_str(&live).expect("JSON");
    for text in [&arguments, &open.combined_output(), &closed.combined_output(), &live.to_string()] {
        assert!(!text.contains(&password), "{text}");
    }
}
