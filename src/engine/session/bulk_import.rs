//! Adopts many existing resources at once: finds them, writes the definition, and checks that nothing but ownership tags would change.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use serde_json::{Map, Value};

use super::{
    LockedSession, Result, Session, SessionError, StackState,
    import::{Adoption, insert},
};
use crate::{
    aws::types,
    core::{Address, LiveResource, ResourceType, is_resource_name},
    definition::{self, Diagnostic, Location, Source},
    engine::{
        discover::{Hints, LiveState, address_of, discover, find_by_any_id},
        generate_config::generate_config,
        plan::{Action, Change, Goal, Plan},
        run::RunHistory,
    },
};

/// Number of resources that are looked up or tagged at the same time.
const PARALLEL_CALLS: usize = 16;

/// Maximum number of definitions that are tried: each one leaves out the resources that the last one could not describe.
const MAX_ATTEMPTS: usize = 8;

/// A resource that a source names, such as a Terraform state.
#[derive(Clone)]
pub struct Candidate {
    /// Possible types, the most likely one first; at least one.
    pub resource_types: Vec<&'static ResourceType>,
    /// Possible physical ids, the most likely one first. Those that can't be ids of the type are skipped.
    pub ids: Vec<String>,
    /// Region, if it is not the stack's.
    pub region: Option<String>,
    /// Name for the address. Default: from the tags or the id of the resource.
    pub name: Option<String>,
    /// Its name in the source.
    pub origin: String,
}

/// A resource of a source that is not adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name in the source.
    pub origin: String,
    /// Reason, without a full stop.
    pub reason: String,
}

/// Resources of a source.
#[derive(Clone, Default)]
pub struct Candidates {
    /// Resources to look up.
    pub candidates: Vec<Candidate>,
    /// Names in the source of what is part of another resource, such as the rule of a security group.
    pub parts: Vec<String>,
    /// Resources that acme can't adopt.
    pub left_out: Vec<LeftOut>,
}

/// A candidate with its type and the live resource.
type FoundCandidate = (Candidate, &'static ResourceType, LiveResource);

/// Resources to adopt, with the definition that describes them.
pub struct BulkImport {
    /// Resources, each with its name in the source, in the order of their addresses.
    pub adoptions: Vec<(Adoption, String)>,
    /// Resources that are not adopted.
    pub left_out: Vec<LeftOut>,
    /// The definition, with all adopted resources.
    pub definition: Source,
    /// Plan after the adoption.
    pub plan: Plan,
}

impl LockedSession {
    /// Finds the candidates, and adds them to the definition with references in place of ids. Leaves out a resource that the definition would
    /// change. Changes nothing in the cloud; see [`LockedSession::adopt`].
    ///
    /// # Errors
    /// Fails without a connection, or if the definition would be invalid for another reason than the new resources.
    pub async fn plan_import(&mut self, candidates: Candidates) -> Result<BulkImport> {
        let Candidates { candidates, mut left_out, .. } = candidates;
        let (found, mut live_state) = self.session().find_candidates(candidates, &mut left_out).await?;
        let mut adoptions: BTreeMap<Address, (Adoption, String)> = BTreeMap::new();
        for (candidate, kind, live) in found {
            let address = self.session().address_for(&candidate, &live, &adoptions);
            let adoption = match self.session().foreign_parent(kind, &live, &live_state) {
                Some(error) => Err(error),
                None => self.session().adoption(&address, kind, live.clone(), &live_state),
            };
            match adoption {
                Ok(adoption) => {
                    insert(&mut live_state, adoption.live.clone());
                    adoptions.insert(address, (adoption, candidate.origin));
                }
                Err(error) => left_out.push(LeftOut { origin: candidate.origin, reason: error.to_string() }),
            }
        }
        let original = self.session().source.clone();
        let declared: BTreeSet<Address> = self.session().stack.resources.keys().cloned().collect();
        for _ in 0..MAX_ATTEMPTS {
            let new = adoptions.iter().filter(|(address, _)| !declared.contains(*address)).map(|(_, (adoption, _))| adoption);
            let resources = self.session().describe(new, self.account(), &live_state);
            let definition = definition::insert_resources(&original, &resources).map_err(|problems| invalid(&original, problems))?;
            let refused = match self.session_mut().redefine(definition.clone()) {
                Ok(()) => {
                    let state = StackState::new(self.account().to_owned(), live_state.clone(), RunHistory::default());
                    self.session_mut().choose_values(&state, Goal::Apply).await?;
                    let plan = self.session().plan(&state, Goal::Apply).await?;
                    let refused = changed(&plan, &adoptions, &declared);
                    if refused.is_empty() {
                        return Ok(BulkImport { adoptions: adoptions.into_values().collect(), left_out, definition, plan });
                    }
                    refused
                }
                Err(SessionError::InvalidDefinition { definition, problems }) => {
                    let refused = blamed(&definition, &problems, &adoptions, &declared);
                    if refused.is_empty() {
                        return Err(SessionError::InvalidDefinition { definition, problems });
                    }
                    refused
                }
                Err(error) => return Err(error),
            };
            for (address, reason) in refused {
                if let Some((adoption, origin)) = adoptions.remove(&address) {
                    insert(&mut live_state, adoption.untouched());
                    left_out.push(LeftOut { origin, reason });
                }
            }
        }
        let left = adoptions.len();
        Err(SessionError::NotAdoptable(format!(
            "the definition of {left} resources still differs from the live ones after {MAX_ATTEMPTS} attempts"
        )))
    }

    /// Adopts resources in parallel. Returns those that could not be tagged, each with the reason.
    ///
    /// # Errors
    /// Fails as soon as the lease is lost or the credentials have expired.
    pub async fn adopt_all(&self, adoptions: &[(Adoption, String)]) -> Result<Vec<LeftOut>> {
        let calls = adoptions.iter().map(|(adoption, origin)| async move { (origin, self.adopt(adoption).await) });
        let mut failed = Vec::new();
        let mut ended = stream::iter(calls).buffer_unordered(PARALLEL_CALLS);
        while let Some((origin, result)) = ended.next().await {
            match result {
                Ok(()) => {}
                Err(SessionError::Call(error)) if error.is_credential_error() || error.is_lease_lost() => return Err(error.into()),
                Err(error) => failed.push(LeftOut { origin: origin.clone(), reason: error.to_string() }),
            }
        }
        failed.sort_by(|a, b| a.origin.cmp(&b.origin));
        Ok(failed)
    }
}

impl Session {
    /// Looks up the candidates, parents before what is found within them. Returns them with the live state of the stack and of all that was found.
    async fn find_candidates(&self, candidates: Vec<Candidate>, left_out: &mut Vec<LeftOut>) -> Result<(Vec<FoundCandidate>, LiveState)> {
        let (cloud, stack) = (&self.cloud, &self.stack);
        let mut live_state = discover(cloud, stack, Hints::default()).await?;
        let (mut all, mut known): (Vec<FoundCandidate>, BTreeSet<_>) = (Vec::new(), BTreeSet::new());
        for nested in [false, true] {
            let state = &live_state;
            let is_nested = |candidate: &Candidate| candidate.resource_types.first().is_some_and(|kind| kind.parent.is_some());
            let lookups = candidates.iter().filter(|candidate| is_nested(candidate) == nested).map(|candidate| async move {
                let region = candidate.region.as_deref().filter(|region| *region != self.region());
                let mut found = Ok(None);
                for kind in &candidate.resource_types {
                    found = find_by_any_id(cloud, stack, kind, (region, &candidate.ids), state).await;
                    if matches!(found, Ok(Some(_))) {
                        break;
                    }
                }
                (candidate, found)
            });
            let results: Vec<_> = stream::iter(lookups).buffered(PARALLEL_CALLS).collect().await;
            for (candidate, found) in results {
                let origin = candidate.origin.clone();
                match found {
                    Ok(Some(live)) if known.insert((live.type_name.clone(), live.region.clone(), live.id.clone())) => {
                        if !live_state.iter().any(|other| other.is_same_as(&live)) {
                            insert(&mut live_state, live.clone());
                        }
                        let Some(kind) = types::resource_type(&live.type_name) else { continue };
                        all.push((candidate.clone(), kind, live));
                    }
                    Ok(Some(live)) => left_out.push(LeftOut { origin, reason: format!("`{}` was named before", live.id) }),
                    Ok(None) => {
                        let name = candidate.resource_types.first().map_or_else(String::new, |kind| kind.name.replace('_', " "));
                        left_out.push(LeftOut { origin, reason: format!("there is no such {name} in this account and region") });
                    }
                    Err(error) if error.is_credential_error() => return Err(error.into()),
                    Err(error) => left_out.push(LeftOut { origin, reason: error.to_string() }),
                }
            }
        }
        Ok((all, live_state))
    }

    /// Address for a resource: the one that it has in this stack, else one from its name, which no other resource has.
    fn address_for(&self, candidate: &Candidate, live: &LiveResource, taken: &BTreeMap<Address, (Adoption, String)>) -> Address {
        if let Some(address) = address_of(live).filter(|_| self.is_owned(live)) {
            return address;
        }
        let prefix = self.stack.prefix();
        let short = |name: &str| name.strip_prefix(prefix.as_str()).filter(|rest| !rest.is_empty()).unwrap_or(name).to_owned();
        let by_tag = || live.tags.get("Name").filter(|name| !name.is_empty()).map(|name| short(name));
        let by_spec = || live.spec.get("name").and_then(Value::as_str).map(short);
        let by_id = || live.id.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or("main").to_owned();
        let name = candidate.name.clone().or_else(by_spec).or_else(by_tag).unwrap_or_else(by_id);
        let name = resource_name(&name);
        let type_name = live.type_name.as_str();
        let mut address = Address::new(type_name, name.clone());
        let mut number = 2;
        while taken.contains_key(&address) {
            address = Address::new(type_name, format!("{name}-{number}"));
            number += 1;
        }
        address
    }

    /// Entries of the resources under `resources:`, by type and name.
    fn describe<'a>(&self, adoptions: impl Iterator<Item = &'a Adoption>, account: &str, live_state: &LiveState) -> Map<String, Value> {
        let location = Location { account: Some(account.to_owned()), region: Some(self.region().to_owned()) };
        let mut all = Map::new();
        for Adoption { address, resource_type, live, .. } in adoptions {
            let entry = generate_config(&self.stack, &location, live_state, resource_type, address, live);
            let fields = entry.pointer(&format!("/{}", address.type_name)).and_then(Value::as_object).cloned().unwrap_or_default();
            let of_type = all.entry(address.type_name.clone()).or_insert_with(|| Value::Object(Map::new()));
            of_type.as_object_mut().into_iter().for_each(|map| map.extend(fields.clone()));
        }
        all
    }

    /// Replaces the definition by another text, which must keep stack, environment, account and region.
    fn redefine(&mut self, source: Source) -> Result<()> {
        self.source = source;
        self.compile()
    }
}

/// A name that a definition accepts.
pub fn resource_name(text: &str) -> String {
    let name: String = text.chars().map(|c| if is_resource_name(&c.to_string()) && c != '.' { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    let end = name.len().min(100);
    if name.is_empty() { "main".to_owned() } else { name[..end].to_owned() }
}

fn invalid(source: &Source, problems: Vec<Diagnostic>) -> SessionError {
    SessionError::InvalidDefinition { definition: source.clone(), problems }
}

/// Adopted resources that the plan would change beyond their tags, each with the reason.
fn changed(plan: &Plan, adoptions: &BTreeMap<Address, (Adoption, String)>, declared: &BTreeSet<Address>) -> Vec<(Address, String)> {
    // What the user has declared is meant to change.
    let ours = plan.changes.iter().filter(|change| adoptions.contains_key(&change.address) && !declared.contains(&change.address));
    let differs = |change: &&Change| match change.action {
        Action::None => false,
        Action::Update => !change.fields.is_empty(),
        Action::Create | Action::Replace | Action::Delete | Action::Forget => true,
    };
    let reason = |change: &Change| {
        let fields: Vec<&str> = change.fields.iter().map(|field| field.pointer.trim_start_matches('/')).collect();
        match fields[..] {
            [] => "the definition can't describe it".to_owned(),
            _ => format!("the definition can't describe it exactly: the plan would change {}", fields.join(", ")),
        }
    };
    ours.filter(differs).map(|change| (change.address.clone(), reason(change))).collect()
}

/// Adopted resources whose entries have problems, each with the first one.
fn blamed(
    definition: &Source,
    problems: &[Diagnostic],
    adoptions: &BTreeMap<Address, (Adoption, String)>,
    declared: &BTreeSet<Address>,
) -> Vec<(Address, String)> {
    let new = adoptions.keys().filter(|address| !declared.contains(*address));
    let reason = |address: &Address| {
        let pointer = definition::child_pointer(&definition::child_pointer("/resources", &address.type_name), &address.name);
        let entry = definition::entry_range(definition, &pointer)?;
        let problem = problems.iter().find(|problem| problem.range.as_ref().is_some_and(|range| entry.contains(&range.start)))?;
        Some((address.clone(), format!("its definition would be invalid: {}", problem.message)))
    };
    new.filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_valid_names() {
        for (text, name) in [("main", "main"), ("a/b.c", "a-b-c"), ("[\"x y\"]", "x-y"), ("", "main"), ("/aws/eks/shop", "aws-eks-shop")] {
            assert_eq!(resource_name(text), name);
            assert!(is_resource_name(&resource_name(text)));
        }
        assert!(is_resource_name(&resource_name(&"é".repeat(300))));
    }
}
