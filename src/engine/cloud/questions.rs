//! Questions about what a plan is about to set.

use serde_json::Value;

use super::Cloud;
use crate::{
    aws,
    core::{AccountLimit, PreflightContext, Problem, ResourceType, StageFields},
};

impl Cloud {
    /// See [`crate::core::Operations::preflight`].
    pub async fn preflight(
        &self,
        kind: &'static ResourceType,
        region: Option<&str>,
        context: PreflightContext<'_>,
        spec: &Value,
        pointers: Option<&[String]>,
    ) -> Vec<Problem> {
        let context = PreflightContext { region: region.unwrap_or(self.region()), ..context };
        match self {
            Cloud::Aws(aws) => {
                let aws = aws.in_region(region);
                aws::optional_reads(kind.operations.preflight(Some(&*aws), context, spec, pointers)).await
            }
            Cloud::Simulated(_) => kind.operations.preflight(None, context, spec, pointers).await,
        }
    }

    /// See [`crate::core::Resource::effects`].
    pub async fn effects(
        &self,
        kind: &'static ResourceType,
        region: Option<&str>,
        context: PreflightContext<'_>,
        spec: &Value,
    ) -> Vec<String> {
        let context = PreflightContext { region: region.unwrap_or(self.region()), ..context };
        match self {
            Cloud::Aws(aws) => aws::optional_reads(kind.operations.effects(Some(&*aws.in_region(region)), context, spec)).await,
            Cloud::Simulated(_) => Vec::new(),
        }
    }

    /// See [`crate::core::Resource::choices`].
    pub async fn choices(&self, kind: &'static ResourceType, region: Option<&str>, context: PreflightContext<'_>) -> Vec<String> {
        let context = PreflightContext { region: region.unwrap_or(self.region()), ..context };
        match self {
            Cloud::Aws(aws) => {
                let aws = aws.in_region(region);
                aws::optional_reads(kind.operations.choices(Some(&*aws), context)).await
            }
            Cloud::Simulated(_) => kind.operations.choices(None, context).await,
        }
    }

    /// See [`crate::core::Resource::account_limit`]. The simulated cloud has the quota of [`crate::core::TypeInfo::quota`].
    pub async fn account_limit(
        &self,
        kind: &'static ResourceType,
        region: Option<&str>,
        context: PreflightContext<'_>,
    ) -> Option<AccountLimit> {
        let context = PreflightContext { region: region.unwrap_or(self.region()), ..context };
        match self {
            Cloud::Aws(aws) => {
                let aws = aws.in_region(region);
                aws::optional_reads(kind.operations.account_limit(Some(&*aws), context)).await
            }
            Cloud::Simulated(local) => kind.quota.map(|(most, _)| AccountLimit { most, used: local.count(kind, region) }),
        }
    }

    /// See [`crate::core::Resource::first_version`].
    pub async fn first_version(
        &self,
        kind: &'static ResourceType,
        region: Option<&str>,
        context: PreflightContext<'_>,
        spec: &Value,
        passed: &[String],
    ) -> Option<String> {
        let context = PreflightContext { region: region.unwrap_or(self.region()), ..context };
        match self {
            Cloud::Aws(aws) => {
                let aws = aws.in_region(region);
                aws::optional_reads(kind.operations.first_version(Some(&*aws), context, spec, passed)).await
            }
            Cloud::Simulated(_) => kind.operations.first_version(None, context, spec, passed).await,
        }
    }

    /// See [`crate::core::Resource::follow`].
    pub async fn follow(
        &self,
        kind: &'static ResourceType,
        region: Option<&str>,
        context: PreflightContext<'_>,
        (wanted, live): (&Value, &Value),
        passed: &[String],
    ) -> Vec<(String, StageFields)> {
        let context = PreflightContext { region: region.unwrap_or(self.region()), ..context };
        match self {
            Cloud::Aws(aws) => {
                let aws = aws.in_region(region);
                aws::optional_reads(kind.operations.follow(Some(&*aws), context, wanted, live, passed)).await
            }
            Cloud::Simulated(_) => kind.operations.follow(None, context, wanted, live, passed).await,
        }
    }
}
