//! Interrupts by the user.

use tokio::sync::watch;

/// Interrupt by the user. After it, no new call starts, and nothing is waited for.
#[derive(Clone, Debug)]
pub struct StopSignal(Option<watch::Receiver<bool>>);

impl StopSignal {
    /// Never interrupted.
    pub fn never() -> StopSignal {
        StopSignal(None)
    }
    /// Interrupted by sending `true`.
    pub fn new() -> (watch::Sender<bool>, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (sender, StopSignal(Some(receiver)))
    }
    /// Whether the user interrupted.
    pub fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| *asked.borrow())
    }
    /// Waits for an interrupt; never returns if there can be none.
    pub async fn requested(&self) {
        if let Some(asked) = &self.0
            && asked.clone().wait_for(|asked| *asked).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
