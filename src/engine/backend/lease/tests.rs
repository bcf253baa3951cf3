//! Holders that run, stop, vanish and resume. Expiry is short here, but no test depends on the speed of the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

fn folder() -> (tempfile::TempDir, Backend) {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Backend::folder(folder.path());
    (folder, backend)
}

async fn acquire_short(backend: &Backend, wait: Duration) -> Result<Lease> {
    acquire_with_expiry(backend, "shop", "production", "apply", wait, SHORT, |_| {}).await
}

async fn acquire_error(backend: &Backend) -> Error {
    Lease::acquire(backend, "shop", "production", "destroy", Duration::ZERO, |_| {}).await.expect_err("it is held")
}

fn lease_file(folder: &Path) -> PathBuf {
    folder.join("shop/production/lease.json")
}

fn record(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(lease_file(folder)).expect("a lease")).expect("JSON")
}

/// Changes the stored holder, as if another process had written it.
fn edit(folder: &Path, change: impl FnOnce(&mut Value)) {
    let mut record = record(folder);
    change(&mut record["holder"]);
    fs::write(lease_file(folder), record.to_string()).expect("the lease can be written");
}

/// Acquires the lease and stops renewing it.
fn acquire_and_vanish(backend: &Backend, command: &str) {
    let taken = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Lease::acquire(backend, "shop", "production", command, Duration::ZERO, |_| {})).expect("it is free")
    };
    thread::scope(|scope| scope.spawn(taken).join()).expect("it was taken");
}

#[tokio::test]
async fn tells_a_second_run_who_holds_the_lease() {
    let (folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    lease.set_step("create vpc.main");
    let mut told = Vec::new();
    let waited =
        acquire_with_expiry(&backend, "shop", "production", "destroy", SHORT * 3, EXPIRY, |holder| told.push(holder.command.clone())).await;
    let error = waited.expect_err("it is held").to_string();
    let this = Holder::current_process("apply");
    for part in ["Locked: shop (production)", &this.actor, &format!("process {}", this.pid), "`acme apply` since 2", "`acme unlock`"] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    assert!(error.contains("at `create vpc.main`"), "{error}");
    assert_eq!(told, ["apply"], "once, as nothing changed");
    assert!(acquire_short(&Backend::folder(folder.path()), Duration::ZERO).await.is_err());
    let other = Lease::acquire(&backend, "shop", "staging", "apply", Duration::ZERO, |_| {}).await.expect("another environment is free");
    other.release().await.expect("released");
    lease.ensure_held_or_renew().await.expect("still ours");
    lease.release().await.expect("released");
    assert_eq!(lease.ensure_held().expect_err("released").code, "LeaseLost");
    assert_eq!(record(folder.path())["holder"], Value::Null);
    assert_eq!(Lease::holder(&backend, "shop", "production").await.expect("it can be read"), None);
    assert_eq!(acquire_short(&backend, Duration::ZERO).await.expect("it is free").fence(), 2);
}

#[tokio::test]
async fn takes_over_from_a_vanished_holder_after_expiry() {
    let (folder, backend) = folder();
    acquire_and_vanish(&backend, "apply");
    assert_eq!(acquire_error(&backend).await.code, "Locked", "it may be alive");
    edit(folder.path(), |holder| holder["system"] = json!("elsewhere"));
    let lease = acquire_short(&backend, LONG).await.expect("it expires");
    assert_eq!(lease.fence(), 2);
    lease.ensure_held_or_renew().await.expect("ours");
}

#[tokio::test]
async fn takes_over_at_once_when_the_holders_process_has_exited() {
    let (folder, backend) = folder();
    acquire_and_vanish(&backend, "apply");
    if record(folder.path())["holder"]["system"].is_null() {
        return;
    }
    edit(folder.path(), |holder| holder["started"] = json!(1));
    Lease::acquire(&backend, "shop", "production", "apply", Duration::ZERO, |_| {}).await.expect("no other process holds it");
}

#[tokio::test]
async fn takes_over_at_once_after_a_long_missing_heartbeat() {
    let (folder, backend) = folder();
    acquire_and_vanish(&backend, "apply");
    edit(folder.path(), |holder| {
        holder["system"] = json!("elsewhere");
        holder["last_heartbeat"] = json!(now_millis() - 290_000);
    });
    assert!(acquire_error(&backend).await.message.contains("last heartbeat 29"));
    edit(folder.path(), |holder| holder["last_heartbeat"] = json!(now_millis() - 301_000));
    Lease::acquire(&backend, "shop", "production", "apply", Duration::ZERO, |_| {}).await.expect("no other process holds it");
}

/// Simulates a stopped process, whose tasks and timers do not run.
fn suspend(until: impl FnOnce()) {
    until();
    thread::sleep(SHORT);
}

#[tokio::test]
async fn loses_the_lease_when_replaced_during_sleep() {
    let (_folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    let elsewhere = backend.clone();
    suspend(move || {
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let fence = runtime.block_on(acquire_short(&elsewhere, LONG)).map(|lease| lease.fence());
            assert_eq!(fence.expect("it expires"), 2);
        })
        .join()
        .expect("it was taken over");
    });
    let error = lease.ensure_held_or_renew().await.expect_err("another has it");
    assert!(error.code == "LeaseLost" && error.message.contains("taken over by"), "{error}");
    lease.release().await.expect("left alone");
    assert!(Lease::holder(&backend, "shop", "production").await.expect("it can be read").is_some(), "the other one's is left alone");
}

#[tokio::test]
async fn keeps_the_lease_when_nobody_took_it_during_sleep() {
    let (_folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    suspend(|| {});
    assert_eq!(lease.ensure_held().expect_err("another may have it").code, "LeaseLost");
    lease.ensure_held_or_renew().await.expect("no other process took it");
    lease.ensure_held().expect("no other process took it");
}

#[tokio::test]
async fn loses_the_lease_while_it_cannot_be_renewed() {
    let (folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    fs::rename(folder.path().join("shop"), folder.path().join("away")).expect("a folder");
    fs::write(folder.path().join("shop"), "in the way").expect("a file");
    while let Ok(()) = lease.ensure_held_or_renew().await {
        sleep(SHORT / 10).await;
    }
    let error = lease.ensure_held_or_renew().await.expect_err("out of reach");
    assert!(error.code == "LeaseLost" && error.message.contains("could not be renewed"), "{error}");
    fs::remove_file(folder.path().join("shop")).expect("a file");
    fs::rename(folder.path().join("away"), folder.path().join("shop")).expect("a folder");
    lease.ensure_held_or_renew().await.expect("no other process took it in the meantime");
}

#[tokio::test]
async fn unlocks_only_the_holder_that_was_shown() {
    let (_folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    let shown = Lease::holder(&backend, "shop", "production").await.expect("it can be read").expect("it is held");
    lease.release().await.expect("released");
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    assert!(!Lease::unlock(&backend, "shop", "production", &shown).await.expect("it can be read"), "another holds it now");
    let shown = Lease::holder(&backend, "shop", "production").await.expect("it can be read").expect("it is held");
    assert!(Lease::unlock(&backend, "shop", "production", &shown).await.expect("it can be written"));
    while let Ok(()) = lease.ensure_held_or_renew().await {
        sleep(SHORT / 10).await;
    }
    assert!(lease.ensure_held_or_renew().await.expect_err("taken away").message.contains("acme unlock"));
    assert_eq!(acquire_short(&backend, Duration::ZERO).await.expect("it is free").fence(), 3);
}

#[tokio::test]
async fn rejects_and_keeps_an_unreadable_lease_file() {
    let (folder, backend) = folder();
    acquire_and_vanish(&backend, "apply");
    for text in ["nonsense", r#"{"format":"acme-lease/9","fence":1,"holder":null}"#] {
        fs::write(lease_file(folder.path()), text).expect("a file");
        assert_eq!(acquire_short(&backend, Duration::ZERO).await.expect_err("it can't be read").code, "Lease");
        assert_eq!(fs::read_to_string(lease_file(folder.path())).expect("a file"), text);
    }
}

/// Threads that hold, change things, and now and then vanish or sleep, renewals and all: the changes come in the order of the fence
/// numbers, so that never two held it at a time.
#[test]
fn many_runs_take_turns_even_when_some_vanish() {
    let (_folder, backend) = folder();
    let changes: Mutex<Vec<u64>> = Mutex::default();
    let (slept, vanished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = async |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20 {
            let lease = acquire_short(&backend, LONG).await.expect("every process gets the lease");
            for _ in 0..random.usize(1..4) {
                {
                    // A holder that slept too long loses the lease and stops.
                    let mut changes = changes.lock().expect("no panic");
                    if lease.ensure_held().is_err() {
                        break;
                    }
                    changes.push(lease.fence());
                }
                if random.u8(0..20) == 0 {
                    slept.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(SHORT * 2);
                }
            }
            if random.u8(0..20) == 0 {
                vanished.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            lease.release().await.expect("released");
        }
    };
    thread::scope(|scope| {
        for seed in 0..5 {
            let run = &run;
            scope.spawn(move || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(run(seed)));
        }
    });
    let changes = changes.into_inner().expect("no panic");
    assert!(changes.is_sorted(), "two held it: {changes:?}");
    assert!(!changes.is_empty() && slept.into_inner() > 0 && vanished.into_inner() > 0);
}

/// Threads that conflict all the time, each with its own view of the folder.
#[test]
fn only_one_of_many_simultaneous_runs_gets_the_lease() {
    let folder = tempfile::tempdir().expect("a folder");
    let holders = AtomicUsize::new(0);
    let turns = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let backend = Backend::folder(folder.path());
                    while turns.load(Ordering::SeqCst) < 100 {
                        match Lease::acquire(&backend, "shop", "production", "apply", Duration::ZERO, |_| {}).await {
                            Ok(lease) => {
                                assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                                thread::yield_now();
                                turns.fetch_add(1, Ordering::SeqCst);
                                holders.fetch_sub(1, Ordering::SeqCst);
                                lease.release().await.expect("released");
                            }
                            Err(error) => assert_eq!(error.code, "Locked", "{error}"),
                        }
                    }
                });
            });
        }
    });
}
