//! ARNs in policies.

use std::collections::BTreeSet;

use super::condition::parents;
use crate::{
    aws::{partition, services::SERVICES},
    core::{ArnParts, ResourceType, expression::references},
    definition::{DesiredResource, Stack, physical_name},
};

/// Location of ARNs.
pub struct ArnScope<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Region; `*` if none is pinned or given.
    pub region: &'a str,
}

impl ArnScope<'_> {
    /// Account; `*` if none is pinned. An identity policy applies only to its own account, unless another account grants access.
    pub fn account(&self) -> &str {
        self.stack.account.as_deref().unwrap_or("*")
    }

    /// ARNs for a pattern of `kind`, see [`crate::core::IamActions::arn`].
    pub fn arns(&self, kind: &ResourceType, pattern: &str) -> BTreeSet<String> {
        let mut arns = self.expand(kind, pattern, &self.name_patterns(kind));
        // An adopted resource keeps its path. Names are unique in the account, whatever the path.
        if let Some(start) = pattern.strip_suffix("{path}*") {
            for name in self.own_names(kind) {
                arns.extend(self.expand(kind, &format!("{start}{name}"), &BTreeSet::new()));
                arns.extend(self.expand(kind, &format!("{start}*/{name}"), &BTreeSet::new()));
            }
        }
        arns
    }

    /// Names that the definition gives, without the stack's prefix: such resources may be adopted.
    fn own_names(&self, kind: &ResourceType) -> BTreeSet<String> {
        let prefix = self.stack.prefix();
        self.name_patterns(kind).into_iter().filter(|name| !name.contains('*') && !name.starts_with(&prefix)).collect()
    }

    /// Same, limited to the physical names of these resources.
    pub fn arns_of(&self, kind: &ResourceType, pattern: &str, declared: &[&DesiredResource]) -> BTreeSet<String> {
        let mut names: BTreeSet<String> =
            declared.iter().filter_map(|declared| declared.spec.get("name")?.as_str()).map(with_wildcards).collect();
        // Earlier versions generated names without account and region, and these resources keep their names.
        if let Some(naming) = kind.naming.filter(|naming| naming.global) {
            let generated = declared.iter().filter(|declared| declared.has_generated_name);
            names
                .extend(generated.map(|declared| {
                    physical_name(&self.stack.prefix(), &declared.address.name, naming, naming.suffix_for(&declared.spec))
                }));
        }
        self.expand(kind, pattern, &names)
    }

    fn expand(&self, kind: &ResourceType, pattern: &str, names: &BTreeSet<String>) -> BTreeSet<String> {
        let (service, resource) = pattern.split_once(':').unwrap_or((pattern, "*"));
        // Services without resource types, such as CloudWatch Logs, have ARNs with region and account.
        let known = SERVICES.iter().find(|known| known.name == service);
        // Some types have ARNs without a region, such as dashboards; what they use may have one, such as the clusters of a global database.
        let has_no_region = known == Some(&kind.service) && {
            let own = kind.arn.splitn(6, ':').collect::<Vec<_>>();
            matches!(own.as_slice(), [_, _, _, "", _, own] if resource_type_of_arn(own) == resource_type_of_arn(resource))
        };
        let (region, account) = match known.map_or(ArnParts::RegionAndAccount, |known| known.arn_parts) {
            ArnParts::Neither => ("", ""),
            ArnParts::Account => ("", self.account()),
            ArnParts::RegionAndAccount if has_no_region => ("", self.account()),
            ArnParts::RegionAndAccount => (self.region, self.account()),
        };
        let resource = resource
            .replace("{stack}", &self.stack.prefix())
            .replace("{path}", &format!("acme/{}/{}/", self.stack.name, self.stack.environment));
        let whole = |resource: &str| collapse_wildcards(&format!("arn:{}:{service}:{region}:{account}:{resource}", partition(self.region)));
        if resource.contains("{name}") {
            names.iter().map(|name| whole(&resource.replace("{name}", name))).collect()
        } else if resource.contains("{/name}") {
            names.iter().map(|name| whole(&resource.replace("{/name}", name.trim_start_matches('/')))).collect()
        } else if resource.contains("{parent_id}") {
            let outside = parents(self.stack, kind).outside;
            let ids = outside.unwrap_or_else(|| ["*".to_owned()].into());
            ids.iter().map(|id| whole(&resource.replace("{parent_id}", id))).collect()
        } else if resource.contains("{parent}") {
            self.parent_name_patterns(kind).iter().map(|name| whole(&resource.replace("{parent}", name))).collect()
        } else {
            [whole(&resource)].into()
        }
    }

    /// Patterns for the physical names of a type's resources, including those just removed from the definition.
    fn name_patterns(&self, kind: &ResourceType) -> BTreeSet<String> {
        let prefix = format!("{}{}", kind.naming.map_or("", |naming| naming.prefix), self.stack.prefix());
        let declared = self.stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
        let names = declared.filter_map(|declared| declared.spec.get("name")?.as_str()).map(with_wildcards);
        names.filter(|name| !name.starts_with(&prefix)).chain([format!("{prefix}*")]).collect()
    }

    fn parent_name_patterns(&self, kind: &ResourceType) -> BTreeSet<String> {
        let Some(parent) = kind.parent.and_then(crate::aws::types::resource_type) else { return [String::from("*")].into() };
        let own = format!("${{{}.", parent.name);
        let mut of_kind = self.stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
        // A resource referenced by its id has an unknown name.
        if of_kind.any(|declared| !declared.spec.to_string().contains(&own)) { ["*".to_owned()].into() } else { self.name_patterns(parent) }
    }
}

/// The resource type in the last part of an ARN: `cluster` of `cluster:orders`, `dashboard` of `dashboard/orders`.
fn resource_type_of_arn(resource: &str) -> &str {
    resource.split([':', '/']).next().unwrap_or(resource)
}

/// Text with wildcards for values known only after apply.
fn with_wildcards(text: &str) -> String {
    references(text).iter().fold(text.to_owned(), |text, reference| text.replace(reference.text, "*"))
}

fn collapse_wildcards(pattern: &str) -> String {
    let mut text = pattern.to_owned();
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    text
}
