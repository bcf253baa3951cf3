//! Plans a definition on the simulated cloud, prints a line per change, and applies the plan while printing its events.

use std::{path::Path, time::Duration};

use acme::definition::Source;
use acme::engine::session::{Connection, RunOptions, Session, SessionOptions};
use acme::engine::{backend::BucketCreation, plan::Action, plan::Goal};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: plan_and_apply STACK.yaml")?;
    plan_and_apply(Path::new(&file), Path::new(".acme")).await.map(|_| ())
}

/// Returns the number of events.
pub async fn plan_and_apply(file: &Path, cloud: &Path) -> Result<usize, Box<dyn std::error::Error>> {
    let options = SessionOptions { connection: Connection::Simulated(cloud.to_owned()), ..SessionOptions::default() };
    let session = Session::open(Source::read(file)?, options).await?;
    let connected = session.connect(BucketCreation::Never).await?;
    let mut locked = connected.lock("apply", Duration::ZERO, |_| {}).await?;
    let proposed = locked.plan(Goal::Apply).await?;
    for change in proposed.plan().changes.iter().filter(|change| change.action != Action::None) {
        println!("{:?} {}", change.action, change.address);
    }
    let (sender, mut events) = mpsc::unbounded_channel();
    let (result, count) = tokio::join!(proposed.check()?.apply(RunOptions::new(sender)), async {
        let mut count = 0;
        while let Some(event) = events.recv().await {
            println!("{event:?}");
            count += 1;
        }
        count
    });
    println!("{:?}", result?.outcome);
    Ok(locked.release().await.map(|()| count)?)
}
