//! What the definition says about a namespace: its fields, and the short forms of their values.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};
use serde_json::{Value, json};

use super::super::{platform::component::PodSecurity, scalar::Scalar};

/// Rules of a namespace.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespacePolicies {
    /// Pod Security standard that Kubernetes enforces: `privileged`, `baseline` or `restricted`. Default: `restricted`; in a namespace of
    /// components, the strictest one that their pods satisfy.
    #[serde(default)]
    pub pod_security: Option<PodSecurity>,
    /// Labels of the namespace, such as `istio-injection: enabled`. Default: none.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Traffic that its pods accept and open; all other traffic is denied, except DNS and the credentials of Pod Identity. `false` allows
    /// all traffic. Default: only these exceptions; in a namespace of components, all traffic.
    #[serde(default)]
    pub network: Option<NetworkRules>,
    /// Most that all its pods together may use, by resource, as in a ResourceQuota: `requests.cpu: 8`, `pods: 50`. Default: no quota.
    #[serde(default)]
    pub quota: BTreeMap<String, Quantity>,
    /// Defaults and limits of each container, as in a LimitRange. Default: none.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// Permissions in the namespace by group of people: the name of a ClusterRole, such as `view`, `edit` or `admin`, or rules as in a Role.
    /// A group is the name of an entry in `access` of `cluster`, which then joins the group, or one of the `kubernetes_groups` there. Default:
    /// none.
    #[serde(default)]
    pub access: BTreeMap<String, Grant>,
}

/// Traffic of a namespace.
pub enum NetworkRules {
    /// Everything is allowed.
    Open,
    /// Only this is allowed.
    Only(Allowed),
}

/// Allowed traffic of a namespace.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Connections that its pods accept. Default: none.
    #[serde(default)]
    pub ingress: Vec<IngressRule>,
    /// Connections that its pods open. Default: none.
    #[serde(default)]
    pub egress: Vec<EgressRule>,
}

/// Connections that pods accept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngressRule {
    /// Pods that accept them: labels, or the value of the label `app.kubernetes.io/name`. Default: all.
    #[serde(default)]
    pub apps: Labels,
    /// Namespaces from which they come, or `"*"` for all.
    #[serde(default)]
    pub from_namespaces: Vec<String>,
    /// Pods from which they come, in these namespaces; without `from_namespaces`, in this one.
    #[serde(default)]
    pub from_apps: Labels,
    /// Addresses from which they come.
    #[serde(default)]
    pub from_cidrs: Vec<String>,
    /// Excluded ranges of these addresses. Default: none.
    #[serde(default)]
    pub except: Vec<String>,
    /// Ports: `8080`, `53/UDP`, `8000-8100` or the name of a port. Default: all.
    #[serde(default)]
    pub ports: Vec<Port>,
}

/// Connections that pods open.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressRule {
    /// Pods that open them: labels, or the value of the label `app.kubernetes.io/name`. Default: all.
    #[serde(default)]
    pub apps: Labels,
    /// Namespaces to which they go, or `"*"` for all.
    #[serde(default)]
    pub to_namespaces: Vec<String>,
    /// Pods to which they go, in these namespaces; without `to_namespaces`, in this one.
    #[serde(default)]
    pub to_apps: Labels,
    /// Addresses to which they go.
    #[serde(default)]
    pub to_cidrs: Vec<String>,
    /// Excluded ranges of these addresses. Default: none.
    #[serde(default)]
    pub except: Vec<String>,
    /// Ports: `5432`, `53/UDP`, `8000-8100` or the name of a port. Default: all.
    #[serde(default)]
    pub ports: Vec<Port>,
}

/// Defaults and limits of containers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests of containers that set none, by resource. Default: none.
    #[serde(default)]
    pub default_request: BTreeMap<String, Quantity>,
    /// Limits of containers that set none. Default: none.
    #[serde(default)]
    pub default: BTreeMap<String, Quantity>,
    /// Lowest requests. Default: none.
    #[serde(default)]
    pub min: BTreeMap<String, Quantity>,
    /// Highest limits. Default: none.
    #[serde(default)]
    pub max: BTreeMap<String, Quantity>,
}

/// Permissions of a group.
pub enum Grant {
    /// Those of a ClusterRole.
    Role(String),
    /// These.
    Rules(Vec<Rule>),
}

/// A rule of a role. <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#role-example>
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// API groups. Default: the core group.
    #[serde(default = "core_group")]
    pub api_groups: Vec<String>,
    /// Resources, such as `pods` or `pods/log`.
    pub resources: Vec<String>,
    /// Names of the objects. Default: all.
    #[serde(default)]
    pub resource_names: Vec<String>,
    /// Verbs, such as `get`, `list` and `watch`.
    pub verbs: Vec<String>,
}

fn core_group() -> Vec<String> {
    vec![String::new()]
}

/// Labels of pods.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(pub BTreeMap<String, String>);

/// Label with the name of an application.
const APP_LABEL: &str = "app.kubernetes.io/name";

/// A port, or a range of ports.
pub struct Port {
    number: Value,
    last: Option<u16>,
    protocol: String,
}

impl Port {
    /// As in a NetworkPolicy.
    pub fn to_manifest(&self) -> Value {
        let mut port = json!({ "protocol": self.protocol, "port": self.number });
        if let Some(last) = self.last {
            port["endPort"] = last.into();
        }
        port
    }

    fn parse(text: &str) -> Option<Port> {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
        let protocol = protocol.to_ascii_uppercase();
        let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
        let (number, last) = match (number(range), range.split_once('-').map(|(first, last)| (number(first), number(last)))) {
            (Some(one), _) => (json!(one), None),
            (None, Some((Some(first), Some(last)))) if first <= last => (json!(first), Some(last)),
            // https://kubernetes.io/docs/concepts/services-networking/service/#field-spec-ports
            _ => {
                let is_name = range.len() <= 15
                    && range.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    && range.bytes().any(|b| b.is_ascii_lowercase());
                (json!(Some(range).filter(|_| is_name)?), None)
            }
        };
        ["TCP", "UDP", "SCTP"].contains(&protocol.as_str()).then_some(Port { number, last, protocol })
    }
}

/// A quantity, such as `500m` or `2Gi`. <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
#[derive(Clone)]
pub struct Quantity(pub String);

impl Quantity {
    fn parse(text: &str) -> Option<Quantity> {
        const SUFFIXES: &[&str] = &["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let is_valid = text[..end].parse::<f64>().is_ok() && SUFFIXES.contains(&&text[end..]);
        is_valid.then(|| Quantity(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Port, D::Error> {
        deserializer.deserialize_any(Scalar { expected: "a port, such as `8080`, `53/UDP` or `8000-8100`", read: Port::parse })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        deserializer.deserialize_any(Scalar { expected: "a quantity, such as `500m`, `2` or `4Gi`", read: Quantity::parse })
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        struct LabelsVisitor;
        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = Labels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels, or the name of an application")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Labels, E> {
                Ok(Labels(BTreeMap::from([(APP_LABEL.to_owned(), name.to_owned())])))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Labels, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Labels)
            }
        }
        deserializer.deserialize_any(LabelsVisitor)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Grant, D::Error> {
        struct GrantVisitor;
        impl<'de> Visitor<'de> for GrantVisitor {
            type Value = Grant;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a ClusterRole, or a list of rules")
            }
            fn visit_str<E: Error>(self, role: &str) -> Result<Grant, E> {
                Ok(Grant::Role(role.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, rules: A) -> Result<Grant, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(rules)).map(Grant::Rules)
            }
        }
        deserializer.deserialize_any(GrantVisitor)
    }
}

impl<'de> Deserialize<'de> for NetworkRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NetworkRules, D::Error> {
        struct NetworkVisitor;
        impl<'de> Visitor<'de> for NetworkVisitor {
            type Value = NetworkRules;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`ingress` and `egress`, or `false`")
            }
            fn visit_bool<E: Error>(self, denies: bool) -> Result<NetworkRules, E> {
                Ok(if denies { NetworkRules::Only(Allowed::default()) } else { NetworkRules::Open })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NetworkRules, A::Error> {
                Allowed::deserialize(MapAccessDeserializer::new(map)).map(NetworkRules::Only)
            }
        }
        deserializer.deserialize_any(NetworkVisitor)
    }
}

/// Implements the schema of a short form.
macro_rules! short_form {
    ($name:ident, $generator:ident => $schema:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

short_form!(Port, _generator => json_schema!({ "type": ["integer", "string"] }));
short_form!(Quantity, _generator => json_schema!({ "type": ["number", "string"] }));
short_form!(Labels, _generator => json_schema!({ "type": ["string", "object"], "additionalProperties": { "type": "string" } }));
short_form!(Grant, generator => json_schema!({ "type": ["string", "array"], "items": generator.subschema_for::<Rule>() }));
short_form!(NetworkRules, generator => {
    let mut schema = Allowed::json_schema(generator);
    schema.insert("type".to_owned(), json!(["object", "boolean"]));
    schema
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_ranges_and_names_with_a_protocol() {
        let parsed = |text: &str| Port::parse(text).map(|port| port.to_manifest());
        assert_eq!(parsed("8080"), Some(json!({ "protocol": "TCP", "port": 8080 })));
        assert_eq!(parsed("53/udp"), Some(json!({ "protocol": "UDP", "port": 53 })));
        assert_eq!(parsed("8000-8100"), Some(json!({ "protocol": "TCP", "port": 8000, "endPort": 8100 })));
        assert_eq!(parsed("http-web"), Some(json!({ "protocol": "TCP", "port": "http-web" })));
        for wrong in ["0", "65536", "90-80", "80/HTTP", "a-port-with-a-long-name", "-", ""] {
            assert!(Port::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn quantities_have_the_suffixes_of_kubernetes() {
        for right in ["8", "0.5", "500m", "2Gi", "10k"] {
            assert!(Quantity::parse(right).is_some(), "{right}");
        }
        for wrong in ["2GB", "many", "", "Gi", "1.2.3", "-1"] {
            assert!(Quantity::parse(wrong).is_none(), "{wrong}");
        }
    }
}
