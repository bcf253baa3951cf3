//! Models of resources, as the handlers of a type report them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    AwsResource, AwsResourceOutputs,
    digest::{self, TypeDigest},
    properties::Properties,
    secrets, write_only,
};
use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Observed, Phase, Result, Tags, ok_or_not_found},
};

/// Type, with its digest, and identifier of a resource.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name of the type.
    pub type_name: &'static str,
    /// Digest of the type.
    pub digest: &'static TypeDigest,
    /// Identifier in Cloud Control.
    pub identifier: String,
}

impl Target {
    /// The resource with this physical id.
    pub fn of_id(id: &str) -> Option<Target> {
        let (type_name, identifier) = id.split_once('/')?;
        Target::new(type_name, identifier)
    }
    /// The resource with this ARN.
    pub fn of_arn(arn: &str) -> Option<Target> {
        let (type_name, identifier) = digest::find_by_arn(arn)?;
        Target::new(type_name, &identifier)
    }
    /// The resource with this identifier.
    pub fn new(type_name: &str, identifier: &str) -> Option<Target> {
        let (type_name, digest) = digest::all().get_key_value(type_name)?;
        Some(Target { type_name, digest, identifier: identifier.to_owned() })
    }
    /// Same, for calls that change the resource.
    ///
    /// # Errors
    /// Fails if acme does not know the type.
    pub fn known(id: &str) -> Result<Target> {
        let message = || format!("`{id}` does not begin with a type that acme knows");
        Target::of_id(id).ok_or_else(|| Error::new(ErrorKind::Rejected, "UnknownType", message()))
    }
    /// Physical id.
    pub fn id(&self) -> String {
        format!("{}/{}", self.type_name, self.identifier)
    }
    /// Reads its model; `None` if it does not exist.
    ///
    /// # Errors
    /// Returns errors of Cloud Control.
    pub async fn model(&self, aws: &Aws) -> Result<Option<Map<String, Value>>> {
        let call = aws.cloudcontrol.get_resource().type_name(self.type_name).identifier(&self.identifier);
        let Some(reply) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        let text = reply.resource_description.and_then(|resource| resource.properties).ok_or_else(|| Error::missing_field("Properties"))?;
        Ok(Some(serde_json::from_str(&text)?))
    }
    /// Same, for a resource that is about to change.
    ///
    /// # Errors
    /// Returns errors of Cloud Control.
    pub async fn existing_model(&self, aws: &Aws) -> Result<Map<String, Value>> {
        let gone = || Error::new(ErrorKind::NotFound, "ResourceNotFoundException", format!("`{}` does not exist", self.id()));
        self.model(aws).await?.ok_or_else(gone)
    }
    /// The resource as acme sees it.
    pub fn observe(&self, mut model: Map<String, Value>, arn: String, phase: Phase) -> Observed<AwsResource> {
        let mut tags = tags_in(self.digest, &model);
        model.remove(&self.digest.tags);
        let mut attributes = BTreeMap::new();
        for name in self.digest.attributes.keys() {
            attributes.extend(model.remove(name).filter(|value| !value.is_null()).map(|value| (name.clone(), value)));
        }
        for path in &self.digest.read_only {
            remove_path(&mut model, &path.split('/').collect::<Vec<_>>());
        }
        let mut model = Value::Object(model);
        // `null` says that a property has no value: a rollback removes it again.
        self.digest.properties.fill_with_nulls(&mut model);
        secrets::hide(self.digest, &mut model);
        let mut model = if let Value::Object(model) = model { model } else { Map::new() };
        write_only::take_hash_tags(&mut tags, &mut model);
        let spec = AwsResource { r#type: self.type_name.to_owned(), properties: Properties(model) };
        let outputs = AwsResourceOutputs { arn, identifier: self.identifier.clone(), attributes };
        Observed::new(self.id(), tags, spec, outputs).phase(phase)
    }
}

/// Removes the values at a path; `*` is every item of a list or value of a map.
fn remove_path(map: &mut Map<String, Value>, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        map.remove(*first);
        return;
    }
    let Some(value) = map.get_mut(*first) else { return };
    match (value, rest) {
        (Value::Array(list), ["*", rest @ ..]) => {
            list.iter_mut().filter_map(Value::as_object_mut).for_each(|item| remove_path(item, rest));
        }
        (Value::Object(map), ["*", rest @ ..]) => {
            map.values_mut().filter_map(Value::as_object_mut).for_each(|item| remove_path(item, rest));
        }
        (Value::Object(map), rest) => remove_path(map, rest),
        _ => {}
    }
}

/// The tags in a model.
pub fn tags_in(digest: &TypeDigest, model: &Map<String, Value>) -> Tags {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match model.get(&digest.tags) {
        Some(Value::Array(list)) => {
            list.iter().filter_map(|tag| Some((text(tag.get("Key")?)?, tag.get("Value").and_then(text).unwrap_or_default()))).collect()
        }
        Some(Value::Object(map)) => map.iter().map(|(key, value)| (key.clone(), text(value).unwrap_or_default())).collect(),
        _ => Tags::new(),
    }
}

/// Tags in the shape of the type's property.
pub fn to_tag_property(digest: &TypeDigest, tags: &Tags) -> Value {
    if digest.tags_as_map {
        return json!(tags);
    }
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
