//! Backends: a folder and a bucket behave equally, on both stand-ins.

use std::{collections::VecDeque, fs, path::Path, sync::Mutex, time::Duration};

use acme::{
    aws::{Aws, Settings},
    core::EnvironmentName,
    definition::BackendLocation,
    engine::backend::{Backend, BucketCreation, CloudLocation, Key, Lease, SelectedBackend, WriteCondition, WriteResult, select_backend},
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::{
    acme::{Acme, write_file},
    standin::{Standin, StandinKind},
    wire::{Response, Server, header},
};

/// Account of a stand-in.
fn account_id(kind: StandinKind) -> &'static str {
    match kind {
        StandinKind::Moto => "123456789012",
        StandinKind::Ministack => "000000000000",
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Clients for an endpoint.
async fn connect(endpoint: &str) -> Aws {
    let credentials = Some(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")));
    let settings = Settings { region: Some("us-east-1".into()), endpoint_url: Some(endpoint.into()), credentials, ..Settings::default() };
    Aws::connect(settings).await.expect("a region is set")
}

async fn choose_backend(aws: &Aws, kind: StandinKind, location: &str, consent: BucketCreation<'_>) -> acme::core::Result<SelectedBackend> {
    let location: BackendLocation = location.parse().expect("a location");
    select_backend(Some(&location), None, CloudLocation::Aws { aws, account: account_id(kind) }, consent).await
}

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

async fn read_text(backend: &Backend, text: &str) -> Option<String> {
    let object = backend.get(&key(text)).await.expect("it can be read")?;
    Some(String::from_utf8(object.bytes).expect("text"))
}

#[track_caller]
fn expect_written(written: acme::core::Result<WriteResult>) -> String {
    match written.expect("it can be written") {
        WriteResult::Done(version) => version,
        WriteResult::Conflict => panic!("a conflict"),
    }
}

/// Common behaviour of all backends.
async fn check_backend(backend: &Backend) {
    let put = async |text: &str, when: &WriteCondition| backend.put(&key("shop/one/lease.json"), text.as_bytes(), when).await;
    assert_eq!(read_text(backend, "shop/one/lease.json").await, None);
    assert_eq!(put("early", &WriteCondition::IfVersion("\"0123\"".into())).await.expect("it can be written"), WriteResult::Conflict);
    let first = expect_written(put("1", &WriteCondition::IfAbsent).await);
    assert_eq!(put("2", &WriteCondition::IfAbsent).await.expect("it can be written"), WriteResult::Conflict);
    let second = expect_written(put("2", &WriteCondition::IfVersion(first.clone())).await);
    assert_ne!(first, second);
    assert_eq!(put("3", &WriteCondition::IfVersion(first)).await.expect("it can be written"), WriteResult::Conflict);
    assert_eq!(read_text(backend, "shop/one/lease.json").await.as_deref(), Some("2"));
    assert_eq!(backend.get(&key("shop/one/lease.json")).await.expect("it can be read").map(|object| object.version), Some(second));
    expect_written(put("4", &WriteCondition::Always).await);
    assert_eq!(read_text(backend, "shop/one/lease.json").await.as_deref(), Some("4"));

    let journal = &key("shop/one/revisions/000007/journal");
    assert_eq!(backend.read_appended(journal).await.expect("it can be read"), None);
    for (number, piece) in (0..).zip(["a\n", "b\n", "c\nd\n"]) {
        expect_written(backend.append(journal, number, piece.as_bytes()).await);
    }
    assert_eq!(backend.append(journal, 0, b"another's\n").await.expect("it can be written"), WriteResult::Conflict);
    assert_eq!(backend.read_appended(journal).await.expect("it can be read").as_deref(), Some(&b"a\nb\nc\nd\n"[..]));
    expect_written(backend.append(&key("shop/one/revisions/000010/journal"), 0, b"a\n").await);

    assert_eq!(backend.list(&key("shop")).await.expect("a list"), ["one"]);
    assert_eq!(backend.list(&key("shop/one/revisions")).await.expect("a list"), ["000007", "000010"]);
    assert_eq!(backend.list(&key("shop/two")).await.expect("a list"), [""; 0]);
    for text in [journal.as_str(), "shop/one/lease.json", "shop/one/never"] {
        backend.delete(&key(text)).await.expect("it can be deleted");
        assert_eq!((read_text(backend, text).await, backend.read_appended(&key(text)).await.expect("it can be read")), (None, None));
    }
}

#[test]
fn folder_backend_stores_objects() {
    let folder = tempfile::tempdir().expect("a folder");
    block_on(check_backend(&Backend::folder(folder.path())));
}

fn check_bucket(kind: StandinKind) {
    let standin = Standin::start(kind);
    let usual = format!("acme-{}-us-east-1", account_id(kind));
    block_on(async {
        // moto applies the bucket's policy to TLS, too.
        let mut aws = connect(&standin.url).await;
        aws.tls = kind == StandinKind::Ministack;
        let empty = choose_backend(&aws, kind, "s3", BucketCreation::Never).await.expect("nothing has to be there to read").backend;
        assert_eq!(
            (
                read_text(&empty, "key").await,
                empty.list(&key("shop")).await.expect("a list"),
                empty.read_appended(&key("key")).await.expect("nothing")
            ),
            { (None, Vec::new(), None) }
        );
        let missing = choose_backend(&aws, kind, "s3://some-bucket", BucketCreation::IfRequested).await.expect_err("it is not there");
        assert!(missing.to_string().contains("the bucket `some-bucket` for history and locks does not exist"), "{missing}");

        let choice = choose_backend(&aws, kind, "s3", BucketCreation::IfRequested).await.expect("it is made");
        assert_eq!(choice.note, Some(format!("Created the bucket {usual} for history and locks.")));
        let choice = choose_backend(&aws, kind, "s3", BucketCreation::IfRequested).await.expect("it is there");
        assert_eq!(choice.note, None);
        check_backend(&choice.backend).await;

        // An unconfigured bucket is found.
        let found = select_backend(None, None, CloudLocation::Aws { aws: &aws, account: account_id(kind) }, BucketCreation::IfRequested)
            .await
            .expect("it is there");
        assert_eq!(found.note, Some(format!("History and locks are stored in the bucket {usual}.")));
        expect_written(found.backend.put(&key("key"), b"text", &WriteCondition::Always).await);
        assert_eq!(read_text(&choice.backend, "key").await.as_deref(), Some("text"));

        // A prefix in a bucket with another name has separate folders for accounts and regions.
        let asked = std::cell::RefCell::new(String::new());
        let ask = |question: &str| {
            asked.replace(question.to_owned());
            Ok(true)
        };
        let part = choose_backend(&aws, kind, "s3://some-bucket/a/b", BucketCreation::Ask(&ask)).await.expect("it is made").backend;
        assert_eq!(*asked.borrow(), "The bucket some-bucket does not exist. Create it in us-east-1 for history and locks?");
        check_backend(&part).await;
        expect_written(part.put(&key("key"), b"text", &WriteCondition::Always).await);
        assert_eq!(
            read_text(&Backend::bucket(aws.s3.clone(), "some-bucket", "", None), &format!("a/b/{}-us-east-1/key", account_id(kind))).await,
            Some("text".into())
        );
        // A piece written without a response is written again, and counts.
        expect_written(part.append(&key("journal"), 0, b"a\n").await);
        expect_written(part.append(&key("journal"), 0, b"a\n").await);
    });
    let tls = kind == StandinKind::Ministack;
    let made = standin.run_boto3(&format!(
        "s3 = client('s3')
for bucket in ['{usual}', 'some-bucket']:
    out[bucket] = [
        s3.get_bucket_versioning(Bucket=bucket)['Status'],
        s3.get_bucket_encryption(Bucket=bucket)['ServerSideEncryptionConfiguration']['Rules'][0]['ApplyServerSideEncryptionByDefault'],
        all(s3.get_public_access_block(Bucket=bucket)['PublicAccessBlockConfiguration'].values()),
        s3.get_bucket_ownership_controls(Bucket=bucket)['OwnershipControls']['Rules'][0]['ObjectOwnership'],
        json.loads(s3.get_bucket_policy(Bucket=bucket)['Policy'])['Statement'][0]['Condition'] if {tls} else None,
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)['Rules'][0]['NoncurrentVersionExpiration']['NoncurrentDays'],
    ]",
        tls = if tls { "True" } else { "False" }
    ));
    let protected = json!([
        "Enabled",
        { "SSEAlgorithm": "AES256" },
        true,
        "BucketOwnerEnforced",
        tls.then(|| json!({ "Bool": { "aws:SecureTransport": "false" } })),
        30
    ]);
    assert_eq!(made, json!({ usual: protected, "some-bucket": protected }));
}

#[test]
fn bucket_backend_stores_objects_on_moto() {
    check_bucket(StandinKind::Moto);
}

#[test]
fn bucket_backend_stores_objects_on_ministack() {
    check_bucket(StandinKind::Ministack);
}

#[test]
fn reads_every_page_of_a_long_journal() {
    let standin = Standin::start(StandinKind::Ministack);
    block_on(async {
        let aws = connect(&standin.url).await;
        let backend = choose_backend(&aws, StandinKind::Ministack, "s3", BucketCreation::IfRequested).await.expect("it is made").backend;
        let append = async |n: u64| expect_written(backend.append(&key("journal"), n, format!("{n}\n").as_bytes()).await);
        assert_eq!(stream::iter((0..1005).map(append)).buffer_unordered(16).count().await, 1005);
        let expected: String = (0..1005).map(|n| format!("{n}\n")).collect();
        assert_eq!(backend.read_appended(&key("journal")).await.expect("it can be read"), Some(expected.into_bytes()));
    });
}

/// An S3 that expects these methods, in this order, and responds to each with a status and, for an error, a code.
fn s3_answering(answers: &[(&'static str, u16, &'static str)]) -> Server {
    let answers = Mutex::new(VecDeque::from(answers.to_vec()));
    Server::start(move |request| {
        let next = answers.lock().map_err(|_| std::io::ErrorKind::Other)?.pop_front();
        let (_, status, code) = next.filter(|(method, ..)| *method == request.method).ok_or(std::io::ErrorKind::Unsupported)?;
        let headers = [("etag", "\"0123\""), ("x-amz-bucket-region", "eu-west-1"), ("x-amz-request-id", "req-1")];
        let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code><Message>As said.</Message></Error>") };
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        // A bucket in another region accepts only calls signed for that region.
        let here = header(&request.headers, "authorization").is_some_and(|signed| signed.contains("/eu-west-1/s3/"));
        let status = if status == 301 && here { 200 } else { status };
        Ok(Response { status, headers, body: body.into_bytes() })
    })
}

#[test]
fn retries_a_write_after_a_conditional_request_conflict() {
    let busy = ("PUT", 409, "ConditionalRequestConflict");
    let server = s3_answering(&[("HEAD", 200, ""), busy, busy, ("PUT", 200, "")]);
    block_on(async {
        let backend =
            choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::Never).await.expect("it is there").backend;
        assert_eq!(expect_written(backend.put(&key("key"), b"text", &WriteCondition::IfAbsent).await), "\"0123\"");
    });
}

#[test]
fn retries_a_write_after_an_internal_s3_error() {
    let failed = ("PUT", 500, "InternalError");
    let server = s3_answering(&[("HEAD", 200, ""), failed, failed, ("PUT", 200, "")]);
    block_on(async {
        let backend =
            choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::Never).await.expect("it is there").backend;
        assert_eq!(expect_written(backend.put(&key("key"), b"text", &WriteCondition::IfAbsent).await), "\"0123\"");
    });
}

/// Another run creates it at the same time, and it is not visible everywhere at once.
#[test]
fn waits_for_a_bucket_that_is_being_created() {
    let done = ("PUT", 200, "");
    let (busy, unseen) = (("PUT", 409, "OperationAborted"), ("PUT", 404, "NoSuchBucket"));
    let server = s3_answering(&[("HEAD", 404, ""), busy, done, done, unseen, done, done, done, done]);
    block_on(async {
        let choice =
            choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::IfRequested).await.expect("it is made");
        assert_eq!(choice.note.as_deref(), Some("Created the bucket acme-123456789012-us-east-1 for history and locks."));
    });
}

#[test]
fn follows_a_bucket_to_its_region() {
    let server = s3_answering(&[("HEAD", 301, ""), ("HEAD", 301, ""), ("PUT", 301, "")]);
    block_on(async {
        let backend = choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3://some-bucket", BucketCreation::Never)
            .await
            .expect("it is there")
            .backend;
        expect_written(backend.put(&key("key"), b"text", &WriteCondition::IfAbsent).await);
    });
}

/// S3 answers GET with a reason, and HEAD without one.
#[test]
fn names_the_remedy_when_credentials_have_expired() {
    let server = s3_answering(&[("HEAD", 200, ""), ("GET", 400, "ExpiredToken"), ("PUT", 403, "InvalidAccessKeyId")]);
    block_on(async {
        let backend =
            choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::Never).await.expect("it is there").backend;
        let read = backend.get(&key("key")).await.expect_err("refused");
        let written = backend.put(&key("key"), b"text", &WriteCondition::IfAbsent).await.expect_err("refused");
        for refused in [read, written] {
            assert!(refused.is_credential_error(), "{refused}");
            assert!(refused.to_string().contains("; renew the credentials"), "{refused}");
            assert!(!refused.to_string().contains("s3:GetObject"), "{refused}");
        }
    });
    let server = s3_answering(&[("HEAD", 400, ""), ("HEAD", 400, "")]);
    block_on(async {
        let refused =
            choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::Never).await.expect_err("refused");
        assert!(refused.is_credential_error() && refused.to_string().contains("; renew the credentials"), "{refused}");
    });
}

#[test]
fn names_the_bucket_and_a_remedy_when_access_is_denied() {
    let server = s3_answering(&[("HEAD", 200, ""), ("GET", 403, "AccessDenied"), ("PUT", 404, "NoSuchBucket")]);
    block_on(async {
        let backend =
            choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::Never).await.expect("it is there").backend;
        let denied = backend.get(&key("key")).await.expect_err("refused").to_string();
        let gone = backend.put(&key("key"), b"text", &WriteCondition::IfAbsent).await.expect_err("refused").to_string();
        insta::assert_snapshot!(format!("{denied}\n{gone}"));
    });
    let server = s3_answering(&[("HEAD", 403, "")]);
    let refused = block_on(async {
        choose_backend(&connect(&server.url).await, StandinKind::Moto, "s3", BucketCreation::IfRequested).await.expect_err("refused")
    });
    assert!(refused.to_string().starts_with("AccessDenied: the backend's bucket `acme-123456789012-us-east-1`"), "{refused}");
}

const STACK: &str = "stack: shop\nregion: us-east-1\nresources: {}\n";

/// A lease without a renewing process.
fn leave_stale_lease(backend: &Backend) {
    block_on(async {
        let lease = Lease::acquire(backend, &"shop".parse().expect("a name"), &EnvironmentName::default(), "apply", Duration::ZERO, |_| {})
            .await
            .expect("it is free");
        let second =
            Lease::acquire(backend, &"shop".parse().expect("a name"), &EnvironmentName::default(), "apply", Duration::ZERO, |_| {})
                .await
                .expect_err("it is held");
        assert_eq!(second.code, "Locked", "{second}");
        lease.ensure_held().expect("ours");
    });
}

/// Unlocks the stack with the command line; `backend` has the leftover lease.
fn check_unlock(acme: &Acme, folder: &Path, backend: &[&str]) {
    let stack = write_file(folder, "stack.yaml", STACK);
    let done = acme.run("unlock", &stack, backend);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    for part in ["shop (default) is locked by ", ": `acme apply` since 2", "The last heartbeat was ", "pass `--yes`"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.combined_output());
    }
    let done = acme.run("unlock", &stack, &[backend, &["--yes"]].concat()).assert_success();
    assert!(done.stderr.contains("Removed the lease of shop (default)."), "{}", done.combined_output());
    let done = acme.run("unlock", &stack, &[backend, &["--yes"]].concat()).assert_success();
    assert!(done.stderr.contains("shop (default) is not locked."), "{}", done.combined_output());
}

#[test]
fn unlock_releases_a_stack_in_the_simulated_cloud() {
    let folder = tempfile::tempdir().expect("a folder");
    leave_stale_lease(&Backend::folder(folder.path().join("sim/backend/us-east-1")));
    check_unlock(&Acme::local(&folder.path().join("sim")), folder.path(), &[]);
    leave_stale_lease(&Backend::folder(folder.path().join("other")));
    let other = folder.path().join("other").display().to_string();
    check_unlock(&Acme::local(&folder.path().join("sim")), folder.path(), &["--backend", &other]);
}

fn check_unlock_on(kind: StandinKind) {
    let standin = Standin::start(kind);
    let folder = tempfile::tempdir().expect("a folder");
    leave_stale_lease(&block_on(async {
        choose_backend(&connect(&standin.url).await, kind, "s3", BucketCreation::IfRequested).await.expect("it is made").backend
    }));
    let acme = Acme::at_endpoint(&standin.url);
    check_unlock(&acme, folder.path(), &["--backend", "s3"]);
    // It is also found without configuration; and a folder has one part per account and region.
    let other = folder.path().join("other").display().to_string();
    leave_stale_lease(&block_on(async {
        choose_backend(&connect(&standin.url).await, kind, &other, BucketCreation::Never).await.expect("a folder").backend
    }));
    assert!(fs::exists(folder.path().join(format!("other/{}-us-east-1/shop/default/lease.json", account_id(kind)))).expect("a folder"));
    let done = acme.run("unlock", &folder.path().join("stack.yaml"), &["--yes"]).assert_success();
    assert!(done.stderr.contains("is not locked"), "{}", done.combined_output());
    check_unlock(&acme, folder.path(), &["--backend", &other]);
}

/// A run that is unfinished in this machine's history was continued elsewhere: its records are obsolete.
#[test]
fn ignores_local_history_once_a_bucket_is_in_use() {
    let standin = Standin::start(StandinKind::Ministack);
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\nresources: { elastic_ip: { nat: {} } }\n");
    let acme = Acme::at_endpoint(&standin.url);
    acme.apply(&stack);
    let revision = acme.state_dir().join(format!("acme/{}-us-east-1/shop/default/revisions/000001", account_id(StandinKind::Ministack)));
    fs::remove_file(revision.join("revision.json")).expect("it is there");
    let journal = fs::read_to_string(revision.join("journal")).expect("a journal");
    let end = journal.trim_end().rfind('\n').expect("several lines") + 1;
    fs::write(revision.join("journal"), &journal[..end]).expect("it can be written");
    let unfinished = |done: &crate::acme::CommandOutput| done.stderr.contains("is unfinished");
    assert!(unfinished(&acme.run("plan", &stack, &[]).assert_success()), "nothing was remembered");
    acme.run("apply", &stack, &["--yes", "--backend", "s3"]).assert_success();
    let done = acme.run("plan", &stack, &[]).assert_success();
    assert!(!unfinished(&done), "{}", done.combined_output());
}

#[test]
fn unlock_releases_a_stack_on_moto() {
    check_unlock_on(StandinKind::Moto);
}

#[test]
fn unlock_releases_a_stack_on_ministack() {
    check_unlock_on(StandinKind::Ministack);
}

#[test]
fn rejects_an_invalid_backend() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write_file(folder.path(), "stack.yaml", &format!("{STACK}backend: s3:/bucket://\n"));
    let done = Acme::local(folder.path()).run("unlock", &stack, &[]);
    assert!(done.code == 1 && done.stderr.contains("error[backend]"), "{}", done.combined_output());
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let done = Acme::local(folder.path()).run("unlock", &stack, &["--backend", "gs://bucket"]);
    assert!(done.code == 2 && done.stderr.contains("`gs://bucket` is not a valid backend"), "{}", done.combined_output());
}
