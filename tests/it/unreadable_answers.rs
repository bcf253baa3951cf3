//! A create call takes effect, but its response is garbled, cut off, empty or replaced by the error of a load balancer: acme finds the
//! resource, and makes no second one.

use serde_json::{Map, Value};

use crate::{
    acme::{Acme, write_file},
    proxy::{Faults, Proxy, Spoiled, WriteFault},
    resource_lifecycle::{Lifecycle, LifecycleCase, for_every_type_once, lifecycles},
    standin::{Standin, StandinKind},
};

#[test]
#[ignore = "full run"]
fn every_type_survives_unreadable_answers_on_moto() {
    for_every_type_once(StandinKind::Moto, |_, _, _| true, check_every_answer);
}

#[test]
#[ignore = "full run"]
fn every_type_survives_unreadable_answers_on_ministack() {
    for_every_type_once(StandinKind::Ministack, |_, _, _| true, check_every_answer);
}

/// An address has no name, and a repository's creation has no token.
#[test]
fn finds_an_address_and_a_repository_after_unreadable_answers() {
    for kind in [StandinKind::Moto, StandinKind::Ministack] {
        let standin = Standin::start(kind);
        let lives = lifecycles();
        for name in ["elastic_ip", "ecr_repository"] {
            check_every_answer(&standin, name, &lives[name]).unwrap_or_else(|failure| panic!("{name} on {}: {failure}", kind.name()));
        }
        assert_eq!(standin.all_resources(), serde_json::json!({}), "something was made twice");
    }
}

fn check_every_answer(standin: &Standin, kind: &str, life: &Lifecycle) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let case = LifecycleCase::new(standin, kind, life, folder.path());
    let run = |what: &str, acme: &Acme, command: &str, spec: Option<&Map<String, Value>>| {
        case.expect_success(what, acme.run(command, &case.definition(spec), &["--yes"]))
    };
    run("preparing", &case.acme, "apply", None)?;
    for spoiled in Spoiled::ALL {
        let proxy = Proxy::start(&standin.url, Faults { at_write: Some((1, WriteFault::SpoilResponse(spoiled))), ..Faults::default() });
        let done = run(&format!("{spoiled:?}"), &case.acme.with_endpoint(&proxy.url), "apply", Some(&life.spec));
        let call = proxy.faulted_write().unwrap_or_default();
        done.map_err(|failure| format!("{call}: {failure}"))?;
        let plan = case.plan("planning again", &case.definition(Some(&life.spec)))?;
        if !plan.changes().is_empty() {
            return Err(format!("{call}, {spoiled:?}: after apply the plan is not empty: {:#}", plan.0["changes"]));
        }
        if !life.is_indexed(standin.kind) {
            run("destroying", &case.acme, "destroy", Some(&life.spec))?;
        }
        run("removing it", &case.acme, "apply", None)?;
    }
    run("destroying", &case.acme, "destroy", Some(&life.spec))?;
    Ok(())
}

/// The proxy drops the connection of every write to the backend once.
#[test]
fn a_dropped_connection_of_any_write_to_the_backend_does_not_end_the_run() {
    let standin = Standin::start(StandinKind::Ministack);
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\nresources: { elastic_ip: { nat: {} } }\n");
    let acme = Acme::at_endpoint(&standin.url).with_args(&["--backend", "s3"]);
    acme.apply(&stack);
    acme.destroy(&stack);
    // The first two are the lease and the beginning of the journal; the last ones are its end, the record and the lease.
    let mut at = 1;
    loop {
        let proxy = Proxy::start(&standin.url, Faults { at_backend_write: Some(at), ..Faults::default() });
        let acme = acme.with_endpoint(&proxy.url);
        let done = acme.run("apply", &stack, &["--yes"]);
        assert_eq!(done.code, 0, "write {at}: {}", done.combined_output());
        let dropped = proxy.faulted_write().is_some();
        acme.run("destroy", &stack, &["--yes"]).assert_success();
        assert_eq!(standin.run_boto3("out = client('ec2').describe_addresses()['Addresses']"), serde_json::json!([]));
        if !dropped {
            break;
        }
        at += 1;
    }
    assert!(at > 6, "only {at} writes");
}
