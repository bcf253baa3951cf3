//! The components that can be installed: data files in `templates/platform`, and the keys of the values of their charts.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

use super::component::Component;

/// Embeds the files of components, and the keys of those that have values.
macro_rules! components {
    ($($name:literal $(=> $keys:ident)?),* $(,)?) => {
        &[$(Files {
            name: $name,
            component: include_str!(concat!("../../../../templates/platform/", $name, ".yaml")),
            keys: components!(@keys $name $($keys)?),
        }),*]
    };
    (@keys $name:literal keys) => { Some(include_str!(concat!("../../../../templates/platform/keys/", $name, ".json"))) };
    (@keys $name:literal) => { None };
}

/// Files of a component.
struct Files {
    name: &'static str,
    component: &'static str,
    keys: Option<&'static str>,
}

const FILES: &[Files] = components![
    "argo-cd" => keys,
    "argo-rollouts" => keys,
    "aws-load-balancer-controller" => keys,
    "barman-cloud" => keys,
    "cert-manager" => keys,
    "cloudnative-pg" => keys,
    "cloudwatch" => keys,
    "cluster-autoscaler" => keys,
    "ebs-csi" => keys,
    "elastic-operator" => keys,
    "elasticsearch",
    "external-dns" => keys,
    "external-secrets" => keys,
    "fluent-bit" => keys,
    "fluentd" => keys,
    "ingress-nginx" => keys,
    "istio-base" => keys,
    "istio-cni" => keys,
    "istio-gateway" => keys,
    "istiod" => keys,
    "jaeger" => keys,
    "jenkins" => keys,
    "karpenter" => keys,
    "karpenter-crd" => keys,
    "kong" => keys,
    "kubecost" => keys,
    "logdna",
    "loki" => keys,
    "metrics-server" => keys,
    "nginx" => keys,
    "oauth2-proxy" => keys,
    "opentelemetry" => keys,
    "prometheus" => keys,
    "prometheus-crds" => keys,
    "sealed-secrets" => keys,
    "secrets-store-csi" => keys,
    "tempo" => keys,
    "vault" => keys,
    "vpc-cni" => keys,
];

static COMPONENTS: LazyLock<BTreeMap<&'static str, Component>> = LazyLock::new(|| {
    // A test parses every file.
    FILES.iter().filter_map(|files| Some((files.name, serde_saphyr::from_str(files.component).ok()?))).collect()
});

/// Every component, by name.
pub fn components() -> &'static BTreeMap<&'static str, Component> {
    &COMPONENTS
}

/// Keys of the values of a component's chart as nested maps; below `0`, any key is valid.
pub fn keys(component: &str) -> Option<Value> {
    let files = FILES.iter().find(|files| files.name == component)?;
    serde_json::from_str(files.keys?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{
        super::{
            fill::{PROPERTIES, fill, for_each_placeholder},
            values::unknown_keys,
        },
        *,
    };
    use crate::{aws::types::resource_type, core::Policy};

    #[test]
    fn every_file_is_a_component() {
        for files in FILES {
            if let Err(error) = serde_saphyr::from_str::<Component>(files.component) {
                panic!("{}: {error}", files.name);
            }
            assert_eq!(keys(files.name).is_some(), components()[files.name].has_software(), "{}", files.name);
        }
        assert!(FILES.is_sorted_by_key(|files| files.name));
    }

    #[test]
    fn components_name_components_of_their_wave_or_a_lower_one() {
        for (name, component) in components() {
            for need in &component.needs {
                let needed = components().get(need.as_str()).unwrap_or_else(|| panic!("{name} needs {need}"));
                assert!(needed.wave <= component.wave, "{name} is installed before {need}");
                assert!(needed.wave < component.wave || !depends_on(need, name), "{name} and {need} need each other");
            }
            for other in component.conflicts.iter() {
                assert!(components().contains_key(other.as_str()), "{name} conflicts with {other}");
            }
            for other in component.with.keys() {
                let is_known = components().contains_key(other.as_str()) || component.inputs.get(other).is_some_and(|input| input.optional);
                assert!(is_known, "{name} with {other}");
            }
        }
    }

    fn depends_on(component: &str, other: &str) -> bool {
        let needs = &components()[component].needs;
        needs.contains(other) || needs.iter().any(|need| depends_on(need, other))
    }

    #[test]
    fn placeholders_are_inputs_or_properties_of_the_stack() {
        for files in FILES {
            let component = &components()[files.name];
            let mut file: Value = serde_saphyr::from_str(files.component).expect("YAML");
            let inputs = file.as_object_mut().and_then(|file| file.remove("inputs")).unwrap_or_default();
            let mut used = BTreeSet::new();
            for_each_placeholder(&file, &mut |name| {
                used.insert(name.to_owned());
            });
            for name in &used {
                assert!(component.inputs.contains_key(name) || PROPERTIES.contains(&name.as_str()), "{}: {name}", files.name);
            }
            for_each_placeholder(&inputs, &mut |name| assert!(PROPERTIES.contains(&name), "{}: {name}", files.name));
            for (name, input) in &component.inputs {
                let copies = component.secrets.iter().any(|secret| secret.from == *name);
                assert!(used.contains(name) || copies || component.with.contains_key(name), "{}: the input {name} has no use", files.name);
                if let Some(reference) = &input.reference {
                    assert!(
                        reference.split_once('.').is_some_and(|(kind, _)| resource_type(kind).is_some()),
                        "{}: {reference}",
                        files.name
                    );
                }
            }
            assert!(component.secrets.iter().all(|secret| component.inputs.contains_key(&secret.from)), "{}", files.name);
            assert!(component.secrets.iter().all(|secret| secret.key.is_none() != secret.keys.is_empty()), "{}", files.name);
        }
    }

    #[test]
    fn statements_are_valid_in_policies() {
        for (name, component) in components() {
            let Some(identity) = &component.identity else { continue };
            assert!(!identity.statements.is_empty() || !identity.policies.is_empty(), "{name}");
            let lookup = |name: &str| match name {
                "kms_key" => json!("arn:aws:kms:eu-west-1:123456789012:key/a"),
                "partition" => json!("aws"),
                other => json!(other),
            };
            let policy = Policy::new(fill(&json!({ "Statement": identity.statements }), &lookup));
            let role = resource_type("iam_role").expect("a type");
            let spec = json!({
                "name": "a", "trust": { "services": ["pods.eks.amazonaws.com"] },
                "policies": identity.policies, "inline_policies": { "a": policy.value() },
            });
            let parsed = role.operations.parse(&spec).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            let problems = role.check(&parsed);
            assert!(problems.is_empty(), "{name}: {problems:?}");
            // IAM's limit for all inline policies of a role, without white space. The longest name of a cluster is 100 characters.
            assert!(policy.to_json().len() < 10_240, "{name}: {}", policy.to_json().len());
        }
    }

    #[test]
    fn charts_have_the_keys_of_all_values() {
        for (name, component) in components() {
            let Some(keys) = keys(name) else { continue };
            let chart = component.chart.iter().map(|chart| &chart.values);
            let others = component.small.iter().chain(component.with.values().map(|addition| &addition.values));
            for values in chart.chain(others).chain([&component.values]) {
                let unknown: Vec<String> = unknown_keys(&keys, values).into_iter().map(|unknown| unknown.pointer).collect();
                assert!(unknown.is_empty(), "{name}: {unknown:?}");
            }
        }
    }

    #[test]
    fn descriptions_are_sentences() {
        for (name, component) in components() {
            assert!(component.about.ends_with('.') && component.about.starts_with(char::is_uppercase), "{name}");
            for (input, about) in component.inputs.iter().map(|(input, described)| (input, &described.about)) {
                assert!(!about.ends_with('.') && about.starts_with(char::is_uppercase), "{name}: {input}");
            }
        }
    }
}
