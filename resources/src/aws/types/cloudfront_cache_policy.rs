//! `cloudfront_cache_policy`: the cache key of CloudFront, and the time for which it keeps objects.

mod names;

use std::collections::BTreeSet;

use aws_sdk_cloudfront::{
    operation::get_cache_policy::GetCachePolicyOutput,
    types::{
        CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyCookiesConfig, CachePolicyHeaderBehavior, CachePolicyHeadersConfig,
        CachePolicyQueryStringBehavior, CachePolicyQueryStringsConfig, CachePolicyType, ParametersInCacheKeyAndForwardedToOrigin,
    },
};

use super::prelude::*;
use crate::{
    aws::services::cloudfront::{mark_problem, marked, ownership, partition_problem, split_mark},
    core::{TagChange, Tags},
};

pub use names::NameSelection;
pub(super) use names::{adopt_spelling, cookie_names, header_names, quantity, query_string_names};

/// Longest comment of a policy: <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CachePolicyConfig.html>.
pub(super) const MAX_COMMENT: usize = 128;

/// A cache policy of CloudFront: the parts of a request that distinguish cached objects, and the time in the cache.
///
/// CloudFront also sends the parts of the cache key to the origin.
#[spec]
pub struct CloudfrontCachePolicy {
    /// Name, unique in the account.
    #[field(name(max = 128), pattern = "[A-Za-z0-9_-]+")]
    pub name: Option<String>,
    /// Comment. acme adds a mark of its ownership, because AWS stores no tags for policies.
    #[field(default, length = 0..=128)]
    pub comment: String,
    /// Shortest time in the cache, in seconds.
    #[field(default = 1, range = 0..=3_153_600_000_i64, important)]
    pub min_ttl_seconds: i64,
    /// Time in the cache of objects for which the origin states none, in seconds.
    #[field(default = 86_400, range = 0..=3_153_600_000_i64, important)]
    pub default_ttl_seconds: i64,
    /// Longest time in the cache, in seconds.
    #[field(default = 31_536_000, range = 0..=3_153_600_000_i64)]
    pub max_ttl_seconds: i64,
    /// Keeps objects that are compressed with gzip.
    #[field(default = true)]
    pub gzip: bool,
    /// Keeps objects that are compressed with Brotli.
    #[field(default = true)]
    pub brotli: bool,
    /// Headers in the cache key.
    #[field(default, length = 0..=50, pattern = "[A-Za-z0-9!#$%&'*+.^_`|~-]+", important)]
    pub headers: BTreeSet<String>,
    /// Cookies in the cache key.
    #[field(default, important)]
    pub cookies: NameSelection,
    /// Query strings in the cache key.
    #[field(default, important)]
    pub query_strings: NameSelection,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for CloudfrontCachePolicy {
    const TYPE: TypeInfo = TypeInfo::new("cloudfront_cache_policy", &services::cloudfront::SERVICE, "{uuid}", "")
        .without_charge("settings of distributions cost nothing")
        .global()
        .ownership_beside()
        .listed_with(&["cloudfront_distribution"])
        .without_token()
        .quota(20, "TooManyCachePolicies")
        .not_found("NoSuchCachePolicy")
        .already_exists("CachePolicyAlreadyExists")
        .in_use("CachePolicyInUse")
        .iam_actions(
            IamActions::new("cloudfront:cache-policy/*")
                .list(&["cloudfront:ListCachePolicies"])
                .read(&["cloudfront:GetCachePolicy"])
                .change(&["cloudfront:DeleteCachePolicy", "cloudfront:UpdateCachePolicy"])
                .grants(&[IamGrant::change(&["cloudfront:CreateCachePolicy"], GrantTarget::AllResources)]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// The list has everything but the version.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let page = aws.cloudfront.list_cache_policies().r#type(CachePolicyType::Custom).set_marker(marker).send().await?;
            let Some(list) = page.cache_policy_list else { break };
            for policy in list.items.unwrap_or_default().into_iter().filter_map(|item| item.cache_policy) {
                let config = policy.cache_policy_config.ok_or_else(|| Error::missing_field("CachePolicyConfig"))?;
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
        let reply = cx.cloudfront.create_cache_policy().cache_policy_config(self.config(&ownership(cx.call))?).send().await?;
        Ok(reply.cache_policy.ok_or_else(|| Error::missing_field("CachePolicy"))?.id.into())
    }

    /// UpdateCachePolicy replaces the whole policy, all of which is in the spec.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: CloudfrontCachePolicyChanges) -> Result<()> {
        put(cx, &live.id, get(cx, &live.id).await?.e_tag, self.config(&ownership(cx.call))?).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let version = get(cx, &live.id).await?.e_tag;
        Deletion::requested(cx.cloudfront.delete_cache_policy().id(&live.id).set_if_match(version).send().await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        let reply = get(aws, change.id).await?;
        let config = reply.cache_policy.and_then(|policy| policy.cache_policy_config);
        let mut config = config.ok_or_else(|| Error::missing_field("CachePolicyConfig"))?;
        let (comment, _) = split_mark(config.comment.as_deref().unwrap_or_default(), Self::TYPE.name);
        config.comment = Some(marked(&comment, change.after));
        put(aws, change.id, reply.e_tag, config).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(self.min_ttl_seconds..=self.max_ttl_seconds).contains(&self.default_ttl_seconds) {
            let message = "must be between `min_ttl_seconds` and `max_ttl_seconds`";
            problems.push(Problem::new(Self::POINTERS.default_ttl_seconds, message));
        }
        if self.max_ttl_seconds == 0 && self.has_key() {
            let message = "without a time in the cache, headers, cookies, query strings and compression can't be in the cache key";
            let help = "set `gzip: false` and `brotli: false`, and leave out the others";
            problems.push(Problem::new(Self::POINTERS.max_ttl_seconds, message).help(help));
        }
        problems.extend(
            [(Self::POINTERS.cookies, &self.cookies), (Self::POINTERS.query_strings, &self.query_strings)]
                .into_iter()
                .filter_map(|(pointer, names)| names.problem().map(|message| Problem::new(pointer, message))),
        );
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let mark = mark_problem(declared, Self::POINTERS.comment, &spec.comment, MAX_COMMENT);
        mark.into_iter().chain(partition_problem(declared.region())).collect()
    }

    fn normalize(&self, live: &mut Self) {
        adopt_spelling(&self.headers, &mut live.headers);
    }
}

impl CloudfrontCachePolicy {
    /// Whether requests for one path can have several objects in the cache.
    fn has_key(&self) -> bool {
        let selects = |names: &NameSelection| *names != NameSelection::None;
        self.gzip || self.brotli || !self.headers.is_empty() || selects(&self.cookies) || selects(&self.query_strings)
    }

    fn config(&self, tags: &Tags) -> Result<CachePolicyConfig> {
        let headers = CachePolicyHeadersConfig::builder();
        let headers = match self.headers.is_empty() {
            true => headers.header_behavior(CachePolicyHeaderBehavior::None),
            false => headers.header_behavior(CachePolicyHeaderBehavior::Whitelist).headers(header_names(&self.headers)?),
        };
        let cookies = CachePolicyCookiesConfig::builder().cookie_behavior(CachePolicyCookieBehavior::from(self.cookies.behavior()));
        let cookies = cookies.set_cookies(self.cookies.names().map(cookie_names).transpose()?);
        let behavior = CachePolicyQueryStringBehavior::from(self.query_strings.behavior());
        let strings = CachePolicyQueryStringsConfig::builder().query_string_behavior(behavior);
        let strings = strings.set_query_strings(self.query_strings.names().map(query_string_names).transpose()?);
        let key = ParametersInCacheKeyAndForwardedToOrigin::builder().enable_accept_encoding_gzip(self.gzip);
        let key = key.enable_accept_encoding_brotli(self.brotli).headers_config(headers.build()?);
        let key = key.cookies_config(cookies.build()?).query_strings_config(strings.build()?);
        let config = CachePolicyConfig::builder().name(self.name.clone().unwrap_or_default()).comment(marked(&self.comment, tags));
        let config = config.min_ttl(self.min_ttl_seconds).default_ttl(self.default_ttl_seconds).max_ttl(self.max_ttl_seconds);
        Ok(config.parameters_in_cache_key_and_forwarded_to_origin(key.build()?).build()?)
    }

    fn read(config: CachePolicyConfig, comment: String) -> CloudfrontCachePolicy {
        let key = config.parameters_in_cache_key_and_forwarded_to_origin;
        let headers = key.as_ref().and_then(|key| key.headers_config.as_ref()?.headers.as_ref()).map(|names| names.items().to_vec());
        let cookies = key.as_ref().and_then(|key| key.cookies_config.as_ref());
        let strings = key.as_ref().and_then(|key| key.query_strings_config.as_ref());
        CloudfrontCachePolicy {
            name: Some(config.name),
            comment,
            min_ttl_seconds: config.min_ttl,
            default_ttl_seconds: config.default_ttl.unwrap_or(86_400),
            max_ttl_seconds: config.max_ttl.unwrap_or(31_536_000),
            gzip: key.as_ref().is_some_and(|key| key.enable_accept_encoding_gzip),
            brotli: key.as_ref().is_some_and(|key| key.enable_accept_encoding_brotli == Some(true)),
            headers: headers.unwrap_or_default().into_iter().collect(),
            cookies: cookies.map_or(NameSelection::None, |cookies| {
                NameSelection::read(cookies.cookie_behavior.as_str(), cookies.cookies.as_ref().map(|names| names.items()))
            }),
            query_strings: strings.map_or(NameSelection::None, |strings| {
                NameSelection::read(strings.query_string_behavior.as_str(), strings.query_strings.as_ref().map(|names| names.items()))
            }),
        }
    }
}

async fn get(aws: &Aws, id: &str) -> Result<GetCachePolicyOutput> {
    Ok(aws.cloudfront.get_cache_policy().id(id).send().await?)
}

async fn put(aws: &Aws, id: &str, version: Option<String>, config: CachePolicyConfig) -> Result<()> {
    aws.cloudfront.update_cache_policy().id(id).set_if_match(version).cache_policy_config(config).send().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(spec: serde_json::Value) -> CloudfrontCachePolicy {
        serde_json::from_value(spec).expect("a policy")
    }

    #[test]
    fn a_policy_round_trips_through_the_sdk() {
        let spec = policy(serde_json::json!({
            "name": "assets", "comment": "Images", "min_ttl_seconds": 0, "headers": ["Accept"], "brotli": false,
            "cookies": { "except": ["session"] }, "query_strings": { "only": ["v", "width"] },
        }));
        let config = spec.config(&Tags::new()).expect("complete");
        let read = CloudfrontCachePolicy::read(config, "Images".to_owned());
        assert_eq!(serde_json::to_value(read).ok(), serde_json::to_value(spec).ok());
    }

    #[test]
    fn a_policy_without_caching_has_no_cache_key() {
        let off =
            |more: &str| policy(serde_json::json!({ "min_ttl_seconds": 0, "default_ttl_seconds": 0, "max_ttl_seconds": 0, more: false }));
        assert_eq!(off("gzip").check().len(), 1);
        let mut off = off("gzip");
        off.brotli = false;
        assert!(off.check().is_empty());
        off.cookies = NameSelection::All;
        assert_eq!(off.check().len(), 1);
        assert_eq!(policy(serde_json::json!({ "max_ttl_seconds": 60 })).check().len(), 1);
    }
}
