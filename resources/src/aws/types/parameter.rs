//! `parameter`: a parameter of Systems Manager's Parameter Store.

mod check;
mod read;
mod secure;
mod store_policy;

use std::collections::BTreeSet;

use aws_sdk_ssm::types::ParameterTier;

pub(super) use secure::value_of as secret_value;
pub use store_policy::{Notice, TimeUnit};

use super::{
    kms_key::KmsKey,
    prelude::*,
    secret::{Generate, Secret},
};
use crate::{aws::to_aws, core::Tags};

/// A parameter of Systems Manager's Parameter Store: a value that programs, instances and other services of AWS read by its name.
///
/// It has no field for a plain secret, because many people read definitions, plans and records. A secure parameter gets its value from a
/// `secret`, or a random one (`generate`), which you can overwrite (`aws ssm put-parameter --overwrite`). acme never shows it.
#[spec]
pub struct Parameter {
    /// Name, unique in account and region. One with a hierarchy of up to 15 levels begins with a slash: `/shop/production/region`.
    #[field(name(max = 950), pattern = r"[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){1,15}", replaces, unique = "name")]
    pub name: Option<String>,
    /// Type of the value.
    #[field(default, replaces, important)]
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// Value of the type `string`: at most 4096 bytes, 8192 in the tier `Advanced`.
    #[field(default, length = 1..=8192, important, dropped = None)]
    pub value: Option<String>,
    /// Values of the type `string_list`, without commas, together at most 4096 bytes, 8192 in the tier `Advanced`.
    #[field(default, important)]
    pub values: Vec<String>,
    /// Secret with the value of the type `secure_string`. acme copies it when the reference changes, or when the parameter was overwritten
    /// outside acme; a new value of the same secret has no effect.
    #[field(unset = "none: the value is generated", important, dropped = None)]
    pub secret: Option<ArnRef<Secret>>,
    /// Key in the secret's JSON object whose text is the value; empty for the whole text of the secret.
    #[field(default, requires = secret, pattern = "[A-Za-z0-9_.-]*", length = 0..=100)]
    pub secret_key: String,
    /// Generates a random value of the type `secure_string` when the parameter is created. acme never overwrites it.
    #[field(unset = "none: the value is that of `secret`", initial_only, conflicts_with = secret, dropped(kept, "used only at creation"))]
    pub generate: Option<Generate>,
    /// Key that encrypts the type `secure_string`.
    #[field(unset = "AWS's own key, `alias/aws/ssm`", important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Description.
    #[field(default, length = 0..=1024)]
    pub description: String,
    /// Regular expression that the value must match; empty for none.
    #[field(default, length = 0..=1024)]
    pub allowed_pattern: String,
    /// Tier. `Advanced` costs money for each parameter; AWS never changes a parameter back. `Intelligent-Tiering` is `Advanced` only where
    /// the value or a policy needs it.
    #[field(default, important)]
    pub tier: Tier,
    /// Format of the type `string`. AWS checks that a value of `aws:ec2:image` is an image, shortly after the change.
    #[field(default = "text", one_of = ["text", "aws:ec2:image"], replaces)]
    pub data_type: String,
    /// Time at which AWS deletes the parameter, such as `2030-01-31T00:00:00Z`. Not in the tier `Standard`.
    #[field(
        default,
        pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:\d\d)",
        important,
        dropped = None
    )]
    pub expires_at: Option<String>,
    /// Events of EventBridge before `expires_at`: how long before. Not in the tier `Standard`.
    #[field(default, requires = expires_at, length = 0..=9)]
    pub expiration_notices: BTreeSet<Notice>,
    /// Events of EventBridge about a value that has not changed for this long. Not in the tier `Standard`.
    #[field(default, length = 0..=10)]
    pub no_change_notices: BTreeSet<Notice>,
}

/// Type of a parameter's value.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum ParameterKind {
    /// A text.
    #[default]
    String,
    /// A list of texts.
    StringList,
    /// An encrypted text.
    SecureString,
}

/// Tier of a parameter.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub enum Tier {
    /// Up to 4 KiB, free of charge.
    #[default]
    Standard,
    /// Up to 8 KiB, with policies.
    Advanced,
    /// `Standard` as long as that suffices.
    #[serde(rename = "Intelligent-Tiering")]
    IntelligentTiering,
}

impl ParameterKind {
    fn to_sdk(self) -> aws_sdk_ssm::types::ParameterType {
        match self {
            ParameterKind::String => aws_sdk_ssm::types::ParameterType::String,
            ParameterKind::StringList => aws_sdk_ssm::types::ParameterType::StringList,
            ParameterKind::SecureString => aws_sdk_ssm::types::ParameterType::SecureString,
        }
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Number of the current version.
    #[schemars(extend("x-acme-simulated" = "1", "x-acme-updated" = true))]
    pub version: String,
}

/// Alias of the key that encrypts a parameter without one of its own.
const AWS_KEY: &str = "alias/aws/ssm";

impl Resource for Parameter {
    const TYPE: TypeInfo =
        TypeInfo::new("parameter", &services::ssm::SERVICE, "{name}", "arn:aws:ssm:{region}:{account}:parameter/{/name}")
            .data_protection(DataProtection::Contents)
            .lost_on_recreation("its earlier versions and a generated value are lost")
            .deletable_while_in_use()
            .without_token()
            .quota(10_000, "ParameterLimitExceeded")
            .iam_actions(
                IamActions::new("ssm:parameter/{/name}")
                    .list(&["ssm:DescribeParameters"])
                    .read(&["ssm:GetParameters", "ssm:ListTagsForResource"])
                    .create(&["ssm:PutParameter"])
                    .change(&["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"])
                    .grants(&[
                        IamGrant::change(&["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], GrantTarget::Referenced("kms_key")),
                        IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                    ]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    /// <https://aws.amazon.com/systems-manager/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        match self.tier {
            Tier::Standard => Pricing::default(),
            Tier::Advanced => {
                let product = Product::new("AWSSystemsManager").family("AWS Systems Manager").usage_type("PS-Advanced-Param-Tier1");
                Pricing::of(vec![context.hourly("advanced parameter", 1.0, product)])
            }
            Tier::IntelligentTiering => Pricing::default().without("a parameter that is advanced only if it must be"),
        }
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let value = match (&self.secret, &self.generate) {
            (Some(secret), _) => secure::value_of(cx.api, secret.get(), &self.secret_key).await?,
            (None, Some(generate)) => generate.value()?,
            (None, None) => self.plain_value(),
        };
        let mut tags = cx.call.tags.clone();
        tags.extend(self.source(1).map(|source| (secure::SOURCE_TAG.to_owned(), source.to_tag())));
        let call = self.put(cx, value).set_policies(self.policies().text());
        call.set_tags(Some(services::ssm::to_tags(&tags))).send().await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("Name"))?.into())
    }

    /// PutParameter has all settings, and always the value.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: ParameterChanges) -> Result<()> {
        let is_secure = self.kind == ParameterKind::SecureString;
        let copies = self.secret.as_ref().filter(|_| changes.secret || changes.secret_key);
        // A parameter that no longer names its secret keeps the value.
        let others = Self::pointers(&ParameterChanges { secret: false, secret_key: false, ..changes });
        if copies.is_some() || !others.is_empty() {
            let value = match copies {
                Some(secret) => secure::value_of(cx.api, secret.get(), &self.secret_key).await?,
                None if is_secure => secure::current_value(cx.api, &live.id).await?,
                None => self.plain_value(),
            };
            let had_policies = !live.spec.policies().is_empty();
            let policies = self.policies().text().or_else(|| had_policies.then(|| store_policy::NONE.to_owned()));
            let reply = self.put(cx, value).set_policies(policies).overwrite(true).send().await?;
            if let Some(source) = self.source(reply.version) {
                let tags = Tags::from([(secure::SOURCE_TAG.to_owned(), source.to_tag())]);
                return secure::set_tags(cx.api, &live.id, &tags).await;
            }
        }
        if is_secure && self.secret.is_none() && changes.secret { secure::forget_source(cx.api, &live.id).await } else { Ok(()) }
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.ssm.delete_parameter().name(&live.id).send().await)
    }

    /// A value that the definition has, or a secret, is not lost.
    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        let own = Scope { adopt: Some(id.to_owned()), ..Scope::default() };
        let found = read::list(aws, &own).await?.into_iter().find(|parameter| parameter.id == id);
        let is_lost = |parameter: Observed<Self>| parameter.spec.kind == ParameterKind::SecureString && parameter.spec.secret.is_none();
        Ok(found.is_some_and(is_lost).then(|| "its value".to_owned()))
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// AWS reports the tier that it has chosen.
    fn normalize(&self, live: &mut Self) {
        if self.tier == Tier::IntelligentTiering {
            live.tier = self.tier;
        }
        let is_same_time = |one: &str, other: &str| one.replace(".000", "") == other.replace(".000", "");
        if let (Some(ours), Some(theirs)) = (&self.expires_at, &live.expires_at)
            && is_same_time(ours, theirs)
        {
            live.expires_at.clone_from(&self.expires_at);
        }
    }

    fn replaces(&self, live: &Self) -> ParameterChanges {
        ParameterChanges { tier: live.tier == Tier::Advanced && self.tier == Tier::Standard, ..ParameterChanges::default() }
    }
}

impl Parameter {
    /// Value of a parameter that is not secure.
    fn plain_value(&self) -> String {
        self.value.clone().unwrap_or_else(|| self.values.join(","))
    }

    /// The secret with the value of this version.
    fn source(&self, version: i64) -> Option<secure::Source> {
        let secret = self.secret.as_ref()?.get().to_owned();
        Some(secure::Source { version, secret, key: self.secret_key.clone() })
    }

    fn put(&self, cx: &Cx<'_>, value: String) -> aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder {
        let is_secure = self.kind == ParameterKind::SecureString;
        let key = self.kms_key.as_ref().map_or(AWS_KEY, |key| key.get()).to_owned();
        let call = cx.ssm.put_parameter().set_name(self.name.clone()).value(value).r#type(self.kind.to_sdk());
        let call = call.set_key_id(is_secure.then_some(key)).description(&self.description).allowed_pattern(&self.allowed_pattern);
        let data_type = (self.kind == ParameterKind::String).then(|| self.data_type.clone());
        call.tier(ParameterTier::from(to_aws(&self.tier).as_str())).set_data_type(data_type)
    }
}
