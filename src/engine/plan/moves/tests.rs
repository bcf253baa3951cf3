//! Every resource of the documentation under another key, with and without a fixed name.

use std::collections::BTreeSet;

use super::*;
use crate::{
    core::{ADDRESS_TAG, Phase},
    engine::plan::{
        Action, Plan,
        dropped::tests::{applied, planned},
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

#[tokio::test]
async fn a_resource_under_another_key_is_moved_or_the_plan_is_blocked() {
    let (stack, live_state) = applied().await;
    let mut wrong = Vec::new();
    for keep_name in [false, true] {
        for old in stack.resources.keys() {
            let (stack, new) = renamed(&stack, old, keep_name);
            let plan = planned(&stack, &live_state);
            let found = creations_and_deletions(&plan);
            let is_moved =
                plan.changes.iter().any(|change| change.address == new && matches!(change.action, Action::Update | Action::None));
            if plan.obstacles.is_empty() && !(is_moved && found.is_empty()) {
                wrong.push(format!("{old}, {keep_name}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
