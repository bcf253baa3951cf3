//! `s3_bucket`: a store of objects.

mod cors;
mod encryption;
mod lifecycle;
mod objects;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{self as s3, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cors::CorsRule;
pub use encryption::{Algorithm, Encryption};
pub use lifecycle::{LifecycleRule, Transition};

use crate::{
    aws::{Aws, each, partition, tags, text, word},
    core::{
        Actions, Changed, Data, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, OnDelete,
        Phase, Policy, Problem, Result, Scope, Service, Sort, ok_or_not_found,
    },
};

/// A store of objects.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Bucket {
    /// Name in lower case, unique among all buckets of all accounts. Default: `<stack>-<environment>-<name>`. Changing it replaces
    /// the bucket.
    #[serde(default)]
    pub name: Option<String>,
    /// Keeps old versions of objects. Default: true.
    #[serde(default = "yes")]
    pub versioning: bool,
    /// How new objects are encrypted. Default: with S3's own key (AES256).
    #[serde(default)]
    pub encryption: Encryption,
    /// Keeps every object private, whatever policies and access control lists say; `false` lifts all four of S3's blocks. Default: true.
    #[serde(default = "yes")]
    pub block_public_access: bool,
    /// Who owns objects, and whether access control lists count. Default: BucketOwnerEnforced (they do not).
    #[serde(default)]
    pub object_ownership: Ownership,
    /// What becomes of objects with time, by name of the rule. Default: nothing.
    #[serde(default)]
    pub lifecycle_rules: BTreeMap<String, LifecycleRule>,
    /// Which web pages may use it from a browser. Default: none.
    #[serde(default)]
    pub cors: Vec<CorsRule>,
    /// Who may use it (its bucket policy); `{Statement: []}` for none. Default: left as it is.
    #[serde(default)]
    pub policy: Option<Policy>,
}

fn yes() -> bool {
    true
}

/// Who owns objects that others put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Ownership {
    /// The bucket's owner; access control lists do not count.
    #[default]
    BucketOwnerEnforced,
    /// The bucket's owner, when the writer says so.
    BucketOwnerPreferred,
    /// The writer.
    ObjectWriter,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name in its region: `name.s3.eu-west-1.amazonaws.com`.
    pub regional_domain_name: String,
}

impl Resource for S3Bucket {
    const TYPE: &'static str = "s3_bucket";
    const SERVICE: Service = Service::S3;
    const REPLACE: &'static [&'static str] = &["/name"];
    const NAME: Option<Naming> = Some(Naming { max: 63, lower: true, prefix: "" });
    /// CreateBucket takes tags since 2025, and S3-compatible endpoints ignore them there.
    const TAGS_ON_CREATE: bool = false;
    const ARN: Option<&'static str> = Some("s3:");
    const DATA: Data = Data::Contents;
    const HELD: bool = false;
    const ACTIONS: Actions = Actions::on("s3:{name}")
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
        .more(&[
            Grant::delete_data(&["s3:ListBucketMultipartUploads"], On::Arn("s3:{name}")),
            Grant::delete_data(&["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"], On::Arn("s3:{name}/*")),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let names: BTreeSet<String> = match &scope.index {
            // The index and the wanted names tell all there is to read.
            Some(index) => {
                let indexed = index.keys().filter_map(|arn| Some(arn.split_once(":s3:::")?.1));
                indexed.map(str::to_owned).chain(scope.wanted.iter().cloned()).collect()
            }
            None => {
                let all_prefixed = scope.wanted.iter().all(|name| name.starts_with(&scope.prefix));
                let call = aws.s3.list_buckets().bucket_region(&aws.region).max_buckets(1000);
                let call = call.set_prefix(all_prefixed.then(|| scope.prefix.clone()));
                let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
                let here = |region: Option<&str>| region.is_none_or(|region| region == aws.region);
                let buckets = pages.into_iter().flat_map(|page| page.buckets.unwrap_or_default());
                let names = buckets.filter(|bucket| here(bucket.bucket_region())).filter_map(|bucket| bucket.name);
                names.filter(|name| scope.covers(name, &arn(aws, name))).collect()
            }
        };
        each(names, |name| read(aws, scope, name)).await
    }

    /// In us-east-1 no location may be named: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html>.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let region = Some(cx.aws.region.as_str()).filter(|region| *region != "us-east-1");
        let configuration = CreateBucketConfiguration::builder().set_tags(Some(tags::s3(cx.tags)));
        let configuration = configuration.set_location_constraint(region.map(BucketLocationConstraint::from)).build();
        let call = cx.aws.s3.create_bucket().set_bucket(self.name.clone()).create_bucket_configuration(configuration);
        call.object_ownership(text(&self.object_ownership).as_str().into()).send().await?;
        self.name.clone().ok_or_else(|| Error::missing("Name"))
    }

    /// AWS's defaults: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>.
    fn created(&self) -> Self {
        S3Bucket {
            versioning: false,
            encryption: Encryption { bucket_key: self.encryption.bucket_key, ..Encryption::default() },
            block_public_access: true,
            lifecycle_rules: BTreeMap::new(),
            cors: Vec::new(),
            policy: Some(no_policy()),
            ..self.clone()
        }
    }

    /// The blocks come first: they would refuse a public policy.
    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        let client = &cx.aws.s3;
        if changed.has("/block_public_access") {
            let on = self.block_public_access;
            let blocks = s3::PublicAccessBlockConfiguration::builder().block_public_acls(on).ignore_public_acls(on);
            let blocks = blocks.block_public_policy(on).restrict_public_buckets(on).build();
            client.put_public_access_block().bucket(id).public_access_block_configuration(blocks).send().await?;
        }
        if changed.has("/encryption") {
            client.put_bucket_encryption().bucket(id).server_side_encryption_configuration(self.encryption.to_sdk()?).send().await?;
        }
        if changed.has("/versioning") {
            let status = if self.versioning { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
            let versioning = s3::VersioningConfiguration::builder().status(status).build();
            client.put_bucket_versioning().bucket(id).versioning_configuration(versioning).send().await?;
        }
        if changed.has("/object_ownership") {
            let rule = s3::OwnershipControlsRule::builder().object_ownership(text(&self.object_ownership).as_str().into()).build()?;
            let controls = s3::OwnershipControls::builder().rules(rule).build()?;
            client.put_bucket_ownership_controls().bucket(id).ownership_controls(controls).send().await?;
        }
        if changed.has("/policy") {
            match self.policy.as_ref().filter(|policy| **policy != no_policy()) {
                Some(policy) => drop(client.put_bucket_policy().bucket(id).policy(policy.to_json()).send().await?),
                None => drop(client.delete_bucket_policy().bucket(id).send().await?),
            }
        }
        if changed.has("/lifecycle_rules") {
            if self.lifecycle_rules.is_empty() {
                client.delete_bucket_lifecycle().bucket(id).send().await?;
            } else {
                let rules = self.lifecycle_rules.iter().map(|(id, rule)| rule.to_sdk(id)).collect::<Result<Vec<_>>>()?;
                let configuration = s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build()?;
                client.put_bucket_lifecycle_configuration().bucket(id).lifecycle_configuration(configuration).send().await?;
            }
        }
        if changed.has("/cors") {
            if self.cors.is_empty() {
                client.delete_bucket_cors().bucket(id).send().await?;
            } else {
                let rules = self.cors.iter().map(CorsRule::to_sdk).collect::<Result<Vec<_>>>()?;
                let configuration = s3::CorsConfiguration::builder().set_cors_rules(Some(rules)).build()?;
                client.put_bucket_cors().bucket(id).cors_configuration(configuration).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        if cx.on_delete == OnDelete::Delete {
            objects::delete_all(cx.aws, id).await?;
        }
        cx.aws.s3.delete_bucket().bucket(id).send().await?;
        Ok(())
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        objects::count(aws, id).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if self.name.as_deref().is_some_and(|name| !name.contains("${") && (name.len() < 3 || !name.chars().all(fits))) {
            problems.push(Problem::new("/name", "a bucket's name has 3 to 63 lower-case letters, digits, hyphens and dots"));
        }
        problems.extend(self.encryption.check());
        problems.extend(self.lifecycle_rules.iter().filter_map(|(id, rule)| rule.check(id)));
        problems
    }

    fn align(&self, live: &mut Self) {
        self.encryption.align(&mut live.encryption);
    }
}

fn arn(aws: &Aws, name: &str) -> String {
    format!("arn:{}:s3:::{name}", partition(&aws.region))
}

/// What the definition writes for no policy.
fn no_policy() -> Policy {
    Policy::new(serde_json::json!({ "Statement": [] }))
}

/// A name that is wanted may be that of any bucket in the world.
fn elsewhere(bucket: &str, error: Error) -> Error {
    if error.sort != Sort::Denied && error.code != "PermanentRedirect" {
        return error;
    }
    let message =
        format!("there is a bucket `{bucket}`, of another account or region unless calls for it are not allowed: {}", error.message);
    Error { message, ..error }
}

/// A number where 0 stands for "not set".
fn set<T: Default + PartialEq>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}

/// Everything about one bucket, each part with a call of its own. What was never set is answered as "not found".
async fn read(aws: &Aws, scope: &Scope, name: String) -> Result<Option<Observed<S3Bucket>>> {
    let (client, bucket, arn) = (&aws.s3, name.as_str(), arn(aws, &name));
    let ask_versioning = || async { ok_or_not_found(client.get_bucket_versioning().bucket(bucket).send().await) };
    // One call tells whether there is such a bucket, where only its name is known.
    let known = scope.index.as_ref().is_none_or(|index| index.contains_key(&arn));
    let first = if known { None } else { Some(ask_versioning().await.map_err(|error| elsewhere(bucket, error))?) };
    if let Some(None) = first {
        return Ok(None);
    }
    let ask_tags = async {
        let reply = ok_or_not_found(client.get_bucket_tagging().bucket(bucket).send().await)?;
        Ok(reply.map(|reply| tags::from_s3(reply.tag_set())))
    };
    let (tags, versioning, encryption, blocks, ownership, lifecycle, policy, cors) = tokio::try_join!(
        scope.tags_or(&arn, ask_tags),
        async {
            match first {
                Some(answer) => Ok(answer),
                None => ask_versioning().await,
            }
        },
        async { ok_or_not_found(client.get_bucket_encryption().bucket(bucket).send().await) },
        async { ok_or_not_found(client.get_public_access_block().bucket(bucket).send().await) },
        async { ok_or_not_found(client.get_bucket_ownership_controls().bucket(bucket).send().await) },
        async { ok_or_not_found(client.get_bucket_lifecycle_configuration().bucket(bucket).send().await) },
        async { ok_or_not_found(client.get_bucket_policy().bucket(bucket).send().await) },
        async { ok_or_not_found(client.get_bucket_cors().bucket(bucket).send().await) },
    )?;
    // Versioning always has an answer: without one the bucket was deleted after it was listed.
    let tags = tags.unwrap_or_default();
    let Some(versioning) = versioning.filter(|_| scope.owns(&tags) || scope.wanted.contains(bucket)) else { return Ok(None) };
    let encryption = encryption.and_then(|reply| reply.server_side_encryption_configuration);
    let blocks = blocks.and_then(|reply| reply.public_access_block_configuration);
    let all_blocked = |b: s3::PublicAccessBlockConfiguration| {
        [b.block_public_acls, b.ignore_public_acls, b.block_public_policy, b.restrict_public_buckets].iter().all(|on| *on == Some(true))
    };
    let ownership = ownership.and_then(|reply| reply.ownership_controls).and_then(|controls| controls.rules.into_iter().next());
    let rules = lifecycle.and_then(|reply| reply.rules).unwrap_or_default();
    let policy = policy.and_then(|reply| reply.policy).map(|text| Policy::parse(&text)).transpose()?;
    Ok(Some(Observed {
        tags,
        phase: Phase::Ready,
        spec: S3Bucket {
            versioning: versioning.status == Some(BucketVersioningStatus::Enabled),
            encryption: encryption.map(|encryption| Encryption::read(encryption.rules())).unwrap_or_default(),
            block_public_access: blocks.is_some_and(all_blocked),
            // Buckets of before ownership controls belong to the writers.
            object_ownership: ownership.and_then(|rule| word(rule.object_ownership.as_str()).ok()).unwrap_or(Ownership::ObjectWriter),
            lifecycle_rules: rules.iter().map(|rule| (rule.id().unwrap_or_default().to_owned(), LifecycleRule::read(rule))).collect(),
            cors: cors.and_then(|reply| reply.cors_rules).unwrap_or_default().iter().map(CorsRule::read).collect(),
            policy: Some(policy.unwrap_or_else(no_policy)),
            name: Some(name.clone()),
        },
        outputs: Outputs { arn, regional_domain_name: format!("{name}.s3.{}.amazonaws.com", aws.region) },
        id: name,
    }))
}
