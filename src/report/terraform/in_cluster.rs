//! Objects and releases in clusters, in the terms of Terraform's providers for Kubernetes and Helm.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, ToTerraform};
use crate::kubernetes::types::{helm_release::HelmRelease, kubernetes_object::KubernetesObject};

/// Annotation that names the sources of a Secret's values, as acme sets it.
const SOURCES: &str = "acme/secret-data";

/// The cluster is part of the provider's configuration. Values of a Secret are neither in a definition nor here: the annotation with their
/// sources shows which ones change, and the field `data` is one that others set.
impl ToTerraform for KubernetesObject {
    const TERRAFORM_TYPE: &'static str = "kubernetes_manifest";
    const ARN_ATTRIBUTE: &'static str = "";
    const HAS_TAGS: bool = false;
    const HAS_ID: bool = false;

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let conditions: Vec<Value> = self.wait_for.iter().map(|one| json!({ "type": one.condition, "status": one.status })).collect();
        let wait = if conditions.is_empty() { json!([]) } else { json!([{ "condition": conditions }]) };
        let mut manifest = self.manifest.value().clone();
        let mut set_by_others: Vec<&str> = Vec::new();
        if !self.secret_data.is_empty() {
            manifest["metadata"]["annotations"][SOURCES] = json!(self.secret_data).to_string().into();
            set_by_others = vec!["data", "metadata.annotations", "metadata.labels"];
        }
        json!({
            "manifest": manifest,
            "computed_fields": set_by_others,
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
