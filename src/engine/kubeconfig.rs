//! Entries of kubeconfig files for the clusters of a stack: <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>.

use serde_json::{Map, Value, json};

use crate::{
    core::LiveResource,
    kubernetes::{Caller, exec_entry},
};

/// How `kubectl` gets a token: a command, and its arguments without the cluster.
pub struct TokenCommand {
    /// Path or name of acme.
    pub command: String,
    /// Region of the stack.
    pub region: String,
    /// Who calls.
    pub caller: Caller,
    /// Proxy for private endpoints.
    pub proxy: Option<String>,
}

/// Returns a kubeconfig for these clusters; those that are not ready have no entry. The first one is the current context.
pub fn kubeconfig<'a>(clusters: impl IntoIterator<Item = &'a LiveResource>, token: &TokenCommand) -> Value {
    let mut lists: [Vec<Value>; 3] = Default::default();
    for cluster in clusters {
        let output = |name: &str| cluster.output(name).and_then(|value| value.as_str().map(str::to_owned));
        let (Some(server), Some(authority)) = (output("endpoint"), output("certificate_authority")) else { continue };
        // As `aws eks update-kubeconfig` names it, so that both write the same entry.
        let name = output("arn").unwrap_or_else(|| cluster.id.clone());
        let region = cluster.region.as_deref().unwrap_or(&token.region);
        let mut access = json!({ "server": server, "certificate-authority-data": authority });
        if let Some(proxy) = &token.proxy {
            access["proxy-url"] = json!(proxy);
        }
        let exec = exec_entry(&token.command, &cluster.id, region, &token.caller);
        let entries = [
            json!({ "name": name, "cluster": access }),
            json!({ "name": name, "context": { "cluster": name, "user": name } }),
            json!({ "name": name, "user": { "exec": exec } }),
        ];
        lists.iter_mut().zip(entries).for_each(|(list, entry)| list.push(entry));
    }
    let current = lists[1].first().map_or(json!(""), |context| context["name"].clone());
    let [clusters, contexts, users] = lists;
    json!({ "apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": users, "current-context": current })
}

/// Adds the entries of one kubeconfig to another, in place of those with the same names; its current context becomes the current one.
pub fn merge(into: Value, added: &Value) -> Value {
    let mut merged = match into {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    for (key, value) in added.as_object().into_iter().flatten() {
        match (merged.get_mut(key), value) {
            (Some(Value::Array(entries)), Value::Array(added)) => {
                entries.retain(|entry| added.iter().all(|new| new["name"] != entry["name"]));
                entries.extend(added.iter().cloned());
            }
            _ => drop(merged.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, endpoint: Option<&str>) -> LiveResource {
        let mut cluster = LiveResource::ready("eks_cluster", name, json!({}));
        cluster.outputs = json!({
            "arn": format!("arn:aws:eks:eu-west-1:123456789012:cluster/{name}"),
            "endpoint": endpoint,
            "certificate_authority": "QQ==",
        })
        .into();
        cluster
    }

    fn token() -> TokenCommand {
        TokenCommand {
            command: "acme".into(),
            region: "eu-west-1".into(),
            caller: Caller { profile: Some("ops".into()), ..Caller::default() },
            proxy: None,
        }
    }

    #[test]
    fn has_an_entry_for_each_ready_cluster() {
        let config = kubeconfig([&cluster("shop", Some("https://shop.example.com")), &cluster("new", None)], &token());
        let name = "arn:aws:eks:eu-west-1:123456789012:cluster/shop";
        assert_eq!(
            config["clusters"],
            json!([{ "name": name, "cluster": { "server": "https://shop.example.com", "certificate-authority-data": "QQ==" } }])
        );
        assert_eq!(config["contexts"], json!([{ "name": name, "context": { "cluster": name, "user": name } }]));
        assert_eq!(config["current-context"], name);
        let exec = &config["users"][0]["user"]["exec"];
        assert_eq!(exec["args"], json!(["token", "--cluster", "shop", "--region", "eu-west-1", "--profile", "ops"]));
    }

    #[test]
    fn merging_keeps_what_others_wrote() {
        let added = kubeconfig([&cluster("shop", Some("https://shop.example.com"))], &token());
        let theirs =
            json!({ "clusters": [{ "name": "other" }], "contexts": [], "current-context": "other", "preferences": { "colors": true } });
        let merged = merge(theirs, &added);
        assert_eq!(merged["clusters"].as_array().map(Vec::len), Some(2));
        assert_eq!((&merged["preferences"], &merged["current-context"]), (&json!({ "colors": true }), &added["current-context"]));
        assert_eq!(merge(merged.clone(), &added), merged);
        assert_eq!(merge(Value::Null, &added), added);
    }
}
