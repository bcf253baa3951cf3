//! Names, certificates and load balancers in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::types::{
        certificate::{Certificate, Validation},
        dns_record::DnsRecord,
        dns_zone::DnsZone,
        health_check::{HealthCheck, HealthCheckKind, MissingData},
        listener::{Listener, ListenerAction, ListenerRule, MutualMode, RequestHeaders},
        load_balancer::LoadBalancer,
        target_group::{Target, TargetGroup, TargetGroupHealth},
    },
    core::{Ref, referenced_ids},
};

impl ToTerraform for DnsZone {
    const TERRAFORM_TYPE: &'static str = "aws_route53_zone";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        let vpcs = self.vpcs.iter();
        json!({
            "name": self.domain,
            "comment": self.comment,
            "vpc": vpcs.map(|vpc| json!({ "vpc_id": vpc.get(), "vpc_region": at.region })).collect::<Vec<_>>(),
            "delegation_set_id": self.delegation_set,
        })
    }
}

impl ToTerraform for DnsRecord {
    const TERRAFORM_TYPE: &'static str = "aws_route53_record";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let plain = self.alias.is_none();
        json!({
            "zone_id": self.zone.get(),
            "name": self.domain,
            "type": self.kind,
            "ttl": plain.then_some(self.ttl_seconds),
            "records": plain.then_some(&self.values),
            "alias": self.alias.iter()
                .map(|to| json!({ "name": to.target, "zone_id": to.zone_id, "evaluate_target_health": to.evaluate_health }))
                .collect::<Vec<_>>(),
            "set_identifier": some(&self.set_identifier),
            "weighted_routing_policy": self.weight.iter().map(|weight| json!({ "weight": weight })).collect::<Vec<_>>(),
            "failover_routing_policy": self.failover.iter().map(|role| json!({ "type": role })).collect::<Vec<_>>(),
            "latency_routing_policy": self.region.iter().map(|region| json!({ "region": region })).collect::<Vec<_>>(),
            "multivalue_answer_routing_policy": self.multivalue.then_some(true),
            "geolocation_routing_policy": self.geolocation.iter()
                .map(|at| json!({ "continent": some(&at.continent), "country": some(&at.country), "subdivision": some(&at.subdivision) }))
                .collect::<Vec<_>>(),
            "health_check_id": self.health_check.as_ref().map(Ref::get),
        })
    }
}

impl ToTerraform for HealthCheck {
    const TERRAFORM_TYPE: &'static str = "aws_route53_health_check";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let matching = if self.search.is_some() { "_STR_MATCH" } else { "" };
        let kind = match self.kind {
            HealthCheckKind::Http => format!("HTTP{matching}"),
            HealthCheckKind::Https => format!("HTTPS{matching}"),
            HealthCheckKind::Tcp => "TCP".to_owned(),
            HealthCheckKind::Calculated => "CALCULATED".to_owned(),
            HealthCheckKind::Alarm => "CLOUDWATCH_METRIC".to_owned(),
        };
        let endpoint = matches!(self.kind, HealthCheckKind::Http | HealthCheckKind::Https | HealthCheckKind::Tcp);
        let children = self.children.iter().map(Ref::get).collect::<Vec<_>>();
        json!({
            "type": kind,
            "fqdn": self.domain,
            "ip_address": self.ip_address,
            "port": self.port,
            "resource_path": Some(&self.path).filter(|path| !path.is_empty()),
            "search_string": self.search,
            "request_interval": endpoint.then_some(self.interval_seconds),
            "failure_threshold": endpoint.then_some(self.failure_threshold),
            "measure_latency": endpoint.then_some(self.measure_latency),
            "regions": endpoint.then_some(&self.regions),
            "enable_sni": (self.kind == HealthCheckKind::Https).then_some(self.sni),
            "invert_healthcheck": self.inverted,
            "disabled": self.disabled,
            "child_healthchecks": (!children.is_empty()).then_some(children),
            "child_health_threshold": (self.kind == HealthCheckKind::Calculated).then_some(self.healthy_children),
            "cloudwatch_alarm_name": self.alarm.as_ref().map(|alarm| &alarm.name),
            "cloudwatch_alarm_region": self.alarm.as_ref().map(|alarm| &alarm.region),
            "insufficient_data_health_status": self.alarm.as_ref().map(|alarm| match alarm.on_missing_data {
                MissingData::Healthy => "Healthy",
                MissingData::Unhealthy => "Unhealthy",
                MissingData::LastKnown => "LastKnownStatus",
            }),
        })
    }
}

impl ToTerraform for Certificate {
    const TERRAFORM_TYPE: &'static str = "aws_acm_certificate";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "domain_name": self.domain,
            "subject_alternative_names": self.alternative_names,
            "validation_method": self.import.is_none().then(|| if self.validation == Some(Validation::Email) { "EMAIL" } else { "DNS" }),
            "validation_option": self.email_domains.iter()
                .map(|(name, domain)| json!({ "domain_name": name, "validation_domain": domain }))
                .collect::<Vec<_>>(),
            "key_algorithm": self.key_algorithm,
            "options": [{ "export": if self.exportable { "ENABLED" } else { "DISABLED" } }],
        })
    }
}

impl ToTerraform for LoadBalancer {
    const TERRAFORM_TYPE: &'static str = "aws_lb";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "load_balancer_type": self.kind,
            "internal": self.internal,
            "subnets": self.subnet_mappings.is_none().then(|| referenced_ids(&self.subnets)),
            "subnet_mapping": self.subnet_mappings.iter().flatten()
                .map(|mapping| json!({
                    "subnet_id": mapping.subnet.get(),
                    "allocation_id": id_or_arn(mapping.elastic_ip.as_ref()),
                    "private_ipv4_address": mapping.private_ip,
                    "ipv6_address": mapping.ipv6_address,
                }))
                .collect::<Vec<_>>(),
            "security_groups": referenced_ids(&self.security_groups),
            "ip_address_type": self.ip_address_type,
            "enable_deletion_protection": self.deletion_protection,
            "idle_timeout": self.idle_timeout_seconds,
            "client_keep_alive": self.client_keep_alive_seconds,
            "enable_http2": self.http2,
            "enable_cross_zone_load_balancing": self.cross_zone,
            "drop_invalid_header_fields": self.drop_invalid_headers,
            "preserve_host_header": self.preserve_host_header,
            "desync_mitigation_mode": self.desync_mitigation_mode,
            "xff_header_processing_mode": self.xff_header_processing,
            "enable_xff_client_port": self.xff_client_port,
            "enable_tls_version_and_cipher_suite_headers": self.tls_headers,
            "enable_waf_fail_open": self.waf_fail_open,
            "dns_record_client_routing_policy": self.client_routing_policy,
            "enforce_security_group_inbound_rules_on_private_link_traffic":
                self.enforce_security_groups_on_private_link.map(|on| if on { "on" } else { "off" }),
            "enable_zonal_shift": self.zonal_shift,
            "access_logs": self.access_logs.iter().collect::<Vec<_>>(),
            "connection_logs": self.connection_logs.iter().collect::<Vec<_>>(),
            "health_check_logs": self.health_check_logs.iter().collect::<Vec<_>>(),
            "secondary_ips_auto_assigned_per_subnet": self.secondary_ips,
        })
    }
}

impl ToTerraform for TargetGroup {
    const TERRAFORM_TYPE: &'static str = "aws_lb_target_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let check = &self.health_check;
        json!({
            "name": self.name,
            "target_type": self.target_type,
            "port": self.port,
            "protocol": self.protocol,
            "protocol_version": self.protocol_version,
            "vpc_id": id_or_arn(self.vpc.as_ref()),
            "ip_address_type": self.ip_address_type,
            "health_check": [{
                "enabled": check.enabled,
                "path": check.path,
                "port": check.port,
                "protocol": check.protocol,
                "interval": check.interval_seconds,
                "timeout": check.timeout_seconds,
                "healthy_threshold": check.healthy_threshold,
                "unhealthy_threshold": check.unhealthy_threshold,
                "matcher": check.matcher,
            }],
            "deregistration_delay": self.deregistration_delay_seconds.to_string(),
            "slow_start": self.slow_start_seconds,
            "stickiness": self.stickiness.iter()
                .map(|sticky| json!({
                    "enabled": sticky.enabled,
                    "type": sticky.kind,
                    "cookie_duration": sticky.duration_seconds,
                    "cookie_name": sticky.cookie_name,
                }))
                .collect::<Vec<_>>(),
            "load_balancing_algorithm_type": self.algorithm,
            "preserve_client_ip": self.preserve_client_ip.map(|on| on.to_string()),
            "proxy_protocol_v2": self.proxy_protocol_v2,
            "load_balancing_cross_zone_enabled": self.cross_zone.map(|on| on.to_string()),
            "load_balancing_anomaly_mitigation": self.anomaly_mitigation.map(|on| if on { "on" } else { "off" }),
            "connection_termination": self.connection_termination,
            "target_health_state": self.unhealthy_connection_termination.iter()
                .map(|on| json!({
                    "enable_unhealthy_connection_termination": on,
                    "unhealthy_draining_interval": self.unhealthy_draining_seconds,
                }))
                .collect::<Vec<_>>(),
            "target_group_health": self.target_group_health.iter().map(health).collect::<Vec<_>>(),
            "target_failover": self.rebalance_flows.iter()
                .map(|on| if *on { "rebalance" } else { "no_rebalance" })
                .map(|what| json!({ "on_deregistration": what, "on_unhealthy": what }))
                .collect::<Vec<_>>(),
            "lambda_multi_value_headers_enabled": self.multi_value_headers,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let arn = at.output_reference("arn");
        let attachment = |target: &Target| {
            let arguments = json!({
                "target_group_arn": arn,
                "target_id": target.id,
                "port": target.port,
                "availability_zone": target.availability_zone,
            });
            SubResource::keyed("aws_lb_target_group_attachment", &target.id, arguments)
        };
        self.targets.iter().flatten().map(attachment).collect()
    }
}

impl ToTerraform for Listener {
    const TERRAFORM_TYPE: &'static str = "aws_lb_listener";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let (response, request) = (&self.response_headers, &self.request_headers);
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let renamed = |name: &String, default: String| Some(name.clone()).filter(|name| *name != default);
        let switch = |on: bool| if on { "on" } else { "off" };
        let mutual = self.mutual_authentication.iter().map(|clients| {
            let verifies = clients.mode == MutualMode::Verify;
            json!({
                "mode": clients.mode,
                "trust_store_arn": clients.trust_store,
                "ignore_client_certificate_expiry": verifies.then_some(clients.ignore_expiry),
                "advertise_trust_store_ca_names": verifies.then(|| switch(clients.advertise_authorities)),
            })
        });
        let names = RequestHeaders::default();
        json!({
            "load_balancer_arn": self.load_balancer.get(),
            "port": self.port,
            "protocol": self.protocol,
            "certificate_arn": id_or_arn(self.certificate.as_ref()),
            "ssl_policy": self.ssl_policy,
            "alpn_policy": self.alpn,
            "mutual_authentication": mutual.collect::<Vec<_>>(),
            "default_action": actions(&self.default_action),
            "tcp_idle_timeout_seconds": self.tcp_idle_timeout_seconds,
            "routing_http_response_server_enabled": (!response.server).then_some(false),
            "routing_http_response_strict_transport_security_header_value": text(&response.strict_transport_security),
            "routing_http_response_content_security_policy_header_value": text(&response.content_security_policy),
            "routing_http_response_x_content_type_options_header_value": text(&response.content_type_options),
            "routing_http_response_x_frame_options_header_value": text(&response.frame_options),
            "routing_http_response_access_control_allow_origin_header_value": text(&response.allow_origin),
            "routing_http_response_access_control_allow_methods_header_value": text(&response.allow_methods),
            "routing_http_response_access_control_allow_headers_header_value": text(&response.allow_headers),
            "routing_http_response_access_control_allow_credentials_header_value": text(&response.allow_credentials),
            "routing_http_response_access_control_expose_headers_header_value": text(&response.expose_headers),
            "routing_http_response_access_control_max_age_header_value": text(&response.max_age),
            "routing_http_request_x_amzn_tls_version_header_name": renamed(&request.tls_version, names.tls_version),
            "routing_http_request_x_amzn_tls_cipher_suite_header_name": renamed(&request.tls_cipher_suite, names.tls_cipher_suite),
            "routing_http_request_x_amzn_mtls_clientcert_header_name": renamed(&request.client_certificate, names.client_certificate),
            "routing_http_request_x_amzn_mtls_clientcert_serial_number_header_name":
                renamed(&request.client_certificate_serial_number, names.client_certificate_serial_number),
            "routing_http_request_x_amzn_mtls_clientcert_issuer_header_name":
                renamed(&request.client_certificate_issuer, names.client_certificate_issuer),
            "routing_http_request_x_amzn_mtls_clientcert_subject_header_name":
                renamed(&request.client_certificate_subject, names.client_certificate_subject),
            "routing_http_request_x_amzn_mtls_clientcert_validity_header_name":
                renamed(&request.client_certificate_validity, names.client_certificate_validity),
            "routing_http_request_x_amzn_mtls_clientcert_leaf_header_name":
                renamed(&request.client_certificate_leaf, names.client_certificate_leaf),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let arguments = |rule: &ListenerRule| {
            json!({
                "listener_arn": at.output_reference("id"),
                "priority": rule.priority,
                "condition": conditions(rule),
                "action": actions(&rule.action),
            })
        };
        let rules = self.rules.iter().map(|rule| SubResource::keyed("aws_lb_listener_rule", rule.priority.to_string(), arguments(rule)));
        let certificates = self.additional_certificates.iter().map(|certificate| {
            let arguments = json!({ "listener_arn": at.output_reference("id"), "certificate_arn": certificate.get() });
            SubResource::keyed("aws_lb_listener_certificate", certificate.get(), arguments)
        });
        rules.chain(certificates).collect()
    }
}

fn health(health: &TargetGroupHealth) -> Value {
    let or_off = |value: Option<u32>| value.map(|n| if n == 0 { "off".to_owned() } else { n.to_string() });
    let (failover, routing) = (&health.dns_failover, &health.unhealthy_state_routing);
    json!({
        "dns_failover": [{
            "minimum_healthy_targets_count": or_off(failover.minimum_count),
            "minimum_healthy_targets_percentage": or_off(failover.minimum_percentage),
        }],
        "unhealthy_state_routing": [{
            "minimum_healthy_targets_count": routing.minimum_count,
            "minimum_healthy_targets_percentage": or_off(routing.minimum_percentage),
        }],
    })
}

/// Actions in their order, which is stated only if there are several.
fn actions(one: &ListenerAction) -> Vec<Value> {
    let Some((_, then)) = one.then() else { return vec![action(one)] };
    let mut all = [action(one), action(&ListenerAction::from(then))];
    for (order, action) in (1..).zip(&mut all) {
        action["order"] = json!(order);
    }
    all.into()
}

fn action(action: &ListenerAction) -> Value {
    match action {
        ListenerAction::AuthenticateCognito(first) => json!({ "type": "authenticate-cognito", "authenticate_cognito": [{
            "user_pool_arn": first.user_pool,
            "user_pool_client_id": first.client_id,
            "user_pool_domain": first.domain,
            "scope": first.scope,
            "session_cookie_name": first.session_cookie,
            "session_timeout": first.session_timeout_seconds,
            "on_unauthenticated_request": first.on_unauthenticated_request,
            "authentication_request_extra_params": first.extra_params,
        }] }),
        // The value of `client_secret` is in no definition.
        ListenerAction::AuthenticateOidc(first) => json!({ "type": "authenticate-oidc", "authenticate_oidc": [{
            "issuer": first.issuer,
            "authorization_endpoint": first.authorization_endpoint,
            "token_endpoint": first.token_endpoint,
            "user_info_endpoint": first.user_info_endpoint,
            "client_id": first.client_id,
            "scope": first.scope,
            "session_cookie_name": first.session_cookie,
            "session_timeout": first.session_timeout_seconds,
            "on_unauthenticated_request": first.on_unauthenticated_request,
            "authentication_request_extra_params": first.extra_params,
        }] }),
        ListenerAction::Forward(forward) => json!({ "type": "forward", "forward": [{
            "target_group": forward.target_groups.iter()
                .map(|share| json!({ "arn": share.target_group.get(), "weight": share.weight }))
                .collect::<Vec<_>>(),
            "stickiness": Some(forward.stickiness_seconds).filter(|seconds| *seconds > 0).iter()
                .map(|seconds| json!({ "enabled": true, "duration": seconds }))
                .collect::<Vec<_>>(),
        }] }),
        ListenerAction::Redirect(to) => json!({ "type": "redirect", "redirect": [{
            "protocol": to.protocol,
            "port": to.port,
            "host": to.host,
            "path": to.path,
            "query": to.query,
            "status_code": format!("HTTP_{}", to.status_code),
        }] }),
        ListenerAction::FixedResponse(answer) => json!({ "type": "fixed-response", "fixed_response": [{
            "status_code": answer.status_code.to_string(),
            "content_type": answer.content_type,
            "message_body": answer.body,
        }] }),
    }
}

fn conditions(rule: &ListenerRule) -> Vec<Value> {
    let lists = [
        ("host_header", &rule.hosts),
        ("path_pattern", &rule.paths),
        ("http_request_method", &rule.methods),
        ("source_ip", &rule.source_ips),
    ];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty()).map(|(name, values)| json!({ name: [{ "values": values }] }));
    let headers = rule.headers.iter().map(|(name, values)| json!({ "http_header": [{ "http_header_name": name, "values": values }] }));
    let query: Vec<Value> = rule.query.iter().map(|one| json!({ "key": one.key, "value": one.value })).collect();
    let query = (!query.is_empty()).then(|| json!({ "query_string": query }));
    lists.chain(headers).chain(query).collect()
}
