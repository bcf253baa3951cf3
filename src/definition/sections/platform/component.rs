//! A component of clusters, as its file in `templates/platform` describes it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::definition::gitops::ArgoCdFacts;

/// A component, as its file describes it.
///
/// Texts contain `{{ name }}` for an input, or for a property of the stack, see [`super::fill::Surroundings`]. References to resources
/// (`${sqs_queue.karpenter.arn}`) are those of the canonical form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Purpose.
    pub about: String,
    /// The chart; a component without chart and add-on consists of objects.
    #[serde(default)]
    pub chart: Option<Chart>,
    /// The EKS add-on by which it is installed unless the definition chooses its chart.
    #[serde(default)]
    pub addon: Option<String>,
    /// Whether nodes need it to become ready.
    #[serde(default)]
    pub before_nodes: bool,
    /// Effect of EKS Auto Mode.
    #[serde(default)]
    pub auto_mode: AutoMode,
    /// Namespace.
    pub namespace: String,
    /// Labels of the namespace.
    #[serde(default)]
    pub namespace_labels: BTreeMap<String, String>,
    /// Strictest Pod Security standard that its pods satisfy; unset in `kube-system`, which is not changed.
    #[serde(default)]
    pub pod_security: Option<PodSecurity>,
    /// Name of the release. Default: the component's.
    #[serde(default)]
    pub release: Option<String>,
    /// Whether Helm waits until everything is ready.
    #[serde(default = "yes")]
    pub waits: bool,
    /// Whether another component has the chart's custom resource definitions.
    #[serde(default)]
    pub skip_crds: bool,
    /// Whether the chart's schema of its values needs the internet, so that Helm must not check it.
    #[serde(default)]
    pub skip_schema: bool,
    /// Longest time for each operation of Helm, if not the default.
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
    /// Position in the order: components of lower waves are installed first and removed last.
    pub wave: i8,
    /// Components that it can't work without.
    #[serde(default)]
    pub needs: BTreeSet<String>,
    /// Whether the cluster must have a node group.
    #[serde(default)]
    pub needs_node_group: bool,
    /// Components beside which it can't work.
    #[serde(default)]
    pub conflicts: BTreeSet<String>,
    /// Values that the definition sets.
    #[serde(default)]
    pub inputs: BTreeMap<String, Input>,
    /// Secrets that External Secrets copies from Secrets Manager.
    #[serde(default)]
    pub secrets: Vec<CopiedSecret>,
    /// Permissions of its pods in AWS.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// Resources of AWS by type and name.
    #[serde(default)]
    pub resources: BTreeMap<String, BTreeMap<String, Value>>,
    /// Values for production.
    #[serde(default)]
    pub values: Value,
    /// Values for a small cluster, merged into those for production.
    #[serde(default)]
    pub small: Option<Value>,
    /// Additions beside another component, or if an optional input is set, by the name of either.
    #[serde(default)]
    pub with: BTreeMap<String, Addition>,
    /// Objects that are created after the release.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// What Argo CD has to know of it.
    #[serde(default)]
    pub argocd: ArgoCdFacts,
}

/// A chart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// URL of its repository, unless `chart` is an address.
    #[serde(default)]
    pub repository: Option<String>,
    /// Name or address `oci://…`.
    pub chart: String,
    /// Version unless the definition sets one.
    pub version: String,
    /// Values that the add-on does not take.
    #[serde(default)]
    pub values: Value,
}

/// Effect of EKS Auto Mode on a component.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoMode {
    /// None.
    #[default]
    Installed,
    /// AWS runs it, so only its objects remain.
    ObjectsOnly,
    /// AWS runs it, so it is refused.
    Refused,
}

/// A Pod Security standard. <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PodSecurity {
    /// No restrictions.
    Privileged,
    /// Prevents known escalations.
    Baseline,
    /// Current best practices.
    Restricted,
}

impl PodSecurity {
    /// Value of the label.
    pub fn label(self) -> &'static str {
        match self {
            PodSecurity::Privileged => "privileged",
            PodSecurity::Baseline => "baseline",
            PodSecurity::Restricted => "restricted",
        }
    }

    /// The standard of a label's value.
    pub fn of_label(value: &str) -> Option<PodSecurity> {
        [PodSecurity::Privileged, PodSecurity::Baseline, PodSecurity::Restricted].into_iter().find(|one| one.label() == value)
    }
}

/// A value that the definition sets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Meaning, without a period.
    pub about: String,
    /// Type and output for the name of a resource of the stack: `secret.arn`.
    #[serde(default)]
    pub reference: Option<String>,
    /// Value if unset.
    #[serde(default)]
    pub default: Option<Value>,
    /// Whether it may be unset without a default. Statements with it are left out then.
    #[serde(default)]
    pub optional: bool,
}

/// A Kubernetes Secret that External Secrets copies from Secrets Manager.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiedSecret {
    /// Name of the Kubernetes Secret.
    pub name: String,
    /// Input with the name or ARN of the secret.
    pub from: String,
    /// Key that has the whole value.
    #[serde(default)]
    pub key: Option<String>,
    /// Keys of the value, a JSON object.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// Permissions of a service account in AWS.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Service account in the component's namespace.
    pub service_account: String,
    /// Managed policies.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Statements of the policy.
    #[serde(default)]
    pub statements: Vec<Value>,
}

/// Values and objects that a component has under a condition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// Values merged into the component's.
    #[serde(default)]
    pub values: Value,
    /// Further objects.
    #[serde(default)]
    pub objects: Vec<Object>,
}

/// A Kubernetes object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The object.
    pub manifest: Value,
    /// Condition that shows that it is ready.
    #[serde(default)]
    pub wait_for: Option<String>,
}

fn yes() -> bool {
    true
}

impl Component {
    /// Whether it is software, by chart or add-on, rather than objects alone.
    pub fn has_software(&self) -> bool {
        self.chart.is_some() || self.addon.is_some()
    }
}
