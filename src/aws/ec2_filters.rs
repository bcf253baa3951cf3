//! How EC2 is asked for what is in scope.

use aws_sdk_ec2::types::Filter;

use crate::core::{ENVIRONMENT, STACK, Scope};

/// EC2's filters by id, by how ids begin.
const EC2_IDS: &[(&str, &str)] = &[
    ("eipalloc-", "allocation-id"),
    ("fl-", "flow-log-id"),
    ("igw-", "internet-gateway-id"),
    ("nat-", "nat-gateway-id"),
    ("rtb-", "route-table-id"),
    ("sg-", "group-id"),
    ("subnet-", "subnet-id"),
    ("vpc-", "vpc-id"),
    ("vpce-", "vpc-endpoint-id"),
];

impl Scope {
    /// EC2's filters for the stack's marks, or for the one that is looked for.
    pub fn ec2_filters(&self) -> Vec<Filter> {
        let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
        let by_id = self.adopt.as_ref().and_then(|id| Some((EC2_IDS.iter().find(|(start, _)| id.starts_with(start))?.1, id)));
        match by_id {
            Some((name, id)) => vec![filter(name, id)],
            None => [(STACK, &self.stack), (ENVIRONMENT, &self.environment)]
                .into_iter()
                .map(|(key, value)| filter(&format!("tag:{key}"), value))
                .collect(),
        }
    }
}
