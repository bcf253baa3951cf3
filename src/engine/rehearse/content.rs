//! Compares two simulated clouds: exactly, or except for the ids of recreated resources.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    aws::types,
    core::{ADDRESS_TAG, ENVIRONMENT_TAG, OneWay, STACK_TAG, expression},
};

/// Content of a simulated cloud: [`crate::simulator::Local::dump`].
pub type CloudContents = BTreeMap<String, Value>;

/// Result of comparing two contents.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// Equal.
    Same,
    /// Equal, but some resources were recreated with another id.
    Recreated,
    /// Not equal.
    Different(Vec<Difference>),
}

/// Difference from the expected content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "difference")]
pub enum Difference {
    /// It exists unexpectedly.
    LeftOver {
        /// Address, or type and id.
        resource: String,
        /// Type and physical id.
        id: String,
    },
    /// It is missing.
    Missing {
        /// Address, or type and id.
        resource: String,
    },
    /// It exists, but differs.
    Differs {
        /// Address, or type and id.
        resource: String,
        /// JSON pointers.
        pointers: Vec<String>,
    },
}

/// Compares the actual with the expected content.
pub fn compare(wanted: &CloudContents, found: &CloudContents) -> Comparison {
    if wanted == found {
        return Comparison::Same;
    }
    let (names_wanted, names_found) = match_assigned_names(wanted, found);
    let several = has_several_stacks([wanted, found]);
    let (wanted, found) = (with_stable_names(wanted, &names_wanted, several), with_stable_names(found, &names_found, several));
    if wanted.iter().map(|(name, (_, value))| (name, value)).eq(found.iter().map(|(name, (_, value))| (name, value))) {
        return Comparison::Recreated;
    }
    let all: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differences = all.into_iter().filter_map(|resource| {
        let resource = resource.clone();
        match (wanted.get(&resource), found.get(&resource)) {
            (None, Some((id, _))) => Some(Difference::LeftOver { resource, id: id.clone() }),
            (Some(_), None) => Some(Difference::Missing { resource }),
            (Some((_, wanted)), Some((_, found))) => {
                let mut pointers = Vec::new();
                collect_differences(wanted, found, String::new(), &mut pointers);
                (!pointers.is_empty()).then_some(Difference::Differs { resource, pointers })
            }
            (None, None) => None,
        }
    });
    Comparison::Different(differences.collect())
}

/// Expected content after a rollback: the previous one, except for changes that AWS can't reverse.
pub fn expected_after_rollback(before: &CloudContents, after: &CloudContents, found: &CloudContents) -> CloudContents {
    let mut expected = before.clone();
    for (key, value) in &mut expected {
        let kind = key.split_once('/').and_then(|(kind, _)| types::resource_type(kind));
        for OneWay { field: at, .. } in kind.into_iter().flat_map(|kind| &kind.one_way) {
            let made = |content: &CloudContents| content.get(key).and_then(|value| value["spec"].pointer(at)).cloned();
            if let (Some(left), Some(field)) =
                (made(found).filter(|left| made(after).as_ref() == Some(left)), value["spec"].pointer_mut(at))
            {
                *field = left;
            }
        }
    }
    expected
}

/// Name assigned by AWS → its resource.
type AssignedNames = BTreeMap<String, String>;

/// Id in the key of a resource of another region than the stack's: `queue in us-east-1`.
fn without_region(id: &str) -> &str {
    let is_region = |text: &str| text.contains('-') && text.ends_with(|c: char| c.is_ascii_digit()) && !text.contains(' ');
    id.rsplit_once(" in ").filter(|(_, region)| is_region(region)).map_or(id, |(id, _)| id)
}

/// Names of the same resource in both contents, if they differ.
fn match_assigned_names(one: &CloudContents, other: &CloudContents) -> (AssignedNames, AssignedNames) {
    let (mut names_one, mut names_other) = (AssignedNames::new(), AssignedNames::new());
    let (texts_one, texts_other) = (all_strings(one), all_strings(other));
    let several = has_several_stacks([one, other]);
    let others = by_address(other, several);
    for (address, (id, value)) in by_address(one, several) {
        let Some((other_id, other_value)) = others.get(&address) else { continue };
        let mut pair = |path: &str, a: &str, b: &str| {
            // A name known in both contents has different meanings, or refers to a deleted resource.
            if a != b && !texts_other.contains(a) && !texts_one.contains(b) {
                names_one.entry(a.to_owned()).or_insert_with(|| format!("<{address}{path}>"));
                names_other.entry(b.to_owned()).or_insert_with(|| format!("<{address}{path}>"));
            }
        };
        pair("", id, other_id);
        for_each_string_pair(&value["outputs"], &other_value["outputs"], "", &mut pair);
    }
    (names_one, names_other)
}

fn all_strings(content: &CloudContents) -> BTreeSet<&str> {
    let mut texts = BTreeSet::new();
    content.values().for_each(|value| {
        expression::for_each_string(value, &mut |text| {
            texts.insert(text);
        })
    });
    texts
}

/// Address of a resource; with the stack, if it is not the only one in the folder: each has addresses of its own.
fn address_in(value: &Value, has_several_stacks: bool) -> Option<String> {
    let tag = |key: &str| value["tags"][key].as_str();
    let address = tag(ADDRESS_TAG)?;
    Some(match has_several_stacks {
        true => format!("{address} of {} ({})", tag(STACK_TAG).unwrap_or_default(), tag(ENVIRONMENT_TAG).unwrap_or_default()),
        false => address.to_owned(),
    })
}

/// Whether the resources belong to several stacks or environments.
fn has_several_stacks(contents: [&CloudContents; 2]) -> bool {
    let owner = |value: &Value| (value["tags"][STACK_TAG].clone(), value["tags"][ENVIRONMENT_TAG].clone());
    let mut owners = contents.into_iter().flat_map(BTreeMap::values).filter(|value| value["tags"][ADDRESS_TAG].is_string()).map(owner);
    let first = owners.next();
    owners.any(|other| Some(&other) != first.as_ref())
}

/// Address → id and resource, for addresses with exactly one resource.
fn by_address(content: &CloudContents, has_several_stacks: bool) -> BTreeMap<String, (&str, &Value)> {
    let mut found: BTreeMap<String, Option<(&str, &Value)>> = BTreeMap::new();
    for (key, value) in content {
        let (Some(address), Some((_, id))) = (address_in(value, has_several_stacks), key.split_once('/')) else { continue };
        let id = without_region(id);
        found.entry(address).and_modify(|known| *known = None).or_insert(Some((id, value)));
    }
    found.into_iter().filter_map(|(address, resource)| Some((address, resource?))).collect()
}

fn for_each_string_pair(one: &Value, other: &Value, path: &str, pair: &mut impl FnMut(&str, &str, &str)) {
    match (one, other) {
        (Value::String(a), Value::String(b)) => pair(path, a, b),
        (Value::Array(a), Value::Array(b)) => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                for_each_string_pair(a, b, &format!("{path}/{number}"), pair);
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            // AWS may assign keys, too: names of records, which differ in their first label.
            let sorted = |map: &Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort_by_key(|key| key.chars().rev().collect::<String>());
                keys
            };
            for (number, (key, other_key)) in sorted(a).iter().zip(sorted(b)).enumerate() {
                let path = if *key == other_key { format!("{path}/{key}") } else { format!("{path}/{number}") };
                pair(&format!("{path} key"), key, &other_key);
                for_each_string_pair(&a[key], &b[&other_key], &path, pair);
            }
        }
        _ => {}
    }
}

/// Address, or type and id → type and id, and the resource with all names replaced.
fn with_stable_names(content: &CloudContents, names: &AssignedNames, has_several_stacks: bool) -> BTreeMap<String, (String, Value)> {
    let mut named = BTreeMap::new();
    // A name may contain a shorter one.
    let mut longest: Vec<(&String, &String)> = names.iter().collect();
    longest.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (key, value) in content {
        let mut unique = address_in(value, has_several_stacks).unwrap_or_else(|| key.clone());
        while named.contains_key(&unique) {
            unique.push_str(" (a second one)");
        }
        // AWS assigns outputs; references to them must be consistent.
        let said = json!({ "spec": value["spec"], "tags": value["tags"], "phase": value["phase"] });
        named.insert(unique, (key.clone(), replace_names(&said, names, &longest)));
    }
    named
}

/// Minimum length of names that may be part of a text: `10.0.0.1` is part of `10.0.0.12`.
const MIN_DISTINCT_LENGTH: usize = 16;

fn replace_names(value: &Value, names: &AssignedNames, longest: &[(&String, &String)]) -> Value {
    let text = |text: &str| match names.get(text) {
        Some(name) => name.clone(),
        None => longest
            .iter()
            .filter(|(old, _)| old.len() >= MIN_DISTINCT_LENGTH)
            .fold(text.to_owned(), |text, (old, new)| if text.contains(old.as_str()) { text.replace(old.as_str(), new) } else { text }),
    };
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(|value| replace_names(value, names, longest)).collect();
            // Sets of ids are sorted by id.
            list.sort_by_key(Value::to_string);
            Value::Array(list)
        }
        Value::Object(map) => map.iter().map(|(key, value)| (text(key), replace_names(value, names, longest))).collect(),
        other => other.clone(),
    }
}

fn collect_differences(wanted: &Value, found: &Value, at: String, all: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                collect_differences(&of(one), &of(other), format!("{at}/{key}"), all);
            }
        }
        _ if wanted != found => all.push(at),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(vpc: &str, subnets: &[(&str, &str)]) -> CloudContents {
        let tags = |address: &str| json!({ ADDRESS_TAG: address });
        let mut content = CloudContents::new();
        let arn = |id: &str| json!({ "arn": format!("arn:aws:ec2:eu-west-1:123456789012:vpc/{id}") });
        content.insert(format!("vpc/{vpc}"), json!({ "spec": {}, "tags": tags("vpc.main"), "outputs": arn(vpc) }));
        for (address, id) in subnets {
            content.insert(format!("subnet/{id}"), json!({ "spec": { "vpc": { "id": vpc } }, "tags": tags(address), "outputs": {} }));
        }
        let of = format!("arn:aws:ec2:eu-west-1:123456789012:vpc/{vpc}/*");
        content.insert("iam_role/r".into(), json!({ "spec": { "policy": of }, "tags": tags("iam_role.r"), "outputs": {} }));
        content
    }

    #[test]
    fn treats_recreated_resources_with_new_ids_as_equal() {
        let one = content("vpc-00000000000000001", &[("subnet.a", "subnet-1"), ("subnet.b", "subnet-2")]);
        assert_eq!(compare(&one, &one), Comparison::Same);
        let recreated = content("vpc-00000000000000002", &[("subnet.a", "subnet-3"), ("subnet.b", "subnet-2")]);
        assert_eq!(compare(&one, &recreated), Comparison::Recreated);
    }

    #[test]
    fn keeps_the_resources_of_several_stacks_apart() {
        let of = |stack: &str, id: &str| {
            json!({
                "spec": { "id": id }, "outputs": { "arn": format!("arn:aws:ec2:eu-west-1:123456789012:vpc/{id}") },
                "tags": { ADDRESS_TAG: "vpc.main", STACK_TAG: stack, ENVIRONMENT_TAG: "default" },
            })
        };
        let content = |shop: &str, blog: &str| -> CloudContents {
            [(format!("vpc/{shop}"), of("shop", shop)), (format!("vpc/{blog}"), of("blog", blog))].into()
        };
        let one = content("vpc-00000000000000001", "vpc-00000000000000002");
        assert_eq!(compare(&one, &content("vpc-00000000000000003", "vpc-00000000000000002")), Comparison::Recreated);
        let gone: CloudContents = one.clone().into_iter().skip(1).collect();
        let missing = vec![Difference::Missing { resource: "vpc.main of shop (default)".into() }];
        assert_eq!(compare(&one, &gone), Comparison::Different(missing));
    }

    #[test]
    fn reports_leftover_missing_and_differing_resources() {
        let one = content("vpc-00000000000000001", &[("subnet.a", "subnet-1"), ("subnet.b", "subnet-2")]);
        let mut other = content("vpc-00000000000000002", &[("subnet.b", "subnet-2"), ("subnet.b", "subnet-3"), ("subnet.c", "subnet-4")]);
        other.insert("iam_role/r".into(), one["iam_role/r"].clone());
        let Comparison::Different(differences) = compare(&one, &other) else { panic!("they differ") };
        let resource = |name: &str| name.to_owned();
        assert_eq!(
            differences,
            [
                Difference::Differs { resource: resource("iam_role.r"), pointers: vec!["/spec/policy".into()] },
                Difference::Missing { resource: resource("subnet.a") },
                Difference::LeftOver { resource: resource("subnet.b (a second one)"), id: "subnet/subnet-3".into() },
                Difference::LeftOver { resource: resource("subnet.c"), id: "subnet/subnet-4".into() },
            ]
        );
    }
}
