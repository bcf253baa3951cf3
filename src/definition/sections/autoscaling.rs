//! `autoscaling`: Auto Scaling groups in the network's private subnets, each with its launch template and, unless these are set, a security
//! group and an instance profile with which Systems Manager reaches the instances.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DedicatedGroup, Expansion, SectionEntry, field_names, is_set, set_default};

/// Fields of an Auto Scaling group in addition to those of `autoscaling_group`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscaling {
    /// Launch template with the name of the group, with the fields of `launch_template`. Instances need tokens of IMDSv2 unless `metadata` is set.
    #[serde(default)]
    pub template: Value,
    /// Port at which the dedicated security group admits the network. Default: none.
    #[serde(default)]
    pub port: Option<u16>,
    /// Managed policies of the dedicated role of the instances. Default: `AmazonSSMManagedInstanceCore`, for sessions of Systems Manager
    /// instead of SSH.
    #[serde(default = "default_policies")]
    pub policies: BTreeSet<String>,
}

impl Default for Autoscaling {
    fn default() -> Autoscaling {
        Autoscaling { template: Value::Null, port: None, policies: default_policies() }
    }
}

fn default_policies() -> BTreeSet<String> {
    ["AmazonSSMManagedInstanceCore".to_owned()].into()
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let own: Autoscaling = out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default();
        out.set_default_subnets(&mut entry.fields, "private", &entry.pointer, "an Auto Scaling group");
        if !entry.is_set("launch_template") {
            add_template(out, &entry, own);
            let version = format!("${{launch_template.{}.version}}", entry.name);
            set_default(&mut entry.fields, "launch_template", entry.name.as_str());
            set_default(&mut entry.fields, "launch_template_version", version);
        } else if !own.template.is_null() {
            let message = "`template` describes a dedicated launch template, but this group has another one";
            out.compiler.problem_at_key("autoscaling", &format!("{}/template", entry.pointer), message, "remove one of the two");
        }
        if let Some(draft) = out.add_resource("autoscaling_group", entry.name, entry.fields, &entry.pointer) {
            draft.extra_fields = field_names::<Autoscaling>();
        }
    }
}

fn add_template(out: &mut Expansion<'_, '_>, entry: &SectionEntry, own: Autoscaling) {
    let at = format!("{}/template", entry.pointer);
    let Some(mut template) = out.parse_fields(own.template, &at) else { return };
    set_default(&mut template, "metadata", json!({ "http_tokens": "required" }));
    if !is_set(&template, "instance_profile") {
        let name = format!("instances-{}", entry.name);
        let role = json!({
            "description": format!("What the instances of {} may do", entry.name),
            "trust": { "services": ["ec2.amazonaws.com"] }, "policies": own.policies,
        });
        if let Some(draft) = out.add_generated("iam_role", &name, role, &entry.pointer) {
            draft.pointer_overrides.push(("/policies".into(), format!("{}/policies", entry.pointer)));
        }
        out.add_generated("instance_profile", &name, json!({ "role": name }), &entry.pointer);
        template.insert("instance_profile".into(), name.into());
    }
    if !is_set(&template, "security_groups") && !is_set(&template, "network_interfaces") {
        let group = DedicatedGroup {
            name: format!("instances-{}", entry.name),
            description: format!("Access to the instances of {}", entry.name),
            port: own.port.map(Value::from),
            connects: true,
        };
        if let Some(groups) = out.add_security_group(entry, group) {
            template.insert("security_groups".into(), groups);
        }
    }
    out.add_resource("launch_template", entry.name.as_str(), template, &at);
}
