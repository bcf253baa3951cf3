//! Calls for history and lease, counted at the endpoint.

use std::{collections::BTreeSet, path::Path};

use acme::engine::journal::replay;

use crate::{
    acme::{Acme, repository_stack},
    proxy::{Calls, Faults, Proxy},
    standin::{Standin, StandinKind},
};

fn s3_calls(calls: &Calls) -> usize {
    calls.0.iter().filter(|seen| seen.service == "s3").count()
}

/// Calls of an apply from nothing and of the destroy after it.
fn apply_and_destroy(proxy: &Proxy, scale: &Path, backend: &str) -> (Calls, Calls) {
    let acme = Acme::at_endpoint(&proxy.url).with_args(&["--set", "n=40", "--backend", backend]);
    acme.apply(scale);
    let applied = proxy.take_calls();
    acme.destroy(scale);
    (applied, proxy.take_calls())
}

#[test]
fn folder_backend_makes_no_calls_and_bucket_backend_one_per_piece() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults::default());
    let folder = tempfile::tempdir().expect("a folder");
    let scale = repository_stack("scale.yaml");
    let (applied, destroyed) = apply_and_destroy(&proxy, &scale, &folder.path().display().to_string());
    for calls in [&applied, &destroyed] {
        // The stack has only EC2 resources; other services get only calls for the account and live resources.
        let writers: BTreeSet<&str> =
            calls.0.iter().filter(|seen| seen.write && seen.service != "sts").map(|seen| seen.service.as_str()).collect();
        assert!(s3_calls(calls) == 0 && writers == ["ec2"].into(), "{}", calls.table());
    }
    let writes = |calls: &Calls| calls.0.iter().filter(|seen| seen.service == "ec2" && seen.write).count();

    // The first apply creates the bucket.
    let bucket = "acme-000000000000-us-east-1";
    apply_and_destroy(&proxy, &scale, "s3");
    let (again, gone) = apply_and_destroy(&proxy, &scale, "s3");
    assert_eq!((writes(&again), writes(&gone)), (writes(&applied), writes(&destroyed)), "the stack's own calls are the same");
    let script = format!(
        "s3 = client('s3')
for key in [o['Key'] for o in s3.list_objects_v2(Bucket='{bucket}')['Contents']]:
    out[key] = s3.get_object(Bucket='{bucket}', Key=key)['Body'].read().decode()"
    );
    let objects = standin.run_boto3(&script);
    for (revision, calls) in [(3, &again), (4, &gone)] {
        let prefix = format!("scale/default/revisions/{revision:06}/journal/");
        let pieces: Vec<&str> = objects
            .as_object()
            .expect("objects")
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .filter_map(|(_, text)| text.as_str())
            .collect();
        let journal = replay(pieces.concat().as_bytes());
        assert_eq!(journal.damage, None);
        let seconds = (journal.lines[journal.lines.len() - 1].at - journal.lines[0].at) as f64 / 1000.0;
        eprintln!("{} records, {} pieces, {} calls of S3 in {seconds} s", journal.lines.len(), pieces.len(), s3_calls(calls));
        assert!(!pieces.is_empty() && pieces.len() * 3 < journal.lines.len(), "{} records in {} pieces", journal.lines.len(), pieces.len());
        // Finds the bucket, acquires and releases the lease, reads the last journal, writes the revision.
        assert!(s3_calls(calls) <= pieces.len() * 2 + 20, "{}", calls.table());
    }
}
