//! Regions of single resources.

use serde_json::Value;

use super::{
    DesiredResource, Stack,
    compiler::{Compiler, scalar_text},
    diagnostic::Diagnostic,
    draft::Draft,
    nearest::nearest,
    source::child_pointer,
};
use crate::core::{Address, expression::references, is_region_name};

/// Areas and directions in the names of regions, which new regions share: the expressions for regions in `partitions.json` of the AWS SDKs.
const AREAS: [&str; 16] =
    ["af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov", "us-iso", "us-isob", "us-isof"];
const DIRECTIONS: [&str; 9] = ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// Checks a region's name, such as `eu-west-1`. Returns the region probably meant, for later checks, or `None` if that is unclear.
pub fn check_name(c: &mut Compiler<'_>, at: &str, name: String) -> Option<String> {
    let parts: Vec<&str> = name.split('-').collect();
    if let (true, [area @ .., direction, number]) = (is_region_name(&name), parts.as_slice()) {
        let area = area.join("-");
        let (near_area, near_direction) = (nearest(&area, AREAS), nearest(direction, DIRECTIONS));
        if AREAS.contains(&area.as_str()) && DIRECTIONS.contains(direction) {
            return Some(name);
        }
        let near = near_area.zip(near_direction).map(|(area, direction)| format!("{area}-{direction}-{number}"));
        let help = near.as_ref().map_or_else(|| "a region looks like `eu-west-1`".into(), |near| format!("did you mean `{near}`?"));
        c.problem("region", at, format!("`{name}` is not a valid region"), help);
        return near;
    }
    let zone = name.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    let help = zone.map_or_else(|| "a region looks like `eu-west-1`".into(), |region| format!("this is a zone: write `{region}`"));
    c.problem("region", at, format!("`{name}` is not a valid region"), help);
    zone.map(str::to_owned)
}

/// Takes `region` from the fields of a resource. Returns the region if it is not the stack's.
pub fn take(c: &mut Compiler<'_>, draft: &mut Draft, stack: &Stack) -> Option<String> {
    let kind = draft.resource_type;
    let shown = format!("`{}.{}`", kind.name, draft.name);
    let at = draft.definition_pointer("/region");
    if kind.is_global() {
        // A DNS record has a field of this name.
        if kind.schema().pointer("/properties/region").is_none() && draft.spec.remove("region").is_some_and(|value| !value.is_null()) {
            let message = format!("`region` has no effect on {shown}, because AWS's service for it is global");
            c.problem_at_key("region", &at, message, "remove the line");
        }
        return None;
    }
    let value = draft.spec.remove("region").filter(|value| !value.is_null())?;
    let Some(text) = scalar_text(&value) else {
        c.problem("region", &at, format!("the region of {shown} must be text"), "write `region: us-east-1`");
        return None;
    };
    if text.contains("${") {
        let message = format!("the region of {shown} can't contain a reference: it is needed before resources are read");
        c.problem("region", &at, message, "write the region, or use a value");
        return None;
    }
    let region = check_name(c, &at, text)?;
    let Some(home) = &stack.region else {
        let message = format!("{shown} has a region, but the stack has none");
        c.problem("region", &at, message, "add the stack's own `region:` at the top level");
        return None;
    };
    let partition = |region: &str| crate::aws::partition(region);
    if partition(home) != partition(&region) {
        let message = format!("the region `{region}` of {shown} is in another partition of AWS than the stack's region `{home}`");
        c.problem("region", &at, message, "a stack has one account, and an account is in one partition");
        return None;
    }
    if let Some(fixed) = kind.fixed_region(&Value::Object(draft.spec.clone()), home).filter(|fixed| *fixed != region) {
        let message = format!("{shown} can only be in {fixed}");
        c.problem("region", &at, message, "remove the line");
        return None;
    }
    Some(region).filter(|region| region != home)
}

/// Reports references by id to resources of another region. ARNs contain their region, and some services accept those of another.
pub fn check_references(c: &mut Compiler<'_>, stack: &Stack) {
    for declared in stack.resources.values() {
        let mut wrong = Vec::new();
        collect_ids(&declared.spec, "", &mut |pointer, text| {
            let targets = references(text).into_iter().filter(|reference| reference.output == "id");
            let others = targets.filter_map(|reference| stack.resources.get(&Address::new(reference.type_name, reference.name)));
            wrong.extend(others.filter(|other| has_unreachable_id(declared, other)).map(|other| (pointer.to_owned(), other)));
        });
        for (pointer, other) in wrong {
            let name = |one: &DesiredResource| one.region.clone().or(stack.region.clone()).unwrap_or_default();
            let message = format!("`{}` can't use `{}` of region {} from {}", declared.address, other.address, name(other), name(declared));
            let at = c.value_range(&format!("{}{pointer}", declared.pointer)).or_else(|| c.key_range(&declared.pointer));
            let problem = Diagnostic::new("other-region", message).at(at);
            c.problems.push(problem.help("set the same `region` for both, or refer to a resource of the same region"));
        }
    }
}

/// Whether the id of another resource means nothing in the region of this one.
fn has_unreachable_id(declared: &DesiredResource, other: &DesiredResource) -> bool {
    other.resource_type.id != "{arn}" && !other.resource_type.is_global() && other.region != declared.region
}

/// Calls `act` for every reference by id, `{"id": …}`, and its pointer.
fn collect_ids<'a>(value: &'a Value, at: &str, act: &mut impl FnMut(&str, &'a str)) {
    match value {
        Value::Object(map) => match map.get("id").and_then(Value::as_str).filter(|_| map.len() == 1) {
            Some(text) => act(at, text),
            None => map.iter().for_each(|(key, value)| collect_ids(value, &child_pointer(at, key), act)),
        },
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| collect_ids(value, &format!("{at}/{index}"), act)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LoadOptions, Source, load};
    use crate::core::{Address, REGION_TAG};

    /// Problems of a definition with these resources: line, code and message.
    fn problems(resources: &str) -> Vec<(usize, String, String)> {
        let source = Source::new("stack.yaml", format!("stack: shop\nregion: eu-west-1\nresources:\n{resources}"));
        let found = load(&source, &LoadOptions::default()).err().unwrap_or_default();
        let line = |range: &std::ops::Range<usize>| source.text[..range.start].matches('\n').count() + 1;
        found.into_iter().map(|problem| (problem.range.as_ref().map_or(0, line), problem.code.into_owned(), problem.message)).collect()
    }

    #[test]
    fn reports_ids_of_another_region_at_their_line() {
        let found = problems(
            "  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a:
      cidr: 10.0.0.0/24
      availability_zone: us-east-1a
      region: us-east-1
      vpc: main
",
        );
        let message = "`subnet.a` can't use `vpc.main` of region eu-west-1 from us-east-1";
        assert_eq!(found, [(10, "other-region".to_owned(), message.to_owned())]);
    }

    #[test]
    fn accepts_arns_of_another_region_and_global_resources() {
        let found = problems(
            "  kms_key: { there: { region: us-east-1 } }
  iam_role:
    app: { trust: { services: [ec2.amazonaws.com] } }
  iam_policy:
    keys: { document: { Statement: [{ Effect: Allow, Action: 'kms:Decrypt', Resource: '{{ kms_key.there.arn }}' }] } }
",
        );
        assert_eq!(found, []);
    }

    #[test]
    fn rejects_regions_that_make_no_sense() {
        let role = "{ services: [ec2.amazonaws.com] }";
        let at = |resources: &str| problems(resources).into_iter().map(|(line, code, _)| format!("{line} {code}")).collect::<Vec<_>>();
        assert_eq!(at("  kms_key: { a: { region: us-east-1a } }\n"), ["4 region"]);
        assert_eq!(at("  kms_key: { a: { region: eu-wst-1 } }\n"), ["4 region"]);
        assert_eq!(at("  kms_key: { a: { region: '{{ vpc.main.id }}' } }\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n"), ["4 region"]);
        assert_eq!(at("  kms_key: { a: { region: cn-north-1 } }\n"), ["4 region"]);
        assert_eq!(at(&format!("  iam_role: {{ a: {{ region: us-east-1, trust: {role} }} }}\n")), ["4 region"]);
        assert_eq!(at("  waf_web_acl: { a: { scope: cloudfront, region: eu-central-1 } }\n"), ["4 region"]);
        let unpinned = Source::new("stack.yaml", "stack: shop\nresources:\n  kms_key: { a: { region: us-east-1 } }\n");
        assert_eq!(
            load(&unpinned, &LoadOptions::default()).err().map(|found| found[0].code.clone().into_owned()),
            Some("region".to_owned())
        );
    }

    #[test]
    fn regions_follow_from_the_definition_and_the_stack() {
        let text = "
stack: shop
region: eu-west-1
values: { copies: us-east-1 }
resources:
  kms_key: { here: {}, also-here: { region: eu-west-1 }, there: { region: '{{ copies }}' } }
  waf_web_acl: { cdn: { scope: cloudfront }, web: {} }
  dns_zone: { main: { domain: example.com } }
";
        let mut stack = load(&Source::new("stack.yaml", text), &LoadOptions::default()).expect("a valid definition");
        let region = |stack: &super::Stack, kind: &str, name: &str| stack.resources[&Address::new(kind, name)].region.clone();
        let expected = [("here", None), ("also-here", None), ("there", Some("us-east-1"))];
        assert!(expected.into_iter().all(|(name, expected)| region(&stack, "kms_key", name).as_deref() == expected));
        assert_eq!(region(&stack, "waf_web_acl", "cdn").as_deref(), Some("us-east-1"));
        assert_eq!(region(&stack, "waf_web_acl", "web"), None);
        assert_eq!(stack.resources[&Address::new("dns_zone", "main")].tags[REGION_TAG], "eu-west-1");
        stack.set_region("us-east-1");
        assert_eq!(region(&stack, "waf_web_acl", "cdn"), None);
    }

    /// The common field would hide it.
    #[test]
    fn no_regional_type_has_a_field_for_the_region() {
        let has_field = |kind: &crate::core::ResourceType| kind.schema().pointer("/properties/region").is_some();
        let kinds = crate::aws::types::RESOURCE_TYPES.iter().filter(|kind| !kind.is_global() && has_field(kind));
        assert_eq!(kinds.map(|kind| kind.name).collect::<Vec<_>>(), [""; 0]);
    }
}
