//! What a person has to do before a resource can become ready.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    aws::types,
    core::{Address, LiveResource},
    definition::Stack,
};

/// Instructions about the dependencies of a resource, direct and indirect: the name servers of a zone, for a certificate in it.
pub(super) fn handovers(stack: &Stack, live: &BTreeMap<Address, LiveResource>, address: &Address) -> Vec<String> {
    let (mut left, mut seen, mut found) = (vec![address.clone()], BTreeSet::new(), Vec::new());
    while let Some(next) = left.pop() {
        let Some(declared) = stack.resources.get(&next) else { continue };
        let new: Vec<Address> = declared.depends_on.iter().filter(|need| seen.insert((*need).clone())).cloned().collect();
        for need in &new {
            let instruction =
                types::resource_type(&need.type_name).zip(live.get(need)).and_then(|(kind, live)| expand(kind.handover, live));
            found.extend(instruction.map(|text| format!("{need}: {text}")));
        }
        left.extend(new);
    }
    found
}

/// The instruction of a resource that waits, and those about its dependencies.
pub(super) fn with_handovers(instruction: &str, handovers: &[String]) -> String {
    std::iter::once(instruction).chain(handovers.iter().map(String::as_str)).collect::<Vec<_>>().join("; ")
}

/// Instruction with the fields and outputs of a resource; `None` if there is none, or a value is missing.
fn expand(pattern: &str, live: &LiveResource) -> Option<String> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (mut text, mut rest) = (String::new(), Some(pattern).filter(|pattern| !pattern.is_empty())?);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let value = match live.output(name)? {
            Value::Array(values) if values.is_empty() => return None,
            Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(", "),
            value => word(&value),
        };
        text.push_str(before);
        text.push_str(&value);
        rest = after;
    }
    Some(text + rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_name_servers_of_a_public_zone() {
        let kind = types::resource_type("dns_zone").expect("a type");
        let zone = |servers: Value| LiveResource {
            outputs: json!({ "name_servers": servers }).into(),
            ..LiveResource::ready("dns_zone", "Z1", json!({ "domain": "shop.example.com" }))
        };
        let text = expand(kind.handover, &zone(json!(["ns-1.example.com", "ns-2.example.com"]))).expect("an instruction");
        assert!(text.contains("`shop.example.com`") && text.ends_with("to ns-1.example.com, ns-2.example.com"), "{text}");
        assert_eq!(expand(kind.handover, &zone(json!([]))), None, "a private zone");
        assert_eq!(expand("", &zone(json!([]))), None);
    }
}
