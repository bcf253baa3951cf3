//! Policies that AWS provides, with the same ids in all accounts.
//!
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html>,
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html>,
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html>

use acme_macros::spec;

/// Declares an enum of policies with their names and ids.
macro_rules! managed_policies {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal, $id:literal;)* }) => {
        $(#[$doc])*
        #[spec]
        #[derive(Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            const ALL: &[$name] = &[$($name::$variant),*];

            /// Id of the policy.
            pub fn id(self) -> &'static str {
                match self { $($name::$variant => $id,)* }
            }
            /// The policy with this id.
            pub fn with_id(id: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|policy| policy.id() == id)
            }
        }
    };
}

managed_policies! {
    /// Cache policies that AWS provides.
    ManagedCachePolicy {
        /// For Amplify.
        Amplify = "Amplify", "2e54312d-136d-493c-8eb9-b001f22f67d2";
        /// Nothing is cached.
        CachingDisabled = "CachingDisabled", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
        /// The path and the compression alone are the cache key.
        CachingOptimized = "CachingOptimized", "658327ea-f89d-4fab-a63d-7e88639e58f6";
        /// The path alone is the cache key.
        CachingOptimizedForUncompressedObjects = "CachingOptimizedForUncompressedObjects", "b2884449-e4de-46a7-ac36-70bc7f1ddd6d";
        /// For MediaPackage.
        ElementalMediaPackage = "Elemental-MediaPackage", "08627262-05a9-4f76-9ded-b50ca2e3a84f";
        /// The origin decides by the header `Cache-Control`.
        UseOriginCacheControlHeaders = "UseOriginCacheControlHeaders", "83da9c7e-98b4-4e11-a168-04f0df8e2c65";
        /// As the one before, with query strings in the cache key.
        UseOriginCacheControlHeadersQueryStrings = "UseOriginCacheControlHeaders-QueryStrings", "4cc15a8a-d715-48a4-82b8-cc0b614638fe";
    }
}

managed_policies! {
    /// Origin request policies that AWS provides.
    ManagedOriginRequestPolicy {
        /// All headers, cookies and query strings of the viewer.
        AllViewer = "AllViewer", "216adef6-5c7f-47e4-b989-5492eafa07d3";
        /// As `AllViewer`, and headers of CloudFront.
        AllViewerAndCloudFrontHeaders = "AllViewerAndCloudFrontHeaders-2022-06", "33f36d7e-f396-46d9-90e0-52428a34d9dc";
        /// As `AllViewer`, without the header `Host`: for API Gateway and function URLs.
        AllViewerExceptHostHeader = "AllViewerExceptHostHeader", "b689b0a8-53d0-40ab-baf2-68738e2966ac";
        /// Headers for requests from other origins, for custom origins.
        CorsCustomOrigin = "CORS-CustomOrigin", "59781a5b-3903-41f3-afcb-af62929ccde1";
        /// Headers for requests from other origins, for buckets.
        CorsS3Origin = "CORS-S3Origin", "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf";
        /// For MediaTailor.
        ElementalMediaTailor = "Elemental-MediaTailor-PersonalizedManifests", "775133bc-15f2-49f9-abea-afb2e0bf67d2";
        /// The header `Host`.
        HostHeaderOnly = "HostHeaderOnly", "bf0718e1-ba1e-49d1-88b1-f726733018ae";
        /// The headers `User-Agent` and `Referer`.
        UserAgentRefererHeaders = "UserAgentRefererHeaders", "acba4595-bd28-49b8-b9fe-13317c0390fa";
    }
}

managed_policies! {
    /// Response headers policies that AWS provides.
    ManagedHeadersPolicy {
        /// Headers for simple requests from other origins, and for security.
        CorsAndSecurity = "CORS-and-SecurityHeadersPolicy", "e61eb60c-9c35-4d20-a928-2b84e02af89c";
        /// Headers for all requests from other origins.
        CorsWithPreflight = "CORS-With-Preflight", "5cc3b908-e619-4b99-88e5-2cf7f45965bd";
        /// Headers for all requests from other origins, and for security.
        CorsWithPreflightAndSecurity = "CORS-with-preflight-and-SecurityHeadersPolicy", "eaab4381-ed33-4a86-88ca-d9558dc6cd63";
        /// Headers for security.
        Security = "SecurityHeadersPolicy", "67f7725c-6f97-4210-82d7-5512b31e9d03";
        /// Headers for simple requests from other origins.
        SimpleCors = "SimpleCORS", "60669652-455b-4ae9-85a4-c4c02393f86c";
    }
}
