//! Certificate Manager: the validation records are known only some time after the request, and issuing takes minutes.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_ownership_tags, ok, xml, xml_error};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555";
const CERTIFICATE: &str = "  certificate: { main: { domain: shop.example.com, zone: { id: Z1 } } }\n";

fn certificate_list(certificates: &[&str]) -> Answer {
    let summary = |arn| json!({ "CertificateArn": arn, "DomainName": "shop.example.com" });
    ok(json!({ "CertificateSummaryList": certificates.iter().map(summary).collect::<Value>() }))
}

fn certificate(status: &str, record: bool, reason: Option<&str>) -> Answer {
    let record = record.then(|| json!({ "Name": "_a1.shop.example.com.", "Type": "CNAME", "Value": "_b2.acm-validations.aws." }));
    let option = json!({ "DomainName": "shop.example.com", "ValidationMethod": "DNS", "ValidationStatus": "PENDING_VALIDATION", "ResourceRecord": record });
    ok(json!({ "Certificate": {
        "CertificateArn": ARN, "DomainName": "shop.example.com", "SubjectAlternativeNames": ["shop.example.com"], "Status": status,
        "DomainValidationOptions": [option], "KeyAlgorithm": "RSA-2048", "Type": "AMAZON_ISSUED", "FailureReason": reason, "InUseBy": [],
        "Options": { "CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED" },
    } }))
}

/// Certificate states after the request, one after the other.
fn script_requesting(seen: impl IntoIterator<Item = Answer>) -> Script {
    Script::new()
        .on("ListCertificates", [certificate_list(&[])])
        .on("RequestCertificate", [ok(json!({ "CertificateArn": ARN }))])
        .on("ListTagsForCertificate", [ok(json!({ "Tags": json_ownership_tags("certificate.main") }))])
        .after("RequestCertificate")
        .on("ListCertificates", [certificate_list(&[ARN])])
        .on("DescribeCertificate", seen)
}

/// Certificate states after the creation of the records.
fn with_validation(script: Script, seen: impl IntoIterator<Item = Answer>) -> Script {
    let change = "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T16:00:00Z</SubmittedAt></ChangeInfo>";
    script
        .on("POST /hostedzone/-/rrset", [xml(format!("<ChangeResourceRecordSetsResponse>{change}</ChangeResourceRecordSetsResponse>"))])
        .after("POST /hostedzone/-/rrset")
        .on("DescribeCertificate", seen)
}

#[test]
fn validates_a_certificate_once_its_records_are_known() {
    let pending = |record| certificate("PENDING_VALIDATION", record, None);
    let script = script_requesting([pending(false), pending(true)]);
    let endpoint = with_validation(script, [pending(true), pending(true), certificate("ISSUED", true, None)]).start(CERTIFICATE);
    let done = endpoint.apply();
    let told = "action needed: certificate.main: AWS issues the certificate once public DNS has _a1.shop.example.com CNAME _b2.acm-validations.aws";
    assert!(done.stderr.contains(told), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 RequestCertificate", "200 POST /hostedzone/-/rrset"]);
    let sent = &endpoint.request_bodies("RequestCertificate")[0];
    assert_eq!((&sent["ValidationMethod"], &sent["Tags"]), (&json!("DNS"), &json_ownership_tags("certificate.main")));
    let records = endpoint.request_bodies("POST /hostedzone/-/rrset")[0].to_string();
    for part in ["<Name>_a1.shop.example.com</Name><Type>CNAME</Type>", "<Value>_b2.acm-validations.aws</Value>"] {
        assert!(records.contains(part), "`{part}` is missing in {records}");
    }
}

/// Without a zone, a person creates the records.
#[test]
fn ends_waiting_for_a_person_and_keeps_the_certificate() {
    let script = script_requesting([certificate("PENDING_VALIDATION", true, None)]);
    let endpoint = script.start("  certificate: { main: { domain: shop.example.com, timeouts: { create: 1s, update: 1s } } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 4, "{}", done.combined_output());
    for part in [
        "action needed: certificate.main: ",
        "waiting: certificate.main waits for a person: ",
        "_a1.shop.example.com CNAME _b2",
        "then continues the run",
    ] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert_eq!(endpoint.writes(), ["200 RequestCertificate"], "nothing is undone");
    let plan = endpoint.run("plan", &[]).assert_success();
    assert!(plan.stdout.contains("waits for a person"), "{}", plan.combined_output());
    let again = endpoint.run("apply", &["--yes"]);
    assert_eq!((again.code, endpoint.writes().len()), (4, 1), "{}", again.combined_output());
}

/// Certificate Manager accepts `EC_prime256v1` and returns `EC-prime256v1`.
#[test]
fn accepts_another_spelling_of_the_key_algorithm() {
    let described = |status| {
        let (code, body) = certificate(status, true, None);
        (code, body.replace("RSA-2048", "EC-prime256v1"))
    };
    let pending = described("PENDING_VALIDATION");
    let script = with_validation(script_requesting([pending.clone()]), [pending, described("ISSUED")]);
    let endpoint = script.start(&CERTIFICATE.replace("zone:", "key_algorithm: EC_prime256v1, zone:"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("RequestCertificate")[0]["KeyAlgorithm"], "EC_prime256v1");
}

/// After its deletion, it is no longer listed.
fn with_deletion(script: Script) -> Script {
    script.on("DeleteCertificate", [ok(json!({}))]).after("DeleteCertificate").on("ListCertificates", [certificate_list(&[])])
}

#[test]
fn reports_why_a_certificate_failed_and_deletes_it() {
    let script = script_requesting([certificate("PENDING_VALIDATION", true, None)]);
    let failed = certificate("FAILED", true, Some("CAA_ERROR"));
    let script = with_validation(script, [certificate("PENDING_VALIDATION", true, None), failed]);
    let no_zones = xml("<ListHostedZonesResponse><HostedZones/></ListHostedZonesResponse>");
    let endpoint = with_deletion(script.on("GET /hostedzone", [no_zones])).start(CERTIFICATE);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("AWS reports `failed: CAA_ERROR`"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 RequestCertificate", "200 POST /hostedzone/-/rrset", "200 DeleteCertificate"]);
}

#[test]
fn does_not_wait_for_records_of_a_failed_certificate() {
    let endpoint = with_deletion(script_requesting([certificate("FAILED", false, Some("DOMAIN_NOT_ALLOWED"))])).start(CERTIFICATE);
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("AWS reports `failed: DOMAIN_NOT_ALLOWED`"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 RequestCertificate", "200 DeleteCertificate"]);
}

fn record_set(name: &str, kind: &str, more: &str, value: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type>{more}<TTL>300</TTL><ResourceRecords><ResourceRecord><Value>{value}\
         </Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn record_sets(sets: &str) -> Answer {
    let rest = "<IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>";
    let sets = format!("<ResourceRecordSets>{sets}</ResourceRecordSets>");
    xml(format!("<ListResourceRecordSetsResponse>{sets}{rest}</ListResourceRecordSetsResponse>"))
}

fn existing_validation_record() -> Answer {
    record_sets(&record_set("_a1.shop.example.com.", "CNAME", "", "_b2.acm-validations.aws."))
}

/// The zone with the ownership record of this certificate at the validation record, with more text, and those of `others`: their ids, each
/// with more text after a comma.
fn script_sharing_records(more_text: &str, others: &[&str]) -> Script {
    let zone = "<HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>1</CallerReference></HostedZone>";
    let mark = |owner: &&str| {
        let (uuid, own_text) = owner.split_once(',').map_or((*owner, String::new()), |(uuid, text)| (uuid, format!(",{text}")));
        let more = format!("<SetIdentifier>{uuid}</SetIdentifier><Weight>0</Weight>");
        let text = format!("&quot;acme:stack=shop{more_text}{own_text}&quot;");
        record_set("_acme-certificate._a1.shop.example.com.", "TXT", &more, &text)
    };
    let marks: String = ["11111111-2222-3333-4444-555555555555"].iter().chain(others).map(mark).collect();
    let issued = |used: &[&str]| {
        let (status, body) = certificate("ISSUED", true, None);
        (status, body.replace("\"InUseBy\":[]", &format!("\"InUseBy\":{}", json!(used))))
    };
    let listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop-web/1";
    let script = Script::new()
        .with_tagged_resources(&[(ARN, "certificate.main")])
        .on("ListCertificates", [certificate_list(&[ARN])])
        .on("DescribeCertificate", [issued(&[listener]), issued(&[listener]), issued(&[])])
        .on("GET /hostedzone", [xml(format!("<ListHostedZonesResponse><HostedZones>{zone}</HostedZones></ListHostedZonesResponse>"))])
        .on_containing("GET /hostedzone/-/rrset?name&type", "type=TXT", [record_sets(&marks)])
        .on_containing("GET /hostedzone/-/rrset?name&type", "type=CNAME", [existing_validation_record()]);
    with_deletion(with_validation(script, [issued(&[])]))
}

#[test]
fn deletes_a_certificate_with_its_records_once_unused() {
    let endpoint = script_sharing_records("", &[]).start(CERTIFICATE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 POST /hostedzone/-/rrset", "200 DeleteCertificate"]);
    let sent = endpoint.request_bodies("POST /hostedzone/-/rrset")[0].to_string();
    assert_eq!(sent.matches("<Action>DELETE</Action>").count(), 2, "record and mark: {sent}");
    assert_eq!(endpoint.call_count("DescribeCertificate"), 4, "it was in use at first, so the blockers were read");
}

#[test]
fn keeps_validation_records_another_certificate_needs() {
    let endpoint = script_sharing_records("", &["99999999-2222-3333-4444-555555555555"]).start(CERTIFICATE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    let sent = endpoint.request_bodies("POST /hostedzone/-/rrset");
    let (marked, deleted) = (sent[0].to_string(), sent[1].to_string());
    assert!(marked.contains("<Action>UPSERT</Action>") && marked.contains("leaving=true"), "{marked}");
    assert_eq!(deleted.matches("<Action>DELETE</Action>").count(), 1, "its ownership record alone: {deleted}");
    assert!(deleted.contains("<SetIdentifier>11111111-2222-3333-4444-555555555555</SetIdentifier>"), "{deleted}");
}

/// Each of the two would otherwise leave the validation record for the other.
#[test]
fn deletes_the_validation_record_with_a_certificate_that_is_being_deleted_too() {
    let endpoint = script_sharing_records("", &["99999999-2222-3333-4444-555555555555,leaving=true"]).start(CERTIFICATE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    let deleted = endpoint.request_bodies("POST /hostedzone/-/rrset")[1].to_string();
    assert_eq!(deleted.matches("<Action>DELETE</Action>").count(), 2, "{deleted}");
    assert!(deleted.contains("<Type>CNAME</Type>"), "{deleted}");
}

/// All certificates of an account for a domain share the validation record. One that was there before may be needed outside the stack.
#[test]
fn keeps_a_validation_record_that_existed_before() {
    const POST: &str = "POST /hostedzone/-/rrset";
    let list = "GET /hostedzone/-/rrset?name&type";
    let exists = "[Tried to create resource record set [name='_a1.shop.example.com.', type='CNAME'] but it already exists]";
    let changed = "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T16:00:00Z</SubmittedAt></ChangeInfo>";
    let changed = xml(format!("<ChangeResourceRecordSetsResponse>{changed}</ChangeResourceRecordSetsResponse>"));
    let pending = certificate("PENDING_VALIDATION", true, None);
    let endpoint = script_requesting([pending.clone()])
        .on(POST, [xml_error(400, "InvalidChangeBatch", exists), changed])
        .on_containing(list, "type=CNAME", [existing_validation_record()])
        .on_containing(list, "type=TXT", [record_sets("")])
        .after(POST)
        .on("DescribeCertificate", [pending, certificate("ISSUED", true, None)])
        .start(CERTIFICATE);
    endpoint.apply();
    let sent = endpoint.request_bodies(POST)[1].to_string();
    assert_eq!(sent.matches("<Action>").count(), 1, "its mark alone: {sent}");
    assert!(sent.contains("<Type>TXT</Type>") && sent.contains("found=true"), "{sent}");

    let endpoint = script_sharing_records(",found=true", &[]).start(CERTIFICATE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    let sent = endpoint.request_bodies(POST)[0].to_string();
    assert_eq!(sent.matches("<Action>DELETE</Action>").count(), 1, "its mark alone: {sent}");
    assert!(sent.contains("<Type>TXT</Type>"), "{sent}");
}
