//! The connection to one cluster: its client, and the calls of the resource types.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_sts::config::SharedCredentialsProvider;
use base64::{Engine, prelude::BASE64_STANDARD};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use super::{
    Caller,
    cleanup::Progress,
    error::from_kube,
    inventory::Inventory,
    kinds::{Kind, KindName},
    token,
};
use crate::{
    aws::{CALL_TIMEOUT, CallPacer, permit_attempt},
    core::{Error, ErrorKind, Result, ok_or_not_found, trace},
};

/// Field manager of everything that acme applies.
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>
pub(super) const MANAGER: &str = "acme";
/// Objects per page of a list.
const PAGE: u32 = 500;

/// Where the API of a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// URL.
    pub url: String,
    /// Certificate authority, PEM in base64.
    pub certificate_authority: String,
}

impl Endpoint {
    /// Endpoint of a cluster as EKS reports it; `None` while it is being created.
    pub fn of(cluster: &aws_sdk_eks::types::Cluster) -> Option<Endpoint> {
        let authority = cluster.certificate_authority.as_ref()?.data.clone()?;
        Some(Endpoint { url: cluster.endpoint.clone()?, certificate_authority: authority })
    }
}

/// How to reach clusters.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Region.
    pub region: String,
    /// Credentials, `None` if none are configured.
    pub credentials: Option<SharedCredentialsProvider>,
    /// Who calls, for programs that need their own tokens.
    pub caller: Caller,
    /// Proxy for private endpoints.
    pub proxy: Option<String>,
}

/// A cluster.
pub struct Cluster {
    name: String,
    endpoint: Endpoint,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
    caller: Caller,
    proxy: Option<String>,
    calls: CallPacer,
    /// Client with a token, and the time of its signature.
    client: Mutex<Option<(Client, Instant)>>,
    /// Kinds known so far.
    pub(super) kinds: Mutex<BTreeMap<KindName, Kind>>,
    /// Kinds that the inventories of stacks are known to have.
    pub(super) inventories: Mutex<BTreeSet<(Inventory, KindName)>>,
    /// How far the cleanup before its deletion is.
    pub(super) cleanup: Mutex<Progress>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).field("endpoint", &self.endpoint.url).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(super) fn new(name: &str, endpoint: Endpoint, access: Access, calls: CallPacer) -> Cluster {
        let Access { region, credentials, caller, proxy } = access;
        Cluster {
            name: name.to_owned(),
            endpoint,
            region,
            credentials,
            caller,
            proxy,
            calls,
            client: Mutex::default(),
            kinds: Mutex::default(),
            inventories: Mutex::default(),
            cleanup: Mutex::default(),
        }
    }

    /// Name in EKS.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its API is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Region.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Who calls.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Proxy for a private endpoint.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Returns a token that is valid for [`token::LIFETIME`].
    ///
    /// # Errors
    /// Fails without credentials.
    pub async fn token(&self) -> Result<String> {
        token::for_cluster(&self.name, &self.region, self.credentials.as_ref()).await
    }

    /// Returns the client, with a new token before the earlier one expires.
    pub(super) async fn client(&self) -> Result<Client> {
        let current = || self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((client, signed_at)) = current()
            && signed_at.elapsed() < token::LIFETIME / 2
        {
            return Ok(client);
        }
        let invalid = |what: &str, error: &dyn fmt::Display| {
            Error::new(ErrorKind::Rejected, "ClusterEndpoint", format!("{what} of the cluster `{}` is not valid: {error}", self.name))
        };
        let url = self.endpoint.url.parse().map_err(|error| invalid("the endpoint", &error))?;
        let mut config = Config::new(url);
        config.root_cert = Some(certificates(&self.endpoint.certificate_authority).map_err(|error| invalid("the certificate", &error))?);
        config.auth_info.token = Some(self.token().await?.into());
        config.read_timeout = Some(CALL_TIMEOUT);
        config.reset_reader_on_write = true;
        if let Some(proxy) = &self.proxy {
            config.proxy_url = Some(proxy.parse().map_err(|error| invalid("the proxy", &error))?);
        }
        let client = Client::try_from(config).map_err(|error| invalid("the endpoint", &error))?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some((client.clone(), Instant::now()));
        Ok(client)
    }

    /// Makes a call, counted and recorded under this name. `object` is what it is about: a name with its namespace, or labels.
    pub(super) async fn call<T>(&self, action: &str, object: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T> {
        permit_attempt()?;
        self.count_call(action);
        let (at, started) = (SystemTime::now(), Instant::now());
        let answer = match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(answer) => answer.map_err(|error| from_kube(error, self)),
            Err(_) => {
                let message = format!("no response from `{}` within {} s", self.endpoint.url, CALL_TIMEOUT.as_secs());
                Err(Error::new(ErrorKind::Unavailable, "ClusterUnreachable", message))
            }
        };
        self.record_call(action, object, (at, started.elapsed()), answer.as_ref().err());
        answer
    }

    /// Records a call. Objects and values of charts may hold secrets, so it has the names only.
    pub(super) fn record_call(&self, action: &str, object: &str, (at, duration): (SystemTime, Duration), error: Option<&Error>) {
        if trace::is_recorded(trace::Level::Calls) {
            let call = trace::Call {
                service: "Kubernetes".to_owned(),
                action: action.to_owned(),
                region: self.region.clone(),
                parameters: json!({ "cluster": self.name, "object": object }),
                attempt: 1,
                error: error.map(|error| error.code.clone()),
                ..trace::Call::default()
            };
            trace::call(at, duration, call);
        }
    }

    /// Counts a call.
    pub(super) fn count_call(&self, action: &str) {
        self.calls.count("Kubernetes", action);
    }

    fn api(client: Client, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        match (kind.is_namespaced, namespace) {
            (true, namespace) => Api::namespaced_with(client, namespace.unwrap_or("default"), &kind.resource),
            (false, _) => Api::all_with(client, &kind.resource),
        }
    }

    /// Lists the objects of a kind in all namespaces, by their labels. A kind that the cluster does not know has none.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn list(&self, kind: &Kind, labels: &str) -> Result<Vec<DynamicObject>> {
        self.list_in(kind, None, labels).await
    }

    /// Same, in one namespace.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn list_in(&self, kind: &Kind, namespace: Option<&str>, labels: &str) -> Result<Vec<DynamicObject>> {
        Ok(self.list_served(kind, namespace, labels).await?.unwrap_or_default())
    }

    /// Same; `None` if the cluster does not serve the kind.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn list_served(&self, kind: &Kind, namespace: Option<&str>, labels: &str) -> Result<Option<Vec<DynamicObject>>> {
        let client = self.client().await?;
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind.resource),
            None => Api::all_with(client, &kind.resource),
        };
        let mut params = ListParams::default().labels(labels).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = match self.call(&format!("List {}", kind.resource.kind), &of_list(namespace, labels), api.list(&params)).await {
                Err(error) if error.is_not_found() => return Ok(None),
                page => page?,
            };
            found.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(Some(found)),
            }
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn get(&self, kind: &Kind, namespace: Option<&str>, name: &str) -> Result<Option<DynamicObject>> {
        let api = Cluster::api(self.client().await?, kind, namespace);
        // A kind whose definition is gone has no path either.
        Ok(ok_or_not_found(self.call(&format!("Get {}", kind.resource.kind), &object_name(namespace, name), api.get_opt(name)).await)?
            .flatten())
    }

    /// Creates an object that acme alone uses.
    ///
    /// # Errors
    /// Returns errors of the API, among them `AlreadyExists`.
    pub(super) async fn create(&self, kind: &Kind, namespace: Option<&str>, object: &Value) -> Result<DynamicObject> {
        let api = Cluster::api(self.client().await?, kind, namespace);
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let name = object_name(namespace, object.metadata.name.as_deref().unwrap_or_default());
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        self.call(&format!("Create {}", kind.resource.kind), &name, api.create(&params, &object)).await
    }

    /// Creates or changes an object by server-side apply; `is_trial` only asks whether the cluster would accept it.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn apply(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
        takes_over_fields: bool,
        is_trial: bool,
    ) -> Result<Applied> {
        let api = Cluster::api(self.client().await?, kind, namespace);
        let mut params = PatchParams::apply(MANAGER).validation_strict();
        params.force = takes_over_fields;
        params.dry_run = is_trial;
        let applied = async {
            match api.patch(name, &params, &Patch::Apply(object)).await {
                Ok(object) => Ok(Applied::Object(Box::new(object))),
                Err(kube::Error::Api(status)) if status.code == 409 => match field_conflicts(&status) {
                    conflicts if conflicts.is_empty() => Err(kube::Error::Api(status)),
                    conflicts => Ok(Applied::Conflicts(conflicts)),
                },
                Err(error) => Err(error),
            }
        };
        self.call(&format!("Apply {}", kind.resource.kind), &object_name(namespace, name), applied).await
    }

    /// Merges fields into an object.
    ///
    /// # Errors
    /// Returns errors of the API.
    pub(super) async fn merge(&self, kind: &Kind, namespace: Option<&str>, name: &str, patch: &Value) -> Result<DynamicObject> {
        let api = Cluster::api(self.client().await?, kind, namespace);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.call(&format!("Patch {}", kind.resource.kind), &object_name(namespace, name), api.patch(name, &params, &Patch::Merge(patch)))
            .await
    }

    /// Requests the deletion of an object and of everything that belongs to it; with `seen`, only if it did not change since.
    ///
    /// # Errors
    /// Returns errors of the API, including "not found", and `Conflict` for one that changed.
    pub(super) async fn delete(&self, kind: &Kind, namespace: Option<&str>, name: &str, seen: Option<&DynamicObject>) -> Result<()> {
        let mut params = DeleteParams::background();
        params.preconditions =
            seen.map(|seen| Preconditions { uid: seen.metadata.uid.clone(), resource_version: seen.metadata.resource_version.clone() });
        self.delete_with(kind, namespace, name, &params).await
    }

    /// Requests the deletion of an object, but not of what belongs to it.
    ///
    /// # Errors
    /// Returns errors of the API, including "not found".
    pub(super) async fn delete_alone(&self, kind: &Kind, namespace: Option<&str>, name: &str) -> Result<()> {
        self.delete_with(kind, namespace, name, &DeleteParams::orphan()).await
    }

    async fn delete_with(&self, kind: &Kind, namespace: Option<&str>, name: &str, params: &DeleteParams) -> Result<()> {
        let api = Cluster::api(self.client().await?, kind, namespace);
        self.call(&format!("Delete {}", kind.resource.kind), &object_name(namespace, name), api.delete(name, params)).await.map(drop)
    }
}

/// Result of a server-side apply.
pub(super) enum Applied {
    /// The object as it is now.
    Object(Box<DynamicObject>),
    /// Nothing was changed, because others have set these fields to other values.
    Conflicts(Vec<FieldConflict>),
}

/// A field that another field manager has set to another value.
pub(super) struct FieldConflict {
    /// Path, such as `.spec.replicas`.
    pub field: String,
    /// The manager, such as `"kubectl-edit" using apps/v1`.
    pub manager: String,
}

/// Name of an object with its namespace.
fn object_name(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// Objects of a list: a namespace, or `*`, and labels.
fn of_list(namespace: Option<&str>, labels: &str) -> String {
    format!("{}/* {labels}", namespace.unwrap_or("*")).trim_end().to_owned()
}

fn field_conflicts(status: &kube::core::Status) -> Vec<FieldConflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes).filter(|cause| cause.reason == "FieldManagerConflict");
    let conflict = |cause: &kube::core::response::StatusCause| FieldConflict {
        field: cause.field.clone(),
        manager: cause.message.strip_prefix("conflict with ").unwrap_or(&cause.message).to_owned(),
    };
    causes.map(conflict).collect()
}

/// Parses a bundle of certificates, PEM in base64, to DER.
fn certificates(bundle: &str) -> std::result::Result<Vec<Vec<u8>>, String> {
    let pem = BASE64_STANDARD.decode(bundle).map_err(|error| error.to_string())?;
    CertificateDer::pem_slice_iter(&pem).map(|one| one.map(|der| der.to_vec()).map_err(|error| error.to_string())).collect()
}
