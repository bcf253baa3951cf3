//! Fields that Kubernetes does not change, by kind: an object with other values is a new one.

use serde_json::Value;

use super::Manifest;

/// Group, kind, and JSON pointers to the fields, from the validation of each kind in the API's source and documentation,
/// <https://kubernetes.io/docs/reference/kubernetes-api/>.
const FIELDS: &[(&str, &str, &[&str])] = &[
    (
        "",
        "PersistentVolumeClaim",
        &["/spec/accessModes", "/spec/dataSource", "/spec/selector", "/spec/storageClassName", "/spec/volumeMode", "/spec/volumeName"],
    ),
    ("", "Secret", &["/type"]),
    ("apps", "DaemonSet", &["/spec/selector"]),
    ("apps", "Deployment", &["/spec/selector"]),
    ("apps", "StatefulSet", &["/spec/podManagementPolicy", "/spec/selector", "/spec/serviceName", "/spec/volumeClaimTemplates"]),
    ("batch", "Job", &["/spec/completionMode", "/spec/selector", "/spec/template"]),
    // https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/targetgroupbinding/spec/
    ("elbv2.k8s.aws", "TargetGroupBinding", &["/spec/ipAddressType", "/spec/targetGroupARN", "/spec/targetType", "/spec/vpcID"]),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", &["/roleRef"]),
    ("rbac.authorization.k8s.io", "RoleBinding", &["/roleRef"]),
    ("scheduling.k8s.io", "PriorityClass", &["/preemptionPolicy", "/value"]),
    ("storage.k8s.io", "StorageClass", &["/parameters", "/provisioner", "/reclaimPolicy", "/volumeBindingMode"]),
];

/// Whether the object in one manifest can't become that in the other. It can in another version of its API, in which it is the same object.
pub(super) fn differs(wanted: &Manifest, live: &Manifest) -> bool {
    if wanted.identity() != live.identity() {
        return true;
    }
    // Nothing of an object that is marked immutable can change, except that it is deleted.
    let is_frozen = live.value().get("immutable") == Some(&Value::Bool(true));
    if is_frozen && ["data", "binaryData", "immutable"].iter().any(|field| wanted.value().get(field) != live.value().get(field)) {
        return true;
    }
    let Some(kind) = wanted.kind() else { return false };
    let fields = FIELDS.iter().filter(|(group, name, _)| kind.is(group, name)).flat_map(|(.., fields)| *fields);
    // A field that only one of them sets has its default in the other.
    fields.into_iter().any(|field| match (wanted.value().pointer(field), live.value().pointer(field)) {
        (Some(wanted), Some(live)) => wanted != live,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recreates_what_can_not_change() {
        let differ = |wanted: Value, live: Value| differs(&Manifest::from(wanted), &Manifest::from(live));
        let deployment = |name: &str, replicas: i32, app: &str| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": app } } } });
        assert!(!differ(deployment("a", 1, "x"), deployment("a", 2, "x")));
        assert!(differ(deployment("a", 1, "x"), deployment("b", 1, "x")));
        assert!(differ(deployment("a", 1, "x"), deployment("a", 1, "y")));
        let budget = |api_version: &str| json!({ "apiVersion": api_version, "kind": "PodDisruptionBudget", "metadata": { "name": "a" }, "spec": { "minAvailable": 1 } });
        assert!(!differ(budget("policy/v1"), budget("policy/v1beta1")) && differ(budget("policy/v1"), budget("example.com/v1")));
        let binding = |group: &str| json!({ "apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": { "name": "a" }, "spec": { "targetGroupARN": group } });
        assert!(differ(binding("a"), binding("b")) && !differ(binding("a"), binding("a")));
        let config = |immutable: bool, value: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "immutable": immutable, "data": { "a": value } });
        assert!(differ(config(true, "1"), config(true, "2")));
        assert!(!differ(config(false, "1"), config(false, "2")) && !differ(config(true, "1"), config(false, "2")));
    }
}
