//! What a plan says about each type after changes made outside acme to what identifies a resource.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    aws::types::RESOURCE_TYPES,
    core::{ADDRESS_TAG, Address, LiveResource, ResourceType, Tags},
    definition::expanded_yaml,
    engine::{
        discover::address_of,
        plan::{
            Action, Goal, Plan,
            dropped::tests::{apply_examples, open_session, surroundings},
        },
        session::Session,
    },
    simulator::{Behaviour, Simulator},
};

/// An applied stack in a folder of its own.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    /// Without these resources.
    fn without(original: &Path, left_out: &[&LiveResource]) -> Copy {
        let folder = tempfile::tempdir().expect("a folder");
        copy_all(&original.join("cloud"), &folder.path().join("cloud"));
        let copy = Copy { folder };
        let left_out: BTreeSet<_> = left_out.iter().map(|live| (live.type_name.as_str(), live.id.as_str())).collect();
        copy.retain(|type_name, id| !left_out.contains(&(type_name, id)));
        copy
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("cloud/cloud.jsonl")
    }

    /// Removes a resource from the simulated cloud, whatever still uses it.
    fn remove(&self, live: &LiveResource) {
        self.retain(|type_name, id| type_name != live.type_name || id != live.id);
    }

    /// Keeps resources by type and id.
    fn retain(&self, is_kept: impl Fn(&str, &str) -> bool) {
        let text = fs::read_to_string(self.file()).expect("a cloud");
        let (head, lines) = text.split_once('\n').expect("a first line");
        let is_kept = |line: &&str| {
            let entry: Value = serde_json::from_str(line).expect("a resource");
            is_kept(entry["type_name"].as_str().expect("a type"), entry["id"].as_str().expect("an id"))
        };
        let rest: String = lines.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        fs::write(self.file(), format!("{head}\n{rest}")).expect("it can be written");
    }

    fn seed(&self, live: LiveResource) {
        let cloud = Simulator::open(self.folder.path().join("cloud"), "eu-west-1", Behaviour::default()).expect("a cloud");
        cloud.seed(live).expect("it can be put there");
    }

    async fn plan(&self, text: &str) -> Plan {
        let mut session = open_session(self.folder.path(), text).await;
        let state = session.discover_with_history().await.expect("resources");
        session.choose_values(&state, Goal::Apply).await.expect("values");
        session.plan(&state, Goal::Apply).await.expect("a plan")
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

fn untagged(live: &LiveResource) -> LiveResource {
    LiveResource { tags: Tags::new().into(), ..live.clone() }
}

/// The same resource as somebody else makes it again: with another id, unless that follows from its name.
fn recreated(kind: &ResourceType, live: &LiveResource) -> LiveResource {
    let has_generated_id = kind.id.contains("{hex")
        || kind.id.contains("{uuid}")
        || kind.id.contains("{upper")
        || kind.id == "{arn}" && { ["{hex", "{uuid}", "{upper"].iter().any(|part| kind.arn.contains(part)) };
    if !has_generated_id {
        return untagged(live);
    }
    let last = if live.id.ends_with('0') { '1' } else { '0' };
    let id = format!("{}{last}", &live.id[..live.id.len() - 1]);
    let outputs = live.outputs.to_string().replace(&live.id, &id);
    LiveResource { outputs: serde_json::from_str::<Value>(&outputs).expect("outputs").into(), id, ..untagged(live) }
}

/// What a plan says: the obstacles, or else what becomes of the resource and of others.
fn told(plan: &Plan, address: &Address) -> String {
    let mut said: Vec<String> = plan.obstacles.iter().map(|one| format!("blocked: {} {}", one.code, one.address)).collect();
    let word = |action: Action| format!("{action:?}").to_lowercase();
    let own = plan.changes.iter().find(|change| change.address == *address);
    said.push(own.map_or("not planned".to_owned(), |change| word(change.action)));
    let others = plan.changes.iter().filter(|change| change.address != *address && change.action != Action::None);
    let others: BTreeSet<String> = others.map(|change| format!("{} {}", word(change.action), change.address)).collect();
    said.extend(others);
    said.join(", ")
}

/// The resource of each type that most others refer to.
fn chosen(session: &Session, live: &[LiveResource], kind: &ResourceType) -> Option<LiveResource> {
    let of_type = live.iter().filter(|live| live.type_name == kind.name);
    let dependents = |address: &Address| session.stack().resources.values().filter(|one| one.depends_on.contains(address)).count();
    let known =
        of_type.filter_map(|live| Some((address_of(live)?, live))).filter(|(address, _)| session.stack().resources.contains_key(address));
    known.max_by_key(|(address, _)| dependents(address)).map(|(_, live)| live.clone())
}

#[tokio::test]
#[ignore = "full run"]
async fn a_plan_says_what_was_changed_outside_to_each_type() {
    let original = tempfile::tempdir().expect("a folder");
    let text = apply_examples(original.path()).await;
    let mut session = open_session(original.path(), &text).await;
    let state = session.discover_with_history().await.expect("resources");
    let live: Vec<LiveResource> = state.live_state().iter().cloned().collect();
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for kind in RESOURCE_TYPES.iter() {
        let Some(it) = chosen(&session, &live, kind) else {
            // Without an address of its own, it belongs to the stack by its identity.
            assert!(!kind.identity.is_empty(), "no example of {}", kind.name);
            continue;
        };
        let address = address_of(&it).expect("an address");
        let declared = &session.stack().resources[&address];
        let dependency = declared.depends_on.iter().find_map(|dependency| {
            let text = dependency.to_string();
            live.iter().find(|live| live.tags.get(ADDRESS_TAG) == Some(&text))
        });
        let changed = dependency.and_then(address_of).into_iter().chain([address.clone()]);
        let kept = surroundings(session.stack(), changed);
        // The whole definition takes a hundred times longer to compile.
        let mut part = session.stack().clone();
        part.resources.retain(|address, _| kept.contains(address));
        part.outputs.clear();
        // A name that acme chose is not written, so that a replacement can have another one.
        for declared in part.resources.values_mut().filter(|declared| declared.has_generated_name) {
            declared.spec.as_object_mut().expect("fields").remove("name");
        }
        let part = expanded_yaml(&part);
        let left_out: Vec<_> = live.iter().filter(|live| address_of(live).is_some_and(|address| !kept.contains(&address))).collect();
        let after = |change: &dyn Fn(&Copy)| {
            let copy = Copy::without(original.path(), &left_out);
            change(&copy);
            copy
        };
        let mut cases = vec![
            ("its tags removed", after(&|copy| copy.seed(untagged(&it)))),
            ("deleted", after(&|copy| copy.remove(&it))),
            (
                "recreated",
                after(&|copy| {
                    copy.remove(&it);
                    copy.seed(recreated(kind, &it));
                }),
            ),
        ];
        if let Some(other) = dependency {
            let other_kind = crate::aws::types::resource_type(&other.type_name).expect("a type");
            cases.push((
                "its dependency recreated",
                after(&|copy| {
                    copy.remove(other);
                    copy.seed(recreated(other_kind, other));
                }),
            ));
        }
        for (case, copy) in cases {
            let plan = copy.plan(&part).await;
            let said = told(&plan, &address);
            let blocked = format!("blocked: untagged {address}");
            let right = match case {
                // Nothing can remove the ownership of what derives it from other resources.
                "its tags removed" if !kind.is_adoptable() => true,
                "its tags removed" => [format!("{blocked}, update"), format!("{blocked}, none")].contains(&said),
                "deleted" => !said.contains(&blocked) && !said.starts_with("none"),
                _ => true,
            };
            if !right {
                wrong.push(format!("{address} {case}: {said}"));
            }
            lines.push(format!("{address} {case}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    insta::assert_snapshot!("changed_outside", lines.join("\n"));
}
