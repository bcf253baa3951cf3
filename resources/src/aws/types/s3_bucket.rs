//! `s3_bucket`: a store of objects.

mod access_log;
mod cors;
mod encryption;
mod lifecycle;
mod name;
mod notifications;
mod object_lock;
mod objects;
mod parts;
mod public_access;
mod read;
mod replication;
mod tiering;
mod website;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_s3::types::{self as s3, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access_log::{AccessLog, PartitionDate};
pub use cors::CorsRule;
pub use encryption::{Algorithm, Encryption};
pub use lifecycle::{LifecycleRule, Transition};
pub use notifications::{Notification, Notifications};
pub use object_lock::{ObjectLock, RetentionMode};
pub use public_access::{PublicAccess, PublicAccessBlocks};
pub use replication::{Replication, ReplicationRule};
pub use tiering::ArchiveTiers;
pub use website::{RedirectAll, RoutingRule, WebProtocol, Website};

use crate::{
    aws::{Aws, Cx, for_each_concurrent, services, to_aws},
    core::{
        Created, DataProtection, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, OnDelete, Policy,
        PriceContext, Pricing, Problem, Product, Resource, Result, Scope, TypeInfo, UsageKey, ok_or_not_found,
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
    #[field(default = true, after_create = self.object_lock.is_some(), important)]
    pub versioning: bool,
    /// Encryption of new objects.
    #[field(important, default, after_create = Encryption { bucket_key: self.encryption.bucket_key, ..Encryption::default() })]
    #[field(dropped = Encryption { algorithm: Some(self.encryption.algorithm()), ..self.encryption.clone() })]
    pub encryption: Encryption,
    /// Blocks public access, even if policies or access control lists allow it; `false` removes all four of S3's blocks, and a map sets each.
    #[field(default = PublicAccess::All(true), after_create, important)]
    #[field(risky(false, "policies and access control lists can make objects public"))]
    #[serde(deserialize_with = "public_access::parse")]
    pub block_public_access: PublicAccess,
    /// Object ownership, which also determines whether access control lists apply.
    #[field(important, default)]
    pub object_ownership: ObjectOwnership,
    /// Lifecycle rules, which expire or move objects, by name.
    #[field(important, default, after_create, own_read)]
    pub lifecycle_rules: BTreeMap<String, LifecycleRule>,
    /// CORS rules for access by web pages.
    #[field(default, length = 0..=100, after_create, own_read)]
    pub cors: Vec<CorsRule>,
    /// Bucket policy; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", after_create = Some(Policy::none()), own_read, important)]
    #[field(dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Notifications about objects. Once declared, they are all of the bucket's: S3 has one configuration, and acme removes entries of others.
    #[field(default, after_create, own_read)]
    pub notifications: Notifications,
    /// Replication of new objects to other buckets.
    #[field(important, unset = "unchanged, at creation none", after_create = None, own_read, dropped = None)]
    pub replication: Option<Replication>,
    /// Object Lock, which keeps versions of objects from being deleted; `{}` enables it without a default retention.
    #[field(unset = "unchanged, at creation none", own_read, important)]
    #[field(after_create = self.object_lock.as_ref().map(|_| ObjectLock::default()))]
    #[field(dropped(impossible, "S3 never ends the Object Lock of a bucket"))]
    pub object_lock: Option<ObjectLock>,
    /// Logs of the requests to the bucket.
    #[field(unset = "unchanged, at creation none", after_create = None, own_read, dropped = None)]
    pub access_log: Option<AccessLog>,
    /// Archive tiers for objects in the storage class INTELLIGENT_TIERING, by name. Once declared, they are all of the bucket's.
    #[field(default, length = 0..=1000, after_create, own_read)]
    pub intelligent_tiering: BTreeMap<String, ArchiveTiers>,
    /// Website of the bucket.
    #[field(important, unset = "unchanged, at creation none", after_create = None, own_read, dropped = None)]
    pub website: Option<Website>,
    /// Lets clients use the nearest edge location (`name.s3-accelerate.amazonaws.com`), at an extra charge.
    #[field(default = false, after_create, own_read)]
    pub transfer_acceleration: bool,
    /// Charges the account of a requester for requests and data transfer, instead of the bucket's.
    #[field(default = false, after_create, own_read)]
    pub requester_pays: bool,
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

/// GB stored.
const GB_STORED: UsageKey = UsageKey::new("gb_stored", "GB stored");
/// Requests that write or list.
const WRITE_REQUESTS: UsageKey = UsageKey::new("write_requests", "requests that write, copy or list in a month");
/// All other requests.
const READ_REQUESTS: UsageKey = UsageKey::new("read_requests", "other requests in a month");

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
                    "s3:GetAccelerateConfiguration",
                    "s3:GetBucketCORS",
                    "s3:GetBucketLogging",
                    "s3:GetBucketNotification",
                    "s3:GetBucketObjectLockConfiguration",
                    "s3:GetBucketOwnershipControls",
                    "s3:GetBucketPolicy",
                    "s3:GetBucketPublicAccessBlock",
                    "s3:GetBucketRequestPayment",
                    "s3:GetBucketTagging",
                    "s3:GetBucketVersioning",
                    "s3:GetBucketWebsite",
                    "s3:GetEncryptionConfiguration",
                    "s3:GetIntelligentTieringConfiguration",
                    "s3:GetLifecycleConfiguration",
                    "s3:GetReplicationConfiguration",
                    "s3:ListBucketVersions",
                ])
                .change(&[
                    "s3:CreateBucket",
                    "s3:DeleteBucket",
                    "s3:DeleteBucketPolicy",
                    "s3:DeleteBucketWebsite",
                    "s3:PutAccelerateConfiguration",
                    "s3:PutBucketCORS",
                    "s3:PutBucketLogging",
                    "s3:PutBucketNotification",
                    "s3:PutBucketObjectLockConfiguration",
                    "s3:PutBucketOwnershipControls",
                    "s3:PutBucketPolicy",
                    "s3:PutBucketPublicAccessBlock",
                    "s3:PutBucketRequestPayment",
                    "s3:PutBucketVersioning",
                    "s3:PutBucketWebsite",
                    "s3:PutEncryptionConfiguration",
                    "s3:PutIntelligentTieringConfiguration",
                    "s3:PutLifecycleConfiguration",
                    "s3:PutReplicationConfiguration",
                ])
                .grants(&[
                    IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["s3.amazonaws.com"])),
                    IamGrant::delete_data(&["s3:ListBucketMultipartUploads"], GrantTarget::Arn("s3:{name}")),
                    IamGrant::delete_data(
                        &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"],
                        GrantTarget::Arn("s3:{name}/*"),
                    ),
                ]),
        );
    const USAGE: &'static [UsageKey] = &[GB_STORED, WRITE_REQUESTS, READ_REQUESTS];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AmazonS3").family("Storage").with("volumeType", "Standard").usage_type("TimedStorage-ByteHrs");
        let stored = context.metered("objects", &GB_STORED, "GB-months", product).assuming("in the storage class Standard");
        let requests = |usage_type| Product::new("AmazonS3").family("API Request").usage_type(usage_type);
        Pricing::of(vec![
            stored,
            context.metered("writing requests", &WRITE_REQUESTS, "requests", requests("Requests-Tier1")),
            context.metered("reading requests", &READ_REQUESTS, "requests", requests("Requests-Tier2")),
        ])
        .without("transfer from the bucket to the internet and to other regions")
    }

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
        let call = call.set_object_lock_enabled_for_bucket(self.object_lock.is_some().then_some(true));
        call.object_ownership(to_aws(&self.object_ownership).as_str().into()).send().await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("Name"))?.into())
    }

    /// Changes the public access blocks first: they would reject a public policy.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: S3BucketChanges) -> Result<()> {
        let (client, id) = (&cx.s3, &live.id);
        self.end_replication(cx, id, &changes).await?;
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
            lifecycle::put(cx, id, &live.spec.lifecycle_rules, &self.lifecycle_rules).await?;
        }
        if changes.cors {
            cors::put(cx, id, &live.spec.cors, &self.cors).await?;
        }
        self.update_parts(cx, id, &live.spec, &changes).await
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
        problems.extend(self.notifications.check());
        problems.extend(self.replication.iter().flat_map(|replication| replication.check(self.versioning)));
        problems.extend(self.object_lock.iter().flat_map(|lock| lock.check(self.versioning)));
        problems.extend(self.intelligent_tiering.iter().flat_map(|(id, tiers)| tiers.check(id)));
        problems.extend(self.website.iter().flat_map(Website::check));
        if self.transfer_acceleration && self.name.as_ref().is_some_and(|name| name.contains('.')) {
            let problem = Problem::new(Self::POINTERS.transfer_acceleration, "S3 does not accelerate buckets with dots in their names");
            problems.push(problem.help("choose a `name` without dots"));
        }
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(bucket) = declared.spec() else { return Vec::new() };
        let replication = bucket.replication.iter().flat_map(|replication| replication.check_declared(declared));
        bucket.notifications.check_declared(declared).into_iter().chain(replication).collect()
    }

    fn normalize(&self, live: &mut Self) {
        self.encryption.normalize(&mut live.encryption);
        if let (Some(wanted), Some(live)) = (&self.replication, &mut live.replication) {
            wanted.normalize(live);
        }
    }
}

/// Number, with 0 for "not set".
fn non_default<T: Default + PartialEq>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}
