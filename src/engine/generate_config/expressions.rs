//! ARNs and ids in texts, such as those of a policy, as expressions that name the resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::children;
use crate::{
    aws::types,
    core::{Address, LiveResource, ResourceType, expression::for_each_string},
};

/// Placeholders in the patterns of ids that AWS assigns: a text that equals one is no coincidence, as that of a name may be.
const ASSIGNED: [&str; 4] = ["{arn}", "{hex", "{uuid}", "{upper14}"];

/// Resources that texts can name by ARN or id.
pub(super) struct Named<'a> {
    known: &'a [(Address, &'a LiveResource)],
    /// Index of the resource and output, by text; `None` if several resources have the text.
    by_text: BTreeMap<&'a str, Option<(usize, &'static str)>>,
    /// Region of the definition's resource.
    region: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(super) fn new(known: &'a [(Address, &'a LiveResource)], region: Option<&'a str>) -> Named<'a> {
        let mut by_text: BTreeMap<&str, Option<(usize, &'static str)>> = BTreeMap::new();
        for (index, (address, live)) in known.iter().enumerate() {
            let is_plain = address.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            let Some(kind) = types::resource_type(&live.type_name).filter(|_| is_plain) else { continue };
            for (text, output) in texts(kind, live) {
                by_text.entry(text).and_modify(|other| *other = None).or_insert(Some((index, output)));
            }
        }
        Named { known, by_text, region }
    }

    /// Resource, output, and the rest of a text that begins with its ARN.
    fn find<'t>(&self, text: &'t str) -> Option<(usize, &'static str, &'t str)> {
        let ends = text.match_indices(['/', ':']).map(|(at, _)| at).filter(|_| text.starts_with("arn:"));
        let ends: Vec<usize> = ends.chain([text.len()]).collect();
        ends.into_iter().rev().find_map(|end| {
            let (index, output) = (*self.by_text.get(&text[..end])?)?;
            let is_reachable = output == "arn" || self.known[index].1.region.as_deref() == self.region;
            is_reachable.then_some((index, output, &text[end..]))
        })
    }

    /// Resources that a resource refers to, or names in a text.
    fn targets(&self, live: &LiveResource) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for_each_string(&live.spec, &mut |text| found.extend(self.find(text).map(|(index, ..)| index)));
        let references = types::resource_type(&live.type_name).map(|kind| kind.references(&live.spec)).unwrap_or_default();
        for reference in references {
            let is_meant = |other: &LiveResource| {
                other.type_name == reference.type_name && (other.id == reference.value || other.arn() == Some(reference.value.as_str()))
            };
            found.extend(self.known.iter().position(|(_, other)| is_meant(other)));
        }
        found
    }

    /// Whether a resource leads to another one.
    fn leads_to(&self, from: usize, to: &Address) -> bool {
        let (mut open, mut seen) = (vec![from], BTreeSet::new());
        while let Some(index) = open.pop() {
            if self.known[index].0 == *to {
                return true;
            }
            if seen.insert(index) {
                open.extend(self.targets(self.known[index].1));
            }
        }
        false
    }

    /// Replaces ARNs and ids in texts by expressions, unless a resource that they name depends on this one, or `means_the_same` refuses.
    pub(super) fn insert_expressions(&self, whole: &mut Value, own: &Address, means_the_same: &impl Fn(&Value) -> bool) {
        let mut places = Vec::new();
        self.collect(whole, "", &mut places);
        let mut written = Vec::new();
        for (at, index, output, rest) in places {
            let (address, _) = &self.known[index];
            if self.leads_to(index, own) {
                continue;
            }
            let mut named = whole.clone();
            if let Some(value) = named.pointer_mut(&at) {
                *value = Value::String(format!("${{{address}.{output}}}{rest}"));
            }
            if means_the_same(&named) {
                *whole = named;
                written.push((at, format!("{{{{ {address}.{output} }}}}{rest}")));
            }
        }
        for (at, text) in written {
            if let Some(value) = whole.pointer_mut(&at) {
                *value = Value::String(text);
            }
        }
    }

    /// Places of ARNs and ids, each with the resource, the output, and the rest of the text.
    fn collect(&self, whole: &Value, at: &str, places: &mut Vec<(String, usize, &'static str, String)>) {
        if let Some(text) = whole.pointer(at).and_then(Value::as_str) {
            places.extend(self.find(text).map(|(index, output, rest)| (at.to_owned(), index, output, rest.to_owned())));
        }
        for (_, below) in children(whole, at) {
            self.collect(whole, &below, places);
        }
    }
}

/// Texts that mean a resource, each with its output.
fn texts<'a>(kind: &ResourceType, live: &'a LiveResource) -> Vec<(&'a str, &'static str)> {
    let arn = live.outputs.get("arn").and_then(Value::as_str);
    let is_assigned = ASSIGNED.iter().any(|placeholder| kind.id.contains(placeholder));
    let id = Some(live.id.as_str()).filter(|id| is_assigned && Some(*id) != arn);
    arn.map(|arn| (arn, "arn")).into_iter().chain(id.map(|id| (id, "id"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(kind: &str, id: &str, arn: &str, spec: Value) -> LiveResource {
        LiveResource { outputs: json!({ "arn": arn }).into(), ..LiveResource::ready(kind, id, spec) }
    }

    #[test]
    fn names_resources_in_texts_without_cycles() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:orders";
        let bucket =
            live("s3_bucket", "files", "arn:aws:s3:::files", json!({ "policy": { "Resource": "arn:aws:s3:::files/*", "Queue": queue } }));
        let orders = live("sqs_queue", "https://sqs/orders", queue, json!({}));
        let role = live("iam_role", "web", "arn:aws:iam::123456789012:role/web", json!({}));
        let key = live(
            "kms_key",
            "0123",
            "arn:aws:kms:eu-west-1:123456789012:key/0123",
            json!({ "policy": "arn:aws:iam::123456789012:role/web" }),
        );
        let known = [
            (Address::new("s3_bucket", "files"), &bucket),
            (Address::new("sqs_queue", "orders"), &orders),
            (Address::new("iam_role", "web"), &role),
            (Address::new("kms_key", "main"), &key),
        ];
        let named = Named::new(&known, None);
        let mut policy = json!({ "Resource": ["arn:aws:s3:::files/*", "arn:aws:s3:::files-2", queue, "0123", "web"], "Key": key.arn() });
        named.insert_expressions(&mut policy, &Address::new("iam_role", "web"), &|_| true);
        // The key depends on the role, and a name may be a coincidence.
        let expected = json!({
            "Resource": ["{{ s3_bucket.files.arn }}/*", "arn:aws:s3:::files-2", "{{ sqs_queue.orders.arn }}", "0123", "web"], "Key": key.arn(),
        });
        assert_eq!(policy, expected);
        let mut own = bucket.spec["policy"].clone();
        named.insert_expressions(&mut own, &Address::new("s3_bucket", "files"), &|_| true);
        assert_eq!(own, json!({ "Resource": "arn:aws:s3:::files/*", "Queue": "{{ sqs_queue.orders.arn }}" }));
        named.insert_expressions(&mut own, &Address::new("s3_bucket", "other"), &|_| false);
        assert_eq!(own["Resource"], "arn:aws:s3:::files/*");
    }
}
