//! `acme cutover`, `acme failover`, `acme failback` and `acme drill` on the simulated cloud, with gates on a server of the test.

mod cutover;
mod drill;
mod drill_refusals;
mod failover;
mod gates;
mod queries;
mod server;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::server::Server;
use crate::acme::{Acme, write_file};

/// A simulated cloud, a server for gates, and a stack with procedures.
pub struct Shop {
    pub folder: tempfile::TempDir,
    pub acme: Acme,
    pub server: Server,
}

impl Shop {
    pub fn new() -> Shop {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud"));
        Shop { folder, acme, server: Server::start() }
    }

    /// The stack with these procedures.
    pub fn define(&self, procedures: &str) -> PathBuf {
        let text = format!("{STACK}procedures:\n{procedures}").replace("SERVER", &self.server.url);
        write_file(self.folder.path(), "shop.yaml", &text)
    }

    /// Same, applied.
    pub fn apply(&self, procedures: &str) -> PathBuf {
        let stack = self.define(procedures);
        self.acme.apply(&stack);
        stack
    }

    /// Values of the parameters in the cloud, by name.
    pub fn live(&self, stack: &Path) -> BTreeMap<String, String> {
        let shown = self.acme.run("show", stack, &["--live", "-o", "json"]).assert_success().stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let parameters = shown["resources"].as_array().expect("a list").iter().filter(|live| live["type"] == "parameter");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entry = |live: &Value| (text(&live["tags"]["acme:address"]).replace("parameter.", ""), text(&live["spec"]["value"]));
        parameters.map(entry).collect()
    }

    /// Labels of the runs in the history, the last one first.
    pub fn history(&self, stack: &Path) -> Vec<String> {
        let shown = self.acme.run("history", stack, &["-o", "json"]).assert_success().stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let runs = shown["revisions"].as_array().expect("a list").iter();
        runs.map(|run| run["procedure"].as_str().or(run["command"].as_str()).unwrap_or_default().to_owned()).collect()
    }

    /// Procedures that the backend has a record of.
    pub fn recorded(&self) -> Value {
        let file = self.folder.path().join("cloud/backend/eu-west-1/shop/default/procedure.json");
        let text = fs::read_to_string(file).unwrap_or_else(|_| "{}".to_owned());
        serde_json::from_str::<Value>(&text).expect("JSON")["procedures"].clone()
    }
}

/// Three parameters: the share of the new platform, the active region, and the old platform.
const STACK: &str = "
stack: shop
region: eu-west-1
values: { share: 0, active: eu-west-1, old_platform: true }
parameters:
  share: { value: '{{ share }} percent' }
  region: { value: '{{ active }}' }
  legacy: { value: old, when: old_platform }
resources:
  sqs_queue: { orders: {} }
";
