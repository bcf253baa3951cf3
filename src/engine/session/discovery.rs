//! Reads the live resources of a stack, and plans from them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Result, Session, SessionError, command_line::shell_quoted};
use crate::{
    core::{Address, DataProtection, ENVIRONMENT_TAG, LiveResource, OnDelete, STACK_TAG, trace},
    definition::{self, DesiredResource},
    engine::{
        backend::BucketCreation,
        discover::{
            Hints, LiveState, address_of, discover, discover_with_index, extend_tag_index, find_recorded, find_taken_keys, query_tag_index,
            resource_type_of,
        },
        leftovers::LeftoverSearch,
        plan::{
            Action, Goal, Obstacle, OwnedLeftovers, Plan, attribute_changes, line_pointer, output_changes, owner, plan_selected,
            recorded_addresses, return_dropped_fields,
        },
        preflight::{choose_values, preflight},
        run::{RunHistory, reset_presumed_fields, wait_until_visible},
    },
};

/// Details to read that need an extra call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryDepth {
    /// Those in the definition or the record.
    Recorded,
    /// All.
    Full,
    /// None: all of the stack is about to be deleted.
    ForDeletion,
    /// Those in the definition or the record, because the run that deletes all of the stack could still be undone.
    RecordedForDeletion,
}

/// Live resources of a stack, with the history as far as it was read.
pub struct StackState {
    pub(super) account: String,
    pub(super) live_state: LiveState,
    pub(super) history: RunHistory,
    history_error: Option<SessionError>,
}

impl StackState {
    pub(super) fn new(account: String, live_state: LiveState, history: RunHistory) -> StackState {
        StackState { account, live_state, history, history_error: None }
    }

    /// Account of the resources.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Live resources.
    pub fn live_state(&self) -> &LiveState {
        &self.live_state
    }

    /// History of the stack; empty if it was not read.
    pub fn history(&self) -> &RunHistory {
        &self.history
    }

    /// Reason why the history could not be read. Plans are the same without it, apart from the origin of changes.
    pub fn history_error(&self) -> Option<&SessionError> {
        self.history_error.as_ref()
    }
}

/// Records why each resource changes. Values are not part of it: they may be long, and the plan shows them.
fn record_decisions(plan: &Plan) {
    for change in plan.changes.iter().filter(|change| change.action != Action::None) {
        trace::decision("planned", Some(&change.address), || {
            // A new resource has all of its fields.
            let differing = change.fields.iter().filter(|_| change.action != Action::Create);
            let fields: Vec<&str> = differing.map(|field| field.pointer.as_str()).collect();
            let fields = if fields.is_empty() { String::new() } else { format!(", at {}", fields.join(", ")) };
            format!("{}: {}{fields}", json_words(&change.action), json_words(&change.reason))
        });
    }
    for obstacle in &plan.obstacles {
        trace::decision("blocked", Some(&obstacle.address), || obstacle.message.clone());
    }
}

/// Words that a plan's JSON has for an action or a reason.
fn json_words(value: &impl Serialize) -> String {
    match json!(value) {
        Value::String(word) => word,
        Value::Object(parts) => {
            parts.iter().map(|(_, part)| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

impl Session {
    /// Reads all resources of the stack.
    ///
    /// # Errors
    /// Fails without valid credentials, if the definition is pinned to another account, or if live resources can't be read.
    pub async fn discover(&mut self) -> Result<StackState> {
        let indexed = query_tag_index(&self.cloud, &self.stack, &Hints::default()).await.map_err(SessionError::NotAuthenticated)?;
        let mut known = indexed.account().map(str::to_owned);
        let has_external = !self.stack.existing.is_empty() || !self.stack.stacks.is_empty();
        if self.stack.has_unknown_location || self.stack.procedures.is_some() || has_external {
            let account = self.account_or_query(known).await?;
            self.set_location(&account)?;
            self.find_moved_values(&account).await?;
            self.resolve_external(&account).await;
            known = Some(account);
        }
        let indexed = extend_tag_index(&self.cloud, &self.stack, &Hints::default(), indexed).await.map_err(SessionError::Discovery)?;
        // Reads the account and live resources in parallel, because users wait for a plan.
        let account = self.account_or_query(known);
        let live_state = discover_with_index(&self.cloud, &self.stack, Hints::default(), indexed);
        let (account, live_state) = tokio::join!(account, live_state);
        Ok(StackState::new(account?, live_state.map_err(SessionError::Discovery)?, RunHistory::default()))
    }

    /// Refuses a question about the resources of a stack of which nothing exists.
    ///
    /// # Errors
    /// Fails if the definition has resources and none of them is live.
    pub fn require_live(&self, state: &StackState) -> Result<()> {
        if self.stack.resources.is_empty() || state.live_state.iter().next().is_some() {
            return Ok(());
        }
        Err(SessionError::NotApplied {
            stack: self.stack.name.to_string(),
            environment: self.stack.environment.to_string(),
            region: self.region().to_owned(),
            account: state.account.clone(),
            apply: self.command_line("apply"),
        })
    }

    /// Same, with the history if it needs no optional call.
    ///
    /// # Errors
    /// As [`Session::discover`]; an unreadable history is no error, but [`StackState::history_error`].
    pub async fn discover_with_history(&mut self) -> Result<StackState> {
        let indexed = query_tag_index(&self.cloud, &self.stack, &Hints::default()).await.map_err(SessionError::NotAuthenticated)?;
        let account = self.account_or_query(indexed.account().map(str::to_owned)).await?;
        self.set_location(&account)?;
        self.find_moved_values(&account).await?;
        self.resolve_external(&account).await;
        let read = async {
            let backend = self.select_backend(&account, BucketCreation::NeverSkipLookup).await?.backend;
            Ok(RunHistory::read(&self.history_in(&backend)).await?)
        };
        let (history, history_error) = match read.await {
            Ok(history) => (history, None),
            Err(error) => (RunHistory::default(), Some(error)),
        };
        // The history determines the details to read.
        let hints = history.hints(self.region(), &account);
        let indexed = extend_tag_index(&self.cloud, &self.stack, &hints, indexed).await.map_err(SessionError::Discovery)?;
        let live_state = discover_with_index(&self.cloud, &self.stack, hints, indexed).await.map_err(SessionError::Discovery)?;
        let live_state = self.complete(live_state, &history, &account, DiscoveryDepth::Recorded).await?;
        Ok(StackState { history_error, ..StackState::new(account, live_state, history) })
    }

    /// Reads all resources of the stack, with hints from earlier runs.
    pub(super) async fn discover_after(&self, account: String, history: RunHistory, depth: DiscoveryDepth) -> Result<StackState> {
        let hints = match depth {
            DiscoveryDepth::Recorded => history.hints(self.region(), &account),
            DiscoveryDepth::Full => history.location_hints(self.region(), &account),
            DiscoveryDepth::RecordedForDeletion => Hints { destroys: true, ..history.hints(self.region(), &account) },
            DiscoveryDepth::ForDeletion => Hints { shallow: true, destroys: true, ..history.location_hints(self.region(), &account) },
        };
        let live_state = discover(&self.cloud, &self.stack, hints).await.map_err(SessionError::Discovery)?;
        let live_state = self.complete(live_state, &history, &account, depth).await?;
        Ok(StackState::new(account, live_state, history))
    }

    /// Returns live resources, read again if necessary, once the latest creations of an unfinished run must be visible, with the recorded
    /// values of fields that AWS never reports, and with resources that lists by ownership tags don't show.
    async fn complete(&self, mut live_state: LiveState, history: &RunHistory, account: &str, depth: DiscoveryDepth) -> Result<LiveState> {
        if wait_until_visible(&self.cloud, &live_state, &history.unfinished.touched).await {
            let hints = Hints { destroys: live_state.hints.destroys, ..history.location_hints(self.region(), account) };
            live_state = discover(&self.cloud, &self.stack, hints).await.map_err(SessionError::Discovery)?;
        }
        let shown =
            live_state.iter().chain(&live_state.elsewhere).filter(|live| self.stack.owns(&live.tags)).filter_map(address_of).collect();
        let recorded = history.recorded_resources(self.region(), account, &shown);
        find_recorded(&self.cloud, &self.stack, &recorded, &mut live_state).await.map_err(SessionError::Discovery)?;
        if depth != DiscoveryDepth::ForDeletion {
            find_taken_keys(&self.cloud, &self.stack, &mut live_state).await;
        }
        history.add_write_only(self.region(), account, &mut live_state);
        reset_presumed_fields(&mut live_state, &history.unfinished.touched).map_err(SessionError::Discovery)?;
        Ok(live_state)
    }

    /// Settles what the definition leaves to acme, such as availability zones, and the values of fields that it no longer sets: call it
    /// before [`Session::plan`].
    ///
    /// # Errors
    /// As [`Session::require_external`], for an apply.
    pub async fn choose_values(&mut self, state: &StackState, goal: Goal) -> Result<()> {
        if goal == Goal::Apply {
            self.require_external()?;
        }
        if goal == Goal::Apply {
            self.keep_ignored_changes(&state.live_state);
        }
        if let (Goal::Apply, Some(answers)) = (goal, &self.answers) {
            let recorded = state.history.declared_fields(self.cloud.region(), &state.account);
            return_dropped_fields(&mut self.stack, &recorded, &state.account);
            choose_values(&self.cloud, answers, &mut self.stack, &state.live_state).await;
        }
        Ok(())
    }

    /// Takes the values in place for fields whose changes the definition ignores, and notes those that differ.
    fn keep_ignored_changes(&mut self, live_state: &LiveState) {
        self.ignored_notes.clear();
        let stack = &mut self.stack;
        let (name, environment) = (stack.name.clone(), stack.environment.clone());
        let is_own = |live: &LiveResource| {
            let tag = |key: &str| live.tags.get(key).map(String::as_str);
            tag(STACK_TAG) == Some(&*name) && tag(ENVIRONMENT_TAG) == Some(&*environment)
        };
        let ignoring = stack.resources.values_mut().filter(|declared| !declared.ignored_changes.fields.is_empty());
        for declared in ignoring {
            let at = |live: &&LiveResource| is_own(live) && address_of(live).as_ref() == Some(&declared.address);
            let Some(live) = live_state.live.get(declared.resource_type.name).into_iter().flatten().find(at) else { continue };
            let comparable = declared.resource_type.comparable(&declared.spec, &live.spec);
            let mut kept = Map::new();
            for field in &declared.ignored_changes.fields {
                let (wanted, found) = (declared.spec.get(field), live.spec.get(field).cloned().unwrap_or_default());
                if wanted.is_some_and(|wanted| !wanted.is_null()) && wanted != comparable.get(field) {
                    kept.insert(field.clone(), found);
                }
            }
            if !kept.is_empty() && declared.set_fields(&kept).is_ok() {
                let names: Vec<String> = kept.keys().map(|name| format!("`{name}`")).collect();
                let (address, reason) = (&declared.address, &declared.ignored_changes.reason);
                self.ignored_notes.push(format!("changes of {} of `{address}` are ignored: {reason}", names.join(", ")));
            }
        }
    }

    /// Plans for a goal: asks AWS whether it accepts new values, checks which data deletions would lose, sets the origin of each difference
    /// if the history has it, and the location of each obstacle. To apply it, use [`super::LockedSession::plan`].
    ///
    /// # Errors
    /// Fails if the contents of a resource can't be read.
    pub async fn plan(&self, state: &StackState, goal: Goal) -> Result<Plan> {
        let location = (self.region(), state.account.as_str());
        let make = |leftovers: &[OwnedLeftovers]| plan_selected(&self.stack, &state.live_state, leftovers, &self.selection, goal, location);
        let mut plan = make(&[]);
        self.check_selection(&plan)?;
        let notes = self.moved_value_notes();
        let search = LeftoverSearch { cloud: &self.cloud, stack: &self.stack, touched: &state.history.unfinished.touched };
        let leftovers = search.find(&plan, &state.live_state).await?;
        if !leftovers.is_empty() {
            plan = make(&leftovers);
            plan.warnings.extend(leftovers.into_iter().flat_map(|one| one.leftovers.warnings));
        }
        plan.warnings.extend(self.lost_resource_warnings(state, goal));
        if let (Goal::Apply, Some(answers)) = (goal, &self.answers) {
            let locate = |declared: &DesiredResource, pointer: &str| self.line_of(&declared.definition_pointer(pointer));
            preflight(&self.cloud, answers, &self.stack, &mut plan, &state.history.unfinished.touched, locate).await;
        }
        self.add_obstacles(&mut plan).await?;
        let addresses = recorded_addresses(&plan);
        if !addresses.is_empty()
            && let Some(recorded) = state.history.recorded_state(self.region(), &state.account, |address| addresses.contains(address))
        {
            attribute_changes(&mut plan, &recorded);
        }
        let policy = format!("`{}`", self.command_line("policy"));
        plan.warnings.iter_mut().for_each(|warning| *warning = warning.replace("`acme policy`", &policy));
        plan.notes = notes.into_iter().chain(plan.notes).collect();
        if goal == Goal::Apply {
            plan.notes.extend(self.ignored_notes.iter().cloned());
        }
        if let Some(external) = &self.external {
            (plan.stacks, plan.existing) = (external.readings.clone(), external.existing_readings());
        }
        // A partial plan leaves them out. Without a record, nothing is known of earlier ones.
        if let (Goal::Apply, true, Some(recorded)) = (goal, self.selection.is_empty(), state.history.outputs(self.region(), &state.account))
        {
            plan.outputs = output_changes(recorded, &self.stack.outputs);
        }
        plan.is_simulated = self.is_simulated();
        record_decisions(&plan);
        Ok(plan)
    }

    /// Warnings about recorded resources that the goal would delete, if they had the stack's ownership tags.
    fn lost_resource_warnings(&self, state: &StackState, goal: Goal) -> Vec<String> {
        let is_leaving = |address: &Address| {
            goal == Goal::Destroy || !self.stack.resources.contains_key(self.stack.moved.get(address).unwrap_or(address))
        };
        let lost = state.live_state.lost.iter().filter(|(address, live)| is_leaving(address) && owner(&live.tags).is_none());
        let warning = |(address, live): (&Address, &LiveResource)| {
            let import = self.import_command(address, &live.id);
            format!(
                "`{}` has lost the ownership tags of `{address}`, so acme leaves it in AWS; to delete it, adopt it first: `{import}`.",
                live.id
            )
        };
        lost.map(warning).collect()
    }

    /// Command line that adopts a resource.
    fn import_command(&self, address: &Address, id: &str) -> String {
        format!("{} {address} {}", self.command_line("import"), shell_quoted(id))
    }

    /// Adds an obstacle for each deletion that would lose contents; completes all obstacles with remedy and location.
    async fn add_obstacles(&self, plan: &mut Plan) -> Result<()> {
        for obstacle in &mut plan.obstacles {
            if let Some(id) = &obstacle.adoptable {
                let or = if obstacle.help.contains(", or ") { "" } else { "or " };
                obstacle.help = format!("adopt it with `{}`, {or}{}", self.import_command(&obstacle.address, id), obstacle.help);
            }
        }
        for change in plan.changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Replace)) {
            if change.leftover_stage.is_some() {
                continue;
            }
            let Some(live) = &change.before else { continue };
            let kind = resource_type_of(live)?;
            if kind.data_protection != DataProtection::Contents || change.on_delete == OnDelete::Delete {
                continue;
            }
            if let Some(contents) = self.cloud.contents(kind, live).await? {
                plan.obstacles.push(Obstacle {
                    code: "holds-data",
                    address: change.address.clone(),
                    message: format!("`{}` ({}) contains {contents}", change.address, live.id),
                    help: format!("empty it, or set `on_delete: delete` on `{}` and apply that first", change.address),
                    location: None,
                    adoptable: None,
                    other: None,
                });
            }
        }
        for obstacle in plan.obstacles.iter_mut().filter(|obstacle| obstacle.location.is_none()) {
            let line = |address: &Address| self.line_of(&self.stack.resources.get(address)?.pointer);
            let other = obstacle.other.as_ref().and_then(|other| Some((other, line(other)?)));
            let own = line(&obstacle.address).or_else(|| self.line_of(&line_pointer(&self.stack, &obstacle.address)?));
            obstacle.location = own.or_else(|| other.as_ref().map(|(_, line)| line.clone()));
            if let Some((other, line)) = other.filter(|(_, line)| obstacle.location.as_ref() != Some(line)) {
                obstacle.help.push_str(&format!(" (`{other}`: {line})"));
            }
        }
        Ok(())
    }

    /// File and line of a JSON pointer into the definition.
    fn line_of(&self, pointer: &str) -> Option<String> {
        let range = definition::key_range(&self.source, pointer)?;
        Some(format!("{}:{}", self.source.path_at(range.start), self.source.line(range.start)))
    }
}
