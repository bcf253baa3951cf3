//! Resources that a rollback can only create again: what refers to them follows, and what is lost is stated.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Action, Change, matching, references::is_generated, removal::on_delete_tag, restore::RestoreTarget};
use crate::{
    aws::types,
    core::{Address, DataProtection, LiveResource, OnDelete, expression},
    definition::{Stack, deferrable_dependencies},
    engine::discover::LiveState,
};

/// Previous resources that no longer exist: the restored ones have other ids.
struct LostResources<'a> {
    resources: BTreeMap<&'a Address, &'a LiveResource>,
    /// Lost resources with this id or ARN, each with the output that had it. The id of an association is the id of its resource.
    handles: BTreeMap<&'a str, Vec<(&'a Address, &'static str)>>,
    /// Existing resources with such an id or ARN.
    present: BTreeMap<&'a str, Vec<&'a Address>>,
    /// Ids of all existing resources.
    existing: BTreeSet<&'a str>,
}

/// A spec in which references may have to follow.
struct Referrer<'a> {
    address: &'a Address,
    depends_on: &'a BTreeSet<Address>,
    /// Types to which its fields refer, by the text of the reference.
    referenced: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Referrer<'a> {
    fn new(address: &'a Address, spec: &Value, depends_on: &'a BTreeSet<Address>) -> Referrer<'a> {
        let mut referenced: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reference in types::resource_type(&address.type_name).into_iter().flat_map(|kind| kind.references(spec)) {
            referenced.entry(reference.value).or_default().insert(reference.type_name);
        }
        Referrer { address, depends_on, referenced }
    }

    /// Whether a text in the spec can stand for a resource: by the type of the field, otherwise by the dependencies.
    fn can_refer_to(&self, text: &str, other: &Address) -> bool {
        match self.referenced.get(text) {
            Some(types) => types.contains(&other.type_name),
            // A generated id means the same wherever it stands, also as an output of what refers to the resource.
            None => self.depends_on.is_empty() || self.depends_on.contains(other) || is_generated(text),
        }
    }
}

impl<'a> LostResources<'a> {
    fn of(targets: &'a BTreeMap<Address, RestoreTarget>, live: &'a BTreeMap<Address, &LiveResource>) -> LostResources<'a> {
        let existing = live.values().map(|live| live.id.as_str()).collect();
        let mut lost = LostResources { resources: BTreeMap::new(), handles: BTreeMap::new(), present: BTreeMap::new(), existing };
        for (address, target) in targets {
            let gone = |before: &&LiveResource| live.get(address).is_none_or(|live| !live.is_same_as(before));
            let Some(before) = target.before.as_ref().filter(gone) else { continue };
            lost.resources.insert(address, before);
            let arn = before.arn().filter(|arn| *arn != before.id);
            for (output, text) in [("id", Some(before.id.as_str())), ("arn", arn)] {
                if let Some(text) = text.filter(|text| !is_derived_from_name(before, text)) {
                    lost.handles.entry(text).or_default().push((address, output));
                }
            }
        }
        for (address, live) in live {
            for text in [Some(live.id.as_str()), live.arn()].into_iter().flatten() {
                if let Some((text, _)) = lost.handles.get_key_value(text) {
                    lost.present.entry(text).or_default().push(address);
                }
            }
        }
        lost
    }

    /// Reference for a text in a spec. The text may also be a host name, an IP address, the end of an ARN, or the id of something that AWS creates
    /// with a resource, such as the security group of a cluster: AWS assigns new ones. Other outputs are ids of other resources, or stay the
    /// same.
    fn replacement_reference(&self, text: &str, referrer: &Referrer<'_>) -> Option<String> {
        if let Some(known) = self.handles.get(text) {
            let fits = |address: &Address| address != referrer.address && referrer.can_refer_to(text, address);
            // An existing resource keeps its id.
            if self.present.get(text).into_iter().flatten().any(|address| fits(address)) {
                return None;
            }
            let mut fitting = known.iter().filter(|(address, _)| fits(address));
            let (address, output) = fitting.next()?;
            // Names are unique only within a type, so a shared one that no field explains is left alone.
            return fitting.next().is_none().then(|| format!("${{{address}.{output}}}"));
        }
        let is_assigned = text.contains('.') || is_generated(text) && !text.starts_with("arn:") && !self.existing.contains(text);
        let mut needed = referrer.depends_on.iter().filter_map(|need| Some((need, self.resources.get(need)?)));
        needed.find_map(|(need, before)| {
            if !is_assigned && !is_end_of_generated_arn(before, text) {
                return None;
            }
            let (output, _) = before.outputs.as_object()?.iter().find(|(_, value)| value.as_str() == Some(text))?;
            Some(format!("${{{need}.{output}}}"))
        })
    }
}

/// What a rollback can't bring back, with the words for it: what recreated resources lack, and contents that an unfinished deletion may have
/// taken.
pub(super) fn lost_data(targets: &BTreeMap<Address, RestoreTarget>, changes: &[Change]) -> Vec<(Address, String)> {
    let lost = changes.iter().filter_map(|change| {
        let target = targets.get(&change.address)?;
        let (kind, before) = (types::resource_type(&change.address.type_name)?, target.before.as_ref()?);
        // Without `on_delete: delete`, AWS or acme refuses to delete one that is not empty.
        let has_contents = kind.data_protection == DataProtection::Contents;
        if has_contents && on_delete_tag(before) != Some(OnDelete::Delete) {
            return None;
        }
        let words = match change.action {
            Action::Create | Action::Replace if change.dormant.is_none() && !kind.lost_on_recreation.is_empty() => {
                format!("can only be created again: {}", kind.lost_on_recreation)
            }
            Action::None | Action::Update if has_contents && target.delete_started => {
                "remains, but its deletion had started, and may have taken its contents".to_owned()
            }
            _ => return None,
        };
        Some((change.address.clone(), words))
    });
    lost.collect()
}

/// Whether an id or ARN is derived from the name alone: then the new resource has the same.
fn is_derived_from_name(live: &LiveResource, text: &str) -> bool {
    let name = live.spec.get("name").and_then(Value::as_str);
    name.and_then(|name| text.strip_suffix(name)).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':']))
}

/// Whether a text is the end of an ARN that AWS generates, such as `app/web/50dc6c495c0c9188`: metrics name load balancers so.
fn is_end_of_generated_arn(live: &LiveResource, text: &str) -> bool {
    let rest = live.arn().filter(|_| text.contains('/')).and_then(|arn| arn.strip_suffix(text));
    rest.is_some_and(|rest| rest.ends_with(['/', ':'])) && !is_derived_from_name(live, text)
}

/// Adds resources that the run being undone did not change, but that refer to one it lost. `definition` has the dependencies.
pub fn dependents_of_lost_resources(
    definition: &Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live_state: &LiveState,
) -> BTreeMap<Address, RestoreTarget> {
    let live = matching::match_resources(definition, live_state).live;
    let lost = LostResources::of(targets, &live);
    let dependent = |(address, live): (&Address, &&LiveResource)| {
        let declared = definition.resources.get(address);
        let depends_on = declared.map(|declared| declared.depends_on.clone()).unwrap_or_default();
        let deferrable = declared.map(|declared| declared.deferrable.clone()).unwrap_or_default();
        // A field that can't change in place would cause a replacement: it keeps its value.
        let mut open = live.spec.clone();
        for at in types::resource_type(&live.type_name).into_iter().flat_map(|kind| &kind.replaces) {
            open.pointer_mut(at).map(Value::take);
        }
        let referrer = Referrer::new(address, &live.spec, &depends_on);
        let mut holds = false;
        expression::for_each_string(&open, &mut |text| holds |= lost.replacement_reference(text, &referrer).is_some());
        let (desired, tags) = (live.spec.clone().into_inner(), live.tags.clone().into_inner());
        holds.then(|| {
            (address.clone(), RestoreTarget { desired, tags, depends_on, deferrable, ..RestoreTarget::from_live((*live).clone()) })
        })
    };
    live.iter().filter(|(address, _)| !targets.contains_key(*address)).filter_map(dependent).collect()
}

/// Whether any resource must be recreated, so that others may have to follow.
pub fn has_lost_resources(targets: &BTreeMap<Address, RestoreTarget>, live_state: &LiveState) -> bool {
    let place = |live: &LiveResource| (live.region.clone(), live.id.clone());
    let present: BTreeSet<_> = live_state.iter().map(place).collect();
    targets.values().filter_map(|target| target.before.as_ref()).any(|before| !present.contains(&place(before)))
}

/// Updates every reference to a lost resource to the new one.
pub(super) fn rewrite_references_to_lost_resources(
    stack: &mut Stack,
    targets: &BTreeMap<Address, RestoreTarget>,
    live: &BTreeMap<Address, &LiveResource>,
) {
    let lost = LostResources::of(targets, live);
    if lost.resources.is_empty() {
        return;
    }
    for declared in stack.resources.values_mut() {
        let referrer = Referrer::new(&declared.address, &declared.spec, &declared.depends_on);
        rewrite_strings(&mut declared.spec, &mut |text| {
            if let Some(reference) = lost.replacement_reference(text, &referrer) {
                *text = reference;
            }
        });
        let mut needs = BTreeSet::new();
        expression::for_each_string(&declared.spec, &mut |text| {
            needs.extend(expression::references(text).into_iter().map(|r| Address::new(r.type_name, r.name)));
        });
        let is_hard = |need: &Address| declared.depends_on.contains(need) && !declared.deferrable.contains(need);
        let found = deferrable_dependencies(declared.resource_type, &declared.spec).into_iter().filter(|need| !is_hard(need));
        let rest = declared.deferrable.iter().filter(|need| !needs.contains(*need)).cloned();
        declared.deferrable = found.chain(rest).collect();
        declared.depends_on.extend(needs);
    }
}

fn rewrite_strings(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(list) => list.iter_mut().for_each(|value| rewrite_strings(value, act)),
        Value::Object(map) => map.values_mut().for_each(|value| rewrite_strings(value, act)),
        _ => {}
    }
}
