//! The stacks of the repository: apply, a plan without changes, edits, destroy, on the simulated cloud; on the stand-ins without the parts
//! that these don't have.

use serde_json::{Value, json};

use crate::{
    acme::{Acme, repository_stack},
    end_to_end::EditableStack,
    proxy::Proxy,
    standin::{Standin, StandinKind},
};

/// An edit of a stack, and the changes that it causes.
struct Edit {
    pointer: &'static str,
    value: Value,
    changes: &'static [&'static str],
}

/// Applies a stack and its edits in both environments, and renders it twice, then destroys it.
#[track_caller]
fn check_stack(name: &str, edits: &[Edit]) {
    for environment in ["staging", "production"] {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let mut stack = EditableStack::load(&repository_stack(name));
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        let repository = folder.path().join("repository").display().to_string();
        acme.run("render", &stack.write(), &["--to", &repository]).assert_success();
        acme.run("render", &stack.write(), &["--to", &repository, "--check"]).assert_success();
        for edit in edits {
            stack.set(edit.pointer, edit.value.clone());
            let plan = acme.plan(&stack.write());
            assert_eq!(plan.changes(), edit.changes, "{name} {environment} {}: {:#}", edit.pointer, plan.0);
            acme.apply(&stack.write());
            acme.assert_no_changes(&stack.write());
        }
        unprotect(&mut stack);
        acme.apply(&stack.write());
        let done = acme.run("destroy", &stack.write(), &["--yes"]);
        assert_eq!(done.code, 0, "{name} {environment}: {}", done.combined_output());
        let left = acme.plan(&stack.write());
        let left: Vec<String> = left.changes().into_iter().filter(|change| !change.starts_with("create ")).collect();
        assert!(left.is_empty(), "{name} {environment}: {left:?}");
    }
}

/// Allows the deletion of everything.
fn unprotect(stack: &mut EditableStack) {
    stack.set("/values/protected", false.into());
    // A final snapshot or backup would remain, and keep its key.
    for section in ["databases", "caches", "tables"] {
        let entries = stack.definition.get_mut(section).and_then(Value::as_object_mut);
        let holds_data = entries.into_iter().flatten().filter(|(_, entry)| entry["engine"] != "memcached");
        holds_data.for_each(|(_, entry)| entry["on_delete"] = "delete".into());
    }
}

/// Parts of the stacks that a stand-in can't hold, as a path in which `*` stands for every entry, with the reason.
const MOTO_LACKS: &[(&str, &str)] = &[
    ("slo", "no composite alarms"),
    ("alarms", "their actions are the topics of `slo`"),
    ("caches", "no parameter groups"),
    ("backup", "no selections"),
    ("budgets", "no notifications"),
    ("cluster/addons", "no add-ons"),
    ("cluster/pod_identities", "no pod identities"),
    ("cluster/access", "no access entries"),
    ("platform", "no Kubernetes API"),
    ("policies", "no Kubernetes API"),
    ("services", "no Kubernetes API"),
    ("edge", "no Kubernetes API"),
    ("procedures", "their gates name parts that are left out"),
    ("overrides", "they are about the roles of `platform`"),
    ("resources/health_check/api", "its alarm is left out"),
    ("resources/security_group_rule", "no group of a cluster exists"),
    ("resources/eks_access_entry", "no access entries"),
    ("resources/eks_pod_identity", "no pod identities"),
    ("resources/kubernetes_object", "no Kubernetes API"),
    ("databases/*/performance_insights", "it does not keep the setting"),
    ("load_balancers/web/listeners/https", "a certificate stays in use after its listener"),
    ("resources/certificate", "a certificate stays in use after its listener"),
    ("resources/classic_load_balancer", "its listener needs the certificate"),
    ("autoscaling", "its classic load balancer needs the certificate"),
    ("dns/records", "they name the classic load balancer"),
    ("cdn", "it drops the access control of an origin"),
    ("pipelines", "no connections"),
    ("accelerators", "no accelerators"),
    ("outputs", "they name parts that are left out"),
];

const MINISTACK_LACKS: &[(&str, &str)] = &[
    ("cluster/log_types", "no update-config of clusters"),
    ("platform", "no Kubernetes API"),
    ("policies", "no Kubernetes API"),
    ("resources/kubernetes_object", "no Kubernetes API"),
    ("services", "no Kubernetes API"),
    ("edge", "no Kubernetes API"),
    ("procedures", "their gates name parts that are left out"),
    ("overrides", "they are about the roles of `platform`"),
    ("resources/security_group_rule", "no group of a cluster exists"),
    ("cluster/secrets_key", "no update-config of clusters"),
    ("network/flow_logs", "it loses them"),
    ("network/acls", "it shows no associations"),
    ("network/endpoints", "interfaces lose their security groups"),
    ("firewall/*/logging", "no logging"),
    ("trail", "it loses its tags"),
    ("caches/*/kms_key", "it does not keep the setting"),
    ("caches/pages", "it does not keep the security groups of Memcached"),
    ("backup/copy_to", "its index shows the buckets of one region in another"),
    ("slo", "it loses the queries of alarms"),
    ("alarms", "their actions are the topics of `slo`"),
    ("databases/*/log_exports", "it does not keep the setting"),
    ("resources/health_check", "its answer lacks what AWS's has"),
    ("resources/classic_load_balancer", "no classic load balancers"),
    ("autoscaling", "no classic load balancers"),
    ("dns/records", "they name what is left out"),
    ("pipelines", "no connections"),
    ("accelerators", "no accelerators"),
    ("outputs", "they name parts that are left out"),
];

fn remove(value: &mut Value, path: &str) {
    let Some((first, rest)) = path.split_once('/') else {
        value.as_object_mut().and_then(|fields| fields.remove(path));
        return;
    };
    let fields = value.as_object_mut().into_iter().flatten();
    fields.filter(|(name, _)| first == "*" || *name == first).for_each(|(_, value)| remove(value, rest));
}

/// A stack of the repository as far as a stand-in can hold it, without protection.
pub fn stack_on(kind: StandinKind, name: &str) -> EditableStack {
    let mut stack = EditableStack::load(&repository_stack(name));
    unprotect(&mut stack);
    stack.set("/region", "us-east-1".into());
    let lacks = match kind {
        StandinKind::Moto => MOTO_LACKS,
        StandinKind::Ministack => MINISTACK_LACKS,
    };
    lacks.iter().for_each(|(path, _)| remove(&mut stack.definition, path));
    // What `edge` sets.
    if let Some(listener) = stack.definition.pointer_mut("/load_balancers/web/listeners/https") {
        listener["default_action"] = json!({ "fixed_response": { "status_code": 404 } });
    }
    if let Some(firewall) = stack.definition.pointer_mut("/firewall/web") {
        firewall["associate"] = json!(["web"]);
    }
    stack
}

/// Applies the stacks as far as the stand-in can hold them, plans again, and destroys them. The proxy checks each request against AWS's
/// model of the service.
#[track_caller]
fn check_on_standin(kind: StandinKind, environment: &str) {
    let standin = Standin::start(kind);
    let proxy = Proxy::with_complete_tag_index(&standin.url);
    for name in ["alb-eks-rds", "devops-platform", "gitops", "highly-available", "microservices"] {
        let acme = Acme::at_endpoint(&proxy.url).with_args(&["--env", environment]);
        let stack = stack_on(kind, &format!("{name}.yaml"));
        acme.apply(&stack.write());
        proxy.take_calls();
        acme.assert_no_changes(&stack.write());
        let calls = proxy.take_calls();
        println!("{name} on {}: plan without changes\n{}", kind.name(), calls.table());
        // Where ministack's index lacks a resource, acme lists every type.
        let most = if kind == StandinKind::Moto { 100 } else { 200 };
        assert!(calls.writes() == 0 && calls.total() <= most, "{name}: {}", calls.table());
        acme.destroy(&stack.write());
        assert_eq!(standin.all_resources(), json!({}), "{name}: resources remain");
    }
}

#[test]
#[ignore = "full run"]
fn stacks_on_moto() {
    check_on_standin(StandinKind::Moto, "production");
}

#[test]
#[ignore = "full run"]
fn stacks_on_ministack() {
    check_on_standin(StandinKind::Ministack, "production");
}

/// It differs in sizes only.
#[test]
#[ignore = "exhaustive"]
fn exhaustive_staging_on_both_standins() {
    for kind in StandinKind::BOTH {
        check_on_standin(kind, "staging");
    }
}

#[test]
fn alb_eks_rds() {
    let edits = [
        Edit { pointer: "/values/cutover", value: 10.into(), changes: &["update dns_record.new", "update dns_record.old"] },
        Edit {
            pointer: "/services/users/path",
            value: "/accounts".into(),
            changes: &["update helm_release.users", "update listener.web-https"],
        },
        // Its target group stays.
        Edit {
            pointer: "/services/users/port",
            value: 8081.into(),
            changes: &["create security_group_rule.edge-8081", "update helm_release.users", "update kubernetes_object.edge-users"],
        },
        Edit { pointer: "/databases/orders/max_storage_gib", value: 1000.into(), changes: &["update rds_instance.orders"] },
    ];
    check_stack("alb-eks-rds.yaml", &edits);
}

#[test]
fn devops_platform() {
    let edits = [
        Edit { pointer: "/services/user/path", value: "/accounts".into(), changes: &["update helm_release.user"] },
        Edit {
            pointer: "/values/versions",
            value: json!({ "user": "1.1.0", "product": "1.0.0", "order": "1.0.0", "payment": "1.0.0", "notification": "1.0.0", "auth": "1.1.0" }),
            changes: &["update helm_release.auth", "update helm_release.user"],
        },
        Edit {
            pointer: "/slo/platform/availability",
            value: 99.5.into(),
            changes: &[
                "update dashboard.slo-platform",
                "update metric_alarm.platform-availability-fast-1h",
                "update metric_alarm.platform-availability-fast-5m",
                "update metric_alarm.platform-availability-slow-30m",
                "update metric_alarm.platform-availability-slow-6h",
            ],
        },
        Edit { pointer: "/backup/monthly_retention_days", value: 730.into(), changes: &["update backup_plan.main"] },
    ];
    check_stack("devops-platform.yaml", &edits);
}

#[test]
fn gitops() {
    let edits = [
        Edit { pointer: "/registries/user/keep_last", value: 10.into(), changes: &["update ecr_repository.user"] },
        Edit {
            pointer: "/caches/sessions/parameters/maxmemory-policy",
            value: "allkeys-lru".into(),
            changes: &["update cache_parameter_group.sessions"],
        },
        Edit { pointer: "/cluster/log_types", value: json!(["api", "audit"]), changes: &["update eks_cluster.main"] },
    ];
    check_stack("gitops.yaml", &edits);
}

#[test]
fn microservices() {
    let edits = [
        Edit { pointer: "/cluster/node_groups/general/max", value: 8.into(), changes: &["update eks_node_group.general"] },
        Edit {
            pointer: "/platform/karpenter",
            value: json!({ "cpu_limit": 200 }),
            changes: &["update kubernetes_object.karpenter-nodepool-default"],
        },
        Edit {
            pointer: "/platform/istiod",
            value: json!({ "values": { "resources": { "limits": { "memory": "3Gi" } } } }),
            changes: &["update helm_release.istiod"],
        },
        Edit { pointer: "/services/backend/replicas", value: 3.into(), changes: &["update helm_release.backend"] },
        Edit { pointer: "/values/versions/frontend", value: "1.1.0".into(), changes: &["update helm_release.frontend"] },
        Edit {
            pointer: "/policies/namespaces/shop/quota/pods",
            value: 200.into(),
            changes: &["update kubernetes_object.policies-shop-resourcequota-policies"],
        },
    ];
    check_stack("microservices.yaml", &edits);
}

#[test]
fn highly_available() {
    let edits = [
        Edit {
            pointer: "/autoscaling/legacy/template/instance_type",
            value: "m7g.xlarge".into(),
            changes: &["update autoscaling_group.legacy", "update launch_template.legacy"],
        },
        Edit {
            pointer: "/services/search/path",
            value: "/find".into(),
            changes: &["update helm_release.search", "update kubernetes_object.edge-routes", "update kubernetes_object.edge-sign-in"],
        },
        Edit { pointer: "/queues/bookings/max_receives", value: 3.into(), changes: &["update sqs_queue.bookings"] },
        Edit {
            pointer: "/cdn/app/aliases",
            value: json!(["app.ha.example.com", "www.ha.example.com"]),
            changes: &[
                "create dns_record.cdn-www.ha.example.com",
                "create dns_record.cdn-www.ha.example.com-ipv6",
                "replace certificate.cdn-app",
                "update cloudfront_distribution.app",
            ],
        },
    ];
    check_stack("highly-available.yaml", &edits);
}
