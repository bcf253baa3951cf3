//! Replacements beside what they replace, as a crash leaves them: every resource of the documentation on which others depend.

use super::*;
use crate::engine::plan::dropped::tests::applied;

/// The value with another id and ARN in place of those of a resource.
fn referring_to(value: &Value, old: &LiveResource, new: &LiveResource) -> Value {
    match value {
        Value::String(text) if *text == old.id => new.id.clone().into(),
        Value::String(text) => match old.arn().zip(new.arn()) {
            Some((old, new)) => text.replace(old, new).into(),
            None => text.clone().into(),
        },
        Value::Array(list) => list.iter().map(|value| referring_to(value, old, new)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), referring_to(value, old, new))).collect(),
        other => other.clone(),
    }
}

/// A second resource at the address of a live one.
fn second(live: &LiveResource) -> LiveResource {
    let mut second = LiveResource { id: format!("{}-second", live.id), ..live.clone() };
    // Its ARN, so that other outputs can contain it.
    if let Some(arn) = live.arn() {
        second.outputs = serde_json::json!({ "arn": format!("{arn}-second") }).into();
    }
    let (spec, outputs) = (referring_to(&live.spec, live, &second), referring_to(&live.outputs, live, &second));
    LiveResource { spec: spec.into(), outputs: outputs.into(), ..second }
}

#[tokio::test]
async fn keeps_the_dependents_of_what_is_kept() {
    let (stack, live_state) = applied().await;
    let assumed = topological_order(&stack).assumed;
    let (mut wrong, mut pairs) = (Vec::new(), 0);
    for old in live_state.iter().filter(|live| address_of(live).is_some_and(|address| stack.resources.contains_key(&address))) {
        let dependency = address_of(old).expect("an address");
        // A name may be that of several resources, so a text in a spec does not tell which one it means.
        if resource_type(&old.type_name).is_none_or(|kind| kind.id == "{name}") {
            continue;
        }
        // The first one of both has failed, so the other one is kept.
        let new = second(old);
        let mut old = old.clone();
        old.phase = Phase::Failed("failed".to_owned());
        let mut dependents: BTreeMap<Address, String> = BTreeMap::new();
        let mut state = live_state.clone();
        for found in state.live.values_mut() {
            let mut all = Vec::new();
            for live in std::mem::take(found) {
                let Some(address) = address_of(&live) else {
                    all.push(live);
                    continue;
                };
                if address == dependency {
                    all.extend([old.clone(), new.clone()]);
                    continue;
                }
                let refers = stack.resources.get(&address).is_some_and(|declared| declared.depends_on.contains(&dependency));
                let spec = referring_to(&live.spec, &old, &new);
                let is_deferred = assumed.contains(&(address.clone(), dependency.clone()));
                // Fields for the creation only don't tell the two apart.
                let is_hidden = resource_type(&live.type_name).is_none_or(|kind| kind.comparable(&spec, &live.spec) == spec);
                if !refers || is_deferred || is_hidden || spec == *live.spec {
                    all.push(live);
                    continue;
                }
                let dependent = LiveResource { spec: spec.into(), ..second(&live) };
                dependents.insert(address, dependent.id.clone());
                all.extend([live, dependent]);
            }
            *found = all;
        }
        pairs += dependents.len();
        let matched = match_resources(&stack, &state);
        assert_eq!(matched.live[&dependency].id, new.id);
        wrong.extend(
            dependents
                .iter()
                .filter(|(address, id)| matched.live[*address].id != **id)
                .map(|(address, _)| format!("{address} of the other {dependency}")),
        );
    }
    assert!(pairs > 30, "{pairs}");
    assert_eq!(wrong, Vec::<String>::new());
}
