//! Plans in the format of `terraform show -json`, for tools that read it: Checkov, conftest, Infracost.
//!
//! The format: <https://developer.hashicorp.com/terraform/internals/json-format>. The output has the parts that tools need: planned values,
//! changes, and the configuration with its references.

mod aurora;
mod bucket_parts;
mod cache;
mod classic;
mod cloud_control;
mod cloudfront;
mod cloudfront_policies;
mod compute;
mod databases;
mod delivery;
mod edge;
mod files;
mod firewall;
mod firewall_statement;
mod identity;
mod in_cluster;
mod keys;
mod kubernetes;
mod logs;
mod mapping;
mod messaging;
mod migration;
mod monitoring;
mod network;
mod network_borders;
mod operations;
mod registries;
mod scaling;
pub mod state;
mod storage;
mod tables;
mod traffic;
mod transit_gateways;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use self::{
    mapping::{ResourceContext, Translation, TypeMapping, type_mapping},
    values::{expressions, known_values, unknown_values},
};
use super::AddressNames;
use crate::{
    aws::types,
    core::{
        Address, RegionScope, Tags,
        expression::{Reference, references, resolve},
    },
    definition::Stack,
    engine::{
        discover::visible_tags,
        plan::{Action, Change, Plan, ReplacementOrder},
    },
};

/// Terraform version whose format this is.
const TERRAFORM_VERSION: &str = "1.11.4";
const REGISTRY: &str = "registry.terraform.io/hashicorp";

/// A plan in Terraform's format.
pub struct Export {
    /// The document.
    pub document: Value,
    /// Resources of types that have no counterpart in Terraform.
    pub unsupported: Vec<Address>,
}

/// A resource in Terraform.
struct TerraformResource {
    terraform_type: &'static str,
    name: String,
    values: Value,
}

/// Terraform resources of one resource of the stack, by Terraform address.
type Resources = BTreeMap<String, TerraformResource>;

/// The whole plan.
///
/// # Errors
/// Fails if a spec does not match its type.
pub fn plan(plan: &Plan, stack: &Stack) -> serde_json::Result<Export> {
    let translator = Translator::new(plan);
    let (mut changes, mut prior, mut planned, mut configuration) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut left_out = Vec::new();
    for change in &plan.changes {
        let Some(entry) = type_mapping(&change.address.type_name) else {
            left_out.push(change.address.clone());
            continue;
        };
        let declared = stack.resources.get(&change.address);
        let tags = declared.map(|declared| declared.tags.clone()).unwrap_or_default();
        let before = match &change.before {
            Some(live) => translator.resolved_resources(
                change,
                entry,
                (live.region.as_deref(), &live.spec),
                &visible_tags(&live.tags, &tags),
                prior_lookup(&translator.changes),
            )?,
            None => Resources::new(),
        };
        let after = match (change.action, &change.before, declared) {
            (Action::Delete | Action::Forget, ..) => Resources::new(),
            (Action::None | Action::Update, Some(live), _) => {
                let tags = if change.action == Action::None { visible_tags(&live.tags, &tags) } else { tags };
                translator.resolved_resources(
                    change,
                    entry,
                    (live.region.as_deref(), &with_planned_changes(&live.spec, change)),
                    &tags,
                    stable_lookup(&translator.changes),
                )?
            }
            (_, _, Some(declared)) => translator.resolved_resources(
                change,
                entry,
                (declared.region.as_deref(), &declared.spec),
                &tags,
                stable_lookup(&translator.changes),
            )?,
            _ => Resources::new(),
        };
        if let Some(declared) = declared {
            let translation = (entry.to_terraform)(&declared.spec, &translator.context(&change.address, declared.region.as_deref()))?;
            configuration.extend(
                translator.terraform_resources(change, translation).iter().map(|(at, one)| translator.resource_configuration(at, one)),
            );
        }
        prior.extend(before.iter().map(|(at, one)| resource_state(at, one)));
        planned.extend(after.iter().map(|(at, one)| resource_state(at, one)));
        let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        changes.extend(all.into_iter().filter_map(|at| resource_change(change, at, before.get(at), after.get(at))));
    }
    let others = configuration.iter().filter_map(|resource| resource["type"].as_str()).map(provider_key).filter(|key| *key != "aws");
    let mut providers: Map<String, Value> =
        others.map(|key| (key.to_owned(), json!({ "name": key, "full_name": format!("{REGISTRY}/{key}") }))).collect();
    let region = json!({ "region": { "constant_value": plan.region } });
    providers.insert("aws".to_owned(), json!({ "name": "aws", "full_name": format!("{REGISTRY}/aws"), "expressions": region }));
    let document = json!({
        "format_version": "1.2",
        "terraform_version": TERRAFORM_VERSION,
        "planned_values": { "root_module": { "resources": planned } },
        "resource_changes": changes,
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": TERRAFORM_VERSION,
            "values": { "root_module": { "resources": prior } },
        },
        "configuration": {
            "provider_config": providers,
            "root_module": { "resources": configuration },
        },
        "errored": !plan.obstacles.is_empty(),
    });
    Ok(Export { document, unsupported: left_out })
}

/// Current values.
fn prior_lookup(changes: &HashMap<&Address, &Change>) -> impl Fn(&Reference<'_>) -> Option<Value> {
    |reference| changes.get(&Address::new(reference.type_name, reference.name))?.before.as_ref()?.output(reference.output)
}

/// Current and planned values.
fn stable_lookup(changes: &HashMap<&Address, &Change>) -> impl Fn(&Reference<'_>) -> Option<Value> {
    |reference| {
        let change = changes.get(&Address::new(reference.type_name, reference.name))?;
        let live = change.before.as_ref().filter(|_| matches!(change.action, Action::None | Action::Update))?;
        live.output(reference.output)
    }
}

/// Live spec merged with an update.
fn with_planned_changes(live: &Value, change: &Change) -> Value {
    let mut spec = live.clone();
    for field in &change.fields {
        let Some((parent, key)) = field.pointer.rsplit_once('/') else { continue };
        let key = key.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Object(map)) = spec.pointer_mut(parent) {
            if field.after.is_null() {
                map.remove(&key);
            } else {
                map.insert(key, field.after.clone());
            }
        }
    }
    spec
}

/// Terraform names of the stack's resources.
struct Translator<'a> {
    plan: &'a Plan,
    changes: HashMap<&'a Address, &'a Change>,
    /// Names in Terraform, unique within a type.
    names: HashMap<&'a Address, String>,
    addresses_by_id: AddressNames,
}

impl<'a> Translator<'a> {
    fn new(plan: &'a Plan) -> Translator<'a> {
        let changes = plan.changes.iter().map(|change| (&change.address, change)).collect();
        let by_id = AddressNames::of(plan.changes.iter().filter_map(|change| Some((&change.address, change.before.as_ref()?))));
        let (mut names, mut taken) = (HashMap::new(), BTreeSet::new());
        for change in &plan.changes {
            let mut name = identifier(&change.address.name);
            while !taken.insert((&change.address.type_name, name.clone())) {
                name.push('_');
            }
            names.insert(&change.address, name);
        }
        Translator { plan, changes, names, addresses_by_id: by_id }
    }

    fn context<'b>(&'b self, address: &'b Address, region: Option<&'b str>) -> ResourceContext<'b> {
        let Plan { stack, environment, region: home, .. } = self.plan;
        ResourceContext { address, stack, environment, region: region.unwrap_or(home) }
    }

    /// Values of a spec in a region, with ids, ARNs and tags; references known to `lookup` are resolved.
    fn resolved_resources(
        &self,
        change: &Change,
        entry: &TypeMapping,
        located: (Option<&str>, &Value),
        tags: &Tags,
        lookup: impl Fn(&Reference<'_>) -> Option<Value>,
    ) -> serde_json::Result<Resources> {
        let (region, spec) = located;
        let place = self.context(&change.address, region);
        let spec = resolve(spec, &lookup);
        let mut translation = (entry.to_terraform)(&spec, &place)?;
        if let (Some(map), Some(kind)) = (translation.arguments.as_object_mut(), types::resource_type(&change.address.type_name)) {
            if entry.has_id {
                map.insert("id".into(), place.output_reference("id").into());
            }
            if !entry.arn_attribute.is_empty() && kind.operations.outputs_schema().pointer("/properties/arn").is_some() {
                map.insert(entry.arn_attribute.into(), place.output_reference("arn").into());
            }
            // The provider has no such argument for services with one region.
            if let Some(region) = region.filter(|_| !matches!(kind.region, RegionScope::Only(_))) {
                map.insert("region".into(), region.into());
            }
            match map.get_mut("tag").and_then(Value::as_array_mut) {
                // The tags of Auto Scaling groups are blocks.
                Some(blocks) => {
                    blocks.extend(tags.iter().map(|(key, value)| json!({ "key": key, "value": value, "propagate_at_launch": false })));
                }
                None if kind.is_taggable() && entry.has_tags => drop(map.insert("tags".into(), json!(tags))),
                None => {}
            }
        }
        let mut all = self.terraform_resources(change, translation);
        for resource in all.values_mut() {
            resource.values = resolve(&resource.values, &lookup);
        }
        Ok(all)
    }

    fn terraform_resources(
        &self,
        change: &Change,
        Translation { terraform_type, arguments, sub_resources: parts }: Translation,
    ) -> Resources {
        let own = self.names.get(&change.address).cloned().unwrap_or_default();
        let mut all = Resources::new();
        all.insert(format!("{terraform_type}.{own}"), TerraformResource { terraform_type, name: own.clone(), values: arguments });
        for part in parts {
            let mut name = part.key.as_deref().map_or_else(|| own.clone(), |key| format!("{own}-{}", identifier(&self.key_name(key))));
            while all.contains_key(&format!("{}.{name}", part.terraform_type)) {
                name.push('_');
            }
            all.insert(
                format!("{}.{name}", part.terraform_type),
                TerraformResource { terraform_type: part.terraform_type, name, values: part.arguments },
            );
        }
        all
    }

    /// Name of the resource a key refers to, or the last part of an ARN.
    fn key_name(&self, key: &str) -> String {
        let shown = self.addresses_by_id.format(&Value::String(key.to_owned()));
        match Address::parse(&shown).filter(|address| types::resource_type(&address.type_name).is_some()) {
            Some(address) => address.name,
            None => shown.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    fn resource_configuration(&self, at: &str, resource: &TerraformResource) -> Value {
        json!({
            "address": at,
            "mode": "managed",
            "type": resource.terraform_type,
            "name": resource.name,
            "provider_config_key": provider_key(resource.terraform_type),
            "expressions": expressions(&resource.values, &|text| self.terraform_references(text)),
        })
    }

    /// References in a text as Terraform lists them: the attribute, if it has the same name there, and the resource.
    fn terraform_references(&self, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        for reference in references(text) {
            let address = Address::new(reference.type_name, reference.name);
            let (Some(entry), Some(name)) = (type_mapping(reference.type_name), self.names.get(&address)) else { continue };
            let resource = format!("{}.{name}", entry.terraform_type);
            let attribute = match reference.output {
                "id" => Some("id"),
                "arn" => Some(entry.arn_attribute),
                _ => None,
            };
            all.extend(attribute.map(|attribute| format!("{resource}.{attribute}")));
            all.push(resource);
        }
        all
    }
}

/// Local name of the provider of a type: what its name begins with.
fn provider_key(terraform_type: &str) -> &str {
    terraform_type.split('_').next().unwrap_or(terraform_type)
}

/// Address of the provider of a type.
fn provider(terraform_type: &str) -> String {
    format!("{REGISTRY}/{}", provider_key(terraform_type))
}

/// Name in the characters Terraform accepts.
fn identifier(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { name } else { format!("_{name}") }
}

/// State of a resource, before or after the plan.
fn resource_state(at: &str, resource: &TerraformResource) -> Value {
    json!({
        "address": at,
        "mode": "managed",
        "type": resource.terraform_type,
        "name": resource.name,
        "provider_name": provider(resource.terraform_type),
        "values": known_values(&resource.values),
        "sensitive_values": {},
    })
}

fn resource_change(change: &Change, at: &str, before: Option<&TerraformResource>, after: Option<&TerraformResource>) -> Option<Value> {
    let resource = after.or(before)?;
    let actions: &[&str] = match (before, after) {
        (None, _) => &["create"],
        (_, None) if change.action == Action::Forget => &["forget"],
        (_, None) => &["delete"],
        _ if change.action == Action::Replace && change.replacement_order == Some(ReplacementOrder::CreateBeforeDestroy) => {
            &["create", "delete"]
        }
        _ if change.action == Action::Replace => &["delete", "create"],
        (Some(before), Some(after)) if before.values == after.values => &["no-op"],
        _ => &["update"],
    };
    let sensitive = |side: Option<&TerraformResource>| side.map_or(Value::Bool(false), |_| Value::Object(Map::new()));
    Some(json!({
        "address": at,
        "mode": "managed",
        "type": resource.terraform_type,
        "name": resource.name,
        "provider_name": provider(resource.terraform_type),
        "change": {
            "actions": actions,
            "before": before.and_then(|before| known_values(&before.values)),
            "after": after.and_then(|after| known_values(&after.values)),
            "after_unknown": after.map(|after| unknown_values(&after.values).unwrap_or_else(|| json!({}))).unwrap_or_else(|| json!({})),
            "before_sensitive": sensitive(before),
            "after_sensitive": sensitive(after),
        },
    }))
}
