//! Listeners of classic load balancers.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancing::types::Listener;

use super::{
    super::{certificate::Certificate, prelude::*},
    policies,
};
use crate::aws::{from_aws, to_aws};

/// A port on which a classic load balancer listens.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassicListener {
    /// Port.
    #[field(range = 1..=65_535)]
    pub port: i32,
    /// Protocol of the clients.
    #[field(default = ListenerProtocol::Http)]
    pub protocol: ListenerProtocol,
    /// Port of the instances.
    #[field(range = 1..=65_535)]
    pub instance_port: i32,
    /// Protocol of the instances, of the same layer as `protocol`.
    #[field(unset = "`HTTP` for HTTP and HTTPS, `TCP` for TCP and SSL", dropped = None)]
    pub instance_protocol: Option<ListenerProtocol>,
    /// Certificate, for HTTPS and SSL.
    #[field(default, dropped = None)]
    pub certificate: Option<ArnRef<Certificate>>,
    /// Predefined security policy of TLS, for HTTPS and SSL.
    #[field(unset = "AWS's default, `ELBSecurityPolicy-2016-08`", pattern = "ELBSecurityPolicy-[A-Za-z0-9-]+", dropped = DEFAULT_TLS_POLICY)]
    pub tls_policy: Option<String>,
    /// Stickiness: sends a client to the same instance again; for HTTP and HTTPS.
    #[field(unset = "none", dropped = None)]
    pub stickiness: Option<ListenerStickiness>,
    /// Sends the client's address in front of a connection (proxy protocol), for TCP and SSL. It applies to all listeners with this
    /// `instance_port`.
    #[field(default = false)]
    pub proxy_protocol: bool,
}

/// Policy that AWS gives to listeners with TLS.
pub(super) const DEFAULT_TLS_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// Protocol of a listener.
#[spec]
#[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum ListenerProtocol {
    Http,
    Https,
    Tcp,
    Ssl,
}

/// How clients are recognized: with a cookie of the load balancer, or of the application.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerStickiness {
    /// Lifetime of the load balancer's cookie, in seconds; 0 for the browser's session.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub duration_seconds: i64,
    /// Name of the application's cookie, which then decides.
    #[field(unset = "a cookie of the load balancer", length = 1..=255, dropped = None)]
    pub cookie_name: Option<String>,
}

impl ListenerProtocol {
    pub(super) fn has_tls(self) -> bool {
        matches!(self, ListenerProtocol::Https | ListenerProtocol::Ssl)
    }
    pub(super) fn is_http(self) -> bool {
        matches!(self, ListenerProtocol::Http | ListenerProtocol::Https)
    }
}

impl ClassicListener {
    /// Protocol of the instances.
    pub(super) fn instance_protocol(&self) -> ListenerProtocol {
        self.instance_protocol.unwrap_or(if self.protocol.is_http() { ListenerProtocol::Http } else { ListenerProtocol::Tcp })
    }

    pub(super) fn to_sdk(&self) -> Result<Listener> {
        let listener = Listener::builder().load_balancer_port(self.port).protocol(to_aws(&self.protocol)).instance_port(self.instance_port);
        let listener = listener.instance_protocol(to_aws(&self.instance_protocol()));
        Ok(listener.set_ssl_certificate_id(self.certificate.as_ref().map(|certificate| certificate.get().to_owned())).build()?)
    }

    /// Without policies and the proxy protocol.
    pub(super) fn from_sdk(listener: &Listener) -> Result<ClassicListener> {
        let instance_protocol = listener.instance_protocol().filter(|protocol| !protocol.is_empty());
        Ok(ClassicListener {
            port: listener.load_balancer_port(),
            protocol: from_aws(&listener.protocol().to_uppercase())?,
            instance_port: listener.instance_port(),
            instance_protocol: instance_protocol.map(|protocol| from_aws(&protocol.to_uppercase())).transpose()?,
            certificate: listener.ssl_certificate_id().filter(|arn| !arn.is_empty()).map(ArnRef::to),
            tls_policy: None,
            stickiness: None,
            proxy_protocol: false,
        })
    }

    /// Same, without AWS's defaults where the wanted listener of this port sets nothing.
    pub(super) fn without_defaults(&self, wanted: &BTreeSet<ClassicListener>) -> ClassicListener {
        let mut listener = self.clone();
        if let Some(wanted) = wanted.iter().find(|wanted| wanted.port == self.port) {
            if wanted.instance_protocol.is_none() && self.instance_protocol == Some(wanted.instance_protocol()) {
                listener.instance_protocol = None;
            }
            if wanted.tls_policy.is_none() && self.tls_policy.as_deref().is_none_or(|policy| policy == DEFAULT_TLS_POLICY) {
                listener.tls_policy = None;
            }
        }
        listener
    }

    /// Whether it differs from a live one in more than its certificate and policies.
    fn needs_another(&self, live: &ClassicListener) -> bool {
        self.protocol != live.protocol
            || self.instance_port != live.instance_port
            || self.instance_protocol() != live.instance_protocol()
            || (self.certificate.is_none() != live.certificate.is_none())
    }
}

/// A listener that has another protocol or instance port is deleted and made again.
pub(super) async fn change(cx: &Cx<'_>, id: &str, before: &BTreeSet<ClassicListener>, after: &BTreeSet<ClassicListener>) -> Result<()> {
    let wanted = |port: i32| after.iter().find(|listener| listener.port == port);
    let leaving = before.iter().filter(|live| wanted(live.port).is_none_or(|wanted| wanted.needs_another(live)));
    let leaving: Vec<i32> = leaving.map(|live| live.port).collect();
    if !leaving.is_empty() {
        let call = cx.elb.delete_load_balancer_listeners().load_balancer_name(id);
        ok_or_not_found(call.set_load_balancer_ports(Some(leaving.clone())).send().await)?;
    }
    let remains = |port: i32| before.iter().find(|live| live.port == port && !leaving.contains(&port));
    let new: Vec<Listener> =
        after.iter().filter(|listener| remains(listener.port).is_none()).map(ClassicListener::to_sdk).collect::<Result<_>>()?;
    if !new.is_empty() {
        cx.elb.create_load_balancer_listeners().load_balancer_name(id).set_listeners(Some(new)).send().await?;
    }
    for listener in after {
        let live = remains(listener.port);
        let certificate = listener.certificate.as_ref().filter(|_| live.is_some_and(|live| live.certificate != listener.certificate));
        if let Some(certificate) = certificate {
            let call = cx.elb.set_load_balancer_listener_ssl_certificate().load_balancer_name(id).load_balancer_port(listener.port);
            call.ssl_certificate_id(certificate.get()).send().await?;
        }
        if live.is_none_or(|live| live.tls_policy != listener.tls_policy || live.stickiness != listener.stickiness) {
            policies::set(cx, id, listener, live).await?;
        }
    }
    policies::set_proxy_protocol(cx, id, before, after).await
}
