//! Certificate Manager: the validation records are known only some time after the request, and issuing takes minutes.

use serde_json::{Value, json};

use crate::script::{Answer, Script, json_marks, ok, xml};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555";
const CERTIFICATE: &str = "  certificate: { main: { domain: shop.example.com, zone: { id: Z1 } } }\n";

fn listed(certificates: &[&str]) -> Answer {
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

/// Requested; from then on it looks like this, one after the other.
fn requested(seen: impl IntoIterator<Item = Answer>) -> Script {
    Script::new()
        .on("ListCertificates", [listed(&[])])
        .on("RequestCertificate", [ok(json!({ "CertificateArn": ARN }))])
        .on("ListTagsForCertificate", [ok(json!({ "Tags": json_marks("certificate.main") }))])
        .after("RequestCertificate")
        .on("ListCertificates", [listed(&[ARN])])
        .on("DescribeCertificate", seen)
}

/// The records are put; from then on it looks like this.
fn validated(script: Script, seen: impl IntoIterator<Item = Answer>) -> Script {
    let change = "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T16:00:00Z</SubmittedAt></ChangeInfo>";
    script
        .on("POST /hostedzone/-/rrset", [xml(format!("<ChangeResourceRecordSetsResponse>{change}</ChangeResourceRecordSetsResponse>"))])
        .after("POST /hostedzone/-/rrset")
        .on("DescribeCertificate", seen)
}

#[test]
fn a_certificate_is_validated_once_its_records_are_known() {
    let pending = |record| certificate("PENDING_VALIDATION", record, None);
    let script = requested([pending(false), pending(true)]);
    let stage = validated(script, [pending(true), pending(true), certificate("ISSUED", true, None)]).play(CERTIFICATE);
    let done = stage.apply();
    assert!(done.stderr.contains("certificate.main: pending validation"), "{}", done.screen());
    assert_eq!(stage.writes(), ["200 RequestCertificate", "200 POST /hostedzone/-/rrset"]);
    let sent = &stage.sent("RequestCertificate")[0];
    assert_eq!((&sent["ValidationMethod"], &sent["Tags"]), (&json!("DNS"), &json_marks("certificate.main")));
    let records = stage.sent("POST /hostedzone/-/rrset")[0].to_string();
    for part in ["<Name>_a1.shop.example.com</Name><Type>CNAME</Type>", "<Value>_b2.acm-validations.aws</Value>"] {
        assert!(records.contains(part), "`{part}` is missing in {records}");
    }
}

#[test]
fn a_certificate_that_fails_tells_why() {
    let script = requested([certificate("PENDING_VALIDATION", true, None)]);
    let failed = certificate("FAILED", true, Some("CAA_ERROR"));
    let stage = validated(script, [certificate("PENDING_VALIDATION", true, None), failed]).play(CERTIFICATE);
    let done = stage.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.screen());
    assert!(done.stderr.contains("AWS reports `failed: CAA_ERROR`"), "{}", done.screen());
}

#[test]
fn a_certificate_that_fails_at_once_is_not_asked_for_its_records() {
    let stage = requested([certificate("FAILED", false, Some("DOMAIN_NOT_ALLOWED"))]).play(CERTIFICATE);
    let done = stage.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.screen());
    assert!(done.stderr.contains("AWS reports `failed: DOMAIN_NOT_ALLOWED`"), "{}", done.screen());
    assert_eq!(stage.changes(), ["replace certificate.main"]);
}
