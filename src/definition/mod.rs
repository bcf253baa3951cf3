//! Stack definitions: YAML with source locations, compiled into a graph of typed resources.
//!
//! Parsing comes before evaluation, so that every problem points to a line of the definition; all problems are reported at once.

mod backend_location;
mod cidr_subnet;
mod compiler;
mod composition;
mod cross_checks;
mod cycles;
mod dependencies;
mod diagnostic;
pub(crate) mod draft;
mod environment;
mod expanded;
mod foreign_keys;
mod format;
pub mod gitops;
mod ignored_changes;
mod ignored_tags;
mod insert;
mod location;
mod moved;
mod networks;
mod outputs;
mod parse;
mod physical_name;
mod problems;
pub mod procedures;
mod provided;
mod region;
mod resource_tags;
mod role;
mod rollback_policy;
mod scalar;
pub mod sections;
mod source;
mod template;
mod template_limits;
mod template_path;
mod template_written;
#[cfg(test)]
mod tests;
mod timeouts;
mod unique_keys;
mod usage;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
    path::Path,
};

use serde_json::{Map, Value};

use self::composition::{
    document::compose,
    existing::{parse_existing, parse_stacks, written_names},
    modules,
};
pub use self::composition::{
    existing::{ExistingQuery, ExistingResource, MORE, OtherStack, ResourceQuery, STACKS},
    git::{FetchedModule, restore_to_cache},
};
pub use self::{
    backend_location::BackendLocation,
    diagnostic::Diagnostic,
    expanded::expanded_yaml,
    format::formatted_text,
    gitops::GitOps,
    ignored_changes::IgnoredChanges,
    insert::{entry_range, insert_resources},
    location::Location,
    procedures::Procedures,
    role::{StackRole, is_role_arn},
    rollback_policy::RollbackPolicy,
    source::Source,
};
pub(crate) use self::{
    cidr_subnet::cidr_subnet,
    compiler::{Compiler, describe_type},
    dependencies::deferrable_dependencies,
    draft::{Draft, SelfReferring},
    physical_name::{default_name, name_prefix, physical_name},
    problems::parse_section,
    source::child_pointer,
};
pub(crate) use crate::core::nearest::suggestion;
use crate::core::{
    Address, Dropped, ENVIRONMENT_TAG, EnvironmentName, IgnoredTags, NAME_RULE, OnDelete, Problem, REGION_TAG, ResourceType, STACK_TAG,
    StackName, Tags, Timeouts, Usage, expression::references, is_account_id, nearest,
};

/// Resource of the definition, in canonical form.
#[derive(Clone)]
pub struct DesiredResource {
    /// Address of the resource.
    pub address: Address,
    /// Resource type.
    pub resource_type: &'static ResourceType,
    /// Region, if it is not the stack's. `None` for global types.
    pub region: Option<String>,
    /// Canonical spec. Strings contain references as `${type.name.output}`.
    pub spec: Value,
    /// Whether acme chose its physical name.
    pub has_generated_name: bool,
    /// Spec with references to the resource itself, if it has any: they follow another name.
    pub self_referring: Option<SelfReferring>,
    /// Desired tags, including ownership tags.
    pub tags: Tags,
    /// Dependencies, from references in the spec and `depends_on`.
    pub depends_on: BTreeSet<Address>,
    /// Those of the dependencies to which only fields with the fact `after_create` refer: in a cycle, these fields are set last.
    pub deferrable: BTreeSet<Address>,
    /// Treatment of its data on deletion; `None`: the type's default.
    pub on_delete: Option<OnDelete>,
    /// Maximum waits.
    pub timeouts: Timeouts,
    /// Fields that others change.
    pub ignored_changes: IgnoredChanges,
    /// Location: a JSON pointer into the definition.
    pub pointer: String,
    /// Spec pointers whose value is not from below `pointer`, and its location.
    pub pointer_overrides: Vec<(String, String)>,
    /// Fields that the definition leaves to acme: a value in place counts as desired, and a new resource may get another one that AWS
    /// offers.
    pub chosen_fields: Vec<String>,
    /// Fields that the last revision set and the definition no longer sets, see [`crate::engine::plan::return_dropped_fields`].
    pub dropped: Vec<DroppedField>,
}

/// Field that a definition no longer sets.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedField {
    /// JSON pointer below the spec.
    pub pointer: String,
    /// What becomes of it.
    pub fate: Dropped,
}

impl DesiredResource {
    /// Section that declares it, or `resources`.
    pub fn section(&self) -> Option<&str> {
        self.pointer.split('/').skip(1).find(|part| !part.starts_with("~m"))
    }
    /// Entry of the section that declares it.
    pub fn section_entry(&self) -> Option<String> {
        let entry = self.pointer.split('/').skip(1).skip_while(|part| part.starts_with("~m")).nth(1)?;
        Some(entry.replace("~1", "/").replace("~0", "~"))
    }
    /// Pointer to the content of its module; empty for the stack itself.
    pub fn module_pointer(&self) -> &str {
        let own: usize = self.pointer.split('/').skip(1).take_while(|part| part.starts_with("~m")).map(|part| part.len() + 1).sum();
        self.pointer.get(..own).unwrap_or_default()
    }
    /// Converts a pointer into the spec to one into the definition.
    pub fn definition_pointer(&self, pointer: &str) -> String {
        draft::definition_pointer(&self.pointer, &self.pointer_overrides, pointer)
    }
    /// Sets fields to other values than those written.
    ///
    /// # Errors
    /// Returns what the type does not accept.
    pub fn set_fields(&mut self, fields: &Map<String, Value>) -> Result<(), Vec<Problem>> {
        let with = |spec: &Value| {
            let mut spec = spec.clone();
            if let Value::Object(spec) = &mut spec {
                spec.extend(fields.clone());
            }
            spec
        };
        self.spec = self.resource_type.operations.parse(&with(&self.spec))?;
        if let Some(referring) = &mut self.self_referring {
            referring.spec = with(&referring.spec);
        }
        Ok(())
    }
    /// Spec with another physical name, also where the spec refers to it.
    pub fn spec_with_name(&self, name: &str) -> Value {
        let mut spec = self.self_referring.as_ref().map_or(&self.spec, |referring| &referring.spec).clone();
        if let Some(field) = spec.get_mut("name") {
            *field = name.into();
        }
        let Some(referring) = &self.self_referring else { return spec };
        let resolved = referring.own.resolve(&spec);
        self.resource_type.operations.parse(&resolved).unwrap_or(resolved)
    }
    /// Fields that must have no value any more, while `null` in any other field means that it is not managed.
    pub fn unset_fields(&self) -> Vec<String> {
        let unset = self.dropped.iter().filter(|field| field.fate == Dropped::Value(Value::Null));
        unset.map(|field| field.pointer.clone()).collect()
    }
    /// Fields that refer to these dependencies, which are all deferrable.
    pub fn deferrable_fields(&self, dependencies: &BTreeSet<Address>) -> Vec<&'static str> {
        let is_wanted =
            |text: &str| text.contains("${") && references(text).iter().any(|r| dependencies.contains(&Address::new(r.type_name, r.name)));
        self.resource_type.deferrable_fields(&self.spec, &is_wanted).unwrap_or_default()
    }
}

/// Stack compiled for one environment.
#[derive(Clone)]
pub struct Stack {
    /// Name of the stack.
    pub name: StackName,
    /// Name of the environment. Default: `default`, if the definition has none.
    pub environment: EnvironmentName,
    /// Pinned region, if any.
    pub region: Option<String>,
    /// Pinned account, if any.
    pub account: Option<String>,
    /// Role to assume, if any.
    pub role: Option<StackRole>,
    /// Backend for history and locks, if the definition sets one.
    pub backend: Option<BackendLocation>,
    /// Whether a failed apply rolls back.
    pub rollback: RollbackPolicy,
    /// Resources by address.
    pub resources: BTreeMap<Address, DesiredResource>,
    /// New addresses of resources, by the old ones.
    pub moved: BTreeMap<Address, Address>,
    /// Addresses of resources that leave the stack and stay in AWS, with their pointers into the definition.
    pub forget: BTreeMap<Address, String>,
    /// Modules by the pointer to their content: `mail`, or `mail.queue` for one within it.
    pub modules: BTreeMap<String, String>,
    /// Resources that it uses and does not own, by their address in references.
    pub existing: BTreeMap<Address, ExistingResource>,
    /// Other stacks whose outputs it uses, by name.
    pub stacks: BTreeMap<String, OtherStack>,
    /// Tags that others set, which acme leaves alone.
    pub ignored_tags: IgnoredTags,
    /// Values to report after apply, with references as `${type.name.output}`.
    pub outputs: BTreeMap<String, Value>,
    /// What Argo CD installs from a Git repository, if it delivers the components of the cluster.
    pub gitops: Option<GitOps>,
    /// Procedures, if it has any.
    pub procedures: Option<Procedures>,
    /// Quantities for the estimate of costs.
    pub usage: Usage,
    /// Whether an account or region that is not known yet affects the stack: see [`LoadOptions::location`].
    pub has_unknown_location: bool,
}

impl Stack {
    /// Prefix of physical names: `<stack>-<environment>-`, or `<stack>-` if the definition has no environments.
    pub fn prefix(&self) -> String {
        name_prefix(&self.name, &self.environment)
    }

    /// Whether ownership tags name this stack and environment.
    pub fn owns(&self, tags: &Tags) -> bool {
        let tag = |key: &str| tags.get(key).map(String::as_str);
        tag(STACK_TAG) == Some(&*self.name) && tag(ENVIRONMENT_TAG) == Some(&*self.environment)
    }

    /// Sets the regions and the ownership of global resources that depend on the stack's region, which the definition need not contain.
    pub fn set_region(&mut self, region: &str) {
        for declared in self.resources.values_mut() {
            if declared.resource_type.is_global() {
                declared.tags.insert(REGION_TAG.to_owned(), region.to_owned());
            } else {
                let fixed = declared.resource_type.fixed_region(&declared.spec, region).map(str::to_owned);
                declared.region = fixed.or(declared.region.take()).filter(|own| own != region);
            }
        }
    }
}

/// Options of a caller.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Environment; optional if the definition has at most one.
    pub environment: Option<EnvironmentName>,
    /// Variable that names the environment, if no option does.
    pub environment_variable: Option<&'static str>,
    /// Values set for this run, as YAML scalars.
    pub set: Vec<(String, String)>,
    /// Values that a procedure has moved. They replace those of the definition; `set` is not allowed to name them.
    pub moved_values: BTreeMap<String, Value>,
    /// Account and region where the definition does not contain them. Without them, `{{ account }}` and generated names that are unique among
    /// all accounts have placeholders of the same length.
    pub location: Location,
}

/// Top-level keys that are not sections.
pub const TOP_LEVEL_KEYS: &[&str] = &[
    "stack",
    "region",
    "account",
    "role",
    "backend",
    "rollback",
    "tags",
    "ignore_tags",
    "environments",
    "values",
    "resources",
    "overrides",
    "moved",
    "forget",
    "include",
    "existing",
    "stacks",
    "outputs",
    "usage",
];

/// Names of the environments of a definition, in alphabetical order; [`load`] reports invalid ones.
///
/// # Errors
/// Returns the syntax errors of the text.
pub fn environment_names(source: &Source) -> Result<Vec<EnvironmentName>, Vec<Diagnostic>> {
    let (document, _, _) = compose(source)?;
    let document = document.unwrap_or_default();
    let environments = document.fields.get("environments").and_then(Value::as_object);
    Ok(environments.into_iter().flat_map(Map::keys).filter_map(|name| name.parse().ok()).collect())
}

/// Compiles a definition for one environment. Makes no calls and reads only the text.
///
/// # Errors
/// Returns all problems, in the order of the text.
pub fn load(source: &Source, options: &LoadOptions) -> Result<Stack, Vec<Diagnostic>> {
    let (composed, spans, problems) = compose(source)?;
    let Some(composed) = composed else {
        return Err(vec![Diagnostic::new("type", "a definition must be a map").at(Some(0..0)).help("start with `stack: <name>`")]);
    };
    let mut c = Compiler::new(source, spans, options.location.clone());
    c.problems = problems;
    let mut document = Cow::Borrowed(&composed.fields);
    let known = || TOP_LEVEL_KEYS.iter().chain(sections::SECTION_NAMES).copied();
    // Keys with this prefix are the user's own, for anchors, for example.
    for key in composed.fields.keys().filter(|key| !key.starts_with("x-") && !known().any(|k| k == key.as_str())) {
        let message = format!("there is no section `{key}`");
        let remedy = foreign_keys::remedy(key);
        let is_foreign = remedy.is_some();
        let help = remedy.unwrap_or_else(|| nearest::suggestion(key, "sections", known()));
        c.problem_at_key("unknown-section", &child_pointer("", key), message, help);
        // That the content is missing elsewhere is no problem of its own. Several environments would need a choice.
        let is_typo = |meant: &&str| key.len().abs_diff(meant.len()) <= 2 && *meant != "environments" && !document.contains_key(*meant);
        let meant = nearest::nearest(key, known()).filter(|meant| !is_foreign && is_typo(meant));
        if let Some((meant, value)) = meant.zip(composed.fields.get(key)) {
            c.spans.origins.insert(child_pointer("", meant), child_pointer("", key));
            document.to_mut().insert(meant.to_owned(), value.clone());
        }
    }
    let document = &*document;

    let name = stack_name(&mut c, document);
    c.templates.set("stack", &Value::String(name.to_string()));
    if let Some(region @ Value::String(text)) = document.get("region")
        && !template::is_template(text)
    {
        c.templates.set("region", region);
    }
    match document.get("account") {
        None | Some(Value::Null) => c.templates.set_account(&options.location),
        Some(account) => {
            if let Some(account) = compiler::scalar_text(account).filter(|text| !template::is_template(text)) {
                c.templates.set("account", &Value::String(account));
            }
        }
    }
    c.templates.set_existing(written_names(document));
    let environment = environment::choose(&mut c, document, &composed.values, options);
    let region = top_level_text(&mut c, document, "region");
    let account = top_level_text(&mut c, document, "account");
    for (name, value) in [("region", &region), ("account", &account)] {
        if let Some(value) = value {
            c.templates.set(name, &Value::String(value.clone()));
        }
    }
    let region = region.and_then(|region| region::check_name(&mut c, "/region", region));
    if let Some(account) = account.as_ref().filter(|account| !is_account_id(account)) {
        c.problem("account", "/account", format!("`{account}` is not a valid account id"), "an account id has 12 digits; put it in quotes");
    }

    c.location.account = account.clone().or(c.location.account.take());
    c.location.region = region.clone().or(c.location.region.take());
    let role = role::parse(&mut c, document, account.as_deref());
    let backend = top_level_text(&mut c, document, "backend").and_then(|text| parse_backend(&mut c, &text));

    let rollback = top_level_text(&mut c, document, "rollback").map_or(Some(RollbackPolicy::default()), |text| {
        let policy = RollbackPolicy::from_name(&text);
        if policy.is_none() {
            let help = nearest::suggestion(&text, "values", RollbackPolicy::NAMES);
            c.problem("rollback", "/rollback", format!("`{text}` is not a valid rollback policy"), help);
        }
        policy
    });

    let frame = sections::StackContext { stack: &name, environment: &environment, region: region.as_deref() };
    let mut of_modules = Vec::new();
    modules::expand(&mut c, &composed, frame, "", &mut of_modules);
    let mut drafts = Vec::new();
    sections::expand(&mut c, document, frame, "", of_modules, &mut drafts);
    let single = document.get("resources").map(|resources| c.expand(resources, "/resources")).unwrap_or_default();
    draft::add_single_resources(&mut c, single, "/resources", &mut drafts);
    let mut stack = Stack {
        name,
        environment,
        region,
        account,
        role,
        backend,
        rollback: rollback.unwrap_or_default(),
        resources: BTreeMap::new(),
        moved: BTreeMap::new(),
        forget: BTreeMap::new(),
        modules: modules::paths(&composed),
        existing: parse_existing(&mut c, document),
        stacks: BTreeMap::new(),
        ignored_tags: ignored_tags::parse_ignored_tags(&mut c, document),
        outputs: BTreeMap::new(),
        gitops: None,
        procedures: None,
        usage: Usage::default(),
        has_unknown_location: false,
    };
    stack.stacks = parse_stacks(&mut c, document, &stack.environment);
    let mut known = draft::compile_drafts(&mut c, document, drafts, &mut stack);
    if let Some(region) = stack.region.clone() {
        stack.set_region(&region);
    }
    stack.outputs = outputs::parse(&mut c, document, &mut known);
    stack.moved = moved::parse_moved(&mut c, document, &stack);
    stack.forget = moved::parse_forget(&mut c, document, &stack);
    stack.usage = usage::parse(&mut c, document, &known);
    stack.procedures = procedures::parse(&mut c, document, &stack, &mut known);
    stack.has_unknown_location = c.needs_location || c.templates.uses_unknown_account();
    // What others own is there before the first step.
    for declared in stack.resources.values_mut() {
        let is_own = |address: &Address| !stack.existing.contains_key(address) && address.type_name != STACKS;
        declared.depends_on.retain(is_own);
        declared.deferrable.retain(is_own);
    }
    stack.stacks = known.into_stacks();
    provided::add_dependencies(&mut stack);
    cycles::report_cycles(&mut c, &stack);
    cross_checks::check_all(&mut c, &stack);
    region::check_references(&mut c, &stack);
    stack.gitops = gitops::separate(&mut c, &mut stack);
    procedures::check_delivered(&mut c, &stack);
    if c.problems.is_empty() { Ok(stack) } else { Err(sorted_problems(c)) }
}

/// Location of the key at a JSON pointer into a definition.
pub fn key_range(source: &Source, pointer: &str) -> Option<Range<usize>> {
    let (_, spans, _) = compose(source).ok()?;
    spans.key_range(&source.text, pointer)
}

/// Maximum number of problems reported at once.
const MAX_PROBLEMS: usize = 500;

fn sorted_problems(c: Compiler<'_>) -> Vec<Diagnostic> {
    // What a missing file has is unknown.
    let is_undefined = |problem: &Diagnostic| problem.code == "expression" && problem.message.contains("not defined");
    let is_hidden = |problem: &Diagnostic| c.is_incomplete && (problem.code == "unknown-reference" || is_undefined(problem));
    let follows = |problem: &Diagnostic| is_hidden(problem) || problem.code != "expression" && c.is_broken(problem.range.as_ref());
    let mut told = HashSet::new();
    let mut found: Vec<Diagnostic> = c.problems.iter().filter(|problem| !follows(problem) && told.insert(*problem)).cloned().collect();
    found.sort_by_key(|problem| problem.range.as_ref().map_or(0, |range| range.start));
    // Another problem may have the same line.
    let hidden: Vec<Range<usize>> = c.hidden.iter().map(|(start, end)| *start..*end).collect();
    found.iter_mut().for_each(|problem| problem.hidden.clone_from(&hidden));
    if found.len() > MAX_PROBLEMS {
        let rest = found.split_off(MAX_PROBLEMS).len();
        found.push(Diagnostic::new("more", format!("there are {rest} more problems")).help("fix those above first"));
    }
    found
}

fn stack_name(c: &mut Compiler<'_>, document: &Map<String, Value>) -> StackName {
    match document.get("stack") {
        Some(value) => {
            let name = compiler::scalar_text(value).unwrap_or_default();
            name.parse().unwrap_or_else(|_| {
                let message =
                    if name.is_empty() { "a stack's name must be text".into() } else { format!("`{name}` is not a valid stack name") };
                c.problem("stack-name", "/stack", message, NAME_RULE);
                StackName::default()
            })
        }
        None => {
            let end = c.source.text.find('\n').unwrap_or(c.source.text.len());
            c.problems.push(Diagnostic::new("missing-field", "the stack has no name").at(Some(0..end)).help("start with `stack: <name>`"));
            StackName::default()
        }
    }
}

/// Reads the backend; folders are relative to the definition.
fn parse_backend(c: &mut Compiler<'_>, text: &str) -> Option<BackendLocation> {
    match text.parse::<BackendLocation>() {
        Ok(location) => Some(location.relative_to(Path::new(&c.source.path).parent().unwrap_or(Path::new("")))),
        Err(message) => {
            c.problem("backend", "/backend", message, "use `s3`, `s3://some-bucket/prefix` or `/some/folder`");
            None
        }
    }
}

fn top_level_text(c: &mut Compiler<'_>, document: &Map<String, Value>, key: &str) -> Option<String> {
    let at = child_pointer("", key);
    let value = c.render(document.get(key)?, &at);
    let text = compiler::scalar_text(&value);
    if text.is_none() && !value.is_null() {
        c.problem("type", &at, format!("`{key}` must be text, not {}", compiler::describe_type(&value)), format!("write `{key}: …`"));
    }
    text
}
