//! Objects and releases in clusters, in the terms of Terraform's providers for Kubernetes and Helm.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, ToTerraform};
use crate::kubernetes::types::{helm_release::HelmRelease, kubernetes_object::KubernetesObject};

/// The cluster is part of the provider's configuration.
impl ToTerraform for KubernetesObject {
    const TERRAFORM_TYPE: &'static str = "kubernetes_manifest";
    const ARN_ATTRIBUTE: &'static str = "";
    const HAS_TAGS: bool = false;
    const HAS_ID: bool = false;

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let conditions: Vec<Value> = self.wait_for.iter().map(|one| json!({ "type": one.condition, "status": one.status })).collect();
        let wait = if conditions.is_empty() { json!([]) } else { json!([{ "condition": conditions }]) };
        json!({
            "manifest": self.manifest.value(),
            "field_manager": [{ "name": "acme", "force_conflicts": self.take_over_fields }],
            "wait": wait,
        })
    }
}

impl ToTerraform for HelmRelease {
    const TERRAFORM_TYPE: &'static str = "helm_release";
    const ARN_ATTRIBUTE: &'static str = "";
    const HAS_TAGS: bool = false;

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.release,
            "namespace": self.namespace,
            "create_namespace": self.create_namespace,
            "chart": self.chart,
            "repository": self.repository,
            "version": self.version,
            "values": if self.values.is_empty() { json!([]) } else { json!([self.values.for_helm().to_string()]) },
            "atomic": true,
            "wait": self.wait,
            "timeout": self.timeout_seconds,
            "skip_crds": self.skip_crds,
            "take_ownership": self.take_ownership,
            "max_history": self.history,
        })
    }
}
