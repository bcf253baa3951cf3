//! The user's wish to stop.

use tokio::sync::watch;

/// Whether the user asked to stop. No new call is begun then, and nothing is waited for any longer.
#[derive(Clone, Debug)]
pub struct Stop(Option<watch::Receiver<bool>>);

impl Stop {
    /// Nobody will ask.
    pub fn never() -> Stop {
        Stop(None)
    }
    /// Asked by sending `true`.
    pub fn new() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(Some(receiver)))
    }
    /// Whether that happened.
    pub fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| *asked.borrow())
    }
    /// Ends when that happens; never, if nobody can ask any more.
    pub async fn asked(&self) {
        if let Some(asked) = &self.0
            && asked.clone().wait_for(|asked| *asked).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
