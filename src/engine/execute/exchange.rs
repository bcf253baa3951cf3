//! Steps of changes that are made in one call.

use super::{
    retry::Idempotency,
    step::{Exchange, MAX_CREATE_ATTEMPTS, StepTask},
};
use crate::{
    core::{Error, ErrorKind, LiveResource, Result},
    engine::plan::Op,
};

impl StepTask {
    /// Makes the call, if it is this step that makes it, and verifies the resource.
    pub(super) async fn exchange(self) -> Result<Option<LiveResource>> {
        {
            let _under_way = self.poller.in_flight();
            self.exchange_or_find().await?;
        }
        let missing = || Error::new(ErrorKind::Rejected, "NotThere", format!("`{}` does not exist", self.target.address));
        match (self.op, &self.target.before) {
            (Op::Create, _) => {
                let created = self.find_created().await?.ok_or_else(missing)?;
                self.verify(&created, None, None, None).await.map(Some)
            }
            (Op::Delete, _) => Ok(None),
            (_, Some(before)) => self.verify(&before.id, Some(before.phase.clone()), None, None).await.map(Some),
            (_, None) => Err(missing()),
        }
    }

    /// Makes the call. After a lost response, looks for what it creates before making it again.
    async fn exchange_or_find(&self) -> Result<()> {
        let Exchange::First(parts) = &self.exchange else { return Ok(()) };
        let mut unanswered = self.maybe_created || self.attempted;
        let mut attempts = 0;
        loop {
            let Err(error) = self.with_retries(Idempotency::NotIdempotent, || self.journaled_cloud.exchange(parts)).await else {
                return Ok(());
            };
            let may_be_made = unanswered && (error.kind == ErrorKind::AlreadyExists || error.is_not_found());
            if error.kind != ErrorKind::Unavailable && !may_be_made {
                return Err(error);
            }
            unanswered = true;
            if self.op == Op::Create && self.find_created().await?.is_some() {
                return Ok(());
            }
            attempts += 1;
            if attempts == MAX_CREATE_ATTEMPTS {
                return Err(error);
            }
        }
    }
}
