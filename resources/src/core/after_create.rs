//! Fields that are set after the creation, and so can wait for a resource that refers back: the fact `after_create`.

use serde_json::Value;

use super::{ResourceType, Result, expression::for_each_string};

impl ResourceType {
    /// Returns the fields of `spec` with such texts, if an update can set them all after the creation; `None` if the create call needs one.
    pub fn deferrable_fields(&self, spec: &Value, is_wanted: &dyn Fn(&str) -> bool) -> Option<Vec<&'static str>> {
        let has_wanted = |value: &Value| {
            let mut found = false;
            for_each_string(value, &mut |text| found = found || is_wanted(text));
            found
        };
        let fields = self.after_create.iter().copied().filter(|pointer| spec.pointer(pointer).is_some_and(has_wanted));
        let fields: Vec<&'static str> = fields.collect();
        // The create call may set a part of such a field: the first VPC of a zone.
        let created = self.with_created_fields(spec, &fields).ok()?;
        (!has_wanted(&created)).then_some(fields)
    }

    /// Returns the spec with these fields as the create call leaves them.
    ///
    /// # Errors
    /// Fails if the spec does not have the type's shape.
    pub fn with_created_fields(&self, spec: &Value, pointers: &[&'static str]) -> Result<Value> {
        if pointers.is_empty() {
            return Ok(spec.clone());
        }
        Ok(with_fields(spec, pointers, &self.operations.after_create(spec)?))
    }
}

/// Returns the spec with the values of these fields from another one.
pub fn with_fields(spec: &Value, pointers: &[&'static str], other: &Value) -> Value {
    let mut spec = spec.clone();
    for pointer in pointers {
        if let (Some(field), Some(value)) = (spec.pointer_mut(pointer), other.pointer(pointer)) {
            field.clone_from(value);
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::types::{dns_zone::DnsZone, security_group::SecurityGroup};

    fn canonical(kind: &ResourceType, spec: Value) -> Value {
        kind.operations.parse(&spec).expect("a valid spec")
    }

    #[test]
    fn finds_fields_that_can_wait() {
        let kind = ResourceType::of::<SecurityGroup>();
        let spec = canonical(&kind, json!({ "name": "web", "vpc": "main", "ingress": [{ "port": 443, "security_group": "other" }] }));
        assert_eq!(kind.deferrable_fields(&spec, &|text| text.contains("security_group.other")), Some(vec!["/ingress"]));
        assert_eq!(kind.deferrable_fields(&spec, &|text| text.contains("vpc.main")), None, "the create call needs it");
        assert_eq!(kind.deferrable_fields(&spec, &|text| text.contains("absent")), Some(vec![]));
        let created = kind.with_created_fields(&spec, &["/ingress"]).expect("a spec");
        assert_eq!((&created["ingress"], &created["egress"]), (&json!([]), &spec["egress"]));
    }

    #[test]
    fn a_field_that_the_create_call_sets_in_part_waits_for_the_rest_only() {
        let kind = ResourceType::of::<DnsZone>();
        let spec = canonical(&kind, json!({ "domain": "example.com", "vpcs": ["a", "b"] }));
        assert_eq!(kind.deferrable_fields(&spec, &|text| text.contains("vpc.b")), Some(vec!["/vpcs"]));
        assert_eq!(kind.deferrable_fields(&spec, &|text| text.contains("vpc.a")), None);
    }
}
