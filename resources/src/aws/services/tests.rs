//! The facts of every service fit together.

use std::collections::BTreeSet;

use super::*;
use crate::aws::types::RESOURCE_TYPES;

#[test]
fn services_differ_by_their_sdk_names() {
    let names: BTreeSet<&str> = SERVICES.iter().map(|service| service.sdk_name).collect();
    assert_eq!(names.len(), SERVICES.len(), "{names:?}");
}

/// The facts that decide about ARNs and policies are found by the name.
#[test]
fn services_of_the_same_name_have_the_same_arns_and_tag_actions() {
    for (one, other) in
        SERVICES.iter().flat_map(|one| SERVICES.iter().map(move |other| (one, other))).filter(|(one, other)| one.name == other.name)
    {
        assert_eq!((one.arn_parts, one.tag_actions, one.untag_actions), (other.arn_parts, other.tag_actions, other.untag_actions));
    }
}

#[test]
fn resource_types_belong_to_registered_services_which_their_arns_name() {
    // Those in clusters are of another back end.
    for kind in RESOURCE_TYPES.iter().filter(|kind| *kind.service != crate::kubernetes::SERVICE) {
        assert!(SERVICES.iter().any(|service| *service == kind.service), "{}: {}", kind.name, kind.service.name);
        let named = kind.arn.split(':').nth(2);
        assert!(named.is_none_or(|named| named == kind.service.name), "{}: {}", kind.name, kind.arn);
    }
}

/// A policy must grant what `retag` calls.
#[test]
fn services_whose_types_have_no_tag_calls_of_their_own_state_their_tag_actions() {
    for service in SERVICES.iter().filter(|service| service.arn_parts != crate::core::ArnParts::Account) {
        let actions: Vec<&&str> = service.tag_actions.iter().chain(service.untag_actions).collect();
        assert!(!service.tag_actions.is_empty(), "{}", service.name);
        assert!(actions.iter().all(|action| action.starts_with(&format!("{}:", service.name))), "{}: {actions:?}", service.name);
    }
}

/// The engine decides by the kind of an error what to do next, so the codes that the simulated cloud answers with must have the kinds
/// that AWS's have.
#[test]
fn error_codes_have_the_kind_they_stand_for() {
    let kind = |code: &str| Error::from_code(&code.replace("{Type}", "Vpc"), "").kind;
    for service in SERVICES {
        assert_eq!(kind(service.error_codes.not_found), ErrorKind::NotFound, "{}", service.name);
        assert_eq!(kind(service.error_codes.in_use), ErrorKind::Conflict, "{}", service.name);
        if let Some(busy) = service.busy_code {
            assert_eq!(kind(busy), ErrorKind::Conflict, "{}", service.name);
        }
    }
}
