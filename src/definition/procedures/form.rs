//! The fields of `procedures` as written, for the parser, the JSON Schema and the reference.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Procedures of a stack.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProceduresForm {
    /// Moves clients to the new platform in steps: `acme cutover`. Default: none.
    #[serde(default)]
    pub cutover: Option<CutoverForm>,
    /// Moves everything to the standby and back: `acme failover` and `acme failback`. Default: none.
    #[serde(default)]
    pub failover: Option<FailoverForm>,
    /// Restores backups into an environment of its own, and measures the time: `acme drill`. Default: none.
    #[serde(default)]
    pub drill: Option<DrillForm>,
}

/// A cut-over.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutoverForm {
    /// Entry of `values` that the steps move, a whole number, such as a weight in percent.
    pub value: String,
    /// Values after each step, in increasing order.
    pub steps: Vec<i64>,
    /// Time for which the gates must stay open after each step, such as `10m`; `0s` checks them once. Default: 10m.
    #[serde(default)]
    pub bake: Option<String>,
    /// What must hold after each step, and all through the time of `bake`.
    pub gates: GatesForm,
    /// What must hold before the last step. Default: nothing.
    #[serde(default)]
    pub before_last: Option<GatesForm>,
    /// Values that `acme cutover --decommission` sets after the last step, to delete the old platform. Default: none.
    #[serde(default)]
    pub decommission: BTreeMap<String, Value>,
}

/// A failover.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverForm {
    /// Entries of `values` with the values after the failover. A failback returns them to those of the definition.
    pub values: BTreeMap<String, Value>,
    /// What must hold before the failover, such as the health of the standby. Default: nothing.
    #[serde(default)]
    pub before: Option<GatesForm>,
    /// What must hold after the failover, and all through the time of `bake`.
    pub gates: GatesForm,
    /// Time for which the gates must stay open after a failover or a failback, such as `5m`; `0s` checks them once. Default: 1m.
    #[serde(default)]
    pub bake: Option<String>,
    /// Gates of the way back. Default: none.
    #[serde(default)]
    pub failback: Option<FailbackForm>,
}

/// Gates of a failback.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailbackForm {
    /// What must hold before the failback. Default: nothing.
    #[serde(default)]
    pub before: Option<GatesForm>,
    /// What must hold after the failback. Default: nothing.
    #[serde(default)]
    pub gates: Option<GatesForm>,
}

/// A recovery drill.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillForm {
    /// Environment of the definition that the drill creates from nothing and deletes.
    pub environment: String,
    /// Addresses of the resources that are restored from their newest backups.
    pub restore: Vec<String>,
    /// What must hold when everything is restored.
    pub gates: GatesForm,
    /// Recovery point objective: the longest time whose changes may be lost, such as `15m`. Default: it is measured, without a goal.
    #[serde(default)]
    pub rpo: Option<String>,
    /// Recovery time objective: the longest time until the last gate is open, such as `4h`. Default: it is measured, without a goal.
    #[serde(default)]
    pub rto: Option<String>,
}

/// Conditions; all of them must hold.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatesForm {
    /// Addresses of resources that must be healthy: alarms without alarm, target groups without unhealthy targets, replication tasks that
    /// have caught up, and any resource that is ready. A resource whose `when` is false is left out. Default: none.
    #[serde(default)]
    pub healthy: Vec<String>,
    /// Requests that must be answered. Default: none.
    #[serde(default)]
    pub http: Vec<HttpForm>,
    /// Queries that must have a result. Default: none.
    #[serde(default)]
    pub sql: Vec<SqlForm>,
}

/// A GET request from the machine on which acme runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpForm {
    /// Address, with `https://` or `http://`.
    pub url: String,
    /// Expected status code. Default: 200.
    #[serde(default = "default_status")]
    pub status: u16,
    /// Longest time until the answer is complete, up to `1m`. Default: 5s.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Follows redirects, up to ten. Otherwise, their own status counts. Default: false.
    #[serde(default)]
    pub follow_redirects: bool,
}

/// A query by the program `psql` or `mysql` of the machine on which acme runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlForm {
    /// Database, by its name in `databases` or its address. The query has the rights of its master user.
    pub database: String,
    /// SQL, one statement.
    pub query: String,
    /// Expected result: the columns of one row, as `psql --tuples-only --no-align` or `mysql --batch` prints them.
    pub expect: String,
    /// Longest time until the result, up to `10m`. Default: 30s.
    #[serde(default)]
    pub timeout: Option<String>,
}

fn default_status() -> u16 {
    200
}
