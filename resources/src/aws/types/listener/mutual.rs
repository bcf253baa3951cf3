//! Mutual authentication: certificates of clients.

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{AdvertiseTrustStoreCaNamesEnum as Advertise, MutualAuthenticationAttributes};

use super::{Listener, Protocol};
use crate::{
    aws::{from_aws, to_aws},
    core::{Problem, Result},
};

/// Treatment of clients' certificates by an HTTPS listener.
#[spec]
#[derive(PartialEq)]
pub struct MutualAuthentication {
    /// Mode.
    pub mode: MutualMode,
    /// ARN of the trust store with the authorities' certificates, for the mode `verify`.
    #[field(default, dropped = None, pattern = "arn:aws.*:elasticloadbalancing:.+:truststore/.+")]
    pub trust_store: Option<String>,
    /// Accepts expired certificates, in the mode `verify`.
    #[field(default = false, risky(true, "clients with expired certificates are accepted"))]
    pub ignore_expiry: bool,
    /// Sends clients the names of the trust store's authorities, so that they can choose a certificate, in the mode `verify`.
    #[field(default = false)]
    pub advertise_authorities: bool,
}

/// Mode of mutual authentication.
#[spec]
#[derive(Copy)]
pub enum MutualMode {
    /// Sends the client's certificates to targets without checking them.
    Passthrough,
    /// Accepts only clients with a certificate of an authority in the trust store.
    Verify,
}

impl MutualAuthentication {
    pub(super) fn to_sdk(&self) -> MutualAuthenticationAttributes {
        let verifies = self.mode == MutualMode::Verify;
        let advertise = if self.advertise_authorities { Advertise::On } else { Advertise::Off };
        MutualAuthenticationAttributes::builder()
            .mode(to_aws(&self.mode))
            .set_trust_store_arn(self.trust_store.clone())
            .set_ignore_client_certificate_expiry(verifies.then_some(self.ignore_expiry))
            .set_advertise_trust_store_ca_names(verifies.then_some(advertise))
            .build()
    }

    /// `None` without mutual authentication.
    pub(super) fn read(live: Option<&MutualAuthenticationAttributes>) -> Result<Option<MutualAuthentication>> {
        let Some((live, mode)) = live.and_then(|live| Some((live, live.mode()?))).filter(|(_, mode)| *mode != OFF) else { return Ok(None) };
        Ok(Some(MutualAuthentication {
            mode: from_aws(mode)?,
            trust_store: live.trust_store_arn.clone().filter(|arn| !arn.is_empty()),
            ignore_expiry: live.ignore_client_certificate_expiry.unwrap_or_default(),
            advertise_authorities: live.advertise_trust_store_ca_names == Some(Advertise::On),
        }))
    }

    pub(super) fn check(&self, protocol: Option<Protocol>) -> Vec<Problem> {
        let at = Listener::POINTERS.mutual_authentication;
        let mut problems = Vec::new();
        if protocol != Some(Protocol::Https) {
            let problem = Problem::new(at.clone(), "only HTTPS listeners can authenticate clients by certificates");
            problems.push(problem.help("set `protocol: HTTPS`, with a `certificate`"));
        }
        match (self.mode, self.trust_store.is_some()) {
            (MutualMode::Verify, false) => {
                let problem = Problem::new(at.field(Self::POINTERS.trust_store), "the mode `verify` needs a trust store");
                problems.push(problem.help("set `trust_store` to its ARN"));
            }
            (MutualMode::Passthrough, _) => {
                let only = [
                    (Self::POINTERS.trust_store, self.trust_store.is_some()),
                    (Self::POINTERS.ignore_expiry, self.ignore_expiry),
                    (Self::POINTERS.advertise_authorities, self.advertise_authorities),
                ];
                let set = only.into_iter().filter(|(_, is_set)| *is_set);
                problems.extend(set.map(|(field, _)| Problem::new(at.clone().field(field), "only for the mode `verify`")));
            }
            (MutualMode::Verify, true) => {}
        }
        problems
    }
}

/// Mode of a listener without mutual authentication.
const OFF: &str = "off";

/// What ends mutual authentication.
pub(super) fn off() -> MutualAuthenticationAttributes {
    MutualAuthenticationAttributes::builder().mode(OFF).build()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(written: Value) -> MutualAuthentication {
        serde_json::from_value(written).expect("settings")
    }

    const STORE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:truststore/clients/1";

    #[test]
    fn settings_survive_a_round_trip() {
        for written in [json!({ "mode": "passthrough" }), json!({ "mode": "verify", "trust_store": STORE, "advertise_authorities": true })]
        {
            let wanted = settings(written);
            assert_eq!(MutualAuthentication::read(Some(&wanted.to_sdk())).expect("settings"), Some(wanted));
        }
        assert_eq!(MutualAuthentication::read(Some(&off())).expect("settings"), None);
    }

    #[test]
    fn reports_what_a_mode_does_not_have() {
        let problems = |written: Value, protocol: Protocol| {
            settings(written).check(Some(protocol)).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({ "mode": "verify", "trust_store": STORE }), Protocol::Https), [""; 0]);
        assert_eq!(problems(json!({ "mode": "passthrough" }), Protocol::Tls), ["/mutual_authentication"]);
        assert_eq!(problems(json!({ "mode": "verify" }), Protocol::Https), ["/mutual_authentication/trust_store"]);
        let ignored = json!({ "mode": "passthrough", "ignore_expiry": true });
        assert_eq!(problems(ignored, Protocol::Https), ["/mutual_authentication/ignore_expiry"]);
    }
}
