//! Keys of a resource or of other tools, which people write at the top level.

use crate::aws::types::RESOURCE_TYPES;

/// Keys of a resource, and of Terraform, CloudFormation and Kubernetes, with what to write in their place.
const REMEDIES: &[(&[&str], &str)] = &[
    (
        &["timeouts"],
        "`timeouts` belongs to a resource: `resources: { vpc: { main: { timeouts: { create: 2h } } } }`, or below `overrides:`",
    ),
    (&["depends_on", "dependson"], "`depends_on` belongs to a resource; references such as `vpc: main` imply the order already"),
    (&["ignore_changes"], "`ignore_changes` belongs to a resource: `ignore_changes: { fields: [desired_size], reason: … }`"),
    (
        &["lifecycle"],
        "fields of a resource do this: `ignore_changes`, and `on_delete` or `deletion_protection` where data is; acme creates a replacement \
         first wherever AWS allows it",
    ),
    (&["on_delete", "deletion_protection"], "this belongs to a resource, or to the entry of a section"),
    (&["count", "for_each"], "`for_each` belongs to a resource or to an entry: `for_each: [a, b]`, with `{{ each.key }}` in its name"),
    (&["when", "if", "condition"], "`when` belongs to a resource or to an entry: `when: environment == \"production\"`"),
    (
        &["variable", "variables", "vars", "locals", "local", "params"],
        "write `values:` for values of expressions, and `environments:` for those of an environment",
    ),
    (
        &["provider", "providers", "terraform", "required_providers"],
        "acme needs no provider: `region`, `account` and `role` at the top level select the place, `backend` the history",
    ),
    (&["output"], "write `outputs:`, a map of names and expressions"),
    (
        &["data", "data_sources"],
        "write `existing:` for resources that the stack uses and does not own, and `stacks:` for the outputs of another stack",
    ),
    (&["module", "modules"], "write `include:`, a list of files and of modules with their inputs"),
    (&["resource"], "write `resources:`, by type and name: `resources: { vpc: { main: { cidr: 10.0.0.0/16 } } }`"),
    (
        &["awstemplateformatversion", "transform", "mappings", "metadata"],
        "remove it: acme has its own format, which `acme import --from-cloudformation NAME` writes from an existing stack",
    ),
    (
        &["apiversion", "kind", "spec"],
        "remove it: acme has its own format, with `stack:` and `region:` at the top; objects of a cluster are resources of the type \
         `kubernetes_object`",
    ),
    (&["buckets", "bucket", "s3"], "write `storage:`"),
    (&["name"], "write `stack:` for the name of the stack"),
];

/// What to write in place of a key that is no section.
pub(super) fn remedy(key: &str) -> Option<String> {
    if RESOURCE_TYPES.iter().any(|resource_type| resource_type.name == key) {
        return Some(format!("`{key}` is a type of resources: write it below `resources:`"));
    }
    let key = key.to_lowercase();
    REMEDIES.iter().find(|(keys, _)| keys.contains(&key.as_str())).map(|(_, remedy)| (*remedy).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{LoadOptions, Source, TOP_LEVEL_KEYS, load, sections::SECTION_NAMES};

    #[test]
    fn keys_of_other_tools_have_a_remedy() {
        for (keys, remedy) in REMEDIES {
            for key in *keys {
                assert!(!SECTION_NAMES.contains(key) && !TOP_LEVEL_KEYS.contains(key), "{key} is a section");
                let source = Source::new("shop.yaml", format!("stack: shop\nregion: eu-west-1\n{key}: {{ x: 1 }}\n"));
                let problems = load(&source, &LoadOptions::default()).err().expect("there is no such section");
                assert_eq!((problems.len(), problems[0].help.as_deref()), (1, Some(*remedy)), "{key}: {problems:?}");
            }
        }
    }

    /// What a remedy tells to write must exist.
    #[test]
    fn remedies_name_sections() {
        let sections = |text: &str| {
            text.split('`').skip(1).step_by(2).filter_map(|part| part.strip_suffix(':').map(str::to_owned)).collect::<Vec<_>>()
        };
        for name in REMEDIES.iter().flat_map(|(_, remedy)| sections(remedy)) {
            assert!(SECTION_NAMES.contains(&name.as_str()) || TOP_LEVEL_KEYS.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn a_resource_type_belongs_below_resources() {
        assert_eq!(remedy("vpc").as_deref(), Some("`vpc` is a type of resources: write it below `resources:`"));
        assert_eq!(remedy("nonsense"), None);
    }
}
