//! AWS's tagging API over a stand-in. A stand-in indexes few types; AWS indexes all that can be tagged, except a few of IAM.

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Value, json};

use crate::{
    standin::ScriptRunner,
    wire::{Request, Response},
};

/// Most resources on a page of GetResources.
const PAGE_SIZE: usize = 100;

/// Answers GetResources for everything taggable in a stand-in.
pub struct TagIndex(Mutex<ScriptRunner>);

impl TagIndex {
    pub fn over(url: &str) -> TagIndex {
        TagIndex(Mutex::new(ScriptRunner::start(url, include_str!("tag_index.py"))))
    }

    pub fn get_resources(&self, request: &Request) -> Response {
        let wanted: Value = serde_json::from_slice(&request.body).expect("a request of the tagging API is JSON");
        let all: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_value(self.0.lock().expect("the script runs").run_script()).expect("tags by ARN");
        let found: Vec<Value> = all
            .iter()
            .filter(|(arn, tags)| has_type(&wanted, arn) && has_tags(&wanted, tags))
            .map(|(arn, tags)| {
                let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
                json!({ "ResourceARN": arn, "Tags": tags })
            })
            .collect();
        let start: usize = wanted["PaginationToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default();
        let end = (start + PAGE_SIZE).min(found.len());
        let next = if end < found.len() { end.to_string() } else { String::new() };
        let body = json!({ "ResourceTagMappingList": found[start..end], "PaginationToken": next });
        let headers = vec![("content-type".into(), "application/x-amz-json-1.1".into())];
        Response { status: 200, headers, body: body.to_string().into_bytes() }
    }
}

/// Whether one of the wanted types, `service` or `service:resource`, is that of this ARN; without any, all are wanted.
fn has_type(wanted: &Value, arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    let kind = resource.split(['/', ':']).next().unwrap_or_default();
    let types = wanted["ResourceTypeFilters"].as_array();
    types.is_none_or(|types| types.iter().any(|t| *t == service || *t == format!("{service}:{kind}")))
}

fn has_tags(wanted: &Value, tags: &BTreeMap<String, String>) -> bool {
    wanted["TagFilters"].as_array().into_iter().flatten().all(|filter| {
        let value = filter["Key"].as_str().and_then(|key| tags.get(key));
        value.is_some_and(|value| filter["Values"].as_array().is_none_or(|values| values.iter().any(|wanted| wanted == value)))
    })
}
