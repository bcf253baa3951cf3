//! From a plan to its cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, stream};
use serde_json::Value;

use super::{
    CostLine, Costs, NotCounted, NotPriced, PriceSource, price_list,
    price_source::{NO_PRICES, Query},
};
use crate::{
    aws::types::resource_type,
    core::{Address, Error, ErrorKind, LiveResource, PriceComponent, PriceContext, Pricing, ResourceType, expression::references},
    definition::{DesiredResource, Stack},
    engine::plan::{Action, Change, Plan},
};

/// Calls of the price list at the same time.
const CONCURRENT_QUERIES: usize = 4;

/// Estimates the monthly cost of a stack before and after a plan. A price that can't be read is a note.
pub async fn estimate(plan: &Plan, stack: &Stack, source: &PriceSource) -> Costs {
    let parts = Parts::of(plan, stack);
    let queries: BTreeSet<Query> = parts.counted().map(|part| part.query()).collect();
    let mut answers: BTreeMap<Query, Vec<Value>> = BTreeMap::new();
    let mut failure: Option<Error> = None;
    let mut stale: Option<Error> = None;
    let mut asked = stream::iter(queries)
        .map(|query| async move {
            let answer = source.answer(&query).await;
            (query, answer)
        })
        .buffer_unordered(CONCURRENT_QUERIES);
    while let Some((query, answer)) = asked.next().await {
        match answer {
            Ok(answer) => {
                stale = stale.or(answer.stale);
                answers.insert(query, answer.documents);
            }
            // The next call would fail, too.
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    drop(asked);
    let mut costs = Costs { currency: "USD".to_owned(), hours: hours(stack), ..Costs::default() };
    costs.is_unread = failure.is_some();
    costs.notes.extend(failure.as_ref().map(|error| note("the price list can't be read", error)));
    costs.notes.extend(stale.as_ref().map(|error| note("the price list can't be read; older prices are used", error)));
    let stated = stack.usage.quantities.keys().filter_map(|of| Address::parse(of));
    let unused = stated.filter(|address| !stack.resources.contains_key(address));
    costs.notes.extend(unused.map(|address| format!("`usage` of `{address}` has no effect: this environment has no such resource")));
    let mut not_counted = BTreeSet::new();
    let mut not_priced = BTreeSet::new();
    for part in &parts.all {
        let Part { address, section, component, region, is_after } = part;
        if component.quantity == 0.0 {
            let usage = component.usage.filter(|_| *is_after);
            not_counted.extend(usage.map(|usage| NotCounted { address: address.clone(), component: component.name.clone(), usage }));
            continue;
        }
        let found = match answers.get(&part.query()) {
            Some(documents) => price_list::find(documents, &component.product, region, component.unit),
            None => Err("the price list can't be read".to_owned()),
        };
        match found {
            Ok(price) => {
                costs.currency.clone_from(&price.currency);
                let line = CostLine {
                    address: address.clone(),
                    section: section.clone(),
                    component: component.name.clone(),
                    quantity: component.quantity,
                    unit: component.unit,
                    monthly: price.cost(component.quantity),
                    assumptions: component.assumptions.clone(),
                    price,
                };
                if *is_after { &mut costs.after } else { &mut costs.before }.push(line);
            }
            Err(reason) => {
                not_priced.insert(NotPriced { address: address.clone(), reason: format!("{}: {reason}", component.name) });
            }
        }
    }
    not_priced.extend(parts.unpriced.into_iter().map(|(address, reason)| NotPriced { address, reason }));
    costs.not_counted = not_counted.into_iter().collect();
    costs.not_priced = not_priced.into_iter().collect();
    costs
}

fn hours(stack: &Stack) -> f64 {
    stack.usage.hours_per_month.unwrap_or(crate::core::HOURS_PER_MONTH)
}

fn note(what: &str, error: &Error) -> String {
    let help = if error.kind == ErrorKind::AccessDenied { "; it needs the permission `pricing:GetProducts`" } else { "" };
    // The code is of use only if it is AWS's.
    if error.code == NO_PRICES { format!("{what}: {}", error.message) } else { format!("{what}: {error}{help}") }
}

/// A price component of a resource, before or after the plan.
struct Part {
    address: Address,
    section: Option<String>,
    component: PriceComponent,
    region: String,
    is_after: bool,
}

impl Part {
    fn query(&self) -> Query {
        (self.component.product.service, self.component.product.filters(&self.region))
    }
}

/// The price components of all resources.
#[derive(Default)]
struct Parts {
    all: Vec<Part>,
    unpriced: Vec<(Address, String)>,
}

impl Parts {
    fn of(plan: &Plan, stack: &Stack) -> Parts {
        let live = LiveSpecs::of(&plan.changes);
        let desired = |type_name: &str, text: &str| {
            let reference = references(text).into_iter().find(|reference| reference.type_name == type_name)?;
            stack.resources.get(&Address::new(reference.type_name, reference.name)).map(|declared| &declared.spec)
        };
        let find_live = |type_name: &str, text: &str| live.find(type_name, text);
        // A resource of the stack, or one that a literal id names.
        let find_desired = |type_name: &str, text: &str| desired(type_name, text).or_else(|| live.find(type_name, text));
        let mut parts = Parts::default();
        let left_out = plan.partial.iter().flat_map(|partial| &partial.left_out);
        let left_out: BTreeSet<&Address> = left_out.map(|(address, _)| address).collect();
        for change in plan.changes.iter().filter(|change| change.leftover_stage.is_none()) {
            let Some(kind) = resource_type(&change.address.type_name) else { continue };
            let declared = stack.resources.get(&change.address).filter(|_| !left_out.contains(&change.address));
            let before_plan = PriceContext { address: &change.address, usage: &stack.usage, find: &find_live };
            let after_plan = PriceContext { address: &change.address, usage: &stack.usage, find: &find_desired };
            let before = change.before.as_ref().map(|live| kind.price(&live.spec, &before_plan));
            let stays = !matches!(change.action, Action::Delete | Action::Forget);
            let after = match declared.filter(|_| stays) {
                Some(declared) => Some(kind.price(&spec_after(kind, declared, change), &after_plan)),
                None => before.clone().filter(|_| stays),
            };
            parts.add(change, plan, before, false);
            parts.add(change, plan, after, true);
        }
        parts
    }

    fn add(&mut self, change: &Change, plan: &Plan, pricing: Option<Pricing>, is_after: bool) {
        let Some(Pricing { components, unpriced }) = pricing else { return };
        let live_region = change.before.as_ref().and_then(|live| live.region.as_ref()).filter(|_| !is_after);
        let region = live_region.or(change.region.as_ref()).unwrap_or(&plan.region);
        for component in components {
            let (address, section, region) = (change.address.clone(), change.section.clone(), region.clone());
            self.all.push(Part { address, section, component, region, is_after });
        }
        if is_after {
            self.unpriced.extend(unpriced.into_iter().map(|reason| (change.address.clone(), reason)));
        }
    }

    /// Parts whose price is needed.
    fn counted(&self) -> impl Iterator<Item = &Part> {
        self.all.iter().filter(|part| part.component.quantity != 0.0)
    }
}

/// Spec of a resource after the plan: what the definition leaves open, and what only the create call sets, stays as it is.
fn spec_after(kind: &ResourceType, declared: &DesiredResource, change: &Change) -> Value {
    let mut spec = declared.spec.clone();
    let live = change.before.as_ref().filter(|_| matches!(change.action, Action::None | Action::Update));
    let (Some(live), Some(fields)) = (live, spec.as_object_mut()) else { return spec };
    for (name, value) in fields {
        let is_initial = kind.initial_only.iter().any(|pointer| pointer.strip_prefix('/') == Some(name.as_str()));
        if let Some(live) = live.spec.get(name).filter(|live| !live.is_null())
            && (value.is_null() || is_initial)
        {
            value.clone_from(live);
        }
    }
    spec
}

/// Live specs by type, and by id or ARN.
struct LiveSpecs<'a>(HashMap<(&'a str, &'a str), &'a Value>);

impl<'a> LiveSpecs<'a> {
    fn of(changes: &'a [Change]) -> LiveSpecs<'a> {
        let live = changes.iter().filter_map(|change| change.before.as_ref());
        let names = |live: &'a LiveResource| [Some(live.id.as_str()), live.arn()].into_iter().flatten().map(move |name| (name, live));
        LiveSpecs(live.flat_map(names).map(|(name, live)| ((live.type_name.as_str(), name), &*live.spec)).collect())
    }

    fn find(&self, type_name: &str, text: &str) -> Option<&'a Value> {
        self.0.get(&(type_name, text)).copied()
    }
}
