//! `codebuild_project`: a project of CodeBuild, which builds and tests code in containers.

mod artifacts;
mod check;
mod environment;
mod options;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;

use super::{
    iam_role::{IamRole, check_trust},
    kms_key::KmsKey,
    prelude::*,
};

pub use artifacts::Artifacts;
pub use environment::{Environment, Variable};
pub use options::{Batch, Cache, FileSystem, Logs, S3Logs, VpcSettings};
pub use source::Source;
pub use webhook::{FilterGroup, PullRequestPolicy, Webhook, WebhookFilter, WebhookScope};

/// A project of CodeBuild, which builds and tests code in containers.
#[spec]
pub struct CodebuildProject {
    /// Name, unique in account and region.
    #[field(name(max = 150), length = 2..=150, pattern = "[A-Za-z0-9][A-Za-z0-9_-]+", replaces)]
    pub name: Option<String>,
    /// Description.
    #[field(default, length = 0..=255)]
    pub description: String,
    /// Role that CodeBuild assumes in builds.
    #[field(important)]
    pub role: ArnRef<IamRole>,
    /// Code to build.
    #[field(important)]
    pub source: Source,
    /// Further code, by identifier, which builds find in `CODEBUILD_SRC_DIR_<identifier>`.
    #[field(default, length = 0..=12)]
    pub secondary_sources: BTreeMap<String, Source>,
    /// What a build leaves.
    #[field(default)]
    pub artifacts: Artifacts,
    /// Further artifacts, by identifier.
    #[field(default, length = 0..=12)]
    pub secondary_artifacts: BTreeMap<String, Artifacts>,
    /// Container in which builds run.
    #[field(important)]
    pub environment: Environment,
    /// What a build keeps for the next one.
    #[field(default)]
    pub cache: Cache,
    /// Network of the builds.
    #[field(unset = "a network of AWS, with internet access", dropped = None)]
    pub vpc: Option<VpcSettings>,
    /// Logs of builds.
    #[field(default)]
    pub logs: Logs,
    /// File systems (EFS) to mount, by identifier; builds find them in `CODEBUILD_<identifier>`.
    #[field(default)]
    pub file_systems: BTreeMap<String, FileSystem>,
    /// Settings of batch builds.
    #[field(unset = "no batch builds", dropped = None)]
    pub batch: Option<Batch>,
    /// Time after which a build is stopped, in minutes.
    #[field(default = 60, range = 5..=2160)]
    pub timeout_minutes: i32,
    /// Time after which a build that waits is canceled, in minutes.
    #[field(default = 480, range = 5..=480)]
    pub queue_timeout_minutes: i32,
    /// Key that encrypts artifacts.
    #[field(unset = "AWS's own key for S3", important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Publishes a badge with the state of the last build.
    #[field(default = false)]
    pub badge: bool,
    /// Number of builds at the same time. CodeBuild refuses to start more; without a limit, they wait until the account has room for them. It can't
    /// exceed the account's quota.
    #[field(unset = "the quota of the account", range = 1..=10_000, dropped = None)]
    pub concurrent_builds: Option<i32>,
    /// Number of automatic retries of a failed build.
    #[field(default = 0, range = 0..=10)]
    pub auto_retries: i32,
    /// Whether anyone can read results, logs and artifacts of the builds, without signing in.
    #[field(default = "PRIVATE", one_of = ["PRIVATE", "PUBLIC_READ"], after_create, important)]
    #[field(risky("PUBLIC_READ", "anyone can read logs and artifacts of the builds"))]
    pub visibility: String,
    /// Role with which CodeBuild reads logs and artifacts for the public.
    #[field(unset = "none", after_create = None, dropped = None)]
    pub public_role: Option<ArnRef<IamRole>>,
    /// Builds on events of the Git provider.
    #[field(unset = "none", after_create = None, important, dropped = None)]
    pub webhook: Option<Webhook>,
}

/// AWS's own key for S3, which stands for no key.
const AWS_KEY: &str = "alias/aws/s3";

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Address of the badge's image; none without `badge`.
    #[schemars(extend("x-acme-simulated" = "https://codebuild.{simulated_domain}/badges?uuid={hex17}"))]
    pub badge_url: Option<String>,
}

/// Minutes of builds in a month.
const BUILD_MINUTES: UsageKey = UsageKey::new("build_minutes", "minutes of builds in a month");

impl Resource for CodebuildProject {
    const TYPE: TypeInfo =
        TypeInfo::new("codebuild_project", &services::codebuild::SERVICE, "{name}", "arn:aws:codebuild:{region}:{account}:project/{name}")
            .deletable_while_in_use()
            .lost_on_recreation("the history of its builds")
            .without_token()
            .quota(5000, "AccountLimitExceededException")
            .iam_actions(
                IamActions::new("codebuild:project/{name}")
                    .list(&["codebuild:ListProjects"])
                    .read(&["codebuild:BatchGetProjects"])
                    .create(&["codebuild:CreateProject"])
                    .change(&[
                        "codebuild:CreateWebhook",
                        "codebuild:DeleteProject",
                        "codebuild:DeleteWebhook",
                        "codebuild:UpdateProject",
                        "codebuild:UpdateProjectVisibility",
                        "codebuild:UpdateWebhook",
                    ])
                    .grants(&[
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["codebuild.amazonaws.com"])),
                        IamGrant::change(&["codeconnections:PassConnection"], GrantTarget::Referenced("code_connection")),
                    ]),
            );
    const USAGE: &'static [UsageKey] = &[BUILD_MINUTES];
    type Api = Aws;
    type Outputs = Outputs;

    /// Other computers than containers on Linux have usage types that depend on their size in another way.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let system = match self.environment.kind.as_str() {
            "LINUX_CONTAINER" => "Linux",
            "ARM_CONTAINER" => "ARM",
            _ => return Pricing::default().without("builds on this kind of computer"),
        };
        let Some(size) = self.environment.compute.strip_prefix("BUILD_GENERAL1_") else {
            return Pricing::default().without("builds on this kind of computer");
        };
        let usage_type = format!("Build-Min:{system}:g1.{}", size.to_lowercase());
        let product = Product::new("CodeBuild").family("Compute").usage_type(usage_type);
        Pricing::of(vec![context.metered("builds", &BUILD_MINUTES, "minutes", product)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.codebuild.create_project().set_name(self.name.clone()).description(&self.description);
        let call = call.source(self.source.to_sdk(None, None)?).set_source_version(self.source.version_to_sdk());
        let call = call.set_secondary_sources(Some(source::all_to_sdk(&self.secondary_sources, &[])?));
        let call = call.set_secondary_source_versions(Some(source::versions_to_sdk(&self.secondary_sources)?));
        let call = call.artifacts(self.artifacts.to_sdk(None)?);
        let call = call.set_secondary_artifacts(Some(artifacts::all_to_sdk(&self.secondary_artifacts)?));
        let call = call.environment(self.environment.to_sdk(None)?).service_role(self.role.get());
        let call = call.cache(self.cache.to_sdk()?).set_vpc_config(self.vpc.as_ref().map(VpcSettings::to_sdk));
        let call = call.logs_config(self.logs.to_sdk()?).set_file_system_locations(Some(options::file_systems_to_sdk(&self.file_systems)));
        let call = call.set_build_batch_config(self.batch.as_ref().map(Batch::to_sdk));
        let call = call.timeout_in_minutes(self.timeout_minutes).queued_timeout_in_minutes(self.queue_timeout_minutes);
        let call = call.set_encryption_key(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.badge_enabled(self.badge).set_concurrent_build_limit(self.concurrent_builds);
        let call = call.set_auto_retry_limit(Some(self.auto_retries).filter(|number| *number > 0));
        let reply = call.set_tags(Some(services::codebuild::to_tags(&cx.call.tags))).send().await?;
        Created::from_reply(reply.project, |project| project.name.clone(), read::observed)
    }

    /// UpdateProject keeps the settings that it is not told, but not the tags. Settings that are objects are replaced whole.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CodebuildProjectChanges) -> Result<()> {
        let only_later = CodebuildProjectChanges { visibility: false, public_role: false, webhook: false, name: false, ..changes };
        let project = services::codebuild::read_project(cx.api, &live.id).await?;
        if !Self::pointers(&only_later).is_empty() {
            let call = cx.codebuild.update_project().name(&live.id).set_tags(project.tags.clone());
            let call = call.set_description(changes.description.then(|| self.description.clone()));
            let call = call.set_service_role(changes.role.then(|| self.role.get().to_owned()));
            let call = match changes.source {
                true => call
                    .source(self.source.to_sdk(None, project.source.as_ref())?)
                    .source_version(self.source.version_to_sdk().unwrap_or_default()),
                false => call,
            };
            let call = match changes.secondary_sources {
                true => call
                    .set_secondary_sources(Some(source::all_to_sdk(&self.secondary_sources, project.secondary_sources())?))
                    .set_secondary_source_versions(Some(source::versions_to_sdk(&self.secondary_sources)?)),
                false => call,
            };
            let call = call.set_artifacts(changes.artifacts.then(|| self.artifacts.to_sdk(None)).transpose()?);
            let secondary = changes.secondary_artifacts.then(|| artifacts::all_to_sdk(&self.secondary_artifacts));
            let call = call.set_secondary_artifacts(secondary.transpose()?);
            let environment = changes.environment.then(|| self.environment.to_sdk(project.environment.as_ref()));
            let call = call.set_environment(environment.transpose()?);
            let call = call.set_cache(changes.cache.then(|| self.cache.to_sdk()).transpose()?);
            let call = call.set_vpc_config(changes.vpc.then(|| VpcSettings::or_none(self.vpc.as_ref())));
            let call = call.set_logs_config(changes.logs.then(|| self.logs.to_sdk()).transpose()?);
            let file_systems = changes.file_systems.then(|| options::file_systems_to_sdk(&self.file_systems));
            let call = call.set_file_system_locations(file_systems);
            let call = call.set_build_batch_config(changes.batch.then(|| Batch::or_none(self.batch.as_ref())));
            let call = call.set_timeout_in_minutes(changes.timeout_minutes.then_some(self.timeout_minutes));
            let call = call.set_queued_timeout_in_minutes(changes.queue_timeout_minutes.then_some(self.queue_timeout_minutes));
            let key = || self.kms_key.as_ref().map_or_else(|| AWS_KEY.to_owned(), |key| key.get().to_owned());
            let call = call.set_encryption_key(changes.kms_key.then(key));
            let call = call.set_badge_enabled(changes.badge.then_some(self.badge));
            // -1 removes the limit.
            let call = call.set_concurrent_build_limit(changes.concurrent_builds.then(|| self.concurrent_builds.unwrap_or(-1)));
            call.set_auto_retry_limit(changes.auto_retries.then_some(self.auto_retries)).send().await?;
        }
        if changes.visibility || changes.public_role {
            let role = self.public_role.as_ref().map(|role| role.get().to_owned());
            let call = cx.codebuild.update_project_visibility().set_project_arn(project.arn.clone());
            call.project_visibility(self.visibility.as_str().into()).set_resource_access_role(role).send().await?;
        }
        if changes.webhook {
            webhook::update(cx, &live.id, live.spec.webhook.as_ref(), self.webhook.as_ref()).await?;
        }
        Ok(())
    }

    /// Its webhook goes with it, and a project that is gone is no error.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.codebuild.delete_project().name(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let roles = [(Self::POINTERS.role, Some(&spec.role)), (Self::POINTERS.public_role, spec.public_role.as_ref())];
        let batch = spec.batch.as_ref().map(|batch| (Self::POINTERS.batch.field(Batch::POINTERS.role), Some(&batch.role)));
        let roles = roles.into_iter().chain(batch).filter_map(|(at, role)| Some((at, role?)));
        roles.filter_map(|(at, role)| check_trust(declared, at, role, "codebuild.amazonaws.com")).collect()
    }

    /// AWS names artifacts without a name after the project.
    fn normalize(&self, live: &mut Self) {
        let project = live.name.clone().unwrap_or_default();
        let all = std::iter::once((&self.artifacts, &mut live.artifacts));
        let secondary = live.secondary_artifacts.iter_mut().filter_map(|(id, live)| Some((self.secondary_artifacts.get(id)?, live)));
        for (wanted, live) in all.chain(secondary) {
            if wanted.name.is_empty() && live.name == project {
                live.name.clear();
            }
        }
        if let Some((wanted, live)) = self.webhook.as_ref().zip(live.webhook.as_mut()) {
            wanted.normalize(live);
        }
    }
}
