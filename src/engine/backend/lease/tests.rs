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

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{clock::Clock, *};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

fn folder() -> (tempfile::TempDir, Backend) {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Backend::folder(folder.path());
    (folder, backend)
}

fn shop() -> StackName {
    "shop".parse().expect("a name")
}

fn environment(name: &str) -> EnvironmentName {
    name.parse().expect("a name")
}

/// Calls of this machine take no time.
fn short() -> Timing {
    Timing::system(SHORT, Duration::ZERO)
}

async fn acquire_short(backend: &Backend, wait: Duration) -> Result<Lease> {
    acquire_with_timing(backend, (&shop(), &environment("production")), "apply", wait, short(), |_| {}).await
}

async fn acquire_error(backend: &Backend) -> Error {
    Lease::acquire(backend, &shop(), &environment("production"), "destroy", Duration::ZERO, |_| {}).await.expect_err("it is held")
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
        runtime.block_on(Lease::acquire(backend, &shop(), &environment("production"), command, Duration::ZERO, |_| {})).expect("it is free")
    };
    thread::scope(|scope| scope.spawn(taken).join()).expect("it was taken");
}

#[tokio::test]
async fn tells_a_second_run_who_holds_the_lease() {
    let (folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    lease.set_step("create vpc.main");
    let mut told = Vec::new();
    let waited = acquire_with_timing(
        &backend,
        (&shop(), &environment("production")),
        "destroy",
        SHORT * 3,
        Timing::system(TERM, CALL_TIMEOUT),
        |awaited| {
            told.push(awaited.to_string());
        },
    )
    .await;
    let error = waited.expect_err("it is held").to_string();
    let this = Holder::current_process("apply");
    for part in ["Locked: shop (production)", &this.actor, &format!("process {}", this.pid), "`acme apply` since 2", "`acme unlock`"] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    assert!(error.contains("at `create vpc.main`"), "{error}");
    assert!(told.len() == 1 && told[0].contains("`acme apply` since"), "once, as nothing changed: {told:?}");
    assert!(acquire_short(&Backend::folder(folder.path()), Duration::ZERO).await.is_err());
    let other = Lease::acquire(&backend, &shop(), &environment("staging"), "apply", Duration::ZERO, |_| {})
        .await
        .expect("another environment is free");
    other.release().await.expect("released");
    lease.ensure_held_or_renew().await.expect("still ours");
    lease.release().await.expect("released");
    assert_eq!(lease.ensure_held().expect_err("released").code, "LeaseLost");
    assert_eq!(record(folder.path())["holder"], Value::Null);
    assert_eq!(held(&backend).await, None);
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
    Lease::acquire(&backend, &shop(), &environment("production"), "apply", Duration::ZERO, |_| {})
        .await
        .expect("no other process holds it");
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
    assert!(held(&backend).await.is_some(), "the other one's is left alone");
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

async fn held(backend: &Backend) -> Option<HeldLease> {
    Lease::held(backend, &shop(), &environment("production")).await.expect("it can be read")
}

async fn unlock(backend: &Backend, held: &HeldLease) -> bool {
    Lease::unlock(backend, &shop(), &environment("production"), held).await.expect("it can be written")
}

#[tokio::test]
async fn unlocks_only_the_holder_that_was_shown() {
    let (_folder, backend) = folder();
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    let shown = held(&backend).await.expect("it is held");
    lease.release().await.expect("released");
    let lease = acquire_short(&backend, Duration::ZERO).await.expect("it is free");
    assert!(!unlock(&backend, &shown).await, "another holds it now");
    let shown = held(&backend).await.expect("it is held");
    assert!(unlock(&backend, &shown).await);
    while let Ok(()) = lease.ensure_held_or_renew().await {
        sleep(SHORT / 10).await;
    }
    assert!(lease.ensure_held_or_renew().await.expect_err("taken away").message.contains("acme unlock"));
    assert_eq!(acquire_short(&backend, Duration::ZERO).await.expect("it is free").fence(), 3);
}

#[tokio::test]
async fn unlocks_a_damaged_lease() {
    let (folder, backend) = folder();
    acquire_and_vanish(&backend, "apply");
    for text in ["nonsense", "", r#"{"format":"acme-lease/9","fence":1,"holder":null}"#] {
        fs::write(lease_file(folder.path()), text).expect("a file");
        let error = acquire_short(&backend, Duration::ZERO).await.expect_err("it can't be read");
        assert!(error.code == "Lease" && error.message.contains("`acme unlock`"), "{error}");
        assert_eq!(fs::read_to_string(lease_file(folder.path())).expect("a file"), text, "kept");
        let shown = held(&backend).await.expect("it is not free");
        assert!(matches!(&shown, HeldLease::Damaged { .. }), "{shown:?}");
        assert!(unlock(&backend, &shown).await);
        assert!(!unlock(&backend, &shown).await, "it is another object now");
        assert_eq!(held(&backend).await, None);
        let lease = acquire_short(&backend, Duration::ZERO).await.expect("it expires, though nobody waited");
        assert!(lease.fence() > 1_000_000, "more than every number before");
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
                        match Lease::acquire(&backend, &shop(), &environment("production"), "apply", Duration::ZERO, |_| {}).await {
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

/// Time of a test, which it advances itself.
#[derive(Clone, Debug)]
struct TestTime(watch::Sender<Duration>);

/// A machine whose wall clock differs from the others'.
#[derive(Debug)]
struct Machine {
    time: TestTime,
    wall_offset: i64,
}

impl Clock for Machine {
    fn monotonic(&self) -> Duration {
        *self.time.0.borrow()
    }
    fn wall_millis(&self) -> u64 {
        let since = i64::try_from(self.monotonic().as_millis()).expect("a short test");
        u64::try_from(1_700_000_000_000 + since + self.wall_offset).expect("after 1970")
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (mut time, until) = (self.time.0.subscribe(), self.monotonic() + duration);
        Box::pin(async move { drop(time.wait_for(|now| *now >= until).await) })
    }
}

const HOUR_MILLIS: i64 = 3_600_000;

impl TestTime {
    fn new() -> TestTime {
        TestTime(watch::Sender::new(Duration::ZERO))
    }
    fn machine(&self, wall_offset: i64) -> Timing {
        Timing { term: TERM, longest_call: CALL_TIMEOUT, clock: Arc::new(Machine { time: self.clone(), wall_offset }) }
    }
    /// Lets a second pass, and everything happen that is due.
    async fn tick(&self) {
        self.0.send_modify(|now| *now += Duration::from_secs(1));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits for the lease in another task; returns the seconds until it was taken over or refused.
async fn contend(time: &TestTime, backend: &Backend, timing: Timing, wait: Duration) -> (u64, Result<Lease>) {
    let backend = backend.clone();
    let contender =
        tokio::spawn(
            async move { acquire_with_timing(&backend, (&shop(), &environment("production")), "destroy", wait, timing, |_| {}).await },
        );
    let mut seconds = 0;
    while !contender.is_finished() {
        time.tick().await;
        seconds += 1;
        assert!(seconds < 1000, "it waits for ever");
    }
    (seconds, contender.await.expect("no panic"))
}

#[tokio::test]
async fn a_running_holder_keeps_its_lease_from_a_machine_whose_clock_is_an_hour_ahead_or_behind() {
    for offset in [HOUR_MILLIS, -HOUR_MILLIS] {
        let (time, (_folder, backend)) = (TestTime::new(), folder());
        let holder = acquire_with_timing(&backend, (&shop(), &environment("production")), "apply", Duration::ZERO, time.machine(0), |_| {})
            .await
            .expect("it is free");
        for wait in [Duration::ZERO, Duration::from_secs(300)] {
            let (_, refused) = contend(&time, &backend, time.machine(offset), wait).await;
            assert_eq!(refused.expect_err("the holder renews it").code, "Locked");
            holder.ensure_held().expect("still ours");
        }
    }
}

#[tokio::test]
async fn takes_over_from_a_stopped_holder_after_its_own_clock_has_seen_the_whole_term() {
    for offset in [HOUR_MILLIS, 0, -HOUR_MILLIS] {
        let (time, (_folder, backend)) = (TestTime::new(), folder());
        // The holder's clock stands still, as that of a stopped process.
        let stopped = TestTime::new();
        let holder =
            acquire_with_timing(&backend, (&shop(), &environment("production")), "apply", Duration::ZERO, stopped.machine(0), |_| {})
                .await
                .expect("it is free");
        let (seconds, lease) = contend(&time, &backend, time.machine(offset), Duration::from_secs(300)).await;
        assert_eq!(lease.expect("it expires").fence(), 2);
        assert!(seconds >= TAKEOVER_DELAY.as_secs(), "after {seconds} s, with the clock {offset} ms ahead");
        // It wakes up, and makes no call.
        stopped.0.send_modify(|now| *now += TAKEOVER_DELAY);
        assert!(Arc::new(holder).start_call().expect_err("another has it").is_lease_lost());
    }
}

/// The wall clock only tells whether watching a lease is worthwhile without `--lock-timeout`.
#[tokio::test]
async fn watches_a_lease_that_seems_abandoned_for_a_whole_term() {
    let (time, (_folder, backend)) = (TestTime::new(), folder());
    let stopped = TestTime::new();
    acquire_with_timing(&backend, (&shop(), &environment("production")), "apply", Duration::ZERO, stopped.machine(0), |_| {})
        .await
        .expect("it is free");
    let (seconds, lease) = contend(&time, &backend, time.machine(HOUR_MILLIS), Duration::ZERO).await;
    assert_eq!(lease.expect("it expires").fence(), 2);
    assert!(seconds >= TAKEOVER_DELAY.as_secs(), "after {seconds} s");
}

/// The holder renews the lease until it is unlocked, and a call of it takes as long as a call can take.
#[tokio::test]
async fn takes_over_after_a_forced_unlock_when_the_last_call_has_ended() {
    let (time, (_folder, backend)) = (TestTime::new(), folder());
    let holder = acquire_with_timing(&backend, (&shop(), &environment("production")), "apply", Duration::ZERO, time.machine(0), |_| {})
        .await
        .expect("it is free");
    let holder = Arc::new(holder);
    let call = holder.start_call().expect("it is held");
    assert!(unlock(&backend, &held(&backend).await.expect("it is held")).await);
    assert_eq!(held(&backend).await, None, "unlocked");
    let (machine, contender_backend) = (time.machine(HOUR_MILLIS), backend.clone());
    let contender = tokio::spawn(async move {
        acquire_with_timing(&contender_backend, (&shop(), &environment("production")), "destroy", Duration::ZERO, machine, |_| {}).await
    });
    // The holder notices it, and starts no further call.
    while holder.ensure_held().is_ok() {
        time.tick().await;
    }
    for _ in 0..20 {
        time.tick().await;
        assert!(!contender.is_finished(), "a call of the old holder is under way");
        assert!(holder.start_call().expect_err("unlocked").is_lease_lost());
    }
    drop(call);
    while !contender.is_finished() {
        time.tick().await;
    }
    let elapsed = *time.0.borrow();
    assert!(elapsed < TAKEOVER_DELAY, "the holder confirmed that it has stopped: {elapsed:?}");
    assert_eq!(contender.await.expect("no panic").expect("it is free").fence(), 2);
}

#[tokio::test]
async fn takes_over_after_a_forced_unlock_of_a_silent_holder_when_no_call_can_be_under_way() {
    let (time, (_folder, backend)) = (TestTime::new(), folder());
    let stopped = TestTime::new();
    let holder = acquire_with_timing(&backend, (&shop(), &environment("production")), "apply", Duration::ZERO, stopped.machine(0), |_| {})
        .await
        .expect("it is free");
    assert!(unlock(&backend, &held(&backend).await.expect("it is held")).await);
    let (seconds, lease) = contend(&time, &backend, time.machine(0), Duration::ZERO).await;
    assert_eq!(lease.expect("free by now").fence(), 2);
    assert!(seconds >= TAKEOVER_DELAY.as_secs(), "after {seconds} s");
    drop(holder);
}
