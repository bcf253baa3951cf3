//! Connections, builds and pipelines: people who open connections, roles that are not visible yet, tags in updates, webhooks and whole writes.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok, ownership_tags};

const CONNECTION: &str = "arn:aws:codeconnections:us-east-1:123456789012:connection/0123";
const ROLE: &str = "arn:aws:iam::123456789012:role/shop";
const PROJECT: &str = "arn:aws:codebuild:us-east-1:123456789012:project/shop-app";
const PIPELINE: &str = "arn:aws:codepipeline:us-east-1:123456789012:shop-app";

fn merged(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

/// Tags of a resource of the stack, with the keys that CodeBuild and CodePipeline use.
fn tags(address: &str) -> Value {
    ownership_tags(address).iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn connection(status: &str) -> Answer {
    let connection =
        json!({ "ConnectionName": "shop-github", "ConnectionArn": CONNECTION, "ProviderType": "GitHub", "ConnectionStatus": status });
    ok(json!({ "Connection": connection, "Connections": [connection] }))
}

fn project(more: Value) -> Value {
    let project = json!({
        "name": "shop-app", "arn": PROJECT, "serviceRole": ROLE, "tags": tags("codebuild_project.app"),
        "source": { "type": "GITHUB", "location": "https://github.com/example/shop.git", "gitCloneDepth": 0, "insecureSsl": false },
        "artifacts": { "type": "NO_ARTIFACTS" }, "cache": { "type": "NO_CACHE" }, "badge": { "badgeEnabled": false },
        "environment": {
            "type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [], "privilegedMode": false, "imagePullCredentialsType": "CODEBUILD",
        },
        "logsConfig": { "cloudWatchLogs": { "status": "ENABLED" }, "s3Logs": { "status": "DISABLED", "encryptionDisabled": false } },
        "timeoutInMinutes": 60, "queuedTimeoutInMinutes": 480, "projectVisibility": "PRIVATE",
        "encryptionKey": "arn:aws:kms:us-east-1:123456789012:alias/aws/s3",
    });
    merged(project, more)
}

fn projects(more: Value) -> Answer {
    ok(json!({ "projects": [project(more)], "projectsNotFound": [] }))
}

fn definition(source: &str, more: &str) -> String {
    format!(
        "  codebuild_project:\n    app:\n      role: '{ROLE}'\n      source: {{ type: GITHUB, location: 'https://github.com/example/shop.git'{source} }}\n      \
         environment: {{ image: 'aws/codebuild/standard:7.0' }}\n{more}"
    )
}

fn existing(live: Value) -> Script {
    Script::new()
        .with_tagged_resources(&[(PROJECT, "codebuild_project.app")])
        .on("ListProjects", [ok(json!({ "projects": ["shop-app", "other"] }))])
        .on("BatchGetProjects", [projects(live)])
        .on("UpdateProject", [ok(json!({ "project": project(json!({})) }))])
}

/// What refers to a connection is created once a person has opened it.
#[test]
fn waits_until_a_person_opens_the_connection() {
    let used = definition(", connection: github", "");
    let with_auth = json!({ "source": {
        "type": "GITHUB", "location": "https://github.com/example/shop.git", "auth": { "type": "CODECONNECTIONS", "resource": CONNECTION },
    } });
    let script = |statuses: &[&str]| {
        Script::new()
            .on("ListConnections", [ok(json!({ "Connections": [] }))])
            .on("ListProjects", [ok(json!({ "projects": [] }))])
            .on("CreateConnection", [ok(json!({ "ConnectionArn": CONNECTION }))])
            .on("ListTagsForResource", [ok(json!({ "Tags": json_ownership_tags("code_connection.github") }))])
            .on("GetConnection", statuses.iter().map(|status| connection(status)).collect::<Vec<_>>())
            .after("CreateConnection")
            .on("CreateProject", [ok(json!({ "project": project(with_auth.clone()) }))])
            .on("ListConnections", [connection("PENDING")])
            .after("CreateProject")
            .on("ListConnections", [connection("AVAILABLE")])
            .on("ListProjects", [ok(json!({ "projects": ["shop-app"] }))])
            .on("BatchGetProjects", [projects(with_auth.clone())])
    };
    let resources = format!("  code_connection: {{ github: {{ provider: GitHub }} }}\n{used}");
    let endpoint = script(&["PENDING", "PENDING", "AVAILABLE"]).start(&resources);
    let done = endpoint.apply();
    for part in ["action needed: code_connection.github", "settings/connections?region=us-east-1", "sign in to GitHub"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert_eq!(endpoint.writes(), ["200 CreateConnection", "200 CreateProject"]);
    assert_eq!(endpoint.request_bodies("CreateProject")[0]["source"]["auth"], with_auth["source"]["auth"]);

    let impatient = resources.replace("provider: GitHub", "provider: GitHub, timeouts: { create: 1s }");
    let endpoint = script(&["PENDING"]).start(&impatient);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 4, "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 CreateConnection"]);
}

#[test]
fn finds_a_connection_on_a_later_page_and_says_that_it_is_broken() {
    let endpoint = Script::new()
        .on("ListConnections", [ok(json!({ "Connections": [], "NextToken": "2" })), connection("ERROR")])
        .on("ListTagsForResource", [ok(json!({ "Tags": json_ownership_tags("code_connection.github") }))])
        .start("  code_connection: { github: { provider: GitHub } }\n");
    let plan = endpoint.run("plan", &[]);
    assert!(plan.combined_output().contains("sign in to the provider again"), "{}", plan.combined_output());
    assert_eq!(endpoint.request_bodies("ListConnections")[1]["NextToken"], "2");
}

/// A new role is not visible everywhere at once, and the create call takes no webhook.
#[test]
fn creates_a_project_then_its_webhook() {
    let webhook = json!({ "filterGroups": [[{ "type": "EVENT", "pattern": "PUSH" }]], "buildType": "BUILD" });
    let unknown = "CodeBuild is not authorized to perform: sts:AssumeRole on service role";
    let endpoint = Script::new()
        .on("ListProjects", [ok(json!({ "projects": [] }))])
        .on("CreateProject", [json_error(400, "InvalidInputException", unknown), ok(json!({ "project": project(json!({})) }))])
        .on("BatchGetProjects", [projects(json!({}))])
        .on("CreateWebhook", [ok(json!({ "webhook": merged(webhook.clone(), json!({ "secret": "tiger" })) }))])
        .after("CreateProject")
        .on("ListProjects", [ok(json!({ "projects": ["shop-app"] }))])
        .after("CreateWebhook")
        .on("BatchGetProjects", [projects(json!({ "webhook": webhook }))])
        .start(&definition("", "      webhook: { groups: [{ filters: [{ type: EVENT, pattern: PUSH }] }] }\n"));
    let done = endpoint.apply();
    assert!(!done.combined_output().contains("tiger"));
    assert_eq!(endpoint.writes(), ["400 CreateProject", "200 CreateProject", "200 CreateWebhook"]);
    assert_eq!(endpoint.request_bodies("CreateWebhook")[0]["filterGroups"], webhook["filterGroups"]);
}

/// An update without tags would remove them, and settings that acme does not know stay.
#[test]
fn updates_repeat_tags_and_unknown_settings() {
    let live = json!({ "environment": {
        "type": "LINUX_CONTAINER", "image": "old", "computeType": "BUILD_GENERAL1_SMALL", "imagePullCredentialsType": "CODEBUILD",
        "environmentVariables": [{ "name": "STAGE", "value": "test" }], "privilegedMode": false,
        "dockerServer": { "computeType": "BUILD_GENERAL1_SMALL" },
    } });
    let endpoint = existing(live).after("UpdateProject").on("BatchGetProjects", [projects(json!({}))]).start(&definition("", ""));
    endpoint.apply();
    let sent = &endpoint.request_bodies("UpdateProject")[0];
    assert_eq!(sent["tags"], tags("codebuild_project.app"));
    assert_eq!(sent["environment"]["dockerServer"], json!({ "computeType": "BUILD_GENERAL1_SMALL" }));
    assert_eq!(sent["environment"]["environmentVariables"], json!([]));
    assert_eq!((sent.get("source"), sent.get("timeoutInMinutes")), (None, None));
}

#[test]
fn removes_settings_with_empty_values() {
    let live = json!({
        "vpcConfig": { "vpcId": "vpc-1", "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"] }, "concurrentBuildLimit": 3,
        "encryptionKey": "arn:aws:kms:us-east-1:123456789012:key/0123", "description": "Old", "sourceVersion": "main",
        "buildBatchConfig": { "serviceRole": ROLE, "restrictions": { "maximumBuildsAllowed": 5 } },
        "webhook": { "filterGroups": [], "buildType": "BUILD" },
    });
    let set = "      vpc: { vpc: { id: vpc-1 }, subnets: [{ id: subnet-1 }], security_groups: [{ id: sg-1 }] }\n      concurrent_builds: 3\n      \
               kms_key: 'arn:aws:kms:us-east-1:123456789012:key/0123'\n      description: Old\n      webhook: {}\n";
    let batch = format!("      batch: {{ role: '{ROLE}', max_builds: 5 }}\n");
    let endpoint = existing(live.clone())
        .on("ListProjects", [ok(json!({ "projects": [] }))])
        .on("CreateProject", [ok(json!({ "project": project(merged(live, json!({ "webhook": null }))) }))])
        .on("CreateWebhook", [ok(json!({ "webhook": {} }))])
        .on("DeleteWebhook", [ok(json!({}))])
        .after("CreateProject")
        .on("ListProjects", [ok(json!({ "projects": ["shop-app"] }))])
        .after("DeleteWebhook")
        .on("BatchGetProjects", [projects(json!({}))])
        .start(&definition(", version: main", &format!("{set}{batch}")));
    endpoint.apply();
    endpoint.redefine(&definition("", ""));
    endpoint.apply();
    let sent = &endpoint.request_bodies("UpdateProject")[0];
    assert_eq!((&sent["vpcConfig"], &sent["buildBatchConfig"]), (&json!({}), &json!({})));
    assert_eq!((&sent["concurrentBuildLimit"], &sent["encryptionKey"]), (&json!(-1), &json!("alias/aws/s3")));
    assert_eq!((&sent["description"], &sent["sourceVersion"]), (&json!(""), &json!("")));
    assert_eq!(endpoint.writes(), ["200 CreateProject", "200 CreateWebhook", "200 UpdateProject", "200 DeleteWebhook"]);
}

/// A change of the scope registers the webhook again; another one changes it.
#[test]
fn changes_webhooks_and_visibility() {
    let webhook = |more: Value| json!({ "webhook": merged(json!({ "filterGroups": [], "buildType": "BUILD" }), more) });
    let scope = || json!({ "scopeConfiguration": { "scope": "GITHUB_ORGANIZATION", "name": "example" } });
    let public = json!({ "projectVisibility": "PUBLIC_READ", "resourceAccessRole": ROLE });
    let filters = json!([[{ "type": "EVENT", "pattern": "PUSH", "excludeMatchedPattern": false }]]);
    let endpoint = existing(webhook(json!({})))
        .on("CreateWebhook", [ok(json!({ "webhook": {} }))])
        .on("DeleteWebhook", [ok(json!({}))])
        .on("UpdateWebhook", [ok(json!({ "webhook": {} }))])
        .on("UpdateProjectVisibility", [ok(json!({ "projectArn": PROJECT }))])
        .after("UpdateWebhook")
        .on("BatchGetProjects", [projects(merged(webhook(json!({ "filterGroups": filters })), public.clone()))])
        .after("CreateWebhook")
        .on("BatchGetProjects", [projects(merged(webhook(merged(scope(), json!({ "filterGroups": filters }))), public))])
        .start(&definition("", ""));
    let open = format!("      visibility: PUBLIC_READ\n      public_role: '{ROLE}'\n");
    let groups = "groups: [{ filters: [{ type: EVENT, pattern: PUSH }] }]";
    endpoint.redefine(&definition("", &format!("{open}      webhook: {{ {groups} }}\n")));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("UpdateProjectVisibility")[0]["projectArn"], PROJECT);
    endpoint.redefine(&definition(
        "",
        &format!("{open}      webhook: {{ {groups}, scope: {{ type: GITHUB_ORGANIZATION, name: example }} }}\n"),
    ));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 UpdateProjectVisibility", "200 UpdateWebhook", "200 DeleteWebhook", "200 CreateWebhook"]);
    assert_eq!(endpoint.request_bodies("CreateWebhook")[0]["scopeConfiguration"], scope()["scopeConfiguration"]);
}

/// CodeBuild has no calls for tags.
#[test]
fn an_update_sets_tags() {
    let live = json!({ "tags": merged_tags(json!([{ "key": "aws:cloudformation:stack-name", "value": "x" }, { "key": "team", "value": "old" }])) });
    let endpoint = existing(live)
        .after("UpdateProject")
        .on("BatchGetProjects", [projects(json!({ "tags": merged_tags(json!([{ "key": "team", "value": "shop" }])) }))])
        .start(&definition("", "      tags: { team: shop }\n"));
    endpoint.run("apply", &["--yes"]).assert_success();
    let sent = &endpoint.request_bodies("UpdateProject")[0];
    assert_eq!(sent.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()), Some(vec!["name".to_owned(), "tags".to_owned()]));
    assert!(sent["tags"].to_string().contains("acme:address") && sent["tags"].to_string().contains("\"shop\""), "{sent}");
}

fn merged_tags(more: Value) -> Value {
    tags("codebuild_project.app").as_array().into_iter().flatten().chain(more.as_array().into_iter().flatten()).cloned().collect()
}

#[test]
fn a_secret_in_plain_text_reaches_neither_plan_nor_calls() {
    let secret = json!([{ "name": "DB_PASSWORD", "value": "tiger", "type": "PLAINTEXT" }]);
    let mut live = project(json!({}));
    live["environment"]["environmentVariables"] = secret;
    let endpoint = existing(json!({ "environment": live["environment"] })).start(&definition("", ""));
    let plan = endpoint.run("plan", &["-o", "json"]);
    assert!(plan.stdout.contains("DB_PASSWORD") && !plan.combined_output().contains("tiger"), "{}", plan.combined_output());
    let plain = definition("", "").replace("standard:7.0' }", "standard:7.0', variables: { DB_PASSWORD: { value: tiger } } }");
    let done = Script::new().start(&plain).run("plan", &[]);
    assert!(done.stderr.contains("everybody who may read the project sees the value of `DB_PASSWORD`"), "{}", done.combined_output());
}

fn pipeline(stage: &str, more: Value) -> Answer {
    let action = |name: &str, category: &str, provider: &str, more: Value| {
        let action = json!({
            "name": name, "runOrder": 1, "region": "us-east-1", "configuration": {}, "outputArtifacts": [], "inputArtifacts": [],
            "actionTypeId": { "category": category, "owner": "AWS", "provider": provider, "version": "1" },
        });
        merged(action, more)
    };
    let configuration = json!({ "ConnectionArn": CONNECTION, "FullRepositoryId": "example/shop", "BranchName": "main", "OutputArtifactFormat": "CODE_ZIP" });
    let source = json!({ "outputArtifacts": [{ "name": "Code" }], "configuration": configuration });
    let source = action("Code", "Source", "CodeStarSourceConnection", source);
    let approval = action("Approve", "Approval", "Manual", json!({}));
    let branches = json!([{ "branches": { "includes": ["main"] } }]);
    let pipeline = json!({
        "name": "shop-app", "roleArn": ROLE, "version": 3, "pipelineType": "V2", "executionMode": "SUPERSEDED",
        "artifactStore": { "type": "S3", "location": "artifacts" },
        "stages": [
            { "name": "Source", "actions": [source] },
            { "name": stage, "actions": [approval], "blockers": [{ "name": "Freeze", "type": "Schedule" }] },
        ],
        // AWS adds it for a source action without a trigger.
        "triggers": [{ "providerType": "CodeStarSourceConnection", "gitConfiguration": { "sourceActionName": "Code", "push": branches } }],
    });
    ok(json!({ "pipeline": merged(pipeline, more), "metadata": { "pipelineArn": PIPELINE } }))
}

fn pipeline_definition(approve: &str) -> String {
    format!(
        "  code_pipeline:
    app:
      role: '{ROLE}'
      artifact_store: {{ bucket: {{ id: artifacts }} }}
      stages:
        - name: Source
          actions:
            - name: Code
              category: Source
              provider: CodeStarSourceConnection
              connection: '{CONNECTION}'
              configuration: {{ FullRepositoryId: example/shop, BranchName: main }}
              outputs: [Code]
        - name: Approve
          actions: [{{ name: Approve, category: Approval, provider: Manual{approve} }}]
"
    )
}

fn pipeline_script() -> Script {
    Script::new()
        .on("ListPipelines", [ok(json!({ "pipelines": [] }))])
        .on("ListTagsForResource", [ok(json!({ "tags": tags("code_pipeline.app") }))])
}

#[test]
fn creates_a_pipeline_once_its_role_is_visible() {
    let unknown = "CodePipeline is not authorized to perform AssumeRole on role arn:aws:iam::123456789012:role/shop";
    let endpoint = pipeline_script()
        .on("CreatePipeline", [json_error(400, "InvalidStructureException", unknown), pipeline("Approve", json!({}))])
        .after("CreatePipeline")
        .on("GetPipeline", [pipeline("Approve", json!({}))])
        .on(
            "ListPipelines",
            [ok(json!({ "pipelines": [{ "name": "other" }], "nextToken": "2" })), ok(json!({ "pipelines": [{ "name": "shop-app" }] }))],
        )
        .start(&pipeline_definition(""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 CreatePipeline", "200 CreatePipeline"]);
    let sent = &endpoint.request_bodies("CreatePipeline")[0];
    assert_eq!((&sent["pipeline"]["pipelineType"], sent["pipeline"].get("triggers")), (&json!("V2"), None));
    assert_eq!(sent["tags"].as_array().map(Vec::len), Some(3));
    // What AWS adds is no change.
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

#[test]
fn names_the_owner_of_a_pipeline_that_exists() {
    let taken =
        json_error(400, "PipelineNameInUseException", "A pipeline with the name 'shop-app' already exists in account '123456789012'");
    let endpoint = pipeline_script().on("CreatePipeline", [taken]).start(&pipeline_definition(""));
    let done = endpoint.run("apply", &["--yes"]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("PipelineNameInUseException"), "{}", done.combined_output());
}

/// An update replaces the whole pipeline.
#[test]
fn an_update_repeats_unknown_settings() {
    let wanted = json!({ "name": "Approve", "runOrder": 1 });
    let endpoint = pipeline_script()
        .with_tagged_resources(&[(PIPELINE, "code_pipeline.app")])
        .on("ListPipelines", [ok(json!({ "pipelines": [{ "name": "shop-app" }] }))])
        .on("GetPipeline", [pipeline("Approve", json!({}))])
        .on("UpdatePipeline", [pipeline("Approve", json!({}))])
        .start(&pipeline_definition(", run_order: 2"));
    endpoint.run("apply", &["--yes"]);
    let sent = &endpoint.request_bodies("UpdatePipeline")[0]["pipeline"];
    assert_eq!(sent["stages"][1]["blockers"], json!([{ "name": "Freeze", "type": "Schedule" }]));
    assert_eq!((&sent["stages"][1]["actions"][0]["name"], &sent["stages"][1]["actions"][0]["runOrder"]), (&wanted["name"], &json!(2)));
}

/// AWS takes one store, or a store for each region.
#[test]
fn sends_a_store_for_each_region() {
    let stores = json!({ "us-east-1": { "type": "S3", "location": "artifacts" }, "eu-west-1": { "type": "S3", "location": "west" } });
    let endpoint = pipeline_script()
        .on("CreatePipeline", [pipeline("Approve", json!({}))])
        .after("CreatePipeline")
        .on("GetPipeline", [pipeline("Approve", json!({ "artifactStore": null, "artifactStores": stores }))])
        .on("ListPipelines", [ok(json!({ "pipelines": [{ "name": "shop-app" }] }))])
        .start(&format!("{}      regional_stores: {{ eu-west-1: {{ bucket: {{ id: west }} }} }}\n", pipeline_definition("")));
    endpoint.apply();
    let sent = &endpoint.request_bodies("CreatePipeline")[0]["pipeline"];
    assert_eq!((sent.get("artifactStore"), &sent["artifactStores"]), (None, &stores));
    let missing = pipeline_definition(", region: eu-central-1");
    let done = Script::new().start(&missing).run("plan", &[]);
    assert!(done.stderr.contains("the pipeline has no store for artifacts in eu-central-1"), "{}", done.combined_output());
}

#[test]
fn roles_must_trust_the_service_that_assumes_them() {
    let roles = "  iam_role: { nodes: { trust: { services: [ec2.amazonaws.com] } } }\n";
    for (definition, service) in [(definition("", ""), "codebuild.amazonaws.com"), (pipeline_definition(""), "codepipeline.amazonaws.com")]
    {
        let definition = format!("{roles}{}", definition.replace(&format!("role: '{ROLE}'"), "role: nodes"));
        let done = Script::new().start(&definition).run("plan", &[]);
        assert!(done.stderr.contains(&format!("does not trust `{service}`")), "{}", done.combined_output());
    }
}
