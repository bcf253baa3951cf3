//! Inventory and playbooks of Ansible for the hosts of Auto Scaling groups, which Session Manager reaches.

use serde_json::json;

use super::{
    Live, Rendered,
    templates::{Template, fill, templates},
};
use crate::definition::Stack;

/// Folder in the template of the files of one environment.
const ENVIRONMENT: &str = "ansible/inventory/environment/";

const FILES: &[Template] = templates![
    "ansible": "ansible/README.md", "ansible/ansible.cfg", "ansible/inventory/environment/aws_ec2.yml",
    "ansible/inventory/environment/group_vars/all.yml", "ansible/playbooks/check.yml", "ansible/playbooks/outputs.yml",
    "ansible/playbooks/patch.yml", "ansible/requirements.yml",
];

/// Adds the files, if the stack has Auto Scaling groups.
pub fn render(stack: &Stack, region: &str, live: &Live, rendered: &mut Rendered) {
    let groups = stack.resources.values().filter(|declared| declared.resource_type.name == "autoscaling_group");
    let names: Vec<String> = groups
        .map(|declared| {
            let address = &declared.address;
            let name = rendered.resolve(&json!(format!("${{{}.{}.name}}", address.type_name, address.name)), live);
            name.as_str().unwrap_or_default().to_owned()
        })
        .collect();
    if names.is_empty() {
        return;
    }
    let (stack_name, environment, names) = (stack.name.to_string(), stack.environment.to_string(), names.join(", "));
    let values = [
        ("acme-environment", environment.as_str()),
        ("acme-groups", names.as_str()),
        ("acme-region", region),
        ("acme-stack", stack_name.as_str()),
    ];
    let inventory = format!("ansible/inventory/{environment}");
    for (path, text) in FILES {
        let path = path.strip_prefix(ENVIRONMENT).map_or_else(|| (*path).to_owned(), |rest| format!("{inventory}/{rest}"));
        rendered.files.insert(path, fill(text, &values));
    }
    rendered.folders.extend([inventory, "ansible/playbooks".to_owned()]);
}
