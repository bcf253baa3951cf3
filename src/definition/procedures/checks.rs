//! Checks of `procedures`, each with its line.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Gates, HttpGate, SqlGate,
    form::{GatesForm, HttpForm, SqlForm},
};
use crate::{
    aws::types::resource_type,
    core::{Address, EnvironmentName, expression::has_reference, nearest::suggestion, parse_timeout},
    definition::{Stack, child_pointer, compiler::Compiler, compiler::describe_type, dependencies::KnownResources},
};

/// Default and longest time for an HTTP request.
const HTTP_TIMEOUT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Default and longest time for a query.
const SQL_TIMEOUT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
/// Types on which a query can run.
const DATABASES: [&str; 2] = ["rds_instance", "aurora_cluster"];

/// Converts the written form, and reports what is wrong with it.
pub(super) struct Checker<'c, 'a> {
    pub compiler: &'c mut Compiler<'a>,
    pub stack: &'c Stack,
    pub known: &'c mut KnownResources,
}

impl Checker<'_, '_> {
    /// Reports a value that the definition does not have.
    pub fn value_name(&mut self, name: &str, at: &str) -> bool {
        if self.compiler.value_names.contains(name) {
            return true;
        }
        let help = suggestion(name, "values", self.compiler.value_names.iter().map(String::as_str));
        self.compiler.problem("procedure", at, format!("the definition has no value `{name}`"), help);
        false
    }

    /// The value of this name with which the definition is compiled.
    pub fn current_value(&mut self, name: &str) -> Option<Value> {
        let is_known = self.compiler.templates.has(name);
        is_known.then(|| self.compiler.render(&json!(format!("{{{{ {name} }}}}")), "/procedures"))
    }

    /// Reports a value that is not a whole number.
    pub fn number(&mut self, name: &str, at: &str) {
        if let Some(value) = self.current_value(name)
            && value.as_i64().is_none()
        {
            let message = format!("the value `{name}` must be a whole number, not {}", describe_type(&value));
            self.compiler.problem("procedure", at, message, format!("write `{name}: 0` in `values`"));
        }
    }

    /// Reports steps that do not increase.
    pub fn steps(&mut self, steps: &[i64], at: &str) {
        if steps.is_empty() {
            self.compiler.problem_at_key(
                "procedure",
                at,
                "`steps` is empty",
                "write values in increasing order: `steps: [1, 10, 50, 100]`",
            );
        }
        for (index, pair) in steps.windows(2).enumerate() {
            if let [earlier, later] = pair
                && earlier >= later
            {
                let message = format!("step {later} follows step {earlier}, and is not greater");
                self.compiler.problem("procedure", &format!("{at}/{}", index + 1), message, "write the steps in increasing order");
            }
        }
    }

    /// Scalars by the names of values.
    pub fn values(&mut self, values: BTreeMap<String, Value>, at: &str) -> BTreeMap<String, Value> {
        for (name, value) in &values {
            let at = child_pointer(at, name);
            if self.value_name(name, &at) && (value.is_array() || value.is_object() || value.is_null()) {
                let message = format!("`{name}` must be text, a number, true or false, not {}", describe_type(value));
                self.compiler.problem("procedure", &at, message, "keep lists and maps in `values`, and choose one by a text");
            }
        }
        values
    }

    /// A time; `None` if none is set.
    pub fn duration(&mut self, text: Option<&str>, at: &str) -> Option<Duration> {
        let text = text?;
        let time = if text == "0s" { Some(Duration::ZERO) } else { parse_timeout(text) };
        if time.is_none() {
            self.compiler.problem("procedure", at, format!("`{text}` is not a valid time"), "write `90s`, `45m` or `2h`, at most `168h`");
        }
        time
    }

    fn timeout(&mut self, text: Option<&str>, (default, longest): (Duration, Duration), at: &str) -> Duration {
        let Some(time) = self.duration(text, at) else { return default };
        if time.is_zero() || time > longest {
            let help = format!("write a time from `1s` to `{}s`", longest.as_secs());
            self.compiler.problem("procedure", at, format!("`{}` is not a valid timeout", text.unwrap_or_default()), help);
        }
        time
    }

    pub fn environment(&mut self, text: &str, environments: &[&str], at: &str) -> EnvironmentName {
        if !environments.contains(&text) {
            let help = match environments {
                [] => format!("add `environments: {{ {text}: {{}} }}`"),
                names => suggestion(text, "environments", names.iter().copied()),
            };
            self.compiler.problem("procedure", at, format!("there is no environment `{text}`"), help);
        }
        text.parse().unwrap_or_default()
    }

    /// Addresses of resources that exist, without those whose `when` is false.
    pub fn addresses(&mut self, texts: &[String], at: &str) -> Vec<Address> {
        let mut addresses = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = format!("{at}/{index}");
            match Address::parse(text) {
                Some(address) if self.known.is_absent(&address) => {}
                Some(address) if addresses.contains(&address) => {
                    self.compiler.problem("procedure", &at, format!("`{text}` is listed twice"), "remove one of them");
                }
                Some(address) if self.known.contains(&address) => addresses.push(address),
                _ => {
                    let help = self.suggest(text);
                    self.compiler.problem("procedure", &at, format!("there is no resource `{text}`"), help);
                }
            }
        }
        addresses
    }

    fn suggest(&self, text: &str) -> String {
        let of_type = text.split_once('.').map(|(kind, _)| kind).filter(|kind| resource_type(kind).is_some());
        let names: Vec<String> = self.stack.resources.keys().map(ToString::to_string).collect();
        let names = names.iter().filter(|name| of_type.is_none_or(|kind| name.starts_with(&format!("{kind}."))));
        let names: Vec<&str> = names.map(String::as_str).collect();
        suggestion(text, "resources", names.iter().copied())
    }

    /// Gates that contain something; none if they are not set.
    pub fn gates(&mut self, form: Option<GatesForm>, at: &str) -> Gates {
        let Some(form) = form else { return Gates::default() };
        if form.is_empty() {
            self.compiler.problem_at_key("procedure", at, "there are no gates in it", "add `healthy`, `http` or `sql`");
        }
        let healthy = self.addresses(&form.healthy, &format!("{at}/healthy"));
        let http = form.http.into_iter().enumerate().map(|(index, gate)| self.http(gate, &format!("{at}/http/{index}"))).collect();
        let sql = form.sql.into_iter().enumerate().filter_map(|(index, gate)| self.sql(gate, &format!("{at}/sql/{index}"))).collect();
        Gates { healthy, http, sql }
    }

    fn http(&mut self, form: HttpForm, at: &str) -> HttpGate {
        let pointer = format!("{at}/url");
        let url = match self.known.with_chosen_types(Value::String(form.url)) {
            Value::String(url) => url,
            _ => String::new(),
        };
        let value = Value::String(url.clone());
        self.known.add_references(self.compiler, &value, &value, "this gate", &|_| pointer.clone(), &mut BTreeSet::new());
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        match host {
            // The address may be an output.
            None if has_reference(&value) && url.starts_with("${") => {}
            None | Some("") => {
                let help = "write `https://www.example.com/healthz`";
                self.compiler.problem("procedure", &pointer, format!("`{url}` is not a valid address"), help);
            }
            Some(host) if host.contains('@') => {
                self.compiler.hide_value(&pointer);
                self.compiler.problem("procedure", &pointer, "the address contains a user or a password", "use an address that needs none");
            }
            Some(_) if url.contains(char::is_whitespace) => {
                self.compiler.problem("procedure", &pointer, format!("`{url}` contains white space"), "write it as `%20`");
            }
            Some(_) => {}
        }
        if !(100..=599).contains(&form.status) {
            let message = format!("{} is not a valid status code", form.status);
            self.compiler.problem("procedure", &format!("{at}/status"), message, "write a number from 100 to 599");
        }
        let timeout = self.timeout(form.timeout.as_deref(), HTTP_TIMEOUT, &format!("{at}/timeout"));
        HttpGate { url, status: form.status, timeout, follow_redirects: form.follow_redirects }
    }

    /// `None` for a database that does not exist.
    fn sql(&mut self, form: SqlForm, at: &str) -> Option<SqlGate> {
        let pointer = format!("{at}/database");
        let named = DATABASES.map(|kind| Address::new(kind, &form.database));
        let mut candidates: Vec<Address> = named.into();
        candidates.extend(Address::parse(&form.database).filter(|address| DATABASES.contains(&address.type_name.as_str())));
        let timeout = self.timeout(form.timeout.as_deref(), SQL_TIMEOUT, &format!("{at}/timeout"));
        if form.query.trim().is_empty() {
            self.compiler.problem("procedure", &format!("{at}/query"), "the query is empty", "write one SQL statement");
        }
        let Some(database) = candidates.iter().find(|address| self.known.contains(address)).cloned() else {
            if !candidates.iter().any(|address| self.known.is_absent(address)) {
                let known = self.stack.resources.keys().filter(|address| DATABASES.contains(&address.type_name.as_str()));
                let names: Vec<&str> = known.map(|address| address.name.as_str()).collect();
                let help = suggestion(&form.database, "databases", names.iter().copied());
                self.compiler.problem("procedure", &pointer, format!("there is no database `{}`", form.database), help);
            }
            return None;
        };
        Some(SqlGate { database, query: form.query, expect: form.expect.trim().to_owned(), timeout })
    }
}
