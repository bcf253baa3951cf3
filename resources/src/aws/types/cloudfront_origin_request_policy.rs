//! `cloudfront_origin_request_policy`: parts of requests that CloudFront sends to an origin besides the cache key.

use std::collections::BTreeSet;

use aws_sdk_cloudfront::{
    operation::get_origin_request_policy::GetOriginRequestPolicyOutput,
    types::{
        OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior, OriginRequestPolicyCookiesConfig, OriginRequestPolicyHeaderBehavior,
        OriginRequestPolicyHeadersConfig, OriginRequestPolicyQueryStringBehavior, OriginRequestPolicyQueryStringsConfig,
        OriginRequestPolicyType,
    },
};

use super::{
    cloudfront_cache_policy::{MAX_COMMENT, NameSelection, adopt_spelling, cookie_names, header_names, query_string_names},
    prelude::*,
};
use crate::{
    aws::services::cloudfront::{mark_problem, marked, ownership, partition_problem, split_mark},
    core::{TagChange, Tags},
};

/// An origin request policy of CloudFront: the parts of requests that it sends to an origin besides the cache key.
#[spec]
pub struct CloudfrontOriginRequestPolicy {
    /// Name, unique in the account.
    #[field(name(max = 128), pattern = "[A-Za-z0-9_-]+")]
    pub name: Option<String>,
    /// Comment. acme adds a mark of its ownership, because AWS stores no tags for policies.
    #[field(default, length = 0..=128)]
    pub comment: String,
    /// Headers.
    #[field(default, important)]
    pub headers: HeaderSelection,
    /// Cookies.
    #[field(default, important)]
    pub cookies: NameSelection,
    /// Query strings.
    #[field(default, important)]
    pub query_strings: NameSelection,
}

/// Headers that CloudFront sends to an origin.
#[spec]
#[derive(Default, PartialEq)]
pub enum HeaderSelection {
    /// None.
    #[default]
    None,
    /// All of the viewer's.
    AllViewer,
    /// All of the viewer's, and these of CloudFront, such as `CloudFront-Viewer-Country`.
    AllViewerAnd(BTreeSet<String>),
    /// Those with these names.
    Only(BTreeSet<String>),
    /// All of the viewer's but those with these names.
    Except(BTreeSet<String>),
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for CloudfrontOriginRequestPolicy {
    const TYPE: TypeInfo = TypeInfo::new("cloudfront_origin_request_policy", &services::cloudfront::SERVICE, "{uuid}", "")
        .without_charge("settings of distributions cost nothing")
        .global()
        .ownership_beside()
        .listed_with(&["cloudfront_distribution"])
        .without_token()
        .quota(20, "TooManyOriginRequestPolicies")
        .not_found("NoSuchOriginRequestPolicy")
        .already_exists("OriginRequestPolicyAlreadyExists")
        .in_use("OriginRequestPolicyInUse")
        .iam_actions(
            IamActions::new("cloudfront:origin-request-policy/*")
                .list(&["cloudfront:ListOriginRequestPolicies"])
                .read(&["cloudfront:GetOriginRequestPolicy"])
                .change(&["cloudfront:DeleteOriginRequestPolicy", "cloudfront:UpdateOriginRequestPolicy"])
                .grants(&[IamGrant::change(&["cloudfront:CreateOriginRequestPolicy"], GrantTarget::AllResources)]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// The list has everything but the version.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let call = aws.cloudfront.list_origin_request_policies().r#type(OriginRequestPolicyType::Custom);
            let Some(list) = call.set_marker(marker).send().await?.origin_request_policy_list else { break };
            for policy in list.items.unwrap_or_default().into_iter().filter_map(|item| item.origin_request_policy) {
                let config = policy.origin_request_policy_config.ok_or_else(|| Error::missing_field("OriginRequestPolicyConfig"))?;
                let (comment, tags) = split_mark(config.comment.as_deref().unwrap_or_default(), Self::TYPE.name);
                if scope.covers(&config.name, &policy.id) || scope.owns(&tags) {
                    found.push(Observed::new(policy.id, tags, Self::read(config, comment), Outputs {}));
                }
            }
            marker = list.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let config = self.config(&ownership(cx.call))?;
        let reply = cx.cloudfront.create_origin_request_policy().origin_request_policy_config(config).send().await?;
        Ok(reply.origin_request_policy.ok_or_else(|| Error::missing_field("OriginRequestPolicy"))?.id.into())
    }

    /// UpdateOriginRequestPolicy replaces the whole policy, all of which is in the spec.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: CloudfrontOriginRequestPolicyChanges) -> Result<()> {
        put(cx, &live.id, get(cx, &live.id).await?.e_tag, self.config(&ownership(cx.call))?).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let version = get(cx, &live.id).await?.e_tag;
        Deletion::requested(cx.cloudfront.delete_origin_request_policy().id(&live.id).set_if_match(version).send().await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        let reply = get(aws, change.id).await?;
        let config = reply.origin_request_policy.and_then(|policy| policy.origin_request_policy_config);
        let mut config = config.ok_or_else(|| Error::missing_field("OriginRequestPolicyConfig"))?;
        let (comment, _) = split_mark(config.comment.as_deref().unwrap_or_default(), Self::TYPE.name);
        config.comment = Some(marked(&comment, change.after));
        put(aws, change.id, reply.e_tag, config).await
    }

    fn check(&self) -> Vec<Problem> {
        let headers = self.headers.names().filter(|names| names.is_empty()).map(|_| "needs at least one name");
        [
            (Self::POINTERS.headers, headers),
            (Self::POINTERS.cookies, self.cookies.problem()),
            (Self::POINTERS.query_strings, self.query_strings.problem()),
        ]
        .into_iter()
        .filter_map(|(pointer, message)| message.map(|message| Problem::new(pointer, message)))
        .collect()
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let mark = mark_problem(declared, Self::POINTERS.comment, &spec.comment, MAX_COMMENT);
        mark.into_iter().chain(partition_problem(declared.region())).collect()
    }

    fn normalize(&self, live: &mut Self) {
        match (&self.headers, &mut live.headers) {
            (HeaderSelection::AllViewerAnd(wanted), HeaderSelection::AllViewerAnd(live))
            | (HeaderSelection::Only(wanted), HeaderSelection::Only(live))
            | (HeaderSelection::Except(wanted), HeaderSelection::Except(live)) => adopt_spelling(wanted, live),
            _ => {}
        }
    }
}

impl HeaderSelection {
    fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            HeaderSelection::None | HeaderSelection::AllViewer => None,
            HeaderSelection::AllViewerAnd(names) | HeaderSelection::Only(names) | HeaderSelection::Except(names) => Some(names),
        }
    }

    fn to_sdk(&self) -> Result<OriginRequestPolicyHeadersConfig> {
        let behavior = match self {
            HeaderSelection::None => OriginRequestPolicyHeaderBehavior::None,
            HeaderSelection::AllViewer => OriginRequestPolicyHeaderBehavior::AllViewer,
            HeaderSelection::AllViewerAnd(_) => OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront,
            HeaderSelection::Only(_) => OriginRequestPolicyHeaderBehavior::Whitelist,
            HeaderSelection::Except(_) => OriginRequestPolicyHeaderBehavior::AllExcept,
        };
        let config = OriginRequestPolicyHeadersConfig::builder().header_behavior(behavior);
        Ok(config.set_headers(self.names().map(header_names).transpose()?).build()?)
    }

    fn read(config: &OriginRequestPolicyHeadersConfig) -> HeaderSelection {
        let names = || config.headers.iter().flat_map(|names| names.items()).cloned().collect();
        match config.header_behavior {
            OriginRequestPolicyHeaderBehavior::AllViewer => HeaderSelection::AllViewer,
            OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront => HeaderSelection::AllViewerAnd(names()),
            OriginRequestPolicyHeaderBehavior::Whitelist => HeaderSelection::Only(names()),
            OriginRequestPolicyHeaderBehavior::AllExcept => HeaderSelection::Except(names()),
            _ => HeaderSelection::None,
        }
    }
}

impl CloudfrontOriginRequestPolicy {
    fn config(&self, tags: &Tags) -> Result<OriginRequestPolicyConfig> {
        let behavior = OriginRequestPolicyCookieBehavior::from(self.cookies.behavior());
        let cookies = OriginRequestPolicyCookiesConfig::builder().cookie_behavior(behavior);
        let cookies = cookies.set_cookies(self.cookies.names().map(cookie_names).transpose()?);
        let behavior = OriginRequestPolicyQueryStringBehavior::from(self.query_strings.behavior());
        let strings = OriginRequestPolicyQueryStringsConfig::builder().query_string_behavior(behavior);
        let strings = strings.set_query_strings(self.query_strings.names().map(query_string_names).transpose()?);
        let config = OriginRequestPolicyConfig::builder().name(self.name.clone().unwrap_or_default());
        let config = config.comment(marked(&self.comment, tags)).headers_config(self.headers.to_sdk()?);
        Ok(config.cookies_config(cookies.build()?).query_strings_config(strings.build()?).build()?)
    }

    fn read(config: OriginRequestPolicyConfig, comment: String) -> CloudfrontOriginRequestPolicy {
        let cookies = |cookies: OriginRequestPolicyCookiesConfig| {
            NameSelection::read(cookies.cookie_behavior.as_str(), cookies.cookies.as_ref().map(|names| names.items()))
        };
        let strings = |strings: OriginRequestPolicyQueryStringsConfig| {
            NameSelection::read(strings.query_string_behavior.as_str(), strings.query_strings.as_ref().map(|names| names.items()))
        };
        CloudfrontOriginRequestPolicy {
            name: Some(config.name),
            comment,
            headers: config.headers_config.as_ref().map(HeaderSelection::read).unwrap_or_default(),
            cookies: config.cookies_config.map(cookies).unwrap_or_default(),
            query_strings: config.query_strings_config.map(strings).unwrap_or_default(),
        }
    }
}

async fn get(aws: &Aws, id: &str) -> Result<GetOriginRequestPolicyOutput> {
    Ok(aws.cloudfront.get_origin_request_policy().id(id).send().await?)
}

async fn put(aws: &Aws, id: &str, version: Option<String>, config: OriginRequestPolicyConfig) -> Result<()> {
    aws.cloudfront.update_origin_request_policy().id(id).set_if_match(version).origin_request_policy_config(config).send().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selections_round_trip_through_the_sdk() {
        for (headers, names) in [
            (json!("none"), json!("all")),
            (json!("all_viewer"), json!("none")),
            (json!({ "all_viewer_and": ["CloudFront-Viewer-Country"] }), json!({ "only": ["a", "b"] })),
            (json!({ "only": ["Origin"] }), json!({ "except": ["c"] })),
            (json!({ "except": ["Host"] }), json!("all")),
        ] {
            let spec = json!({ "name": "api", "comment": "", "headers": headers, "cookies": names, "query_strings": names });
            let policy: CloudfrontOriginRequestPolicy = serde_json::from_value(spec.clone()).expect("a policy");
            let read = CloudfrontOriginRequestPolicy::read(policy.config(&Tags::new()).expect("complete"), String::new());
            assert_eq!(serde_json::to_value(read).ok(), Some(spec));
        }
    }
}
