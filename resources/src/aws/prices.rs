//! AWS's Price List Query API: products with their unit prices.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html>

use std::{collections::BTreeMap, time::Duration};

use aws_config::{Region, retry::RetryConfig};
use aws_sdk_pricing::types::{Filter, FilterType};

use super::{Aws, services::Connector};
use crate::core::{Error, Result, partition};

/// Attempts of a call: a plan does not wait long for prices.
const MAX_ATTEMPTS: u32 = 4;
/// Time after which an attempt is given up.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

impl Aws {
    /// Products of a service with these attributes, each as the JSON document of the price list. All pages.
    ///
    /// # Errors
    /// Returns errors of the call: it needs `pricing:GetProducts`, and the internet.
    pub async fn products(&self, service: &str, attributes: &BTreeMap<&'static str, String>) -> Result<Vec<String>> {
        let filter = |(field, value): (&&'static str, &String)| {
            Filter::builder().r#type(FilterType::TermMatch).field(*field).value(value).build().map_err(Error::from)
        };
        let filters: Vec<Filter> = attributes.iter().map(filter).collect::<Result<_>>()?;
        let call = self.pricing_client().get_products().service_code(service).set_filters(Some(filters)).format_version("aws_v1");
        let mut pages = call.into_paginator().send();
        let mut products = Vec::new();
        while let Some(page) = pages.next().await {
            products.extend(page?.price_list.unwrap_or_default());
        }
        Ok(products)
    }

    /// Alternative endpoint of the price list, if there is one: its prices are its own.
    pub fn pricing_endpoint(&self) -> Option<&str> {
        self.connector.config.endpoint_url()
    }

    fn pricing_client(&self) -> aws_sdk_pricing::Client {
        let region = pricing_region(&self.region);
        let config = self.connector.config.to_builder().region(Region::new(region)).build();
        let here = Connector { config, calls: self.connector.calls.in_region(region), ..self.connector.clone() };
        let mut timeouts = aws_config::timeout::TimeoutConfig::builder();
        timeouts.set_operation_attempt_timeout(Some(ATTEMPT_TIMEOUT)).set_connect_timeout(Some(Duration::from_secs(5)));
        let config = client_config!(aws_sdk_pricing, here)
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .timeout_config(timeouts.build());
        aws_sdk_pricing::Client::from_conf(config.build())
    }
}

/// The nearest region with the API; each has the prices of all regions of its partition.
/// <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html>
fn pricing_region(region: &str) -> &'static str {
    match region.split('-').next() {
        _ if partition(region) == "aws-cn" => "cn-northwest-1",
        Some("eu" | "af" | "il" | "me") => "eu-central-1",
        Some("ap") => "ap-south-1",
        _ => "us-east-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_nearest_region_with_prices() {
        let regions = ["eu-west-1", "ap-southeast-2", "sa-east-1", "us-west-2", "cn-north-1"].map(pricing_region);
        assert_eq!(regions, ["eu-central-1", "ap-south-1", "us-east-1", "us-east-1", "cn-northwest-1"]);
    }
}
