//! `procedures`: changes in several steps with gates between them: a cut-over, a failover, and a recovery drill.
//!
//! A procedure moves values of the definition; [`crate::procedures`] runs it.

mod checks;
mod form;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

pub use self::form::ProceduresForm;
use self::{checks::Checker, form::GatesForm};
use super::{Stack, compiler::Compiler, dependencies::KnownResources, problems::parse_section};
use crate::core::{Address, EnvironmentName};

/// Procedures of a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Procedures {
    /// `acme cutover`.
    pub cutover: Option<Cutover>,
    /// `acme failover` and `acme failback`.
    pub failover: Option<Failover>,
    /// `acme drill`.
    pub drill: Option<Drill>,
    /// Values with which the definition was compiled, of all names that a procedure can move.
    pub values: BTreeMap<String, Value>,
}

/// A value that goes up in steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Cutover {
    /// Name of the value.
    pub value: String,
    /// Values in increasing order; at least one.
    pub steps: Vec<i64>,
    /// Time for which the gates must stay open after each step.
    pub bake: Duration,
    /// Gates after each step.
    pub gates: Gates,
    /// Gates before the last step.
    pub before_last: Gates,
    /// Values set after the last step by `--decommission`, by name.
    pub decommission: BTreeMap<String, Value>,
}

/// Values that move the clients to the standby.
#[derive(Clone, Debug, PartialEq)]
pub struct Failover {
    /// Values after it, by name; at least one.
    pub values: BTreeMap<String, Value>,
    /// Gates before it.
    pub before: Gates,
    /// Gates after it.
    pub gates: Gates,
    /// Time for which the gates must stay open after it.
    pub bake: Duration,
    /// Gates before the way back.
    pub failback_before: Gates,
    /// Gates after the way back.
    pub failback_gates: Gates,
}

/// A restore of backups into an environment of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Drill {
    /// Environment that is created and deleted.
    pub environment: EnvironmentName,
    /// Resources that are restored from their newest backups; at least one.
    pub restore: Vec<Address>,
    /// Gates that must open.
    pub gates: Gates,
    /// Recovery point objective.
    pub rpo: Option<Duration>,
    /// Recovery time objective.
    pub rto: Option<Duration>,
}

/// Conditions; all of them must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gates {
    /// Resources that must be healthy, see [`crate::core::Resource::health`].
    pub healthy: Vec<Address>,
    /// Requests that must be answered.
    pub http: Vec<HttpGate>,
    /// Queries that must have a result.
    pub sql: Vec<SqlGate>,
}

/// A GET request from this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpGate {
    /// Address. It may contain references as `${type.name.output}`.
    pub url: String,
    /// Expected status code.
    pub status: u16,
    /// Longest time until the answer is complete.
    pub timeout: Duration,
    /// Whether redirects are followed. Otherwise their own status counts.
    pub follow_redirects: bool,
}

/// A query by `psql` or `mysql` of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlGate {
    /// Database: an `rds_instance` or an `aurora_cluster`.
    pub database: Address,
    /// SQL.
    pub query: String,
    /// Expected output, without white space around it.
    pub expect: String,
    /// Longest time until the result.
    pub timeout: Duration,
}

impl Procedures {
    /// All gates.
    pub fn gates(&self) -> Vec<&Gates> {
        let cutover = self.cutover.iter().flat_map(|cutover| [&cutover.gates, &cutover.before_last]);
        let failover = self.failover.iter().flat_map(|one| [&one.before, &one.gates, &one.failback_before, &one.failback_gates]);
        cutover.chain(failover).chain(self.drill.iter().map(|drill| &drill.gates)).collect()
    }
}

impl Gates {
    /// Number of gates.
    pub fn count(&self) -> usize {
        self.healthy.len() + self.http.len() + self.sql.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
    /// These gates and others.
    pub fn and(&self, other: &Gates) -> Gates {
        let mut both = self.clone();
        both.healthy.extend(other.healthy.iter().filter(|gate| !self.healthy.contains(gate)).cloned());
        both.http.extend(other.http.iter().filter(|gate| !self.http.contains(gate)).cloned());
        both.sql.extend(other.sql.iter().filter(|gate| !self.sql.contains(gate)).cloned());
        both
    }
}

/// Time for which the gates of a cut-over stay open after each step, unless the definition sets another one.
const DEFAULT_BAKE: Duration = Duration::from_secs(600);
/// Same for a failover, which must not take long.
const DEFAULT_FAILOVER_BAKE: Duration = Duration::from_secs(60);

/// Reads the procedures of a definition, when all resources are known.
pub(super) fn parse(c: &mut Compiler<'_>, document: &Map<String, Value>, stack: &Stack, known: &mut KnownResources) -> Option<Procedures> {
    let at = "/procedures";
    let value = document.get("procedures").filter(|value| !value.is_null())?;
    let environments: Vec<&str> =
        document.get("environments").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
    let value = c.expand(value, at);
    let form = parse_section::<ProceduresForm>(c, value, at, "`procedures`")?;
    if form.cutover.is_none() && form.failover.is_none() && form.drill.is_none() {
        c.problem_at_key("procedure", at, "`procedures` is empty", "add `cutover`, `failover` or `drill`");
    }
    let mut check = Checker { compiler: c, stack, known };
    let cutover = form.cutover.map(|form| {
        let at = format!("{at}/cutover");
        check.value_name(&form.value, &format!("{at}/value"));
        check.number(&form.value, &format!("{at}/value"));
        check.steps(&form.steps, &format!("{at}/steps"));
        if form.decommission.contains_key(&form.value) {
            let message = format!("`decommission` sets `{}`, which the steps move", form.value);
            check.compiler.problem_at_key("procedure", &format!("{at}/decommission/{}", form.value), message, "remove it");
        }
        Cutover {
            bake: check.duration(form.bake.as_deref(), &format!("{at}/bake")).unwrap_or(DEFAULT_BAKE),
            gates: check.gates(Some(form.gates), &format!("{at}/gates")),
            before_last: check.gates(form.before_last, &format!("{at}/before_last")),
            decommission: check.values(form.decommission, &format!("{at}/decommission")),
            value: form.value,
            steps: form.steps,
        }
    });
    let failover = form.failover.map(|form| {
        let at = format!("{at}/failover");
        if form.values.is_empty() {
            check.compiler.problem_at_key(
                "procedure",
                &format!("{at}/values"),
                "a failover sets no value",
                "write `values: { active: eu-central-1 }`",
            );
        }
        let back = form.failback.unwrap_or_default();
        Failover {
            values: check.values(form.values, &format!("{at}/values")),
            before: check.gates(form.before, &format!("{at}/before")),
            gates: check.gates(Some(form.gates), &format!("{at}/gates")),
            bake: check.duration(form.bake.as_deref(), &format!("{at}/bake")).unwrap_or(DEFAULT_FAILOVER_BAKE),
            failback_before: check.gates(back.before, &format!("{at}/failback/before")),
            failback_gates: check.gates(back.gates, &format!("{at}/failback/gates")),
        }
    });
    let drill = form.drill.map(|form| {
        let at = format!("{at}/drill");
        if form.restore.is_empty() {
            check.compiler.problem_at_key(
                "procedure",
                &format!("{at}/restore"),
                "a drill restores nothing",
                "list databases: `restore: [rds_instance.orders]`",
            );
        }
        Drill {
            environment: check.environment(&form.environment, &environments, &format!("{at}/environment")),
            restore: check.addresses(&form.restore, &format!("{at}/restore")),
            gates: check.gates(Some(form.gates), &format!("{at}/gates")),
            rpo: check.duration(form.rpo.as_deref(), &format!("{at}/rpo")),
            rto: check.duration(form.rto.as_deref(), &format!("{at}/rto")),
        }
    });
    let moved = cutover.iter().flat_map(|cutover: &Cutover| cutover.decommission.keys().chain([&cutover.value]));
    let moved: Vec<String> = moved.chain(failover.iter().flat_map(|failover: &Failover| failover.values.keys())).cloned().collect();
    if let (Some(cutover), Some(failover)) = (&cutover, &failover)
        && failover.values.contains_key(&cutover.value)
    {
        let message = format!("`{}` is moved by the cut-over, too", cutover.value);
        let pointer = format!("{at}/failover/values/{}", cutover.value);
        check.compiler.problem_at_key("procedure", &pointer, message, "use another value for the failover");
    }
    let values =
        moved.into_iter().filter_map(|name| Some((check.current_value(&name)?, name))).map(|(value, name)| (name, value)).collect();
    Some(Procedures { cutover, failover, drill, values })
}

/// Reports gates on resources that Argo CD installs, whose health acme does not know.
pub(super) fn check_delivered(c: &mut Compiler<'_>, stack: &Stack) {
    let Some(procedures) = stack.procedures.as_ref().filter(|_| c.problems.is_empty()) else { return };
    let missing =
        procedures.gates().into_iter().flat_map(|gates| &gates.healthy).find(|address| !stack.resources.contains_key(address)).cloned();
    if let Some(address) = missing {
        let message = format!("`{address}` is installed by Argo CD, so acme does not know its health");
        c.problem_at_key("procedure", "/procedures", message, "use an `http` gate, or an alarm");
    }
}

impl GatesForm {
    fn is_empty(&self) -> bool {
        self.healthy.is_empty() && self.http.is_empty() && self.sql.is_empty()
    }
}
