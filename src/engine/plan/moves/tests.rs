//! Every resource of the documentation under another key, with and without a fixed name.

use std::collections::BTreeSet;

use super::*;
use crate::{
    core::{ADDRESS_TAG, Phase},
    definition::{LoadOptions, Source, load},
    engine::{
        discover::{LiveState, address_of},
        plan::{
            Action, Plan,
            dropped::tests::{applied, planned},
            matching::match_resources,
        },
    },
};

/// The stack with a resource under another key. References follow; a name that acme chose contains the key.
fn renamed(stack: &Stack, old: &Address, keep_name: bool) -> (Stack, Address) {
    let new = Address::new(&old.type_name, format!("{}-moved", old.name));
    let mut stack = stack.clone();
    let (from, to) = (format!("${{{old}."), format!("${{{new}."));
    let mut resources = BTreeMap::new();
    for (address, mut declared) in std::mem::take(&mut stack.resources) {
        declared.spec = serde_json::from_str(&declared.spec.to_string().replace(&from, &to)).expect("a spec");
        for addresses in [&mut declared.depends_on, &mut declared.deferrable] {
            *addresses =
                std::mem::take(addresses).into_iter().map(|one| if one == *old { new.clone() } else { one }).collect::<BTreeSet<_>>();
        }
        if address != *old {
            resources.insert(address, declared);
            continue;
        }
        declared.address = new.clone();
        declared.tags.insert(ADDRESS_TAG.to_owned(), new.to_string());
        if keep_name {
            declared.has_generated_name = false;
        } else if declared.has_generated_name {
            let name = declared.spec["name"].as_str().expect("a name").to_owned();
            let suffix = declared.resource_type.naming.map_or("", |naming| naming.suffix_for(&declared.spec));
            declared.spec["name"] = format!("{}-m{suffix}", name.trim_end_matches(suffix)).into();
        }
        resources.insert(new.clone(), declared);
    }
    (Stack { resources, ..stack }, new)
}

fn creations_and_deletions(plan: &Plan) -> Vec<String> {
    let is_one = |action| matches!(action, Action::Create | Action::Delete | Action::Replace | Action::Forget);
    plan.changes.iter().filter(|change| is_one(change.action)).map(|change| format!("{:?} {}", change.action, change.address)).collect()
}

/// Whether the same name or other unique key, or equal fields, identify a resource under another key.
fn is_recognizable(stack: &Stack, new: &Address, live_state: &LiveState) -> bool {
    let declared = &stack.resources[new];
    let known = live_state.iter().filter_map(|live| Some((address_of(live)?, live))).collect();
    let wanted = resolve_spec(declared, &known);
    let keys = declared.resource_type.unique_key_values(&wanted);
    let mut of_type = live_state.live.get(declared.resource_type.name).into_iter().flatten();
    let has_key = of_type.any(|live| declared.resource_type.unique_key_values(&live.spec).iter().any(|key| keys.contains(key)));
    has_key || is_recognized_by_fields(declared) || !declared.resource_type.is_adoptable()
}

#[tokio::test]
async fn a_resource_under_another_key_is_moved_or_created_with_a_warning() {
    let (stack, live_state) = applied().await;
    let (mut wrong, mut moved, mut created) = (Vec::new(), 0, 0);
    for keep_name in [false, true] {
        for old in stack.resources.keys() {
            let (stack, new) = renamed(&stack, old, keep_name);
            let plan = planned(&stack, &live_state);
            let found = creations_and_deletions(&plan);
            if !plan.obstacles.is_empty() {
                continue;
            }
            let of_new = plan.changes.iter().find(|change| change.address == new).expect("a change");
            if is_recognizable(&stack, &new, &live_state) {
                moved += 1;
                if !(matches!(of_new.action, Action::Update | Action::None) && found.is_empty()) {
                    wrong.push(format!("{old}, {keep_name}: {found:?}"));
                }
            } else {
                created += 1;
                let remedy = format!("moved: {{ {old}: {new} }}");
                let is_deleted = plan.changes.iter().any(|change| change.address == *old && change.action == Action::Delete);
                if of_new.action != Action::Create || (is_deleted && !plan.warnings.iter().any(|warning| warning.contains(&remedy))) {
                    wrong.push(format!("{old}, {keep_name}: {found:?}, {:?}", plan.warnings));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(moved > 20 && created > 20, "{moved} {created}");
}

/// A stated move keeps the resource, whatever its name is.
#[tokio::test]
async fn a_stated_move_is_never_a_creation() {
    let (stack, live_state) = applied().await;
    let mut wrong = Vec::new();
    for old in stack.resources.keys() {
        let (mut stack, new) = renamed(&stack, old, false);
        stack.moved.insert(old.clone(), new.clone());
        let plan = planned(&stack, &live_state);
        let found = creations_and_deletions(&plan);
        let change = plan.changes.iter().find(|change| change.address == new).expect("a change");
        let is_known = change.moved_from.as_ref().is_none_or(|from| from.address == *old && from.because == MoveReason::Declared);
        if plan.obstacles.is_empty() && !(found.is_empty() && is_known) {
            wrong.push(format!("{old}: {found:?} {:?}", change.moved_from));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Entries of a `for_each` under other keys, as live resources of the first definition.
fn renamed_entries(count: usize, resource: &str) -> (Stack, LiveState) {
    let load = |key: &str| {
        let text = format!("stack: shop\nregion: eu-west-1\naccount: '123456789012'\nresources:\n  {resource}\n");
        let text = text.replace("KEY", key).replace("COUNT", &count.to_string());
        load(&Source::new("stack.yaml", text), &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
    };
    let mut live_state = LiveState::default();
    for declared in load("old").resources.into_values() {
        let kind = declared.resource_type.name;
        let live = LiveResource::ready(kind, format!("id-{}", declared.address.name), declared.spec.clone());
        live_state.live.entry(kind).or_default().push(LiveResource { tags: declared.tags.into(), ..live });
    }
    (load("new"), live_state)
}

/// Each is found without a comparison with all others.
#[test]
fn thousands_of_renamed_entries_are_found_without_comparing_all_pairs() {
    let by_settings = "secret: { KEY: { for_each: COUNT, description: 'number {{ each.key }}' } }";
    let by_key = "sqs_queue: { KEY: { for_each: COUNT, name: 'jobs-{{ each.key }}' } }";
    for (resource, count, moves) in [(by_settings, 3_000, false), (by_key, 3_000, true)] {
        let (stack, live_state) = renamed_entries(count, resource);
        let matched = match_resources(&stack, &live_state);
        let moved = matched.live.iter().filter(|(address, live)| stack.resources.contains_key(*address) && live.id.contains("old-"));
        assert_eq!(moved.count(), if moves { count } else { 0 }, "{resource}");
        assert_eq!(matched.look_alikes.len(), if moves { 0 } else { count }, "{resource}");
        let live = live_state.iter().map(|live| (address_of(live).expect("an address"), live)).collect();
        let mut unmatched = MatchedResources { live, ..MatchedResources::default() };
        assert_eq!(apply_moves(&stack, &mut unmatched), 0, "{resource}: pairs that were compared in full");
    }
}

/// AWS reports a setting in another form: these are compared in full, up to a limit.
#[test]
fn settings_in_another_form_are_compared_pair_by_pair() {
    let resource = "kms_key: { KEY: { for_each: COUNT, rotation: false, description: 'number {{ each.key }}' } }";
    let (stack, mut live_state) = renamed_entries(20, resource);
    for live in live_state.live.values_mut().flatten() {
        live.spec["rotation_period_days"] = 100.into();
    }
    let live = live_state.iter().map(|live| (address_of(live).expect("an address"), live)).collect();
    let mut matched = MatchedResources { live, ..MatchedResources::default() };
    assert_eq!(apply_moves(&stack, &mut matched), 400);
    let pairs: Vec<String> = matched.look_alikes.iter().map(|(from, to)| format!("{from} {to}")).collect();
    assert!(pairs.len() == 20 && pairs.contains(&"kms_key.old-3 kms_key.new-3".to_owned()), "{pairs:?}");
}

/// The first of two that a chain leads to the same address moves.
#[test]
fn a_move_to_an_address_that_exists_blocks_the_plan() {
    let (mut stack, live_state) = renamed_entries(2, "sqs_queue: { KEY: { for_each: COUNT } }");
    let (first, last) = (Address::new("sqs_queue", "new-0"), Address::new("sqs_queue", "new-1"));
    stack.resources.remove(&last);
    for number in 0..2 {
        stack.moved.insert(Address::new("sqs_queue", format!("old-{number}")), first.clone());
    }
    let plan = planned(&stack, &live_state);
    let obstacles: Vec<(&str, &Address)> = plan.obstacles.iter().map(|obstacle| (obstacle.code, &obstacle.address)).collect();
    assert_eq!(obstacles, [("ambiguous-move", &first)]);
}

#[tokio::test]
async fn a_stated_move_takes_a_changed_resource_along() {
    let (stack, live_state) = applied().await;
    let old = Address::new("elastic_ip", "nat");
    let (mut stack, new) = renamed(&stack, &old, false);
    stack.resources.get_mut(&new).expect("it is declared").tags.insert("team".into(), "network".into());
    stack.resources.get_mut(&new).expect("it is declared").spec["public_ipv4_pool"] = "amazon".into();
    assert!(!creations_and_deletions(&planned(&stack, &live_state)).is_empty(), "it differs, so it may be another one");
    stack.moved.insert(old, new.clone());
    let plan = planned(&stack, &live_state);
    assert!(creations_and_deletions(&plan).iter().all(|change| change.starts_with("Replace ")), "{:?}", creations_and_deletions(&plan));
    assert!(plan.changes.iter().any(|change| change.address == new && change.before.is_some()));
}

/// What was deleted can be restored within its recovery window, with its data.
#[tokio::test]
async fn a_deleted_key_or_secret_is_restored() {
    let (stack, mut live_state) = applied().await;
    let mut ids = BTreeMap::new();
    for kind in ["kms_key", "secret"] {
        for live in live_state.live.get_mut(kind).expect("there are some") {
            live.phase = Phase::Deleting;
            ids.insert(live.tags[ADDRESS_TAG].clone(), live.id.clone());
        }
    }
    let plan = planned(&stack, &live_state);
    let restored = plan.changes.iter().filter_map(|change| Some((change.address.to_string(), change.dormant.clone()?)));
    assert_eq!(restored.collect::<BTreeMap<_, _>>(), ids);
    assert!(plan.changes.iter().filter(|change| change.dormant.is_some()).all(|change| change.action == Action::Create));
}
