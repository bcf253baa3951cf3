//! Rules and conversions of projects.

use serde_json::{Value, json};

use super::*;
use crate::core::HIDDEN;

fn project(more: Value) -> CodebuildProject {
    let mut spec = json!({
        "name": "shop-app", "role": "arn:aws:iam::123456789012:role/build",
        "source": { "type": "GITHUB", "location": "https://github.com/example/shop.git" },
        "environment": { "image": "aws/codebuild/standard:7.0" },
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    serde_json::from_value(spec).expect("a project")
}

fn problems(more: Value) -> Vec<String> {
    project(more).check().into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn refuses_secrets_in_plain_text_without_repeating_them() {
    let environment = |variable: Value| json!({ "environment": { "image": "i", "variables": { "DB_PASSWORD": variable } } });
    let found = problems(environment(json!({ "value": "tiger" })));
    assert_eq!(found, ["/environment/variables/DB_PASSWORD/value: everybody who may read the project sees the value of `DB_PASSWORD`"]);
    assert_eq!(problems(environment(json!({ "secret": "shop/database:password" }))), [""; 0]);
    let address = problems(json!({ "source": { "type": "GITHUB", "location": "https://me:tiger@github.com/example/shop.git" } }));
    assert_eq!(address, ["/source/location: an address must not contain credentials"]);
}

/// A value set outside acme is kept, but neither shown nor recorded.
#[test]
fn hides_secrets_that_others_have_set() {
    use aws_sdk_codebuild::types::{ComputeType, EnvironmentType, EnvironmentVariable, ProjectEnvironment};
    let variable = EnvironmentVariable::builder().name("DB_PASSWORD").value("tiger").build().expect("a variable");
    let live = ProjectEnvironment::builder()
        .r#type(EnvironmentType::LinuxContainer)
        .image("i")
        .compute_type(ComputeType::BuildGeneral1Small)
        .environment_variables(variable.clone())
        .build()
        .expect("an environment");
    let read = Environment::from_sdk(live.clone());
    assert_eq!(read.variables["DB_PASSWORD"].value.as_deref(), Some(HIDDEN));
    assert_eq!(read.to_sdk(Some(&live)).expect("an environment").environment_variables(), [variable]);
    assert!(read.to_sdk(None).expect("an environment").environment_variables().is_empty());
}

#[test]
fn checks_what_belongs_together() {
    for (more, expected) in [
        (json!({ "source": { "type": "GITHUB" } }), "/source/location: a source of the type GITHUB has a location"),
        (json!({ "source": { "type": "NO_SOURCE" } }), "/source/buildspec: without a source, the build specification is a text"),
        (json!({ "source": { "type": "CODEPIPELINE" } }), "/artifacts/type: a pipeline both hands over the source and takes the artifacts"),
        (json!({ "artifacts": { "type": "S3" } }), "/artifacts/bucket: artifacts of the type S3 have a bucket"),
        (json!({ "cache": { "type": "LOCAL" } }), "/cache/modes: a cache of the type LOCAL, and no other, has modes"),
        (
            json!({ "environment": { "image": "i", "compute": "BUILD_LAMBDA_2GB" } }),
            "/environment/compute: BUILD_LAMBDA_2GB does not fit the type LINUX_CONTAINER",
        ),
        (
            json!({ "webhook": { "groups": [{ "filters": [{ "type": "HEAD_REF", "pattern": "main" }] }] } }),
            "/webhook/groups/0/filters: a group has one filter of the type EVENT",
        ),
        (json!({ "webhook": { "build_type": "BUILD_BATCH" } }), "/webhook/build_type: the project has no batch builds"),
        (
            json!({ "secondary_artifacts": { "a-b": {} } }),
            "/secondary_artifacts/a-b: `a-b` is not a valid identifier: use letters, digits and underscores",
        ),
    ] {
        assert_eq!(problems(more), [expected]);
    }
    assert_eq!(problems(json!({})), [""; 0]);
}
