//! `oidc_provider`: makes IAM trust an OpenID Connect issuer, such as an EKS cluster's.

use std::collections::BTreeSet;

use acme_macros::spec;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{Created, Deletion, Error, Existing, IamActions, Observed, Resource, Result, Scope, TagChange, TypeInfo, ok_or_not_found},
};

/// Makes IAM trust the tokens of an OpenID Connect issuer, such as an EKS cluster's. An account can have only one per issuer.
#[spec]
pub struct OidcProvider {
    /// The issuer's URL, `https://…`, exactly as the issuer spells it.
    #[field(important, replaces, lookup, unique = "issuer", length = 1..=255, pattern = "https://.+")]
    pub url: String,
    /// Accepted audiences of tokens.
    #[field(default = BTreeSet::from(["sts.amazonaws.com".to_owned()]), length = 0..=100, pattern = ".{1,255}", important)]
    pub client_ids: BTreeSet<String>,
    /// SHA-1 fingerprints of the issuer's certificate: 40 hexadecimal digits each, without colons.
    #[field(unset = "AWS determines them", length = 1..=5, pattern = "[0-9a-fA-F]{40}")]
    #[serde(deserialize_with = "lowercase")]
    #[field(dropped(kept, "AWS determines them only at creation"))]
    pub thumbprints: Option<BTreeSet<String>>,
}

fn lowercase<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeSet<String>>, D::Error> {
    let lowercase = |text: String| if text.contains("${") { text } else { text.to_lowercase() };
    Ok(Option::<BTreeSet<String>>::deserialize(deserializer)?.map(|set| set.into_iter().map(lowercase).collect()))
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The URL without `https://`, the prefix of condition keys in trust policies (`<issuer>:sub`).
    #[schemars(extend("x-acme-determined" = "{url}"))]
    pub issuer: String,
}

impl Resource for OidcProvider {
    const TYPE: TypeInfo = TypeInfo::new("oidc_provider", &services::iam::SERVICE, "{arn}", "arn:aws:iam::{account}:oidc-provider/{url}")
        .without_charge("IAM costs nothing")
        .global()
        .without_token()
        .iam_actions(
            IamActions::new("iam:oidc-provider/*")
                .list(&["iam:ListOpenIDConnectProviders"])
                .read(&["iam:GetOpenIDConnectProvider"])
                .change(&[
                    "iam:AddClientIDToOpenIDConnectProvider",
                    "iam:CreateOpenIDConnectProvider",
                    "iam:DeleteOpenIDConnectProvider",
                    "iam:RemoveClientIDFromOpenIDConnectProvider",
                    "iam:TagOpenIDConnectProvider",
                    "iam:UntagOpenIDConnectProvider",
                    "iam:UpdateOpenIDConnectProviderThumbprint",
                ]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// The list has only ARNs and no filter, so each provider is read; an account has only a few.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let reply = aws.iam.list_open_id_connect_providers().send().await?;
        let arns = reply.open_id_connect_provider_list.unwrap_or_default().into_iter().filter_map(|provider| provider.arn);
        for_each_concurrent(arns, |id| async move {
            let call = aws.iam.get_open_id_connect_provider().open_id_connect_provider_arn(&id);
            let Some(provider) = ok_or_not_found(call.send().await)? else { return Ok(None) };
            let tags = services::iam::from_tags(provider.tags());
            let issuer = issuer(provider.url.as_deref().ok_or_else(|| Error::missing_field("Url"))?).to_owned();
            if !scope.owns(&tags) && !scope.lookup.iter().any(|url| self::issuer(url).eq_ignore_ascii_case(&issuer)) {
                return Ok(None);
            }
            let thumbprints = provider.thumbprint_list.unwrap_or_default();
            let spec = OidcProvider {
                url: format!("https://{issuer}"),
                client_ids: provider.client_id_list.unwrap_or_default().into_iter().collect(),
                thumbprints: Some(thumbprints.iter().map(|text| text.to_lowercase()).collect()),
            };
            Ok(Some(Observed::new(id.clone(), tags, spec, Outputs { arn: id, issuer })))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.iam.create_open_id_connect_provider().url(format!("https://{}", issuer(&self.url)));
        let call = call.set_client_id_list(Some(self.client_ids.iter().cloned().collect()));
        let call = call.set_thumbprint_list(self.thumbprints.as_ref().map(|set| set.iter().cloned().collect()));
        let reply = call.set_tags(Some(services::iam::to_tags(&cx.call.tags))).send().await?;
        reply.open_id_connect_provider_arn.map(Created::Id).ok_or_else(|| Error::missing_field("OpenIDConnectProviderArn"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: OidcProviderChanges) -> Result<()> {
        let (iam, id, before) = (&cx.iam, live.id.as_str(), &live.spec);
        if changes.client_ids {
            for client in self.client_ids.difference(&before.client_ids) {
                iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(id).client_id(client).send().await?;
            }
            for client in before.client_ids.difference(&self.client_ids) {
                iam.remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(id).client_id(client).send().await?;
            }
        }
        if let Some(thumbprints) = self.thumbprints.as_ref().filter(|_| changes.thumbprints) {
            let list = Some(thumbprints.iter().cloned().collect());
            iam.update_open_id_connect_provider_thumbprint().open_id_connect_provider_arn(id).set_thumbprint_list(list).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.iam.delete_open_id_connect_provider().open_id_connect_provider_arn(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
        if !change.set.is_empty() {
            let call = aws.iam.tag_open_id_connect_provider().open_id_connect_provider_arn(change.arn);
            call.set_tags(Some(services::iam::to_tags(&change.set))).send().await?;
        }
        if !change.remove.is_empty() {
            let call = aws.iam.untag_open_id_connect_provider().open_id_connect_provider_arn(change.arn);
            call.set_tag_keys(Some(change.remove.clone())).send().await?;
        }
        Ok(())
    }

    /// AWS reports the URL without `https://`, and compares URLs without regard to case.
    fn normalize(&self, live: &mut Self) {
        if issuer(&self.url).eq_ignore_ascii_case(issuer(&live.url)) {
            live.url = self.url.clone();
        }
    }
}

fn issuer(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lowercases_fingerprints() -> serde_json::Result<()> {
        let written = json!(["9E99A48A9960B14926BB7F3B02E22DA2B0AB7280", "${x.y.z}"]);
        let provider: OidcProvider = serde_json::from_value(json!({ "url": "https://example.com", "thumbprints": written }))?;
        let expected = ["${x.y.z}", "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"].map(str::to_owned);
        assert_eq!(provider.thumbprints, Some(BTreeSet::from(expected)));
        Ok(())
    }
}
