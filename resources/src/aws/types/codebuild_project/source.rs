//! Sources of a project.

use std::collections::BTreeMap;

use aws_sdk_codebuild::types::{BuildStatusConfig, GitSubmodulesConfig, ProjectSource, ProjectSourceVersion, SourceAuth, SourceAuthType};

use super::super::{code_connection::CodeConnection, prelude::*, secret::Secret};

/// Code to build.
#[spec]
#[derive(PartialEq)]
pub struct Source {
    /// Type of the repository; `CODEPIPELINE` for what a pipeline hands over, `NO_SOURCE` for a build with nothing but its `buildspec`.
    #[field(
        one_of = [
            "BITBUCKET", "CODECOMMIT", "CODEPIPELINE", "GITHUB", "GITHUB_ENTERPRISE", "GITLAB", "GITLAB_SELF_MANAGED", "NO_SOURCE", "S3"
        ],
        important
    )]
    #[serde(rename = "type")]
    pub kind: String,
    /// Address of the repository (`https://github.com/example/shop.git`), or bucket and object of an archive (`bucket/code.zip`).
    #[field(default, important)]
    pub location: String,
    /// Branch, tag or commit, or version of the object; empty for the latest.
    #[field(default)]
    pub version: String,
    /// Build commands: the text of a build specification, or the path to one in the source; empty for `buildspec.yml`.
    #[field(default)]
    pub buildspec: String,
    /// Number of commits to fetch; 0 for all.
    #[field(default = 0, range = 0..=1_000_000)]
    pub clone_depth: i32,
    /// Fetches Git submodules.
    #[field(default = false)]
    pub submodules: bool,
    /// Reports the state of builds to the Git provider.
    #[field(default = false)]
    pub report_status: bool,
    /// Name of a build at the provider.
    #[field(default)]
    pub status_context: String,
    /// Address to which the state of a build at the provider leads.
    #[field(default)]
    pub status_url: String,
    /// Accepts any certificate of the repository's server.
    #[field(default = false, risky(true, "the repository's server is not verified"))]
    pub insecure_ssl: bool,
    /// Connection with which CodeBuild reads the repository.
    #[field(unset = "the account's own credentials for the provider", conflicts_with = secret, dropped = None)]
    pub connection: Option<ArnRef<CodeConnection>>,
    /// Secret with a token, with which CodeBuild reads the repository.
    #[field(unset = "the account's own credentials for the provider", dropped = None)]
    pub secret: Option<ArnRef<Secret>>,
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Source {
    /// Whether it is a Git repository.
    pub(super) fn is_git(&self) -> bool {
        !matches!(self.kind.as_str(), "CODEPIPELINE" | "NO_SOURCE" | "S3")
    }
    /// Whether its provider knows states of builds and connections.
    pub(super) fn has_provider(&self) -> bool {
        self.is_git() && self.kind != "CODECOMMIT"
    }

    pub(super) fn version_to_sdk(&self) -> Option<String> {
        non_empty(&self.version)
    }

    /// Keeps a sign-in of the live source that definitions can't have.
    pub(super) fn to_sdk(&self, id: Option<&str>, live: Option<&ProjectSource>) -> Result<ProjectSource> {
        let auth = match (&self.connection, &self.secret) {
            (Some(connection), _) => Some((SourceAuthType::Codeconnections, connection.get())),
            (None, Some(secret)) => Some((SourceAuthType::SecretsManager, secret.get())),
            (None, None) => None,
        };
        let auth = auth.map(|(kind, resource)| SourceAuth::builder().r#type(kind).resource(resource).build()).transpose()?;
        let kept = live.and_then(|live| live.auth.clone()).filter(|auth| auth.r#type == SourceAuthType::Oauth);
        let has_status = !self.status_context.is_empty() || !self.status_url.is_empty();
        let status =
            BuildStatusConfig::builder().set_context(non_empty(&self.status_context)).set_target_url(non_empty(&self.status_url)).build();
        let submodules = GitSubmodulesConfig::builder().fetch_submodules(true).build()?;
        let source = ProjectSource::builder()
            .r#type(self.kind.as_str().into())
            .set_location(non_empty(&self.location))
            .set_buildspec(non_empty(&self.buildspec))
            .set_git_clone_depth(Some(self.clone_depth).filter(|depth| *depth > 0))
            .set_git_submodules_config(self.submodules.then_some(submodules))
            .set_report_build_status(self.report_status.then_some(true))
            .set_build_status_config(has_status.then_some(status))
            .set_insecure_ssl(self.insecure_ssl.then_some(true))
            .set_auth(auth.or(kept))
            .set_source_identifier(id.map(str::to_owned));
        Ok(source.build()?)
    }

    pub(super) fn from_sdk(source: ProjectSource, version: Option<String>) -> Source {
        let auth = source.auth.map(|auth| (auth.r#type, auth.resource.unwrap_or_default()));
        let status = source.build_status_config;
        Source {
            kind: source.r#type.as_str().to_owned(),
            location: source.location.unwrap_or_default(),
            version: version.unwrap_or_default(),
            buildspec: source.buildspec.unwrap_or_default(),
            clone_depth: source.git_clone_depth.unwrap_or_default(),
            submodules: source.git_submodules_config.is_some_and(|config| config.fetch_submodules),
            report_status: source.report_build_status.unwrap_or_default(),
            status_context: status.as_ref().and_then(|status| status.context.clone()).unwrap_or_default(),
            status_url: status.and_then(|status| status.target_url).unwrap_or_default(),
            insecure_ssl: source.insecure_ssl.unwrap_or_default(),
            connection: auth.clone().filter(|(kind, _)| *kind == SourceAuthType::Codeconnections).map(|(_, arn)| ArnRef::to(arn)),
            secret: auth.filter(|(kind, _)| *kind == SourceAuthType::SecretsManager).map(|(_, arn)| ArnRef::to(arn)),
        }
    }
}

/// Secondary sources.
pub(super) fn all_to_sdk(sources: &BTreeMap<String, Source>, live: &[ProjectSource]) -> Result<Vec<ProjectSource>> {
    let of = |id: &str| live.iter().find(|source| source.source_identifier() == Some(id));
    sources.iter().map(|(id, source)| source.to_sdk(Some(id), of(id))).collect()
}

/// Versions of secondary sources.
pub(super) fn versions_to_sdk(sources: &BTreeMap<String, Source>) -> Result<Vec<ProjectSourceVersion>> {
    let versions = sources.iter().filter_map(|(id, source)| Some((id, source.version_to_sdk()?)));
    versions.map(|(id, version)| Ok(ProjectSourceVersion::builder().source_identifier(id).source_version(version).build()?)).collect()
}
