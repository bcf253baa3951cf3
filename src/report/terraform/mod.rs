//! A plan as `terraform show -json` prints one, for the tools that read such plans: Checkov, conftest, Infracost.
//!
//! The format: <https://developer.hashicorp.com/terraform/internals/json-format>. What tools need of it is there: what is planned,
//! what changes, and the configuration with its references.

mod counterpart;
mod firewall;
mod identity;
mod kubernetes;
mod network;
mod storage;
mod traffic;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use self::{
    counterpart::{Entry, Place, Translation, counterpart},
    values::{expressions, known, unknown},
};
use super::Names;
use crate::{
    aws::types,
    core::{
        Address, Tags,
        expression::{Reference, references, resolve},
    },
    definition::Stack,
    engine::{
        discover::visible_tags,
        plan::{Action, Change, First, Plan},
    },
};

/// The Terraform whose format this is.
const TERRAFORM: &str = "1.11.4";
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

/// A plan in Terraform's format.
pub struct Export {
    /// The document.
    pub document: Value,
    /// Resources of types that have no counterpart in Terraform.
    pub left_out: Vec<Address>,
}

/// A resource in Terraform.
struct Named {
    kind: &'static str,
    name: String,
    values: Value,
}

/// What one resource of the stack is in Terraform, by address there.
type Resources = BTreeMap<String, Named>;

/// The whole plan.
///
/// # Errors
/// When a spec does not fit its type.
pub fn plan(plan: &Plan, stack: &Stack) -> serde_json::Result<Export> {
    let translator = Translator::new(plan);
    let (mut changes, mut prior, mut planned, mut configuration) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut left_out = Vec::new();
    for change in &plan.changes {
        let Some(entry) = counterpart(&change.address.kind) else {
            left_out.push(change.address.clone());
            continue;
        };
        let declared = stack.resources.get(&change.address);
        let tags = declared.map(|declared| declared.tags.clone()).unwrap_or_default();
        let before = match &change.before {
            Some(live) => translator.resources(change, entry, &live.spec, &visible_tags(&live.tags, &tags), was(&translator.changes))?,
            None => Resources::new(),
        };
        let after = match (change.action, &change.before, declared) {
            (Action::Delete | Action::Forget, ..) => Resources::new(),
            (Action::None | Action::Update, Some(live), _) => {
                let tags = if change.action == Action::None { visible_tags(&live.tags, &tags) } else { tags };
                translator.resources(change, entry, &changed(&live.spec, change), &tags, stays(&translator.changes))?
            }
            (_, _, Some(declared)) => translator.resources(change, entry, &declared.spec, &tags, stays(&translator.changes))?,
            _ => Resources::new(),
        };
        if let Some(declared) = declared {
            let translation = (entry.read)(&declared.spec, &translator.place(&change.address))?;
            configuration.extend(translator.named(change, entry, translation).iter().map(|(at, one)| translator.configured(at, one)));
        }
        prior.extend(before.iter().map(|(at, one)| standing(at, one)));
        planned.extend(after.iter().map(|(at, one)| standing(at, one)));
        let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        changes.extend(all.into_iter().filter_map(|at| resource_change(change, at, before.get(at), after.get(at))));
    }
    let document = json!({
        "format_version": "1.2",
        "terraform_version": TERRAFORM,
        "planned_values": { "root_module": { "resources": planned } },
        "resource_changes": changes,
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": TERRAFORM,
            "values": { "root_module": { "resources": prior } },
        },
        "configuration": {
            "provider_config": {
                "aws": { "name": "aws", "full_name": PROVIDER, "expressions": { "region": { "constant_value": plan.region } } },
            },
            "root_module": { "resources": configuration },
        },
        "errored": !plan.obstacles.is_empty(),
    });
    Ok(Export { document, left_out })
}

/// What is there now.
fn was(changes: &HashMap<&Address, &Change>) -> impl Fn(&Reference<'_>) -> Option<Value> {
    |reference| changes.get(&Address::new(reference.kind, reference.name))?.before.as_ref()?.output(reference.output)
}

/// What is there now and will be there then.
fn stays(changes: &HashMap<&Address, &Change>) -> impl Fn(&Reference<'_>) -> Option<Value> {
    |reference| {
        let change = changes.get(&Address::new(reference.kind, reference.name))?;
        let live = change.before.as_ref().filter(|_| matches!(change.action, Action::None | Action::Update))?;
        live.output(reference.output)
    }
}

/// A live spec with what an update brings.
fn changed(live: &Value, change: &Change) -> Value {
    let mut spec = live.clone();
    for field in &change.fields {
        let Some((parent, key)) = field.at.rsplit_once('/') else { continue };
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

/// What knows the names of the stack's resources in Terraform.
struct Translator<'a> {
    plan: &'a Plan,
    changes: HashMap<&'a Address, &'a Change>,
    /// Names in Terraform, unique within a type.
    names: HashMap<&'a Address, String>,
    by_id: Names,
}

impl<'a> Translator<'a> {
    fn new(plan: &'a Plan) -> Translator<'a> {
        let changes = plan.changes.iter().map(|change| (&change.address, change)).collect();
        let by_id = Names::of(plan.changes.iter().filter_map(|change| Some((&change.address, change.before.as_ref()?))));
        let (mut names, mut taken) = (HashMap::new(), BTreeSet::new());
        for change in &plan.changes {
            let mut name = identifier(&change.address.name);
            while !taken.insert((&change.address.kind, name.clone())) {
                name.push('_');
            }
            names.insert(&change.address, name);
        }
        Translator { plan, changes, names, by_id }
    }

    fn place<'b>(&'b self, address: &'b Address) -> Place<'b> {
        Place { address, stack: &self.plan.stack, environment: &self.plan.environment, region: &self.plan.region }
    }

    /// What a spec stands for, with ids, ARNs and tags; references that `lookup` knows are resolved.
    fn resources(
        &self,
        change: &Change,
        entry: &Entry,
        spec: &Value,
        tags: &Tags,
        lookup: impl Fn(&Reference<'_>) -> Option<Value>,
    ) -> serde_json::Result<Resources> {
        let place = self.place(&change.address);
        let spec = resolve(spec, &lookup);
        let mut translation = (entry.read)(&spec, &place)?;
        if let (Some(map), Some(kind)) = (translation.arguments.as_object_mut(), types::kind(&change.address.kind)) {
            map.insert("id".into(), place.own("id").into());
            if kind.operations.outputs_schema().pointer("/properties/arn").is_some() {
                map.insert(entry.arn.into(), place.own("arn").into());
            }
            if kind.is_taggable() {
                map.insert("tags".into(), json!(tags));
            }
        }
        let mut all = self.named(change, entry, translation);
        for resource in all.values_mut() {
            resource.values = resolve(&resource.values, &lookup);
        }
        Ok(all)
    }

    fn named(&self, change: &Change, entry: &Entry, Translation { arguments, parts }: Translation) -> Resources {
        let own = self.names.get(&change.address).cloned().unwrap_or_default();
        let mut all = Resources::new();
        all.insert(format!("{}.{own}", entry.terraform), Named { kind: entry.terraform, name: own.clone(), values: arguments });
        for part in parts {
            let mut name = part.key.as_deref().map_or_else(|| own.clone(), |key| format!("{own}-{}", identifier(&self.key(key))));
            while all.contains_key(&format!("{}.{name}", part.terraform)) {
                name.push('_');
            }
            all.insert(format!("{}.{name}", part.terraform), Named { kind: part.terraform, name, values: part.arguments });
        }
        all
    }

    /// The name of what a key refers to; else the last part of an ARN.
    fn key(&self, key: &str) -> String {
        let shown = self.by_id.show(&Value::String(key.to_owned()));
        match Address::parse(&shown).filter(|address| types::kind(&address.kind).is_some()) {
            Some(address) => address.name,
            None => shown.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    fn configured(&self, at: &str, resource: &Named) -> Value {
        json!({
            "address": at,
            "mode": "managed",
            "type": resource.kind,
            "name": resource.name,
            "provider_config_key": "aws",
            "expressions": expressions(&resource.values, &|text| self.references(text)),
        })
    }

    /// References in a text as Terraform lists them: the attribute, where it has the same name there, and the resource.
    fn references(&self, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        for reference in references(text) {
            let address = Address::new(reference.kind, reference.name);
            let (Some(entry), Some(name)) = (counterpart(reference.kind), self.names.get(&address)) else { continue };
            let resource = format!("{}.{name}", entry.terraform);
            let attribute = match reference.output {
                "id" => Some("id"),
                "arn" => Some(entry.arn),
                _ => None,
            };
            all.extend(attribute.map(|attribute| format!("{resource}.{attribute}")));
            all.push(resource);
        }
        all
    }
}

/// A name as Terraform takes it.
fn identifier(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { name } else { format!("_{name}") }
}

/// A resource as it stands, before or after.
fn standing(at: &str, resource: &Named) -> Value {
    json!({
        "address": at,
        "mode": "managed",
        "type": resource.kind,
        "name": resource.name,
        "provider_name": PROVIDER,
        "values": known(&resource.values),
        "sensitive_values": {},
    })
}

fn resource_change(change: &Change, at: &str, before: Option<&Named>, after: Option<&Named>) -> Option<Value> {
    let resource = after.or(before)?;
    let actions: &[&str] = match (before, after) {
        (None, _) => &["create"],
        (_, None) if change.action == Action::Forget => &["forget"],
        (_, None) => &["delete"],
        _ if change.action == Action::Replace && change.first == Some(First::New) => &["create", "delete"],
        _ if change.action == Action::Replace => &["delete", "create"],
        (Some(before), Some(after)) if before.values == after.values => &["no-op"],
        _ => &["update"],
    };
    let sensitive = |side: Option<&Named>| side.map_or(Value::Bool(false), |_| Value::Object(Map::new()));
    Some(json!({
        "address": at,
        "mode": "managed",
        "type": resource.kind,
        "name": resource.name,
        "provider_name": PROVIDER,
        "change": {
            "actions": actions,
            "before": before.and_then(|before| known(&before.values)),
            "after": after.and_then(|after| known(&after.values)),
            "after_unknown": after.map(|after| unknown(&after.values).unwrap_or_else(|| json!({}))).unwrap_or_else(|| json!({})),
            "before_sensitive": sensitive(before),
            "after_sensitive": sensitive(after),
        },
    }))
}
