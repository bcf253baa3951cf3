//! The client's secret of an authentication with OpenID Connect. AWS takes its value, has no reference to a secret, and never reports it. So
//! acme copies the value from Secrets Manager, and records in tags of the listener which secret it copied. The values must not get into any
//! message.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{Action as SdkAction, Tag};

use super::{AuthenticateOidc, Listener, ListenerAction};
use crate::{
    aws::{Aws, services, types::parameter::secret_value},
    core::{ArnRef, Result, Tags, ok_or_not_found},
};

/// Key of the tag for the default action; that of a rule ends with its priority. Users don't see these tags.
const TAG: &str = "acme:client-secret";

impl AuthenticateOidc {
    /// Value of the tag: the ARN of the secret, and the key in it.
    fn source(&self) -> String {
        format!("{} {}", self.client_secret.get(), self.client_secret_key).trim_end().to_owned()
    }
    fn set_source(&mut self, source: &str) {
        let (secret, key) = source.split_once(' ').unwrap_or((source, ""));
        (self.client_secret, self.client_secret_key) = (ArnRef::to(secret), key.to_owned());
    }
}

/// Converts an action for AWS, with the client's secret. `live` is the action that it changes: AWS keeps the secret if neither the reference
/// nor the client differs.
pub(super) async fn to_sdk(aws: &Aws, action: &ListenerAction, live: Option<&ListenerAction>) -> Result<Vec<SdkAction>> {
    let mut actions = action.to_sdk();
    let ListenerAction::AuthenticateOidc(wanted) = action else { return Ok(actions) };
    let is_same =
        |live: &&AuthenticateOidc| live.source() == wanted.source() && live.client_id == wanted.client_id && live.issuer == wanted.issuer;
    let keeps = match live {
        Some(ListenerAction::AuthenticateOidc(live)) => is_same(&live),
        _ => false,
    };
    let value = if keeps { None } else { Some(secret_value(aws, wanted.client_secret.get(), &wanted.client_secret_key).await?) };
    if let Some(config) = actions.first_mut().and_then(|first| first.authenticate_oidc_config.as_mut()) {
        config.use_existing_client_secret = keeps.then_some(true);
        config.client_secret = value;
    }
    Ok(actions)
}

/// The tags that record which secrets the actions have, by key.
fn tags(listener: &Listener) -> BTreeMap<String, String> {
    let rules = listener.rules.iter().map(|rule| (format!("{TAG}-{}", rule.priority), &rule.action));
    let all = rules.chain([(TAG.to_owned(), &listener.default_action)]);
    let source = |(key, action): (String, &ListenerAction)| match action {
        ListenerAction::AuthenticateOidc(authenticate) => Some((key, authenticate.source())),
        _ => None,
    };
    all.filter_map(source).collect()
}

/// Whether an action has a client's secret.
pub(super) fn has_some(listener: &Listener) -> bool {
    !tags(listener).is_empty()
}

/// The tags of a listener: those of its create call and those in the index may lack the ones about secrets.
pub(super) async fn fetch_tags(aws: &Aws, id: &str) -> Result<Tags> {
    let reply = ok_or_not_found(aws.elbv2.describe_tags().resource_arns(id).send().await)?;
    let all = reply.and_then(|reply| reply.tag_descriptions).unwrap_or_default();
    Ok(all.iter().flat_map(|one| services::elbv2::from_tags(one.tags())).collect())
}

/// The tags of a new listener, which has no rules yet.
pub(super) fn tags_on_create(listener: &Listener) -> BTreeMap<String, String> {
    tags(listener).into_iter().filter(|(key, _)| key == TAG).collect()
}

/// Records the secrets, after the calls that sent them.
pub(super) async fn record(aws: &Aws, id: &str, live: &Listener, wanted: &Listener) -> Result<()> {
    let (before, after) = (tags(live), tags(wanted));
    let new = after.iter().filter(|(key, source)| before.get(*key) != Some(*source));
    let new: Vec<Tag> = new.map(|(key, source)| Tag::builder().key(key).value(source).build()).collect();
    if !new.is_empty() {
        aws.elbv2.add_tags().resource_arns(id).set_tags(Some(new)).send().await?;
    }
    let gone: Vec<String> = before.into_keys().filter(|key| !after.contains_key(key)).collect();
    if !gone.is_empty() {
        aws.elbv2.remove_tags().resource_arns(id).set_tag_keys(Some(gone)).send().await?;
    }
    Ok(())
}

/// Moves the recorded secrets from the tags to the actions.
pub(super) fn apply(listener: Listener, tags: &mut Tags) -> Listener {
    let sources: BTreeMap<String, String> = tags.extract_if(.., |key, _| key.starts_with(TAG)).collect();
    let mut listener = listener;
    let set = |action: &mut ListenerAction, key: &str| {
        if let (ListenerAction::AuthenticateOidc(authenticate), Some(source)) = (action, sources.get(key)) {
            authenticate.set_source(source);
        }
    };
    set(&mut listener.default_action, TAG);
    let rules = std::mem::take(&mut listener.rules).into_iter().map(|mut rule| {
        set(&mut rule.action, &format!("{TAG}-{}", rule.priority));
        rule
    });
    listener.rules = rules.collect();
    listener
}
