//! Contents of a bucket.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::{
    aws::Aws,
    core::{Error, Result, ok_or_not_found},
};

/// Number of objects as text; `None` for an empty bucket.
pub(super) async fn count_objects(aws: &Aws, bucket: &str) -> Result<Option<String>> {
    let Some(page) = ok_or_not_found(aws.s3.list_object_versions().bucket(bucket).send().await)? else { return Ok(None) };
    // Old versions and objects hidden by delete markers are data, too.
    Ok(match (page.versions().len(), page.is_truncated == Some(true)) {
        (count, true) => Some(format!("more than {} objects", count.max(1))),
        // S3 does not delete a bucket with only delete markers, either.
        (0, false) => Some(page.delete_markers().len()).filter(|n| *n > 0).map(|n| format!("{n} delete markers")),
        (1, false) => Some("1 object".into()),
        (count, false) => Some(format!("{count} objects")),
    })
}

/// Number of pages that [`delete_some`] deletes: few enough to be done in seconds, so that an interrupt of the run takes effect.
const PAGES_PER_CALL: usize = 10;

/// Deletes versions of objects and delete markers, up to 10,000. Returns whether any remain.
pub(super) async fn delete_some(aws: &Aws, bucket: &str) -> Result<bool> {
    for _ in 0..PAGES_PER_CALL {
        // Every page is the first one, because the entries of the previous one are gone.
        let page = aws.s3.list_object_versions().bucket(bucket).send().await?;
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let object = |(key, version): (Option<&str>, Option<&str>)| {
            ObjectIdentifier::builder().set_key(key.map(Into::into)).set_version_id(version.map(Into::into)).build()
        };
        let objects = versions.chain(markers).map(object).collect::<Result<Vec<_>, _>>()?;
        // A page has at most 1,000 entries, as many as one call can delete.
        if !objects.is_empty() {
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build()?;
            let reply = aws.s3.delete_objects().bucket(bucket).delete(delete).send().await?;
            if let Some(error) = reply.errors().first() {
                let message = format!("object `{}`: {}", error.key().unwrap_or_default(), error.message().unwrap_or_default());
                return Err(Error::from_code(error.code().unwrap_or("DeleteObjects"), message));
            }
        }
        if page.is_truncated != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Aborts every unfinished upload.
pub(super) async fn abort_uploads(aws: &Aws, bucket: &str) -> Result<()> {
    let (mut key, mut upload) = (None, None);
    loop {
        let page = aws.s3.list_multipart_uploads().bucket(bucket).set_key_marker(key).set_upload_id_marker(upload).send().await?;
        for unfinished in page.uploads() {
            let call = aws.s3.abort_multipart_upload().bucket(bucket).set_key(unfinished.key.clone());
            ok_or_not_found(call.set_upload_id(unfinished.upload_id.clone()).send().await)?;
        }
        if page.is_truncated != Some(true) {
            return Ok(());
        }
        (key, upload) = (page.next_key_marker, page.next_upload_id_marker);
    }
}
