//! `oidc_provider`: makes IAM trust the tokens of an OpenID Connect issuer, such as an EKS cluster's.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Error, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Phase, Problem, Result, Retag,
        Scope, Service, ok_or_not_found,
    },
};

/// Makes IAM trust the tokens of an OpenID Connect issuer, such as an EKS cluster's. An account has at most one per issuer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// The issuer's URL, `https://…`, in the issuer's own spelling. Changing it replaces the provider.
    pub url: String,
    /// Audiences whose tokens are accepted. Default: `[sts.amazonaws.com]`.
    #[serde(default = "sts")]
    pub client_ids: BTreeSet<String>,
    /// SHA-1 fingerprints of the issuer's certificate, 40 hexadecimal digits each, at most 5. Default: AWS finds it.
    #[serde(default, deserialize_with = "lower")]
    pub thumbprints: Option<BTreeSet<String>>,
}

fn sts() -> BTreeSet<String> {
    BTreeSet::from(["sts.amazonaws.com".to_owned()])
}

fn lower<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeSet<String>>, D::Error> {
    let lowered = |text: String| if text.contains("${") { text } else { text.to_lowercase() };
    Ok(Option::<BTreeSet<String>>::deserialize(deserializer)?.map(|set| set.into_iter().map(lowered).collect()))
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The URL without `https://`: what condition keys of trust policies start with (`<issuer>:sub`).
    pub issuer: String,
}

impl Resource for OidcProvider {
    const TYPE: &'static str = "oidc_provider";
    const SERVICE: Service = Service::Iam;
    const ARN: Option<&'static str> = Some("iam:oidc-provider/");
    const REPLACE: &'static [&'static str] = &["/url"];
    const ACTIONS: Actions =
        Actions::on("iam:oidc-provider/*").list(&["iam:ListOpenIDConnectProviders"]).read(&["iam:GetOpenIDConnectProvider"]).change(&[
            "iam:AddClientIDToOpenIDConnectProvider",
            "iam:CreateOpenIDConnectProvider",
            "iam:DeleteOpenIDConnectProvider",
            "iam:RemoveClientIDFromOpenIDConnectProvider",
            "iam:TagOpenIDConnectProvider",
            "iam:UntagOpenIDConnectProvider",
            "iam:UpdateOpenIDConnectProviderThumbprint",
        ]);
    type Outputs = Outputs;

    /// The listing says nothing but ARNs and cannot be filtered, so each is read; an account has a handful.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let reply = aws.iam.list_open_id_connect_providers().send().await?;
        let arns = reply.open_id_connect_provider_list.unwrap_or_default().into_iter().filter_map(|provider| provider.arn);
        each(arns, |id| async move {
            let call = aws.iam.get_open_id_connect_provider().open_id_connect_provider_arn(&id);
            let Some(provider) = ok_or_not_found(call.send().await)? else { return Ok(None) };
            let tags = tags::from_iam(provider.tags());
            if !scope.owns(&tags) {
                return Ok(None);
            }
            let issuer = issuer(provider.url.as_deref().ok_or_else(|| Error::missing("Url"))?).to_owned();
            let thumbprints = provider.thumbprint_list.unwrap_or_default();
            Ok(Some(Observed {
                tags,
                phase: Phase::Ready,
                spec: OidcProvider {
                    url: format!("https://{issuer}"),
                    client_ids: provider.client_id_list.unwrap_or_default().into_iter().collect(),
                    thumbprints: Some(thumbprints.iter().map(|text| text.to_lowercase()).collect()),
                },
                outputs: Outputs { arn: id.clone(), issuer },
                id,
            }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.iam.create_open_id_connect_provider().url(format!("https://{}", issuer(&self.url)));
        let call = call.set_client_id_list(Some(self.client_ids.iter().cloned().collect()));
        let call = call.set_thumbprint_list(self.thumbprints.as_ref().map(|set| set.iter().cloned().collect()));
        let reply = call.set_tags(Some(tags::iam(cx.tags))).send().await?;
        reply.open_id_connect_provider_arn.ok_or_else(|| Error::missing("OpenIDConnectProviderArn"))
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let iam = &cx.aws.iam;
        if changed.has("/client_ids") {
            for client in self.client_ids.difference(&before.client_ids) {
                iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(id).client_id(client).send().await?;
            }
            for client in before.client_ids.difference(&self.client_ids) {
                iam.remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(id).client_id(client).send().await?;
            }
        }
        if let Some(thumbprints) = self.thumbprints.as_ref().filter(|_| changed.has("/thumbprints")) {
            let list = Some(thumbprints.iter().cloned().collect());
            iam.update_open_id_connect_provider_thumbprint().open_id_connect_provider_arn(id).set_thumbprint_list(list).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.iam.delete_open_id_connect_provider().open_id_connect_provider_arn(id).send().await?;
        Ok(())
    }

    async fn retag(aws: &Aws, change: &Retag<'_>) -> Result<()> {
        if !change.set.is_empty() {
            aws.iam
                .tag_open_id_connect_provider()
                .open_id_connect_provider_arn(change.arn)
                .set_tags(Some(tags::iam(&change.set)))
                .send()
                .await?;
        }
        if !change.remove.is_empty() {
            aws.iam
                .untag_open_id_connect_provider()
                .open_id_connect_provider_arn(change.arn)
                .set_tag_keys(Some(change.remove.clone()))
                .send()
                .await?;
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.url.starts_with("https://") && !self.url.contains("${") {
            problems.push(Problem::new("/url", "an issuer's URL starts with https://"));
        }
        if self.thumbprints.as_ref().is_some_and(BTreeSet::is_empty) {
            problems.push(Problem::new("/thumbprints", "an issuer has a fingerprint").help("leave `thumbprints` out, and AWS finds it"));
        }
        let thumbprints = self.thumbprints.iter().flatten();
        for (index, text) in thumbprints.enumerate().filter(|(_, text)| !text.contains("${")) {
            if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                problems
                    .push(Problem::new(format!("/thumbprints/{index}"), "a SHA-1 fingerprint has 40 hexadecimal digits, without colons"));
            }
        }
        problems
    }

    /// AWS answers the URL without `https://`, and takes two that differ in case only for the same.
    fn align(&self, live: &mut Self) {
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
    fn no_fingerprint_is_said_by_leaving_the_field_out() -> serde_json::Result<()> {
        for (thumbprints, problems) in [(json!(null), 0), (json!(["9E99A48A9960B14926BB7F3B02E22DA2B0AB7280"]), 0), (json!([]), 1)] {
            let provider: OidcProvider = serde_json::from_value(json!({ "url": "https://example.com", "thumbprints": thumbprints }))?;
            assert_eq!(provider.check().len(), problems, "{thumbprints}");
        }
        Ok(())
    }
}
