//! `aws_resource`: a resource of a type that acme does not have, through Cloud Control.

mod arn;
mod check;
mod compare;
mod digest;
mod model;
mod native;
mod patch;
mod properties;
mod read;
mod requests;
mod secrets;
mod shape;
#[cfg(test)]
mod tests;
mod write_only;

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use self::native::native_type;
use self::{digest::TypeDigest, model::Target, properties::Properties, shape::Shape};
use super::prelude::*;
use crate::core::{ErrorKind, OnDelete, OwnFacts, TagChange};

/// A resource of a type that acme does not have, through AWS's Cloud Control API. Its properties are those of CloudFormation. acme knows the
/// types that its page in the reference lists; it compares the properties that the definition sets, and leaves the others to AWS.
///
/// Its id is the type and the identifier in Cloud Control: `AWS::EC2::DHCPOptions/dopt-0123`. Other resources refer to what AWS reports of it
/// by the name of the attribute: `{{ aws_resource.corporate.DhcpOptionsId }}`.
///
/// A resource that may hold data is retained when it leaves the definition, unless `on_delete: delete` is set.
#[spec]
pub struct AwsResource {
    /// Name of its type in CloudFormation.
    #[field(replaces, important, lookup)]
    #[schemars(extend("examples" = digest::names()))]
    pub r#type: String,
    /// Its properties, as in CloudFormation's resource reference, but for the tags, which are in the field `tags`. A property that the
    /// definition no longer sets is removed. acme compares values that AWS never reports, such as the code of a function, by a hash in a
    /// tag, and writes them again with every change. acme takes no secrets: it refuses variables, headers and the like whose names say that they
    /// are secret, and hides those that others have set.
    pub properties: Properties,
}

/// What AWS reports besides the properties.
#[derive(Debug, Serialize, Deserialize)]
pub struct AwsResourceOutputs {
    /// Amazon resource name.
    pub arn: String,
    /// Identifier in Cloud Control.
    pub identifier: String,
    /// Attributes by name.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, Value>,
}

impl JsonSchema for AwsResourceOutputs {
    fn schema_name() -> Cow<'static, str> {
        "AwsResourceOutputs".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut of_types: BTreeMap<&str, (Vec<&str>, Vec<&Shape>)> = BTreeMap::new();
        for (type_name, digest) in digest::all() {
            for (name, shape) in &digest.attributes {
                let (types, shapes) = of_types.entry(name).or_default();
                types.push(type_name);
                shapes.push(shape);
            }
        }
        let mut properties = Map::from_iter([
            (
                "arn".to_owned(),
                json!({ "type": "string", "description": "Amazon resource name.", "x-acme-simulated": "arn:aws:cloudcontrol:{region}:{account}:{id}" }),
            ),
            (
                "identifier".to_owned(),
                json!({ "type": "string", "description": "Identifier in Cloud Control.", "x-acme-simulated": "{id:/}" }),
            ),
        ]);
        for (name, (types, shapes)) in of_types {
            let about = format!("Attribute of {}.", types.join(", "));
            let form = if shapes.iter().all(|shape| shape.is_list()) {
                json!({ "type": "array", "items": { "type": "string" }, "description": about })
            } else {
                json!({ "type": "string", "description": about })
            };
            properties.insert(name.to_owned(), form);
        }
        json_schema!({ "type": "object", "properties": properties, "required": ["arn", "identifier"] })
    }
}

impl Resource for AwsResource {
    const TYPE: TypeInfo = TypeInfo::new("aws_resource", &services::cloudcontrol::SERVICE, "{type}/{hex17}", "")
        .arns_matched_by(|arn| digest::find_by_arn(arn).is_some())
        .free_properties()
        .data_protection(DataProtection::Contents)
        .lost_on_recreation("its data, secrets, and values that AWS never reports")
        .typical_seconds(5)
        .longest_hours(6)
        .iam_actions(
            IamActions::new("cloudformation:*")
                .list(&[
                    "cloudformation:GetResource",
                    "cloudformation:GetResourceRequestStatus",
                    "cloudformation:ListResourceRequests",
                    "cloudformation:ListResources",
                ])
                .grants(&[
                    IamGrant::change(
                        &[
                            "cloudformation:CreateResource",
                            "cloudformation:DeleteResource",
                            "cloudformation:UpdateResource",
                            "tag:TagResources",
                            "tag:UntagResources",
                        ],
                        GrantTarget::AllResources,
                    ),
                    IamGrant::change(
                        &["iam:PassRole"],
                        GrantTarget::PassRole(&[
                            "apigateway.amazonaws.com",
                            "appconfig.amazonaws.com",
                            "cognito-idp.amazonaws.com",
                            "fis.amazonaws.com",
                            "glue.amazonaws.com",
                            "grafana.amazonaws.com",
                            "lambda.amazonaws.com",
                            "pipes.amazonaws.com",
                            "rolesanywhere.amazonaws.com",
                            "states.amazonaws.com",
                            "streams.metrics.cloudwatch.amazonaws.com",
                            "transfer.amazonaws.com",
                        ]),
                    ),
                ]),
        );
    const OWN_FACTS: Option<fn(&Self) -> Option<OwnFacts>> = Some(AwsResource::own_facts);
    type Api = Aws;
    type Outputs = AwsResourceOutputs;

    fn price(&self, _: &PriceContext<'_>) -> Pricing {
        Pricing::default().without("resources of Cloud Control, whose prices acme does not know")
    }

    fn stands_for() -> Vec<&'static str> {
        digest::names()
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if let Some(problem) = check::wrong_region(&self.r#type, &cx.region) {
            return Err(Error::new(ErrorKind::Rejected, "Region", problem.message));
        }
        let target = Target::new(&self.r#type, "").ok_or_else(|| Error::missing_field("TypeName"))?;
        let desired = self.desired_state(target.digest, cx);
        let mut token = token(&cx.call.token, &desired);
        for _ in 0..MAX_REPEATED_FAILURES {
            let call = cx.cloudcontrol.create_resource().type_name(target.type_name).desired_state(&desired).client_token(&token);
            let event = call.send().await?.progress_event;
            // A token that was used before returns its request. After a failure, the next request needs another one, and the same after a crash.
            if let Some(event) = event.as_ref().filter(|event| requests::is_repeated_failure(event)) {
                token = token_after(&token, event.request_token().unwrap_or_default());
                continue;
            }
            return finish_create(cx, &target, requests::follow(cx.api, event).await?).await;
        }
        Err(Error::new(ErrorKind::Rejected, "Failed", "AWS refused each of several requests for this resource"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: AwsResourceChanges) -> Result<()> {
        let target = Target::known(&live.id)?;
        let model = target.existing_model(cx.api).await?;
        let properties = secrets::reveal(target.digest, &self.properties.0, &model);
        let mut operations = patch::operations(target.digest, &properties, &model);
        if operations.is_empty() {
            return Ok(());
        }
        let mut tags = model::tags_in(target.digest, &model);
        let hashes = write_only::changed_hash_tags(target.digest, &self.properties.0, &salt(cx), &tags);
        if !hashes.is_empty() {
            tags.extend(hashes);
            tags.retain(|key, _| !key.starts_with("aws:"));
            operations.push(patch::tag_operation(target.digest, &tags));
        }
        send_patch(cx.api, &target, &operations).await.map_err(|error| explain_refusal(error, &target, &operations))
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        delete(cx.api, &Target::known(&live.id)?).await?;
        Ok(Deletion::Requested)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn normalize(&self, live: &mut Self) {
        live.properties = Properties(match digest::find(&self.r#type).filter(|_| self.r#type == live.r#type) {
            Some(digest) => compare::align(digest, &self.properties.0, &live.properties.0),
            // Another type replaces the resource.
            None => std::mem::take(&mut live.properties.0).into_iter().filter(|(_, value)| !value.is_null()).collect(),
        });
    }

    fn replaces(&self, live: &Self) -> AwsResourceChanges {
        let fixed = |digest: &TypeDigest| {
            let (wanted, live) = (&self.properties.0, &live.properties.0);
            let differs = compare::differs_at(&digest.create_only, wanted, live);
            differs
                || digest.immutable && wanted.keys().any(|name| !compare::is_equal(&wanted[name], live.get(name).unwrap_or(&Value::Null)))
        };
        AwsResourceChanges { properties: digest::find(&self.r#type).is_some_and(fixed), ..AwsResourceChanges::default() }
    }

    fn conflicts_with(&self, _: &Self) -> bool {
        true
    }

    /// Resources of a type that AWS distinguishes by names in their properties.
    fn conflict_groups(&self) -> Vec<String> {
        let Some(digest) = digest::find(&self.r#type) else { return Vec::new() };
        let names: Vec<String> =
            digest.name_properties().filter_map(|name| Some(format!("{name}={}", self.properties.0.get(name)?))).collect();
        if names.is_empty() { Vec::new() } else { vec![format!("{} {}", self.r#type, names.join(" "))] }
    }

    fn irreversible_change(&self, live: &Self) -> Option<String> {
        let digest = digest::find(&self.r#type)?;
        let lost: Vec<String> = write_only::changed_properties(digest, &self.properties.0, &live.properties.0)
            .map(|property| format!("the earlier `{property}` is not known"))
            .collect();
        (!lost.is_empty()).then(|| lost.join("; "))
    }

    async fn contents(_: &Aws, id: &str) -> Result<Option<String>> {
        Ok(Target::known(id)?.digest.data.then(|| "data, which AWS deletes with it".to_owned()))
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        let target = Target::known(id)?;
        requests::last_failure(aws, target.type_name, &target.identifier).await
    }
}

/// How often a creation may return the failure of an earlier one, before acme gives up.
const MAX_REPEATED_FAILURES: usize = 50;

impl AwsResource {
    fn own_facts(&self) -> Option<OwnFacts> {
        let digest = digest::find(&self.r#type)?;
        Some(OwnFacts {
            on_delete: digest.data.then_some(OnDelete::Retain),
            read_actions: digest.read_actions.clone(),
            change_actions: digest.change_actions.clone(),
            outputs: ["arn", "identifier"].into_iter().chain(digest.attributes.keys().map(String::as_str)).map(str::to_owned).collect(),
        })
    }

    /// The properties with tags, as JSON.
    fn desired_state(&self, digest: &TypeDigest, cx: &Cx<'_>) -> String {
        let mut tags = cx.call.tags.clone();
        tags.extend(write_only::hash_tags(digest, &self.properties.0, &salt(cx)));
        let properties = secrets::reveal(digest, &self.properties.0, &Map::new());
        let known = properties.iter().filter_map(|(name, value)| Some((name.clone(), write_only::known_values(value)?)));
        let mut state: Map<String, Value> = known.collect();
        state.insert(digest.tags.clone(), model::to_tag_property(digest, &tags));
        Value::Object(state).to_string()
    }
}

/// Salt of hashes. A repeated call must have the same text.
fn salt(cx: &Cx<'_>) -> String {
    token(&cx.call.token, "salt")[..16].to_owned()
}

/// Token of a creation: another one for another state, because AWS refuses a token with other parameters.
fn token(run: &str, desired: &str) -> String {
    Sha256::digest(format!("{run}\n{desired}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token_after(token: &str, failed_request: &str) -> String {
    self::token(token, failed_request)
}

/// Returns the id of a resource that is being created. What a failed creation left is deleted.
async fn finish_create(cx: &Cx<'_>, of_type: &Target, event: aws_sdk_cloudcontrol::types::ProgressEvent) -> Result<Created<AwsResource>> {
    let target = event.identifier.clone().map(|identifier| Target { identifier, ..of_type.clone() });
    if requests::has_failed(&event) {
        requests::remember_failure(&event);
        let error = requests::failure(&event);
        // These name the resource of another owner.
        let is_other = matches!(error.kind, ErrorKind::AlreadyExists) || error.code == "ResourceConflict";
        if let Some(target) = target.filter(|_| !is_other) {
            remove_remains(cx, &target).await.map_err(|cause| {
                let message = format!("{}; it left `{}`, which acme could not delete: {}", error.message, target.identifier, cause.message);
                Error { message, ..error.clone() }
            })?;
        }
        return Err(error);
    }
    let Some(target) = target else {
        let message = format!("the creation has no identifier after {} s", requests::FOLLOW_LIMIT.as_secs());
        return Err(Error::new(ErrorKind::Unavailable, "NoIdentifier", message));
    };
    requests::remember(cx.api, &target.id(), &event);
    Ok(Created::Id(target.id()))
}

/// Deletes what a failed creation left, if its tags say that it is this resource.
async fn remove_remains(cx: &Cx<'_>, target: &Target) -> Result<()> {
    let Some(model) = target.model(cx.api).await? else { return Ok(()) };
    let tags = model::tags_in(target.digest, &model);
    if !cx.call.tags.iter().filter(|(key, _)| key.starts_with("acme:")).all(|(key, value)| tags.get(key) == Some(value)) {
        return Ok(());
    }
    match delete(cx.api, target).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn delete(aws: &Aws, target: &Target) -> Result<()> {
    let call = aws.cloudcontrol.delete_resource().type_name(target.type_name).identifier(&target.identifier);
    let event = requests::result(requests::follow(aws, call.send().await?.progress_event).await?)?;
    requests::remember(aws, &target.id(), &event);
    Ok(())
}

async fn send_patch(aws: &Aws, target: &Target, operations: &[Value]) -> Result<()> {
    let call = aws.cloudcontrol.update_resource().type_name(target.type_name).identifier(&target.identifier);
    let reply = call.patch_document(Value::from(operations).to_string()).send().await?;
    let event = requests::result(requests::follow(aws, reply.progress_event).await?)?;
    requests::remember(aws, &target.id(), &event);
    Ok(())
}

/// Names the properties of which AWS refuses some changes.
fn explain_refusal(error: Error, target: &Target, operations: &[Value]) -> Error {
    let paths = operations.iter().filter_map(|operation| operation["path"].as_str()?.strip_prefix('/'));
    let limited = |path: &&str| target.digest.conditional.iter().any(|name| name.split('/').next() == path.split('/').next());
    let names: Vec<String> = paths.filter(limited).map(|path| format!("`{path}`")).collect();
    if error.code != "NotUpdatable" || names.is_empty() {
        return error;
    }
    let message = format!("{} (it refuses some changes of {})", error.message, names.join(", "));
    Error { message, ..error }
}

/// Changes the tags of a resource. A patch would lose values that AWS does not report, so a type with such has its tags changed by the
/// tagging API.
///
/// # Errors
/// Returns errors of Cloud Control or the tagging API.
pub(in crate::aws) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let target = Target::known(change.id)?;
    if !target.digest.write_only.is_empty() || !target.digest.secrets.is_empty() {
        return retag_by_arn(aws, change).await;
    }
    let model = target.existing_model(aws).await?;
    let mut tags = model::tags_in(target.digest, &model);
    tags.extend(change.set.clone());
    tags.retain(|key, _| !key.starts_with("aws:") && !change.remove.contains(key));
    send_patch(aws, &target, &[patch::tag_operation(target.digest, &tags)]).await
}

async fn retag_by_arn(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let mut failed = Vec::new();
    if !change.set.is_empty() {
        let tags = change.set.clone().into_iter().collect();
        let reply = aws.tagging.tag_resources().resource_arn_list(change.arn).set_tags(Some(tags)).send().await?;
        failed.extend(reply.failed_resources_map.unwrap_or_default().into_values());
    }
    if !change.remove.is_empty() {
        let call = aws.tagging.untag_resources().resource_arn_list(change.arn).set_tag_keys(Some(change.remove.clone()));
        failed.extend(call.send().await?.failed_resources_map.unwrap_or_default().into_values());
    }
    // Both calls succeed even if the service refuses.
    let failure = failed.into_iter().next();
    failure.map_or(Ok(()), |failure| {
        let code = failure.error_code.as_ref().map_or("Tags", |code| code.as_str()).to_owned();
        Err(Error::from_code(&code, failure.error_message.unwrap_or_default()))
    })
}
