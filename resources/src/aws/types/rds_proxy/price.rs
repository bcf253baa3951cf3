//! The price of a proxy: the vCPUs of its database, or the capacity units of a serverless one.

use super::RdsProxy;
use crate::{
    aws::types::{aurora_cluster::AuroraEngine, rds_instance::Engine},
    core::{PriceContext, Pricing, Product, UsageKey},
};

/// Quantities that depend on the usage.
pub(super) const USAGE: &[UsageKey] = &[VCPUS, CAPACITY_UNITS];

/// AWS charges for at least two.
const VCPUS: UsageKey =
    UsageKey::new("vcpus", "vCPUs of the databases behind the proxy; of an `instance`, those of its class").default(MIN_VCPUS);
/// AWS charges for at least eight.
const CAPACITY_UNITS: UsageKey =
    UsageKey::new("capacity_units", "Aurora capacity units of serverless databases").default(MIN_CAPACITY_UNITS);
const MIN_VCPUS: f64 = 2.0;
const MIN_CAPACITY_UNITS: f64 = 8.0;

/// The price list has a product for each engine, by the code of its operation, which is that of `CreateDBInstance`.
/// <https://aws.amazon.com/rds/proxy/pricing/>
pub(super) fn of(proxy: &RdsProxy, context: &PriceContext<'_>) -> Pricing {
    let instance = proxy.instance.as_ref().and_then(|instance| context.referenced(instance));
    let cluster = proxy.cluster.as_ref().and_then(|cluster| context.referenced(cluster));
    let code = match (instance.as_ref().map(|instance| &instance.engine), cluster.as_ref().map(|cluster| &cluster.engine)) {
        (Some(Engine::Postgres), _) => "0014",
        (Some(Engine::Mysql), _) => "0002",
        (Some(Engine::Mariadb), _) => "0018",
        (None, Some(AuroraEngine::AuroraPostgresql)) => "0021",
        (None, Some(AuroraEngine::AuroraMysql)) => "0016",
        (None, None) if proxy.engine_family == "POSTGRESQL" => "0014",
        (None, None) => "0002",
    };
    let product = |usage_type| Product::new("AmazonRDS").with("operation", format!("CreateDBProxy:{code}")).usage_type(usage_type);
    if cluster.is_some_and(|cluster| cluster.serverless.is_some()) {
        let units = context.quantity(&CAPACITY_UNITS).max(MIN_CAPACITY_UNITS);
        let part = context.hourly("capacity units", units, product("RDS:Proxy-ASv2-Usage"));
        return Pricing::of(vec![part.assuming(format!("{units} Aurora capacity units, at least {MIN_CAPACITY_UNITS}"))]);
    }
    let (vcpus, origin) = match instance.and_then(|instance| Some((vcpus_of(&instance.class)?, instance.class))) {
        Some((vcpus, class)) => (vcpus, format!("{vcpus} vCPUs, which {class} has")),
        None => {
            let vcpus = context.quantity(&VCPUS).max(MIN_VCPUS);
            (vcpus, format!("{vcpus} vCPUs, at least {MIN_VCPUS}"))
        }
    };
    Pricing::of(vec![context.hourly("vCPUs", vcpus, product("RDS:ProxyUsage")).assuming(origin)])
}

/// vCPUs of a class of instances, by its size: `large` has two, each further size twice as many.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html>
fn vcpus_of(class: &str) -> Option<f64> {
    let size = class.rsplit('.').next()?;
    match size {
        "micro" | "small" | "medium" | "large" => Some(2.0),
        _ => {
            let factor = size.strip_suffix("xlarge")?;
            if factor.is_empty() { Some(4.0) } else { Some(4.0 * factor.parse::<f64>().ok()?) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_vcpus_by_its_size() {
        let classes = ["db.t4g.medium", "db.m7g.large", "db.r7g.xlarge", "db.r7g.12xlarge", "db.serverless"];
        assert_eq!(classes.map(vcpus_of), [Some(2.0), Some(2.0), Some(4.0), Some(48.0), None]);
    }
}
