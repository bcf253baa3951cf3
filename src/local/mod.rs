//! The simulated cloud.

use serde_json::Value;

use crate::{
    aws::{Result, Scope},
    cloud::Call,
    kind::{Kind, Live},
    resource::{Changed, Tags},
};

/// The simulated cloud.
pub struct Local;

#[allow(clippy::unused_async, missing_docs)]
impl Local {
    pub const ACCOUNT: &'static str = "123456789012";
    pub fn region(&self) -> &str { "" }
    pub async fn list(&self, _: &'static Kind, _: &Scope) -> Result<Vec<Live>> { Ok(vec![]) }
    pub async fn create(&self, _: &'static Kind, _: &Call, _: &Value) -> Result<String> { Ok(String::new()) }
    pub async fn update(&self, _: &'static Kind, _: &str, _: &Value, _: &Changed) -> Result<()> { Ok(()) }
    pub async fn retag(&self, _: &'static Kind, _: &str, _: &Tags) -> Result<()> { Ok(()) }
    pub async fn delete(&self, _: &'static Kind, _: &str) -> Result<()> { Ok(()) }
}
