//! Handling of requests.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;

use super::managed::{ManagedCachePolicy, ManagedHeadersPolicy, ManagedOriginRequestPolicy};
use crate::{
    aws::types::{
        cloudfront_cache_policy::CloudfrontCachePolicy, cloudfront_function::CloudfrontFunction,
        cloudfront_headers_policy::CloudfrontHeadersPolicy, cloudfront_origin_request_policy::CloudfrontOriginRequestPolicy,
    },
    core::{ArnRef, Ref},
};

/// Handling of requests.
#[spec]
pub struct Behavior {
    /// Pattern of the paths, such as `/images/*`, in which `*` stands for any characters and `?` for one. The default behavior has none.
    #[field(default, length = 0..=255, pattern = r#"[A-Za-z0-9_.*$/~"'@:+&?-]*"#)]
    pub path: String,
    /// Id of the origin or origin group.
    #[field(length = 1..=128, important)]
    pub origin: String,
    /// Protocols of viewers.
    #[field(default, important, risky(ViewerProtocol::AllowAll, "viewers can use HTTP"))]
    pub viewer_protocol: ViewerProtocol,
    /// Methods of requests.
    #[field(default, important)]
    pub methods: Methods,
    /// Caches responses to OPTIONS requests, too.
    #[field(default = false)]
    pub cache_options: bool,
    /// Compresses responses for viewers that accept it.
    #[field(default = true)]
    pub compress: bool,
    /// Cache key, and time in the cache.
    #[field(default = CachePolicyChoice::Managed(ManagedCachePolicy::CachingOptimized), important)]
    pub cache_policy: CachePolicyChoice,
    /// Parts of requests that the origin receives besides the cache key.
    #[field(default, important)]
    pub origin_request_policy: OriginRequestPolicyChoice,
    /// Headers that are added to responses, and removed from them.
    #[field(default)]
    pub headers_policy: HeadersPolicyChoice,
    /// Functions that run for `viewer-request` and `viewer-response`.
    #[field(default, length = 0..=2)]
    pub functions: BTreeMap<String, ArnRef<CloudfrontFunction>>,
    /// Functions of Lambda@Edge that run for `viewer-request`, `viewer-response`, `origin-request` and `origin-response`.
    #[field(default, length = 0..=4)]
    pub lambda_functions: BTreeMap<String, EdgeLambda>,
    /// Ids of key groups: only requests with a URL or cookies that one of their keys signed are answered.
    #[field(default, length = 0..=4, pattern = "[A-Za-z0-9-]{1,64}", important)]
    pub trusted_key_groups: BTreeSet<String>,
    /// ARN of a configuration for logs in real time.
    #[field(default, length = 0..=2048, pattern = "|arn:.+")]
    pub realtime_log: String,
    /// Id of a configuration that encrypts fields of forms.
    #[field(default, length = 0..=128)]
    pub field_level_encryption: String,
    /// Delivers media for Microsoft Smooth Streaming.
    #[field(default = false)]
    pub smooth_streaming: bool,
    /// Passes gRPC requests on.
    #[field(default = false)]
    pub grpc: bool,
}

/// Protocols of viewers.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum ViewerProtocol {
    /// HTTP and HTTPS.
    AllowAll,
    /// HTTPS; requests with HTTP are refused.
    HttpsOnly,
    /// HTTPS; requests with HTTP are redirected.
    #[default]
    RedirectToHttps,
}

/// Methods of requests.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum Methods {
    /// GET and HEAD.
    #[default]
    Read,
    /// GET, HEAD and OPTIONS.
    ReadOptions,
    /// GET, HEAD, OPTIONS, PUT, PATCH, POST and DELETE.
    All,
}

/// Cache policy.
#[spec]
#[derive(PartialEq)]
pub enum CachePolicyChoice {
    /// One that AWS provides.
    Managed(ManagedCachePolicy),
    /// One of this account.
    Custom(Ref<CloudfrontCachePolicy>),
    /// The deprecated settings for which policies are the replacement. acme leaves them as they are, and creates no behavior with them.
    Legacy,
}

/// Origin request policy.
#[spec]
#[derive(Default, PartialEq)]
pub enum OriginRequestPolicyChoice {
    /// None.
    #[default]
    None,
    /// One that AWS provides.
    Managed(ManagedOriginRequestPolicy),
    /// One of this account.
    Custom(Ref<CloudfrontOriginRequestPolicy>),
}

/// Response headers policy.
#[spec]
#[derive(Default, PartialEq)]
pub enum HeadersPolicyChoice {
    /// None.
    #[default]
    None,
    /// One that AWS provides.
    Managed(ManagedHeadersPolicy),
    /// One of this account.
    Custom(Ref<CloudfrontHeadersPolicy>),
}

/// A function of Lambda@Edge.
#[spec]
pub struct EdgeLambda {
    /// ARN of a version of the function, in us-east-1.
    #[field(pattern = r"arn:aws[a-z-]*:lambda:us-east-1:[0-9]{12}:function:[A-Za-z0-9_-]+:[0-9]+")]
    pub version: String,
    /// Passes the body of the request on.
    #[field(default = false)]
    pub include_body: bool,
}

impl Methods {
    /// The methods.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Methods::Read => &["HEAD", "GET"],
            Methods::ReadOptions => &["HEAD", "GET", "OPTIONS"],
            Methods::All => &["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"],
        }
    }
    /// The set with this number of methods: CloudFront has only these three.
    pub(super) fn of_count(count: usize) -> Methods {
        match count {
            0..=2 => Methods::Read,
            3 => Methods::ReadOptions,
            _ => Methods::All,
        }
    }
}

impl CachePolicyChoice {
    /// Id of the policy, if there is one.
    pub fn id(&self) -> Option<&str> {
        match self {
            CachePolicyChoice::Managed(policy) => Some(policy.id()),
            CachePolicyChoice::Custom(policy) => Some(policy.get()),
            CachePolicyChoice::Legacy => None,
        }
    }
    pub(super) fn with_id(id: Option<&str>) -> CachePolicyChoice {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return CachePolicyChoice::Legacy };
        ManagedCachePolicy::with_id(id).map_or_else(|| CachePolicyChoice::Custom(Ref::to(id)), CachePolicyChoice::Managed)
    }
}

impl OriginRequestPolicyChoice {
    /// Id of the policy, if there is one.
    pub fn id(&self) -> Option<&str> {
        match self {
            OriginRequestPolicyChoice::None => None,
            OriginRequestPolicyChoice::Managed(policy) => Some(policy.id()),
            OriginRequestPolicyChoice::Custom(policy) => Some(policy.get()),
        }
    }
    pub(super) fn with_id(id: Option<&str>) -> OriginRequestPolicyChoice {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return OriginRequestPolicyChoice::None };
        let custom = || OriginRequestPolicyChoice::Custom(Ref::to(id));
        ManagedOriginRequestPolicy::with_id(id).map_or_else(custom, OriginRequestPolicyChoice::Managed)
    }
}

impl HeadersPolicyChoice {
    /// Id of the policy, if there is one.
    pub fn id(&self) -> Option<&str> {
        match self {
            HeadersPolicyChoice::None => None,
            HeadersPolicyChoice::Managed(policy) => Some(policy.id()),
            HeadersPolicyChoice::Custom(policy) => Some(policy.get()),
        }
    }
    pub(super) fn with_id(id: Option<&str>) -> HeadersPolicyChoice {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return HeadersPolicyChoice::None };
        ManagedHeadersPolicy::with_id(id).map_or_else(|| HeadersPolicyChoice::Custom(Ref::to(id)), HeadersPolicyChoice::Managed)
    }
}
