//! Launch templates: a change is a new version, which becomes the default in a second call.

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

const TEMPLATES: &str = "DescribeLaunchTemplates";
const VERSIONS: &str = "DescribeLaunchTemplateVersions";
const CREATE: &str = "CreateLaunchTemplateVersion";
const MODIFY: &str = "ModifyLaunchTemplate";

fn template(default: u32) -> Answer {
    let tags = xml_ownership_tags("launch_template.web", "item", "key", "value") + "<item><key>Name</key><value>shop-web</value></item>";
    xml(format!(
        "<{TEMPLATES}Response><launchTemplates><item><launchTemplateId>lt-1</launchTemplateId><launchTemplateName>shop-web</launchTemplateName>\
         <defaultVersionNumber>{default}</defaultVersionNumber><latestVersionNumber>{default}</latestVersionNumber><tagSet>{tags}</tagSet>\
         </item></launchTemplates></{TEMPLATES}Response>"
    ))
}

/// Versions: number, whether it is the default, and data.
fn versions(all: &[(u32, bool, &str)]) -> Answer {
    let item = |(number, default, data): &(u32, bool, &str)| {
        format!(
            "<item><launchTemplateId>lt-1</launchTemplateId><versionNumber>{number}</versionNumber><defaultVersion>{default}</defaultVersion>\
             <launchTemplateData>{data}</launchTemplateData></item>"
        )
    };
    let items: String = all.iter().map(item).collect();
    xml(format!("<{VERSIONS}Response><launchTemplateVersionSet>{items}</launchTemplateVersionSet></{VERSIONS}Response>"))
}

fn created(number: u32) -> Answer {
    xml(format!(
        "<{CREATE}Response><launchTemplateVersion><versionNumber>{number}</versionNumber></launchTemplateVersion></{CREATE}Response>"
    ))
}

fn modified() -> Answer {
    xml(format!("<{MODIFY}Response/>"))
}

const SMALL: &str = "<instanceType>t4g.small</instanceType><keyName>ops</keyName>";
const LARGE: &str = "<instanceType>t4g.large</instanceType><keyName>ops</keyName>";

fn definition(instance_type: &str) -> String {
    format!("  launch_template: {{ web: {{ instance_type: {instance_type} }} }}\n")
}

/// The key pair, which the definition does not mention, stays as it is.
#[test]
fn a_version_keeps_unmanaged_settings() {
    let endpoint = Script::new()
        .on(TEMPLATES, [template(1)])
        .on(VERSIONS, [versions(&[(1, true, SMALL)])])
        .on(CREATE, [created(2)])
        .on(MODIFY, [modified()])
        .after(MODIFY)
        .on(TEMPLATES, [template(2)])
        .on(VERSIONS, [versions(&[(2, true, LARGE)])])
        .start(&definition("t4g.large"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {CREATE}"), format!("200 {MODIFY}")]);
    let body = &endpoint.request_bodies(CREATE)[0];
    assert_eq!((&body["LaunchTemplateData.InstanceType"], &body["LaunchTemplateData.KeyName"]), (&"t4g.large".into(), &"ops".into()));
    assert_eq!(endpoint.request_bodies(MODIFY)[0]["SetDefaultVersion"], "2");
}

/// The first attempt created the version; the call that makes it the default failed.
#[test]
fn makes_the_version_of_an_earlier_attempt_the_default() {
    let endpoint = Script::new()
        .on(TEMPLATES, [template(1)])
        .on(VERSIONS, [versions(&[(1, true, SMALL)])])
        .on(CREATE, [created(2)])
        .after(CREATE)
        .on_containing(VERSIONS, "Latest", [versions(&[(1, true, SMALL), (2, false, LARGE)])])
        .on(MODIFY, [ec2_error(503, "Unavailable", "Try again."), ec2_error(400, "IncorrectState", "busy"), modified()])
        .after(MODIFY)
        .on(TEMPLATES, [template(2)])
        .on(VERSIONS, [versions(&[(2, true, LARGE)])])
        .start(&definition("t4g.large"));
    endpoint.apply();
    assert_eq!(endpoint.call_count(CREATE), 1);
    assert_eq!(endpoint.request_bodies(MODIFY).last().map(|body| &body["SetDefaultVersion"]), Some(&"2".into()));
}

#[test]
fn refuses_to_lose_settings_that_it_does_not_know() {
    let other = format!("{SMALL}<kernelId>aki-1</kernelId>");
    let endpoint =
        Script::new().on(TEMPLATES, [template(1)]).on(VERSIONS, [versions(&[(1, true, &other)])]).start(&definition("t4g.large"));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("settings that acme does not manage: KernelId"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

#[test]
fn shows_user_data_as_text() {
    let data = "<userData>IyEvYmluL3NoCg==</userData>";
    let wanted = "  launch_template: { web: { user_data: \"#!/bin/sh\\n\" } }\n";
    let endpoint = Script::new().on(TEMPLATES, [template(1)]).on(VERSIONS, [versions(&[(1, true, data)])]).start(wanted);
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine(&wanted.replace("bin/sh", "bin/bash"));
    let done = endpoint.run("plan", &[]);
    assert!(done.combined_output().contains("#!/bin/bash"), "{}", done.combined_output());
}

/// Another template has the name.
#[test]
fn does_not_take_over_a_template() {
    let create = "CreateLaunchTemplate";
    let exists = ec2_error(400, "InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.");
    let endpoint = Script::new().on(create, [exists]).start(&definition("t4g.small"));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("AlreadyExistsException"), "{}", done.combined_output());
}

#[test]
fn reports_settings_that_aws_accepts_and_cannot_launch() {
    let types = "DescribeInstanceTypeOfferings";
    let offered = xml(format!(
        "<{types}Response><instanceTypeOfferingSet><item><instanceType>t4g.small</instanceType><locationType>region</locationType>\
         <location>us-east-1</location></item></instanceTypeOfferingSet></{types}Response>"
    ));
    let images = "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>";
    let keys = "<DescribeKeyPairsResponse><keySet><item><keyName>ops</keyName></item></keySet></DescribeKeyPairsResponse>";
    let endpoint = Script::new()
        .on(types, [offered])
        .on("DescribeImages", [xml(images)])
        .on("DescribeKeyPairs", [xml(keys)])
        .start("  launch_template: { web: { image: ami-0123, instance_type: t4g.smal, key_name: opsy } }\n");
    let done = endpoint.run("plan", &[]);
    for message in
        ["the account has no access to an image `ami-0123`", "AWS does not offer `t4g.smal`", "the account has no key pair `opsy`"]
    {
        assert!(done.combined_output().contains(message), "{message}: {}", done.combined_output());
    }
}

#[test]
fn refuses_contradictions() {
    let endpoint = Script::new().start(&definition("t4g.small"));
    for (settings, message) in [
        ("instance_requirements: { vcpus: { min: 9, max: 8 }, memory_mib: { min: 1 } }", "the minimum is above the maximum"),
        ("disks: { /dev/xvda: { gib: 8, iops: 3000 } }", "only volumes of the types gp3, io1 and io2 have `iops`"),
        ("disks: { /dev/xvda: { none: true, gib: 8 } }", "only an EBS volume has a size"),
        (
            "security_groups: [{ id: sg-1 }], network_interfaces: [{ security_groups: [{ id: sg-1 }] }]",
            "for the instance and for its network",
        ),
        ("network_interfaces: [{}, {}]", "there are two network interfaces with the device index 0"),
        ("resource_tags: { image: { a: b } }", "`image` is not a type that starts with an instance"),
    ] {
        endpoint.redefine(&format!("  launch_template: {{ web: {{ {settings} }} }}\n"));
        let done = endpoint.run("plan", &[]);
        assert!(done.code != 0 && done.stderr.contains(message), "{settings}: {}", done.combined_output());
    }
}
