//! The life of each resource type on the stand-ins: created → read back equal → every edit → read back equal → changed outside
//! acme → deleted → gone. `types/<type>.yaml` contains specs and edits.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Mutex,
    thread,
    time::Instant,
};

use acme::aws::types::RESOURCE_TYPES;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    acme::{Acme, CommandOutput, Plan, write_file},
    known, policy,
    proxy::{Faults, Proxy},
    standin::{Standin, StandinKind},
};

/// Content of `types/<type>.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// Stand-ins that don't support this type, with the reason.
    #[serde(default)]
    pub except: BTreeMap<String, String>,
    /// Stand-ins whose tagging API does not list this type, so that removing the last one from the definition goes unnoticed.
    #[serde(default)]
    unindexed: BTreeSet<String>,
    /// Stand-ins that can't change its tags, with the reason.
    #[serde(default)]
    pub untagged: BTreeMap<String, String>,
    /// Dependencies: type → name → spec.
    #[serde(default)]
    pub given: BTreeMap<String, BTreeMap<String, Value>>,
    /// First spec.
    pub spec: Map<String, Value>,
    /// Edits in order.
    #[serde(default)]
    edits: Vec<Edit>,
    /// Change outside acme.
    #[serde(default)]
    drift: Vec<Drift>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// Fields and their new values; `null` removes a field from the definition, so that acme no longer manages it.
    change: Map<String, Value>,
    /// Whether the edit replaces the resource.
    #[serde(default)]
    replaces: bool,
    /// Stand-ins that don't support this, with the reason.
    #[serde(default)]
    except: BTreeMap<String, String>,
}

impl Lifecycle {
    /// Specs at first, and after each edit.
    pub fn specs(&self) -> Vec<Map<String, Value>> {
        let mut specs = vec![self.spec.clone()];
        for edit in &self.edits {
            let mut spec = specs[specs.len() - 1].clone();
            edit.apply_to(&mut spec);
            specs.push(spec);
        }
        specs
    }

    /// Whether a stand-in's tagging API lists this type.
    pub fn is_indexed(&self, kind: StandinKind) -> bool {
        !self.unindexed.contains(kind.name())
    }

    /// Spec after the first edit that replaces the resource, or that does not, with the edits before it. `None`: there is none.
    pub fn spec_after_first_edit(&self, kind: StandinKind, replaces: bool) -> Option<Map<String, Value>> {
        let supported: Vec<&Edit> = self.edits.iter().filter(|edit| !edit.except.contains_key(kind.name())).collect();
        let first = supported.iter().position(|edit| edit.replaces == replaces)?;
        let mut spec = self.spec.clone();
        supported[..=first].iter().for_each(|edit| edit.apply_to(&mut spec));
        Some(spec)
    }

    /// A definition of its dependencies, with or without the resource under test, named `it`.
    pub fn definition(&self, kind: &str, spec: Option<&Map<String, Value>>) -> String {
        let mut resources = self.given.clone();
        if let Some(spec) = spec {
            resources.entry(kind.to_owned()).or_default().insert("it".into(), spec.clone().into());
        }
        let definition = json!({ "stack": stack_name(kind), "region": "us-east-1", "resources": resources });
        serde_yaml::to_string(&definition).expect("a definition is YAML")
    }
}

impl Edit {
    fn apply_to(&self, spec: &mut Map<String, Value>) {
        for (field, value) in &self.change {
            if value.is_null() {
                spec.remove(field)
            } else {
                spec.insert(field.clone(), value.clone())
            };
        }
    }
}

/// Name of the stack of a type, as long as a name can be.
fn stack_name(kind: &str) -> String {
    format!("t-{}", kind.replace('_', "-")).chars().take(31).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drift {
    /// Python with `client(service)`, `id` and `name`.
    python: String,
    /// Fields that differ afterwards.
    seen: BTreeSet<String>,
    /// Stand-ins that don't support this, with the reason.
    #[serde(default)]
    except: BTreeMap<String, String>,
}

#[test]
#[ignore = "full run"]
fn every_type_passes_its_lifecycle_on_moto() {
    for_every_type(StandinKind::Moto, check_lifecycle);
}

#[test]
#[ignore = "full run"]
fn every_type_passes_its_lifecycle_on_ministack() {
    for_every_type(StandinKind::Ministack, check_lifecycle);
}

/// Omitted settings keep their value; others are as requested. Ministack's restore loses the tags.
#[test]
fn restores_a_deleted_database_from_its_final_snapshot() {
    let kind = "rds_instance";
    let (standin, folder) = (Standin::start(StandinKind::Moto), tempfile::tempdir().expect("a temporary folder"));
    let life = &lifecycles()[kind];
    let case = LifecycleCase::new(&standin, kind, life, folder.path());
    let mut spec = life.spec.clone();
    spec.remove("on_delete");
    spec.insert("username".into(), "keeper".into());
    let now = |spec: Option<&Map<String, Value>>, what| case.apply(what, &case.definition(spec)).unwrap_or_else(|error| panic!("{error}"));
    now(Some(&spec), "creating it");
    now(None, "deleting it");
    spec.remove("username");
    spec.extend([("snapshot".into(), "t-rds-instance-it-final".into()), ("class".into(), "db.r7g.large".into())]);
    spec.extend([("maintenance_window".into(), "mon:01:00-mon:01:30".into()), ("max_storage_gib".into(), 100.into())]);
    now(Some(&spec), "making it again");
    let it = standin.run_boto3("out = client('rds').describe_db_instances(DBInstanceIdentifier='t-rds-instance-it')['DBInstances'][0]");
    let fields = ["MasterUsername", "DBInstanceClass", "PreferredMaintenanceWindow"].map(|field| it[field].as_str().unwrap_or_default());
    assert_eq!(fields, ["keeper", "db.r7g.large", "mon:01:00-mon:01:30"]);
    assert!(it["MasterUserSecret"]["SecretArn"].is_string(), "{it:#}");
    spec.insert("snapshot".into(), "another".into());
    assert!(case.plan("naming another one", &case.definition(Some(&spec))).expect("a plan").changes().is_empty());
}

/// Types that neither stand-in supports are tested with recorded exchanges; all others have a file here.
#[test]
fn every_type_has_a_lifecycle_file() {
    let files: BTreeSet<String> = lifecycles().into_keys().collect();
    let types: BTreeSet<String> = RESOURCE_TYPES.iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(files, types, "left: tests/it/types/<type>.yaml, right: the registry");
}

pub fn lifecycles() -> BTreeMap<String, Lifecycle> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/types");
    let mut lives = BTreeMap::new();
    for file in fs::read_dir(folder).expect("the folder of lives").flatten() {
        let text = fs::read_to_string(file.path()).expect("a life can be read");
        let life: Lifecycle = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.path().display()));
        lives.insert(file.path().file_stem().expect("a name").to_string_lossy().into_owned(), life);
    }
    lives
}

/// Runs the life of every type that a stand-in supports, four in parallel, and reports all failures. `ACME_TYPES=vpc,subnet` selects some.
pub fn for_every_type(kind: StandinKind, live: fn(&Standin, &str, &Lifecycle) -> Result<(), String>) {
    for_types(kind, |_, _| true, live);
}

/// Same, but runs a type that both stand-ins support on only one of them: for what depends more on acme than on the service. `can_run` says
/// whether a stand-in supports what is to run.
pub fn for_every_type_once(
    kind: StandinKind,
    can_run: fn(StandinKind, &str, &Lifecycle) -> bool,
    live: fn(&Standin, &str, &Lifecycle) -> Result<(), String>,
) {
    let is_here = |number: usize, (name, life): (&str, &Lifecycle)| {
        let fits = |one: &StandinKind| !life.except.contains_key(one.name()) && can_run(*one, name, life);
        let supported: Vec<_> = StandinKind::BOTH.into_iter().filter(fits).collect();
        supported.get(number % supported.len().max(1)) == Some(&kind)
    };
    for_types(kind, is_here, live);
}

fn for_types(
    kind: StandinKind,
    is_here: impl Fn(usize, (&str, &Lifecycle)) -> bool,
    live: fn(&Standin, &str, &Lifecycle) -> Result<(), String>,
) {
    let picked = std::env::var("ACME_TYPES").ok();
    let picked: Option<BTreeSet<&str>> = picked.as_deref().map(|text| text.split(',').collect());
    let lives = lifecycles();
    let chosen = lives.iter().enumerate().filter(|(number, (name, life))| {
        let is_picked = picked.as_ref().is_none_or(|picked| picked.contains(name.as_str()));
        !life.except.contains_key(kind.name()) && is_here(*number, (name, life)) && is_picked
    });
    let chosen = chosen.map(|(_, one)| one);
    let (left, failures) = (Mutex::new(chosen.collect::<Vec<_>>()), Mutex::new(BTreeMap::new()));
    let mut standin = Standin::start(kind);
    // Checks the parameters of all calls.
    let proxy = Proxy::start(&standin.url, Faults::default());
    standin.url.clone_from(&proxy.url);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((name, life)) = left.lock().unwrap().pop() else { return };
                    let begun = Instant::now();
                    let ended = live(&standin, name, life);
                    eprintln!("{name} on {}: {:.1} s", kind.name(), begun.elapsed().as_secs_f64());
                    if let Err(failure) = ended {
                        failures.lock().unwrap().insert(name.clone(), failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let report: String = failures.iter().map(|(name, failure)| format!("\n━━ {name} on {}\n{failure}\n", kind.name())).collect();
    assert!(failures.is_empty(), "{} of the types fail: {:?}{report}", failures.len(), failures.keys().collect::<Vec<_>>());
    assert_eq!(standin.all_resources(), json!({}), "resources remain");
}

/// Runs the life of one type; returns the failure.
fn check_lifecycle(standin: &Standin, kind: &str, life: &Lifecycle) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let case = LifecycleCase::new(standin, kind, life, folder.path());
    let mut spec = life.spec.clone();
    case.apply("creating it", &case.definition(Some(&spec)))?;
    known::compare_known_values_at(&standin.url, &case.definition(Some(&spec)))?;
    if RESOURCE_TYPES.iter().any(|known| known.name == kind && known.is_taggable()) && !life.untagged.contains_key(standin.kind.name()) {
        for tags in [json!({ "team": "web", "tier": "one" }), json!({ "team": "shop" })] {
            spec.insert("tags".into(), tags.clone());
            case.apply(&format!("tagging it {tags}"), &case.definition(Some(&spec)))?;
        }
    }
    for edit in life.edits.iter().filter(|edit| !edit.except.contains_key(standin.kind.name())) {
        edit.apply_to(&mut spec);
        let what = format!("changing {}", Value::from(edit.change.clone()));
        let definition = case.definition(Some(&spec));
        // A field that leaves the definition returns to its default, or remains.
        let (dropped, written): (Vec<_>, Vec<_>) = edit.change.iter().partition(|(_, value)| value.is_null());
        let pointers = |fields: Vec<(&String, &Value)>| fields.into_iter().map(|(field, _)| format!("/{field}")).collect();
        let (written, dropped): (BTreeSet<String>, BTreeSet<String>) = (pointers(written), pointers(dropped));
        case.expect_change(&what, &definition, if edit.replaces { "replace" } else { "update" }, &written, &dropped)?;
        case.apply(&what, &definition)?;
    }
    for drift in life.drift.iter().filter(|drift| !drift.except.contains_key(standin.kind.name())) {
        let definition = case.definition(Some(&spec));
        let id = case.planned_id(&definition)?;
        standin.run_boto3(&format!("id = {id:?}\nname = {:?}\n{}", format!("{}-it", stack_name(kind)), drift.python));
        case.expect_change("seeing what somebody else changed", &definition, "update", &drift.seen, &BTreeSet::new())?;
        case.apply("setting it right", &definition)?;
    }
    if life.is_indexed(standin.kind) {
        let without = case.definition(None);
        case.expect_change("leaving it out", &without, "delete", &BTreeSet::new(), &BTreeSet::new())?;
        case.apply("deleting it", &without)?;
    }
    let definition = case.definition(Some(&spec));
    case.expect_success("destroying", case.acme.run("destroy", &definition, &["--yes"]))?;
    let again = case.plan("planning anew", &definition)?;
    let left: Vec<_> = again.changes().into_iter().filter(|change| !change.starts_with("create ")).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("after destroy this is left: {left:?}")) }
}

pub struct LifecycleCase<'a> {
    pub acme: Acme,
    resource_type: &'a str,
    lifecycle: &'a Lifecycle,
    folder: &'a Path,
    /// IAM actions that `acme policy` allows for definitions so far. It is asked when a run needs another one.
    allowed: RefCell<BTreeSet<String>>,
}

impl<'a> LifecycleCase<'a> {
    pub fn new(standin: &Standin, kind: &'a str, life: &'a Lifecycle, folder: &'a Path) -> LifecycleCase<'a> {
        LifecycleCase { acme: Acme::at_endpoint(&standin.url), resource_type: kind, lifecycle: life, folder, allowed: RefCell::default() }
    }

    /// Writes the definition, with or without the resource under test.
    pub fn definition(&self, spec: Option<&Map<String, Value>>) -> std::path::PathBuf {
        write_file(self.folder, "stack.yaml", &self.lifecycle.definition(self.resource_type, spec))
    }

    pub fn expect_success(&self, what: &str, done: CommandOutput) -> Result<CommandOutput, String> {
        if done.code == 0 { Ok(done) } else { Err(format!("{what}: exit code {}\n{}", done.code, done.combined_output())) }
    }

    pub fn plan(&self, what: &str, definition: &Path) -> Result<Plan, String> {
        let done = self.expect_success(what, self.acme.run("plan", definition, &["-o", "json"]))?;
        serde_json::from_str(&done.stdout).map(Plan).map_err(|error| format!("{what}: the plan is no JSON ({error}):\n{}", done.stdout))
    }

    /// Applies with calls that the printed policy allows, and expects a second plan without changes.
    pub fn apply(&self, what: &str, definition: &Path) -> Result<(), String> {
        let done = self.expect_success(what, self.acme.run("apply", definition, &["--yes", "--stats"]))?;
        let called = policy::called_actions(&done.stderr);
        if !called.is_subset(&self.allowed.borrow()) {
            self.allowed.borrow_mut().extend(policy::allowed_actions(&policy::policy_documents(
                &Acme::without_cloud(),
                definition,
                "apply",
            )));
        }
        let denied: Vec<String> = called.difference(&self.allowed.borrow()).cloned().collect();
        if !denied.is_empty() {
            return Err(format!("{what}: `acme policy` does not allow {denied:?}"));
        }
        let again = self.plan(what, definition)?;
        if again.changes().is_empty() {
            Ok(())
        } else {
            Err(format!("{what}: after apply the plan is not empty: {:#}", again.0["changes"]))
        }
    }

    /// Asserts that the plan is this action on this resource, for exactly these fields, and perhaps the others.
    fn expect_change(
        &self,
        what: &str,
        definition: &Path,
        action: &str,
        fields: &BTreeSet<String>,
        others: &BTreeSet<String>,
    ) -> Result<(), String> {
        let plan = self.plan(what, definition)?;
        // What the deletion of a resource leaves behind has steps of its own.
        let left_behind = plan.0["changes"].as_array().into_iter().flatten().filter(|change| change["reason"] == "left_behind");
        let left_behind: BTreeSet<String> =
            left_behind.filter_map(|change| Some(format!("delete {}", change["address"].as_str()?))).collect();
        let changes: Vec<String> = plan.changes().into_iter().filter(|change| !left_behind.contains(change)).collect();
        // An untagged resource is known only by its identity once it has left the definition.
        let one = match changes.as_slice() {
            [change] if action == "delete" => change.starts_with(&format!("delete {}.", self.resource_type)),
            changes => changes == [format!("{action} {}.it", self.resource_type)],
        };
        let address = format!("{}.it", self.resource_type);
        let mut changed: BTreeSet<String> = plan.changed_fields(&address);
        // The name of a replacement is not one of the edited fields, even if it gets or loses a suffix that AWS requires.
        let planned = plan.0["changes"].as_array().into_iter().flatten().filter(|change| change["address"] == address.as_str());
        let mut forcing =
            planned.filter_map(|change| change["fields"].as_array()).flatten().filter(|field| field["forces_replacement"] == true);
        if action == "replace" && !fields.contains("/name") && forcing.any(|field| field["pointer"] != "/name") {
            changed.remove("/name");
        }
        let top: BTreeSet<String> = changed.iter().map(|at| format!("/{}", at.split('/').nth(1).unwrap_or_default())).collect();
        let top: BTreeSet<String> = top.difference(others).cloned().collect();
        let right = action == "delete" || top == *fields || changed == *fields;
        if one && right { Ok(()) } else { Err(format!("{what}: expected {action} of {fields:?}, the plan is {:#}", plan.0["changes"])) }
    }

    /// The physical id, from the plan that would delete it.
    fn planned_id(&self, definition: &Path) -> Result<String, String> {
        let done = self.expect_success("asking for the id", self.acme.run("plan", definition, &["--destroy", "-o", "json"]))?;
        let plan: Value = serde_json::from_str(&done.stdout).map_err(|error| error.to_string())?;
        let changes = plan["changes"].as_array().cloned().unwrap_or_default();
        let it = changes.iter().find(|change| change["address"] == format!("{}.it", self.resource_type));
        it.and_then(|change| change["id"].as_str()).map(str::to_owned).ok_or_else(|| format!("no id in {plan:#}"))
    }
}
