//! `s3_bucket`: a store of objects.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{
    self as s3, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete, ExpirationStatus, ObjectIdentifier,
    ServerSideEncryption,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{iam_role::align_policy, kms_key::KmsKey};
use crate::{
    aws::{self, Aws, Error, Result, Scope, Service, Sort, tags},
    resource::{Changed, Cx, Data, Naming, Observed, OnDelete, Phase, Problem, Resource, Tags},
    types::{ArnRef, Policy},
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

/// How new objects are encrypted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// Default: `aws:kms` with a `kms_key`, else AES256.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    /// The key. Default: `aws/s3`, for `aws:kms`.
    #[serde(default)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Asks KMS once for many objects, which costs less. Default: true; without meaning for AES256.
    #[serde(default = "yes")]
    pub bucket_key: bool,
}

impl Default for Encryption {
    fn default() -> Encryption {
        Encryption { algorithm: Some(Algorithm::Aes256), kms_key: None, bucket_key: true }
    }
}

/// How objects are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// A key that S3 keeps.
    #[serde(rename = "AES256")]
    Aes256,
    /// A key in KMS.
    #[serde(rename = "aws:kms")]
    Kms,
    /// A key in KMS, two layers.
    #[serde(rename = "aws:kms:dsse")]
    KmsDsse,
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

/// What becomes of objects with time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Objects whose names begin so. Default: all.
    #[serde(default)]
    pub prefix: String,
    /// Objects with all these tags. Default: all.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Objects of more bytes. Default: 0.
    #[serde(default)]
    pub larger_than_bytes: i64,
    /// Objects of less bytes; 0 for any. Default: 0.
    #[serde(default)]
    pub smaller_than_bytes: i64,
    /// Days after which objects expire; 0 for never. Default: 0.
    #[serde(default)]
    pub expire_days: i32,
    /// Removes delete markers that hide nothing. Default: false.
    #[serde(default)]
    pub expire_delete_markers: bool,
    /// Days after which old versions are deleted; 0 for never. Default: 0.
    #[serde(default)]
    pub noncurrent_expire_days: i32,
    /// Old versions kept beyond that age, the newest. Default: 0.
    #[serde(default)]
    pub noncurrent_keep: i32,
    /// Days after which unfinished uploads are given up; 0 for never. Default: 0.
    #[serde(default)]
    pub abort_multipart_days: i32,
    /// Moves objects to other storage. Default: never.
    #[serde(default)]
    pub transitions: BTreeSet<Transition>,
    /// Moves old versions to other storage. Default: never.
    #[serde(default)]
    pub noncurrent_transitions: BTreeSet<Transition>,
}

/// A move to other storage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Age in days.
    pub days: i32,
    /// `STANDARD_IA`, `ONEZONE_IA`, `INTELLIGENT_TIERING`, `GLACIER_IR`, `GLACIER` or `DEEP_ARCHIVE`.
    pub storage_class: String,
}

/// Web pages that may use the bucket from a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsRule {
    /// Where the pages come from, such as `https://shop.example.com`.
    pub allowed_origins: BTreeSet<String>,
    /// `GET`, `HEAD`, `PUT`, `POST`, `DELETE`.
    pub allowed_methods: BTreeSet<String>,
    /// Headers that requests may have. Default: none.
    #[serde(default)]
    pub allowed_headers: BTreeSet<String>,
    /// Headers of answers that pages may see. Default: none.
    #[serde(default)]
    pub expose_headers: BTreeSet<String>,
    /// Seconds for which browsers remember this. Default: 0.
    #[serde(default)]
    pub max_age_seconds: i32,
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
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let names: BTreeSet<String> = match &scope.index {
            // The index and the wanted names tell all there is to read.
            Some(index) => {
                let indexed = index.keys().filter_map(|arn| arn.strip_prefix("arn:aws:s3:::"));
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
                names.filter(|name| scope.covers(name, &arn(name))).collect()
            }
        };
        let found: Vec<_> = stream::iter(names).map(|name| read(aws, scope, name)).buffer_unordered(8).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// In us-east-1 no location may be named: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html>.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let region = Some(cx.aws.region.as_str()).filter(|region| *region != "us-east-1");
        let configuration = CreateBucketConfiguration::builder().set_tags(Some(tags::s3(cx.tags)));
        let configuration = configuration.set_location_constraint(region.map(BucketLocationConstraint::from)).build();
        let call = cx.aws.s3.create_bucket().set_bucket(self.name.clone()).create_bucket_configuration(configuration);
        call.object_ownership(word(self.object_ownership)?.as_str().into()).send().await?;
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
            client.put_bucket_encryption().bucket(id).server_side_encryption_configuration(self.encryption.written()?).send().await?;
        }
        if changed.has("/versioning") {
            let status = if self.versioning { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
            let versioning = s3::VersioningConfiguration::builder().status(status).build();
            client.put_bucket_versioning().bucket(id).versioning_configuration(versioning).send().await?;
        }
        if changed.has("/object_ownership") {
            let rule = s3::OwnershipControlsRule::builder().object_ownership(word(self.object_ownership)?.as_str().into()).build()?;
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
                let rules = self.lifecycle_rules.iter().map(|(id, rule)| rule.written(id)).collect::<Result<Vec<_>>>()?;
                let configuration = s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build()?;
                client.put_bucket_lifecycle_configuration().bucket(id).lifecycle_configuration(configuration).send().await?;
            }
        }
        if changed.has("/cors") {
            if self.cors.is_empty() {
                client.delete_bucket_cors().bucket(id).send().await?;
            } else {
                let rules = self.cors.iter().map(CorsRule::written).collect::<Result<Vec<_>>>()?;
                let configuration = s3::CorsConfiguration::builder().set_cors_rules(Some(rules)).build()?;
                client.put_bucket_cors().bucket(id).cors_configuration(configuration).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        if cx.on_delete == OnDelete::Delete {
            empty(cx.aws, id).await?;
        }
        cx.aws.s3.delete_bucket().bucket(id).send().await?;
        Ok(())
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        let Some(page) = aws::found(aws.s3.list_object_versions().bucket(id).send().await)? else { return Ok(None) };
        // Old versions and what delete markers hide are data too.
        Ok(match (page.versions().len(), page.is_truncated == Some(true)) {
            (count, true) => Some(format!("more than {} objects", count.max(1))),
            // S3 does not delete a bucket that holds no more than delete markers either.
            (0, false) => Some(page.delete_markers().len()).filter(|n| *n > 0).map(|n| format!("{n} delete markers")),
            (1, false) => Some("1 object".into()),
            (count, false) => Some(format!("{count} objects")),
        })
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if self.name.as_deref().is_some_and(|name| !name.contains("${") && (name.len() < 3 || !name.chars().all(fits))) {
            problems.push(Problem::new("/name", "a bucket's name has 3 to 63 lower-case letters, digits, hyphens and dots"));
        }
        if self.encryption.algorithm == Some(Algorithm::Aes256) && self.encryption.kms_key.is_some() {
            problems.push(Problem::new("/encryption/algorithm", "a `kms_key` needs `algorithm: aws:kms`").help("leave `algorithm` out"));
        }
        if self.encryption.algorithm == Some(Algorithm::KmsDsse) && self.encryption.bucket_key {
            problems.push(Problem::new("/encryption/bucket_key", "`aws:kms:dsse` has no bucket key").help("write `bucket_key: false`"));
        }
        for (id, rule) in &self.lifecycle_rules {
            let at = format!("/lifecycle_rules/{}", id.replace('~', "~0").replace('/', "~1"));
            if !rule.acts() {
                problems.push(Problem::new(at, "the rule does nothing").help("add `expire_days` or another action"));
            } else if rule.expire_delete_markers && rule.expire_days > 0 {
                let problem = Problem::new(format!("{at}/expire_delete_markers"), "S3 takes either this or `expire_days`");
                problems.push(problem.help("`expire_days` removes such markers by itself"));
            } else if rule.noncurrent_keep > 0 && rule.noncurrent_expire_days == 0 {
                problems.push(Problem::new(format!("{at}/noncurrent_keep"), "needs `noncurrent_expire_days`"));
            }
        }
        problems
    }

    fn align(&self, live: &mut Self) {
        if self.encryption.algorithm() == Algorithm::Aes256 && live.encryption.algorithm() == Algorithm::Aes256 {
            live.encryption.bucket_key = self.encryption.bucket_key;
        }
        if let (Some(wanted), Some(policy)) = (&self.policy, &mut live.policy) {
            align_policy(wanted, policy);
        }
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:s3:::{name}")
}

/// What the definition writes for no policy.
fn no_policy() -> Policy {
    Policy::new(serde_json::json!({ "Statement": [] }))
}

/// One of our enums in AWS's spelling.
fn word(value: impl Serialize) -> Result<String> {
    Ok(serde_json::to_value(value)?.as_str().unwrap_or_default().to_owned())
}

/// AWS's spelling as one of our enums; `None` for what acme does not know.
fn known<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

/// A number where 0 stands for "not set".
fn set<T: Default + PartialEq>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}

impl Encryption {
    fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(if self.kms_key.is_some() { Algorithm::Kms } else { Algorithm::Aes256 })
    }
    fn written(&self) -> Result<s3::ServerSideEncryptionConfiguration> {
        let algorithm = self.algorithm();
        let default = s3::ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::from(word(algorithm)?.as_str()));
        let default = default.set_kms_master_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned())).build()?;
        let rule = s3::ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
        let rule = rule.bucket_key_enabled(self.bucket_key && algorithm == Algorithm::Kms).build();
        Ok(s3::ServerSideEncryptionConfiguration::builder().rules(rule).build()?)
    }
    fn from_live(rules: &[s3::ServerSideEncryptionRule]) -> Encryption {
        let Some((rule, default)) = rules.iter().find_map(|rule| Some((rule, rule.apply_server_side_encryption_by_default()?))) else {
            return Encryption::default();
        };
        Encryption {
            algorithm: known(default.sse_algorithm.as_str()),
            kms_key: default.kms_master_key_id.clone().filter(|key| !key.is_empty()).map(ArnRef::to),
            bucket_key: rule.bucket_key_enabled.unwrap_or_default(),
        }
    }
}

impl LifecycleRule {
    /// S3 refuses a rule without an action.
    fn acts(&self) -> bool {
        [self.expire_days, self.noncurrent_expire_days, self.abort_multipart_days].iter().any(|days| *days > 0)
            || self.expire_delete_markers
            || !self.transitions.is_empty()
            || !self.noncurrent_transitions.is_empty()
    }
    /// A filter holds one condition; several go into its `And`.
    fn filter(&self) -> s3::LifecycleRuleFilter {
        let (larger, smaller) = (set(self.larger_than_bytes), set(self.smaller_than_bytes));
        let conditions = usize::from(!self.prefix.is_empty()) + self.tags.len() + larger.iter().len() + smaller.iter().len();
        let filter = s3::LifecycleRuleFilter::builder();
        let tags = tags::s3(&self.tags);
        if conditions < 2 {
            let filter = filter.set_object_size_greater_than(larger).set_object_size_less_than(smaller);
            return match tags.into_iter().next() {
                Some(tag) => filter.tag(tag).build(),
                None => filter.set_prefix((larger.is_none() && smaller.is_none()).then(|| self.prefix.clone())).build(),
            };
        }
        let and = s3::LifecycleRuleAndOperator::builder().set_prefix(Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty()));
        let and = and.set_object_size_greater_than(larger).set_object_size_less_than(smaller);
        filter.and(and.set_tags(Some(tags).filter(|tags| !tags.is_empty())).build()).build()
    }
    fn written(&self, id: &str) -> Result<s3::LifecycleRule> {
        let status = if self.enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled };
        let mut rule = s3::LifecycleRule::builder().id(id).status(status).filter(self.filter());
        if self.expire_days > 0 || self.expire_delete_markers {
            let expiration = s3::LifecycleExpiration::builder().set_days(set(self.expire_days));
            rule = rule.expiration(expiration.set_expired_object_delete_marker(self.expire_delete_markers.then_some(true)).build());
        }
        if self.noncurrent_expire_days > 0 {
            let expiration = s3::NoncurrentVersionExpiration::builder().noncurrent_days(self.noncurrent_expire_days);
            rule = rule.noncurrent_version_expiration(expiration.set_newer_noncurrent_versions(set(self.noncurrent_keep)).build());
        }
        if self.abort_multipart_days > 0 {
            let abort = s3::AbortIncompleteMultipartUpload::builder().days_after_initiation(self.abort_multipart_days).build();
            rule = rule.abort_incomplete_multipart_upload(abort);
        }
        for Transition { days, storage_class } in &self.transitions {
            rule = rule.transitions(s3::Transition::builder().days(*days).storage_class(storage_class.as_str().into()).build());
        }
        for Transition { days, storage_class } in &self.noncurrent_transitions {
            let transition = s3::NoncurrentVersionTransition::builder().noncurrent_days(*days);
            rule = rule.noncurrent_version_transitions(transition.storage_class(storage_class.as_str().into()).build());
        }
        Ok(rule.build()?)
    }
    fn from_live(rule: &s3::LifecycleRule) -> LifecycleRule {
        let (filter, and) = (rule.filter(), rule.filter().and_then(|filter| filter.and()));
        // Rules of before 2016 have their prefix outside the filter.
        #[allow(deprecated)]
        let prefix = filter.and_then(|f| f.prefix()).or(and.and_then(|and| and.prefix())).or(rule.prefix());
        let tags = filter.and_then(|f| f.tag()).map(std::slice::from_ref).or(and.map(|and| and.tags())).unwrap_or_default();
        let sizes = |of: fn(&s3::LifecycleRuleFilter) -> Option<i64>, both: fn(&s3::LifecycleRuleAndOperator) -> Option<i64>| {
            filter.and_then(of).or(and.and_then(both)).unwrap_or_default()
        };
        let noncurrent = rule.noncurrent_version_expiration();
        let moves = rule.transitions().iter().map(|t| (t.days(), t.storage_class()));
        let noncurrent_moves = rule.noncurrent_version_transitions().iter().map(|t| (t.noncurrent_days(), t.storage_class()));
        let transition = |(days, class): (Option<i32>, Option<&s3::TransitionStorageClass>)| Transition {
            days: days.unwrap_or_default(),
            storage_class: class.map(|class| class.as_str().to_owned()).unwrap_or_default(),
        };
        LifecycleRule {
            enabled: rule.status == ExpirationStatus::Enabled,
            prefix: prefix.unwrap_or_default().to_owned(),
            tags: tags::from_s3(tags),
            larger_than_bytes: sizes(|f| f.object_size_greater_than, |a| a.object_size_greater_than),
            smaller_than_bytes: sizes(|f| f.object_size_less_than, |a| a.object_size_less_than),
            expire_days: rule.expiration().and_then(|e| e.days()).unwrap_or_default(),
            expire_delete_markers: rule.expiration().and_then(|e| e.expired_object_delete_marker()).unwrap_or_default(),
            noncurrent_expire_days: noncurrent.and_then(|e| e.noncurrent_days()).unwrap_or_default(),
            noncurrent_keep: noncurrent.and_then(|e| e.newer_noncurrent_versions()).unwrap_or_default(),
            abort_multipart_days: rule.abort_incomplete_multipart_upload().and_then(|a| a.days_after_initiation()).unwrap_or_default(),
            transitions: moves.map(transition).collect(),
            noncurrent_transitions: noncurrent_moves.map(transition).collect(),
        }
    }
}

impl CorsRule {
    fn written(&self) -> Result<s3::CorsRule> {
        let list = |set: &BTreeSet<String>| Some(set.iter().cloned().collect::<Vec<_>>()).filter(|list| !list.is_empty());
        let rule =
            s3::CorsRule::builder().set_allowed_origins(list(&self.allowed_origins)).set_allowed_methods(list(&self.allowed_methods));
        let rule = rule.set_allowed_headers(list(&self.allowed_headers)).set_expose_headers(list(&self.expose_headers));
        Ok(rule.set_max_age_seconds(set(self.max_age_seconds)).build()?)
    }
    fn from_live(rule: &s3::CorsRule) -> CorsRule {
        let set = |list: &[String]| list.iter().cloned().collect();
        CorsRule {
            allowed_origins: set(rule.allowed_origins()),
            allowed_methods: set(rule.allowed_methods()),
            allowed_headers: set(rule.allowed_headers()),
            expose_headers: set(rule.expose_headers()),
            max_age_seconds: rule.max_age_seconds.unwrap_or_default(),
        }
    }
}

/// Everything about one bucket, each part with a call of its own. What was never set is answered as "not found".
async fn read(aws: &Aws, scope: &Scope, name: String) -> Result<Option<Observed<S3Bucket>>> {
    let (client, bucket, arn) = (&aws.s3, name.as_str(), arn(&name));
    let read_tags = async {
        match scope.tags(&arn) {
            Some(tags) => Ok(tags),
            None => {
                let reply = aws::found(client.get_bucket_tagging().bucket(bucket).send().await)?;
                Ok::<Tags, Error>(reply.map(|reply| tags::from_s3(reply.tag_set())).unwrap_or_default())
            }
        }
    };
    let (tags, versioning, encryption, blocks, ownership, lifecycle, policy, cors) = tokio::try_join!(
        read_tags,
        async { aws::found(client.get_bucket_versioning().bucket(bucket).send().await) },
        async { aws::found(client.get_bucket_encryption().bucket(bucket).send().await) },
        async { aws::found(client.get_public_access_block().bucket(bucket).send().await) },
        async { aws::found(client.get_bucket_ownership_controls().bucket(bucket).send().await) },
        async { aws::found(client.get_bucket_lifecycle_configuration().bucket(bucket).send().await) },
        async { aws::found(client.get_bucket_policy().bucket(bucket).send().await) },
        async { aws::found(client.get_bucket_cors().bucket(bucket).send().await) },
    )?;
    // Versioning always has an answer: without one the bucket was deleted after it was listed.
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
            encryption: encryption.map(|encryption| Encryption::from_live(encryption.rules())).unwrap_or_default(),
            block_public_access: blocks.is_some_and(all_blocked),
            // Buckets of before ownership controls belong to the writers.
            object_ownership: ownership.and_then(|rule| known(rule.object_ownership.as_str())).unwrap_or(Ownership::ObjectWriter),
            lifecycle_rules: rules.iter().map(|rule| (rule.id().unwrap_or_default().to_owned(), LifecycleRule::from_live(rule))).collect(),
            cors: cors.and_then(|reply| reply.cors_rules).unwrap_or_default().iter().map(CorsRule::from_live).collect(),
            policy: Some(policy.unwrap_or_else(no_policy)),
            name: Some(name.clone()),
        },
        outputs: Outputs { arn, regional_domain_name: format!("{name}.s3.{}.amazonaws.com", aws.region) },
        id: name,
    }))
}

/// Deletes every version of every object, every delete marker, and every unfinished upload.
async fn empty(aws: &Aws, bucket: &str) -> Result<()> {
    let (mut key, mut version) = (None, None);
    loop {
        let call = aws.s3.list_object_versions().bucket(bucket).set_key_marker(key).set_version_id_marker(version);
        let page = call.send().await?;
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let object = |(key, version): (Option<&str>, Option<&str>)| {
            ObjectIdentifier::builder().set_key(key.map(Into::into)).set_version_id(version.map(Into::into)).build()
        };
        let objects = versions.chain(markers).map(object).collect::<Result<Vec<_>, _>>()?;
        // A page holds at most 1,000, as many as one call may delete.
        if !objects.is_empty() {
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build()?;
            let reply = aws.s3.delete_objects().bucket(bucket).delete(delete).send().await?;
            if let Some(error) = reply.errors().first() {
                let message = format!("object `{}`: {}", error.key().unwrap_or_default(), error.message().unwrap_or_default());
                return Err(Error::new(Sort::Refused, error.code().unwrap_or("DeleteObjects"), message));
            }
        }
        if page.is_truncated != Some(true) {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
    let (mut key, mut upload) = (None, None);
    loop {
        let page = aws.s3.list_multipart_uploads().bucket(bucket).set_key_marker(key).set_upload_id_marker(upload).send().await?;
        for unfinished in page.uploads() {
            let call = aws.s3.abort_multipart_upload().bucket(bucket).set_key(unfinished.key.clone());
            aws::found(call.set_upload_id(unfinished.upload_id.clone()).send().await)?;
        }
        if page.is_truncated != Some(true) {
            return Ok(());
        }
        (key, upload) = (page.next_key_marker, page.next_upload_id_marker);
    }
}
