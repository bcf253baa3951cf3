//! `kubernetes_object`: an object in a cluster, applied on the server.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.

mod immutable;
mod manifest;
mod public_secret;
mod secret_data;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use acme_macros::spec;
use kube::api::DynamicObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use manifest::Manifest;
pub use secret_data::SecretSource;
use secret_data::Values;

use super::existing_cluster;
use crate::{
    aws::{
        for_each_concurrent,
        types::eks_cluster::{EksCluster, contents},
    },
    core::{
        ADDRESS_TAG, ConditionValues, Created, Cx, Deletion, Error, ErrorKind, Existing, GrantTarget, IamActions, IamCondition, IamGrant,
        Observed, Phase, Problem, Questions, Ref, Resource, Result, Scope, TagChange, Tags, TypeInfo, expression::has_reference,
    },
    kubernetes::{
        self, Cluster, Kubernetes, ObjectId, applications,
        applied::{self, object_to_apply},
        cluster::{Applied, MANAGER},
        inventory::Inventory,
        kinds::{KindName, is_unknown_kind},
        readiness::{Awaited, phase},
    },
};

/// An object in a cluster, applied on the server with field manager `acme`.
#[spec]
pub struct KubernetesObject {
    /// The cluster.
    #[field(replaces, parent)]
    pub cluster: Ref<EksCluster>,
    /// The object, as for `kubectl apply`. Fields that it lacks are left to Kubernetes and to others.
    #[field(important)]
    pub manifest: Manifest,
    /// Values of a Secret by key. acme copies them when it applies the object, and never shows or records them; when their source has another
    /// version, the next plan copies it.
    #[field(default)]
    pub secret_data: BTreeMap<String, SecretSource>,
    /// Conditions to wait for, besides the ones by which Kubernetes shows that an object of this kind is ready.
    #[field(default)]
    pub wait_for: BTreeSet<AwaitedCondition>,
    /// Whether to overwrite fields that others have set to other values. By default, acme overwrites only fields that it has set before.
    #[field(default = false, write_only)]
    pub take_over_fields: bool,
}

/// Condition in the status of an object.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct AwaitedCondition {
    /// Type of the condition, such as `Synced`.
    pub condition: String,
    /// Its status.
    #[field(default = "True")]
    pub status: String,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Name.
    #[schemars(extend("x-acme-determined" = "{manifest/metadata/name}"))]
    pub name: String,
    /// Namespace; empty for a kind without namespaces.
    #[schemars(extend("x-acme-determined" = "{manifest/metadata/namespace|*}"))]
    pub namespace: String,
    /// Unique id of this object among all that have had its name.
    #[schemars(extend("x-acme-simulated" = "{uuid}"))]
    pub uid: String,
}

/// Secrets of databases whose passwords RDS manages.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html>
const SECRETS_OF_RDS: &str = "secretsmanager:secret:rds!*";
/// Services that decrypt values, in all regions and partitions. <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>
const STORES: &[&str] = &["secretsmanager.*.amazonaws.com*", "ssm.*.amazonaws.com*"];

impl Resource for KubernetesObject {
    const TYPE: TypeInfo = TypeInfo::new(
        "kubernetes_object",
        &kubernetes::SERVICE,
        "{cluster}/{manifest/apiVersion}/{manifest/kind}/{manifest/metadata/namespace|*}/{manifest/metadata/name}",
        "",
    )
    .without_charge("it is in the cluster, which costs; what controllers create for it is not known")
    .deletable_while_in_use()
    .deleted_with_parent()
    .listed_if_declared()
    .typical_seconds(10)
    .longest_hours(1)
    .iam_actions(
        IamActions::new("").grants(&[
            IamGrant::read(&["eks:DescribeCluster"], GrantTarget::Arn("eks:cluster/{parent}")),
            IamGrant::read(&["secretsmanager:DescribeSecret"], GrantTarget::Referenced("secret"))
                .needed_for(|| KubernetesObject::POINTERS.secret_data),
            IamGrant::read(&["ssm:GetParameter"], GrantTarget::Referenced("parameter"))
                .needed_for(|| KubernetesObject::POINTERS.secret_data),
            IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret"))
                .needed_for(|| KubernetesObject::POINTERS.secret_data),
            // Secrets that RDS manages have names of their own.
            IamGrant::read(&["secretsmanager:DescribeSecret"], GrantTarget::Arn(SECRETS_OF_RDS))
                .needed_if(secret_data::has_secret_of_database),
            IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Arn(SECRETS_OF_RDS))
                .needed_if(secret_data::has_secret_of_database),
            // The type of a source in the stack has the permission for its key.
            IamGrant::change(&["kms:Decrypt"], GrantTarget::Arn("kms:key/*"))
                .only_if(&[IamCondition { operator: "StringLike", key: "kms:ViaService", values: ConditionValues::Fixed(STORES) }])
                .needed_if(secret_data::may_have_other_key),
        ]),
    );
    type Api = Kubernetes;
    type Outputs = Outputs;

    /// One call for each kind of which the stack has objects.
    async fn list(api: &Kubernetes, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        if let Some(ids) = scope.adopt.as_ref().map(|id| BTreeSet::from([id.clone()])).or_else(|| scope.ids.clone()) {
            let read = |id: String| async move {
                let Ok(id) = ObjectId::parse(&id) else { return Ok(None) };
                match get_as_applied(api, &id).await? {
                    Some((kind, object)) => read_with_sources(api, id, &kind, &object).await.map(Some),
                    None => Ok(None),
                }
            };
            let mut found = for_each_concurrent(ids, read).await?;
            add_phases_of_applications(api, &mut found).await?;
            return Ok(found);
        }
        let inventory = Inventory::new(&scope.stack, &scope.environment);
        let mut kinds = Vec::new();
        for cluster in api.clusters(&scope.parent_ids).await? {
            kinds.extend(cluster.inventory(&inventory).await?.into_iter().map(|kind| (cluster.clone(), kind)));
        }
        let selector = &inventory.selector();
        let listed = for_each_concurrent(kinds, |(cluster, name)| async move {
            let objects = cluster.list_kind(&name, selector).await?;
            Ok(objects.map(|objects| Listed { cluster: cluster.name().to_owned(), kind: name, objects }))
        });
        let mut found = Vec::new();
        for (cluster, kind, object) in once_each(listed.await?) {
            found.push(read_listed(api, &cluster, &kind, &object).await?);
        }
        found.retain(|one| scope.owns(&one.tags));
        add_phases_of_applications(api, &mut found).await?;
        Ok(found)
    }

    /// Server-side apply takes over an object that exists, so one of others is refused first.
    async fn create(&self, cx: &Cx<'_, Kubernetes>) -> Result<Created<Self>> {
        let id = self.id()?;
        let cluster = cx.cluster(&id.cluster).await?;
        let kind = cluster.kind(&id.kind).await?;
        let inventory = Inventory::new(&cx.call.stack, &cx.call.environment);
        if let Some(existing) = cluster.get(&kind, id.namespace.as_deref(), &id.name).await? {
            let tags = applied::tags(&existing);
            if cx.call.ownership().iter().any(|(key, value)| tags.get(key) != Some(value)) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    "AlreadyExists",
                    format!("{} `{}` exists already", id.kind.kind, id.name),
                ));
            }
            // The answer to the call that created it was lost, or the cluster no longer serves the version in the inventory.
            cluster.add_to_inventory(&inventory, &id.kind).await?;
            let before = applied::api_version(&existing).and_then(|version| id.kind.in_version(&version));
            if let Some(before) = before.filter(|before| *before != id.kind) {
                cluster.remove_from_inventory(&inventory, &before).await?;
            }
            return Ok(id.to_string().into());
        }
        cluster.add_to_inventory(&inventory, &id.kind).await?;
        let values = Values::read(cx.api, &self.secret_data).await?;
        let object = self.apply(&cluster, &id, &cx.call.tags, &|_| false, Some(&values)).await?;
        let kind = id.kind.clone();
        Ok(Created::from_answer(id.to_string(), read(id, &kind, &object, self.secret_data.clone())))
    }

    /// In another version of its API, it is still the same object.
    async fn update(&self, cx: &Cx<'_, Kubernetes>, live: &Existing<Self>, _: KubernetesObjectChanges) -> Result<()> {
        let found = ObjectId::parse(&live.id)?;
        let id = ObjectId { kind: self.manifest.kind().unwrap_or_else(|| found.kind.clone()), ..found.clone() };
        let cluster = cx.cluster(&id.cluster).await?;
        let inventory = Inventory::new(&cx.call.stack, &cx.call.environment);
        cluster.add_to_inventory(&inventory, &id.kind).await?;
        let is_copied = |field: &str| field.strip_prefix(".data.").is_some_and(|key| self.secret_data.contains_key(key));
        let applied_before = |field: &str| live.spec.manifest.has_field(field) || is_copied(field);
        let values = Values::read(cx.api, &self.secret_data).await?;
        self.apply(&cluster, &id, &cx.call.tags, &applied_before, Some(&values)).await?;
        let before = live.spec.manifest.kind().unwrap_or(found.kind);
        if before != id.kind {
            cluster.remove_from_inventory(&inventory, &before).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_, Kubernetes>, live: &Existing<Self>) -> Result<Deletion> {
        let id = ObjectId::parse(&live.id)?;
        let cluster = cx.cluster(&id.cluster).await?;
        let kind = cluster.kind(&id.kind).await.map_err(|error| Error { kind: ErrorKind::NotFound, ..error })?;
        let deleted = cluster.delete(&kind, id.namespace.as_deref(), &id.name, None).await;
        let applied = live.spec.manifest.kind().unwrap_or(id.kind);
        cluster.remove_from_inventory(&Inventory::new(&cx.call.stack, &cx.call.environment), &applied).await?;
        deleted.map(|()| Deletion::Requested)
    }

    async fn retag<'a>(api: &'a Kubernetes, change: &'a TagChange<'a>) -> Result<()> {
        let id = ObjectId::parse(change.id)?;
        let cluster = api.cluster(&id.cluster).await?;
        let kind = cluster.kind(&id.kind).await?;
        let before = cluster.get(&kind, id.namespace.as_deref(), &id.name).await?;
        let before = before.ok_or_else(|| Error::new(ErrorKind::NotFound, "NotFound", format!("`{}` does not exist", change.id)))?;
        let mut tags = applied::tags(&before);
        tags.retain(|key, _| !change.remove.contains(key));
        tags.extend(change.set.clone());
        let inventory = Inventory::of_owner(&tags);
        if let Some(inventory) = &inventory {
            cluster.add_to_inventory(inventory, &id.kind).await?;
        }
        let labels: BTreeMap<&str, Option<&str>> = match &inventory {
            Some(inventory) => inventory.labels().into_iter().map(|(key, value)| (key, Some(value))).collect(),
            None => kubernetes::inventory::LABELS.iter().map(|key| (*key, None)).collect(),
        };
        let annotations = json!({ applied::TAGS: serde_json::to_string(&tags)? });
        let patch = json!({ "metadata": { "labels": labels, "annotations": annotations } });
        cluster.merge(&kind, id.namespace.as_deref(), &id.name, &patch).await.map(drop)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = self.manifest.problems(Self::POINTERS.manifest);
        problems.extend(secret_data::problems(self));
        problems
    }

    fn replaces(&self, live: &Self) -> KubernetesObjectChanges {
        KubernetesObjectChanges { manifest: immutable::differs(&self.manifest, &live.manifest), ..KubernetesObjectChanges::default() }
    }

    fn conflict_groups(&self) -> Vec<String> {
        vec![format!("{}/{}", self.cluster.get(), self.manifest.identity())]
    }

    fn conflicts_with(&self, live: &Self) -> bool {
        self.manifest.identity() == live.manifest.identity()
    }

    /// Before an upgrade of the cluster, which it may be there to prepare.
    async fn first_version(&self, _: &Questions<'_, Kubernetes>, passed: &[String]) -> Option<String> {
        passed.first().cloned()
    }

    fn provides(&self) -> Vec<String> {
        self.manifest.provides().into_iter().map(|name| contents::content(self.cluster.get(), &name)).collect()
    }

    fn may_provide(&self) -> Option<String> {
        self.manifest.installs_others().then(|| contents::kinds(self.cluster.get()))
    }

    fn requires(&self) -> Vec<String> {
        self.manifest.requires().into_iter().map(|name| contents::content(self.cluster.get(), &name)).collect()
    }

    fn deletion_effect(&self) -> Option<String> {
        self.manifest.deletion_effect()
    }

    /// Asks the cluster whether it would accept the object. Before the cluster, its kind or its namespace exists, there is no answer.
    async fn preflight(&self, questions: &Questions<'_, Kubernetes>, changes: KubernetesObjectChanges) -> Vec<Problem> {
        let Some(cluster) = existing_cluster(questions, &self.cluster) else { return Vec::new() };
        if !changes.manifest || has_reference(self.manifest.value()) {
            return Vec::new();
        }
        let wanted = KubernetesObject { cluster: Ref::to(cluster), ..self.clone() };
        let Ok(id) = wanted.id() else { return Vec::new() };
        let manifest = self.manifest.value().to_string();
        let refusal = questions
            .ask("kubernetes:Apply", &format!("{id} {manifest}"), |api| async move {
                let cluster = api.cluster(&id.cluster).await?;
                let kind = match cluster.kind(&id.kind).await {
                    Err(error) if is_unknown_kind(&error) => return Ok(None),
                    kind => kind?,
                };
                let existing = cluster.get(&kind, id.namespace.as_deref(), &id.name).await?;
                if existing.is_some_and(|existing| !applied::tags(&existing).contains_key(ADDRESS_TAG)) {
                    return Ok(Some(format!("{} `{}` exists already: adopt it with `acme import`", id.kind.kind, id.name)));
                }
                // Fields that others set are told when they are in the way.
                match wanted.apply(&cluster, &id, &Tags::new(), &|_| true, None).await {
                    Err(error) if error.kind == ErrorKind::Rejected => {
                        Ok(Some(format!("the cluster does not accept it: {}", error.message)))
                    }
                    Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotYetVisible | ErrorKind::Conflict) => Ok(None),
                    other => other.map(|_| None),
                }
            })
            .await
            .flatten();
        refusal.map(|message| Problem::new(Self::POINTERS.manifest, message)).into_iter().collect()
    }
}

impl KubernetesObject {
    fn id(&self) -> Result<ObjectId> {
        ObjectId::parse(&format!("{}/{}", self.cluster.get(), self.manifest.path()))
    }

    /// Applies the object with values, or only tries to without. `may_overwrite` says whether to overwrite a field (`.spec.replicas`) that another
    /// field manager has set.
    async fn apply(
        &self,
        cluster: &Cluster,
        id: &ObjectId,
        tags: &Tags,
        may_overwrite: &(dyn Fn(&str) -> bool + Sync),
        values: Option<&Values>,
    ) -> Result<DynamicObject> {
        let kind = cluster.kind(&id.kind).await?;
        let inventory = Inventory::of_owner(tags);
        let labels = inventory.as_ref().map(Inventory::labels);
        let mut object = object_to_apply(self.manifest.value(), labels.as_ref().map_or(&[], |labels| labels.as_slice()), tags)?;
        if !self.wait_for.is_empty() {
            object["metadata"]["annotations"][WAIT_FOR] = serde_json::to_string(&self.wait_for)?.into();
        }
        match values {
            Some(values) => values.add_to(&mut object)?,
            None => Values::placeholders(&self.secret_data).add_to(&mut object)?,
        }
        let apply = |force| cluster.apply(&kind, id.namespace.as_deref(), &id.name, &object, force, values.is_none());
        let conflicts = match apply(self.take_over_fields).await? {
            Applied::Object(object) => return Ok(*object),
            Applied::Conflicts(conflicts) => conflicts,
        };
        if let Some(conflict) = conflicts.iter().find(|conflict| !may_overwrite(&conflict.field)) {
            let message = format!(
                "`{}` is set to another value by {}; remove it from the manifest, or set `take_over_fields: true`",
                conflict.field, conflict.manager
            );
            return Err(Error::new(ErrorKind::Rejected, "FieldConflict", message));
        }
        match apply(true).await? {
            Applied::Object(object) => Ok(*object),
            Applied::Conflicts(_) => Err(Error::new(ErrorKind::Conflict, "Conflict", format!("`{}` is being changed", id.name))),
        }
    }
}

/// Annotation with the conditions to wait for.
const WAIT_FOR: &str = "acme/wait-for";

/// An Application of Argo CD that installs others is ready when these are. One call for each namespace with Applications.
async fn add_phases_of_applications(api: &Kubernetes, found: &mut [Observed<KubernetesObject>]) -> Result<()> {
    let mut known: BTreeMap<(String, Option<String>), Vec<DynamicObject>> = BTreeMap::new();
    for one in found.iter_mut().filter(|one| one.phase == Phase::Ready) {
        let id = ObjectId::parse(&one.id)?;
        if !id.kind.is(applications::GROUP, applications::KIND) {
            continue;
        }
        let all = match known.entry((id.cluster.clone(), id.namespace.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(applications::all_beside(&*api.cluster(&id.cluster).await?, &id).await?),
        };
        one.phase = applications::phase_of_children(all, &id);
    }
    Ok(())
}

async fn get(api: &Kubernetes, id: &ObjectId) -> Result<Option<DynamicObject>> {
    let cluster = match api.cluster(&id.cluster).await {
        Err(error) if error.is_not_found() => return Ok(None),
        cluster => cluster?,
    };
    match cluster.kind(&id.kind).await {
        Err(error) if is_unknown_kind(&error) => Ok(None),
        kind => cluster.get(&kind?, id.namespace.as_deref(), &id.name).await,
    }
}

/// An object with the kind in whose version acme applied it, which may be another one than the id has; in that of the id, if the cluster does
/// not serve it.
async fn get_as_applied(api: &Kubernetes, id: &ObjectId) -> Result<Option<(KindName, DynamicObject)>> {
    let Some(object) = get(api, id).await? else { return Ok(None) };
    let applied = applied::api_version(&object).and_then(|version| id.kind.in_version(&version));
    if let Some(kind) = applied.filter(|kind| *kind != id.kind)
        && let Some(object) = get(api, &ObjectId { kind: kind.clone(), ..id.clone() }).await?
    {
        return Ok(Some((kind, object)));
    }
    Ok(Some((id.kind.clone(), object)))
}

/// Objects of a kind in a cluster.
struct Listed {
    cluster: String,
    kind: KindName,
    objects: Vec<DynamicObject>,
}

/// Each object once: the API lists an object in every version of its kind, so only that counts in which acme applied it.
fn once_each(listed: Vec<Listed>) -> Vec<(String, KindName, DynamicObject)> {
    let served: BTreeSet<(String, KindName)> = listed.iter().map(|one| (one.cluster.clone(), one.kind.clone())).collect();
    let mut found = Vec::new();
    for Listed { cluster, kind, objects } in listed {
        let versions: Vec<&KindName> =
            served.iter().filter(|(other, one)| *other == cluster && one.is(&kind.group, &kind.kind)).map(|(_, one)| one).collect();
        let counts = |object: &DynamicObject| {
            let applied = applied::api_version(object).and_then(|version| kind.in_version(&version));
            let applied = applied.filter(|applied| versions.contains(&applied));
            applied.as_ref().or(versions.first().copied()) == Some(&kind)
        };
        let objects = objects.into_iter().filter(|object| versions.len() == 1 || counts(object));
        found.extend(objects.map(|object| (cluster.clone(), kind.clone(), object)));
    }
    found
}

async fn read_listed(api: &Kubernetes, cluster: &str, kind: &KindName, object: &DynamicObject) -> Result<Observed<KubernetesObject>> {
    let manifest = Manifest::from(applied::manifest(object, kind)?);
    read_with_sources(api, ObjectId::parse(&format!("{cluster}/{}", manifest.path()))?, kind, object).await
}

async fn read_with_sources(api: &Kubernetes, id: ObjectId, kind: &KindName, object: &DynamicObject) -> Result<Observed<KubernetesObject>> {
    let sources = secret_data::current_sources(api, object).await;
    read(id, kind, object, sources)
}

fn read(
    id: ObjectId,
    kind: &KindName,
    object: &DynamicObject,
    secret_data: BTreeMap<String, SecretSource>,
) -> Result<Observed<KubernetesObject>> {
    let annotation = object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(WAIT_FOR));
    let wait_for: BTreeSet<AwaitedCondition> = annotation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let awaited: Vec<Awaited<'_>> = wait_for.iter().map(|one| Awaited { condition: &one.condition, status: &one.status }).collect();
    let phase = phase(kind, object, &awaited);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let metadata = &object.metadata;
    let outputs = Outputs { name: text(&metadata.name), namespace: text(&metadata.namespace), uid: text(&metadata.uid) };
    let mut manifest = applied::manifest(object, kind)?;
    if !public_secret::is_public(&manifest) {
        secret_data::without_values(kind, &mut manifest);
    }
    let manifest = Manifest::from(manifest);
    let spec = KubernetesObject { cluster: Ref::to(&id.cluster), manifest, secret_data, wait_for, take_over_fields: false };
    Ok(Observed::new(id.to_string(), applied::tags(object), spec, outputs).phase(phase))
}
