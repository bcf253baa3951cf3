//! The stacks of the repository on the simulated cloud: apply, a plan without changes, edits, destroy.

use serde_json::{Value, json};

use crate::{
    acme::{Acme, repository_stack},
    end_to_end::EditableStack,
};

/// An edit of a stack, and the changes that it causes.
struct Edit {
    pointer: &'static str,
    value: Value,
    changes: &'static [&'static str],
}

/// Applies a stack and its edits in both environments, then destroys it.
#[track_caller]
fn check_stack(name: &str, edits: &[Edit]) {
    for environment in ["staging", "production"] {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let mut stack = EditableStack::load(&repository_stack(name));
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        for edit in edits {
            stack.set(edit.pointer, edit.value.clone());
            let plan = acme.plan(&stack.write());
            assert_eq!(plan.changes(), edit.changes, "{name} {environment} {}: {:#}", edit.pointer, plan.0);
            acme.apply(&stack.write());
            acme.assert_no_changes(&stack.write());
        }
        stack.set("/values/protected", false.into());
        // A final snapshot would keep its key.
        for section in ["databases", "caches"] {
            let entries = stack.definition.get_mut(section).and_then(Value::as_object_mut);
            let holds_data = entries.into_iter().flatten().filter(|(_, entry)| entry["engine"] != "memcached");
            holds_data.for_each(|(_, entry)| entry["on_delete"] = "delete".into());
        }
        acme.apply(&stack.write());
        let done = acme.run("destroy", &stack.write(), &["--yes"]);
        assert_eq!(done.code, 0, "{name} {environment}: {}", done.combined_output());
        let left = acme.plan(&stack.write());
        let left: Vec<String> = left.changes().into_iter().filter(|change| !change.starts_with("create ")).collect();
        assert!(left.is_empty(), "{name} {environment}: {left:?}");
    }
}

#[test]
fn alb_eks_rds() {
    let edits = [
        Edit { pointer: "/values/cutover", value: 10.into(), changes: &["update dns_record.new", "update dns_record.old"] },
        Edit {
            pointer: "/load_balancers/web/listeners/https/rules/0/paths",
            value: json!(["/accounts", "/users", "/users/*"]),
            changes: &["update listener.web-https"],
        },
        Edit { pointer: "/databases/orders/max_storage_gib", value: 1000.into(), changes: &["update rds_instance.orders"] },
    ];
    check_stack("alb-eks-rds.yaml", &edits);
}

#[test]
fn devops_platform() {
    let edits = [
        Edit {
            pointer: "/values/services",
            value: json!(["user", "product", "order", "payment", "notification", "auth", "search"]),
            changes: &["create ecr_repository.service-search", "create eks_pod_identity.service-search", "create iam_role.service-search"],
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
        Edit {
            pointer: "/registries/service/keep_last",
            value: 10.into(),
            changes: &[
                "update ecr_repository.service-frontend",
                "update ecr_repository.service-order",
                "update ecr_repository.service-product",
                "update ecr_repository.service-user",
            ],
        },
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
        Edit { pointer: "/queues/interruptions/retention_seconds", value: 600.into(), changes: &["update sqs_queue.interruptions"] },
        Edit {
            pointer: "/registries/image/for_each",
            value: json!(["frontend", "backend", "worker"]),
            changes: &["create ecr_repository.image-worker"],
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
