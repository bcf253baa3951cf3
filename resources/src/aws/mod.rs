//! All uses of the AWS SDK outside resource types: clients, errors, tags, rate limits.

mod assumed_role;
mod call_guard;
mod call_pacer;
mod concurrent;
mod error;
mod exclusive_uses;
pub mod http_probe;
mod https;
pub mod images;
pub mod leftovers;
mod metrics;
mod null_entries;
mod parameters;
mod profile;
#[macro_use]
pub mod services;
mod prices;
mod spelling;
pub mod types;
mod unanswered_calls;

use std::{
    any::Any,
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, identity::IdentityCache, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sts::config::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures::future::BoxFuture;

use self::{
    assumed_role::RoleCredentials,
    call_pacer::MAX_PACING_DELAY,
    services::{Clients, Connector, Lazy, lazy},
};
use crate::{
    core::{Api, Connections, Error, ErrorKind, Result, ServiceInfo, TagChange, TypeInfo},
    kubernetes::{Access, Caller, Kubernetes},
};

pub use assumed_role::Role;
pub use call_guard::CallGuard;
pub(crate) use call_guard::permit_attempt;
pub use call_pacer::{CallCount, CallPacer};
pub use concurrent::for_each_concurrent;
pub use exclusive_uses::exclusive_uses;
pub use spelling::{from_aws, to_aws};
pub use unanswered_calls::optional_reads;

pub use crate::core::{global_region, partition};

/// EC2 and IAM show a new resource within a few seconds, rarely more than ten
/// (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
const VISIBILITY_DELAY: Duration = Duration::from_secs(15);
/// Time for which IAM may deny calls that a condition on the tags of a new resource allows.
const TAG_CONDITION_DELAY: Duration = Duration::from_secs(90);
/// Time for which reads may show the state before an accepted change.
const UPDATE_LAG: Duration = Duration::from_secs(300);
/// Additional time for which reads of a custom endpoint or the simulated cloud may lag behind a change, compared with a creation.
pub const EXTRA_UPDATE_LAG: Duration = Duration::from_secs(5);
/// A credential process may ask for a second factor; the SDK's default would be five seconds.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(50);
/// Time after which a request without a response is given up.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout of one attempt in the SDK, which includes credentials, the wait for AWS's rate limits, the request and its response.
const ATTEMPT_TIMEOUT: Duration =
    Duration::from_secs(CREDENTIALS_TIMEOUT.as_secs() + MAX_PACING_DELAY.as_secs() + 2 * CALL_TIMEOUT.as_secs());
/// A stand-in shows a new resource at once, or is configured to lag by a few seconds.
const CUSTOM_ENDPOINT_VISIBILITY_DELAY: Duration = Duration::from_secs(3);

/// Parameters of a call to AWS besides the spec.
pub type Cx<'a> = crate::core::Cx<'a, Aws>;

/// Connection settings for AWS.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Region. Default: the profile's.
    pub region: Option<String>,
    /// Profile in the AWS configuration files.
    pub profile: Option<String>,
    /// Alternative endpoint for every service.
    pub endpoint_url: Option<String>,
    /// Alternative HTTP client, for tests.
    pub http_client: Option<SharedHttpClient>,
    /// Proxy for the Kubernetes APIs of clusters with private endpoints.
    pub kube_proxy: Option<String>,
    /// Credentials. Default: those of the profile, see [`Aws::connect`].
    pub credentials: Option<SharedCredentialsProvider>,
    /// Role to assume with these credentials. Default: none.
    pub role: Option<Role>,
}

/// Clients of all services in one region. Dereferences to the clients of [`services`].
pub struct Aws {
    /// Region of every call.
    pub region: String,
    /// Time for which a new resource may stay invisible to reads.
    pub visibility_delay: Duration,
    /// Whether calls use TLS; an alternative endpoint may not.
    pub tls: bool,
    /// Counter of calls.
    pub calls: CallPacer,
    /// Identity of the caller.
    pub sts: aws_sdk_sts::Client,
    /// Index of tagged resources in the region.
    pub tagging: aws_sdk_resourcegroupstagging::Client,
    /// Stacks of CloudFormation, from which resources are imported.
    pub cloudformation: Lazy<aws_sdk_cloudformation::Client>,
    /// Clients of the services.
    pub clients: Arc<Clients>,
    /// The clusters of the region.
    pub kubernetes: Kubernetes,
    /// Configuration of the clients, for those of other regions.
    connector: Connector,
    /// Clients of other regions in use.
    other_regions: Mutex<BTreeMap<String, Arc<Aws>>>,
}

impl Deref for Aws {
    type Target = Clients;
    fn deref(&self) -> &Clients {
        &self.clients
    }
}

impl Aws {
    /// Reads the AWS configuration (environment, profile, instance role) and creates the clients. Makes no calls.
    ///
    /// # Errors
    /// Fails if no region is set.
    pub async fn connect(settings: Settings) -> Result<Aws> {
        let endpoint = settings.endpoint_url.or_else(|| std::env::var("AWS_ENDPOINT_URL").ok()).filter(|url| !url.is_empty());
        let calls = CallPacer::new(endpoint.is_none());
        let lag = if endpoint.is_none() { VISIBILITY_DELAY } else { CUSTOM_ENDPOINT_VISIBILITY_DELAY };
        let tls = endpoint.as_ref().is_none_or(|url| url.starts_with("https:"));
        let https = settings.http_client.map_or_else(|| https::client(tls), Ok)?;
        let https = calls.wrap(https);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https.clone())
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
            .retry_config(RetryConfig::standard().with_max_attempts(10).with_initial_backoff(Duration::from_millis(200)))
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(ATTEMPT_TIMEOUT).build(),
            );
        if let Some(region) = settings.region {
            loader = loader.region(Region::new(region));
        }
        let profile = settings.profile;
        if let Some(profile) = &profile {
            loader = loader.profile_name(profile);
        }
        if settings.credentials.is_none() {
            profile::check(profile.as_deref()).await?;
        }
        if let Some(credentials) = settings.credentials {
            loader = loader.credentials_provider(credentials);
        }
        if let Some(url) = &endpoint {
            loader = loader.endpoint_url(url);
        }
        let mut config = loader.load().await;
        if let Some(role) = &settings.role {
            let credentials = RoleCredentials::new(role.clone(), &config).await;
            config = config.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        }
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            Error::new(ErrorKind::Rejected, "NoRegion", "no region is set: add `region:` to the definition, or pass --region")
        })?;
        let caller = Caller { profile, role: settings.role };
        let connector =
            Connector { config, calls, http_client: https, custom_endpoint: endpoint.is_some(), caller, kube_proxy: settings.kube_proxy };
        Ok(Aws::with_clients(connector, region, lag, tls))
    }

    fn with_clients(connector: Connector, region: String, visibility_delay: Duration, tls: bool) -> Aws {
        let calls = connector.calls.in_region(&region);
        let config = connector.config.to_builder().region(Region::new(region.clone())).build();
        let here = Arc::new(Connector { config, calls: calls.clone(), ..connector.clone() });
        let tagging = client_config!(aws_sdk_resourcegroupstagging, here);
        let sts = client_config!(aws_sdk_sts, here);
        let clients = Arc::new(Clients::connect(&here));
        let credentials = here.config.credentials_provider();
        let access = Access { region: region.clone(), credentials, caller: connector.caller.clone(), proxy: connector.kube_proxy.clone() };
        let kubernetes = Kubernetes::new(clients.clone(), access, calls.clone());
        Aws {
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
            tagging: aws_sdk_resourcegroupstagging::Client::from_conf(tagging.build()),
            cloudformation: lazy(&here, |connector| {
                aws_sdk_cloudformation::Client::from_conf(client_config!(aws_sdk_cloudformation, connector).build())
            }),
            tls,
            region,
            visibility_delay,
            clients,
            kubernetes,
            calls,
            connector,
            other_regions: Mutex::default(),
        }
    }

    /// Clients for another region, created at the first use: `None` is this region. They share HTTP connections, credentials and the count
    /// of calls; rate limits apply per region.
    pub fn in_region(self: &Arc<Self>, region: Option<&str>) -> Arc<Aws> {
        match region.filter(|region| *region != self.region) {
            Some(region) => self.elsewhere(region),
            None => self.clone(),
        }
    }

    /// Same, for a call of a type whose resources are in another region.
    pub fn elsewhere(&self, region: &str) -> Arc<Aws> {
        let mut others = self.other_regions.lock().unwrap_or_else(PoisonError::into_inner);
        let create = || Arc::new(Aws::with_clients(self.connector.clone(), region.to_owned(), self.visibility_delay, self.tls));
        others.entry(region.to_owned()).or_insert_with(create).clone()
    }

    /// Time for which a new resource of a type may stay invisible to reads.
    pub fn visibility_delay_of(&self, kind: &TypeInfo) -> Duration {
        longest_visibility_delay(self.visibility_delay, kind)
    }

    /// Time for which reads of this type may show the state before an accepted change. S3 and KMS need minutes now and then:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-set-lifecycle-configuration-intro.html>,
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency>.
    pub fn update_lag_of(&self, kind: &TypeInfo) -> Duration {
        let shortest = self.visibility_delay_of(kind) + EXTRA_UPDATE_LAG;
        if self.visibility_delay >= VISIBILITY_DELAY { shortest.max(UPDATE_LAG) } else { shortest }
    }

    /// Time for which conditions on the tags of a new resource may not hold yet: some seconds, sometimes a minute.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>
    pub fn tag_condition_delay(&self) -> Duration {
        if self.visibility_delay >= VISIBILITY_DELAY { TAG_CONDITION_DELAY } else { self.visibility_delay }
    }

    /// Returns the account of the credentials.
    ///
    /// # Errors
    /// Fails if there are no credentials or AWS rejects them.
    pub async fn account(&self) -> Result<String> {
        self.sts.get_caller_identity().send().await?.account.ok_or_else(|| Error::missing_field("Account"))
    }
}

/// Returns the delay of the type, if it is longer than that of the endpoint. At a custom endpoint all types have the same delay.
fn longest_visibility_delay(of_endpoint: Duration, kind: &TypeInfo) -> Duration {
    kind.visibility_delay.filter(|_| of_endpoint >= VISIBILITY_DELAY).map_or(of_endpoint, |own| own.max(of_endpoint))
}

impl Api for Aws {
    fn retag<'a>(&'a self, service: &ServiceInfo, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>> {
        services::retag(self, service, change)
    }
}

impl Connections for Aws {
    fn backends(&self) -> Vec<&dyn Any> {
        vec![self, self.kubernetes.as_backend()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_for_types_that_lag() {
        let plain = TypeInfo::new("a", &services::ec2::SERVICE, "", "");
        let slow = plain.visibility_delay_seconds(60);
        let quick = plain.visibility_delay_seconds(1);
        let delay = |endpoint, kind: &TypeInfo| longest_visibility_delay(endpoint, kind).as_secs();
        assert_eq!([&plain, &slow, &quick].map(|kind| delay(VISIBILITY_DELAY, kind)), [15, 60, 15]);
        assert_eq!([&plain, &slow, &quick].map(|kind| delay(CUSTOM_ENDPOINT_VISIBILITY_DELAY, kind)), [3, 3, 3]);
    }
}
