//! Container images in ECR, found by tag or digest.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html>

use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, ImageStatus};

use super::Aws;
use crate::core::{Error, ErrorKind, Result, endpoint_domain};

/// Name of an image as a type in definitions and references.
pub const CONTAINER_IMAGE: &str = "container_image";

/// Outputs of an image.
pub const IMAGE_OUTPUTS: &[&str] = &["digest", "uri"];

/// IAM action that finds an image.
pub const IMAGE_ACTION: &str = "ecr:DescribeImages";

/// An image to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageQuery {
    /// Account of the registry, if it is not the stack's.
    pub account: Option<String>,
    /// Name of the repository.
    pub repository: String,
    /// Which of its images.
    pub version: ImageVersion,
}

/// What identifies an image in its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageVersion {
    /// Tag.
    Tag(String),
    /// Digest: `sha256:…`.
    Digest(String),
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Digest: `sha256:…`.
    pub digest: String,
    /// URI with the digest, for pulling.
    pub uri: String,
}

/// Result of a search for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSearch {
    /// The image.
    Found(Image),
    /// The image is archived: it can't be pulled before it is restored.
    Archived,
    /// The repository has no such image.
    NoImage,
    /// The registry has no such repository.
    NoRepository,
}

impl Image {
    /// An image in the registry at `host`: `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.
    pub fn new(host: &str, repository: &str, digest: String) -> Image {
        Image { uri: format!("{host}/{repository}@{digest}"), digest }
    }

    /// Value of an output.
    pub fn output(&self, name: &str) -> Option<&str> {
        match name {
            "digest" => Some(&self.digest),
            "uri" => Some(&self.uri),
            _ => None,
        }
    }
}

/// Finds an image. A request that names images has one answer without pages.
///
/// # Errors
/// Returns errors of the service, except those for a missing image or repository.
pub async fn find_image(aws: &Aws, query: &ImageQuery) -> Result<ImageSearch> {
    let id = match &query.version {
        ImageVersion::Tag(tag) => ImageIdentifier::builder().image_tag(tag),
        ImageVersion::Digest(digest) => ImageIdentifier::builder().image_digest(digest),
    };
    let call = aws.ecr.describe_images().repository_name(&query.repository).image_ids(id.build());
    let reply = match call.set_registry_id(query.account.clone()).send().await.map_err(Error::from) {
        Ok(reply) => reply,
        Err(error) if error.kind == ErrorKind::NotFound && error.code.contains("Image") => return Ok(ImageSearch::NoImage),
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(ImageSearch::NoRepository),
        Err(error) => return Err(error),
    };
    match reply.image_details.unwrap_or_default().into_iter().next() {
        Some(detail) => search_result(&aws.region, query, detail),
        None => Ok(ImageSearch::NoImage),
    }
}

fn search_result(region: &str, query: &ImageQuery, detail: ImageDetail) -> Result<ImageSearch> {
    if matches!(detail.image_status, Some(ImageStatus::Archived | ImageStatus::Activating)) {
        return Ok(ImageSearch::Archived);
    }
    let digest = detail.image_digest.ok_or_else(|| Error::missing_field("imageDigest"))?;
    let account = detail.registry_id.or_else(|| query.account.clone()).ok_or_else(|| Error::missing_field("registryId"))?;
    let host = format!("{account}.dkr.ecr.{region}.{}", endpoint_domain(region));
    Ok(ImageSearch::Found(Image::new(&host, &query.repository, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_by_digest_from_the_registry_of_the_partition() {
        let query = ImageQuery { account: None, repository: "shop/web".into(), version: ImageVersion::Tag("1.2".into()) };
        let detail = || ImageDetail::builder().registry_id("111122223333").image_digest("sha256:0a");
        let found = search_result("cn-north-1", &query, detail().build()).expect("a result");
        let ImageSearch::Found(image) = found else { panic!("{found:?}") };
        assert_eq!(image.uri, "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/shop/web@sha256:0a");
        assert_eq!(IMAGE_OUTPUTS.iter().filter_map(|name| image.output(name)).count(), IMAGE_OUTPUTS.len());
        for status in [ImageStatus::Archived, ImageStatus::Activating] {
            let found = search_result("us-east-1", &query, detail().image_status(status).build());
            assert_eq!(found.expect("a result"), ImageSearch::Archived);
        }
    }
}
