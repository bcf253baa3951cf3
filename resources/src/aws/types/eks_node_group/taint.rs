//! Taints, which keep pods off nodes.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_eks::types::{Taint as SdkTaint, UpdateTaintsPayload};

use crate::{
    aws::{from_aws, to_aws},
    core::{Error, Result},
};

/// A taint: pods that do not tolerate it are not scheduled.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Key.
    #[field(length = 1..=63)]
    pub key: String,
    /// Value.
    #[field(default, length = 0..=63)]
    pub value: String,
    /// Effect on pods.
    pub effect: TaintEffect,
}

/// Effect of a taint on pods that do not tolerate it.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaintEffect {
    /// New pods are not scheduled.
    NoSchedule,
    /// New pods are not scheduled, running ones are evicted.
    NoExecute,
    /// New pods are scheduled on other nodes if possible.
    PreferNoSchedule,
}

impl Taint {
    pub(super) fn to_sdk(&self) -> SdkTaint {
        let value = (!self.value.is_empty()).then(|| self.value.clone());
        SdkTaint::builder().key(&self.key).set_value(value).effect(to_aws(&self.effect).as_str().into()).build()
    }
    pub(super) fn read(taint: SdkTaint) -> Result<Taint> {
        let effect = taint.effect.ok_or_else(|| Error::missing_field("effect"))?;
        Ok(Taint { key: taint.key.unwrap_or_default(), value: taint.value.unwrap_or_default(), effect: from_aws(effect.as_str())? })
    }
    /// Key and effect identify a taint; its value is updated in place.
    pub(super) fn changes(before: &BTreeSet<Taint>, after: &BTreeSet<Taint>) -> UpdateTaintsPayload {
        let kept = |old: &&Taint| after.iter().any(|new| new.key == old.key && new.effect == old.effect);
        let new: Vec<SdkTaint> = after.difference(before).map(Taint::to_sdk).collect();
        let old: Vec<SdkTaint> = before.iter().filter(|old| !kept(old)).map(Taint::to_sdk).collect();
        UpdateTaintsPayload::builder()
            .set_add_or_update_taints((!new.is_empty()).then_some(new))
            .set_remove_taints((!old.is_empty()).then_some(old))
            .build()
    }
}
