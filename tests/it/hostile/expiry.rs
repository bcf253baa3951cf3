//! Credentials that expire in the middle of a run.

use serde_json::json;

use crate::{
    acme::{Acme, stack},
    proxy::{Faults, Proxy},
    standin::{Standin, StandinKind},
};

/// From the k-th call on every call is refused; then the credentials are renewed.
fn expires(kind: StandinKind, k: &[usize]) {
    let standin = Standin::start(kind);
    let reference = stack("reference.yaml");
    for (round, k) in k.iter().enumerate() {
        let backend = tempfile::tempdir().expect("a folder");
        let path = backend.path().display().to_string();
        let with = |url: &str| Acme::on(url).with(&["--env", "production", "--backend", &path]);
        let proxy = Proxy::start(&standin.url, Faults { expire_from: Some(*k), ..Faults::default() });
        let done = with(&proxy.url).run("apply", &reference, &["--yes"]);
        assert_eq!(done.code, 3, "{}", done.screen());
        for part in ["renew the credentials", "acme apply", "acme rollback"] {
            assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.screen());
        }
        let calls = proxy.take();
        assert!(calls.0.iter().any(|seen| seen.write && !seen.fault), "nothing was made before\n{}", calls.table());
        assert!(!calls.0.iter().any(|seen| seen.action.starts_with("Delete")), "it tried to go back\n{}", calls.table());

        let renewed = with(&standin.url);
        if round % 2 == 0 {
            renewed.apply(&reference);
            renewed.settled(&reference);
            renewed.destroy(&reference);
        } else {
            renewed.run("rollback", &reference, &["--yes"]).ok();
        }
        assert_eq!(standin.everything(), json!({}), "something is left after {k} calls");
    }
}

#[test]
fn a_run_whose_credentials_expire_goes_on_or_back_when_they_are_renewed() {
    expires(StandinKind::Ministack, &[70, 70, 110, 110]);
}

#[test]
fn a_run_whose_credentials_expire_before_its_first_change_did_nothing() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { expire_from: Some(5), ..Faults::default() });
    let done = Acme::on(&proxy.url).with(&["--env", "production"]).run("apply", &stack("reference.yaml"), &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.screen());
    assert!(done.stderr.contains("Expired"), "{}", done.screen());
    assert_eq!(proxy.take().writes(), 0);
}
