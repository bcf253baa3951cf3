//! Settings of a bucket that S3 keeps separately and that most buckets don't have.

use std::{collections::BTreeMap, future::Future};

use aws_sdk_s3::types as s3;

use super::{
    AccessLog, ArchiveTiers, Notifications, ObjectLock, Replication, S3Bucket, S3BucketChanges, Website, access_log, tiering, website,
};
use crate::{
    aws::Aws,
    core::{Result, ok_or_not_found},
};

/// The settings, as read.
pub(super) struct Parts {
    pub notifications: Notifications,
    pub replication: Option<Replication>,
    pub object_lock: Option<ObjectLock>,
    pub access_log: Option<AccessLog>,
    pub intelligent_tiering: BTreeMap<String, ArchiveTiers>,
    pub website: Option<Website>,
    pub transfer_acceleration: bool,
    pub requester_pays: bool,
}

/// Error codes of calls for settings that do not exist there.
const UNSUPPORTED: [&str; 4] = ["MethodNotAllowed", "NotImplemented", "UnsupportedArgument", "XNotImplemented"];

/// Reads the settings in `wanted`; the others have their defaults.
pub(super) async fn read(aws: &Aws, bucket: &str, wanted: &S3BucketChanges) -> Result<Parts> {
    let client = &aws.s3;
    let (notifications, replication, object_lock, access_log, intelligent_tiering, website, transfer_acceleration, requester_pays) = tokio::try_join!(
        default_unless(wanted.notifications, Notifications::read(aws, bucket)),
        default_unless(wanted.replication, Replication::read(aws, bucket)),
        default_unless(wanted.object_lock, ObjectLock::read(aws, bucket)),
        default_unless(wanted.access_log, access_log::read(aws, bucket)),
        default_unless(wanted.intelligent_tiering, tiering::read(aws, bucket)),
        default_unless(wanted.website, website::read(aws, bucket)),
        default_unless(wanted.transfer_acceleration, async {
            let reply = client.get_bucket_accelerate_configuration().bucket(bucket).send().await?;
            Ok(reply.status == Some(s3::BucketAccelerateStatus::Enabled))
        }),
        default_unless(wanted.requester_pays, async {
            Ok(client.get_bucket_request_payment().bucket(bucket).send().await?.payer == Some(s3::Payer::Requester))
        }),
    )?;
    Ok(Parts { notifications, replication, object_lock, access_log, intelligent_tiering, website, transfer_acceleration, requester_pays })
}

async fn default_unless<T: Default>(wanted: bool, read: impl Future<Output = Result<T>>) -> Result<T> {
    if !wanted {
        return Ok(T::default());
    }
    match read.await {
        // Some regions and S3-compatible endpoints lack some of the settings.
        Err(error) if UNSUPPORTED.contains(&error.code.as_str()) => Ok(T::default()),
        // The bucket may have been deleted after it was listed: the call for its versioning says so.
        answer => Ok(ok_or_not_found(answer)?.unwrap_or_default()),
    }
}

impl S3Bucket {
    /// Ends the replication, before a call suspends the versioning that it needs.
    pub(super) async fn end_replication(&self, aws: &Aws, bucket: &str, changes: &S3BucketChanges) -> Result<()> {
        if changes.replication && self.replication.is_none() {
            aws.s3.delete_bucket_replication().bucket(bucket).send().await?;
        }
        Ok(())
    }

    /// Sets what differs.
    pub(super) async fn update_parts(&self, aws: &Aws, bucket: &str, live: &S3Bucket, changes: &S3BucketChanges) -> Result<()> {
        let client = &aws.s3;
        // There is no call that ends Object Lock, so the planner refuses this change.
        if let Some(lock) = self.object_lock.as_ref().filter(|_| changes.object_lock) {
            lock.put(aws, bucket).await?;
        }
        if let Some(replication) = self.replication.as_ref().filter(|_| changes.replication) {
            replication.put(aws, bucket, live.replication.is_some()).await?;
        }
        if changes.access_log {
            access_log::put(aws, bucket, self.access_log.as_ref()).await?;
        }
        if changes.intelligent_tiering {
            tiering::update(aws, bucket, &live.intelligent_tiering, &self.intelligent_tiering).await?;
        }
        if changes.website {
            website::put(aws, bucket, self.website.as_ref()).await?;
        }
        if changes.transfer_acceleration {
            let status =
                if self.transfer_acceleration { s3::BucketAccelerateStatus::Enabled } else { s3::BucketAccelerateStatus::Suspended };
            let acceleration = s3::AccelerateConfiguration::builder().status(status).build();
            client.put_bucket_accelerate_configuration().bucket(bucket).accelerate_configuration(acceleration).send().await?;
        }
        if changes.requester_pays {
            let payer = if self.requester_pays { s3::Payer::Requester } else { s3::Payer::BucketOwner };
            let payment = s3::RequestPaymentConfiguration::builder().payer(payer).build()?;
            client.put_bucket_request_payment().bucket(bucket).request_payment_configuration(payment).send().await?;
        }
        if changes.notifications {
            self.notifications.put(aws, bucket).await?;
        }
        Ok(())
    }
}
