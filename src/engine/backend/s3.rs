//! Backend in an S3 bucket. S3 has conditional writes and consistent reads.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_s3::{
    Client,
    config::Region,
    primitives::ByteStream,
    types::{
        BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ExpirationStatus,
        LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectOwnership, PublicAccessBlockConfiguration,
        ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
        VersioningConfiguration,
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::{Key, Object, WriteCondition, WriteResult};
use crate::{
    aws::partition,
    core::{Error, ErrorKind, Result, ok_or_not_found},
};

/// A bucket, or a prefix in one.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Prefix of every key: empty, or with a trailing slash.
    prefix: String,
    /// Required owner of the bucket: bucket names are global, and the default one can be guessed.
    owner: Option<String>,
}

/// Number of journal pieces to read in parallel.
const MAX_PARALLEL_READS: usize = 16;

/// Maximum number of attempts for a write that S3 could not decide.
const MAX_ATTEMPTS: u32 = 5;

impl S3 {
    pub(super) fn new(client: Client, bucket: String, prefix: String, owner: Option<String>) -> S3 {
        S3 { client, bucket, prefix, owner }
    }

    /// `s3://BUCKET/PREFIX/`.
    pub(super) fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Object>> {
        let call = self.client.get_object().bucket(&self.bucket).key(self.object_key(key)).set_expected_bucket_owner(self.owner.clone());
        let Some(reply) = ok_or_not_found(call.send().await).map_err(|error| self.bucket_error(error))? else { return Ok(None) };
        let version = reply.e_tag.ok_or_else(|| Error::missing_field("ETag"))?;
        let bytes = reply.body.collect().await.map_err(|error| {
            self.bucket_error(Error::new(ErrorKind::Unavailable, "Unreachable", format!("reading `{key}` was interrupted: {error}")))
        })?;
        Ok(Some(Object { bytes: bytes.to_vec(), version }))
    }

    pub(super) async fn put(&self, key: &Key, bytes: &[u8], condition: &WriteCondition) -> Result<WriteResult> {
        let mut pause = Duration::from_millis(100);
        for attempt in 1..=MAX_ATTEMPTS {
            let call =
                self.client.put_object().bucket(&self.bucket).key(self.object_key(key)).set_expected_bucket_owner(self.owner.clone());
            let call = match condition {
                WriteCondition::Always => call,
                WriteCondition::IfAbsent => call.if_none_match("*"),
                WriteCondition::IfVersion(version) => call.if_match(version),
            };
            match call.body(ByteStream::from(bytes.to_vec())).send().await.map_err(Error::from) {
                Ok(reply) => return Ok(WriteResult::Done(reply.e_tag.ok_or_else(|| Error::missing_field("ETag"))?)),
                // Another write of the same key is in progress, perhaps an earlier attempt of this one: S3 asks to retry.
                Err(error) if error.code == "ConditionalRequestConflict" => {}
                // It failed inside S3, or the connection was dropped: it may have taken effect. A repetition then fails its condition, and finds
                // its own bytes, below.
                Err(error) if error.kind == ErrorKind::Unavailable && attempt < MAX_ATTEMPTS => {}
                Err(error)
                    if *condition != WriteCondition::Always
                        && matches!(error.code.as_str(), "PreconditionFailed" | "Http412" | "NoSuchKey") =>
                {
                    // After a lost response, the SDK repeats the call, which then finds its own write.
                    return Ok(match self.get(key).await? {
                        Some(there) if there.bytes == bytes => WriteResult::Done(there.version),
                        _ => WriteResult::Conflict,
                    });
                }
                Err(error) => return Err(self.bucket_error(error)),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(WriteResult::Conflict)
    }

    /// Appends a piece. An object can't grow, so each piece is an object.
    pub(super) async fn append(&self, key: &Key, number: u64, bytes: &[u8]) -> Result<WriteResult> {
        self.put(&key.piece(number), bytes, &WriteCondition::IfAbsent).await
    }

    pub(super) async fn read_appended(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        let pieces = self.pieces(key).await?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let pieces = stream::iter(pieces);
        let pieces = pieces.map(|piece| async move { self.get(&piece).await }).buffered(MAX_PARALLEL_READS).try_collect::<Vec<_>>().await?;
        Ok(Some(pieces.into_iter().flatten().flat_map(|piece| piece.bytes).collect()))
    }

    /// Names at the top.
    pub(super) async fn list_root(&self) -> Result<Vec<String>> {
        self.list_prefix(self.prefix.clone()).await
    }

    pub(super) async fn list(&self, key: &Key) -> Result<Vec<String>> {
        self.list_prefix(format!("{}/", self.object_key(key))).await
    }

    /// Names one level below a prefix, which is empty or ends with a slash.
    async fn list_prefix(&self, prefix: String) -> Result<Vec<String>> {
        let call = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix).delimiter("/");
        let mut pages = call.set_expected_bucket_owner(self.owner.clone()).into_paginator().send();
        let mut names = BTreeSet::new();
        while let Some(page) = pages.next().await {
            // A missing bucket counts as empty.
            let Some(page) = ok_or_not_found(page).map_err(|error| self.bucket_error(error))? else { break };
            let objects = page.contents().iter().filter_map(|object| object.key());
            let folders = page.common_prefixes().iter().filter_map(|common| common.prefix());
            let below = objects.chain(folders).filter_map(|path| path.strip_prefix(&prefix));
            names.extend(below.map(|name| name.trim_end_matches('/').to_owned()).filter(|name| !name.is_empty()));
        }
        Ok(names.into_iter().collect())
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<()> {
        for path in self.pieces(key).await?.into_iter().chain([key.clone()]) {
            let call = self.client.delete_object().bucket(&self.bucket).key(self.object_key(&path));
            ok_or_not_found(call.set_expected_bucket_owner(self.owner.clone()).send().await).map_err(|error| self.bucket_error(error))?;
        }
        Ok(())
    }

    /// Pieces of an object, in order.
    async fn pieces(&self, key: &Key) -> Result<Vec<Key>> {
        let names = self.list(key).await?.into_iter().filter(|name| name.len() == 8);
        Ok(names.filter_map(|name| name.parse().ok()).map(|number| key.piece(number)).collect())
    }

    /// Returns the backend in the region of the bucket; `None` if the bucket does not exist.
    pub(super) async fn locate(mut self) -> Result<Option<S3>> {
        loop {
            let call = self.client.head_bucket().bucket(&self.bucket).set_expected_bucket_owner(self.owner.clone());
            let error = match call.send().await {
                Ok(_) => return Ok(Some(self)),
                Err(error) => error,
            };
            // The response has no body, only a status and headers.
            let header = |reply: &aws_sdk_s3::config::http::HttpResponse| reply.headers().get("x-amz-bucket-region").map(str::to_owned);
            let answer = error.raw_response().map(|reply| (reply.status().as_u16(), header(reply)));
            let here = self.client.config().region().map(ToString::to_string);
            match answer {
                Some((404, _)) => return Ok(None),
                Some((301 | 400, Some(there))) if Some(&there) != here.as_ref() => {
                    self.client = Client::from_conf(self.client.config().to_builder().region(Region::new(there)).build());
                }
                // S3 answers HEAD with expired credentials without a reason.
                Some((400, _)) => {
                    let message = "Bad Request, which S3 answers to expired or invalid credentials";
                    return Err(self.bucket_error(Error::new(ErrorKind::AccessDenied, "ExpiredToken", message)));
                }
                Some((403, _)) => return Err(self.bucket_error(Error::new(ErrorKind::AccessDenied, "AccessDenied", "Access Denied"))),
                _ => return Err(self.bucket_error(error.into())),
            }
        }
    }

    /// Creates the bucket: private, versioned, with old versions deleted after a while. Its policy requires TLS, unless this client does
    /// not use TLS.
    pub(super) async fn create_bucket(&self, tls: bool) -> Result<()> {
        let region = self.client.config().region().map(ToString::to_string).unwrap_or_default();
        let call = self.client.create_bucket().bucket(&self.bucket).object_ownership(ObjectOwnership::BucketOwnerEnforced);
        // The first region has no location constraint.
        let location = (region != "us-east-1").then(|| BucketLocationConstraint::from(region.as_str()));
        let location = location.map(|place| CreateBucketConfiguration::builder().location_constraint(place).build());
        let call = call.set_create_bucket_configuration(location);
        match with_retries(async || call.clone().send().await.map_err(Error::from)).await {
            Ok(_) => {}
            // Another run has just created it.
            Err(error) if error.code == "BucketAlreadyOwnedByYou" => return Ok(()),
            Err(error) => return Err(self.bucket_error(error)),
        }
        if let Err(error) = with_retries(async || self.secure_bucket(&region, tls).await).await {
            // Otherwise, the next run would find and use an insecure bucket.
            self.client.delete_bucket().bucket(&self.bucket).send().await.ok();
            return Err(self.bucket_error(error));
        }
        Ok(())
    }

    async fn secure_bucket(&self, region: &str, tls: bool) -> Result<()> {
        let (client, bucket) = (&self.client, &self.bucket);
        let blocks = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true);
        let blocks = blocks.block_public_policy(true).restrict_public_buckets(true).build();
        client.put_public_access_block().bucket(bucket).public_access_block_configuration(blocks).send().await?;
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        client.put_bucket_versioning().bucket(bucket).versioning_configuration(versioning).send().await?;
        let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build()?;
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
        let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build()?;
        client.put_bucket_encryption().bucket(bucket).server_side_encryption_configuration(encryption).send().await?;
        // Every renewal of a lease leaves a version.
        let old = NoncurrentVersionExpiration::builder().noncurrent_days(30).build();
        let rule = LifecycleRule::builder().id("old-versions").status(ExpirationStatus::Enabled).noncurrent_version_expiration(old);
        let rule = rule.filter(LifecycleRuleFilter::builder().prefix("").build()).build()?;
        let lifecycle = BucketLifecycleConfiguration::builder().rules(rule).build()?;
        client.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(lifecycle).send().await?;
        if !tls {
            return Ok(());
        }
        let arn = format!("arn:{}:s3:::{bucket}", partition(region));
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, format!("{arn}/*")],
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            }],
        });
        client.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await?;
        Ok(())
    }

    fn object_key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Adds the bucket and a remedy to an error.
    fn bucket_error(&self, error: Error) -> Error {
        let remedy = match error.code.as_str() {
            "BucketAlreadyExists" => "; another account owns a bucket of this name: choose one with `--backend s3://BUCKET`",
            "NoSuchBucket" => "; it was deleted; `acme apply --backend s3` creates the default one",
            _ if error.is_credential_error() => "; renew the credentials",
            _ if error.kind == ErrorKind::AccessDenied => {
                "; these credentials need s3:ListBucket on it, s3:GetObject, s3:PutObject and s3:DeleteObject on its objects, and the use of \
                 its KMS key if it has one; if another account owns it, choose one with `--backend s3://BUCKET`, or a folder with \
                 `--backend PATH`"
            }
            _ => "",
        };
        let message = format!("the backend's bucket `{}`: {}{remedy}", self.bucket, error.message.trim_end_matches('.'));
        Error { message, ..error }
    }
}

/// Retries changes of a new bucket, which is not visible everywhere at once, and accepts one change at a time.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>
async fn with_retries<T>(call: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut pause = Duration::from_millis(200);
    for _ in 1..MAX_ATTEMPTS {
        match call().await {
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) => {}
            ended => return ended,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    call().await
}
