//! Credentials that expire in the middle of a run.

use serde_json::json;

use crate::{
    acme::{Acme, repository_stack},
    proxy::{Faults, Proxy},
    standin::{Standin, StandinKind},
};

/// From the k-th call on, every call is rejected; then the credentials are renewed.
fn check_expiry(kind: StandinKind, k: &[usize]) {
    let standin = Standin::start(kind);
    let reference = repository_stack("reference.yaml");
    for (round, k) in k.iter().enumerate() {
        let backend = tempfile::tempdir().expect("a folder");
        let path = backend.path().display().to_string();
        let with = |url: &str| Acme::at_endpoint(url).with_args(&["--env", "production", "--backend", &path]);
        let proxy = Proxy::start(&standin.url, Faults { expire_credentials_from: Some(*k), ..Faults::default() });
        let done = with(&proxy.url).run("apply", &reference, &["--yes"]);
        assert_eq!(done.code, 3, "{}", done.combined_output());
        for part in ["renew the credentials", "acme apply", "acme rollback"] {
            assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.combined_output());
        }
        let calls = proxy.take_calls();
        assert!(calls.0.iter().any(|seen| seen.write && !seen.fault), "nothing was made before\n{}", calls.table());
        assert!(!calls.0.iter().any(|seen| seen.action.starts_with("Delete")), "it tried to go back\n{}", calls.table());

        let renewed = with(&standin.url);
        if round % 2 == 0 {
            renewed.apply(&reference);
            renewed.assert_no_changes(&reference);
            renewed.destroy(&reference);
        } else {
            renewed.run("rollback", &reference, &["--yes"]).assert_success();
        }
        assert_eq!(standin.all_resources(), json!({}), "resources remain after {k} calls");
    }
}

#[test]
fn run_continues_or_rolls_back_after_credentials_are_renewed() {
    check_expiry(StandinKind::Ministack, &[70, 70, 110, 110]);
}

#[test]
fn changes_nothing_when_credentials_expire_before_the_first_write() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { expire_credentials_from: Some(5), ..Faults::default() });
    let done =
        Acme::at_endpoint(&proxy.url).with_args(&["--env", "production"]).run("apply", &repository_stack("reference.yaml"), &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("Expired"), "{}", done.combined_output());
    assert_eq!(proxy.take_calls().writes(), 0);
}
