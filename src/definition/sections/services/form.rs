//! What the definition says about a service: its fields, and the short forms of their values.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::scalar::Scalar;

/// A service, a worker, which has no port, or a job, which has a schedule.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Port on which the container accepts HTTP, and that of the Kubernetes Service. Default: none, for a worker or a job.
    #[serde(default)]
    pub port: Option<u16>,
    /// Tag or digest (`sha256:…`) of the image in the service's repository: that of `registries` with the same name, or one that acme creates.
    /// Default: none; acme creates the repository and the permissions, and runs the service once a version is set.
    #[serde(default)]
    pub version: Option<String>,
    /// Image of another registry with its tag or digest, such as `ghcr.io/example/greet:1.4.0`, in place of `version`. Default: none.
    #[serde(default)]
    pub image: Option<String>,
    /// Namespace. acme creates it if nothing else in the definition does. Default: the name of the stack.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Number of pods, such as `2`, or a range such as `2..10`, within which the use of CPU decides. Default: 2.
    #[serde(default)]
    pub replicas: Replicas,
    /// Use of CPU in percent of the request at which pods are added, for a range of `replicas`. Default: `70%`.
    #[serde(default = "default_cpu")]
    pub cpu: Percent,
    /// CPU and memory of each pod.
    #[serde(default)]
    pub resources: Resources,
    /// Addresses of resources that must be ready before its pods start, such as a database in the cluster. Default: none.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Services that it calls. Each `NAME` gives the variable `NAME_URL`; all other connections between services are denied. Default: none.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Whether the ingress controllers and gateways of `platform` may call it, and load balancers in the network. In the mesh, only its gateway may,
    /// because all others lack its certificates. Default: false.
    #[serde(default)]
    pub public: bool,
    /// Beginning of the paths of the requests that `edge` sends to it, such as `/users`, which it sees in full. The longest one that fits counts, and
    /// `/` is for all others. Default: none.
    #[serde(default)]
    pub path: Option<String>,
    /// Whether users sign in before their requests reach `path`. Default: `sign_in` of `edge`.
    #[serde(default)]
    pub sign_in: Option<bool>,
    /// Entry of `databases` that it uses. Gives the variables `DATABASE_HOST`, `DATABASE_PORT` and `DATABASE_NAME`, with Aurora
    /// `DATABASE_READER_HOST`, and the files with user name and password, whose paths are in `DATABASE_USERNAME_FILE` and
    /// `DATABASE_PASSWORD_FILE`. Default: none.
    #[serde(default)]
    pub database: Option<String>,
    /// Entry of `caches` that it uses. Gives the variables `CACHE_HOST`, `CACHE_PORT` and `CACHE_TLS` (`true` or `false`), with replicas
    /// `CACHE_READER_HOST`, and with `auth_token` the file whose path is in `CACHE_PASSWORD_FILE`. Default: none.
    #[serde(default)]
    pub cache: Option<String>,
    /// Entry of `tables` whose items it reads, writes and deletes. Gives the variable `TABLE_NAME`. Default: none.
    #[serde(default)]
    pub table: Option<String>,
    /// Entry of `storage` whose objects it reads, writes and deletes. Gives the variable `BUCKET_NAME`. Default: none.
    #[serde(default)]
    pub bucket: Option<String>,
    /// Entry of `queues` to which it sends messages and from which it receives them. Gives the variable `QUEUE_URL`. Default: none.
    #[serde(default)]
    pub queue: Option<String>,
    /// Entries of `secrets` that it reads, each as the file `/var/run/secrets/services/NAME`, whose path is in the variable `NAME_FILE`.
    /// Default: none.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Share of the requests that `canary_version` gets, such as `20%`; requests with the header `x-canary: true` all go there. Needs Istio. With
    /// `argo-rollouts` in `platform` and without `canary_version`, each new version gets this share for ten minutes before it gets all requests, or
    /// the shares in `steps`. Default: none.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// Tag or digest of the image of the canary, which runs until the field is removed. Default: none.
    #[serde(default)]
    pub canary_version: Option<String>,
    /// Times at which a job runs, in the format of cron and in UTC, such as `0 3 * * *`. Default: none; the service runs always.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Command in place of the image's. Default: the image's.
    #[serde(default)]
    pub command: Vec<String>,
    /// Further variables. Secrets belong into `secrets`. Default: none.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    /// Path that answers as long as the container works; else it is restarted. Default: `/healthz`.
    #[serde(default = "default_health")]
    pub health: String,
    /// Path that answers when the container is ready for requests. Default: `/readyz`.
    #[serde(default = "default_ready")]
    pub ready: String,
    /// Path of metrics for Prometheus, such as `/metrics`. Needs `prometheus-crds` in `platform`. Default: none.
    #[serde(default)]
    pub metrics: Option<String>,
    /// Port of the metrics. Default: `port`.
    #[serde(default)]
    pub metrics_port: Option<u16>,
    /// Whether it may open connections to port 443 of every address. A service with `bucket`, `table`, `queue` or `permissions` may in any case, for AWS.
    /// Default: false.
    #[serde(default)]
    pub internet: bool,
    /// Further statements of the policy of its role. Default: none.
    #[serde(default)]
    pub permissions: Vec<Value>,
}

/// How a new version gets its first requests.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a share such as `20%`, or `steps: [20%, 10m]`")]
pub enum Canary {
    /// Share of the requests.
    Share(Percent),
    /// One share after the other.
    Steps(CanarySteps),
}

/// Steps of a new version.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanarySteps {
    /// Shares of the requests, such as `20%`, and between them times to wait, such as `10m`, or `approval`, until someone promotes the version by
    /// `kubectl argo rollouts promote`. After the last one, the new version gets all requests.
    pub steps: Vec<Step>,
}

/// CPU and memory of a pod.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Requested CPU; a pod may use more if its node has it. Default: `100m`.
    #[serde(default = "default_request")]
    pub cpu: Text,
    /// Memory, reserved for the pod and its limit. Default: `256Mi`.
    #[serde(default = "default_memory")]
    pub memory: Text,
}

impl Default for Resources {
    fn default() -> Resources {
        Resources { cpu: default_request(), memory: default_memory() }
    }
}

fn default_cpu() -> Percent {
    Percent(70)
}
fn default_request() -> Text {
    Text("100m".to_owned())
}
fn default_memory() -> Text {
    Text("256Mi".to_owned())
}
fn default_health() -> String {
    "/healthz".to_owned()
}
fn default_ready() -> String {
    "/readyz".to_owned()
}

/// Text, as which YAML may also have a number or a switch.
#[derive(Clone)]
pub struct Text(pub String);

/// Number of pods.
#[derive(Clone, Copy)]
pub struct Replicas {
    /// Fewest.
    pub min: u32,
    /// Most, if their number varies.
    pub max: Option<u32>,
}

impl Default for Replicas {
    fn default() -> Replicas {
        Replicas { min: 2, max: None }
    }
}

/// A share between 1 and 100 percent.
#[derive(Clone, Copy)]
pub struct Percent(pub u8);

/// A step of a new version.
#[derive(Clone)]
pub enum Step {
    /// Share of the requests in percent.
    Share(u8),
    /// Time to wait, as Argo Rollouts writes it.
    Wait(String),
    /// Waits until someone promotes the version.
    Approval,
}

/// Deserializes a type from the text of a scalar.
macro_rules! scalar {
    ($name:ident, $expected:literal, $read:expr, $schema:tt) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_any(Scalar { expected: $expected, read: $read })
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

scalar!(Text, "text", |text| Some(Text(text.to_owned())), { "type": ["string", "number", "boolean"] });
scalar!(Replicas, "a number such as `2`, or a range such as `2..10`", read_replicas, { "type": ["string", "integer"] });
scalar!(Percent, "a share such as `20%`", read_percent, { "type": ["string", "integer"] });
scalar!(Step, "a share such as `20%`, a time such as `10m`, or `approval`", read_step, { "type": "string" });

fn read_replicas(text: &str) -> Option<Replicas> {
    let (min, max) = match text.split_once("..") {
        Some((min, max)) => (min, Some(max.trim_start_matches('='))),
        None => (text, None),
    };
    let min: u32 = min.trim().parse().ok().filter(|min| *min > 0)?;
    let max = max.map(|max| max.trim().parse().ok().filter(|max| *max > min)).map_or(Some(None), |max| max.map(Some))?;
    Some(Replicas { min, max })
}

fn read_percent(text: &str) -> Option<Percent> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    number.parse().ok().filter(|share| (1..=100).contains(share)).map(Percent)
}

fn read_step(text: &str) -> Option<Step> {
    let is_time =
        |text: &str| text.strip_suffix(['s', 'm', 'h']).is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0));
    match text.trim() {
        "approval" => Some(Step::Approval),
        text if text.ends_with('%') => read_percent(text).map(|share| Step::Share(share.0)),
        text => is_time(text).then(|| Step::Wait(text.to_owned())),
    }
}
