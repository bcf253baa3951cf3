//! What the steps of a plan are about: specs with resolved references, and the parameters of calls.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{executor::Executor, journaled_cloud::StepTarget, step::Exchange};
use crate::{
    aws::types,
    core::{Address, CallContext, Error, ErrorKind, LiveResource, ResourceType, Tags, expression, with_fields},
    definition::DesiredResource,
    engine::{
        discover,
        plan::{Action, NullMeans, Op, Step},
    },
};

impl Executor<'_> {
    /// Desired spec with every reference resolved to live resources. Fields `set_later` are as in `live`, or as the create call leaves them.
    fn resolved_spec(
        &self,
        address: &Address,
        kind: &ResourceType,
        set_later: &[&'static str],
        live: Option<&LiveResource>,
    ) -> Result<Value, Error> {
        let Some(declared) = self.stack.resources.get(address) else { return Ok(Value::Null) };
        let wanted = self.plan.desired_spec(declared);
        if !expression::has_reference(&wanted) {
            return Ok(wanted);
        }
        let known = expression::resolve(&wanted, &|reference| {
            let address = Address::new(reference.type_name, reference.name);
            self.outcome.live.get(&address).and_then(|live| live.output(reference.output))
        });
        let parse = |spec: Value| {
            // AWS accepted what it had before, even where it reports values that a definition can't contain.
            if self.options.null_means == NullMeans::Unset {
                return Ok(kind.operations.canonical(&spec).unwrap_or(spec));
            }
            kind.operations.parse(&spec).map_err(|problems| {
                let text: Vec<String> = problems.into_iter().map(|p| format!("{}: {}", p.pointer, p.message)).collect();
                Error::new(ErrorKind::Rejected, "Shape", text.join("; "))
            })
        };
        // Without the fields that are set later, the spec may not be valid.
        let known = match live {
            _ if set_later.is_empty() => known,
            None => kind.with_created_fields(&parse(known)?, set_later)?,
            Some(live) => with_fields(&parse(known)?, set_later, &live.spec),
        };
        if expression::has_reference(&known) {
            let mut missing = Vec::new();
            expression::for_each_string(&known, &mut |text| missing.extend(expression::references(text).iter().map(|r| r.text.to_owned())));
            return Err(Error::new(ErrorKind::Rejected, "NoOutput", format!("AWS returned no value for {}", missing.join(", "))));
        }
        if set_later.is_empty() { parse(known) } else { Ok(known) }
    }

    /// What a step is about, with the parameters of its calls.
    pub(super) fn step_target(&self, step: &Step) -> Result<StepTarget, Error> {
        let change = &self.plan.changes[step.change];
        let address = &change.address;
        let kind = types::deletable_type(&address.type_name)
            .ok_or_else(|| Error::new(ErrorKind::Rejected, "UnknownType", format!("acme has no type `{}`", address.type_name)))?;
        let live = change.before.as_ref();
        let spec = match step.op {
            Op::Create => self.resolved_spec(address, kind, &change.attach, None)?,
            Op::Update => {
                let mut spec = self.resolved_spec(address, kind, &change.attach, live)?;
                if let Some(stage) = step.stage.and_then(|stage| change.stages.get(stage)) {
                    stage.apply_to(&mut spec);
                }
                let prunes = !kind.removed_later.is_empty() && self.plan.prunes(step.change);
                if prunes { kind.with_entries_removed_later(spec, live.map_or(&Value::Null, |live| &live.spec)) } else { spec }
            }
            Op::Attach | Op::Prune => self.resolved_spec(address, kind, &[], None)?,
            Op::Detach => kind.with_created_fields(live.map_or(&Value::Null, |live| &live.spec), &change.detach)?,
            Op::Delete | Op::Forget => Value::Null,
        };
        let region = match step.op {
            Op::Create | Op::Update | Op::Attach | Op::Prune => change.region.clone(),
            // After the change, a replaced resource may be in another region.
            Op::Detach | Op::Delete | Op::Forget => change.before.as_ref().and_then(|live| live.region.clone()),
        };
        let tags = match (self.stack.resources.get(address), &change.before) {
            (Some(declared), _) => declared.tags.clone(),
            (None, Some(before)) => before.tags.clone().into_inner(),
            (None, None) => Tags::new(),
        };
        let token = match self.options.retry_tokens.get(address) {
            Some(token) if step.op == Op::Create => token.clone(),
            _ => idempotency_token(&self.run_id, address, step.op),
        };
        let declared = self.stack.resources.get(address);
        let depends_on = declared.map(|declared| declared.depends_on.clone()).unwrap_or_default();
        let deferrable = declared.map(|declared| declared.deferrable.clone()).unwrap_or_default();
        // A leftover resource is deleted under the address in its ownership tags.
        let marked =
            change.before.as_ref().filter(|_| matches!(step.op, Op::Detach | Op::Delete | Op::Forget)).and_then(discover::address_of);
        Ok(StepTarget {
            address: address.clone(),
            kind,
            op: step.op,
            call: CallContext {
                address: marked.as_ref().unwrap_or(address).to_string(),
                region,
                tags,
                token,
                on_delete: change.on_delete,
                is_undone: change.disable_deletion_protection,
                stack: self.stack.name.to_string(),
                environment: self.stack.environment.to_string(),
                dormant: change.dormant.clone().filter(|_| step.op == Op::Create),
            },
            spec,
            unset: declared.map(DesiredResource::unset_fields).unwrap_or_default(),
            before: change.before.clone(),
            depends_on,
            deferrable,
        })
    }

    /// The part of a step in a call that changes several resources.
    pub(super) fn exchange(&self, step: &Step) -> Result<Exchange, Error> {
        let members = self.plan.exchange(step.change);
        match members.first() {
            None => Ok(Exchange::None),
            Some(first) if *first == step.change => {
                let op = |change: &usize| match self.plan.changes[*change].action {
                    Action::Create | Action::Replace => Op::Create,
                    Action::Update => Op::Update,
                    _ => Op::Delete,
                };
                let targets = members.iter().map(|change| self.step_target(&Step::new(*change, op(change))));
                targets.collect::<Result<_, _>>().map(Exchange::First)
            }
            Some(_) => Ok(Exchange::Made),
        }
    }
}

/// Token of 40 hex digits, equal for all attempts of one step of one run.
fn idempotency_token(run_id: &str, address: &Address, op: Op) -> String {
    let digest = Sha256::digest(format!("{run_id}/{address}/{op:?}"));
    digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}
