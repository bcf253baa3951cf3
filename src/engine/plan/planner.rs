//! Decides the action for each resource, and its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Action, Change, FieldDiff, Goal, NullMeans, Obstacle, Plan, Reason, ReplacementOrder, diff,
    diff::{flag_important_and_risky, satisfies},
    dropped::{add_unset_diffs, permanent_field_obstacles, unset_diffs},
    known::Location,
    leftovers::OwnedLeftovers,
    matching, moves,
    obstacles::{
        blocked_replacement_obstacle, foreign_resource_obstacle, lost_resource_obstacle, one_way_obstacle, renamed_data_obstacle,
        renamed_dependency_obstacle,
    },
    order,
    removal::{effective_on_delete, irreversible_effect},
    replacement_name,
    selection::Selection,
    stages::divide_updates,
};
use crate::{
    aws::types::resource_type,
    core::{Address, ChangedFields, DataProtection, Direction, LiveResource, OnDelete, OneWay, Phase, ResourceType, iam_path},
    definition::{DesiredResource, Stack},
    engine::discover::{LiveState, has_visible_tags, visible_tags},
};

/// Pointer to the region of a resource in the differences of a plan. No regional type has a field of this name.
pub(super) const REGION_POINTER: &str = "/region";

/// Compares the definition with live resources. Pure: makes no calls, reads no clock.
pub fn plan(stack: &Stack, live_state: &LiveState, goal: Goal, region: &str, account: &str) -> Plan {
    plan_with_leftovers(stack, live_state, &[], goal, (region, account))
}

/// Same, and deletes what the deletions leave behind. The last parameter has region and account.
pub fn plan_with_leftovers(
    stack: &Stack,
    live_state: &LiveState,
    leftovers: &[OwnedLeftovers],
    goal: Goal,
    location: (&str, &str),
) -> Plan {
    plan_selected(stack, live_state, leftovers, &Selection::default(), goal, location)
}

/// Same, for some resources only. The last parameter has region and account.
pub fn plan_selected(
    stack: &Stack,
    live_state: &LiveState,
    leftovers: &[OwnedLeftovers],
    selection: &Selection,
    goal: Goal,
    location: (&str, &str),
) -> Plan {
    let plan = plan_replacing(stack, live_state, leftovers, selection, goal, location, &BTreeSet::new());
    let deleted_first = renamed_but_deleted_first(&plan);
    if deleted_first.is_empty() {
        return plan;
    }
    let same_names = plan_replacing(stack, live_state, leftovers, selection, goal, location, &deleted_first);
    // Others may have to make way for the name.
    if same_names.obstacles.iter().all(|obstacle| plan.obstacles.contains(obstacle)) { same_names } else { plan }
}

/// Resources with another name than the declared one that are deleted before their replacements exist. These don't need it, and a plan after
/// the deletion would not know of it.
fn renamed_but_deleted_first(plan: &Plan) -> BTreeSet<Address> {
    let is_deleted_first = |change: &&Change| {
        change.action == Action::Replace
            && change.replacement_order == Some(ReplacementOrder::DestroyBeforeCreate)
            && plan.name_overrides.contains_key(&change.address)
            // AWS reserves the name of a secret until its recovery window is over.
            && resource_type(&change.address.type_name).is_some_and(|kind| kind.data_protection == DataProtection::None)
    };
    plan.changes.iter().filter(is_deleted_first).map(|change| change.address.clone()).collect()
}

/// Same as [`plan_selected`]; resources in `deleted_first` are deleted before their replacements exist, which get the declared names.
fn plan_replacing(
    stack: &Stack,
    live_state: &LiveState,
    leftovers: &[OwnedLeftovers],
    selection: &Selection,
    goal: Goal,
    (region, account): (&str, &str),
    deleted_first: &BTreeSet<Address>,
) -> Plan {
    let mut matched = matching::match_resources(stack, live_state);
    let lost = if goal == Goal::Apply { matched.find_lost(stack, live_state) } else { Vec::new() };
    let location = Location { region, account, iam_path: &iam_path(&stack.name, &stack.environment) };
    let mut planner = Planner::new(stack, &matched, location, NullMeans::Unmanaged, BTreeSet::new());
    planner.replacing.clone_from(&selection.replace);
    planner.deleted_first.clone_from(deleted_first);
    if goal == Goal::Apply {
        planner.obstacles.extend(matched.foreign.iter().map(foreign_resource_obstacle));
        planner.obstacles.extend(lost.iter().map(|(address, live)| lost_resource_obstacle(address, live)));
        planner.plan_all_declared(stack, |_| true);
    }
    for (address, live) in &matched.live {
        match (goal, stack.resources.get(address)) {
            (Goal::Apply, Some(_)) => {}
            (_, None) if stack.forget.contains_key(address) => planner.plan_removal(address, live, None, Reason::Forgotten),
            (Goal::Apply, None) => planner.plan_removal(address, live, None, Reason::NotInDefinition),
            (Goal::Destroy, declared) => planner.plan_removal(address, live, declared, Reason::Destroyed),
        }
    }
    for (number, live) in matched.left_over.iter().enumerate() {
        let kind = live.type_name.as_str();
        planner.plan_removal(&Address::new(kind, format!("left-over-{}", number + 1)), live, None, Reason::LeftOver);
    }
    planner.forget_parts();
    let partial = planner.select(selection);
    let notes = planner.check_unmatched(live_state, goal);
    let look_alikes = planner.look_alike_warning();
    planner.order_exclusive_resources();
    planner.protect_what_is_still_used();
    planner.plan_leftovers(leftovers);
    let mut plan = Plan { partial, ..planner.into_plan(live_state, order::PlanDirection::Forward) };
    plan.notes.extend(notes);
    plan.warnings.extend(look_alikes);
    plan
}

/// A failed resource with data is updated, never replaced. The same applies to one that an update can fix.
fn unhealthy_warning(change: &Change) -> Option<String> {
    let live = change.before.as_ref().filter(|_| matches!(change.action, Action::None | Action::Update))?;
    let (status, why) = match &live.phase {
        Phase::Failed(status) => (status, "; acme does not replace it, because it holds data"),
        Phase::Degraded(status) => (status, ""),
        _ => return None,
    };
    Some(format!("AWS reports `{status}` for `{}` ({}){why}.", change.address, live.id))
}

/// Impact of changes of these fields.
pub(super) fn impact_of(kind: &ResourceType, fields: &[FieldDiff]) -> Vec<&'static str> {
    let changed = ChangedFields(fields.iter().map(|field| field.pointer.clone()).collect());
    without_repeats(kind.impact.iter().filter(|(field, _)| changed.contains(field)).map(|(_, words)| *words))
}

fn without_repeats(words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut words: Vec<_> = words.collect();
    words.dedup();
    words
}

/// Planned changes so far.
pub(super) struct Planner<'a> {
    pub(super) stack: &'a Stack,
    pub(super) matched: &'a matching::MatchedResources<'a>,
    pub(super) changes: BTreeMap<Address, Box<Change>>,
    pub(super) location: Location<'a>,
    /// Desired specs of the resources that change, with known references resolved, by address.
    pub(super) desired: BTreeMap<Address, Value>,
    /// See [`Plan::name_overrides`].
    pub(super) name_overrides: BTreeMap<Address, String>,
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) null_means: NullMeans,
    /// Resources created by the run being undone.
    pub(super) created_by_undone_run: BTreeSet<Address>,
    /// Resources to replace, even if they match.
    pub(super) replacing: BTreeSet<Address>,
    /// Resources that are deleted before their replacements exist, which get the declared names.
    deleted_first: BTreeSet<Address>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        stack: &'a Stack,
        matched: &'a matching::MatchedResources<'a>,
        location: Location<'a>,
        null_means: NullMeans,
        created_by_undone_run: BTreeSet<Address>,
    ) -> Planner<'a> {
        Planner {
            stack,
            matched,
            changes: BTreeMap::new(),
            location,
            desired: BTreeMap::new(),
            name_overrides: BTreeMap::new(),
            obstacles: Vec::new(),
            null_means,
            created_by_undone_run,
            replacing: BTreeSet::new(),
            deleted_first: BTreeSet::new(),
        }
    }

    /// Builds the plan from the changes of each resource.
    pub(super) fn into_plan(self, live_state: &LiveState, direction: order::PlanDirection) -> Plan {
        let Planner { stack, changes, desired, name_overrides: names, mut obstacles, location, .. } = self;
        let mut changes: Vec<Change> = changes.into_values().map(|change| *change).collect();
        if direction == order::PlanDirection::Forward {
            divide_updates(stack, &mut changes, &desired);
        }
        let warnings = live_state.warnings.iter().cloned().chain(changes.iter().filter_map(unhealthy_warning)).collect();
        let order::StepOrder { apply, clean_up, exchanges, blocked } = order::order_steps(stack, &mut changes, direction);
        obstacles.extend(blocked.into_iter().map(|(used, user)| blocked_replacement_obstacle(&changes[used], &changes[user])));
        Plan {
            stack: stack.name.to_string(),
            environment: stack.environment.to_string(),
            region: location.region.to_owned(),
            account: location.account.to_owned(),
            is_simulated: false,
            changes,
            apply,
            clean_up,
            partial: None,
            costs: None,
            obstacles,
            prerequisites: Vec::new(),
            notes: Vec::new(),
            stacks: Vec::new(),
            existing: Vec::new(),
            warnings,
            gates: Vec::new(),
            outputs: Vec::new(),
            not_restored: Vec::new(),
            name_overrides: names,
            exchanges,
        }
    }

    /// Plans the declared resources at these addresses, dependencies first. Where a resource comes before one that it refers to, because they
    /// form a cycle, it is planned as if that one stays, and again if it does not.
    pub(super) fn plan_all_declared(&mut self, stack: &Stack, is_wanted: impl Fn(&Address) -> bool) {
        let order::TopologicalOrder { addresses, mut assumed } = order::topological_order(stack);
        for address in addresses.iter().filter(|address| is_wanted(address)) {
            self.plan_declared(&stack.resources[address]);
        }
        loop {
            let is_replaced = |address: &Address| self.changes.get(address).is_some_and(|change| change.action == Action::Replace);
            let (wrong, right): (Vec<_>, Vec<_>) = assumed.into_iter().partition(|(_, dependency)| is_replaced(dependency));
            let wrong: BTreeSet<Address> = wrong.into_iter().map(|(dependent, _)| dependent).filter(&is_wanted).collect();
            if wrong.is_empty() {
                break;
            }
            for dependent in &wrong {
                let known = self.obstacles.len();
                self.plan_declared(&stack.resources[dependent]);
                let mut again = self.obstacles.split_off(known);
                again.retain(|obstacle| !self.obstacles.contains(obstacle));
                self.obstacles.extend(again);
            }
            assumed = right;
        }
    }

    /// Plans a declared resource; its dependencies have been planned before, or are assumed to stay.
    fn plan_declared(&mut self, declared: &DesiredResource) {
        let wanted = self.resolve_known_references(declared);
        let change = match self.matched.live.get(&declared.address) {
            None => Change {
                fields: fields_set_by_create(declared.resource_type, &wanted),
                dormant: self
                    .matched
                    .dormant
                    .get(&declared.address)
                    .filter(|live| live.region == declared.region)
                    .map(|live| live.id.clone()),
                ..new_change(declared.address.clone(), declared.resource_type, Action::Create, Reason::DoesNotExist, None)
            },
            Some(live) => self.plan_existing(declared, &wanted, live),
        };
        let section = declared.section().map(str::to_owned);
        let moved_from = self.matched.moves.get(&declared.address).cloned();
        if change.action != Action::None {
            let desired = match self.name_overrides.get(&declared.address) {
                Some(name) => self.resolve_known_references_with_name(declared, name),
                None => wanted.into_owned(),
            };
            self.desired.insert(declared.address.clone(), desired);
        }
        self.changes.insert(declared.address.clone(), Box::new(Change { section, region: declared.region.clone(), moved_from, ..change }));
    }

    fn plan_existing(&mut self, declared: &DesiredResource, wanted: &Value, live: &LiveResource) -> Change {
        if self.deleted_first.contains(&declared.address) {
            return self.plan_existing_as(declared, wanted, live);
        }
        let Some(name) = replacement_name::current_suffixed_name(declared, live).or_else(|| replacement_name::kept_name(declared, live))
        else {
            return self.plan_existing_as(declared, wanted, live);
        };
        let wanted = self.resolve_known_references_with_name(declared, &name);
        self.name_overrides.insert(declared.address.clone(), name);
        self.plan_existing_as(declared, &wanted, live)
    }

    fn plan_existing_as(&mut self, declared: &DesiredResource, wanted: &Value, live: &LiveResource) -> Change {
        let kind = declared.resource_type;
        let moved = (declared.region != live.region).then(|| self.region_diff(declared, live));
        let compare = |wanted: &Value| {
            let mut fields = compare_fields(declared, wanted, live, self.null_means);
            self.force_replacement_by_kept(declared, live, &mut fields);
            moved.clone().into_iter().chain(fields).collect::<Vec<_>>()
        };
        let mut fields = compare(wanted);
        let is_deleted_first = self.deleted_first.contains(&declared.address);
        if is_deleted_first {
            // The name is a consequence of the replacement, not a reason for it.
            fields.iter_mut().filter(|field| field.pointer == "/name").for_each(|field| field.forces_replacement = false);
        }
        let recreated = self.fields_of_recreated(declared, live, &fields);
        let differ = kind.is_taggable() && !has_visible_tags(&live.tags, &declared.tags);
        let tags = differ.then(|| (visible_tags(&live.tags, &declared.tags), declared.tags.clone()));
        let forcing: Vec<String> = fields.iter().chain(&recreated).filter(|f| f.forces_replacement).map(|f| f.pointer.clone()).collect();
        let (action, reason) = match &live.phase {
            Phase::Failed(status) if is_replaced_once_failed(kind) => (Action::Replace, Reason::Failed { status: status.clone() }),
            _ if !forcing.is_empty() => (Action::Replace, Reason::ImmutableFields { fields: forcing }),
            _ if self.replacing.contains(&declared.address) => (Action::Replace, Reason::Requested),
            _ if !fields.is_empty() || tags.is_some() => (Action::Update, Reason::Differs),
            Phase::Waiting(instruction) => (Action::Update, Reason::Waiting { instruction: instruction.clone() }),
            _ => (Action::None, Reason::UpToDate),
        };
        let mut create_first =
            action == Action::Replace && !is_deleted_first && recreated.is_empty() && can_coexist(kind, wanted, &live.spec, &fields);
        // A failed resource has no data, and its replacement takes its name. So does one that is recreated with another.
        if action == Action::Replace
            && !create_first
            && !is_deleted_first
            && recreated.is_empty()
            && !matches!(live.phase, Phase::Failed(_))
            && let Some(name) = replacement_name::new_suffixed_name(declared, live)
        {
            let renamed = self.resolve_known_references_with_name(declared, &name);
            let mut renamed_fields = compare(&renamed);
            if can_coexist(kind, &renamed, &live.spec, &renamed_fields) {
                // The new name is a consequence of the replacement, not a reason for it.
                renamed_fields.iter_mut().filter(|field| field.pointer == "/name").for_each(|field| field.forces_replacement = false);
                (fields, create_first) = (renamed_fields, true);
                self.name_overrides.insert(declared.address.clone(), name);
            }
        }
        let recreated_fields = recreated.len();
        fields.extend(recreated);
        flag_important_and_risky(kind, &mut fields, wanted, &live.spec);
        let mut change = Change { fields, tags, ..new_change(declared.address.clone(), kind, action, reason, Some(live)) };
        if action != Action::Replace {
            self.obstacles.extend(permanent_field_obstacles(&change, declared, live));
        }
        change.on_delete = effective_on_delete(kind, declared.on_delete, live);
        if action == Action::Replace {
            self.obstacles.extend(renamed_data_obstacle(kind, &change, wanted, live));
            let renamed = change.fields.iter().filter(|field| field.forces_replacement).find_map(|field| self.renamed_at(declared, field));
            self.obstacles.extend(renamed.map(|renamed| renamed_dependency_obstacle(&change, &renamed)));
            self.check_deletion_protection(&change, kind, live, true);
            change.replacement_order = Some(match create_first {
                true => ReplacementOrder::CreateBeforeDestroy,
                false if kind.exchangeable && recreated_fields == 0 && !is_deleted_first => ReplacementOrder::Exchange,
                false => ReplacementOrder::DestroyBeforeCreate,
            });
            if change.replacement_order == Some(ReplacementOrder::Exchange) {
                change.exchanged_with.insert(change.address.clone());
            }
            change.irreversible = irreversible_effect(kind, live, change.on_delete, change.replacement_order);
        } else {
            let changed = ChangedFields(change.fields.iter().map(|field| field.pointer.clone()).collect());
            change.impact = impact_of(kind, &change.fields);
            // Whether a value that suits a version goes back depends on what a rollback can restore.
            let is_lost = |one_way: &&OneWay| changed.contains(one_way.field) && !matches!(one_way.direction, Direction::WithDependency);
            let one_way: Vec<&OneWay> = kind.one_way.iter().filter(is_lost).collect();
            let mut lost: Vec<String> = without_repeats(one_way.iter().map(|one_way| one_way.reason)).into_iter().map(Into::into).collect();
            if !change.fields.is_empty() {
                lost.extend(kind.operations.irreversible_change(wanted, &kind.comparable(wanted, &live.spec)));
            }
            change.irreversible = Some(lost.join("; ")).filter(|words| !words.is_empty());
            // Versions that AWS does not skip are steps of the update.
            let has_steps = |one_way: &OneWay| {
                matches!(one_way.direction, Direction::OneMinorVersion)
                    && !kind.operations.stages(wanted, &kind.comparable(wanted, &live.spec), &[]).is_empty()
            };
            let strict = one_way.into_iter().filter(|one_way| !has_steps(one_way));
            self.obstacles.extend(strict.filter_map(|one_way| one_way_obstacle(&change, one_way)));
        }
        change
    }

    /// Difference between the regions of a declared and a live resource, which replaces it.
    fn region_diff(&self, declared: &DesiredResource, live: &LiveResource) -> FieldDiff {
        let name = |region: &Option<String>| region.as_deref().unwrap_or(self.location.region).into();
        let diff = FieldDiff::new(REGION_POINTER, name(&live.region), name(&declared.region));
        FieldDiff { forces_replacement: true, ..diff }
    }
}

/// Differences between the wanted and the live spec of a resource, with those that replace it.
fn compare_fields(declared: &DesiredResource, wanted: &Value, live: &LiveResource, null_means: NullMeans) -> Vec<FieldDiff> {
    let (kind, unset) = (declared.resource_type, declared.unset_fields());
    // What is equal as it stands needs no normalization, which costs most of a large plan without changes.
    if unset.is_empty() && satisfies(wanted, &live.spec, null_means) {
        return Vec::new();
    }
    let aligned = kind.comparable(wanted, &live.spec);
    let mut fields = diff(wanted, &aligned, &kind.replaces, null_means);
    add_unset_diffs(&mut fields, unset_diffs(&unset, wanted, &aligned, &kind.replaces));
    let replaces = if fields.is_empty() { Vec::new() } else { kind.operations.replaces(wanted, &aligned) };
    if !replaces.is_empty() {
        let replaces = [kind.replaces.as_slice(), &replaces].concat();
        fields = diff(wanted, &aligned, &replaces, null_means);
        add_unset_diffs(&mut fields, unset_diffs(&unset, wanted, &aligned, &replaces));
    }
    fields
}

/// Whether a failed resource of this type is replaced: one with data is updated.
fn is_replaced_once_failed(kind: &ResourceType) -> bool {
    kind.data_protection == DataProtection::None
}

/// Whether the plan of a rollback replaces a live resource by `declared`, as far as its own fields decide it.
pub(super) fn is_replaced_by(declared: &DesiredResource, live: &LiveResource) -> bool {
    let has_failed = matches!(live.phase, Phase::Failed(_)) && is_replaced_once_failed(declared.resource_type);
    let forces = || compare_fields(declared, &declared.spec, live, NullMeans::Unset).iter().any(|field| field.forces_replacement);
    has_failed || declared.region != live.region || forces()
}

pub(super) fn new_change(address: Address, kind: &ResourceType, action: Action, reason: Reason, live: Option<&LiveResource>) -> Change {
    Change {
        address,
        action,
        reason,
        moved_from: None,
        fields: Vec::new(),
        tags: None,
        changed_by: None,
        tags_changed_by: BTreeMap::new(),
        replacement_order: None,
        id: live.map(|live| live.id.clone()),
        region: live.and_then(|live| live.region.clone()),
        on_delete: OnDelete::Delete,
        dormant: None,
        before: live.cloned(),
        attach: Vec::new(),
        detach: Vec::new(),
        disable_deletion_protection: false,
        section: None,
        impact: Vec::new(),
        effects: Vec::new(),
        stages: Vec::new(),
        irreversible: None,
        kept_for: None,
        after_deletion_of: BTreeSet::new(),
        after_update_of: BTreeSet::new(),
        exchanged_with: BTreeSet::new(),
        leftover_stage: None,
        estimated_seconds: kind.typical_duration.as_secs(),
    }
}

/// Fields that a create sets, the important ones first.
pub(super) fn fields_set_by_create(kind: &ResourceType, wanted: &Value) -> Vec<FieldDiff> {
    let nothing = Value::Object(serde_json::Map::new());
    let mut fields = diff(wanted, &nothing, &[], NullMeans::Unmanaged);
    flag_important_and_risky(kind, &mut fields, wanted, &nothing);
    fields.sort_by_key(|field| !field.important);
    fields
}

/// Whether the new resource can exist beside the old one: every unique key differs.
fn can_coexist(kind: &ResourceType, wanted: &Value, live: &Value, fields: &[FieldDiff]) -> bool {
    let changed = ChangedFields(fields.iter().map(|field| field.pointer.clone()).collect());
    if kind.has_names_by_region() && changed.contains(REGION_POINTER) {
        return true;
    }
    let kept = |pointer: &&str| wanted.pointer(pointer).is_some_and(|value| !value.is_null()) && !changed.contains(pointer);
    let keys = kind.unique_keys.iter().chain([&kind.identity]).filter(|key| !key.is_empty());
    !kind.operations.conflicts_with(wanted, live)
        && !moves::ranges_overlap(kind, wanted, live)
        && !kind.share_unique_value(wanted, live)
        && !keys.into_iter().any(|fields| fields.iter().all(kept))
}
