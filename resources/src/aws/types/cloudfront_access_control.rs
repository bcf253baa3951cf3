//! `cloudfront_access_control`: an origin access control of CloudFront, with which distributions sign their requests to an origin.

use aws_sdk_cloudfront::{
    operation::get_origin_access_control::GetOriginAccessControlOutput,
    types::{
        OriginAccessControlConfig, OriginAccessControlOriginTypes, OriginAccessControlSigningBehaviors, OriginAccessControlSigningProtocols,
    },
};

use super::prelude::*;
use crate::{
    aws::{
        from_aws,
        services::cloudfront::{mark_problem, marked, ownership, partition_problem, split_mark},
        to_aws,
    },
    core::{TagChange, Tags},
};

/// Longest description: <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_OriginAccessControlConfig.html>.
const MAX_DESCRIPTION: usize = 256;

/// An origin access control of CloudFront: distributions sign their requests to an origin, which admits only them.
///
/// A bucket admits a distribution by a policy for the principal `cloudfront.amazonaws.com` with the condition `AWS:SourceArn`.
#[spec]
pub struct CloudfrontAccessControl {
    /// Name, unique in the account.
    #[field(name(max = 64), length = 1..=64)]
    pub name: Option<String>,
    /// Kind of origin.
    #[field(default, important)]
    pub origin_type: AccessControlledOrigin,
    /// Requests that are signed.
    #[field(default, important, risky(Signing::Never, "requests are not signed, so only a public origin accepts them"))]
    pub signing: Signing,
    /// Description. acme adds a mark of its ownership, because AWS stores no tags for access controls.
    #[field(default, length = 0..=256)]
    pub description: String,
}

/// Kind of origin with an access control.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum AccessControlledOrigin {
    /// A bucket.
    #[default]
    S3,
    /// A function URL of Lambda.
    Lambda,
    /// A container of MediaStore.
    MediaStore,
    /// A channel group of MediaPackage, version 2.
    MediaPackageV2,
}

/// Requests that CloudFront signs.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Signing {
    /// All.
    #[default]
    Always,
    /// None.
    Never,
    /// Those without a header `Authorization` from the viewer.
    NoOverride,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for CloudfrontAccessControl {
    const TYPE: TypeInfo = TypeInfo::new("cloudfront_access_control", &services::cloudfront::SERVICE, "E{upper14}", "")
        .without_charge("settings of distributions cost nothing")
        .global()
        .ownership_beside()
        .listed_with(&["cloudfront_distribution"])
        .without_token()
        .quota(100, "TooManyOriginAccessControls")
        .not_found("NoSuchOriginAccessControl")
        .already_exists("OriginAccessControlAlreadyExists")
        .in_use("OriginAccessControlInUse")
        .iam_actions(
            IamActions::new("cloudfront:origin-access-control/*")
                .list(&["cloudfront:ListOriginAccessControls"])
                .read(&["cloudfront:GetOriginAccessControl"])
                .change(&["cloudfront:DeleteOriginAccessControl", "cloudfront:UpdateOriginAccessControl"])
                .grants(&[IamGrant::change(&["cloudfront:CreateOriginAccessControl"], GrantTarget::AllResources)]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// The list has everything but the version.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut pages = aws.cloudfront.list_origin_access_controls().into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page?.origin_access_control_list.and_then(|list| list.items).unwrap_or_default() {
                let (description, tags) = split_mark(&item.description, Self::TYPE.name);
                if !scope.covers(&item.name, &item.id) && !scope.owns(&tags) {
                    continue;
                }
                let spec = CloudfrontAccessControl {
                    name: Some(item.name),
                    origin_type: from_aws(item.origin_access_control_origin_type.as_str())?,
                    signing: from_aws(item.signing_behavior.as_str())?,
                    description,
                };
                found.push(Observed::new(item.id, tags, spec, Outputs {}));
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let config = self.config(&ownership(cx.call))?;
        let reply = cx.cloudfront.create_origin_access_control().origin_access_control_config(config).send().await?;
        Ok(reply.origin_access_control.ok_or_else(|| Error::missing_field("OriginAccessControl"))?.id.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: CloudfrontAccessControlChanges) -> Result<()> {
        put(cx, &live.id, get(cx, &live.id).await?.e_tag, self.config(&ownership(cx.call))?).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let version = get(cx, &live.id).await?.e_tag;
        Deletion::requested(cx.cloudfront.delete_origin_access_control().id(&live.id).set_if_match(version).send().await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        let reply = get(aws, change.id).await?;
        let config = reply.origin_access_control.and_then(|control| control.origin_access_control_config);
        let mut config = config.ok_or_else(|| Error::missing_field("OriginAccessControlConfig"))?;
        let (description, _) = split_mark(config.description.as_deref().unwrap_or_default(), Self::TYPE.name);
        config.description = Some(marked(&description, change.after));
        put(aws, change.id, reply.e_tag, config).await
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let mark = mark_problem(declared, Self::POINTERS.description, &spec.description, MAX_DESCRIPTION);
        mark.into_iter().chain(partition_problem(declared.region())).collect()
    }
}

impl CloudfrontAccessControl {
    fn config(&self, tags: &Tags) -> Result<OriginAccessControlConfig> {
        let config = OriginAccessControlConfig::builder().name(self.name.clone().unwrap_or_default());
        let config = config.description(marked(&self.description, tags)).signing_protocol(OriginAccessControlSigningProtocols::Sigv4);
        let config = config.signing_behavior(OriginAccessControlSigningBehaviors::from(to_aws(&self.signing).as_str()));
        let origin = OriginAccessControlOriginTypes::from(to_aws(&self.origin_type).as_str());
        Ok(config.origin_access_control_origin_type(origin).build()?)
    }
}

async fn get(aws: &Aws, id: &str) -> Result<GetOriginAccessControlOutput> {
    Ok(aws.cloudfront.get_origin_access_control().id(id).send().await?)
}

async fn put(aws: &Aws, id: &str, version: Option<String>, config: OriginAccessControlConfig) -> Result<()> {
    let call = aws.cloudfront.update_origin_access_control().id(id).set_if_match(version);
    call.origin_access_control_config(config).send().await?;
    Ok(())
}
