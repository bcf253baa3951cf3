//! Classic load balancers in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::{
        to_aws,
        types::classic_load_balancer::{ClassicListener, ClassicLoadBalancer, ListenerProtocol},
    },
    core::referenced_ids,
};

impl ToTerraform for ClassicLoadBalancer {
    const TERRAFORM_TYPE: &'static str = "aws_elb";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let listener = |listener: &ClassicListener| {
            let http = matches!(listener.protocol, ListenerProtocol::Http | ListenerProtocol::Https);
            let inside = listener.instance_protocol.unwrap_or(if http { ListenerProtocol::Http } else { ListenerProtocol::Tcp });
            json!({
                "lb_port": listener.port,
                "lb_protocol": to_aws(&listener.protocol),
                "instance_port": listener.instance_port,
                "instance_protocol": to_aws(&inside),
                "ssl_certificate_id": id_or_arn(listener.certificate.as_ref()),
            })
        };
        let check = &self.health_check;
        let logs = self.access_logs.as_ref().map(
            |logs| json!({ "bucket": logs.bucket.get(), "bucket_prefix": logs.prefix, "interval": logs.interval_minutes, "enabled": true }),
        );
        json!({
            "name": self.name,
            "internal": self.internal,
            "subnets": referenced_ids(&self.subnets),
            "security_groups": referenced_ids(&self.security_groups),
            "listener": self.listeners.iter().map(listener).collect::<Vec<_>>(),
            "health_check": [{
                "target": check.target,
                "interval": check.interval_seconds,
                "timeout": check.timeout_seconds,
                "healthy_threshold": check.healthy_threshold,
                "unhealthy_threshold": check.unhealthy_threshold,
            }],
            "instances": self.instances,
            "cross_zone_load_balancing": self.cross_zone,
            "connection_draining": self.connection_draining_seconds > 0,
            "connection_draining_timeout": Some(self.connection_draining_seconds).filter(|seconds| *seconds > 0),
            "idle_timeout": self.idle_timeout_seconds,
            "access_logs": logs.into_iter().collect::<Vec<_>>(),
            "desync_mitigation_mode": self.desync_mitigation,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let id = at.output_reference("id");
        let mut parts = Vec::new();
        for listener in &self.listeners {
            let key = format!("port-{}", listener.port);
            if let Some(policy) = &listener.tls_policy {
                let attribute = json!({ "name": "Reference-Security-Policy", "value": policy });
                let arguments = json!({
                    "load_balancer_name": id,
                    "policy_name": format!("acme-{policy}"),
                    "policy_type_name": "SSLNegotiationPolicyType",
                    "policy_attribute": [attribute],
                });
                parts.push(SubResource::keyed("aws_load_balancer_policy", &key, arguments));
            }
            if let Some(stickiness) = &listener.stickiness {
                let cookie = stickiness.cookie_name.as_ref();
                parts.push(match cookie {
                    Some(cookie) => {
                        let arguments = json!({ "load_balancer": id, "lb_port": listener.port, "name": key, "cookie_name": cookie });
                        SubResource::keyed("aws_app_cookie_stickiness_policy", &key, arguments)
                    }
                    None => {
                        let seconds = Some(stickiness.duration_seconds).filter(|seconds| *seconds > 0);
                        let arguments =
                            json!({ "load_balancer": id, "lb_port": listener.port, "name": key, "cookie_expiration_period": seconds });
                        SubResource::keyed("aws_lb_cookie_stickiness_policy", &key, arguments)
                    }
                });
            }
        }
        let proxied = self.listeners.iter().filter(|listener| listener.proxy_protocol);
        let ports: Vec<String> = proxied.map(|listener| listener.instance_port.to_string()).collect();
        if !ports.is_empty() {
            parts.push(SubResource::single("aws_proxy_protocol_policy", json!({ "load_balancer": id, "instance_ports": ports })));
        }
        parts
    }
}
