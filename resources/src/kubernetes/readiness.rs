//! When an object is ready, by the rules of kstatus:
//! <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>.

use kube::api::DynamicObject;
use serde_json::Value;

use super::{applications, kinds::KindName};
use crate::core::Phase;

/// A condition to wait for, in addition to the rules of the kind.
pub(super) struct Awaited<'a> {
    /// Type of an entry in `status.conditions`.
    pub condition: &'a str,
    /// Its status, usually `True`.
    pub status: &'a str,
}

/// Returns the phase of an object.
pub(super) fn phase(kind: &KindName, object: &DynamicObject, awaited: &[Awaited<'_>]) -> Phase {
    if object.metadata.deletion_timestamp.is_some() {
        return Phase::Deleting;
    }
    let status = Status { object, fields: object.data.get("status").unwrap_or(&Value::Null) };
    if let (Some(generation), Some(observed)) = (object.metadata.generation, status.number("observedGeneration"))
        && observed < generation
    {
        return Phase::Progressing("its controller has not seen the latest change".to_owned());
    }
    match status.of_kind(kind) {
        Phase::Ready => awaited.iter().map(|one| status.awaited(one)).find(|phase| *phase != Phase::Ready).unwrap_or(Phase::Ready),
        other => other,
    }
}

struct Status<'a> {
    object: &'a DynamicObject,
    fields: &'a Value,
}

impl Status<'_> {
    fn number(&self, name: &str) -> Option<i64> {
        self.fields.get(name)?.as_i64()
    }
    fn count(&self, name: &str) -> i64 {
        self.number(name).unwrap_or_default()
    }
    fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
    fn spec(&self, pointer: &str) -> Option<&Value> {
        self.object.data.get("spec")?.pointer(pointer)
    }
    /// Replicas that the spec asks for.
    fn wanted(&self) -> i64 {
        self.spec("/replicas").and_then(Value::as_i64).unwrap_or(1)
    }
    fn condition(&self, name: &str) -> Option<Condition<'_>> {
        let conditions = self.fields.get("conditions")?.as_array()?;
        let found = conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(name))?;
        let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
    }

    fn awaited(&self, awaited: &Awaited<'_>) -> Phase {
        match self.condition(awaited.condition) {
            Some(condition) if condition.status == awaited.status => Phase::Ready,
            Some(condition) => Phase::Progressing(condition.describe(awaited.condition)),
            None => Phase::Progressing(format!("no condition {}", awaited.condition)),
        }
    }

    fn of_kind(&self, kind: &KindName) -> Phase {
        match (kind.group.as_str(), kind.kind.as_str()) {
            ("apps", "Deployment") => self.deployment(),
            ("apps", "StatefulSet") => self.stateful_set(),
            ("apps", "DaemonSet") => self.daemon_set(),
            ("argoproj.io", "Rollout") => self.rollout(),
            ("batch", "Job") => self.job(),
            ("", "Pod") => self.pod(),
            ("", "PersistentVolumeClaim") => self.volume_claim(),
            ("", "Service") => self.service(),
            ("", "Namespace") => Phase::Ready,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => self.definition(),
            ("apiregistration.k8s.io", "APIService") => self.required("Available"),
            (applications::GROUP, applications::KIND) => applications::phase(self.object.data.get("spec"), self.fields),
            _ => self.custom(),
        }
    }

    fn required(&self, name: &str) -> Phase {
        self.awaited(&Awaited { condition: name, status: "True" })
    }

    fn deployment(&self) -> Phase {
        if let Some(condition) = self.condition("Progressing").filter(|condition| condition.reason == "ProgressDeadlineExceeded") {
            return Phase::Degraded(condition.describe("Progressing"));
        }
        let wanted = self.wanted();
        let (updated, total) = (self.count("updatedReplicas"), self.count("replicas"));
        let available = self.count("availableReplicas");
        if updated < wanted {
            self.replicas(updated, wanted, "updated")
        } else if total > updated {
            Phase::Progressing(format!("{} old pods are still running", total - updated))
        } else if available < updated.min(wanted) {
            self.replicas(available, wanted, "available")
        } else if self.number("observedGeneration").is_none() {
            Phase::Progressing("its controller has not seen it".to_owned())
        } else {
            Phase::Ready
        }
    }

    /// The generation that the controller has seen is a text here. <https://argo-rollouts.readthedocs.io/en/stable/features/specification/>
    fn rollout(&self) -> Phase {
        let observed: Option<i64> = self.text("observedGeneration").parse().ok();
        if observed.is_none() || observed < self.object.metadata.generation {
            return Phase::Progressing("its controller has not seen the latest change".to_owned());
        }
        let message = match (self.text("phase"), self.text("message")) {
            ("Healthy", _) => return Phase::Ready,
            (phase, "") => phase.to_owned(),
            (phase, message) => format!("{phase}: {message}"),
        };
        if self.text("phase") == "Degraded" { Phase::Degraded(message) } else { Phase::Progressing(message) }
    }

    fn stateful_set(&self) -> Phase {
        let wanted = self.wanted();
        let on_delete = self.spec("/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete");
        let partition = self.spec("/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64).unwrap_or_default();
        let (ready, updated) = (self.count("readyReplicas"), self.count("updatedReplicas"));
        if self.number("observedGeneration").is_none() {
            Phase::Progressing("its controller has not seen it".to_owned())
        } else if ready < wanted {
            self.replicas(ready, wanted, "ready")
        } else if !on_delete && updated < wanted - partition {
            self.replicas(updated, wanted - partition, "updated")
        } else {
            Phase::Ready
        }
    }

    fn daemon_set(&self) -> Phase {
        let wanted = self.count("desiredNumberScheduled");
        let on_delete = self.spec("/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete");
        if self.number("observedGeneration").is_none() {
            Phase::Progressing("its controller has not seen it".to_owned())
        } else if !on_delete && self.count("updatedNumberScheduled") < wanted {
            self.replicas(self.count("updatedNumberScheduled"), wanted, "updated")
        } else if self.count("numberAvailable") < wanted {
            self.replicas(self.count("numberAvailable"), wanted, "available")
        } else {
            Phase::Ready
        }
    }

    fn job(&self) -> Phase {
        if let Some(condition) = self.condition("Failed").filter(Condition::is_true) {
            return Phase::Failed(condition.describe("Failed"));
        }
        let is_suspended = self.spec("/suspend").and_then(Value::as_bool) == Some(true);
        if is_suspended || self.condition("Complete").is_some_and(|condition| condition.is_true()) {
            return Phase::Ready;
        }
        Phase::Progressing(format!("{} pods running, {} succeeded", self.count("active"), self.count("succeeded")))
    }

    fn pod(&self) -> Phase {
        match self.text("phase") {
            "Succeeded" => Phase::Ready,
            "Failed" => Phase::Failed(self.text("message").to_owned()),
            "Running" => self.required("Ready"),
            other => Phase::Progressing(other.to_owned()),
        }
    }

    /// A claim whose class waits for the first pod stays pending until there is one.
    fn volume_claim(&self) -> Phase {
        match self.text("phase") {
            "Lost" => Phase::Failed("its volume is lost".to_owned()),
            _ => Phase::Ready,
        }
    }

    fn service(&self) -> Phase {
        let is_balancer = self.spec("/type").and_then(Value::as_str) == Some("LoadBalancer");
        let has_address = self.fields.pointer("/loadBalancer/ingress").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if is_balancer && !has_address { Phase::Progressing("it has no load balancer yet".to_owned()) } else { Phase::Ready }
    }

    fn definition(&self) -> Phase {
        match self.condition("NamesAccepted") {
            Some(condition) if condition.status == "False" => Phase::Failed(condition.describe("NamesAccepted")),
            _ => self.required("Established"),
        }
    }

    /// Other kinds, by the usual conditions; without them, an object is ready once it exists.
    fn custom(&self) -> Phase {
        if let Some(condition) = self.condition("Stalled").filter(Condition::is_true) {
            return Phase::Degraded(condition.describe("Stalled"));
        }
        if let Some(condition) = self.condition("Reconciling").filter(Condition::is_true) {
            return Phase::Progressing(condition.describe("Reconciling"));
        }
        match self.condition("Ready") {
            Some(condition) if !condition.is_true() => Phase::Progressing(condition.describe("Ready")),
            _ => Phase::Ready,
        }
    }

    fn replicas(&self, have: i64, wanted: i64, word: &str) -> Phase {
        Phase::Progressing(format!("{have} of {wanted} pods {word}"))
    }
}

struct Condition<'a> {
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl Condition<'_> {
    fn is_true(&self) -> bool {
        self.status == "True"
    }
    fn describe(&self, name: &str) -> String {
        let parts = [self.reason, self.message].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        if parts.is_empty() { format!("{name} is {}", self.status) } else { parts.split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn phase_of(api_version: &str, kind: &str, spec: Value, status: Value) -> Phase {
        let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "a", "generation": 2 }, "spec": spec, "status": status });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        phase(&KindName::of(api_version, kind).expect("a kind"), &object, &[])
    }

    fn progressing(text: &str) -> Phase {
        Phase::Progressing(text.to_owned())
    }

    #[test]
    fn a_rollout_is_ready_when_the_new_version_has_all_requests() {
        let of = |status| phase_of("argoproj.io/v1alpha1", "Rollout", json!({}), status);
        let status =
            |observed: &str, phase: &str, message: &str| json!({ "observedGeneration": observed, "phase": phase, "message": message });
        assert_eq!(of(status("2", "Healthy", "")), Phase::Ready);
        assert_eq!(of(status("2", "Paused", "CanaryPauseStep")), progressing("Paused: CanaryPauseStep"));
        assert_eq!(of(status("2", "Degraded", "RolloutAborted")), Phase::Degraded("Degraded: RolloutAborted".to_owned()));
        for status in [json!({}), status("1", "Healthy", "")] {
            assert_eq!(of(status), progressing("its controller has not seen the latest change"));
        }
    }

    #[test]
    fn a_deployment_is_ready_when_its_new_pods_are_available() {
        let of = |status| phase_of("apps/v1", "Deployment", json!({ "replicas": 2 }), status);
        assert_eq!(of(json!({})), progressing("0 of 2 pods updated"));
        let status = |updated, total, available| json!({ "observedGeneration": 2, "updatedReplicas": updated, "replicas": total, "availableReplicas": available });
        assert_eq!(of(status(2, 3, 2)), progressing("1 old pods are still running"));
        assert_eq!(of(status(2, 2, 1)), progressing("1 of 2 pods available"));
        assert_eq!(of(status(2, 2, 2)), Phase::Ready);
        assert_eq!(of(json!({ "observedGeneration": 1 })), progressing("its controller has not seen the latest change"));
        let stuck = json!({ "observedGeneration": 2, "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out" }] });
        assert_eq!(of(stuck), Phase::Degraded("ProgressDeadlineExceeded: timed out".to_owned()));
    }

    #[test]
    fn jobs_definitions_and_custom_resources_have_conditions() {
        let condition = |name: &str, status: &str| json!({ "conditions": [{ "type": name, "status": status, "reason": "Because" }] });
        assert_eq!(phase_of("batch/v1", "Job", json!({}), condition("Complete", "True")), Phase::Ready);
        assert_eq!(phase_of("batch/v1", "Job", json!({}), condition("Failed", "True")), Phase::Failed("Because".to_owned()));
        assert_eq!(phase_of("batch/v1", "Job", json!({}), json!({ "active": 1 })), progressing("1 pods running, 0 succeeded"));
        let definition = |status| phase_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}), status);
        assert_eq!(definition(json!({})), progressing("no condition Established"));
        assert_eq!(definition(condition("Established", "True")), Phase::Ready);
        let issuer = |status| phase_of("cert-manager.io/v1", "ClusterIssuer", json!({}), status);
        assert_eq!(issuer(json!({})), Phase::Ready);
        assert_eq!(issuer(condition("Ready", "False")), progressing("Because"));
        assert_eq!(issuer(condition("Stalled", "True")), Phase::Degraded("Because".to_owned()));
    }

    #[test]
    fn waits_for_further_conditions() {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "status": { "conditions": [{ "type": "Synced", "status": "False" }] } });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let kind = KindName::of("v1", "ConfigMap").expect("a kind");
        assert_eq!(phase(&kind, &object, &[Awaited { condition: "Synced", status: "True" }]), progressing("Synced is False"));
        assert_eq!(phase(&kind, &object, &[Awaited { condition: "Synced", status: "False" }]), Phase::Ready);
    }
}
