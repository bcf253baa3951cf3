//! The hands that change things: the intent goes into the journal, then the call goes out, then its result is noted.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use serde_json::Value;

use crate::{
    core::{Address, Call, CreatedLive, Deletion, Error, Live, ResourceType, Result, Sort, Tags},
    engine::{
        backend::Lease,
        cloud::Cloud,
        journal::{Action, End, Intent, Journal, Record},
    },
};

/// What every step of a run works with.
#[derive(Clone)]
pub struct Hands {
    /// Where the resources live. Reads go there directly; changes go through the methods below.
    pub cloud: Arc<Cloud>,
    /// Takes every intent before its call.
    pub journal: Journal,
    /// The right to change the stack; `None` where nobody else can.
    pub lease: Option<Arc<Lease>>,
}

/// The resource that a step is about.
pub struct About {
    pub address: Address,
    pub kind: &'static ResourceType,
    pub call: Call,
    /// The wanted spec; `null` for deletions.
    pub spec: Value,
    /// What stood at the address when the run began.
    pub before: Option<Live>,
    pub needs: BTreeSet<Address>,
}

impl Hands {
    pub(super) async fn create(&self, about: &About) -> Result<CreatedLive> {
        let call = || self.cloud.create(about.kind, &about.call, &about.spec);
        self.journaled(about, Action::Create, None, |created: &CreatedLive| Some(created.id().to_owned()), call).await
    }

    pub(super) async fn update(&self, about: &About, live: &Live, to: &Value, pointers: &[String]) -> Result<()> {
        let call = || self.cloud.update(about.kind, &about.call, live, to, pointers);
        self.journaled(about, Action::Update, Some(&live.id), |()| None, call).await
    }

    pub(super) async fn retag(&self, about: &About, live: (&str, Option<&str>), from: &Tags, to: &Tags, action: Action) -> Result<()> {
        let (id, arn) = live;
        let call = || self.cloud.retag(about.kind, id, arn, from, to);
        self.journaled(about, action, Some(id), |()| None, call).await
    }

    /// What is gone already is deleted.
    pub(super) async fn delete(&self, about: &About, live: &Live) -> Result<Deletion> {
        let call = || async {
            let deleted = self.cloud.delete(about.kind, &about.call, live).await;
            deleted.or_else(|error| if error.is_gone() { Ok(Deletion::Requested) } else { Err(error) })
        };
        self.journaled(about, Action::Delete, Some(&live.id), |_| None, call).await
    }

    async fn journaled<T, F: Future<Output = Result<T>>>(
        &self,
        about: &About,
        action: Action,
        id: Option<&str>,
        made: impl Fn(&T) -> Option<String>,
        call: impl FnOnce() -> F,
    ) -> Result<T> {
        if let Some(lease) = &self.lease {
            lease.confirm().await?;
        }
        let intent = Intent {
            address: about.address.clone(),
            action,
            token: about.call.token.clone(),
            id: id.map(str::to_owned),
            before: about.before.clone(),
            expected: about.spec.clone(),
            tags: about.call.tags.clone(),
            needs: about.needs.clone(),
        };
        let of = self.journal.write(Record::Intent(Box::new(intent))).await?;
        if let Some(lease) = &self.lease {
            // Writing may have taken long.
            lease.check()?;
        }
        let ended = call().await;
        let end = match &ended {
            Ok(value) => End::Done { id: made(value) },
            Err(Error { sort: Sort::Unreachable, .. }) => End::Unknown,
            Err(error) => End::Refused { code: error.code.clone() },
        };
        self.journal.note(Record::Result { of, end })?;
        ended
    }
}
