//! Sections for files, instances, delivery and the edge.

use serde_json::json;

use super::*;

const NETWORK: &str = "stack: shop\nregion: eu-west-1\nnetwork: { cidr: 10.0.0.0/16, zones: [a, b], nat: none }\n";

#[test]
fn a_file_system_has_a_mount_target_in_every_zone() {
    let text = format!(
        "{NETWORK}file_systems:\n  media: {{ access_points: {{ app: {{ posix_user: {{ uid: 1000, gid: 1000 }} }} }} }}\n  \
         single: {{ availability_zone: eu-west-1b }}\n"
    );
    let stack = compile(&text, &located());
    let target = |subnet: &str, group: &str| json!({ "subnet": format!("${{subnet.{subnet}.id}}"), "group": format!("${{security_group.{group}.id}}") });
    let targets = |name: &str| -> Vec<serde_json::Value> {
        let targets = spec(&stack, name)["mount_targets"].as_array().cloned().unwrap_or_default();
        targets.iter().map(|one| json!({ "subnet": one["subnet"]["id"], "group": one["security_groups"][0]["id"] })).collect()
    };
    assert_eq!(targets("file_system.media"), [target("private-a", "files-media"), target("private-b", "files-media")]);
    assert_eq!(targets("file_system.single"), [target("private-b", "files-single")]);
    assert_eq!(spec(&stack, "file_system_access_point.media-app")["file_system"]["id"], "${file_system.media.id}");
    assert_eq!(spec(&stack, "security_group.files-media")["ingress"][0]["from_port"], 2049);
    let said = compile_problems("stack: shop\nregion: eu-west-1\nfile_systems: [media]\n", &located());
    assert!(said.contains("a file system needs subnets, but the definition has no network"), "{said}");
}

#[test]
fn an_auto_scaling_group_gets_a_template_a_role_and_a_security_group() {
    let group = "autoscaling:\n  web:\n    min: 1\n    max: 3\n    port: 8080\n    template: { image: ami-0123456789abcdef0, instance_type: t3.micro }\n";
    let stack = compile(&format!("{NETWORK}{group}"), &located());
    let own: Vec<String> = addresses(&stack).into_iter().filter(|address| address.contains("web")).collect();
    let expected = [
        "autoscaling_group.web",
        "iam_role.instances-web",
        "instance_profile.instances-web",
        "launch_template.web",
        "security_group.instances-web",
    ];
    assert_eq!(own, expected);
    let template = spec(&stack, "launch_template.web");
    assert_eq!(template["metadata"]["http_tokens"], "required");
    assert_eq!(template["security_groups"], json!([{ "id": "${security_group.instances-web.id}" }]));
    assert_eq!(spec(&stack, "autoscaling_group.web")["launch_template_version"], "${launch_template.web.version}");
    assert_eq!(spec(&stack, "security_group.instances-web")["ingress"][0]["from_port"], 8080);
    let said = compile_problems(&format!("{NETWORK}{group}    launch_template: {{ id: lt-0123456789abcdef0 }}\n"), &located());
    assert!(said.contains("`template` describes a dedicated launch template, but this group has another one"), "{said}");
}

#[test]
fn a_distribution_delivers_a_bucket_of_its_own_or_a_server() {
    let zone = "stack: shop\nregion: eu-west-1\ndns: { zone: example.com }\n";
    let stack = compile(&format!("{zone}cdn:\n  site: {{ aliases: [www.example.com], zone: main }}\n"), &located());
    let expected = [
        "certificate.cdn-site",
        "cloudfront_access_control.cdn-site",
        "cloudfront_distribution.site",
        "dns_record.cdn-www.example.com",
        "dns_record.cdn-www.example.com-ipv6",
        "dns_zone.main",
        "s3_bucket.cdn-site",
    ];
    assert_eq!(addresses(&stack), expected);
    let admits = &spec(&stack, "s3_bucket.cdn-site")["policy"]["Statement"][0]["Condition"]["StringEquals"]["AWS:SourceArn"];
    assert_eq!(admits, &json!(["${cloudfront_distribution.site.arn}"]));
    let certificate = stack.resources.iter().find(|(address, _)| address.type_name == "certificate").expect("a certificate").1;
    assert_eq!(certificate.region.as_deref(), Some("us-east-1"));

    let stack = compile(&format!("{zone}cdn:\n  api: {{ server: api.example.com }}\n"), &located());
    assert_eq!(addresses(&stack), ["cloudfront_distribution.api", "dns_zone.main"]);
    let behavior = &spec(&stack, "cloudfront_distribution.api")["default_behavior"];
    assert_eq!((&behavior["origin"], &behavior["cache_policy"]["managed"]), (&json!("server"), &json!("CachingDisabled")));
    for (fields, message) in [
        ("zone: main", "`zone` is for the records of `aliases`, but there are none"),
        (
            "server: a.example.com, origins: { a: { domain: b.example.com } }, default_behavior: { origin: a }",
            "but this distribution has `origins`",
        ),
    ] {
        let said = compile_problems(&format!("{zone}cdn:\n  site: {{ {fields} }}\n"), &located());
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn a_pipeline_builds_a_repository() {
    let text = "stack: shop\nregion: eu-west-1\nregistries: [app]\npipelines:\n  app:\n    repository: example/app\n    registries: [app]\n    \
                approval: true\n    stages: [{ name: Deploy, actions: [{ name: Site, category: Deploy, provider: S3, inputs: [build] }] }]\n";
    let stack = compile(text, &located());
    let expected = [
        "code_connection.app",
        "code_pipeline.app",
        "codebuild_project.app",
        "ecr_repository.app",
        "iam_role.build-app",
        "iam_role.pipeline-app",
        "log_group.builds-app",
        "s3_bucket.pipeline-app",
    ];
    assert_eq!(addresses(&stack), expected);
    let stages = spec(&stack, "code_pipeline.app")["stages"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = stages.iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert_eq!(names, ["Source", "Build", "Approval", "Deploy"]);
    assert_eq!(spec(&stack, "codebuild_project.app")["environment"]["privileged"], true);
    // A problem of a stage is shown at its own line.
    let said = compile_problems(&text.replace("name: Deploy, ", "name: 'No spaces', "), &located());
    assert!(said.contains("stages: [{ name: 'No spaces'"), "{said}");
    let said = compile_problems("stack: shop\nregion: eu-west-1\npipelines: { app: {} }\n", &located());
    assert!(said.contains("`app` has no `repository`"), "{said}");
}

#[test]
fn a_pipeline_releases_tags_with_the_stages_of_the_other_pipelines() {
    let text = |stage: &str| {
        format!(
            "stack: shop\nregion: eu-west-1\nregistries: [app]\npipelines:\n  app:\n    repository: example/app\n    registries: [app]\n    \
             releases: {{ sonar_url: 'https://sonar.example.com', site_url: 'https://shop.example.com'{stage} }}\n"
        )
    };
    let stack = compile(&text(""), &located());
    let expected = [
        "code_connection.app",
        "code_pipeline.app",
        "codebuild_project.app",
        "codebuild_project.check-app",
        "codebuild_project.sast-app",
        "ecr_repository.app",
        "iam_role.build-app",
        "iam_role.build-check-app",
        "iam_role.build-sast-app",
        "iam_role.pipeline-app",
        "log_group.builds-app",
        "s3_bucket.pipeline-app",
    ];
    assert_eq!(addresses(&stack), expected);
    let pipeline = spec(&stack, "code_pipeline.app");
    assert_eq!(pipeline["triggers"]["Source"]["push"][0]["tags"]["includes"], json!(["v*.*.*.prod"]));
    let stages = |pipeline: &Value| -> Vec<String> {
        let stages = pipeline["stages"].as_array().into_iter().flatten();
        stages.map(|stage| stage["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(stages(pipeline), ["Source", "Check", "Approval", "Publish", "Deploy", "Verify"]);
    let checks: Vec<&Value> = pipeline["stages"][1]["actions"].as_array().into_iter().flatten().map(|action| &action["name"]).collect();
    assert_eq!(checks, ["Test", "SAST", "Scan"]);
    assert_eq!(pipeline["stages"][0]["actions"][0]["configuration"]["OutputArtifactFormat"], "CODEBUILD_CLONE_REF");
    // The checks can't push images, and only one of them has the token.
    let may = |role: &str| spec(&stack, role)["inline_policies"].to_string();
    assert!(may("iam_role.build-app").contains("ecr:PutImage") && !may("iam_role.build-check-app").contains("ecr:"));
    assert!(may("iam_role.build-sast-app").contains("ssm:GetParameters") && !may("iam_role.build-check-app").contains("ssm:"));
    let staging = compile(&text(", stage: staging"), &located());
    let names = stages(spec(&staging, "code_pipeline.app"));
    assert_eq!(names, ["Source", "Check", "Publish", "Deploy", "Verify", "DAST"]);
    let said = compile_problems(&text(", stage: staging").replace(", site_url: 'https://shop.example.com'", ""), &located());
    assert!(said.contains("add `site_url: https://…`"), "{said}");
}

#[test]
fn a_transit_gateway_is_attached_to_the_network() {
    let text = format!(
        "{NETWORK}transit: {{ destinations: [10.1.0.0/16], route_tables: {{ shared: {{ associations: [network] }} }} }}\n\
         outputs: {{ gateway: '{{{{ transit.id }}}}' }}\n"
    );
    let stack = compile(&text, &located());
    assert_eq!(stack.outputs["gateway"], "${transit_gateway.main.id}");
    assert_eq!(spec(&stack, "transit_gateway_attachment.network")["subnets"].as_array().map(Vec::len), Some(2));
    let routes = &spec(&stack, "route_table.private-a")["routes"];
    assert_eq!(routes[0]["destination"], "10.1.0.0/16");
    assert_eq!(spec(&stack, "route_table.public")["routes"].as_array().map(Vec::len), Some(1));
    assert_eq!(spec(&stack, "transit_gateway_route_table.shared")["transit_gateway"]["id"], "${transit_gateway.main.id}");
    let said = compile_problems(&text.replace("transit: {", "transit: { attach: false,"), &located());
    assert!(said.contains("the network is not attached"), "{said}");
}
