//! `cache_user`: a user of Redis OSS or Valkey caches.

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::{AuthenticationMode, AuthenticationType, InputAuthenticationType, User};
use serde_json::Value;

use super::{prelude::*, secret::Secret};
use crate::{
    aws::{from_aws, to_aws},
    core::{ErrorKind, Tags, referenced_ids},
};

/// A user of Redis OSS or Valkey caches, which a `cache_user_group` brings to them.
#[spec]
pub struct CacheUser {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 40, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Name with which it signs in. A group for Redis OSS has a user with the name `default`, which clients without a name are.
    #[field(unset = "as `name`", length = 1..=120, pattern = "[A-Za-z][A-Za-z0-9-]*", replaces, important)]
    #[field(dropped(kept, "the name is permanent"))]
    pub user_name: Option<String>,
    /// Engine of the caches.
    #[field(default = CacheUserEngine::Redis, one_way(Direction::Ordered(&["redis", "valkey"]), "AWS does not change users back to Redis OSS"))]
    pub engine: CacheUserEngine,
    /// Rules of what it may do, such as `on ~orders:* +@read`: <https://valkey.io/topics/acl/>. `off` disables the user.
    #[field(important, length = 1..=4096)]
    pub access: String,
    /// How it signs in: with its AWS identity (`iam`), a password, or nothing.
    #[field(default = Authentication::Iam, important)]
    pub authentication: Authentication,
    /// Secrets with the passwords, for `authentication: password`: two while one replaces the other. A secret with a JSON object has the password
    /// under `password`. acme reads them when the list changes; a new value of the same secret has no effect.
    #[field(default, length = 0..=2)]
    pub passwords: BTreeSet<ArnRef<Secret>>,
}

/// Engine of a user.
#[spec]
#[derive(Copy)]
pub enum CacheUserEngine {
    /// Redis OSS.
    Redis,
    /// Valkey.
    Valkey,
}

/// How a user signs in.
#[spec]
#[derive(Copy)]
pub enum Authentication {
    /// With its AWS identity, from version 7.
    Iam,
    /// With a password.
    Password,
    /// With its name alone.
    None,
}

/// Status of a user that can be used.
const ACTIVE: &str = "active";

impl Resource for CacheUser {
    const TYPE: TypeInfo =
        TypeInfo::new("cache_user", &services::elasticache::SERVICE, "{name}", "arn:aws:elasticache:{region}:{account}:user:{name}")
            .without_charge("users of caches cost nothing")
            .typical_seconds(10)
            .without_token()
            .quota(1000, "UserQuotaExceeded")
            .not_found("UserNotFound")
            .already_exists("UserAlreadyExists")
            .in_use("InvalidUserState")
            .iam_actions(
                IamActions::new("elasticache:user:{name}")
                    .read(&["elasticache:ListTagsForResource"])
                    .create(&["elasticache:CreateUser"])
                    .change(&["elasticache:DeleteUser", "elasticache:ModifyUser"])
                    .grants(&[
                        IamGrant::read(&["elasticache:DescribeUsers"], GrantTarget::Arn("elasticache:user:*")),
                        IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                    ]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let users: Vec<_> = aws.elasticache.describe_users().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = |user: &User| scope.covers(user.user_id().unwrap_or_default(), user.arn().unwrap_or_default());
        for_each_concurrent(users.into_iter().filter(covered), |user| async move {
            let at = (user.user_id().unwrap_or_default(), user.arn().unwrap_or_default());
            let tags = services::elasticache::read_tags_and_secrets(aws, scope, at, user.status() == Some(ACTIVE)).await?;
            tags.map(|(tags, secrets)| observed(user, tags, secrets)).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.elasticache.create_user().set_user_id(self.name.clone()).set_user_name(self.user_name.clone().or(self.name.clone()));
        let call = call.engine(to_aws(&self.engine)).access_string(&self.access);
        let call = call.authentication_mode(self.authentication_mode(cx.api).await?);
        let tags = services::elasticache::tags_with_secrets(&cx.call.tags, referenced_ids(&self.passwords));
        let reply = call.set_tags(Some(tags)).send().await?;
        reply.user_id.map(Created::Id).ok_or_else(|| Error::missing_field("UserId"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheUserChanges) -> Result<()> {
        let call = cx.elasticache.modify_user().user_id(&live.id);
        let call = call.set_engine(changes.engine.then(|| to_aws(&self.engine)));
        let call = call.set_access_string(changes.access.then(|| self.access.clone()));
        let authentication = match changes.authentication || changes.passwords {
            true => Some(self.authentication_mode(cx.api).await?),
            false => None,
        };
        let reply = call.set_authentication_mode(authentication).send().await?;
        if changes.passwords {
            let arn = reply.arn.ok_or_else(|| Error::missing_field("ARN"))?;
            services::elasticache::record_secrets(cx.api, &arn, referenced_ids(&self.passwords)).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.elasticache.delete_user().user_id(&live.id).send().await)
    }

    fn adoption_obstacle(&self) -> Option<String> {
        (self.name.as_deref() == Some("default")).then(|| "AWS neither changes nor deletes the default user".to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        let mut problems = Vec::new();
        if self.name.as_deref() == Some("default") {
            problems.push(Problem::new(at.name, "the identifier `default` is reserved for AWS").help("set `user_name: default` instead"));
        }
        if (self.authentication == Authentication::Password) == self.passwords.is_empty() {
            problems.push(Problem::new(at.passwords, "is for `authentication: password`, which requires it"));
        }
        // https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
        let other = self.user_name.as_ref().filter(|name| self.name.as_ref().is_some_and(|id| id != *name));
        if self.authentication == Authentication::Iam && other.is_some() {
            problems.push(
                Problem::new(at.user_name, "a user with `authentication: iam` has the same name as identifier").help("remove `user_name`"),
            );
        }
        problems
    }

    fn normalize(&self, live: &mut Self) {
        if self.user_name.is_none() && live.user_name == live.name {
            live.user_name = None;
        }
        if same_rules(&self.access, &live.access) {
            live.access.clone_from(&self.access);
        }
    }
}

impl CacheUser {
    async fn authentication_mode(&self, aws: &Aws) -> Result<AuthenticationMode> {
        let mode = AuthenticationMode::builder();
        Ok(match self.authentication {
            Authentication::Iam => mode.r#type(InputAuthenticationType::Iam),
            Authentication::None => mode.r#type(InputAuthenticationType::NoPassword),
            Authentication::Password => {
                let mut mode = mode.r#type(InputAuthenticationType::Password);
                for secret in &self.passwords {
                    mode = mode.passwords(secret_password(aws, secret.get()).await?);
                }
                mode
            }
        }
        .build())
    }
}

/// Password in a secret: its text, or `password` of its JSON object. It must not get into any message.
pub(super) async fn secret_password(aws: &Aws, secret: &str) -> Result<String> {
    let reply = aws.secretsmanager.get_secret_value().secret_id(secret).send().await?;
    let text = reply.secret_string.ok_or_else(|| {
        Error::new(ErrorKind::Rejected, "NoPassword", format!("the secret `{secret}` has no text: set its value, and apply again"))
    })?;
    let object = serde_json::from_str::<Value>(&text).ok().filter(Value::is_object);
    match object {
        Some(object) => object["password"].as_str().map(str::to_owned).ok_or_else(|| {
            Error::new(ErrorKind::Rejected, "NoPassword", format!("the JSON object in the secret `{secret}` has no text `password`"))
        }),
        None => Ok(text),
    }
}

/// Whether rules mean the same. ElastiCache inserts `-@all` before the commands of a user that states no other base.
fn same_rules(ours: &str, theirs: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (ours, mut theirs) = (words(ours), words(theirs));
    if !ours.iter().any(|word| word == "-@all") {
        theirs.retain(|word| word != "-@all");
    }
    ours == theirs
}

fn observed(user: User, tags: Tags, secrets: Vec<String>) -> Result<Observed<CacheUser>> {
    let name = user.user_id.ok_or_else(|| Error::missing_field("UserId"))?;
    let authentication = match user.authentication.and_then(|authentication| authentication.r#type) {
        Some(AuthenticationType::Iam) => Authentication::Iam,
        Some(AuthenticationType::Password) => Authentication::Password,
        _ => Authentication::None,
    };
    let spec = CacheUser {
        name: Some(name.clone()),
        user_name: user.user_name,
        engine: from_aws(&user.engine.unwrap_or_default().to_ascii_lowercase())?,
        access: user.access_string.unwrap_or_default(),
        authentication,
        // A password that was set outside acme is unknown.
        passwords: secrets.into_iter().filter(|_| authentication == Authentication::Password).map(ArnRef::to).collect(),
    };
    let arn = user.arn.ok_or_else(|| Error::missing_field("ARN"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }).phase(Phase::from_status(user.status.as_deref().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(fields: Value) -> Vec<String> {
        let mut spec = json!({ "name": "orders", "access": "on ~* +@all" });
        if let (Some(spec), Value::Object(fields)) = (spec.as_object_mut(), fields) {
            spec.extend(fields);
        }
        let user: CacheUser = serde_json::from_value(spec).expect("a user");
        user.check().into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn checks_names_and_passwords() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf";
        for (fields, at) in [
            (json!({}), None),
            (json!({ "user_name": "orders" }), None),
            (json!({ "user_name": "default", "authentication": "none", "access": "off" }), None),
            (json!({ "authentication": "password", "passwords": [secret] }), None),
            (json!({ "authentication": "password" }), Some("/passwords")),
            (json!({ "passwords": [secret] }), Some("/passwords")),
            (json!({ "user_name": "default" }), Some("/user_name")),
            (json!({ "name": "default" }), Some("/name")),
        ] {
            assert_eq!(problems(fields.clone()).first().map(String::as_str), at, "{fields}");
        }
    }

    #[test]
    fn recognizes_rules_with_an_inserted_base() {
        assert!(same_rules("on ~app:* +@read", "on ~app:* -@all +@read"));
        assert!(same_rules("on  ~*  -@all +get", "on ~* -@all +get"));
        assert!(!same_rules("on ~* +@read", "on ~* +@write") && !same_rules("off ~*", "on ~*"));
    }
}
