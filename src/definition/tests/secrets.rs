//! Secrets in plain text: refused, and not repeated.

use super::*;

/// Problems of these resources; none of them, and no other text about them, repeats the secret.
#[track_caller]
fn problems(resources: &str) -> String {
    let text = format!("stack: shop\nregion: eu-west-1\nresources:\n{resources}");
    let told = compile_problems(&text, &located());
    assert!(!told.contains("tiger"), "{told}");
    let source = Source::new("stack.yaml", text.as_str());
    let found = load(&source, &located()).err().expect("the definition has a mistake");
    assert!(!format!("{:?}", found.iter().map(|one| (&one.message, &one.help, &one.label)).collect::<Vec<_>>()).contains("tiger"));
    told
}

fn project(variables: &str) -> String {
    format!(
        "  codebuild_project:
    app:
      role: arn:aws:iam::123456789012:role/build
      source: {{ type: GITHUB, location: https://github.com/example/shop.git }}
      environment:
        image: example/builder:1
        variables:
{variables}"
    )
}

fn function(environment: &str) -> String {
    format!(
        "  aws_resource:
    resize:
      type: AWS::Lambda::Function
      properties:
        Role: arn:aws:iam::123456789012:role/resize
        Code: {{ S3Bucket: shop-code, S3Key: v1.zip }}
        Environment: {environment}
"
    )
}

#[test]
fn hides_a_refused_secret_in_the_excerpt() {
    let told = problems(&project("          DB_PASSWORD: { value: tiger }\n"));
    assert!(told.contains("DB_PASSWORD: { value: **** }"), "{told}");
    // Quotes, other texts of the same length, a block, and a second problem in the same line.
    for variables in [
        "          DB_PASSWORD: { value: \"tiger tiger\" }\n",
        "          DB_PASSWORD: { value: 'tiger\u{e9}' }\n",
        "          DB_PASSWORD:\n            value: |\n              tiger\n",
        "          DB_PASSWORD: { value: tiger, parametre: a }\n",
        "          DB_PASSWORD: tiger\n",
        "          DB_PASSWORD: { value: { password: tiger } }\n",
        "          DATABASE_URL: { value: 'postgres://shop:tiger@db.example.com/shop' }\n",
    ] {
        problems(&project(variables));
    }
}

#[test]
fn marks_the_right_place_behind_a_hidden_secret() {
    let told = problems(&project("          DB_PASSWORD: { value: tiger, parametre: a }\n"));
    let lines: Vec<&str> = told.lines().collect();
    let line = lines.iter().position(|line| line.ends_with("unknown field")).unwrap_or_else(|| panic!("{told}"));
    let (text, marks) = (lines[line - 1], lines[line]);
    assert!(text.contains("value: ****, parametre: ****"), "{told}");
    let place = text.find("parametre").expect("the field");
    assert_eq!(marks.find('^'), Some(place), "{told}");
}

#[test]
fn hides_unknown_fields_with_the_name_of_a_secret() {
    let told = problems("  secret:\n    api: { secret_token: tiger }\n");
    assert!(told.contains("secret_token: ****"), "{told}");
}

#[test]
fn refuses_secrets_in_properties_of_other_types() {
    for environment in [
        "{ Variables: { DB_PASSWORD: tiger } }",
        "{ Variables: { STAGE: test, DATABASE_URL: 'postgres://shop:tiger@db.example.com/shop' } }",
        "\n          Variables:\n            KEY: |\n              -----BEGIN PRIVATE KEY-----\n              tiger\n",
    ] {
        let told = problems(&function(environment));
        assert!(told.contains("put it into a secret, set its ARN, and read the secret in the code"), "{told}");
    }
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf";
    let text = format!("stack: shop\nregion: eu-west-1\nresources:\n{}", function(&format!("{{ Variables: {{ DB_SECRET: '{arn}' }} }}")));
    compile(&text, &located());
    let referring = function("{ Variables: { DB_SECRET: '{{ secret.db.arn }}' } }");
    compile(
        &format!("stack: shop\nregion: eu-west-1\nresources:\n  secret:\n    db: {{ description: Database }}\n{referring}"),
        &located(),
    );
}

#[test]
fn refuses_credentials_in_headers_and_overrides_of_a_pipe() {
    let pipe = |parameters: &str| {
        format!(
            "  aws_resource:
    orders:
      type: AWS::Pipes::Pipe
      properties:
        RoleArn: arn:aws:iam::123456789012:role/pipe
        Source: arn:aws:sqs:eu-west-1:123456789012:orders
        Target: arn:aws:events:eu-west-1:123456789012:api-destination/shop/1
        TargetParameters: {parameters}
"
        )
    };
    for parameters in [
        "{ HttpParameters: { HeaderParameters: { Authorization: Bearer tiger } } }",
        "{ EcsTaskParameters: { TaskDefinitionArn: 'arn:aws:ecs:eu-west-1:123456789012:task-definition/a', Overrides: \
         { ContainerOverrides: [{ Environment: [{ Name: STAGE, Value: test }, { Name: API_KEY, Value: tiger }] }] } } }",
    ] {
        let told = problems(&pipe(parameters));
        assert!(told.contains("sees the value of"), "{told}");
    }
    let text = format!(
        "stack: shop\nregion: eu-west-1\nresources:\n{}",
        pipe("{ HttpParameters: { HeaderParameters: { X-Api-Key: $.body.key, Accept: text/plain } } }")
    );
    compile(&text, &located());
}
