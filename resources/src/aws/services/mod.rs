//! Every AWS service that has resource types: its facts, its client, and its calls for tags. Adding one: write its file, add its two lines
//! here.

use std::{
    future::ready,
    sync::{Arc, LazyLock},
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures::future::BoxFuture;

use super::{Aws, CallPacer};
use crate::{
    core::{Error, ErrorKind, Result, ServiceInfo, TagChange},
    kubernetes::Caller,
};

#[macro_use]
mod macros;
pub mod acm;
pub mod applicationautoscaling;
pub mod autoscaling;
pub mod backup;
pub mod budgets;
pub mod cloudcontrol;
pub mod cloudformation;
pub mod cloudfront;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod cloudwatchlogs;
pub mod codebuild;
pub mod codeconnections;
pub mod codepipeline;
pub mod dms;
pub mod dynamodb;
pub mod ec2;
pub mod ecr;
pub mod efs;
pub mod eks;
pub mod elasticache;
pub mod elb;
pub mod elbv2;
pub mod eventbridge;
pub mod globalaccelerator;
pub mod iam;
pub mod kms;
pub mod rds;
pub mod route53;
pub mod s3;
pub mod secretsmanager;
pub mod shield;
pub mod sns;
pub mod sqs;
pub mod ssm;
#[cfg(test)]
mod tests;
pub mod wafv2;

/// Configuration of clients.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) config: SdkConfig,
    pub(super) calls: CallPacer,
    pub(super) http_client: SharedHttpClient,
    /// Whether calls go to another endpoint than AWS.
    pub(super) custom_endpoint: bool,
    /// Who calls, for programs that need their own tokens.
    pub(super) caller: Caller,
    /// Proxy for the Kubernetes APIs of clusters.
    pub(super) kube_proxy: Option<String>,
}

/// A client that is made at its first use: most runs use few services, and each client costs time.
pub type Lazy<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// Makes a client at its first use.
pub(super) fn lazy<T: 'static>(connector: &Arc<Connector>, connect: fn(&Connector) -> T) -> Lazy<T> {
    let connector = connector.clone();
    LazyLock::new(Box::new(move || connect(&connector)))
}

/// Registers services, by the names of their modules.
macro_rules! services {
    ($($service:ident,)*) => {
        /// The clients of all services.
        pub struct Clients {
            $(#[doc = concat!("The client of [`", stringify!($service), "`].")] pub $service: Lazy<$service::Client>,)*
        }

        impl Clients {
            pub(super) fn connect(connector: &Arc<Connector>) -> Clients {
                Clients { $($service: lazy(connector, $service::connect),)* }
            }
        }

        /// The registry, in alphabetical order.
        pub static SERVICES: &[&ServiceInfo] = &[$(&$service::SERVICE,)*];

        /// Changes tags with the calls that serve all types of a service.
        pub(super) fn retag<'a>(aws: &'a Aws, service: &ServiceInfo, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>> {
            $(if *service == $service::SERVICE {
                return Box::pin($service::retag(aws, change));
            })*
            Box::pin(ready(Err(Error::new(ErrorKind::Rejected, "Tags", format!("`{}` is not a registered service", service.name)))))
        }
    };
}

services! {
    acm,
    applicationautoscaling,
    autoscaling,
    backup,
    budgets,
    cloudcontrol,
    cloudfront,
    cloudtrail,
    cloudwatch,
    cloudwatchlogs,
    codebuild,
    codeconnections,
    codepipeline,
    dms,
    dynamodb,
    ec2,
    ecr,
    efs,
    eks,
    elasticache,
    elb,
    elbv2,
    eventbridge,
    globalaccelerator,
    iam,
    kms,
    rds,
    route53,
    s3,
    secretsmanager,
    shield,
    sns,
    sqs,
    ssm,
    wafv2,
}

/// A field that is optional in some SDKs and plain in others.
trait IntoOption {
    fn into_option(self) -> Option<String>;
}
impl IntoOption for String {
    fn into_option(self) -> Option<String> {
        Some(self)
    }
}
impl IntoOption for Option<String> {
    fn into_option(self) -> Option<String> {
        self
    }
}
