//! Container images of the simulated cloud, into which nobody can push: every repository has every image.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Simulator, ids::DOMAIN};
use crate::{
    aws::images::{CONTAINER_IMAGE, Image, ImageQuery, ImageSearch, ImageVersion},
    core::Result,
};

impl Simulator {
    /// The image of a query. The digest of a tag is the same in every run.
    ///
    /// # Errors
    /// Returns injected throttling.
    pub async fn find_image(&self, query: &ImageQuery, region: Option<&str>) -> Result<ImageSearch> {
        let ImageQuery { account, repository, version } = query;
        self.call(
            CONTAINER_IMAGE,
            "find",
            || json!({ "region": region, "repository": repository }),
            |inner| {
                inner.calls.count_read(&self.behaviour.faults)?;
                let digest = match version {
                    ImageVersion::Digest(digest) => digest.clone(),
                    ImageVersion::Tag(tag) => {
                        let hash = Sha256::digest(format!("{repository}:{tag}"));
                        format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
                    }
                };
                let account = account.as_deref().unwrap_or(&self.account);
                let host = format!("{account}.dkr.ecr.{}.{DOMAIN}", region.unwrap_or(&self.region));
                Ok(ImageSearch::Found(Image::new(&host, repository, digest)))
            },
        )
        .await
    }
}
