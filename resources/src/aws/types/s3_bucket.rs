//! `s3_bucket`: a store of objects.

mod cors;
mod encryption;
mod lifecycle;
mod name;
mod objects;
mod public_access;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_s3::types::{self as s3, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cors::CorsRule;
pub use encryption::{Algorithm, Encryption};
pub use lifecycle::{LifecycleRule, Transition};
pub use public_access::{PublicAccess, PublicAccessBlocks};

use crate::{
    aws::{Aws, Cx, for_each_concurrent, services, to_aws},
    core::{
        Created, DataProtection, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, OnDelete, Policy, Problem,
        Resource, Result, Scope, TypeInfo, ok_or_not_found,
    },
};

// After creation: https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html

/// A store of objects.
#[spec]
pub struct S3Bucket {
    /// Name in lowercase letters, digits, hyphens and dots, with a letter or digit at both ends; unique among all buckets of all accounts.
    #[field(name(max = 63, lowercase, global), length = 3..=63, pattern = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?", replaces)]
    pub name: Option<String>,
    /// Enables versioning, which keeps old versions of objects.
    #[field(default = true, after_create = false, important)]
    pub versioning: bool,
    /// Encryption of new objects.
    #[field(default, after_create = Encryption { bucket_key: self.encryption.bucket_key, ..Encryption::default() })]
    #[field(dropped = Encryption { algorithm: Some(self.encryption.algorithm()), ..self.encryption.clone() })]
    pub encryption: Encryption,
    /// Blocks public access, even if policies or access control lists allow it; `false` removes all four of S3's blocks, and a map sets each.
    #[field(default = PublicAccess::All(true), after_create, important)]
    #[field(risky(false, "policies and access control lists can make objects public"))]
    #[serde(deserialize_with = "public_access::parse")]
    pub block_public_access: PublicAccess,
    /// Object ownership, which also determines whether access control lists apply.
    #[field(default)]
    pub object_ownership: ObjectOwnership,
    /// Lifecycle rules, which expire or move objects, by name.
    #[field(default, after_create, own_read)]
    pub lifecycle_rules: BTreeMap<String, LifecycleRule>,
    /// CORS rules for access by web pages.
    #[field(default, length = 0..=100, after_create, own_read)]
    pub cors: Vec<CorsRule>,
    /// Bucket policy; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", after_create = Some(Policy::none()), own_read, important)]
    #[field(dropped = Policy::none())]
    pub policy: Option<Policy>,
}

/// Owner of objects that other accounts upload.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "PascalCase")]
pub enum ObjectOwnership {
    /// The bucket's owner; access control lists do not apply.
    #[default]
    BucketOwnerEnforced,
    /// The bucket's owner, if the writer grants it.
    BucketOwnerPreferred,
    /// The writer.
    ObjectWriter,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name in its region: `name.s3.eu-west-1.amazonaws.com`.
    #[schemars(extend("x-acme-determined" = "{name}.s3.{region}.{endpoint_domain}"))]
    pub regional_domain_name: String,
}

impl Resource for S3Bucket {
    /// CreateBucket accepts tags since 2025, but S3-compatible endpoints ignore them.
    const TYPE: TypeInfo = TypeInfo::new("s3_bucket", &services::s3::SERVICE, "{name}", "arn:aws:s3:::{name}")
        .tagged_after_create()
        .data_protection(DataProtection::Contents)
        .lost_on_recreation("the objects in it are lost")
        .deletable_while_in_use()
        .without_token()
        .quota(10_000, "TooManyBuckets")
        .iam_actions(
            IamActions::new("s3:{name}")
                .list(&["s3:ListAllMyBuckets"])
                .read(&[
                    "s3:GetBucketCORS",
                    "s3:GetBucketOwnershipControls",
                    "s3:GetBucketPolicy",
                    "s3:GetBucketPublicAccessBlock",
                    "s3:GetBucketTagging",
                    "s3:GetBucketVersioning",
                    "s3:GetEncryptionConfiguration",
                    "s3:GetLifecycleConfiguration",
                    "s3:ListBucketVersions",
                ])
                .change(&[
                    "s3:CreateBucket",
                    "s3:DeleteBucket",
                    "s3:DeleteBucketPolicy",
                    "s3:PutBucketCORS",
                    "s3:PutBucketOwnershipControls",
                    "s3:PutBucketPolicy",
                    "s3:PutBucketPublicAccessBlock",
                    "s3:PutBucketVersioning",
                    "s3:PutEncryptionConfiguration",
                    "s3:PutLifecycleConfiguration",
                ])
                .grants(&[
                    IamGrant::delete_data(&["s3:ListBucketMultipartUploads"], GrantTarget::Arn("s3:{name}")),
                    IamGrant::delete_data(
                        &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"],
                        GrantTarget::Arn("s3:{name}/*"),
                    ),
                ]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let names: BTreeSet<String> = match &scope.tag_index {
            _ if scope.waited_for().is_some() => scope.waited_for().cloned().unwrap_or_default(),
            // The index and the desired names are complete.
            Some(index) => {
                let indexed = index.keys().filter_map(|arn| Some(arn.split_once(":s3:::")?.1));
                indexed.map(str::to_owned).chain(scope.lookup.iter().cloned()).collect()
            }
            None => {
                let all_prefixed = scope.lookup.iter().all(|name| name.starts_with(&scope.prefix));
                let call = aws.s3.list_buckets().bucket_region(&aws.region).max_buckets(1000);
                let call = call.set_prefix(all_prefixed.then(|| scope.prefix.clone()));
                let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
                let here = |region: Option<&str>| region.is_none_or(|region| region == aws.region);
                let buckets = pages.into_iter().flat_map(|page| page.buckets.unwrap_or_default());
                let names = buckets.filter(|bucket| here(bucket.bucket_region())).filter_map(|bucket| bucket.name);
                names.filter(|name| scope.covers(name, &read::arn(aws, name))).collect()
            }
        };
        for_each_concurrent(names, |name| read::read(aws, scope, name)).await
    }

    /// In us-east-1 the location must be omitted: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html>.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let region = Some(cx.region.as_str()).filter(|region| *region != "us-east-1");
        let configuration = CreateBucketConfiguration::builder().set_tags(Some(services::s3::to_tags(&cx.call.tags)));
        let configuration = configuration.set_location_constraint(region.map(BucketLocationConstraint::from)).build();
        let call = cx.s3.create_bucket().set_bucket(self.name.clone()).create_bucket_configuration(configuration);
        call.object_ownership(to_aws(&self.object_ownership).as_str().into()).send().await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("Name"))?.into())
    }

    /// Changes the public access blocks first: they would reject a public policy.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: S3BucketChanges) -> Result<()> {
        let (client, id) = (&cx.s3, &live.id);
        if changes.block_public_access {
            let blocks = self.block_public_access.to_sdk();
            client.put_public_access_block().bucket(id).public_access_block_configuration(blocks).send().await?;
        }
        if changes.encryption {
            let live = ok_or_not_found(client.get_bucket_encryption().bucket(id).send().await)?;
            let live = live.and_then(|reply| reply.server_side_encryption_configuration);
            let wanted = self.encryption.to_sdk(live.as_ref().map(|live| live.rules()).unwrap_or_default())?;
            client.put_bucket_encryption().bucket(id).server_side_encryption_configuration(wanted).send().await?;
        }
        if changes.versioning {
            let status = if self.versioning { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
            let versioning = s3::VersioningConfiguration::builder().status(status).build();
            client.put_bucket_versioning().bucket(id).versioning_configuration(versioning).send().await?;
        }
        if changes.object_ownership {
            let rule = s3::OwnershipControlsRule::builder().object_ownership(to_aws(&self.object_ownership).as_str().into()).build()?;
            let controls = s3::OwnershipControls::builder().rules(rule).build()?;
            client.put_bucket_ownership_controls().bucket(id).ownership_controls(controls).send().await?;
        }
        if changes.policy {
            match self.policy.as_ref().filter(|policy| **policy != Policy::none()) {
                Some(policy) => drop(client.put_bucket_policy().bucket(id).policy(policy.to_json()).send().await?),
                None => drop(client.delete_bucket_policy().bucket(id).send().await?),
            }
        }
        if changes.lifecycle_rules {
            if self.lifecycle_rules.is_empty() {
                client.delete_bucket_lifecycle().bucket(id).send().await?;
            } else {
                // Parts that acme does not manage are read and sent back. A bucket without rules has none.
                let (kept, minimum_size) = if live.spec.lifecycle_rules.is_empty() {
                    (Vec::new(), None)
                } else {
                    let reply = ok_or_not_found(client.get_bucket_lifecycle_configuration().bucket(id).send().await)?;
                    reply.map(|reply| (reply.rules.unwrap_or_default(), reply.transition_default_minimum_object_size)).unwrap_or_default()
                };
                let rules = self.lifecycle_rules.iter();
                let rules = rules.map(|(id, rule)| Ok(rule.with_unmanaged_parts(rule.to_sdk(id)?, &kept))).collect::<Result<Vec<_>>>()?;
                let configuration = s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build()?;
                let call = client.put_bucket_lifecycle_configuration().bucket(id).lifecycle_configuration(configuration);
                call.set_transition_default_minimum_object_size(minimum_size).send().await?;
            }
        }
        if changes.cors {
            if self.cors.is_empty() {
                client.delete_bucket_cors().bucket(id).send().await?;
            } else {
                let kept = if live.spec.cors.is_empty() {
                    Vec::new()
                } else {
                    let reply = ok_or_not_found(client.get_bucket_cors().bucket(id).send().await)?;
                    reply.and_then(|reply| reply.cors_rules).unwrap_or_default()
                };
                let rules = self.cors.iter().map(|rule| rule.to_sdk_like(&kept)).collect::<Result<Vec<_>>>()?;
                let configuration = s3::CorsConfiguration::builder().set_cors_rules(Some(rules)).build()?;
                client.put_bucket_cors().bucket(id).cors_configuration(configuration).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if cx.call.on_delete == OnDelete::Delete {
            if objects::delete_some(cx.api, &live.id).await? {
                return Ok(Deletion::NeedsAnotherCall("deleting objects".into()));
            }
            objects::abort_uploads(cx.api, &live.id).await?;
        }
        cx.s3.delete_bucket().bucket(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        objects::count_objects(aws, id).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = self.encryption.check();
        problems.extend(self.name.as_deref().and_then(name::check));
        problems.extend(self.lifecycle_rules.iter().filter_map(|(id, rule)| rule.check(id)));
        problems
    }

    fn normalize(&self, live: &mut Self) {
        self.encryption.normalize(&mut live.encryption);
    }
}

/// Number, with 0 for "not set".
fn non_default<T: Default + PartialEq>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}
