//! Saved plans: files that are applied later exactly as shown, or not at all.
//!
//! The file contains hashes of everything the plan depends on: the definition, the values, and live resources. It contains no
//! instructions: apply plans again and requires the same result. It has the content of the plan, and no secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    core::{Address, EnvironmentName, LiveResource},
    definition::Stack,
    engine::plan::{Action, Change, Goal, Plan, Selection},
};

/// Name and version of the format.
pub const FORMAT: &str = "acme-saved-plan/2";

/// Version of acme that writes and accepts saved plans: another version may plan differently.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// [`FORMAT`]; the first field, which identifies the file.
    pub format: String,
    /// Version of acme.
    pub acme: String,
    /// Goal.
    pub goal: Goal,
    /// Resources that it is about; everything, if it is missing.
    #[serde(default, skip_serializing_if = "Selection::is_empty")]
    pub selection: Selection,
    /// Source of the plan.
    pub definition: DefinitionSource,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// Last revision of the stack when the plan was made.
    pub revision: Option<u64>,
    /// Revisions of other stacks whose outputs it uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stacks: BTreeMap<String, u64>,
    /// Live resources that it changes or refers to.
    pub live: BTreeMap<Address, LiveFingerprint>,
    /// Changes as shown.
    pub changes: Vec<Value>,
}

/// Definition and options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionSource {
    /// Path as given.
    pub file: String,
    /// SHA-256 of the texts of all its files.
    pub sha256: String,
    /// SHA-256 of the text of each file, by its path, to name the one that has changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Git commit of its repository.
    pub commit: Option<String>,
    /// `--env`, if given.
    pub env: Option<EnvironmentName>,
    /// `--set`: keys and values, which are part of the definition and must not be secrets.
    pub set: Vec<(String, String)>,
    /// Files of `--values`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Hashes of a live resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFingerprint {
    /// Physical id.
    pub id: String,
    /// Field → SHA-256 of its value.
    pub fields: BTreeMap<String, String>,
    /// SHA-256 of the tags.
    pub tags: String,
}

/// Reason why a saved plan can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedPlanError {
    /// It is not complete JSON, or lacks a field.
    #[error("it is damaged or truncated ({0})")]
    Damaged(String),
    /// It has another format.
    #[error("it has the format `{0}`, but this version of acme requires `{FORMAT}`")]
    UnsupportedFormat(String),
    /// Another version of acme wrote it.
    #[error("acme {0} wrote it, but this is acme {VERSION}")]
    VersionMismatch(String),
}

impl SavedPlan {
    /// Creates a saved plan.
    ///
    /// # Errors
    /// Fails if it can't be written as JSON.
    pub fn new(
        plan: &Plan,
        stack: &Stack,
        (goal, selection): (Goal, Selection),
        definition: DefinitionSource,
        revision: Option<u64>,
    ) -> serde_json::Result<SavedPlan> {
        let touched: BTreeSet<&Address> = effective_changes(plan).map(|change| &change.address).collect();
        let needs = touched.iter().filter_map(|address| stack.resources.get(*address)).flat_map(|declared| &declared.depends_on);
        let read: BTreeSet<&Address> = needs.chain(touched.iter().copied()).collect();
        let live = plan.changes.iter().filter(|change| read.contains(&change.address));
        Ok(SavedPlan {
            format: FORMAT.to_owned(),
            acme: VERSION.to_owned(),
            goal,
            selection,
            definition,
            stack: plan.stack.clone(),
            environment: plan.environment.clone(),
            region: plan.region.clone(),
            account: plan.account.clone(),
            revision,
            stacks: revisions_read(plan),
            live: live.filter_map(|change| Some((change.address.clone(), fingerprint(change.before.as_ref()?)))).collect(),
            changes: effective_changes(plan).map(serde_json::to_value).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a text looks like a saved plan, complete or not. A definition may be JSON, too.
    pub fn is_saved_plan(text: &str) -> bool {
        let begin: String = text.chars().filter(|c| !c.is_whitespace()).take(27).collect();
        begin == r#"{"format":"acme-saved-plan/"#
    }

    /// Parses a saved plan.
    ///
    /// # Errors
    /// Fails if this version of acme can't apply it.
    pub fn parse(text: &str) -> Result<SavedPlan, SavedPlanError> {
        let damaged = |error: serde_json::Error| SavedPlanError::Damaged(error.to_string());
        let value: Value = serde_json::from_str(text).map_err(damaged)?;
        let named = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if named("format") != FORMAT {
            return Err(SavedPlanError::UnsupportedFormat(named("format")));
        }
        if named("acme") != VERSION {
            return Err(SavedPlanError::VersionMismatch(named("acme")));
        }
        serde_json::from_value(value).map_err(damaged)
    }

    /// Changes since the plan was made, one sentence each; `plan` is the current plan.
    pub fn differences(&self, plan: &Plan) -> Vec<String> {
        let mut found = Vec::new();
        for (what, then, now) in [("account", &self.account, &plan.account), ("region", &self.region, &plan.region)] {
            if then != now {
                found.push(format!("it was made for {what} {then}, but this is {now}"));
            }
        }
        let planned: BTreeMap<String, &Value> = self.changes.iter().map(|change| (string_field(change, "address"), change)).collect();
        for change in &plan.changes {
            let address = &change.address;
            let then = planned.get(&address.to_string()).copied();
            let live = match (self.live.get(address), &change.before) {
                (Some(seen), Some(live)) => live_differences(address, seen, live),
                (Some(seen), None) => vec![format!("`{address}` ({}) no longer exists", seen.id)],
                (None, Some(live)) if then.is_some() => vec![format!("`{address}` ({}) is new", live.id)],
                (None, _) => Vec::new(),
            };
            found.extend(if live.is_empty() { plan_differences(then, change) } else { live });
        }
        let known: BTreeSet<String> = plan.changes.iter().map(|change| change.address.to_string()).collect();
        let left: BTreeSet<String> = self.live.keys().map(ToString::to_string).chain(planned.into_keys()).collect();
        found.extend(left.into_iter().filter(|address| !known.contains(address)).map(|address| format!("`{address}` no longer exists")));
        found
    }
}

impl SavedPlan {
    /// Other stacks that had a new revision since the plan was made, one sentence each.
    pub fn changed_stacks(&self, plan: &Plan) -> Vec<String> {
        let now = revisions_read(plan);
        let changed = self.stacks.iter().filter_map(|(stack, then)| Some((stack, then, now.get(stack)?)));
        let changed = changed.filter(|(_, then, now)| then != now);
        changed.map(|(stack, then, now)| format!("the stack {stack} is at revision {now}, it was at {then}")).collect()
    }
}

/// Revisions of the other stacks whose outputs a plan uses.
fn revisions_read(plan: &Plan) -> BTreeMap<String, u64> {
    plan.stacks.iter().map(|read| (format!("{} ({})", read.stack, read.environment), read.revision)).collect()
}

/// SHA-256, hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn effective_changes(plan: &Plan) -> impl Iterator<Item = &Change> {
    plan.changes.iter().filter(|change| change.action != Action::None)
}

fn fingerprint(live: &LiveResource) -> LiveFingerprint {
    let fields = live.spec.as_object().into_iter().flatten();
    let tags: Value = live.tags.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    LiveFingerprint { id: live.id.clone(), fields: fields.map(|(key, value)| (key.clone(), hash(value))).collect(), tags: hash(&tags) }
}

fn hash(value: &Value) -> String {
    sha256(value.to_string().as_bytes())
}

/// Changes of a live resource since the plan was made.
fn live_differences(address: &Address, then: &LiveFingerprint, live: &LiveResource) -> Vec<String> {
    let now = fingerprint(live);
    if then.id != now.id {
        return vec![format!("`{address}` is now {}, it was {}", now.id, then.id)];
    }
    let names: BTreeSet<&String> = then.fields.keys().chain(now.fields.keys()).collect();
    let differs = names.into_iter().filter(|name| then.fields.get(*name) != now.fields.get(*name));
    let fields = differs.map(|name| {
        let value = display_value(live.spec.get(name).unwrap_or(&Value::Null));
        format!("`{address}` ({}): `{name}` has changed to {value}", now.id)
    });
    let tags = (then.tags != now.tags).then(|| format!("`{address}` ({}): its tags have changed", now.id));
    fields.chain(tags).collect()
}

/// Differences between a change and the planned one.
fn plan_differences(then: Option<&Value>, change: &Change) -> Vec<String> {
    let address = &change.address;
    let now = serde_json::to_value(change).unwrap_or_default();
    let Some(then) = then else {
        return match change.action {
            Action::None => Vec::new(),
            _ => vec![format!("`{address}`: {} is not in the saved plan", string_field(&now, "action"))],
        };
    };
    if *then == now {
        return Vec::new();
    }
    let (was, is) = (string_field(then, "action"), string_field(&now, "action"));
    if was != is {
        return vec![format!("`{address}`: the saved plan has {was}, now it would be {is}")];
    }
    let (was, is) = (fields_by_name(then), fields_by_name(&now));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let sentences: Vec<String> = names
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| {
            format!(
                "`{address}`: the saved plan has `{name}` {}, now it would be {}",
                before_and_after(was.get(name)),
                before_and_after(is.get(name))
            )
        })
        .collect();
    if sentences.is_empty() { vec![format!("`{address}` would be changed differently")] } else { sentences }
}

fn string_field(change: &Value, key: &str) -> String {
    change.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Changed fields by name.
fn fields_by_name(change: &Value) -> BTreeMap<String, &Value> {
    let all = change.get("fields").and_then(Value::as_array).into_iter().flatten();
    all.map(|field| (string_field(field, "pointer").trim_start_matches('/').to_owned(), field)).collect()
}

/// `10 → 20`.
fn before_and_after(field: Option<&&Value>) -> String {
    let side = |field: &Value, key: &str| display_value(field.get(key).unwrap_or(&Value::Null));
    field.map_or_else(|| "unchanged".to_owned(), |field| format!("{} → {}", side(field, "before"), side(field, "after")))
}

/// Value in a sentence.
fn display_value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "unset".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= 80 { text } else { text.chars().take(79).chain(['…']).collect() }
}
