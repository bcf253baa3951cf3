//! Rules of endpoints.

use super::{super::prelude::*, DmsEndpoint, database::Family};
use crate::core::Pointer;

/// Whether an attribute holds a password or a key.
pub(super) fn is_secret_attribute(key: &str) -> bool {
    let key = key.to_lowercase();
    key.contains("password") || key == "securitydbencryption"
}

pub(super) fn check(endpoint: &DmsEndpoint) -> Vec<Problem> {
    let at = DmsEndpoint::POINTERS;
    let engine = endpoint.engine.as_str();
    let family = Family::of(engine);
    let is_database = family != Family::Other;
    let mut problems = Vec::new();
    for key in endpoint.attributes.keys().filter(|key| is_secret_attribute(key)) {
        let problem = Problem::new(at.attributes.clone().item(key), format!("`{key}` is a secret, which definitions must not contain"));
        problems.push(problem.hide_value().help("put it into the secret of the endpoint"));
    }
    if endpoint.attributes.iter().any(|(key, value)| [key, value].iter().any(|text| text.contains(';') && !text.contains("${"))) {
        problems.push(Problem::new(at.attributes.clone(), "attributes must not contain semicolons"));
    }
    if is_database && endpoint.secret.is_none() && endpoint.server.is_empty() {
        let problem = Problem::new(at.secret.clone(), "a database needs a secret with its host, port, user and password");
        problems.push(problem.help("set `secret: …` and `secret_role: …`"));
    }
    if endpoint.iam_role.is_some() && !family.has_iam() {
        let problem = Problem::new(at.iam_role.clone(), format!("DMS can't sign in to the engine `{engine}` by IAM"));
        problems.push(problem.help("use `secret` and `secret_role`"));
    }
    if matches!(endpoint.ssl_mode.as_str(), "verify-ca" | "verify-full") && endpoint.certificate.is_none() && family != Family::SqlServer {
        let problem = Problem::new(at.certificate.clone(), format!("`ssl_mode: {}` needs a certificate", endpoint.ssl_mode));
        problems.push(problem.help("import the certificate to DMS, and set `certificate: arn:aws:dms:…:cert:…`"));
    }
    for (is_set, pointer, what) in [
        (endpoint.secret.is_some(), at.secret, "a secret"),
        (!endpoint.server.is_empty(), at.server, "a server"),
        (!endpoint.database.is_empty(), at.database, "a database"),
        (!endpoint.attributes.is_empty(), at.attributes, "attributes"),
        (endpoint.ssl_mode != DmsEndpoint::default_ssl_mode(), at.ssl_mode, "an SSL mode"),
        (endpoint.certificate.is_some(), at.certificate, "a certificate"),
    ] {
        if is_set && !is_database {
            problems.push(
                Problem::new(pointer, format!("an endpoint with the engine `{engine}` has no {}", without_article(what))).help("remove it"),
            );
        }
    }
    if endpoint.asm_secret.is_some() && family != Family::Oracle {
        problems.push(Problem::new(at.asm_secret.clone(), "`asm_secret` is for the engine `oracle`").help("remove it"));
    }
    if let Some(files) = endpoint.s3.as_ref().filter(|_| endpoint.kind == "source") {
        for field in files.target_fields() {
            let problem =
                Problem::new(at.s3.clone().field(field.clone()), format!("`{}` is for targets", field.as_str().trim_start_matches('/')));
            problems.push(problem.help("remove it"));
        }
    }
    let blocks: [(&str, bool, Pointer, bool); 6] = [
        ("s3", endpoint.s3.is_some(), at.s3, true),
        ("kinesis", endpoint.kinesis.is_some(), at.kinesis, true),
        ("kafka", endpoint.kafka.is_some(), at.kafka, true),
        ("opensearch", endpoint.opensearch.is_some(), at.opensearch, true),
        ("dynamodb", endpoint.dynamodb_role.is_some(), at.dynamodb_role, true),
        ("redshift", endpoint.redshift.is_some() && engine != "redshift-serverless", at.redshift, false),
    ];
    for (own, is_set, pointer, is_required) in blocks {
        let field = pointer.as_str().trim_start_matches('/').to_owned();
        if is_set && engine != own {
            problems.push(Problem::new(pointer, format!("`{field}` is for the engine `{own}`")).help("remove it"));
        } else if !is_set && is_required && engine == own {
            problems.push(
                Problem::new(pointer, format!("an endpoint with the engine `{engine}` needs `{field}`")).help(format!("add `{field}: …`")),
            );
        }
    }
    if endpoint.kind == "source"
        && matches!(engine, "babelfish" | "dynamodb" | "kafka" | "kinesis" | "opensearch" | "redshift" | "redshift-serverless")
    {
        let problem = Problem::new(at.kind, format!("the engine `{engine}` can't be a source"));
        problems.push(problem.help("set `type: target`"));
    }
    problems
}

fn without_article(what: &str) -> &str {
    what.split_once(' ').filter(|(article, _)| matches!(*article, "a" | "an")).map_or(what, |(_, rest)| rest)
}
