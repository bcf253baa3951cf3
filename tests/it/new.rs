//! A newcomer's first definition.

use std::{path::Path, process::Command};

use crate::{
    acme::{Acme, Done, binary},
    standin,
};

fn new(folder: &Path, arguments: &[&str]) -> Done {
    let mut process = standin::with_credentials(Command::new(binary()));
    Done::of(process.arg("new").args(arguments).current_dir(folder).env("NO_COLOR", "1").output().expect("acme runs"))
}

#[test]
fn every_part_can_be_planned() {
    let parts = ["network", "cluster", "database", "registry", "bucket", "secret", "dns", "load-balancer", "firewall"];
    for with in parts.map(str::to_owned).into_iter().chain([parts.join(",")]) {
        let folder = tempfile::tempdir().unwrap();
        new(folder.path(), &["shop", "--region", "eu-west-1", "--with", &with]).ok();
        let definition = folder.path().join("shop.yaml");
        let acme = Acme::local(&folder.path().join("cloud"));
        for environment in ["staging", "production"] {
            let plan = acme.with(&["--env", environment]).plan(&definition);
            assert!(!plan.changes().is_empty(), "{with}: nothing to make");
        }
    }
}

#[test]
fn what_is_written_reads_well() {
    let folder = tempfile::tempdir().unwrap();
    let done = new(folder.path(), &["--name", "shop", "--region", "eu-west-1", "--with", "database,dns", "--out", "first.yaml"]).ok();
    let text = std::fs::read_to_string(folder.path().join("first.yaml")).unwrap();
    insta::assert_snapshot!(format!("{}{}", done.stderr, text));
}

#[test]
fn nothing_is_overwritten_and_nothing_wrong_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), "mine").unwrap();
    let said: Vec<String> = [
        new(folder.path(), &["shop"]),
        new(folder.path(), &["Shop"]),
        new(folder.path(), &["shop", "--region", "mars-1", "--out", "other.yaml"]),
        new(folder.path(), &[]),
    ]
    .into_iter()
    .map(|done| format!("$? = {}\n{}", done.code, done.stderr))
    .collect();
    insta::assert_snapshot!(said.join("\n"));
    assert_eq!(std::fs::read_to_string(folder.path().join("shop.yaml")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
