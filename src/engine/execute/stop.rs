//! The user's wish to stop.

use tokio::sync::watch;

/// Whether the user asked to stop. No new call is begun then, and nothing is waited for any longer.
#[derive(Clone, Debug)]
pub struct StopSignal(Option<watch::Receiver<bool>>);

impl StopSignal {
    /// Nobody will ask.
    pub fn never() -> StopSignal {
        StopSignal(None)
    }
    /// Asked by sending `true`.
    pub fn new() -> (watch::Sender<bool>, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (sender, StopSignal(Some(receiver)))
    }
    /// Whether that happened.
    pub fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| *asked.borrow())
    }
    /// Ends when that happens; never, if nobody can ask any more.
    pub async fn requested(&self) {
        if let Some(asked) = &self.0
            && asked.clone().wait_for(|asked| *asked).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
