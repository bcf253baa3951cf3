//! What may be written in each section, as data: for the JSON Schema and the reference. A test compiles all that this allows.

use schemars::{JsonSchema, Schema, schema_for};

use super::{cluster, databases, dns, firewall, load_balancers, network};

/// A section as it is described.
pub struct Section {
    /// Its name in the definition.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What stands in it.
    pub part: Part,
}

/// What stands in a section, or in a field of one.
pub enum Part {
    /// The fields of one form.
    One(Form),
    /// Named entries of one form each.
    Entries(Form),
}

/// What may be written in one place.
#[derive(Default)]
pub struct Form {
    /// The type whose fields stand here.
    pub kind: Option<&'static str>,
    /// Fields that the section has besides.
    pub own: Option<fn() -> Schema>,
    /// Fields of the type that the section fills in when they are absent; `subnets` may then be `private` or `public`, too.
    pub filled: &'static [&'static str],
    /// Short forms: a field, and the type that stands for it or, where the field is a list, for its items.
    pub short: &'static [(&'static str, &'static str)],
    /// The type of a short form of the whole.
    pub short_self: Option<&'static str>,
    /// Own fields that hold resources themselves.
    pub parts: &'static [(&'static str, Part)],
}

const NONE: Form = Form { kind: None, own: None, filled: &[], short: &[], short_self: None, parts: &[] };

const fn of(kind: &'static str) -> Form {
    Form { kind: Some(kind), ..NONE }
}

fn schema<T: JsonSchema>() -> Schema {
    schema_for!(T)
}

const ZONE: Form = Form { short_self: Some("string"), ..of("dns_zone") };

/// Every section, in the order of [`super::NAMES`].
pub static SECTIONS: &[Section] = &[
    Section {
        name: "network",
        about: "A VPC with a public and a private subnet in every zone, the ways out, and security groups.",
        part: Part::One(Form {
            own: Some(schema::<network::Network>),
            parts: &[
                (
                    "flow_logs",
                    Part::One(Form {
                        own: Some(schema::<network::FlowLogs>),
                        filled: &["vpc", "bucket"],
                        short_self: Some("boolean"),
                        ..of("flow_log")
                    }),
                ),
                ("security_groups", Part::Entries(Form { filled: &["vpc"], ..of("security_group") })),
            ],
            ..NONE
        }),
    },
    Section {
        name: "cluster",
        about: "An EKS cluster with its roles, node groups and add-ons.",
        part: Part::One(Form {
            own: Some(schema::<cluster::Cluster>),
            filled: &["role", "subnets"],
            parts: &[
                ("addons", Part::Entries(Form { filled: &["cluster", "addon"], ..of("eks_addon") })),
                ("node_groups", Part::Entries(Form { filled: &["cluster", "role", "subnets"], ..of("eks_node_group") })),
                ("access", Part::Entries(Form { filled: &["cluster"], ..of("eks_access_entry") })),
                ("pod_identities", Part::Entries(Form { filled: &["cluster"], ..of("eks_pod_identity") })),
                ("fargate", Part::Entries(Form { filled: &["cluster", "pod_execution_role", "subnets"], ..of("eks_fargate_profile") })),
            ],
            ..of("eks_cluster")
        }),
    },
    Section {
        name: "databases",
        about: "RDS instances in the network's private subnets, reachable from the network unless `security_groups` say otherwise.",
        part: Part::Entries(Form {
            own: Some(schema::<databases::Database>),
            filled: &["subnet_group", "parameter_group", "security_groups", "subnets"],
            ..of("rds_instance")
        }),
    },
    Section { name: "registries", about: "Repositories for container images.", part: Part::Entries(of("ecr_repository")) },
    Section {
        name: "dns",
        about: "Hosted zones and their records.",
        part: Part::One(Form {
            own: Some(schema::<dns::Dns>),
            parts: &[
                ("zone", Part::One(ZONE)),
                ("zones", Part::Entries(ZONE)),
                ("records", Part::Entries(Form { filled: &["zone", "domain"], short: &[("alias", "string")], ..of("dns_record") })),
            ],
            ..NONE
        }),
    },
    Section {
        name: "firewall",
        about: "Web firewalls in front of load balancers.",
        part: Part::Entries(Form {
            own: Some(schema::<firewall::Firewall>),
            short: &[("managed_rules", "string"), ("rate_limit", "integer")],
            ..of("waf_web_acl")
        }),
    },
    Section {
        name: "load_balancers",
        about: "Load balancers with their target groups and listeners. Unless `security_groups` say otherwise, an application load \
                balancer is open on the ports of its listeners: to everyone, or to the network when it is internal.",
        part: Part::Entries(Form {
            own: Some(schema::<load_balancers::Balancer>),
            filled: &["subnets", "security_groups"],
            parts: &[
                ("target_groups", Part::Entries(Form { filled: &["vpc", "protocol"], ..of("target_group") })),
                (
                    "listeners",
                    Part::Entries(Form {
                        own: Some(schema::<load_balancers::Listener>),
                        filled: &["load_balancer", "default_action"],
                        ..of("listener")
                    }),
                ),
            ],
            ..of("load_balancer")
        }),
    },
    Section { name: "storage", about: "Buckets.", part: Part::Entries(of("s3_bucket")) },
    Section { name: "secrets", about: "Secrets, whose values no plan, record or log ever holds.", part: Part::Entries(of("secret")) },
    Section { name: "keys", about: "Encryption keys.", part: Part::Entries(of("kms_key")) },
    Section { name: "roles", about: "IAM roles.", part: Part::Entries(of("iam_role")) },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_described() {
        let described: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        assert_eq!(described, super::super::NAMES, "left: SECTIONS in src/sections/form.rs, right: sections::NAMES");
    }
}
