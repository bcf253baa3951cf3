//! `launch_template`: settings with which instances start. A change is a new version, which becomes the default.

mod data;
mod interface;
mod options;
mod preflight;
mod requirements;
mod storage;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{self as ec2, Filter, ResourceType};
use serde_json::Value;

pub use interface::NetworkInterface;
pub use options::{CapacityReservation, Cpu, Metadata, Placement, PrivateDns, Spot};
pub use requirements::{DecimalRange, InstanceRequirements, Range, RangeFrom};
pub use storage::Disk;

use super::{instance_profile::InstanceProfile, prelude::*, security_group::SecurityGroup};
use crate::core::ErrorKind;

/// Settings with which instances start. AWS keeps every version of them; a change creates a version and makes it the default. Running instances
/// don't change. A resource that names `{{ launch_template.<name>.version }}` changes with it.
#[spec]
pub struct LaunchTemplate {
    /// Name, unique in the region.
    #[field(name(max = 128), length = 3..=128, pattern = r"[a-zA-Z0-9().\-/_]+", replaces, unique = "name")]
    pub name: Option<String>,
    /// Description of the version; empty for none.
    #[field(default, length = 0..=255)]
    pub version_description: String,
    /// Machine image: its id, or `resolve:ssm:` and the name of a parameter with the id.
    #[field(unset = "chosen at launch", pattern = "ami-[0-9a-f]+|resolve:ssm:[^ ]+", important, dropped = None)]
    pub image: Option<String>,
    /// Instance type, such as `m7g.large`.
    #[field(unset = "chosen at launch", conflicts_with = instance_requirements, important, dropped = None)]
    pub instance_type: Option<String>,
    /// Properties of the instance types among which AWS chooses.
    #[field(unset = "chosen at launch", important, dropped = None)]
    pub instance_requirements: Option<InstanceRequirements>,
    /// Name of the EC2 key pair for SSH.
    #[field(unset = "none", dropped = None)]
    pub key_name: Option<String>,
    /// Script or configuration for the first boot, at most 16 KiB. Programs on the instance can read it, and plans show it: no place for secrets.
    #[field(unset = "none", dropped = None)]
    pub user_data: Option<String>,
    /// Instance profile with the role of the instances.
    #[field(important, unset = "none", dropped = None)]
    pub instance_profile: Option<ArnRef<InstanceProfile>>,
    /// Security groups of the first network interface. Without any, those of `network_interfaces` apply, or the VPC's default group.
    #[field(important, default)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Network interfaces, in place of the one that every instance has.
    #[field(important, default)]
    pub network_interfaces: Vec<NetworkInterface>,
    /// Disks by device name, such as `/dev/xvda`, in addition to those of the image or in their place.
    #[field(default, important)]
    pub disks: BTreeMap<String, Disk>,
    /// Dedicated bandwidth for EBS, on instance types where it is an option.
    #[field(unset = "the instance type's default", dropped = None)]
    pub ebs_optimized: Option<bool>,
    /// Access to the instance metadata service.
    #[field(important, unset = "the image's and the account's defaults", dropped = None)]
    pub metadata: Option<Metadata>,
    /// Metrics every minute instead of every five, at a charge.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub monitoring: Option<bool>,
    /// Hosts and zone of the instances.
    #[field(unset = "chosen at launch", dropped = None)]
    pub placement: Option<Placement>,
    /// Spot instances: cheaper, but AWS reclaims them at two minutes' notice.
    #[field(unset = "on-demand instances", dropped = None)]
    pub spot: Option<Spot>,
    /// Cores and threads.
    #[field(unset = "the instance type's default", dropped = None)]
    pub cpu: Option<Cpu>,
    /// CPU credits of burstable instance types: `standard` or `unlimited`, with which surplus credits are charged.
    #[field(unset = "the instance type's default", one_of = ["standard", "unlimited"], dropped = None)]
    pub cpu_credits: Option<String>,
    /// Use of capacity reservations.
    #[field(unset = "open reservations", dropped = None)]
    pub capacity_reservation: Option<CapacityReservation>,
    /// Tags of what an instance starts with, by its type: `instance`, `volume`, `network-interface` or `spot-instances-request`.
    #[field(default)]
    pub resource_tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Refuses to terminate the instance through the API.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub termination_protection: Option<bool>,
    /// Refuses to stop the instance through the API.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub stop_protection: Option<bool>,
    /// What a shutdown from within does: `stop` or `terminate`.
    #[field(unset = "AWS's default, `stop`", one_of = ["stop", "terminate"], dropped = None)]
    pub shutdown_behavior: Option<String>,
    /// Allows hibernation.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub hibernation: Option<bool>,
    /// Enables AWS Nitro Enclaves.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub enclave: Option<bool>,
    /// Moves the instance off failing hardware: `default` or `disabled`.
    #[field(unset = "AWS's default, `default`", one_of = ["default", "disabled"], dropped = None)]
    pub auto_recovery: Option<String>,
    /// Host names.
    #[field(unset = "the subnet's settings", dropped = None)]
    pub private_dns: Option<PrivateDns>,
    /// Division of bandwidth between network (`vpc-1`) and EBS (`ebs-1`), on some instance types.
    #[field(unset = "AWS's default, `default`", one_of = ["default", "vpc-1", "ebs-1"], dropped = None)]
    pub bandwidth_weighting: Option<String>,
    /// ARNs of configurations of AWS License Manager.
    #[field(default)]
    pub license_configurations: BTreeSet<String>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Number of the default version, which has these settings.
    #[schemars(extend("x-acme-simulated" = "1", "x-acme-updated" = true))]
    pub version: String,
}

/// Most bytes of user data: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>.
const MAX_USER_DATA: usize = 16_384;

impl Resource for LaunchTemplate {
    /// AWS deletes it while others use it, which then start no instances.
    const TYPE: TypeInfo =
        TypeInfo::new("launch_template", &services::ec2::SERVICE, "lt-{hex17}", "arn:aws:ec2:{region}:{account}:launch-template/{id}")
            .without_charge("the instances that it starts cost")
            .spans_networks()
            .quota(5000, "LaunchTemplateLimitExceeded")
            .not_found("InvalidLaunchTemplateId.NotFound")
            .already_exists("InvalidLaunchTemplateName.AlreadyExistsException")
            .iam_actions(
                IamActions::new("ec2:launch-template/*")
                    .list(&["ec2:DescribeLaunchTemplateVersions", "ec2:DescribeLaunchTemplates"])
                    .create(&["ec2:CreateLaunchTemplate"])
                    .change(&["ec2:CreateLaunchTemplateVersion", "ec2:DeleteLaunchTemplate", "ec2:ModifyLaunchTemplate"])
                    .questions(&["ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeKeyPairs"]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    /// EC2 has no filter for its ids, and shows the settings of a template by its id alone.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.ec2.describe_launch_templates();
        let call = match &scope.adopt {
            Some(id) if id.starts_with("lt-") => call.launch_template_ids(id),
            Some(name) => call.launch_template_names(name),
            None if scope.any_owner => {
                let names = scope.lookup.iter().cloned().collect();
                call.filters(Filter::builder().name("launch-template-name").set_values(Some(names)).build())
            }
            None => call.set_filters(Some(scope.ec2_filters())),
        };
        let templates = ok_or_not_found(call.into_paginator().items().send().try_collect().await)?.unwrap_or_default();
        let owned = templates.into_iter().filter(|template| scope.owns(&services::ec2::from_tags(template.tags())));
        for_each_concurrent(owned, |template| read(aws, template)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_launch_template().client_token(&cx.call.token).set_launch_template_name(self.name.clone());
        let call = call.set_version_description(self.description()).launch_template_data(self.to_data());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::LaunchTemplate)).send().await?;
        let id = reply.launch_template.and_then(|template| template.launch_template_id);
        Ok(id.ok_or_else(|| Error::missing_field("LaunchTemplateId"))?.into())
    }

    /// A version has all settings, those that don't change included.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: LaunchTemplateChanges) -> Result<()> {
        let wanted = merged(self, &live.spec, &changes)?;
        let call = cx.ec2.describe_launch_template_versions().launch_template_id(&live.id).versions("$Latest").versions("$Default");
        let versions = call.send().await?.launch_template_versions.unwrap_or_default();
        let default = versions.iter().find(|version| version.default_version == Some(true));
        let unknown = default.and_then(|version| version.launch_template_data.as_ref()).map(data::unmanaged).unwrap_or_default();
        if !unknown.is_empty() {
            let message = format!("a new version would lose settings that acme does not manage: {}", unknown.join(", "));
            return Err(Error::new(ErrorKind::Rejected, "UnmanagedSettings", message));
        }
        let latest = versions.iter().max_by_key(|version| version.version_number);
        // The version of an earlier attempt that failed before it became the default.
        let made =
            latest.filter(|version| version.default_version != Some(true) && settings(version).is_some_and(|it| is_same(&it, &wanted)));
        let number = match made {
            Some(version) => version.version_number,
            None => {
                let call = cx.ec2.create_launch_template_version().launch_template_id(&live.id);
                let call = call.set_version_description(wanted.description()).launch_template_data(wanted.to_data());
                call.send().await?.launch_template_version.and_then(|version| version.version_number)
            }
        };
        let number = number.ok_or_else(|| Error::missing_field("VersionNumber"))?;
        cx.ec2.modify_launch_template().launch_template_id(&live.id).default_version(number.to_string()).send().await?;
        Ok(())
    }

    /// AWS deletes all versions.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.ec2.delete_launch_template().launch_template_id(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.user_data.as_ref().is_some_and(|text| text.len() > MAX_USER_DATA) {
            problems.push(Problem::new(Self::POINTERS.user_data, "user data has at most 16384 bytes").help("load the rest from a bucket"));
        }
        if !self.security_groups.is_empty() && self.network_interfaces.iter().any(|interface| !interface.security_groups.is_empty()) {
            let problem =
                Problem::new(Self::POINTERS.security_groups, "security groups are set for the instance and for its network interfaces");
            problems.push(problem.help("set them in one of both places"));
        }
        for kind in self.resource_tags.keys().filter(|kind| !data::TAGGED.contains(&kind.as_str())) {
            let problem =
                Problem::new(Self::POINTERS.resource_tags.item(kind), format!("`{kind}` is not a type that starts with an instance"));
            problems.push(problem.help(format!("write one of {}", data::TAGGED.join(", "))));
        }
        problems.extend(storage::check(&Self::POINTERS.disks, &self.disks));
        problems.extend(interface::check(&Self::POINTERS.network_interfaces, &self.network_interfaces));
        problems.extend(self.instance_requirements.iter().flat_map(InstanceRequirements::check));
        problems
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: LaunchTemplateChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }
}

impl LaunchTemplate {
    fn description(&self) -> Option<String> {
        Some(self.version_description.clone()).filter(|text| !text.is_empty())
    }
}

/// The default version of a template; `None` if it was deleted in the meantime.
async fn read(aws: &Aws, template: ec2::LaunchTemplate) -> Result<Option<Observed<LaunchTemplate>>> {
    let id = template.launch_template_id.ok_or_else(|| Error::missing_field("LaunchTemplateId"))?;
    let call = aws.ec2.describe_launch_template_versions().launch_template_id(&id).versions("$Default");
    let Some(reply) = ok_or_not_found(call.send().await)? else { return Ok(None) };
    let version =
        reply.launch_template_versions.into_iter().flatten().next().ok_or_else(|| Error::missing_field("LaunchTemplateVersion"))?;
    let number = version.version_number.ok_or_else(|| Error::missing_field("VersionNumber"))?;
    let spec = settings(&version).ok_or_else(|| Error::missing_field("LaunchTemplateData"))?;
    let spec = LaunchTemplate { name: template.launch_template_name, ..spec };
    let tags = services::ec2::from_tags(template.tags.as_deref().unwrap_or_default());
    Ok(Some(Observed::new(id, tags, spec, Outputs { version: number.to_string() })))
}

/// Settings of a version, without the name of the template.
fn settings(version: &ec2::LaunchTemplateVersion) -> Option<LaunchTemplate> {
    let data = version.launch_template_data.clone()?;
    let version_description = version.version_description.clone().unwrap_or_default();
    Some(LaunchTemplate { version_description, ..LaunchTemplate::from_data(data) })
}

/// The live settings with the changes.
fn merged(wanted: &LaunchTemplate, live: &LaunchTemplate, changes: &LaunchTemplateChanges) -> Result<LaunchTemplate> {
    let shape = |error: serde_json::Error| Error::new(ErrorKind::Rejected, "Shape", error.to_string());
    let (new, mut all) = (serde_json::to_value(wanted).map_err(shape)?, serde_json::to_value(live).map_err(shape)?);
    for pointer in LaunchTemplate::pointers(changes) {
        if let (Some(place), Some(value)) = (all.pointer_mut(pointer), new.pointer(pointer)) {
            *place = value.clone();
        }
    }
    serde_json::from_value(all).map_err(shape)
}

fn is_same(one: &LaunchTemplate, other: &LaunchTemplate) -> bool {
    let settings =
        |template: &LaunchTemplate| serde_json::to_value(LaunchTemplate { name: None, ..template.clone() }).unwrap_or(Value::Null);
    settings(one) == settings(other)
}
