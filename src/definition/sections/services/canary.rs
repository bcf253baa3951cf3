//! New versions of a service that get their requests step by step.

use serde_json::{Value, json};

use super::{
    Expansion,
    form::{Canary, Percent, Service, Step},
    has, has_mesh,
};

/// The component that changes the shares.
pub const CONTROLLER: &str = "helm_release.argo-rollouts";
/// Time for which a new version has a single share.
const USUAL_WAIT: &str = "10m";
/// Prometheus, as its operator calls it, by which new versions are measured.
const PROMETHEUS: &str = "http://prometheus-operated.monitoring.svc.cluster.local:9090";

/// Whether Argo Rollouts runs the service.
pub fn is_rollout(out: &Expansion<'_, '_>, form: &Service) -> bool {
    form.canary.is_some() && form.canary_version.is_none() && has(out, CONTROLLER)
}

/// Mistakes: the field, the message and the remedy.
pub fn problem(out: &Expansion<'_, '_>, form: &Service) -> Option<(&'static str, &'static str, &'static str)> {
    let Some(canary) = &form.canary else {
        return form.canary_version.is_some().then_some(("canary_version", "the canary gets no requests", "add `canary: 20%`"));
    };
    if form.schedule.is_some() {
        return Some(("canary", "a job has no canary", "remove `canary` or `schedule`"));
    }
    match (canary, &form.canary_version) {
        (Canary::Steps(_), Some(_)) => {
            return Some(("canary_version", "with `steps`, each new `version` is a canary first", "remove the line"));
        }
        (Canary::Steps(_), None) if !has(out, CONTROLLER) => {
            return Some(("canary", "`steps` need Argo Rollouts, which `platform` lacks", "add `argo-rollouts: {}` to `platform`"));
        }
        (Canary::Steps(steps), None) => {
            let starts_with_share = matches!(steps.steps.first(), Some(Step::Share(_)));
            let help = "begin with the share that a new version gets first, such as `10%`";
            return (!starts_with_share).then_some(("canary/steps", "the first step is not a share of the requests", help));
        }
        (Canary::Share(_), None) if has(out, CONTROLLER) => return None,
        (Canary::Share(_), _) => {}
    }
    if form.port.is_none() {
        return Some(("canary", "a canary gets a share of the requests, but the service has no port", "add `port: …`"));
    }
    if !has_mesh(out) {
        let help = "add `istio-base`, `istio-cni` and `istiod` to `platform`, or remove the line";
        return Some(("canary", "a canary needs Istio, which divides the requests", help));
    }
    if form.canary_version.is_none() {
        let help = "add `canary_version: …`, the version that gets this share of the requests, or `argo-rollouts: {}` to `platform`";
        return Some(("canary", "the canary has no version", help));
    }
    form.version.is_none().then_some(("canary", "the canary is a version beside `version`", "add `version: …`"))
}

/// Sets the values of the chart for a rollout.
pub fn set_values(out: &Expansion<'_, '_>, form: &Service, values: &mut Value) {
    let Some(canary) = form.canary.as_ref().filter(|_| is_rollout(out, form)) else { return };
    let steps = match canary {
        Canary::Share(Percent(share)) => vec![Step::Share(*share), Step::Wait(USUAL_WAIT.to_owned())],
        Canary::Steps(steps) => steps.steps.clone(),
    };
    let steps = steps.iter().map(|step| match step {
        Step::Share(share) => json!({ "weight": share }),
        Step::Wait(time) => json!({ "pause": time }),
        Step::Approval => json!({ "pause": "" }),
    });
    values["rollout"] = json!({ "steps": steps.collect::<Vec<_>>() });
    if has(out, "helm_release.prometheus") {
        values["rollout"]["prometheus"] = PROMETHEUS.into();
    }
}

/// Fields of a rollout that Argo Rollouts changes: weights, and what selects the pods of a version.
/// <https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/istio/#integrating-with-gitops>
pub fn changed_by_controller(out: &Expansion<'_, '_>, form: &Service) -> Vec<Value> {
    if !is_rollout(out, form) || form.port.is_none() {
        return Vec::new();
    }
    if !has_mesh(out) {
        return vec![json!({ "group": "", "kind": "Service", "jsonPointers": ["/spec/selector/rollouts-pod-template-hash"] })];
    }
    let labels = [".spec.subsets[]?.labels[\"rollouts-pod-template-hash\"]"];
    vec![
        json!({ "group": "networking.istio.io", "kind": "DestinationRule", "jqPathExpressions": labels }),
        json!({ "group": "networking.istio.io", "kind": "VirtualService", "jqPathExpressions": [".spec.http[]?.route[]?.weight"] }),
    ]
}
