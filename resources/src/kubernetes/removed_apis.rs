//! API versions that Kubernetes no longer serves.

use super::kinds::KindName;

/// Group and version, kinds, the minor version of Kubernetes 1 from which on it is not served, and the replacement; without kinds, all.
///
/// Sources: <https://kubernetes.io/docs/reference/using-api/deprecation-guide/>, and from 1.33 on the tags
/// `k8s:prerelease-lifecycle-gen:removed` in the API's source, <https://github.com/kubernetes/api>.
const REMOVED: &[(&str, &[&str], u32, &str)] = &[
    ("apps/v1beta1", &[], 16, "apps/v1"),
    ("apps/v1beta2", &[], 16, "apps/v1"),
    ("extensions/v1beta1", &["DaemonSet", "Deployment", "ReplicaSet"], 16, "apps/v1"),
    ("extensions/v1beta1", &["NetworkPolicy"], 16, "networking.k8s.io/v1"),
    (
        "admissionregistration.k8s.io/v1beta1",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        22,
        "admissionregistration.k8s.io/v1",
    ),
    ("apiextensions.k8s.io/v1beta1", &[], 22, "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", &[], 22, "apiregistration.k8s.io/v1"),
    ("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"], 22, "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", &["Lease"], 22, "coordination.k8s.io/v1"),
    ("extensions/v1beta1", &["Ingress"], 22, "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], 22, "networking.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", &[], 22, "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", &["PriorityClass"], 22, "scheduling.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"], 22, "storage.k8s.io/v1"),
    ("autoscaling/v2beta1", &[], 25, "autoscaling/v2"),
    ("batch/v1beta1", &[], 25, "batch/v1"),
    ("discovery.k8s.io/v1beta1", &[], 25, "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", &[], 25, "events.k8s.io/v1"),
    ("node.k8s.io/v1beta1", &[], 25, "node.k8s.io/v1"),
    ("policy/v1beta1", &["PodDisruptionBudget"], 25, "policy/v1"),
    ("policy/v1beta1", &["PodSecurityPolicy"], 25, "the labels of Pod Security Admission"),
    ("autoscaling/v2beta2", &[], 26, "autoscaling/v2"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", &[], 26, "flowcontrol.apiserver.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 27, "storage.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", &[], 29, "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", &[], 32, "flowcontrol.apiserver.k8s.io/v1"),
    (
        "admissionregistration.k8s.io/v1beta1",
        &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
        34,
        "admissionregistration.k8s.io/v1",
    ),
    ("networking.k8s.io/v1beta1", &["IPAddress", "ServiceCIDR"], 37, "networking.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", &["VolumeAttributesClass"], 37, "storage.k8s.io/v1"),
];

/// Replacement of an API version that Kubernetes 1.`minor` does not serve, with the minor version that removed it.
pub(crate) fn replacement(kind: &KindName, minor: u32) -> Option<(u32, &'static str)> {
    let api_version = kind.api_version();
    let is_it = |kinds: &[&str]| kinds.is_empty() || kinds.contains(&kind.kind.as_str());
    let removed = REMOVED.iter().filter(|(version, kinds, removed, _)| *version == api_version && is_it(kinds) && *removed <= minor);
    removed.map(|(.., removed, instead)| (*removed, *instead)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_a_version_no_longer_serves() {
        let of = |api_version: &str, kind: &str, minor| replacement(&KindName::of(api_version, kind).expect("a kind"), minor);
        assert_eq!(of("policy/v1beta1", "PodDisruptionBudget", 25), Some((25, "policy/v1")));
        assert_eq!(of("policy/v1beta1", "PodDisruptionBudget", 24), None);
        assert_eq!(of("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 36), Some((32, "flowcontrol.apiserver.k8s.io/v1")));
        assert_eq!(of("networking.k8s.io/v1beta1", "IPAddress", 36), None);
        assert_eq!(of("apps/v1", "Deployment", 40), None);
    }
}
