//! Access controls and policies of CloudFront, which carry their ownership in a description, and functions, which have two stages.

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const MARK: &str = "[acme shop/default/files/us-east-1]";
const LIST: &str = "GET /origin-access-control";

fn listed(next: &str, items: &[(&str, &str, &str)]) -> Answer {
    let item = |(id, name, description): &(&str, &str, &str)| {
        format!(
            "<OriginAccessControlSummary><Id>{id}</Id><Description>{description}</Description><Name>{name}</Name><SigningProtocol>sigv4\
             </SigningProtocol><SigningBehavior>always</SigningBehavior><OriginAccessControlOriginType>s3</OriginAccessControlOriginType>\
             </OriginAccessControlSummary>"
        )
    };
    let marker = if next.is_empty() { String::new() } else { format!("<NextMarker>{next}</NextMarker>") };
    let items: String = items.iter().map(item).collect();
    xml(format!(
        "<OriginAccessControlList><Marker></Marker>{marker}<MaxItems>100</MaxItems><IsTruncated>{}</IsTruncated><Quantity>1</Quantity>\
         <Items>{items}</Items></OriginAccessControlList>",
        !next.is_empty()
    ))
}

fn control(description: &str) -> Answer {
    xml(format!(
        "<OriginAccessControl><Id>E1</Id><OriginAccessControlConfig><Name>shop-files</Name><Description>{description}</Description>\
         <SigningProtocol>sigv4</SigningProtocol><SigningBehavior>always</SigningBehavior><OriginAccessControlOriginType>s3\
         </OriginAccessControlOriginType></OriginAccessControlConfig></OriginAccessControl>"
    ))
}

const CONTROL: &str = "  cloudfront_access_control: { files: { description: Files } }\n";

#[test]
fn an_access_control_is_known_by_the_mark_in_its_description() {
    let description = format!("Files {MARK}");
    let endpoint = Script::new()
        .on(LIST, [listed("2", &[("E9", "others", "")])])
        .on("GET /origin-access-control?Marker", [listed("", &[("E1", "shop-files", &description)])])
        .start(CONTROL);
    assert_eq!(endpoint.planned_changes(), Vec::<String>::new());
    assert_eq!(endpoint.call_count("GET /origin-access-control?Marker"), 1);
}

#[test]
fn an_access_control_of_the_same_name_is_left_alone_until_it_is_adopted() {
    let endpoint = Script::new()
        .on(LIST, [listed("", &[("E1", "shop-files", "")])])
        .on("GET /origin-access-control/-", [control("")])
        .on("PUT /origin-access-control/-/config", [control(MARK)])
        .start(CONTROL);
    let plan = endpoint.run("plan", &[]).combined_output();
    assert!(plan.contains("acme import") && plan.contains("cloudfront_access_control.files E1"), "{plan}");
    endpoint.run("import", &["cloudfront_access_control.files", "E1", "--yes"]).assert_success();
    let sent = endpoint.request_bodies("PUT /origin-access-control/-/config")[0].to_string();
    assert!(sent.contains(&format!("<Description>{MARK}</Description>")), "{sent}");
    assert_eq!(endpoint.request_headers("PUT /origin-access-control/-/config", "if-match"), ["E0"]);
}

/// CloudFront needs minutes to see that a distribution no longer uses it.
#[test]
fn deletes_an_access_control_as_soon_as_nothing_uses_it() {
    let in_use = xml_error(409, "OriginAccessControlInUse", "Cannot delete the origin access control because it's in use.");
    let endpoint = Script::new()
        .on(LIST, [listed("", &[("E1", "shop-files", MARK)])])
        .on("GET /origin-access-control/-", [control(MARK)])
        .on("DELETE /origin-access-control/-", [in_use, (204, String::new())])
        .start(CONTROL);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.call_count("DELETE /origin-access-control/-"), 2);
}

#[test]
fn a_description_leaves_room_for_the_mark() {
    let long = "x".repeat(120);
    let wrong = format!(
        "  cloudfront_cache_policy: {{ a: {{ comment: {long} }} }}\n  cloudfront_headers_policy: {{ b: {{ comment: '[acme a/b/c/d]' }} }}\n"
    );
    let done = Script::new().start(&wrong).run("plan", &[]);
    for problem in ["leaves no room for the mark of ownership", "use at most 96 characters", "is how acme marks its own resources"] {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
}

const FUNCTION: &str = "GET /function/-?Stage";
const DESCRIBE: &str = "GET /function/-/describe?Stage";
const UPDATE: &str = "PUT /function/-";
const PUBLISH: &str = "POST /function/-/publish";
const OLD: &str = "function handler(event) { return event.request; }";
const NEW: &str = "function handler(event) { return event.response; }";
/// The same as XML has it.
const NEW_BASE64: &str = "ZnVuY3Rpb24gaGFuZGxlcihldmVudCkgeyByZXR1cm4gZXZlbnQucmVzcG9uc2U7IH0=";

fn summary(stage: &str) -> String {
    format!(
        "<FunctionSummary><Name>shop-pages</Name><Status>UNASSOCIATED</Status><FunctionConfig><Comment></Comment><Runtime>cloudfront-js-2.0\
         </Runtime></FunctionConfig><FunctionMetadata><FunctionARN>arn:aws:cloudfront::123456789012:function/shop-pages</FunctionARN>\
         <Stage>{stage}</Stage><LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime></FunctionMetadata></FunctionSummary>"
    )
}

fn functions() -> Script {
    let list =
        format!("<FunctionList><MaxItems>100</MaxItems><Quantity>1</Quantity><Items>{}</Items></FunctionList>", summary("DEVELOPMENT"));
    let tags = xml_ownership_tags("cloudfront_function.pages", "Tag", "Key", "Value");
    Script::new()
        .on("GET /function?Stage", [xml(list)])
        .on("GET /tagging?Resource", [xml(format!("<Tags><Items>{tags}</Items></Tags>"))])
        .on_containing(DESCRIBE, "DEVELOPMENT", [xml(summary("DEVELOPMENT"))])
        .on_containing(FUNCTION, "DEVELOPMENT", [(200, OLD.to_owned())])
}

fn function(code: &str) -> String {
    format!("  cloudfront_function: {{ pages: {{ code: '{code}' }} }}\n")
}

/// A crash came between its creation and its publication.
#[test]
fn publishes_a_function_that_is_only_in_development() {
    let missing = || xml_error(404, "NoSuchFunctionExists", "The specified function does not exist.");
    let endpoint = functions()
        .on_containing(DESCRIBE, "LIVE", [missing()])
        .on(PUBLISH, [xml(summary("LIVE"))])
        .after(PUBLISH)
        .on_containing(DESCRIBE, "LIVE", [xml(summary("LIVE"))])
        .on_containing(FUNCTION, "LIVE", [(200, OLD.to_owned())])
        .start(&function(OLD));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {PUBLISH}")]);
}

#[test]
fn changes_a_function_in_development_and_publishes_that_version() {
    let endpoint = functions()
        .on_containing(DESCRIBE, "LIVE", [xml(summary("LIVE"))])
        .on_containing(FUNCTION, "LIVE", [(200, OLD.to_owned())])
        .on(UPDATE, [xml(summary("DEVELOPMENT"))])
        .after(UPDATE)
        .on(PUBLISH, [xml(summary("LIVE"))])
        .after(PUBLISH)
        .on_containing(FUNCTION, "LIVE", [(200, NEW.to_owned())])
        .start(&function(NEW));
    endpoint.apply();
    assert!(endpoint.request_bodies(UPDATE)[0].to_string().contains(NEW_BASE64));
    assert_eq!(endpoint.request_headers(PUBLISH, "if-match"), ["E1"]);
}
