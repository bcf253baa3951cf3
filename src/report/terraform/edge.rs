//! Accelerators and protections in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform};
use crate::aws::{
    to_aws,
    types::{
        accelerator::{Accelerator, AcceleratorListener, EndpointGroup, ProbeProtocol},
        shield_protection::{ResponseAction, ShieldProtection},
    },
};

impl ToTerraform for Accelerator {
    const TERRAFORM_TYPE: &'static str = "aws_globalaccelerator_accelerator";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let log = |bucket: &str, prefix: &str| json!([{ "flow_logs_enabled": true, "flow_logs_s3_bucket": bucket, "flow_logs_s3_prefix": prefix }]);
        json!({
            "name": self.name,
            "enabled": self.enabled,
            "ip_address_type": to_aws(&self.ip),
            "ip_addresses": (!self.own_addresses.is_empty()).then_some(&self.own_addresses),
            "attributes": self.flow_log.as_ref().map(|one| log(one.bucket_name(), &one.prefix)),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        self.listeners.iter().flat_map(|listener| sub_resources(listener, at)).collect()
    }
}

fn sub_resources(listener: &AcceleratorListener, at: &ResourceContext<'_>) -> Vec<SubResource> {
    let range = |range: &String| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        json!({ "from_port": from.parse::<u16>().ok(), "to_port": to.parse::<u16>().ok() })
    };
    let ports: Vec<&str> = listener.ports.iter().map(String::as_str).collect();
    let key = format!("{}-{}", to_aws(&listener.protocol), ports.join("-"));
    let own = json!({
        "accelerator_arn": at.output_reference("arn"),
        "protocol": to_aws(&listener.protocol),
        "client_affinity": to_aws(&listener.client_affinity),
        "port_range": listener.ports.iter().map(range).collect::<Vec<_>>(),
    });
    let groups = listener.groups.iter().map(|(region, group)| {
        SubResource::keyed("aws_globalaccelerator_endpoint_group", format!("{key}-{region}"), endpoint_group(region, group, at))
    });
    [SubResource::keyed("aws_globalaccelerator_listener", key.clone(), own)].into_iter().chain(groups).collect()
}

fn endpoint_group(region: &str, group: &EndpointGroup, at: &ResourceContext<'_>) -> Value {
    let endpoints = group.endpoints.iter().map(|endpoint| {
        json!({
            "endpoint_id": endpoint.id,
            "weight": endpoint.weight,
            "client_ip_preservation_enabled": endpoint.preserve_client_ip,
            "attachment_arn": Some(&endpoint.attachment).filter(|arn| !arn.is_empty()),
        })
    });
    let ports = group.port_overrides.iter();
    let ports = ports.map(|(listener, endpoint)| json!({ "listener_port": listener.parse::<u16>().ok(), "endpoint_port": endpoint }));
    let check = &group.health_check;
    json!({
        // The ARN of a listener begins with that of its accelerator, which is all that is known of it.
        "listener_arn": at.output_reference("arn"),
        "endpoint_group_region": region,
        "endpoint_configuration": endpoints.collect::<Vec<_>>(),
        "traffic_dial_percentage": group.traffic_dial_percent,
        "health_check_protocol": to_aws(&check.protocol),
        "health_check_port": Some(check.port).filter(|port| *port > 0),
        "health_check_path": Some(&check.path).filter(|_| check.protocol != ProbeProtocol::Tcp),
        "health_check_interval_seconds": check.interval_seconds,
        "threshold_count": check.threshold,
        "port_override": ports.collect::<Vec<_>>(),
    })
}

impl ToTerraform for ShieldProtection {
    const TERRAFORM_TYPE: &'static str = "aws_shield_protection";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "name": self.name, "resource_arn": self.resource })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let check = |arn: &str| {
            let arguments = json!({ "shield_protection_id": at.output_reference("id"), "health_check_arn": arn });
            SubResource::keyed("aws_shield_protection_health_check_association", arn, arguments)
        };
        let response = self.automatic_response.map(|action| {
            let action = match action {
                ResponseAction::Block => "BLOCK",
                ResponseAction::Count => "COUNT",
            };
            let arguments = json!({ "resource_arn": self.resource, "action": action });
            SubResource::single("aws_shield_application_layer_automatic_response", arguments)
        });
        self.health_checks.iter().map(|one| check(one.get())).chain(response).collect()
    }
}
