//! Sessions on the simulated cloud. That nothing can be applied without a lease needs no test: only a locked session makes the plans
//! that can be checked and applied.

use std::path::Path;

use tokio::sync::mpsc;

use super::*;
use crate::engine::{
    execute::Event,
    journal::RunOutcome,
    plan::{Action, Goal},
    run::RunResult,
};

const SHOP: &str = "
stack: shop
region: eu-west-1
resources:
  ecr_repository: { images: { name: images } }
";

async fn open(folder: &Path, text: &str) -> Result<Session> {
    let options = SessionOptions { connection: Connection::Simulated(folder.join("cloud")), ..SessionOptions::default() };
    Session::open(Source::new("shop.yaml", text), options).await
}

async fn lock(folder: &Path, text: &str) -> Result<LockedSession> {
    open(folder, text).await?.connect(BucketCreation::Never).await?.lock("apply", Duration::ZERO, |_| {}).await
}

/// Applies a plan; returns its outcome and events.
async fn apply(plan: CheckedPlan<'_>) -> (RunResult, Vec<Event>) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let result = plan.apply(RunOptions::new(sender)).await.expect("the run starts");
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    (result, events)
}

fn mutating_calls(session: &Session) -> u64 {
    match session.cloud() {
        Cloud::Simulated(local) => local.mutating_calls(),
        Cloud::Aws(_) => panic!("not the simulated cloud"),
    }
}

#[tokio::test]
async fn applies_a_plan_and_then_plans_no_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut locked = lock(folder.path(), SHOP).await.expect("it is free");
    let proposed = locked.plan(Goal::Apply).await.expect("a plan");
    assert_eq!(proposed.plan().summary().create, 1);
    let (result, events) = apply(proposed.check().expect("no obstacles")).await;
    assert_eq!((result.revision, result.outcome), (1, RunOutcome::Done));
    assert!(matches!(events.first(), Some(Event::RunStarted { revision: 1, .. })), "{events:?}");
    assert!(matches!(events.last(), Some(Event::RunEnded { outcome: RunOutcome::Done, .. })), "{events:?}");

    assert!(locked.plan(Goal::Apply).await.expect("a plan").has_nothing_to_do());
    let undo = locked.plan_rollback(None).await.expect("a plan");
    assert_eq!(undo.plan().changes.iter().map(|change| change.action).collect::<Vec<_>>(), [Action::Delete]);
    let (result, _) = apply(undo.check().expect("no obstacles")).await;
    assert_eq!((result.revision, result.outcome), (2, RunOutcome::Done));
    locked.release().await.expect("it is held");
}

#[tokio::test]
async fn refuses_a_plan_with_obstacles() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut locked = lock(folder.path(), SHOP).await.expect("it is free");
    apply(locked.plan(Goal::Apply).await.expect("a plan").check().expect("no obstacles")).await;
    locked.release().await.expect("it is held");

    let mut locked = lock(folder.path(), &SHOP.replace("shop", "market")).await.expect("it is free");
    let before = mutating_calls(locked.session());
    let proposed = locked.plan(Goal::Apply).await.expect("a plan");
    assert_eq!(proposed.plan().obstacles[0].location.as_deref(), Some("shop.yaml:5"));
    let Err(error) = proposed.check() else { panic!("the name is in use") };
    assert_eq!(error.code(), Some("blocked"));
    assert!(error.to_string().contains("belongs to the stack shop"), "{error}");
    assert_eq!(mutating_calls(locked.session()), before);
    assert!(locked.history().revision_numbers().await.expect("a history").is_empty());

    let mut session = open(folder.path(), &SHOP.replace("shop", "market")).await.expect("valid");
    let state = session.discover().await.expect("resources");
    let plan = session.plan(&state, Goal::Apply).await.expect("a plan");
    let Err(error) = session.save_plan(&state, &plan, Goal::Apply, None).await else { panic!("the name is in use") };
    assert_eq!(error.code(), Some("blocked"));
}

#[tokio::test]
async fn refuses_another_account_or_region_before_any_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let pinned = format!("account: '111122223333'\n{SHOP}");
    let session = open(folder.path(), &pinned).await.expect("valid");
    let Err(error) = session.check_account(Simulator::ACCOUNT) else { panic!("another account") };
    assert_eq!(error.code(), Some("pinned-account"));
    assert!(error.to_string().contains(Simulator::ACCOUNT), "{error}");
    // The simulated account has the pinned number.
    let locked = lock(folder.path(), &pinned).await.expect("the pinned account");
    assert_eq!(locked.account(), "111122223333");
    locked.release().await.expect("it is held");

    let options = SessionOptions {
        connection: Connection::Simulated(folder.path().join("other")),
        region: Some("eu-north-1".to_owned()),
        ..SessionOptions::default()
    };
    let Err(error) = Session::open(Source::new("shop.yaml", SHOP), options).await else { panic!("another region") };
    assert_eq!(error.code(), Some("pinned-region"));
    assert!(!folder.path().join("other").exists(), "the cloud was not opened");
}

#[tokio::test]
async fn allows_one_lease_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = lock(folder.path(), SHOP).await.expect("it is free");
    let Err(error) = lock(folder.path(), SHOP).await else { panic!("it is held") };
    assert_eq!(error.code(), Some("Locked"));
    first.release().await.expect("it is held");
    lock(folder.path(), SHOP).await.expect("it is free again").release().await.expect("it is held");
}

#[tokio::test]
async fn refuses_a_saved_plan_when_anything_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = open(folder.path(), SHOP).await.expect("valid");
    let state = session.discover_with_history().await.expect("resources");
    let plan = session.plan(&state, Goal::Apply).await.expect("a plan");
    let saved = session.save_plan(&state, &plan, Goal::Apply, None).await.expect("a saved plan");
    let file = Path::new("shop.acmeplan");

    let mut locked = lock(folder.path(), &format!("{SHOP}\n# Edited")).await.expect("it is free");
    let Err(error) = locked.plan_saved(&saved, file).await else { panic!("it was edited") };
    assert!(matches!(error, SessionError::StaleDefinition { .. }), "{error}");
    locked.release().await.expect("it is held");

    let mut locked = lock(folder.path(), SHOP).await.expect("it is free");
    let proposed = locked.plan_saved(&saved, file).await.expect("nothing has changed");
    apply(proposed.check().expect("no obstacles")).await;
    let Err(error) = locked.plan_saved(&saved, file).await else { panic!("it was applied") };
    assert!(matches!(error, SessionError::StalePlan { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("plan again with `acme plan shop.yaml --local=") && text.contains(" --out shop.acmeplan`"), "{text}");
}
