//! Form of each section, as data for the JSON Schema and the reference. A test compiles everything it allows.

use schemars::{JsonSchema, Schema, schema_for};

use super::{
    autoscaling, backup, caches, cdn, cluster, data_store, databases, dns, edge, file_systems, firewall, load_balancers, migration,
    network, pipelines, platform, policies, services, slo, trail, transit,
};
use crate::definition::procedures::ProceduresForm;

/// Description of a section.
pub struct Section {
    /// Name in the definition.
    pub name: &'static str,
    /// Purpose of the section.
    pub description: &'static str,
    /// Content of the section.
    pub body: SectionBody,
}

/// Content of a section, or of a field of one.
pub enum SectionBody {
    /// The fields of one form.
    Fields(FieldSet),
    /// Named entries with fields of one form.
    Entries(FieldSet),
}

/// Fields allowed in one place.
#[derive(Default)]
pub struct FieldSet {
    /// Resource type whose fields are allowed.
    pub type_name: Option<&'static str>,
    /// Additional fields of the section.
    pub own_schema: Option<fn() -> Schema>,
    /// Fields of the type that the section sets by default; `subnets` may then be the name of a tier, too.
    pub filled_in: &'static [&'static str],
    /// Short forms: a field, and the type accepted for it or, if the field is a list, for its items.
    pub short_forms: &'static [(&'static str, &'static str)],
    /// Type of a short form of the whole entry.
    pub short_form: Option<&'static str>,
    /// Own fields that contain resources.
    pub nested: &'static [(&'static str, SectionBody)],
    /// Other forms, for these values of the field `engine`.
    pub by_engine: Option<(&'static [&'static str], &'static FieldSet)>,
}

const EMPTY: FieldSet =
    FieldSet { type_name: None, own_schema: None, filled_in: &[], short_forms: &[], short_form: None, nested: &[], by_engine: None };

const fn of_type(kind: &'static str) -> FieldSet {
    FieldSet { type_name: Some(kind), ..EMPTY }
}

fn schema<T: JsonSchema>() -> Schema {
    schema_for!(T)
}

/// Fields that the sections of databases and caches set.
const STORE_FILLED_IN: &[&str] = &["subnet_group", "parameter_group", "security_groups", "subnets"];

const MIGRATION_ENDPOINT: FieldSet =
    FieldSet { filled_in: &["type", "secret_role", "asm_secret_role"], short_form: Some("string"), ..of_type("dms_endpoint") };

const ZONE: FieldSet = FieldSet { short_form: Some("string"), ..of_type("dns_zone") };

/// Every section, in the order of [`super::SECTION_NAMES`].
pub static SECTIONS: &[Section] = &[
    Section {
        name: "network",
        description: "A VPC with a public and a private subnet in every zone, internet access, and security groups.",
        body: SectionBody::Fields(FieldSet {
            own_schema: Some(schema::<network::Network>),
            nested: &[
                (
                    "flow_logs",
                    SectionBody::Fields(FieldSet {
                        own_schema: Some(schema::<network::FlowLogs>),
                        filled_in: &["vpc", "bucket"],
                        short_form: Some("boolean"),
                        ..of_type("flow_log")
                    }),
                ),
                ("acls", SectionBody::Entries(FieldSet { filled_in: &["vpc", "subnets"], ..of_type("network_acl") })),
                ("security_groups", SectionBody::Entries(FieldSet { filled_in: &["vpc"], ..of_type("security_group") })),
            ],
            ..EMPTY
        }),
    },
    Section {
        name: "transit",
        description: "A transit gateway, to which the network is attached.",
        body: SectionBody::Fields(FieldSet {
            own_schema: Some(schema::<transit::Transit>),
            nested: &[(
                "route_tables",
                SectionBody::Entries(FieldSet { filled_in: &["transit_gateway"], ..of_type("transit_gateway_route_table") }),
            )],
            ..of_type("transit_gateway")
        }),
    },
    Section {
        name: "cluster",
        description: "An EKS cluster with its roles, node groups and add-ons.",
        body: SectionBody::Fields(FieldSet {
            own_schema: Some(schema::<cluster::Cluster>),
            filled_in: &["role", "subnets"],
            nested: &[
                ("addons", SectionBody::Entries(FieldSet { filled_in: &["cluster", "addon"], ..of_type("eks_addon") })),
                ("node_groups", SectionBody::Entries(FieldSet { filled_in: &["cluster", "role", "subnets"], ..of_type("eks_node_group") })),
                ("access", SectionBody::Entries(FieldSet { filled_in: &["cluster"], ..of_type("eks_access_entry") })),
                ("pod_identities", SectionBody::Entries(FieldSet { filled_in: &["cluster"], ..of_type("eks_pod_identity") })),
                (
                    "fargate",
                    SectionBody::Entries(FieldSet {
                        filled_in: &["cluster", "pod_execution_role", "subnets"],
                        ..of_type("eks_fargate_profile")
                    }),
                ),
            ],
            ..of_type("eks_cluster")
        }),
    },
    Section {
        name: "databases",
        description: "RDS instances and Aurora clusters in the network's private subnets, reachable from the network unless \
                `security_groups` is set.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<data_store::StoreFields>),
            filled_in: STORE_FILLED_IN,
            by_engine: Some((
                databases::AURORA_ENGINES,
                &FieldSet { own_schema: Some(databases::aurora_schema), filled_in: STORE_FILLED_IN, ..of_type("aurora_cluster") },
            )),
            ..of_type("rds_instance")
        }),
    },
    Section {
        name: "caches",
        description: "Valkey, Redis OSS and Memcached caches in the network's private subnets, reachable from the network unless \
                `security_groups` is set.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<data_store::StoreFields>),
            filled_in: STORE_FILLED_IN,
            by_engine: Some((
                &[caches::MEMCACHED],
                &FieldSet { own_schema: Some(caches::memcached_schema), filled_in: STORE_FILLED_IN, ..of_type("cache_cluster") },
            )),
            ..of_type("cache_replication_group")
        }),
    },
    Section {
        name: "file_systems",
        description: "File systems of EFS with a mount target in every zone of the network, reachable from the network unless \
                `security_groups` is set, and their access points.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<file_systems::FileSystemFields>),
            filled_in: &["mount_targets"],
            nested: &[(
                "access_points",
                SectionBody::Entries(FieldSet { filled_in: &["file_system"], ..of_type("file_system_access_point") }),
            )],
            ..of_type("file_system")
        }),
    },
    Section {
        name: "migration",
        description: "Copies of databases by Database Migration Service: tasks with their endpoints, a replication instance in the network's \
                private subnets, and a role that reads the secrets unless `secret_role` is set.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<migration::Migration>),
            filled_in: &["instance", "source", "target", "mappings"],
            nested: &[
                ("source", SectionBody::Fields(MIGRATION_ENDPOINT)),
                ("target", SectionBody::Fields(MIGRATION_ENDPOINT)),
                (
                    "instance",
                    SectionBody::Fields(FieldSet {
                        own_schema: Some(schema::<migration::Instance>),
                        filled_in: &["class", "subnet_group", "security_groups", "subnets"],
                        short_form: Some("string"),
                        ..of_type("dms_instance")
                    }),
                ),
            ],
            ..of_type("dms_task")
        }),
    },
    Section {
        name: "registries",
        description: "Repositories for container images.",
        body: SectionBody::Entries(of_type("ecr_repository")),
    },
    Section {
        name: "dns",
        description: "Hosted zones and their records.",
        body: SectionBody::Fields(FieldSet {
            own_schema: Some(schema::<dns::Dns>),
            nested: &[
                ("zone", SectionBody::Fields(ZONE)),
                ("zones", SectionBody::Entries(ZONE)),
                (
                    "records",
                    SectionBody::Entries(FieldSet {
                        filled_in: &["zone", "domain"],
                        short_forms: &[("alias", "string")],
                        ..of_type("dns_record")
                    }),
                ),
            ],
            ..EMPTY
        }),
    },
    Section {
        name: "firewall",
        description: "Web firewalls in front of load balancers.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<firewall::Firewall>),
            short_forms: &[("managed_rules", "string"), ("rate_limit", "integer")],
            ..of_type("waf_web_acl")
        }),
    },
    Section {
        name: "load_balancers",
        description: "Load balancers with their target groups and listeners. Unless `security_groups` is set, an application load \
                balancer is open on the ports of its listeners: to everyone, or to the network if it is internal.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<load_balancers::LoadBalancer>),
            filled_in: &["subnets", "security_groups"],
            nested: &[
                ("target_groups", SectionBody::Entries(FieldSet { filled_in: &["vpc", "protocol"], ..of_type("target_group") })),
                (
                    "listeners",
                    SectionBody::Entries(FieldSet {
                        own_schema: Some(schema::<load_balancers::Listener>),
                        filled_in: &["load_balancer", "default_action"],
                        ..of_type("listener")
                    }),
                ),
            ],
            ..of_type("load_balancer")
        }),
    },
    Section {
        name: "autoscaling",
        description: "Auto Scaling groups in the network's private subnets, each with its launch template and, unless these are set, a \
                security group and an instance profile with which Systems Manager reaches the instances.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<autoscaling::Autoscaling>),
            filled_in: &["launch_template", "subnets"],
            nested: &[(
                "template",
                SectionBody::Fields(FieldSet {
                    filled_in: &["instance_profile", "security_groups", "metadata"],
                    ..of_type("launch_template")
                }),
            )],
            ..of_type("autoscaling_group")
        }),
    },
    Section {
        name: "cdn",
        description: "Distributions of CloudFront. Unless `origins` is set, each delivers a dedicated bucket, which admits only it, or a \
                server. With `zone`, it gets a certificate and DNS records for its aliases.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<cdn::Cdn>),
            filled_in: &["origins", "default_behavior", "certificate"],
            ..of_type("cloudfront_distribution")
        }),
    },
    Section {
        name: "accelerators",
        description: "Static addresses in front of load balancers of several regions.",
        body: SectionBody::Entries(of_type("accelerator")),
    },
    Section { name: "storage", description: "Buckets.", body: SectionBody::Entries(of_type("s3_bucket")) },
    Section { name: "tables", description: "DynamoDB tables.", body: SectionBody::Entries(of_type("dynamodb_table")) },
    Section { name: "queues", description: "Message queues.", body: SectionBody::Entries(of_type("sqs_queue")) },
    Section {
        name: "topics",
        description: "Topics that deliver messages to subscribers.",
        body: SectionBody::Entries(of_type("sns_topic")),
    },
    Section {
        name: "secrets",
        description: "Secrets. Their values never appear in plans, records or logs.",
        body: SectionBody::Entries(of_type("secret")),
    },
    Section { name: "parameters", description: "Parameters of Systems Manager.", body: SectionBody::Entries(of_type("parameter")) },
    Section { name: "keys", description: "Encryption keys.", body: SectionBody::Entries(of_type("kms_key")) },
    Section { name: "roles", description: "IAM roles.", body: SectionBody::Entries(of_type("iam_role")) },
    Section {
        name: "pipelines",
        description: "Pipelines that build a repository: connection, CodeBuild project, roles, logs and a bucket for artifacts.",
        body: SectionBody::Entries(FieldSet {
            own_schema: Some(schema::<pipelines::Pipeline>),
            filled_in: &["role", "artifact_store", "stages"],
            nested: &[(
                "build",
                SectionBody::Fields(FieldSet {
                    filled_in: &["role", "source", "artifacts", "environment", "logs"],
                    ..of_type("codebuild_project")
                }),
            )],
            ..of_type("code_pipeline")
        }),
    },
    Section { name: "logs", description: "Log groups.", body: SectionBody::Entries(of_type("log_group")) },
    Section { name: "alarms", description: "Alarms about metrics.", body: SectionBody::Entries(of_type("metric_alarm")) },
    Section { name: "dashboards", description: "Dashboards of CloudWatch.", body: SectionBody::Entries(of_type("dashboard")) },
    Section { name: "budgets", description: "Budgets of the account.", body: SectionBody::Entries(of_type("budget")) },
    Section {
        name: "slo",
        description: "Service level objectives of application load balancers: alarms about the rate at which error budgets are used, a \
                topic, and a dashboard.",
        body: SectionBody::Entries(FieldSet { own_schema: Some(schema::<slo::Slo>), ..EMPTY }),
    },
    Section {
        name: "trail",
        description: "A record of the calls of the account, in a dedicated bucket unless `bucket` is set.",
        body: SectionBody::Fields(FieldSet {
            own_schema: Some(schema::<trail::TrailFields>),
            filled_in: &["bucket", "log_group", "log_role"],
            ..of_type("trail")
        }),
    },
    Section {
        name: "backup",
        description: "Backups that meet a recovery point objective: vaults, a plan, and a role for Backup.",
        body: SectionBody::Fields(FieldSet { own_schema: Some(schema::<backup::Backup>), ..EMPTY }),
    },
    Section {
        name: "platform",
        description: "Components of the cluster, each with its chart or add-on, namespace, permissions in AWS, and objects. acme installs them \
                after the nodes, in the order in which they need each other, and removes them in reverse. Charts are installed by the program \
                `helm`. The keys of `values` are checked unless `version` is set to another one. Where a component has a monitor for \
                Prometheus, `prometheus-crds` switches it on. Names of secrets, buckets, keys and zones are those of the stack.",
        body: SectionBody::Fields(FieldSet { own_schema: Some(platform::schema::schema), short_form: Some("array"), ..EMPTY }),
    },
    Section {
        name: "policies",
        description: "Rules of the cluster's namespaces: Pod Security standards, allowed traffic, quotas, and permissions of people. In a namespace \
                that it creates, pods must satisfy the standard `restricted`, and all traffic is denied except DNS, the credentials of Pod \
                Identity and what `network` allows; both namespaces of a connection must allow it. The cluster must enforce NetworkPolicies, \
                as the component `vpc-cni` and EKS Auto Mode do. Access policies of EKS, such as `AmazonEKSEditPolicy`, belong to the entries \
                in `access` of `cluster`.",
        body: SectionBody::Fields(FieldSet {
            own_schema: Some(schema::<policies::Policies>),
            nested: &[("namespaces", SectionBody::Entries(FieldSet { own_schema: Some(schema::<policies::NamespacePolicies>), ..EMPTY }))],
            ..EMPTY
        }),
    },
    Section {
        name: "edge",
        description: "How requests from outside reach the services that have a `path`: the host name, the router of the requests, the load \
                balancer with its firewall, and the sign-in of users. acme adds target groups, rules of listeners, the objects by which the AWS Load \
                Balancer Controller registers pods, and the routes in the cluster. See [the guide](../services.md#paths).",
        body: SectionBody::Fields(FieldSet { own_schema: Some(schema::<edge::EdgeFields>), ..EMPTY }),
    },
    Section {
        name: "services",
        description: "Services, workers and jobs in the cluster. Each gets a repository for its image, unless `registries` has one with its name, a \
                role with the permissions for what it uses, and a release of acme's chart `acme/service`: pods that meet the standard \
                `restricted`, probes, a disruption budget, and NetworkPolicies by which only the connections in `calls` and to what it uses are \
                open. With `istiod` in `platform`, it is in the mesh. `edge` sends it requests from outside. See [the guide](../services.md).",
        body: SectionBody::Entries(FieldSet { own_schema: Some(schema::<services::Service>), ..EMPTY }),
    },
    Section {
        name: "procedures",
        description: "Changes in several steps with gates between them: `acme cutover`, `acme failover`, `acme failback` and `acme drill`. They move \
                values of the definition. See [the guide](../procedures.md).",
        body: SectionBody::Fields(FieldSet { own_schema: Some(schema::<ProceduresForm>), ..EMPTY }),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_every_section() {
        let described: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        assert_eq!(described, super::super::SECTION_NAMES, "left: SECTIONS here, right: SECTION_NAMES of sections");
    }
}
