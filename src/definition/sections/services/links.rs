//! What a service uses in AWS: variables and files that name it, permissions, and addresses to reach.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{FILES_FOLDER, form::Service};
use crate::definition::{
    Draft, child_pointer,
    sections::{Expansion, Fields},
    suggestion,
};

/// What a service may do with the items of a table, but not with the table.
const TABLE_ACTIONS: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
];

/// What a service gets from its links.
#[derive(Default)]
pub struct Links {
    /// Variables.
    pub env: Map<String, Value>,
    /// Secrets by name of the file.
    pub files: BTreeMap<String, SecretFile>,
    /// Statements of its policy.
    pub statements: Vec<Value>,
    /// Ports of databases and caches, which it reaches in the network.
    pub ports: BTreeSet<u16>,
}

/// A secret in a file.
pub struct SecretFile {
    /// ARN, as a reference.
    pub secret: String,
    /// Key of a JSON object; empty for the whole text.
    pub key: &'static str,
}

/// Name of the variable of something: `order-events` with the suffix `URL` is `ORDER_EVENTS_URL`.
pub fn variable(name: &str, suffix: &str) -> String {
    let upper = name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{upper}_{suffix}")
}

/// Reads the links of a service; reports entries that don't exist. `prefix` is that of the names in its module.
pub fn read(out: &mut Expansion<'_, '_>, service: &Service, prefix: &str, at: &str) -> Links {
    let mut links = Links { statements: service.permissions.clone(), ..Links::default() };
    if let Some(draft) =
        find(out, service.database.as_deref(), "databases", &["rds_instance", "aurora_cluster"], &format!("{at}/database"), prefix)
    {
        add_database(&mut links, draft);
    }
    let stores = ["cache_replication_group", "cache_cluster"];
    if let Some(draft) = find(out, service.cache.as_deref(), "caches", &stores, &format!("{at}/cache"), prefix) {
        let (name, spec, token) = (draft.name.clone(), draft.spec.clone(), draft.complete_field("auth_token"));
        add_cache(&mut links, draft.resource_type.name, &name, &spec, token, out.drafts);
    }
    if let Some(draft) = find(out, service.table.as_deref(), "tables", &["dynamodb_table"], &format!("{at}/table"), prefix) {
        let name = &draft.name;
        let arn = format!("${{dynamodb_table.{name}.arn}}");
        links.env.insert("TABLE_NAME".to_owned(), format!("${{dynamodb_table.{name}.id}}").into());
        links.statements.push(json!({ "Effect": "Allow", "Action": TABLE_ACTIONS, "Resource": [arn, format!("{arn}/index/*")] }));
        let key = draft.complete_field("kms_key");
        links.add_key(key.as_ref(), out.drafts);
    }
    if let Some(draft) = find(out, service.bucket.as_deref(), "storage", &["s3_bucket"], &format!("{at}/bucket"), prefix) {
        let name = &draft.name;
        let arn = format!("${{s3_bucket.{name}.arn}}");
        links.env.insert("BUCKET_NAME".to_owned(), format!("${{s3_bucket.{name}.id}}").into());
        links.statements.push(json!({ "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn }));
        let actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"];
        links.statements.push(json!({ "Effect": "Allow", "Action": actions, "Resource": format!("{arn}/*") }));
        let key = draft.spec.get("encryption").and_then(|encryption| encryption.get("kms_key"));
        let key = key.map(|key| draft.complete_value(key));
        links.add_key(key.as_ref(), out.drafts);
    }
    if let Some(draft) = find(out, service.queue.as_deref(), "queues", &["sqs_queue"], &format!("{at}/queue"), prefix) {
        let name = &draft.name;
        links.env.insert("QUEUE_URL".to_owned(), format!("${{sqs_queue.{name}.id}}").into());
        let actions = [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ];
        let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": format!("${{sqs_queue.{name}.arn}}") });
        links.statements.push(statement);
        let key = draft.complete_field("kms_key");
        links.add_key(key.as_ref(), out.drafts);
    }
    for (index, name) in service.secrets.iter().enumerate() {
        let Some(draft) = find(out, Some(name), "secrets", &["secret"], &format!("{at}/secrets/{index}"), prefix) else { continue };
        // The files of a module don't depend on its name in the stack.
        let own = name.strip_prefix(prefix).unwrap_or(name);
        links.add_file(own, &variable(own, "FILE"), format!("${{secret.{}.arn}}", draft.name), "");
    }
    links
}

impl Links {
    fn add_file(&mut self, file: &str, variable: &str, secret: String, key: &'static str) {
        self.env.insert(variable.to_owned(), format!("{FILES_FOLDER}/{file}").into());
        self.files.insert(file.to_owned(), SecretFile { secret, key });
    }

    /// Lets the service use the key of the stack that encrypts something.
    fn add_key(&mut self, key: Option<&Value>, drafts: &[Draft]) {
        let name = key.and_then(Value::as_str).unwrap_or_default();
        if drafts.iter().any(|draft| draft.resource_type.name == "kms_key" && draft.name == name) {
            let resource = format!("${{kms_key.{name}.arn}}");
            self.statements.push(json!({ "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": resource }));
        }
    }
}

/// The draft of an entry of a section.
fn find<'o>(
    out: &'o mut Expansion<'_, '_>,
    name: Option<&str>,
    section: &str,
    types: &[&str],
    at: &str,
    prefix: &str,
) -> Option<&'o Draft> {
    let name = name?;
    let is_of_type = |draft: &&Draft| types.contains(&draft.resource_type.name);
    let Some(position) = out.drafts.iter().position(|draft| is_of_type(&draft) && draft.name == name) else {
        // What a section adds to its entries is not one of them.
        let below = child_pointer(&child_pointer("", section), "");
        let is_entry = |draft: &&Draft| draft.prefix == prefix && own_pointer(&draft.pointer).starts_with(&below);
        let entries = out.drafts.iter().filter(is_of_type).filter(is_entry);
        let own = |name: &'_ str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
        let (name, names) = (own(name), entries.map(|draft| own(&draft.name)).collect::<Vec<_>>());
        let help = suggestion(&name, "entries", names.iter().map(String::as_str).collect::<Vec<_>>());
        out.compiler.problem("services", at, format!("`{section}` has no entry `{name}`"), help);
        return None;
    };
    out.drafts.get(position)
}

/// Pointer within a module, or within the stack.
fn own_pointer(pointer: &str) -> &str {
    match pointer.strip_prefix("/~m").and_then(|rest| rest.find('/')) {
        Some(slash) => own_pointer(&pointer["/~m".len() + slash..]),
        None => pointer,
    }
}

fn add_database(links: &mut Links, draft: &Draft) {
    let Draft { resource_type, name, spec, .. } = draft;
    let output = |output: &str| format!("${{{}.{name}.{output}}}", resource_type.name);
    let text = |field: &str| spec.get(field).and_then(Value::as_str);
    let is_postgres = text("engine").is_some_and(|engine| engine.ends_with("postgres") || engine.ends_with("postgresql"));
    let usual = if is_postgres { 5432 } else { 3306 };
    let port = spec.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or(usual);
    links.ports.insert(port);
    links.env.insert("DATABASE_HOST".to_owned(), output("endpoint").into());
    links.env.insert("DATABASE_PORT".to_owned(), port.to_string().into());
    if let Some(database) = text("database_name") {
        links.env.insert("DATABASE_NAME".to_owned(), database.into());
    }
    if resource_type.name == "aurora_cluster" {
        links.env.insert("DATABASE_READER_HOST".to_owned(), output("reader_endpoint").into());
    }
    add_password(links, draft, is_postgres, output("master_secret_arn"));
}

/// The password is in the secret that RDS manages, or in that of the definition, which may lack the name of the user.
fn add_password(links: &mut Links, draft: &Draft, is_postgres: bool, managed: String) {
    let spec = &draft.spec;
    let own = draft.complete_field("password_secret").filter(|secret| !secret.is_null());
    if let Some(own) = own {
        let usual = if is_postgres { "postgres" } else { "admin" };
        let user = spec.get("username").and_then(Value::as_str).unwrap_or(usual);
        links.env.insert("DATABASE_USERNAME".to_owned(), user.into());
        let name = own.as_str().unwrap_or_default();
        let secret = if name.contains("${") || name.starts_with("arn:") { name.to_owned() } else { format!("${{secret.{name}.arn}}") };
        return links.add_file("database-password", "DATABASE_PASSWORD_FILE", secret, "password");
    }
    links.add_file("database-username", "DATABASE_USERNAME_FILE", managed.clone(), "username");
    links.add_file("database-password", "DATABASE_PASSWORD_FILE", managed, "password");
}

/// A cache of ElastiCache: Memcached, whose clients find the nodes by one address, or Valkey and Redis OSS with a primary node, or with shards.
fn add_cache(links: &mut Links, kind: &str, name: &str, spec: &Fields, token: Option<Value>, drafts: &[Draft]) {
    let output = |output: &str| Value::from(format!("${{{kind}.{name}.{output}}}"));
    let is_memcached = kind == "cache_cluster";
    let text = |field: &str| spec.get(field).and_then(Value::as_str);
    let usual = if is_memcached { 11_211 } else { 6379 };
    let port = spec.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or(usual);
    links.ports.insert(port);
    links.env.insert("CACHE_PORT".to_owned(), port.to_string().into());
    let has_shards = matches!(text("cluster_mode"), Some("enabled" | "compatible"));
    let host = match (is_memcached, has_shards) {
        (true, _) => "endpoint",
        (false, true) => "configuration_endpoint",
        (false, false) => "primary_endpoint",
    };
    links.env.insert("CACHE_HOST".to_owned(), output(host));
    if !is_memcached && !has_shards && spec.get("replicas").is_none_or(|replicas| *replicas != 0) {
        links.env.insert("CACHE_READER_HOST".to_owned(), output("reader_endpoint"));
    }
    let is_encrypted = match is_memcached {
        true => spec.get("transit_encryption").and_then(Value::as_bool).unwrap_or(false),
        false => text("transit_encryption") != Some("disabled"),
    };
    links.env.insert("CACHE_TLS".to_owned(), is_encrypted.to_string().into());
    if let Some(secret) = token.as_ref().and_then(Value::as_str) {
        let is_outside = secret.contains("${") || secret.starts_with("arn:");
        // A generated secret with a user name is a JSON object.
        let is_json = drafts.iter().any(|draft| {
            let generated = draft.spec.get("generate").and_then(|generate| generate.get("username"));
            draft.resource_type.name == "secret" && draft.name == secret && generated.is_some_and(|name| !name.is_null())
        });
        let arn = if is_outside { secret.to_owned() } else { format!("${{secret.{secret}.arn}}") };
        links.add_file("cache-password", "CACHE_PASSWORD_FILE", arn, if is_json { "password" } else { "" });
    }
}
