//! What becomes of each resource, and why.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Action, Change, FieldDiff, First, Foreign, Goal, Nulls, Obstacle, Plan, Reason, diff, diff::point_out, name, order, pair};
use crate::{
    aws::types,
    core::{Address, Changed, Data, Live, OnDelete, OneWay, Phase, Refused, ResourceType, expression},
    definition::{Declared, Stack},
    engine::discover::{World, kind_of, visible_tags},
};

/// Compares the definition with what is there. Pure: makes no call, reads no clock.
pub fn plan(stack: &Stack, world: &World, goal: Goal, region: &str, account: &str) -> Plan {
    let paired = pair::pair(stack, world);
    let mut planner = Planner::new(&paired, Nulls::LeftToAws, BTreeSet::new());
    if goal == Goal::Apply {
        planner.obstacles.extend(paired.foreign.iter().map(foreign));
        for address in order::topological(stack) {
            planner.declared(&stack.resources[&address]);
        }
    }
    for (address, live) in &paired.live {
        match (goal, stack.resources.get(address)) {
            (Goal::Apply, Some(_)) => {}
            (Goal::Apply, None) => planner.gone(address, live, None, Reason::NotDeclared),
            (Goal::Destroy, declared) => planner.gone(address, live, declared, Reason::Destroyed),
        }
    }
    for (number, live) in paired.left_over.iter().enumerate() {
        let kind = live.kind.as_str();
        planner.gone(&Address::new(kind, format!("left-over-{}", number + 1)), live, None, Reason::LeftOver);
    }
    planner.assembled(stack, world, region, account, order::Way::Forward)
}

/// What holds data is not given up for an empty new one when AWS reports it as failed: what differs is brought, and may mend it. Nor is
/// what can be mended.
fn in_trouble(change: &Change) -> Option<String> {
    let live = change.before.as_ref().filter(|_| matches!(change.action, Action::None | Action::Update))?;
    let (status, why) = match &live.phase {
        Phase::Failed(status) => (status, "; what holds data is not replaced for that"),
        Phase::Degraded(status) => (status, ""),
        _ => return None,
    };
    Some(format!("AWS reports `{status}` for `{}` ({}){why}.", change.address, live.id))
}

fn foreign(foreign: &Foreign) -> Obstacle {
    let whose = match &foreign.owner {
        Some(owner) => format!("belongs to the stack {owner}"),
        None => "exists but is not this stack's".to_owned(),
    };
    Obstacle {
        code: "foreign",
        address: foreign.address.clone(),
        message: format!("`{}` {whose}", foreign.id),
        help: format!("give `{}` another name, or remove the existing one", foreign.address),
        place: None,
        adoptable: foreign.owner.is_none().then(|| foreign.id.clone()),
    }
}

/// What can't stand beside its replacement, and can't go because something uses it.
fn in_the_way(used: &Change, user: &Change) -> Obstacle {
    let address = &used.address;
    let named = types::kind(&address.kind).is_some_and(|kind| kind.naming.is_some());
    let help = if named {
        format!("give `{address}` another name or none: then the new one comes first")
    } else {
        format!("let `{}` do without `{address}` and apply that first", user.address)
    };
    Obstacle {
        code: "held",
        address: address.clone(),
        message: format!("`{address}` has to go before its replacement is made, but `{}` uses it", user.address),
        help,
        place: None,
        adoptable: None,
    }
}

/// A change that AWS would refuse, because the field goes one way only.
fn no_way_back(change: &Change, one_way: &OneWay) -> Option<Obstacle> {
    let FieldDiff { before, after, .. } = change.fields.iter().find(|field| field.at == one_way.field)?;
    let (field, address) = (one_way.field.trim_start_matches('/'), &change.address);
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (from, to) = (plain(before), plain(after));
    let (message, help) = match one_way.way.refuses(before, after)? {
        Refused::Back => (
            format!("`{address}` can't go from {field} {from} to {to}: {}", one_way.why),
            format!("leave `{field}` at {from}, or declare a new resource beside it"),
        ),
        Refused::TooLittle(least) => (
            format!("`{address}` can't go from {field} {from} to {to}: AWS grows it by a tenth at least"),
            format!("set `{field}` to {least} or more"),
        ),
        Refused::TooFar(next) => (
            format!("`{address}` can't go from {field} {from} to {to} at once: AWS takes one minor version at a time"),
            format!("set `{field}` to {next} and apply that first"),
        ),
    };
    Some(Obstacle { code: "one-way", address: address.clone(), message, help, place: None, adoptable: None })
}

fn unrepeated(words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut words: Vec<_> = words.collect();
    words.dedup();
    words
}

/// What is planned so far.
pub(super) struct Planner<'a> {
    pub(super) world: &'a pair::Paired<'a>,
    pub(super) changes: BTreeMap<Address, Change>,
    /// See [`Plan::names`].
    names: BTreeMap<Address, String>,
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) nulls: Nulls,
    /// What was made by the very run that is undone.
    pub(super) fresh: BTreeSet<Address>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(world: &'a pair::Paired<'a>, nulls: Nulls, fresh: BTreeSet<Address>) -> Planner<'a> {
        Planner { world, changes: BTreeMap::new(), names: BTreeMap::new(), obstacles: Vec::new(), nulls, fresh }
    }

    /// The whole plan of what was planned for each resource.
    pub(super) fn assembled(self, stack: &Stack, world: &World, region: &str, account: &str, way: order::Way) -> Plan {
        let Planner { changes, names, mut obstacles, .. } = self;
        let mut changes: Vec<Change> = changes.into_values().collect();
        let warnings = world.warnings.iter().cloned().chain(changes.iter().filter_map(in_trouble)).collect();
        let order::Order { build, clear, held } = order::order(stack, &mut changes, way);
        obstacles.extend(held.into_iter().map(|(used, user)| in_the_way(&changes[used], &changes[user])));
        Plan {
            stack: stack.name.clone(),
            environment: stack.environment.clone(),
            region: region.to_owned(),
            account: account.to_owned(),
            changes,
            build,
            clear,
            obstacles,
            warnings,
            kept: Vec::new(),
            names,
        }
    }

    /// A declared resource; what it needs has been planned before.
    pub(super) fn declared(&mut self, declared: &Declared) {
        let wanted = self.resolved(declared);
        let change = match self.world.live.get(&declared.address) {
            None => Change {
                fields: set_fields(declared.kind, &wanted),
                ..change(declared.address.clone(), declared.kind, Action::Create, Reason::NotThere, None)
            },
            Some(live) => self.compared(declared, &wanted, live),
        };
        let section = declared.at.split('/').nth(1).map(str::to_owned);
        self.changes.insert(declared.address.clone(), Change { section, ..change });
    }

    fn compared(&mut self, declared: &Declared, wanted: &Value, live: &Live) -> Change {
        let Some(name) = name::kept(declared, live) else { return self.compared_as(declared, wanted, live) };
        let wanted = name::under(wanted, &name);
        self.names.insert(declared.address.clone(), name);
        self.compared_as(declared, &wanted, live)
    }

    fn compared_as(&mut self, declared: &Declared, wanted: &Value, live: &Live) -> Change {
        let kind = declared.kind;
        let compare = |wanted: &Value| {
            let aligned = kind.operations.normalize(wanted, &live.spec);
            let fields = diff(wanted, &aligned, &kind.replaces, self.nulls);
            let replaces = if fields.is_empty() { Vec::new() } else { kind.operations.replaces(wanted, &aligned) };
            if replaces.is_empty() { fields } else { diff(wanted, &aligned, &[kind.replaces.as_slice(), &replaces].concat(), self.nulls) }
        };
        let mut fields = compare(wanted);
        let before = visible_tags(&live.tags, &declared.tags);
        let tags = (kind.is_taggable() && before != declared.tags).then(|| (before, declared.tags.clone()));
        let forcing: Vec<String> = fields.iter().filter(|f| f.forces_replacement).map(|f| f.at.clone()).collect();
        let (action, reason) = match &live.phase {
            Phase::Failed(status) if kind.data == Data::None => (Action::Replace, Reason::Failed { status: status.clone() }),
            _ if !forcing.is_empty() => (Action::Replace, Reason::CannotChange { fields: forcing }),
            _ if !fields.is_empty() || tags.is_some() => (Action::Update, Reason::Differs),
            _ => (Action::None, Reason::AsDeclared),
        };
        let mut beside = action == Action::Replace && stands_beside(kind, wanted, &live.spec, &fields);
        // What failed has nothing to lose, and leaves its name to the new one.
        if action == Action::Replace
            && !beside
            && !matches!(live.phase, Phase::Failed(_))
            && let Some(name) = name::another(declared, live)
        {
            let renamed = name::under(wanted, &name);
            let mut under_it = compare(&renamed);
            if stands_beside(kind, &renamed, &live.spec, &under_it) {
                // The name follows from the replacement, and is no reason for it.
                under_it.iter_mut().filter(|field| field.at == "/name").for_each(|field| field.forces_replacement = false);
                (fields, beside) = (under_it, true);
                self.names.insert(declared.address.clone(), name);
            }
        }
        point_out(kind, &mut fields);
        let mut change = Change { fields, tags, ..change(declared.address.clone(), kind, action, reason, Some(live)) };
        change.on_delete = on_delete(kind, declared.on_delete, live);
        if action == Action::Replace {
            self.protect(&change, kind, live, true);
            change.first = Some(if beside { First::New } else { First::Old });
            change.irreversible = irreversible(kind, change.on_delete, change.first);
        } else {
            let changed = Changed(change.fields.iter().map(|field| field.at.clone()).collect());
            let disturbs = kind.impact.iter().filter(|(field, _)| changed.has(field)).map(|(_, words)| *words);
            change.disturbs = unrepeated(disturbs);
            let one_way: Vec<&OneWay> = kind.one_way.iter().filter(|one_way| changed.has(one_way.field)).collect();
            change.irreversible = Some(unrepeated(one_way.iter().map(|one_way| one_way.why)).join("; ")).filter(|words| !words.is_empty());
            self.obstacles.extend(one_way.into_iter().filter_map(|one_way| no_way_back(&change, one_way)));
        }
        change
    }

    /// A live resource that is no longer wanted.
    pub(super) fn gone(&mut self, address: &Address, live: &Live, declared: Option<&Declared>, reason: Reason) {
        let Ok(kind) = kind_of(live) else { return };
        if self.fresh.contains(address) {
            let change = Change { unprotect: true, ..change(address.clone(), kind, Action::Delete, reason, Some(live)) };
            self.changes.insert(address.clone(), change);
            return;
        }
        let on_delete = on_delete(kind, declared.and_then(|d| d.on_delete), live);
        let retained = declared.and_then(|d| d.on_delete).or_else(|| marked(live)) == Some(OnDelete::Retain);
        let action = if retained { Action::Forget } else { Action::Delete };
        let mut change = change(address.clone(), kind, action, reason, Some(live));
        change.section = declared.and_then(|declared| declared.at.split('/').nth(1)).map(str::to_owned);
        change.on_delete = on_delete;
        if action == Action::Delete {
            change.irreversible = irreversible(kind, on_delete, None);
            self.protect(&change, kind, live, declared.is_some());
        }
        self.changes.insert(address.clone(), change);
    }

    /// AWS's own deletion protection stops a plan before the first call.
    fn protect(&mut self, change: &Change, kind: &ResourceType, live: &Live, declared: bool) {
        let Some(pointer) = kind.protects_deletion else { return };
        if live.spec.pointer(pointer) != Some(&Value::Bool(true)) {
            return;
        }
        let field = pointer.trim_start_matches('/');
        let address = &change.address;
        let help = if declared {
            format!("set `{field}: false` on `{address}`, apply that, and try again")
        } else {
            format!("declare `{address}` once more with `{field}: false`, apply that, and remove it then")
        };
        let message = format!("`{address}` ({}) is protected from deletion", live.id);
        self.obstacles.push(Obstacle { code: "protected", address: address.clone(), message, help, place: None, adoptable: None });
    }

    /// The wanted spec with every reference that is known already, in canonical form.
    fn resolved(&self, declared: &Declared) -> Value {
        if declared.needs.is_empty() {
            return declared.spec.clone();
        }
        let known = expression::resolve(&declared.spec, &|reference| {
            let address = Address::new(reference.kind, reference.name);
            let stays = self.changes.get(&address).is_some_and(|c| matches!(c.action, Action::None | Action::Update));
            stays.then(|| self.world.live.get(&address)?.output(reference.output)).flatten()
        });
        declared.kind.operations.parse(known.clone()).unwrap_or(known)
    }
}

pub(super) fn change(address: Address, kind: &ResourceType, action: Action, reason: Reason, live: Option<&Live>) -> Change {
    Change {
        address,
        action,
        reason,
        fields: Vec::new(),
        tags: None,
        by: None,
        tags_by: BTreeMap::new(),
        first: None,
        id: live.map(|live| live.id.clone()),
        on_delete: OnDelete::Delete,
        before: live.cloned(),
        unprotect: false,
        section: None,
        disturbs: Vec::new(),
        irreversible: None,
        usual_seconds: kind.typical.as_secs(),
    }
}

/// Every field that a create sets, the important ones first.
pub(super) fn set_fields(kind: &ResourceType, wanted: &Value) -> Vec<FieldDiff> {
    let mut fields = diff(wanted, &Value::Object(serde_json::Map::new()), &[], Nulls::LeftToAws);
    point_out(kind, &mut fields);
    fields.sort_by_key(|field| !field.important);
    fields
}

/// Whether a new one can stand beside the old one: of all that two can't have in common something differs.
fn stands_beside(kind: &ResourceType, wanted: &Value, live: &Value, fields: &[FieldDiff]) -> bool {
    let changed = Changed(fields.iter().map(|field| field.at.clone()).collect());
    let kept = |pointer: &&str| wanted.pointer(pointer).is_some_and(|value| !value.is_null()) && !changed.has(pointer);
    let named = kind.unique_keys.iter().any(|fields| fields.contains(&"/name"));
    let name: &[&str] = if kind.naming.is_some() && !named { &["/name"] } else { &[] };
    let keys = kind.unique_keys.iter().map(Vec::as_slice).chain([name, &kind.identity]).filter(|key| !key.is_empty());
    !kind.operations.excludes(wanted, live) && !keys.into_iter().any(|fields| fields.iter().all(kept))
}

fn marked(live: &Live) -> Option<OnDelete> {
    let text = live.tags.get(crate::core::ON_DELETE)?;
    serde_json::from_value(Value::String(text.clone())).ok()
}

/// What becomes of the data: what the definition says, else what the mark says, else the type's default.
fn on_delete(kind: &ResourceType, declared: Option<OnDelete>, live: &Live) -> OnDelete {
    declared.or_else(|| marked(live)).unwrap_or(match kind.data {
        Data::None => OnDelete::Delete,
        Data::Snapshot => OnDelete::Snapshot,
        Data::Contents | Data::Window => OnDelete::Retain,
    })
}

/// What is lost, in words.
fn irreversible(kind: &ResourceType, on_delete: OnDelete, first: Option<First>) -> Option<String> {
    match (kind.data, on_delete) {
        (Data::Snapshot, OnDelete::Snapshot) => Some("its data is kept in a final snapshot only".into()),
        (Data::Snapshot | Data::Contents, OnDelete::Delete) => Some("its data is deleted with it".into()),
        (Data::Window, OnDelete::Delete) => Some("it is deleted after the shortest window AWS allows".into()),
        (Data::Window, _) => Some("it is deleted after its recovery window".into()),
        _ if first == Some(First::Old) => Some("the old one goes before the new one is there".into()),
        _ => None,
    }
}
