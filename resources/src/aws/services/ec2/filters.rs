//! EC2 filters for the resources in scope.

use aws_sdk_ec2::types::Filter;

use crate::core::{ENVIRONMENT_TAG, STACK_TAG, Scope};

/// EC2's id filters, by prefix of the id; a longer prefix precedes those it starts with.
const ID_FILTERS: &[(&str, &str)] = &[
    ("acl-", "network-acl-id"),
    ("eipalloc-", "allocation-id"),
    ("fl-", "flow-log-id"),
    ("igw-", "internet-gateway-id"),
    ("nat-", "nat-gateway-id"),
    ("rtb-", "route-table-id"),
    ("sg-", "group-id"),
    ("sgr-", "security-group-rule-id"),
    ("subnet-", "subnet-id"),
    ("tgw-attach-", "transit-gateway-attachment-id"),
    ("tgw-rtb-", "transit-gateway-route-table-id"),
    ("tgw-", "transit-gateway-id"),
    ("vpc-", "vpc-id"),
    ("vpce-", "vpc-endpoint-id"),
];

/// Maximum number of values in one EC2 filter (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>).
const MAX_FILTER_VALUES: usize = 200;

impl Scope {
    /// EC2 filters for the stack's ownership tags, or for the resources that are looked up or awaited; none for those of any owner.
    pub fn ec2_filters(&self) -> Vec<Filter> {
        if self.any_owner {
            return Vec::new();
        }
        self.ec2_id_filters().unwrap_or_else(|| {
            [(STACK_TAG, &self.stack), (ENVIRONMENT_TAG, &self.environment)]
                .into_iter()
                .map(|(key, value)| Filter::builder().name(format!("tag:{key}")).values(value).build())
                .collect()
        })
    }

    /// EC2 filter for the resources that are looked up or awaited, for types whose tags EC2 does not filter; `None`: list all of them.
    pub fn ec2_id_filters(&self) -> Option<Vec<Filter>> {
        let ids: Vec<&String> = match (&self.adopt, &self.ids) {
            (Some(id), _) => vec![id],
            (None, ids) => ids.iter().flatten().collect(),
        };
        let name = filter_name(&ids).filter(|_| !self.any_owner)?;
        Some(vec![Filter::builder().name(name).set_values(Some(ids.into_iter().cloned().collect())).build()])
    }
}

/// Filter for these ids; `None` if there is none, or there are too many ids.
fn filter_name(ids: &[&String]) -> Option<&'static str> {
    let name = |id: &String| ID_FILTERS.iter().find(|(start, _)| id.starts_with(start)).map(|(_, name)| *name);
    let first = name(ids.first()?)?;
    (ids.len() <= MAX_FILTER_VALUES && ids.iter().all(|id| name(id) == Some(first))).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_by_id_where_possible() {
        let filters = |ids: Option<Vec<String>>| {
            let scope = Scope { stack: "shop".into(), ids: ids.map(|ids| ids.into_iter().collect()), ..Scope::default() };
            scope
                .ec2_filters()
                .into_iter()
                .map(|filter| (filter.name().unwrap_or_default().to_owned(), filter.values().len()))
                .collect::<Vec<_>>()
        };
        let by_tag = vec![("tag:acme:stack".to_owned(), 1), ("tag:acme:environment".to_owned(), 1)];
        let subnets = |count: usize| (0..count).map(|number| format!("subnet-{number}")).collect::<Vec<_>>();
        assert_eq!(filters(None), by_tag);
        assert_eq!(filters(Some(subnets(3))), [("subnet-id".to_owned(), 3)]);
        assert_eq!(filters(Some(subnets(201))), by_tag);
        assert_eq!(filters(Some(vec!["subnet-1".into(), "vpce-1".into()])), by_tag);
        assert_eq!(filters(Some(vec!["users".into()])), by_tag);
    }
}
