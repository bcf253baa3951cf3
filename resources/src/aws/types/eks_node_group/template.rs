//! The launch template of a node group, and the settings that EKS does not accept in it:
//! <https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html>.

use aws_sdk_eks::types::LaunchTemplateSpecification;

use super::EksNodeGroup;
use crate::{
    aws::types::launch_template::LaunchTemplate,
    core::{Declared, Pointer, Problem, Ref},
};

impl EksNodeGroup {
    pub(super) fn template(&self) -> Option<LaunchTemplateSpecification> {
        let id = self.launch_template.as_ref().map(Ref::get)?;
        Some(LaunchTemplateSpecification::builder().id(id).set_version(self.launch_template_version.clone()).build())
    }
}

/// Problems with a launch template of the stack.
pub(super) fn check(declared: &Declared<'_, EksNodeGroup>, group: &EksNodeGroup) -> Vec<Problem> {
    let Some((address, template)) = group.launch_template.as_ref().and_then(|template| declared.referenced(template)) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let mut add = |at: Pointer, message: String, help: &str| problems.push(Problem::new(at, message).help(help));
    let at = || EksNodeGroup::POINTERS.launch_template;
    for (name, _) in refused(&template).into_iter().filter(|(_, is_set)| *is_set) {
        let help = format!("remove `{name}` from the launch template");
        add(at(), format!("EKS refuses a launch template with `{name}`, which `{address}` has"), &help);
    }
    if template.instance_type.is_some() && group.instance_types.is_some() {
        let help = "set it in one of both places";
        add(EksNodeGroup::POINTERS.instance_types, format!("the node group and `{address}` both set an instance type"), help);
    }
    let has_image = template.image.is_some();
    if has_image && group.ami_type.as_deref().is_some_and(|image| image != "CUSTOM") {
        let help = "remove `ami_type`, or the image of the launch template";
        add(EksNodeGroup::POINTERS.ami_type, format!("`{address}` sets the machine image"), help);
    }
    if has_image && (group.version.is_some() || group.release_version.is_some()) {
        let help = "remove `version` and `release_version`";
        add(EksNodeGroup::POINTERS.version, format!("the version follows from the machine image of `{address}`"), help);
    }
    let has_other_format = group.ami_type.as_deref().is_some_and(|image| image.starts_with("BOTTLEROCKET") || image.starts_with("WINDOWS"));
    let user_data = template.user_data.as_deref().filter(|text| !has_image && !has_other_format && !text.contains("${"));
    if user_data.is_some_and(|text| !text.contains("multipart/mixed")) {
        let help = "write it as a MIME archive, `Content-Type: multipart/mixed; boundary=…`, or set the image";
        add(at(), format!("EKS adds to the user data of `{address}`, which is no MIME archive of several parts"), help);
    }
    problems
}

/// Fields that EKS does not accept, and whether they are set.
fn refused(template: &LaunchTemplate) -> [(&'static str, bool); 5] {
    [
        ("instance_profile", template.instance_profile.is_some()),
        ("spot", template.spot.is_some()),
        ("hibernation", template.hibernation == Some(true)),
        ("shutdown_behavior", template.shutdown_behavior.is_some()),
        ("subnet", template.network_interfaces.iter().any(|interface| interface.subnet.is_some())),
    ]
}
