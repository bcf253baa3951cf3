//! Questions to AWS about a plan, before the first change: whether it accepts the new values, and what the account lacks.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value;

use super::{
    cloud::Cloud,
    discover::{LiveState, address_of},
    gates::check_gates,
    journal::TouchedResource,
    plan::{Action, Obstacle, Plan, ReplacementOrder},
};
use crate::{
    core::{
        AccountLimit, Address, Answers, Error, ErrorKind, PlannedResource, PreflightContext, Prerequisite, Problem, ResourceType,
        StageFields, expression::references,
    },
    definition::{DesiredResource, Stack},
};

/// A resource that the plan creates or changes.
struct AskedResource<'a> {
    declared: &'a DesiredResource,
    spec: Value,
    /// Fields that the plan sets; `None` for all.
    pointers: Option<Vec<String>>,
}

/// Asks about the values that the plan sets, and adds an obstacle for each one that AWS would reject, and a prerequisite for each one that
/// the account lacks. `touched` are the resources of unfinished runs; `locate` returns the line of a field in the definition.
pub async fn preflight(
    cloud: &Cloud,
    answers: &Answers,
    stack: &Stack,
    plan: &mut Plan,
    touched: &BTreeMap<Address, TouchedResource>,
    locate: impl Fn(&DesiredResource, &str) -> Option<String>,
) {
    let asked = asked_resources(stack, plan);
    let created: BTreeSet<&Address> = asked.iter().filter(|one| one.pointers.is_none()).map(|one| &one.declared.address).collect();
    let planned = |text: &str| {
        let reference = references(text).into_iter().next().filter(|reference| reference.text == text)?;
        let declared = stack.resources.get(&Address::new(reference.type_name, reference.name))?;
        Some(PlannedResource { spec: plan.desired_spec(declared), is_created: created.contains(&declared.address) })
    };
    let context = PreflightContext { region: cloud.region(), answers, planned: &planned };
    let ask = asked.iter().map(|one| {
        let declared = one.declared;
        cloud.preflight(declared.resource_type, declared.region.as_deref(), context, &one.spec, one.pointers.as_deref())
    });
    let effects = asked.iter().map(|one| cloud.effects(one.declared.resource_type, one.declared.region.as_deref(), context, &one.spec));
    let (problems, effects, missing, exceeded) = tokio::join!(
        join_all(ask),
        join_all(effects),
        missing_prerequisites(cloud, &asked),
        exceeded_quotas(cloud, context, stack, plan, &locate)
    );
    let (placed, following) =
        tokio::join!(place_updates(cloud, context, stack, plan, &asked), following_steps(cloud, context, stack, plan, touched));
    let effects: BTreeMap<Address, Vec<String>> =
        asked.iter().zip(effects).map(|(one, effects)| (one.declared.address.clone(), effects)).collect();
    let mut obstacles = exceeded;
    for (one, problems) in asked.iter().zip(problems) {
        obstacles.extend(problems.into_iter().map(|problem| obstacle(one.declared, problem, &locate)));
    }
    let (prerequisites, failures) = missing;
    let failures = answers.failures().into_iter().chain(failures);
    let warnings: Vec<String> = failures.map(|(action, error)| warning(action, &error)).collect();
    for change in &mut plan.changes {
        // Those of what deletions leave behind are known already.
        if let Some(effects) = effects.get(&change.address) {
            change.effects.clone_from(effects);
        }
    }
    for FollowingSteps { change, followed: (followed, passed), stages } in following {
        plan.follow(stack, change, (followed, &passed), stages);
    }
    for (change, version) in placed {
        // A change that follows another has its place.
        if plan.changes[change].stages.is_empty() {
            plan.place_at_version(change, &version);
        }
    }
    plan.gates = check_gates(cloud, stack, plan).await;
    plan.obstacles.extend(obstacles);
    plan.warnings.extend(warnings);
    plan.prerequisites = prerequisites;
}

/// Changes that need not wait for the last version that a resource passes on which they depend, by number, with the version.
async fn place_updates(
    cloud: &Cloud,
    context: PreflightContext<'_>,
    stack: &Stack,
    plan: &Plan,
    asked: &[AskedResource<'_>],
) -> Vec<(usize, String)> {
    let numbers = plan.numbers();
    let questions = plan.changes.iter().enumerate().filter_map(|(number, change)| {
        let passed = plan.versions_passed_by_dependencies(stack, &numbers, number)?;
        let one = asked.iter().find(|one| one.declared.address == change.address)?;
        let (kind, region) = (one.declared.resource_type, one.declared.region.as_deref());
        Some(async move { cloud.first_version(kind, region, context, &one.spec, &passed).await.map(|version| (number, version)) })
    });
    join_all(questions).await.into_iter().flatten().collect()
}

/// Steps of a resource that follows one that passes versions.
struct FollowingSteps {
    /// Number of its change.
    change: usize,
    /// Number of the other change, and the versions that it passes.
    followed: (usize, Vec<String>),
    /// Steps, each with the version at which it comes.
    stages: Vec<(String, StageFields)>,
}

/// Asks for the steps of resources that follow others. `touched` are the resources of unfinished runs.
async fn following_steps(
    cloud: &Cloud,
    context: PreflightContext<'_>,
    stack: &Stack,
    plan: &Plan,
    touched: &BTreeMap<Address, TouchedResource>,
) -> Vec<FollowingSteps> {
    let before_runs = |address: &Address| touched.get(address)?.before.as_ref();
    let numbers = plan.numbers();
    let questions = plan.changes.iter().enumerate().filter_map(|(number, change)| {
        let followed = plan.versions_to_follow(stack, &numbers, number, before_runs)?;
        let (declared, live) = stack.resources.get(&change.address).zip(change.before.as_ref())?;
        let (kind, region) = (declared.resource_type, declared.region.as_deref());
        let wanted = plan.desired_spec(declared);
        let live = kind.comparable(&wanted, &live.spec);
        Some(async move {
            let stages = cloud.follow(kind, region, context, (&wanted, &live), &followed.1).await;
            (!stages.is_empty()).then_some(FollowingSteps { change: number, followed, stages })
        })
    });
    join_all(questions).await.into_iter().flatten().collect()
}

/// Resources that the plan creates, replaces, or changes in some fields.
fn asked_resources<'a>(stack: &'a Stack, plan: &Plan) -> Vec<AskedResource<'a>> {
    let planned = plan.changes.iter().filter_map(|change| {
        let pointers = match change.action {
            Action::Create | Action::Replace => None,
            Action::Update if !change.fields.is_empty() => Some(change.fields.iter().map(|field| field.pointer.clone()).collect()),
            _ => return None,
        };
        let declared = stack.resources.get(&change.address)?;
        Some(AskedResource { declared, spec: plan.desired_spec(declared), pointers })
    });
    planned.collect()
}

fn obstacle(declared: &DesiredResource, problem: Problem, locate: impl Fn(&DesiredResource, &str) -> Option<String>) -> Obstacle {
    let field = problem.pointer.split('/').nth(1).unwrap_or_default();
    Obstacle {
        code: "not-offered",
        address: declared.address.clone(),
        message: format!("`{field}` of `{}`: {}", declared.address, problem.message),
        help: problem.help.unwrap_or_else(|| format!("set another `{field}`")),
        location: locate(declared, &problem.pointer),
        adoptable: None,
        other: None,
    }
}

/// Obstacles for types of which the plan creates more than the account can have. Deletions come later, so they make no room, unless a
/// replacement deletes first.
async fn exceeded_quotas(
    cloud: &Cloud,
    context: PreflightContext<'_>,
    stack: &Stack,
    plan: &Plan,
    locate: impl Fn(&DesiredResource, &str) -> Option<String>,
) -> Vec<Obstacle> {
    let mut created: BTreeMap<(&str, Option<&str>), Vec<&DesiredResource>> = BTreeMap::new();
    for change in &plan.changes {
        let adds = match change.action {
            Action::Create => change.dormant.is_none(),
            Action::Replace => change.replacement_order == Some(ReplacementOrder::CreateBeforeDestroy),
            _ => false,
        };
        if let Some(declared) = stack.resources.get(&change.address).filter(|_| adds) {
            created.entry((declared.resource_type.name, declared.region.as_deref())).or_default().push(declared);
        }
    }
    let questions = created.into_iter().filter_map(|((_, region), resources)| {
        let kind = resources.first()?.resource_type;
        Some(async move { (cloud.account_limit(kind, region, context).await, resources) })
    });
    let mut obstacles = Vec::new();
    for (limit, resources) in join_all(questions).await {
        let Some(limit) = limit else { continue };
        let free = usize::try_from(limit.most.saturating_sub(limit.used)).unwrap_or(usize::MAX);
        let Some(declared) = resources.get(free) else { continue };
        let AccountLimit { most, used } = limit;
        let message = format!(
            "`{}` exceeds a quota of the account: {most} of this type, of which {used} exist; the plan creates {}",
            declared.address,
            resources.len()
        );
        obstacles.push(Obstacle {
            code: "quota-exceeded",
            address: declared.address.clone(),
            message,
            help: "request a quota increase in Service Quotas, or use fewer".to_owned(),
            location: locate(declared, ""),
            adoptable: None,
            other: None,
        });
    }
    obstacles
}

fn warning(action: &str, error: &Error) -> String {
    if error.kind == ErrorKind::AccessDenied {
        return format!("Some values were not checked: `{action}` is not allowed; `acme policy` prints the permissions.");
    }
    format!("Some values were not checked: `{action}` failed with {}.", error.code)
}

/// Prerequisites that the account lacks, and the failures of reads.
async fn missing_prerequisites(cloud: &Cloud, asked: &[AskedResource<'_>]) -> (Vec<Prerequisite>, Vec<(&'static str, Error)>) {
    let created = asked.iter().filter(|one| one.pointers.is_none());
    let needed: BTreeSet<_> = created.flat_map(|one| one.declared.resource_type.operations.prerequisites(&one.spec)).collect();
    let checks = needed.into_iter().map(|needed| async move { (needed, cloud.has_prerequisite(&needed).await) });
    let (mut missing, mut failures) = (Vec::new(), Vec::new());
    for (needed, exists) in join_all(checks).await {
        match exists {
            Ok(true) => {}
            Ok(false) => missing.push(needed),
            Err(error) => failures.push((needed.read_action(), error)),
        }
    }
    (missing, failures)
}

/// Settles the fields that the definition leaves to acme: the values of live resources count, and new resources get values that AWS offers.
/// Resources with the same preferred value get the same one. AWS is asked only if there is a new preferred value.
pub async fn choose_values(cloud: &Cloud, answers: &Answers, stack: &mut Stack, live_state: &LiveState) {
    let live: BTreeMap<Address, &Value> = live_state.iter().filter_map(|live| Some((address_of(live)?, &*live.spec))).collect();
    let mut types: BTreeMap<(&str, Option<String>), &'static ResourceType> = BTreeMap::new();
    for declared in stack.resources.values().filter(|declared| !declared.chosen_fields.is_empty()) {
        types.insert((declared.resource_type.name, declared.region.clone()), declared.resource_type);
    }
    for ((name, region), kind) in types {
        let region = region.as_deref();
        let mut choices = Choices::default();
        for (address, pointer, preferred) in choices_to_make(stack, name, region) {
            match live.get(&address).and_then(|spec| spec.pointer(&pointer)?.as_str()) {
                Some(value) => choices.keep(preferred, value),
                None => choices.missing.push(preferred),
            }
        }
        if choices.is_incomplete() {
            let context = PreflightContext { region: cloud.region(), answers, planned: &|_| None };
            choices.complete(&cloud.choices(kind, region, context).await);
        }
        for (address, pointer, preferred) in choices_to_make(stack, name, region) {
            let in_place = live.get(&address).and_then(|spec| spec.pointer(&pointer)?.as_str());
            let value = in_place.or_else(|| choices.made.get(&preferred).map(String::as_str)).unwrap_or(&preferred).to_owned();
            let spec = stack.resources.get_mut(&address).and_then(|declared| declared.spec.pointer_mut(&pointer));
            if let Some(spec) = spec {
                *spec = value.into();
            }
        }
    }
}

/// Address, field and preferred value of each choice.
fn choices_to_make(stack: &Stack, type_name: &str, region: Option<&str>) -> Vec<(Address, String, String)> {
    let mut all = Vec::new();
    let is_wanted = |declared: &&DesiredResource| declared.resource_type.name == type_name && declared.region.as_deref() == region;
    for declared in stack.resources.values().filter(is_wanted) {
        for pointer in &declared.chosen_fields {
            let preferred = declared.spec.pointer(pointer).and_then(Value::as_str);
            all.extend(preferred.map(|preferred| (declared.address.clone(), pointer.clone(), preferred.to_owned())));
        }
    }
    all
}

/// Choices by preferred value; no value is chosen twice.
#[derive(Default)]
struct Choices {
    made: BTreeMap<String, String>,
    missing: Vec<String>,
}

impl Choices {
    /// Keeps a value in place.
    fn keep(&mut self, preferred: String, value: &str) {
        self.made.entry(preferred).or_insert_with(|| value.to_owned());
    }
    fn is_incomplete(&self) -> bool {
        self.missing.iter().any(|preferred| !self.made.contains_key(preferred))
    }
    /// Chooses preferred values that are offered, and others for the rest, in the order of the offer.
    fn complete(&mut self, offered: &[String]) {
        let missing: BTreeSet<String> = self.missing.iter().filter(|preferred| !self.made.contains_key(*preferred)).cloned().collect();
        let is_taken = |made: &BTreeMap<String, String>, value: &String| made.values().any(|taken| taken == value);
        let (preferred, rest): (Vec<String>, Vec<String>) =
            missing.into_iter().partition(|preferred| offered.contains(preferred) && !is_taken(&self.made, preferred));
        self.made.extend(preferred.into_iter().map(|preferred| (preferred.clone(), preferred)));
        for preferred in rest {
            if let Some(value) = offered.iter().find(|value| !is_taken(&self.made, value)) {
                self.made.insert(preferred, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_offered_values_and_keeps_those_in_place() {
        let texts = |all: &str| all.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let chosen = |in_place: &[(&str, &str)], missing: &str, offered: &str| {
            let mut choices = Choices { missing: texts(missing), ..Choices::default() };
            in_place.iter().for_each(|(preferred, value)| choices.keep((*preferred).to_owned(), value));
            choices.complete(&texts(offered));
            choices.made.iter().map(|(preferred, value)| format!("{preferred}{value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(chosen(&[], "a b c", "a b c d"), "aa bb cc");
        assert_eq!(chosen(&[], "a b", "a c d"), "aa bc");
        assert_eq!(chosen(&[], "a b c", "a c d"), "aa bd cc");
        assert_eq!(chosen(&[("a", "a"), ("b", "c")], "a b c", "a c d"), "aa bc cd");
        assert_eq!(chosen(&[], "a b c", "a c"), "aa cc");
        assert_eq!(chosen(&[], "a b", ""), "");
    }
}
