//! `helm_release`: a chart that Helm installed in a cluster.

use std::collections::BTreeMap;

use acme_macros::spec;
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::existing_cluster;
use crate::{
    aws::{
        for_each_concurrent,
        types::eks_cluster::{EksCluster, contents},
    },
    core::{
        ADDRESS_TAG, CallContext, Created, Cx, Deletion, ENVIRONMENT_TAG, Error, ErrorKind, Existing, GrantTarget, IamActions, IamGrant,
        Observed, Phase, Pointer, Problem, Questions, Ref, Resource, Result, STACK_TAG, Scope, TagChange, Tags, TypeInfo,
        expression::has_reference, is_plain_secret,
    },
    kubernetes::{
        self, Cluster, Kubernetes,
        cluster::Applied,
        helm::{
            Chart, EMBEDDED_PREFIX, EmbeddedChart, Helm, Release, Status, Values, changed_objects, find_program, missing_program,
            release_of_secret,
        },
        inventory::{ENVIRONMENT_LABEL, Inventory, STACK_LABEL},
        kinds::{Kind, KindName},
    },
};

/// A chart that Helm installs in a cluster. Needs the program `helm`.
#[spec]
pub struct HelmRelease {
    /// The cluster.
    #[field(replaces, parent, unique = "release")]
    pub cluster: Ref<EksCluster>,
    /// Namespace of the release.
    #[field(replaces, unique = "release", default = "default", length = 1..=63, pattern = "[a-z0-9]([a-z0-9-]*[a-z0-9])?")]
    pub namespace: String,
    /// Name of the release.
    // The limit is Helm's: <https://helm.sh/docs/chart_template_guide/getting_started/>
    #[field(replaces, unique = "release", length = 1..=53, pattern = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?")]
    pub release: String,
    /// Name of the chart in `repository`, an address `oci://…`, a path, or `acme/service`, the chart of `services`, which is part of acme.
    #[field(important)]
    pub chart: String,
    /// URL of the chart's repository.
    #[field(unset = "none: the chart is an address or a path", write_only, dropped(kept, "a release does not name its repository"))]
    pub repository: Option<String>,
    /// Version of the chart. acme never chooses one.
    #[field(important, impact = "its pods may restart")]
    pub version: String,
    /// Values in place of the chart's. `null` removes a default of the chart.
    #[field(default, important, impact = "its pods may restart")]
    pub values: Values,
    /// Creates the namespace with the release. It is not deleted with it.
    #[field(default = false, write_only)]
    pub create_namespace: bool,
    /// Whether to wait until everything in the chart is ready.
    #[field(default = true, write_only)]
    pub wait: bool,
    /// Longest time for each operation of Helm in seconds, after which it is undone.
    #[field(default = DEFAULT_TIMEOUT, range = 1..=21600, write_only)]
    pub timeout_seconds: u32,
    /// Leaves out the custom resource definitions in the chart's folder `crds`.
    #[field(default = false, write_only)]
    pub skip_crds: bool,
    /// Does not check the values against the chart's schema, for charts whose schema refers to addresses on the internet.
    #[field(default = false, write_only)]
    pub skip_schema_validation: bool,
    /// Takes over objects that exist and belong to no release.
    #[field(default = false, write_only)]
    pub take_ownership: bool,
    /// Number of revisions to keep.
    #[field(default = 10, range = 2..=100, write_only)]
    pub history: u32,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Revision.
    #[schemars(extend("x-acme-simulated" = "1", "x-acme-updated" = true))]
    pub revision: String,
    /// Version of the software in the chart.
    pub app_version: String,
}

/// Default of the field `timeout_seconds`.
const DEFAULT_TIMEOUT: u32 = 600;
/// Label with the value of `timeout_seconds`.
const TIMEOUT_LABEL: &str = "acme/timeout";
/// Label with the address of a release.
const ADDRESS_LABEL: &str = "acme/address";

impl Resource for HelmRelease {
    const TYPE: TypeInfo = TypeInfo::new("helm_release", &kubernetes::SERVICE, "{cluster}/{namespace}/{release}", "")
        .without_charge("it runs on the cluster's nodes, which cost")
        .ownership_beside()
        .deletable_while_in_use()
        .deleted_with_parent()
        .listed_if_declared()
        .typical_seconds(60)
        .longest_hours(6)
        .iam_actions(IamActions::new("").grants(&[IamGrant::read(&["eks:DescribeCluster"], GrantTarget::Arn("eks:cluster/{parent}"))]));
    type Api = Kubernetes;
    type Outputs = Outputs;

    /// Helm keeps releases in Secrets, so one call lists all of a cluster.
    async fn list(api: &Kubernetes, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let awaited = || Some(scope.ids.as_ref()?.iter().cloned().collect::<Vec<_>>());
        if let Some(ids) = scope.adopt.clone().map(|id| vec![id]).or_else(awaited) {
            let read = |id: String| async move {
                let Ok((cluster, namespace, release)) = parse_id(&id) else { return Ok(None) };
                let cluster = match api.cluster(cluster).await {
                    Err(error) if error.is_not_found() => return Ok(None),
                    cluster => cluster?,
                };
                Ok(newest(&cluster, &format!("name={release}"), Some(namespace)).await?.pop())
            };
            return for_each_concurrent(ids, read).await;
        }
        let of_stack = Inventory::new(&scope.stack, &scope.environment).selector();
        let selector = if scope.any_owner { "owner=helm" } else { &of_stack };
        let mut found = Vec::new();
        for cluster in api.clusters(&scope.parent_ids).await? {
            // Revisions that were replaced would be most of the answer.
            found.extend(newest(&cluster, &format!("{selector},status!=superseded"), None).await?);
        }
        found.retain(|one| scope.owns(&one.tags));
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_, Kubernetes>) -> Result<Created<Self>> {
        let cluster = cx.cluster(self.cluster.get()).await?;
        let existing = newest(&cluster, &format!("name={}", self.release), Some(&self.namespace)).await?.pop();
        let ownership = cx.call.ownership();
        if existing.is_some_and(|existing| {
            [STACK_TAG, ENVIRONMENT_TAG, ADDRESS_TAG].iter().any(|key| existing.tags.get(*key) != ownership.get(*key))
        }) {
            let message = format!("the namespace `{}` has a release `{}` already", self.namespace, self.release);
            return Err(Error::new(ErrorKind::AlreadyExists, "AlreadyExists", message));
        }
        self.upgrade(&cluster, cx.call, false, None).await?;
        Ok(format!("{}/{}/{}", self.cluster.get(), self.namespace, self.release).into())
    }

    /// Returning to the revision before needs no chart, whose repository may be unreachable by now.
    async fn update(&self, cx: &Cx<'_, Kubernetes>, live: &Existing<Self>, changes: HelmReleaseChanges) -> Result<()> {
        if !(changes.chart || changes.version || changes.values) {
            return Ok(());
        }
        let cluster = cx.cluster(self.cluster.get()).await?;
        let revisions = revisions(&cluster, &format!("name={}", self.release), Some(&self.namespace)).await?;
        let is_wanted = |(release, _): &&(Release, Tags)| {
            release.info.status == Status::Superseded
                && release.chart.metadata.version == self.version
                && chart_name(&self.chart) == release.chart.metadata.name
                && Values::from_helm(Value::Object(release.config.clone().unwrap_or_default())) == self.values
        };
        // Helm refuses to change a release whose last operation did not end.
        let newest = revisions.iter().max_by_key(|(release, _)| release.version).map(|(release, _)| release.info.status);
        if matches!(newest, Some(Status::PendingUpgrade | Status::PendingRollback)) {
            let working = revisions.iter().filter(|(release, _)| matches!(release.info.status, Status::Deployed | Status::Superseded));
            if let Some((working, _)) = working.max_by_key(|(release, _)| release.version) {
                Helm::of(&cluster)?.rollback((&self.namespace, &self.release), working.version, &self.waiting()).await?;
            }
        }
        let deployed =
            revisions.iter().filter(|(release, _)| release.info.status == Status::Deployed).map(|(release, _)| release.version).max();
        let current = live.version.as_deref().and_then(|version| version.parse::<u64>().ok());
        let earlier = revisions.iter().filter(is_wanted).max_by_key(|(release, _)| release.version);
        match earlier.filter(|(release, _)| current == Some(release.version + 1)) {
            Some((release, _)) => Helm::of(&cluster)?.rollback((&self.namespace, &self.release), release.version, &self.waiting()).await,
            None => self.upgrade(&cluster, cx.call, changes.chart || changes.version, deployed).await,
        }
    }

    async fn delete(cx: &Cx<'_, Kubernetes>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, namespace, release) = parse_id(&live.id)?;
        let cluster = cx.cluster(cluster).await?;
        let options = [format!("--timeout={}s", live.spec.timeout_seconds), "--wait".to_owned()];
        Deletion::requested(Helm::of(&cluster)?.uninstall((namespace, release), &options).await)
    }

    /// Helm copies the labels of a revision to the next one.
    async fn retag<'a>(api: &'a Kubernetes, change: &'a TagChange<'a>) -> Result<()> {
        let (cluster, namespace, release) = parse_id(change.id)?;
        let cluster = api.cluster(cluster).await?;
        let kind = secrets()?;
        let labels: BTreeMap<&str, Option<&String>> = LABELS
            .iter()
            .filter(|(tag, _)| change.set.contains_key(*tag) || change.remove.iter().any(|removed| removed == tag))
            .map(|(tag, label)| (*label, change.set.get(*tag)))
            .collect();
        let patch = json!({ "metadata": { "labels": labels } });
        let selector = format!("owner=helm,name={release}");
        for secret in cluster.list_in(&kind, Some(namespace), &selector).await? {
            cluster.merge(&kind, Some(namespace), secret.metadata.name.as_deref().unwrap_or_default(), &patch).await?;
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        if let Err((message, help)) = EmbeddedChart::find(&self.chart, &self.version) {
            return vec![Problem::new(Self::POINTERS.chart, message).help(help)];
        }
        let is_address = self.chart.starts_with("oci://");
        let problem = match &self.repository {
            Some(_) if is_address => Some("a chart with an address `oci://…` has no `repository`"),
            // It is an argument of Helm, which other users of the machine see.
            Some(url) if is_plain_secret("", url) => {
                let help = "sign in with `helm repo add` or `helm registry login` instead";
                return vec![Problem::new(Self::POINTERS.repository, "the address contains a password").help(help).hide_value()];
            }
            Some(url) if !url.contains("${") && !["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) => {
                return vec![Problem::new(Self::POINTERS.repository, "a repository is an `https://` address")];
            }
            None if !is_address && !self.chart.contains(['/', '.']) => {
                return vec![
                    Problem::new(Self::POINTERS.chart, format!("`{}` is the name of a chart without a repository", self.chart))
                        .help("add `repository: https://…`, or write an address `oci://…` or a path `./…`"),
                ];
            }
            _ => None,
        };
        let mut problems: Vec<Problem> = problem.map(|message| Problem::new(Self::POINTERS.repository, message)).into_iter().collect();
        collect_passwords(self.values.value(), Self::POINTERS.values, &mut problems);
        problems
    }

    /// Helm reports the chart's own name.
    fn normalize(&self, live: &mut Self) {
        if chart_name(&self.chart) == live.chart {
            live.chart.clone_from(&self.chart);
        }
        // Helm finds `v1.2.0` for `1.2.0`, too: <https://github.com/Masterminds/semver#parsing-semantic-versions>.
        if self.version.trim_start_matches('v') == live.version.trim_start_matches('v') {
            live.version.clone_from(&self.version);
        }
    }

    /// Helm keeps the status of its operation only, so the workloads in the chart are read.
    async fn health(api: &Kubernetes, live: &Existing<Self>) -> Result<Option<Phase>> {
        let (cluster, namespace, release) = parse_id(&live.id)?;
        let cluster = api.cluster(cluster).await?;
        let selector = format!("name={release},status=deployed");
        let deployed = revisions(&cluster, &selector, Some(namespace)).await?.into_iter().max_by_key(|(release, _)| release.version);
        let Some((release, _)) = deployed else { return Ok(None) };
        cluster.workloads_phase(&release.manifest, namespace).await.map(Some)
    }

    /// Before an upgrade of the cluster, which it may be there to prepare.
    async fn first_version(&self, _: &Questions<'_, Kubernetes>, passed: &[String]) -> Option<String> {
        passed.first().cloned()
    }

    fn provides(&self) -> Vec<String> {
        let created = self.create_namespace.then(|| contents::content(self.cluster.get(), &format!("namespace {}", self.namespace)));
        created.into_iter().collect()
    }

    /// A chart can define kinds; those of acme do not.
    fn may_provide(&self) -> Option<String> {
        (!self.chart.starts_with(EMBEDDED_PREFIX)).then(|| contents::kinds(self.cluster.get()))
    }

    fn requires(&self) -> Vec<String> {
        vec![contents::content(self.cluster.get(), &format!("namespace {}", self.namespace))]
    }

    /// The objects that differ from those of the revision in use. Before the cluster exists, there is no answer.
    async fn effects(&self, questions: &Questions<'_, Kubernetes>) -> Vec<String> {
        let Some(cluster) = existing_cluster(questions, &self.cluster) else { return Vec::new() };
        if has_reference(self.values.value()) || find_program().is_none() {
            return Vec::new();
        }
        let parameters = format!("{cluster} {}", serde_json::to_string(self).unwrap_or_default());
        let changed = questions.ask("kubernetes:Render", &parameters, |api| async move {
            let cluster = api.cluster(&cluster).await?;
            let selector = format!("name={}", self.release);
            let revisions = revisions(&cluster, &selector, Some(&self.namespace)).await?;
            let current = revisions.into_iter().filter(|(release, _)| release.info.status == Status::Deployed);
            let current = current.max_by_key(|(release, _)| release.version).map(|(release, _)| release.manifest);
            let chart = Chart { chart: &self.chart, repository: self.repository.as_deref(), version: &self.version };
            let options = self.switches();
            let rendered = Helm::of(&cluster)?.render((&self.namespace, &self.release), &chart, &self.values.for_helm(), &options).await?;
            Ok(changed_objects(&current.unwrap_or_default(), &rendered))
        });
        changed.await.unwrap_or_default()
    }

    async fn preflight(&self, questions: &Questions<'_, Kubernetes>, _: HelmReleaseChanges) -> Vec<Problem> {
        if questions.is_simulated() || find_program().is_some() {
            return Vec::new();
        }
        vec![Problem::new(Self::POINTERS.chart, missing_program().message)]
    }
}

/// Reports passwords and private keys in values. Other names that sound secret (`existingSecret`) are those of Secrets.
fn collect_passwords(value: &Value, at: Pointer, problems: &mut Vec<Problem>) {
    const NAMES: &[&str] = &["password", "passphrase", "privatekey"];
    for (key, value) in value.as_object().into_iter().flatten() {
        let at = at.clone().item(key);
        // Software replaces `${env:PASSWORD}` and the like itself.
        let is_password = |text: &str| {
            !text.starts_with(['$', '{', '<'])
                && NAMES.iter().any(|name| key.to_lowercase().ends_with(name))
                && is_plain_secret("password", text)
        };
        match value {
            Value::String(text) if is_password(text) || is_plain_secret("", text) => {
                let message = format!("`{key}` is a secret, which would be in plans, in the journal and in the release");
                let help = "keep it in AWS Secrets Manager (`secrets:`), let External Secrets make a Secret of it, and name that one in the values";
                problems.push(Problem::new(at, message).help(help).hide_value());
            }
            Value::Array(entries) => {
                for (number, entry) in entries.iter().enumerate() {
                    collect_passwords(entry, at.clone().item(number), problems);
                }
            }
            other => collect_passwords(other, at, problems),
        }
    }
}

/// Ownership tags, with the labels that stand for them.
const LABELS: [(&str, &str); 3] = [(STACK_TAG, STACK_LABEL), (ENVIRONMENT_TAG, ENVIRONMENT_LABEL), (ADDRESS_TAG, ADDRESS_LABEL)];

impl HelmRelease {
    fn waiting(&self) -> Vec<String> {
        let wait = if self.wait { "--wait=watcher" } else { "--wait=hookOnly" };
        vec![wait.to_owned(), format!("--timeout={}s", self.timeout_seconds)]
    }

    fn switches(&self) -> Vec<String> {
        let switches = [
            (self.create_namespace, "--create-namespace"),
            (self.skip_crds, "--skip-crds"),
            (self.skip_schema_validation, "--skip-schema-validation"),
        ];
        switches.iter().filter(|(is_set, _)| *is_set).map(|(_, option)| (*option).to_owned()).collect()
    }

    /// Installs the release, or upgrades it from the revision `deployed`; if that fails, everything is as before. Helm does not change custom resource definitions in the folder `crds`, so acme applies the new ones.
    async fn upgrade(&self, cluster: &Cluster, call: &CallContext, has_new_chart: bool, deployed: Option<u64>) -> Result<()> {
        let helm = Helm::of(cluster)?;
        let chart = Chart { chart: &self.chart, repository: self.repository.as_deref(), version: &self.version };
        if has_new_chart && !self.skip_crds {
            apply_definitions(cluster, &helm.show_crds(&chart).await?).await?;
        }
        let ownership = call.ownership();
        let labels: Vec<String> = LABELS.iter().filter_map(|(tag, label)| Some(format!("{label}={}", ownership.get(*tag)?))).collect();
        let mut options = self.waiting();
        options.push(format!("--labels={},{TIMEOUT_LABEL}={}", labels.join(","), self.timeout_seconds));
        options.push(format!("--history-max={}", self.history));
        options.extend(self.switches());
        options.extend(self.take_ownership.then(|| "--take-ownership".to_owned()));
        let release = (self.namespace.as_str(), self.release.as_str());
        if self.wait {
            options.push("--rollback-on-failure".to_owned());
            return helm.upgrade(release, &chart, &self.values.for_helm(), &options).await;
        }
        let done = helm.upgrade(release, &chart, &self.values.for_helm(), &options).await;
        if done.is_err() {
            self.undo_failed(&helm, cluster, deployed).await?;
        }
        done
    }

    /// Undoes an operation that failed, unless it failed before it changed anything. Helm would do that itself only if it waited until everything
    /// is ready.
    async fn undo_failed(&self, helm: &Helm<'_>, cluster: &Cluster, deployed: Option<u64>) -> Result<()> {
        let newest = newest(cluster, &format!("name={}", self.release), Some(&self.namespace)).await?.pop();
        if newest.is_none_or(|found| found.phase == Phase::Ready) {
            return Ok(());
        }
        let release = (self.namespace.as_str(), self.release.as_str());
        match deployed {
            Some(revision) => helm.rollback(release, revision, &self.waiting()).await,
            None => helm.uninstall(release, &[format!("--timeout={}s", self.timeout_seconds)]).await,
        }
    }
}

async fn apply_definitions(cluster: &Cluster, documents: &str) -> Result<()> {
    let parsed = serde_saphyr::from_multiple::<Value>(documents);
    let parsed = parsed
        .map_err(|error| Error::new(ErrorKind::Rejected, "InvalidChart", format!("the chart's definitions are not valid YAML: {error}")))?;
    for definition in parsed.into_iter().filter(|definition| !definition.is_null()) {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let Some(name) = KindName::of(text("/apiVersion"), text("/kind")) else { continue };
        let kind = cluster.kind(&name).await?;
        match cluster.apply(&kind, None, text("/metadata/name"), &definition, true, false).await? {
            Applied::Object(_) => {}
            Applied::Conflicts(_) => {
                return Err(Error::new(ErrorKind::Conflict, "Conflict", format!("`{}` is being changed", text("/metadata/name"))));
            }
        }
    }
    Ok(())
}

/// Path of the chart on this machine, if the spec of a release has one.
pub fn local_chart(spec: &Value) -> Option<&str> {
    let chart = spec["chart"].as_str()?;
    let is_elsewhere = !spec["repository"].is_null() || chart.starts_with("oci://") || chart.starts_with(EMBEDDED_PREFIX);
    (!is_elsewhere).then_some(chart)
}

/// Last part of a chart's address or path, which is the chart's name.
fn chart_name(chart: &str) -> &str {
    chart.trim_end_matches('/').rsplit('/').next().unwrap_or(chart)
}

fn parse_id(id: &str) -> Result<(&str, &str, &str)> {
    match id.split('/').collect::<Vec<_>>().as_slice() {
        [cluster, namespace, release] => Ok((*cluster, *namespace, *release)),
        _ => {
            let message = format!("`{id}` is not a valid id: write `<cluster>/<namespace>/<release>`");
            Err(Error::new(ErrorKind::NotFound, "InvalidId", message))
        }
    }
}

fn secrets() -> Result<Kind> {
    let kind = KindName::of("v1", "Secret").and_then(|name| Kind::built_in(&name));
    kind.ok_or_else(|| Error::new(ErrorKind::Rejected, "UnknownKind", "Secrets are unknown"))
}

/// Returns the revisions of releases, each with its ownership tags.
async fn revisions(cluster: &Cluster, selector: &str, namespace: Option<&str>) -> Result<Vec<(Release, Tags)>> {
    let found = cluster.list_in(&secrets()?, namespace, &format!("owner=helm,{selector}")).await?;
    Ok(found.iter().filter_map(|secret| Some((release_of_secret(secret)?, tags(secret)))).collect())
}

/// Returns the newest revision of each release.
async fn newest(cluster: &Cluster, selector: &str, namespace: Option<&str>) -> Result<Vec<Observed<HelmRelease>>> {
    let mut newest: BTreeMap<(String, String), (Release, Tags)> = BTreeMap::new();
    for (release, tags) in revisions(cluster, selector, namespace).await? {
        let key = (release.namespace.clone(), release.name.clone());
        if newest.get(&key).is_none_or(|(known, _)| known.version < release.version) {
            newest.insert(key, (release, tags));
        }
    }
    let exists = |(release, _): &(Release, Tags)| release.info.status != Status::Uninstalled;
    Ok(newest.into_values().filter(exists).map(|(release, tags)| read(cluster.name(), release, tags)).collect())
}

fn tags(secret: &DynamicObject) -> Tags {
    let labels = secret.metadata.labels.as_ref();
    LABELS.iter().filter_map(|(tag, label)| Some(((*tag).to_owned(), labels?.get(*label)?.clone()))).collect()
}

/// Whether an operation has taken so long that the program that made it must have been stopped: hooks, the wait and the way back take up to the
/// timeout each.
fn is_interrupted(release: &Release, timeout_seconds: u32) -> bool {
    let started = release.info.last_deployed.parse::<Timestamp>();
    let elapsed = started.ok().and_then(|started| u64::try_from(Timestamp::now().duration_since(started).as_secs()).ok());
    elapsed.is_some_and(|elapsed| elapsed > 4 * u64::from(timeout_seconds))
}

fn read(cluster: &str, release: Release, tags: Tags) -> Observed<HelmRelease> {
    let timeout_seconds = release.labels.get(TIMEOUT_LABEL).and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_TIMEOUT);
    let phase = match release.info.status {
        Status::PendingInstall if is_interrupted(&release, timeout_seconds) => Phase::Failed("its installation was interrupted".to_owned()),
        Status::PendingUpgrade | Status::PendingRollback if is_interrupted(&release, timeout_seconds) => {
            Phase::Degraded("an operation of Helm was interrupted".to_owned())
        }
        // What an earlier revision installed is not deleted to mend it.
        Status::Failed if release.version > 1 => Phase::Degraded(release.info.description.clone()),
        Status::Deployed | Status::Superseded | Status::Unknown => Phase::Ready,
        Status::Failed => Phase::Failed(release.info.description.clone()),
        Status::Uninstalling | Status::Uninstalled => Phase::Deleting,
        Status::PendingInstall => Phase::Progressing("being installed".to_owned()),
        Status::PendingUpgrade => Phase::Progressing("being upgraded".to_owned()),
        Status::PendingRollback => Phase::Progressing("being rolled back".to_owned()),
    };
    let id = format!("{cluster}/{}/{}", release.namespace, release.name);
    let spec = HelmRelease {
        cluster: Ref::to(cluster),
        namespace: release.namespace,
        release: release.name,
        chart: release.chart.metadata.name,
        repository: None,
        version: release.chart.metadata.version,
        values: Values::from_helm(Value::Object(release.config.unwrap_or_default())),
        create_namespace: false,
        wait: true,
        timeout_seconds: DEFAULT_TIMEOUT,
        skip_crds: false,
        skip_schema_validation: false,
        take_ownership: false,
        history: 10,
    };
    let outputs = Outputs { revision: release.version.to_string(), app_version: release.chart.metadata.app_version };
    Observed::new(id, tags, spec, outputs).phase(phase).version(Some(release.version.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(chart: &str, repository: Option<&str>) -> HelmRelease {
        let spec = json!({ "cluster": "main", "release": "web", "chart": chart, "repository": repository, "version": "1.0.0" });
        serde_json::from_value(spec).expect("a release")
    }

    #[test]
    fn a_chart_has_one_source() {
        let refused = |chart, repository| !release(chart, repository).check().is_empty();
        assert!(
            refused("web", None) && refused("oci://example.com/web", Some("https://example.com")) && refused("web", Some("example.com"))
        );
        assert!(!refused("web", Some("https://example.com")) && !refused("oci://example.com/web", None) && !refused("./charts/web", None));
    }

    #[test]
    fn values_hold_no_passwords() {
        let pointers = |values: Value| {
            let spec =
                json!({ "cluster": "main", "release": "web", "chart": "oci://example.com/web", "version": "1.0.0", "values": values });
            let release: HelmRelease = serde_json::from_value(spec).expect("a release");
            release.check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!({ "grafana": { "adminPassword": "tiger" } })), ["/values/grafana/adminPassword"]);
        assert_eq!(pointers(json!({ "databases": [{ "url": "postgres://shop:tiger@db.example.com/shop" }] })), ["/values/databases/0/url"]);
        assert!(pointers(json!({ "existingSecret": "shop", "passwordKey": "password", "password": "", "privateKey": {}, "basic": { "password": "${env:PASSWORD}" } })).is_empty());
        assert!(!release("web", Some("https://shop:tiger@charts.example.com")).check().is_empty());
    }

    /// Another program may still be working on it, as long as its own timeout allows.
    #[test]
    fn an_operation_is_interrupted_after_its_own_timeout() {
        let phase = |status: &str, minutes: i64, timeout: &str| {
            let started = Timestamp::now() - k8s_openapi::jiff::SignedDuration::from_mins(minutes);
            let release = json!({
                "name": "web", "namespace": "shop", "version": 2, "chart": { "metadata": { "name": "web", "version": "1.0.0" } },
                "info": { "status": status, "last_deployed": started.to_string() },
            });
            let mut release: Release = serde_json::from_value(release).expect("a release");
            release.labels.insert(TIMEOUT_LABEL.to_owned(), timeout.to_owned());
            read("main", release, Tags::new()).phase
        };
        assert!(matches!(phase("pending-upgrade", 60, "3600"), Phase::Progressing(_)));
        assert!(matches!(phase("pending-upgrade", 60, "600"), Phase::Degraded(_)));
        assert!(matches!(phase("pending-install", 60, "600"), Phase::Failed(_)));
    }

    #[test]
    fn only_a_chart_with_a_path_is_on_this_machine() {
        let chart = |spec: Value| local_chart(&spec).map(str::to_owned);
        assert_eq!(chart(json!({ "chart": "./charts/web", "repository": null })), Some("./charts/web".to_owned()));
        assert_eq!(chart(json!({ "chart": "web", "repository": "https://example.com" })), None);
        assert_eq!(chart(json!({ "chart": "oci://example.com/web" })), None);
        assert_eq!(chart(json!({ "chart": format!("{EMBEDDED_PREFIX}service") })), None);
    }

    #[test]
    fn the_name_of_a_chart_is_the_end_of_its_address() {
        let mut live = release("web", Some("https://example.com"));
        release("oci://example.com/charts/web", None).normalize(&mut live);
        assert_eq!(live.chart, "oci://example.com/charts/web");
        release("./charts/other/", None).normalize(&mut live);
        assert_eq!(live.chart, "oci://example.com/charts/web");
    }
}
