//! Where acme keeps its memory: a folder and a bucket do the same, on both stand-ins.

use std::{collections::VecDeque, fs, path::Path, sync::Mutex, time::Duration};

use acme::{
    aws::{Aws, Settings},
    definition::Location,
    engine::backend::{Backend, Choice, Consent, Lease, Place, When, Written, choose},
};
use aws_sdk_s3::config::{Credentials, Region};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::{
    acme::{Acme, write},
    standin::{Standin, StandinKind},
    wire::{Response, Server, header},
};

/// The account that a stand-in plays.
fn account(kind: StandinKind) -> &'static str {
    match kind {
        StandinKind::Moto => "123456789012",
        StandinKind::Ministack => "000000000000",
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Clients of an endpoint; of them only S3's has credentials.
async fn aws(endpoint: &str) -> Aws {
    let settings = Settings { region: Some("us-east-1".into()), endpoint_url: Some(endpoint.into()), ..Settings::default() };
    let aws = Aws::connect(settings).await.expect("a region is set");
    let config = aws.s3.config().to_builder().credentials_provider(Credentials::new("test", "test", None, None, "test"));
    Aws { s3: aws_sdk_s3::Client::from_conf(config.region(Region::new("us-east-1")).build()), ..aws }
}

async fn chosen(aws: &Aws, kind: StandinKind, location: &str, consent: Consent<'_>) -> acme::core::Result<Choice> {
    let location: Location = location.parse().expect("a location");
    choose(Some(&location), None, Place::Aws { aws, account: account(kind) }, consent).await
}

async fn text(backend: &Backend, key: &str) -> Option<String> {
    let object = backend.get(key).await.expect("it can be read")?;
    Some(String::from_utf8(object.bytes).expect("text"))
}

#[track_caller]
fn done(written: acme::core::Result<Written>) -> String {
    match written.expect("it can be written") {
        Written::Done(version) => version,
        Written::Conflict => panic!("a conflict"),
    }
}

/// What every backend does.
async fn keeps(backend: &Backend) {
    let put = async |text: &str, when: &When| backend.put("shop/one/lease.json", text.as_bytes(), when).await;
    assert_eq!(text(backend, "shop/one/lease.json").await, None);
    assert_eq!(put("early", &When::Version("\"0123\"".into())).await.expect("it can be written"), Written::Conflict);
    let first = done(put("1", &When::Absent).await);
    assert_eq!(put("2", &When::Absent).await.expect("it can be written"), Written::Conflict);
    let second = done(put("2", &When::Version(first.clone())).await);
    assert_ne!(first, second);
    assert_eq!(put("3", &When::Version(first)).await.expect("it can be written"), Written::Conflict);
    assert_eq!(text(backend, "shop/one/lease.json").await.as_deref(), Some("2"));
    assert_eq!(backend.get("shop/one/lease.json").await.expect("it can be read").map(|object| object.version), Some(second));
    done(put("4", &When::Any).await);
    assert_eq!(text(backend, "shop/one/lease.json").await.as_deref(), Some("4"));

    let journal = "shop/one/revisions/000007/journal";
    assert_eq!(backend.read(journal).await.expect("it can be read"), None);
    for (number, piece) in (0..).zip(["a\n", "b\n", "c\nd\n"]) {
        done(backend.append(journal, number, piece.as_bytes()).await);
    }
    assert_eq!(backend.append(journal, 0, b"another's\n").await.expect("it can be written"), Written::Conflict);
    assert_eq!(backend.read(journal).await.expect("it can be read").as_deref(), Some(&b"a\nb\nc\nd\n"[..]));
    done(backend.append("shop/one/revisions/000010/journal", 0, b"a\n").await);

    assert_eq!(backend.list("shop").await.expect("a list"), ["one"]);
    assert_eq!(backend.list("shop/one/revisions").await.expect("a list"), ["000007", "000010"]);
    assert_eq!(backend.list("shop/two").await.expect("a list"), [""; 0]);
    for key in [journal, "shop/one/lease.json", "shop/one/never"] {
        backend.delete(key).await.expect("it can be deleted");
        assert_eq!((text(backend, key).await, backend.read(key).await.expect("it can be read")), (None, None));
    }
}

#[test]
fn a_folder_keeps_what_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    run(keeps(&Backend::folder(folder.path())));
}

fn a_bucket(kind: StandinKind) {
    let standin = Standin::start(kind);
    let usual = format!("acme-{}-us-east-1", account(kind));
    run(async {
        // moto takes the bucket's policy to refuse TLS too.
        let aws = Aws { tls: kind == StandinKind::Ministack, ..aws(&standin.url).await };
        let empty = chosen(&aws, kind, "s3", Consent::Nothing).await.expect("nothing has to be there to read").backend;
        assert_eq!((text(&empty, "key").await, empty.list("").await.expect("a list"), empty.read("key").await.expect("nothing")), {
            (None, Vec::new(), None)
        });
        let missing = chosen(&aws, kind, "s3://some-bucket", Consent::IfNamed).await.expect_err("it is not there");
        assert!(missing.to_string().contains("there is no bucket `some-bucket`"), "{missing}");

        let choice = chosen(&aws, kind, "s3", Consent::IfNamed).await.expect("it is made");
        assert_eq!(choice.note, Some(format!("Made the bucket {usual} for history and locks.")));
        let choice = chosen(&aws, kind, "s3", Consent::IfNamed).await.expect("it is there");
        assert_eq!(choice.note, None);
        keeps(&choice.backend).await;

        // What nobody names is found.
        let found = choose(None, None, Place::Aws { aws: &aws, account: account(kind) }, Consent::IfNamed).await.expect("it is there");
        assert_eq!(found.note, Some(format!("History and locks are kept in the bucket {usual}.")));
        done(found.backend.put("key", b"text", &When::Any).await);
        assert_eq!(text(&choice.backend, "key").await.as_deref(), Some("text"));

        // A part of a bucket of another name keeps accounts and regions apart.
        let asked = std::cell::RefCell::new(String::new());
        let ask = |question: &str| {
            asked.replace(question.to_owned());
            Ok(true)
        };
        let part = chosen(&aws, kind, "s3://some-bucket/a/b", Consent::Ask(&ask)).await.expect("it is made").backend;
        assert_eq!(*asked.borrow(), "There is no bucket some-bucket. Make it in us-east-1, for history and locks?");
        keeps(&part).await;
        done(part.put("key", b"text", &When::Any).await);
        assert_eq!(
            text(&Backend::bucket(aws.s3.clone(), "some-bucket", "", None), &format!("a/b/{}-us-east-1/key", account(kind))).await,
            Some("text".into())
        );
        // A piece that was written though no answer came is written again, and counts.
        done(part.append("journal", 0, b"a\n").await);
        done(part.append("journal", 0, b"a\n").await);
    });
    let tls = kind == StandinKind::Ministack;
    let made = standin.boto(&format!(
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
fn a_bucket_keeps_what_it_is_given_on_moto() {
    a_bucket(StandinKind::Moto);
}

#[test]
fn a_bucket_keeps_what_it_is_given_on_ministack() {
    a_bucket(StandinKind::Ministack);
}

#[test]
fn a_journal_of_more_than_one_page_is_read_whole() {
    let standin = Standin::start(StandinKind::Ministack);
    run(async {
        let aws = aws(&standin.url).await;
        let backend = chosen(&aws, StandinKind::Ministack, "s3", Consent::IfNamed).await.expect("it is made").backend;
        let append = async |n: u64| done(backend.append("journal", n, format!("{n}\n").as_bytes()).await);
        assert_eq!(stream::iter((0..1005).map(append)).buffer_unordered(16).count().await, 1005);
        let expected: String = (0..1005).map(|n| format!("{n}\n")).collect();
        assert_eq!(backend.read("journal").await.expect("it can be read"), Some(expected.into_bytes()));
    });
}

/// An S3 that expects these methods, in this order, and answers each with a status and, when it refuses, a code.
fn answering(answers: &[(&'static str, u16, &'static str)]) -> Server {
    let answers = Mutex::new(VecDeque::from(answers.to_vec()));
    Server::start(move |request| {
        let next = answers.lock().map_err(|_| std::io::ErrorKind::Other)?.pop_front();
        let (_, status, code) = next.filter(|(method, ..)| *method == request.method).ok_or(std::io::ErrorKind::Unsupported)?;
        let headers = [("etag", "\"0123\""), ("x-amz-bucket-region", "eu-west-1"), ("x-amz-request-id", "req-1")];
        let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code><Message>As said.</Message></Error>") };
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        // A bucket of another region knows only calls that are signed for it.
        let here = header(&request.headers, "authorization").is_some_and(|signed| signed.contains("/eu-west-1/s3/"));
        let status = if status == 301 && here { 200 } else { status };
        Ok(Response { status, headers, body: body.into_bytes() })
    })
}

#[test]
fn a_write_that_s3_cannot_decide_on_is_tried_again() {
    let busy = ("PUT", 409, "ConditionalRequestConflict");
    let server = answering(&[("HEAD", 200, ""), busy, busy, ("PUT", 200, "")]);
    run(async {
        let backend = chosen(&aws(&server.url).await, StandinKind::Moto, "s3", Consent::Nothing).await.expect("it is there").backend;
        assert_eq!(done(backend.put("key", b"text", &When::Absent).await), "\"0123\"");
    });
}

#[test]
fn a_write_that_failed_inside_s3_is_tried_again() {
    let failed = ("PUT", 500, "InternalError");
    let server = answering(&[("HEAD", 200, ""), failed, failed, ("PUT", 200, "")]);
    run(async {
        let backend = chosen(&aws(&server.url).await, StandinKind::Moto, "s3", Consent::Nothing).await.expect("it is there").backend;
        assert_eq!(done(backend.put("key", b"text", &When::Absent).await), "\"0123\"");
    });
}

/// Another run makes it at the same time, and it is not known everywhere at once.
#[test]
fn a_bucket_that_is_being_made_is_waited_for() {
    let done = ("PUT", 200, "");
    let (busy, unseen) = (("PUT", 409, "OperationAborted"), ("PUT", 404, "NoSuchBucket"));
    let server = answering(&[("HEAD", 404, ""), busy, done, done, unseen, done, done, done, done]);
    run(async {
        let choice = chosen(&aws(&server.url).await, StandinKind::Moto, "s3", Consent::IfNamed).await.expect("it is made");
        assert_eq!(choice.note.as_deref(), Some("Made the bucket acme-123456789012-us-east-1 for history and locks."));
    });
}

#[test]
fn a_bucket_of_another_region_is_followed() {
    let server = answering(&[("HEAD", 301, ""), ("HEAD", 301, ""), ("PUT", 301, "")]);
    run(async {
        let backend =
            chosen(&aws(&server.url).await, StandinKind::Moto, "s3://some-bucket", Consent::Nothing).await.expect("it is there").backend;
        done(backend.put("key", b"text", &When::Absent).await);
    });
}

#[test]
fn a_refused_bucket_is_named_with_a_remedy() {
    let server = answering(&[("HEAD", 200, ""), ("GET", 403, "AccessDenied"), ("PUT", 404, "NoSuchBucket")]);
    run(async {
        let backend = chosen(&aws(&server.url).await, StandinKind::Moto, "s3", Consent::Nothing).await.expect("it is there").backend;
        let denied = backend.get("key").await.expect_err("refused").to_string();
        let gone = backend.put("key", b"text", &When::Absent).await.expect_err("refused").to_string();
        insta::assert_snapshot!(format!("{denied}\n{gone}"));
    });
    let server = answering(&[("HEAD", 403, "")]);
    let refused = run(async { chosen(&aws(&server.url).await, StandinKind::Moto, "s3", Consent::IfNamed).await.expect_err("refused") });
    assert!(refused.to_string().starts_with("AccessDenied: the bucket `acme-123456789012-us-east-1` of the backend"), "{refused}");
}

const STACK: &str = "stack: shop\nregion: us-east-1\nresources: {}\n";

/// A lease that nobody renews.
fn left_behind(backend: &Backend) {
    run(async {
        let lease = Lease::acquire(backend, "shop", "default", "apply", Duration::ZERO, |_| {}).await.expect("it is free");
        let second = Lease::acquire(backend, "shop", "default", "apply", Duration::ZERO, |_| {}).await.expect_err("it is held");
        assert_eq!(second.code, "Locked", "{second}");
        lease.check().expect("ours");
    });
}

/// Frees the stack by the command line; `backend` says what was left behind in it.
fn unlocks(acme: &Acme, folder: &Path, backend: &[&str]) {
    let stack = write(folder, "stack.yaml", STACK);
    let done = acme.run("unlock", &stack, backend);
    assert_eq!(done.code, 1, "{}", done.screen());
    for part in ["shop (default) is held by ", ": `acme apply` since 2", "Its last sign of life was ", "pass --yes"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.screen());
    }
    let done = acme.run("unlock", &stack, &[backend, &["--yes"]].concat()).ok();
    assert!(done.stderr.contains("shop (default) is free."), "{}", done.screen());
    let done = acme.run("unlock", &stack, &[backend, &["--yes"]].concat()).ok();
    assert!(done.stderr.contains("shop (default) is free already."), "{}", done.screen());
}

#[test]
fn unlock_frees_a_stack_of_the_simulated_cloud() {
    let folder = tempfile::tempdir().expect("a folder");
    left_behind(&Backend::folder(folder.path().join("sim/backend")));
    unlocks(&Acme::local(&folder.path().join("sim")), folder.path(), &[]);
    left_behind(&Backend::folder(folder.path().join("other")));
    let other = folder.path().join("other").display().to_string();
    unlocks(&Acme::local(&folder.path().join("sim")), folder.path(), &["--backend", &other]);
}

fn unlock_on(kind: StandinKind) {
    let standin = Standin::start(kind);
    let folder = tempfile::tempdir().expect("a folder");
    left_behind(&run(async { chosen(&aws(&standin.url).await, kind, "s3", Consent::IfNamed).await.expect("it is made").backend }));
    let acme = Acme::on(&standin.url);
    unlocks(&acme, folder.path(), &["--backend", "s3"]);
    // It is also found without being named; and a folder holds one part for each account and region.
    let other = folder.path().join("other").display().to_string();
    left_behind(&run(async { chosen(&aws(&standin.url).await, kind, &other, Consent::Nothing).await.expect("a folder").backend }));
    assert!(fs::exists(folder.path().join(format!("other/{}-us-east-1/shop/default/lease.json", account(kind)))).expect("a folder"));
    let done = acme.run("unlock", &folder.path().join("stack.yaml"), &["--yes"]).ok();
    assert!(done.stderr.contains("is free already"), "{}", done.screen());
    unlocks(&acme, folder.path(), &["--backend", &other]);
}

/// A run that this machine remembers as unfinished was gone on with elsewhere: what it says is no longer true.
#[test]
fn records_of_this_machine_are_not_believed_once_a_bucket_is_in_use() {
    let standin = Standin::start(StandinKind::Ministack);
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\nresources: { elastic_ip: { nat: {} } }\n");
    let acme = Acme::on(&standin.url);
    acme.apply(&stack);
    let revision = acme.state().join(format!("acme/{}-us-east-1/shop/default/revisions/000001", account(StandinKind::Ministack)));
    fs::remove_file(revision.join("revision.json")).expect("it is there");
    let journal = fs::read_to_string(revision.join("journal")).expect("a journal");
    let end = journal.trim_end().rfind('\n').expect("several lines") + 1;
    fs::write(revision.join("journal"), &journal[..end]).expect("it can be written");
    let unfinished = |done: &crate::acme::Done| done.stderr.contains("did not finish");
    assert!(unfinished(&acme.run("plan", &stack, &[]).ok()), "nothing was remembered");
    acme.run("apply", &stack, &["--yes", "--backend", "s3"]).ok();
    let done = acme.run("plan", &stack, &[]).ok();
    assert!(!unfinished(&done), "{}", done.screen());
}

#[test]
fn unlock_frees_a_stack_on_moto() {
    unlock_on(StandinKind::Moto);
}

#[test]
fn unlock_frees_a_stack_on_ministack() {
    unlock_on(StandinKind::Ministack);
}

#[test]
fn a_backend_of_the_definition_is_used_and_a_wrong_one_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = write(folder.path(), "stack.yaml", &format!("{STACK}backend: s3:/bucket://\n"));
    let done = Acme::local(folder.path()).run("unlock", &stack, &[]);
    assert!(done.code == 1 && done.stderr.contains("error[backend]"), "{}", done.screen());
    let stack = write(folder.path(), "stack.yaml", STACK);
    let done = Acme::local(folder.path()).run("unlock", &stack, &["--backend", "gs://bucket"]);
    assert!(done.code == 2 && done.stderr.contains("`gs://bucket` is no backend"), "{}", done.screen());
}
