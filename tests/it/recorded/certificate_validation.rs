//! Certificate Manager: validation by e-mail and in several zones, and imported certificates.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_ownership_tags, ok, xml};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555";

fn listed(arns: &[&str]) -> Answer {
    let all: Value = arns.iter().map(|arn| json!({ "CertificateArn": arn, "DomainName": "shop.example.com" })).collect();
    ok(json!({ "CertificateSummaryList": all }))
}

fn certificate(status: &str, names: &[&str], options: &Value) -> Answer {
    ok(json!({ "Certificate": {
        "CertificateArn": ARN, "DomainName": "shop.example.com", "SubjectAlternativeNames": names, "Status": status,
        "DomainValidationOptions": options, "KeyAlgorithm": "RSA-2048", "Type": "AMAZON_ISSUED", "InUseBy": [],
    } }))
}

fn script() -> Script {
    Script::new()
        .on("ListCertificates", [listed(&[])])
        .on("RequestCertificate", [ok(json!({ "CertificateArn": ARN }))])
        .on("ListTagsForCertificate", [ok(json!({ "Tags": json_ownership_tags("certificate.main") }))])
        .after("RequestCertificate")
        .on("ListCertificates", [listed(&[ARN])])
}

/// AWS sends the e-mails some time after the request; a person must follow the link.
#[test]
fn waits_for_a_person_to_answer_an_e_mail() {
    let options = |sent: bool| {
        let to: &[&str] = if sent { &["administrator@example.com", "hostmaster@example.com"] } else { &[] };
        json!([{ "DomainName": "shop.example.com", "ValidationMethod": "EMAIL", "ValidationDomain": "example.com", "ValidationEmails": to }])
    };
    let names = ["shop.example.com"];
    let pending = |sent| certificate("PENDING_VALIDATION", &names, &options(sent));
    let endpoint =
        script().on("DescribeCertificate", [pending(false), pending(true), certificate("ISSUED", &names, &options(true))]).start(
            "  certificate: { main: { domain: shop.example.com, validation: email, email_domains: { shop.example.com: example.com } } }\n",
        );
    let done = endpoint.apply();
    let told = "follows the link in the e-mail to administrator@example.com, hostmaster@example.com";
    assert!(done.stderr.contains(told), "{}", done.combined_output());
    let sent = &endpoint.request_bodies("RequestCertificate")[0];
    assert_eq!(sent["ValidationMethod"], "EMAIL");
    assert_eq!(sent["DomainValidationOptions"], json!([{ "DomainName": "shop.example.com", "ValidationDomain": "example.com" }]));
}

/// Each record is created in the most specific of the zones; zones that the certificate does not name are left alone.
#[test]
fn creates_each_record_in_its_own_zone() {
    let option = |name: &str, record: &str| {
        let record = json!({ "Name": format!("{record}.{name}."), "Type": "CNAME", "Value": "_b2.acm-validations.aws." });
        json!({ "DomainName": name, "ValidationMethod": "DNS", "ResourceRecord": record })
    };
    let names = ["shop.example.com", "shop.example.net"];
    let options = json!([option(names[0], "_a1"), option(names[1], "_a2")]);
    let zone = |id: &str, name: &str| {
        format!("<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}.</Name><CallerReference>{id}</CallerReference></HostedZone>")
    };
    let zones = [zone("Z1", "example.com"), zone("Z2", "example.net"), zone("Z3", "shop.example.net")].concat();
    let change = "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T16:00:00Z</SubmittedAt></ChangeInfo>";
    let pending = certificate("PENDING_VALIDATION", &names, &options);
    let put = "POST /hostedzone/-/rrset";
    let endpoint = script()
        .on("DescribeCertificate", [pending.clone()])
        .on("GET /hostedzone", [xml(format!("<ListHostedZonesResponse><HostedZones>{zones}</HostedZones></ListHostedZonesResponse>"))])
        .on(put, [xml(format!("<ChangeResourceRecordSetsResponse>{change}</ChangeResourceRecordSetsResponse>"))])
        .after(put)
        .on("DescribeCertificate", [pending, certificate("ISSUED", &names, &options)])
        .start(
            "  certificate: { main: { domain: shop.example.com, alternative_names: [shop.example.net], zone: { id: Z1 }, more_zones: [{ id: Z2 }] } }\n",
        );
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 RequestCertificate".to_owned(), format!("200 {put}"), format!("200 {put}")]);
    let sent: Vec<String> = endpoint.request_bodies(put).iter().map(ToString::to_string).collect();
    assert!(sent[0].contains("_a1.shop.example.com") && !sent[0].contains("_a2"), "{}", sent[0]);
    assert!(sent[1].contains("_a2.shop.example.net") && !sent[1].contains("_a1"), "{}", sent[1]);
}

#[test]
fn a_name_has_a_zone() {
    let endpoint = Script::new().start(
        "  dns_zone: { one: { domain: example.com }, two: { domain: example.net } }
  certificate: { main: { domain: shop.example.com, alternative_names: [shop.example.org], zone: one, more_zones: [two] } }\n",
    );
    let done = endpoint.run("plan", &[]);
    let expected = "`shop.example.org` can't be validated in `dns_zone.one` (example.com) or `dns_zone.two` (example.net)";
    assert!(done.code != 0 && done.combined_output().contains(expected), "{}", done.combined_output());
}

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tls-AbCdEf";

/// AWS never reports the private key: a tag records which one it has. A new version is imported under the same ARN. The create call has no token,
/// so that a repeated one looks for what the first imported.
#[test]
fn imports_a_certificate_without_showing_its_key() {
    let tagged = |token: &str, version: &str| {
        let mut tags = json_ownership_tags("certificate.main");
        let source = format!("{SECRET} certificate private_key chain {version}");
        let more = [("acme:token", token), ("acme:secret", source.as_str())].map(|(key, value)| json!({ "Key": key, "Value": value }));
        tags.as_array_mut().expect("a list").extend(more);
        ok(json!({ "Tags": tags }))
    };
    let imported = || {
        let (status, body) = certificate("ISSUED", &["shop.example.com", "www.shop.example.com"], &json!([]));
        (status, body.replace("AMAZON_ISSUED", "IMPORTED"))
    };
    let summary = json!({ "CertificateSummaryList": [{ "CertificateArn": ARN, "DomainName": "shop.example.com", "Type": "IMPORTED" }] });
    let value = json!({ "certificate": "CERT-pem", "private_key": "KEY-pem", "chain": "CHAIN-pem" }).to_string();
    let definition = |version: &str| {
        format!(
            "  certificate: {{ main: {{ domain: shop.example.com, import: {{ secret: '{SECRET}', chain_key: chain, version: '{version}' }} }} }}\n"
        )
    };
    let endpoint = Script::new()
        .on("ListCertificates", [listed(&[])])
        .on("GetSecretValue", [ok(json!({ "ARN": SECRET, "Name": "tls", "SecretString": value }))])
        .on("ImportCertificate", [ok(json!({ "CertificateArn": ARN }))])
        .on("AddTagsToCertificate", [ok(json!({}))])
        .after("ImportCertificate")
        .on("ListCertificates", [ok(summary)])
        .on("DescribeCertificate", [imported()])
        .on("ListTagsForCertificate", [tagged("t", "1")])
        .after("AddTagsToCertificate")
        .on("ListTagsForCertificate", [tagged("t", "2")])
        .start(&definition("1"));
    let mut shown = endpoint.run("plan", &["-o", "json"]).combined_output() + &endpoint.apply().combined_output();
    let sent = &endpoint.request_bodies("ImportCertificate")[0];
    // Base64 of the texts.
    assert_eq!((&sent["PrivateKey"], &sent["CertificateChain"]), (&json!("S0VZLXBlbQ=="), &json!("Q0hBSU4tcGVt")), "{sent}");
    assert!(sent["Tags"].to_string().contains("acme:token"), "{sent}");
    endpoint.redefine(&definition("2"));
    shown += &endpoint.apply().combined_output();
    assert_eq!(endpoint.writes(), ["200 ImportCertificate", "200 ImportCertificate", "200 AddTagsToCertificate"]);
    let again = &endpoint.request_bodies("ImportCertificate")[1];
    assert_eq!((&again["CertificateArn"], &again["Tags"]), (&json!(ARN), &Value::Null));
    assert!(!shown.contains("KEY-pem") && !shown.contains("S0VZ"), "{shown}");
}

#[test]
fn an_imported_certificate_has_its_own_names() {
    let endpoint = Script::new().start(&format!(
        "  certificate: {{ main: {{ domain: shop.example.com, alternative_names: [www.shop.example.com], import: {{ secret: '{SECRET}' }} }} }}\n"
    ));
    let done = endpoint.run("plan", &[]);
    assert!(done.code != 0 && done.combined_output().contains("the imported certificate decides"), "{}", done.combined_output());
}
