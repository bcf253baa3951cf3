//! Artifacts of a project.

use std::collections::BTreeMap;

use aws_sdk_codebuild::types::{ArtifactsType, ProjectArtifacts};

use super::super::{prelude::*, s3_bucket::S3Bucket};

/// What a build leaves.
#[spec]
#[derive(PartialEq)]
pub struct Artifacts {
    /// Where it is put; `CODEPIPELINE` for a project that a pipeline uses.
    #[field(default = "NO_ARTIFACTS", one_of = ["NO_ARTIFACTS", "CODEPIPELINE", "S3"])]
    #[serde(rename = "type")]
    pub kind: String,
    /// Bucket, for the type `S3`.
    #[field(unset = "none", dropped = None)]
    pub bucket: Option<Ref<S3Bucket>>,
    /// Folder in the bucket.
    #[field(default)]
    pub path: String,
    /// Name of the object or folder.
    #[field(default = "", unset = "the name of the project")]
    pub name: String,
    /// Whether each build has a folder of its own.
    #[field(default = "NONE", one_of = ["NONE", "BUILD_ID"])]
    pub namespace: String,
    /// Whether the files are put in an archive.
    #[field(default = "NONE", one_of = ["NONE", "ZIP"])]
    pub packaging: String,
    /// Whether the build specification can choose another name.
    #[field(default = false)]
    pub override_name: bool,
    /// Encrypts the files.
    #[field(default = true, risky(false, "the files are not encrypted with the project's key"))]
    pub encrypted: bool,
    /// Access of the owner of the bucket, if that is another account.
    #[field(default = "NONE", one_of = ["NONE", "READ_ONLY", "FULL"])]
    pub bucket_owner_access: String,
}

impl Default for Artifacts {
    fn default() -> Artifacts {
        Artifacts {
            kind: Self::default_kind(),
            bucket: None,
            path: String::new(),
            name: String::new(),
            namespace: Self::default_namespace(),
            packaging: Self::default_packaging(),
            override_name: false,
            encrypted: true,
            bucket_owner_access: Self::default_bucket_owner_access(),
        }
    }
}

impl Artifacts {
    /// Settings that only a bucket has are sent for one only.
    pub(super) fn to_sdk(&self, id: Option<&str>) -> Result<ProjectArtifacts> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let artifacts = ProjectArtifacts::builder().r#type(self.kind.as_str().into()).set_artifact_identifier(id.map(str::to_owned));
        if self.kind != ArtifactsType::S3.as_str() {
            let unencrypted = (!self.encrypted).then_some(true);
            return Ok(artifacts.set_encryption_disabled(unencrypted).build()?);
        }
        let access = Some(self.bucket_owner_access.as_str()).filter(|access| *access != Self::default_bucket_owner_access());
        let artifacts = artifacts
            .set_location(self.bucket.as_ref().map(|bucket| bucket.get().to_owned()))
            .set_path(text(&self.path))
            .set_name(text(&self.name))
            .namespace_type(self.namespace.as_str().into())
            .packaging(self.packaging.as_str().into())
            .override_artifact_name(self.override_name)
            .encryption_disabled(!self.encrypted)
            .set_bucket_owner_access(access.map(Into::into));
        Ok(artifacts.build()?)
    }

    pub(super) fn from_sdk(artifacts: ProjectArtifacts) -> Artifacts {
        let none = || "NONE".to_owned();
        Artifacts {
            kind: artifacts.r#type.as_str().to_owned(),
            bucket: artifacts.location.filter(|bucket| !bucket.is_empty()).map(Ref::to),
            path: artifacts.path.unwrap_or_default(),
            name: artifacts.name.unwrap_or_default(),
            namespace: artifacts.namespace_type.map_or_else(none, |namespace| namespace.as_str().to_owned()),
            packaging: artifacts.packaging.map_or_else(none, |packaging| packaging.as_str().to_owned()),
            override_name: artifacts.override_artifact_name.unwrap_or_default(),
            encrypted: !artifacts.encryption_disabled.unwrap_or_default(),
            bucket_owner_access: artifacts.bucket_owner_access.map_or_else(none, |access| access.as_str().to_owned()),
        }
    }
}

/// Secondary artifacts.
pub(super) fn all_to_sdk(artifacts: &BTreeMap<String, Artifacts>) -> Result<Vec<ProjectArtifacts>> {
    artifacts.iter().map(|(id, artifacts)| artifacts.to_sdk(Some(id))).collect()
}
