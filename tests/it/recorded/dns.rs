//! Route 53: the caller reference of a zone is permanent.

use serde_json::json;

use crate::scripted_endpoint::{Answer, Script, json_ownership_tags, ok, xml, xml_error, xml_ownership_tags};

const ZONE: &str = "<Id>/hostedzone/Z1</Id><Name>shop.example.com.</Name><CallerReference>acme/shop/default/dns_zone.main/0123</CallerReference>\
    <Config><PrivateZone>false</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount>";

fn zone_list() -> Answer {
    xml(format!(
        "<ListHostedZonesResponse><HostedZones><HostedZone>{ZONE}</HostedZone></HostedZones><IsTruncated>false</IsTruncated>\
         <MaxItems>100</MaxItems></ListHostedZonesResponse>"
    ))
}

fn zone() -> Answer {
    xml(format!(
        "<GetHostedZoneResponse><HostedZone>{ZONE}</HostedZone><DelegationSet><NameServers><NameServer>ns-1.example.com</NameServer>\
         </NameServers></DelegationSet></GetHostedZoneResponse>"
    ))
}

fn records(sets: &str) -> Answer {
    let rest = "<IsTruncated>false</IsTruncated><MaxItems>300</MaxItems>";
    let sets = format!("<ResourceRecordSets>{sets}</ResourceRecordSets>");
    xml(format!("<ListResourceRecordSetsResponse>{sets}{rest}</ListResourceRecordSetsResponse>"))
}

fn record(name: &str, kind: &str, ttl: u32, value: &str) -> String {
    let values = format!("<ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>");
    format!("<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type><TTL>{ttl}</TTL>{values}</ResourceRecordSet>")
}

const CHANGED: &str = "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
    <SubmittedAt>2026-11-21T16:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>";

fn zone_tags(tags: &str) -> Answer {
    xml(format!(
        "<ListTagsForResourcesResponse><ResourceTagSets><ResourceTagSet><ResourceType>hostedzone</ResourceType>\
         <ResourceId>Z1</ResourceId><Tags>{tags}</Tags></ResourceTagSet></ResourceTagSets></ListTagsForResourcesResponse>"
    ))
}

/// A forgotten zone stays in AWS: it is neither adopted again nor deleted.
#[test]
fn does_not_adopt_a_retained_zone_again() {
    let retain = "<Tag><Key>acme:on-delete</Key><Value>retain</Value></Tag>";
    let mut marks = json_ownership_tags("dns_zone.main");
    marks.as_array_mut().expect("tags").push(json!({ "Key": "acme:on-delete", "Value": "retain" }));
    let index = json!([{ "ResourceARN": "arn:aws:route53:::hostedzone/Z1", "Tags": marks }]);
    let endpoint = Script::new()
        .on("GetResources", [ok(json!({ "ResourceTagMappingList": index }))])
        .on("GET /hostedzone", [zone_list()])
        .on("GET /hostedzone/-", [zone()])
        .on("GET /hostedzone/-/rrset", [records("")])
        .on("POST /tags/-", [zone_tags(&(xml_ownership_tags("dns_zone.main", "Tag", "Key", "Value") + retain))])
        .on("POST /tags/-/-", [xml("<ChangeTagsForResourceResponse/>")])
        .after("POST /tags/-/-")
        .on("GetResources", [ok(json!({ "ResourceTagMappingList": [] }))])
        .on("POST /tags/-", [zone_tags("<Tag><Key>acme:given-up</Key><Value>yes</Value></Tag>")])
        .start("  dns_zone: { main: { domain: shop.example.com } }\n");
    let done = endpoint.run("destroy", &["--yes"]).assert_success();
    assert!(done.stderr.contains("forgot dns_zone.main"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 POST /tags/-/-"]);
    let sent = endpoint.request_bodies("POST /tags/-/-")[0].to_string();
    assert!(sent.contains("<Key>acme:given-up</Key>") && sent.contains("<Key>acme:stack</Key>"), "{sent}");

    assert_eq!(endpoint.planned_changes(), ["create dns_zone.main"]);
    let done = endpoint.run("destroy", &["--yes"]).assert_success();
    assert!(done.stdout.contains("No changes: nothing of the stack exists."), "{}", done.combined_output());
    assert_eq!(endpoint.writes().len(), 1);
}

/// DELETE must repeat a record exactly, but it has changed outside acme since it was read.
#[test]
fn deletes_a_changed_record_with_its_current_values() {
    let (name, mark) = ("www.shop.example.com.", "_acme-a.www.shop.example.com.");
    let says = "&quot;acme:stack=shop,acme:environment=default,acme:address=dns_record.www,acme:region=us-east-1&quot;";
    let (old, new) = (record(name, "A", 300, "192.0.2.1"), record(name, "A", 60, "192.0.2.2"));
    let says = record(mark, "TXT", 300, says);
    let reason = "[Tried to delete resource record set [name='www.shop.example.com.', type='A'] but the values provided do not match the \
                  current values]";
    let post = "POST /hostedzone/-/rrset";
    let endpoint = Script::new()
        .with_tagged_resources(&[("arn:aws:route53:::hostedzone/Z1", "dns_zone.main")])
        .on("GET /hostedzone", [zone_list()])
        .on("GET /hostedzone/-", [zone()])
        .on("POST /tags/-", [zone_tags(&xml_ownership_tags("dns_zone.main", "Tag", "Key", "Value"))])
        .on("GET /hostedzone/-/rrset", [records(&format!("{old}{says}"))])
        .on_containing("GET /hostedzone/-/rrset?name&type", "type=A", [records(&new)])
        .on_containing("GET /hostedzone/-/rrset?name&type", "type=TXT", [records(&says)])
        .on(post, [xml_error(400, "InvalidChangeBatch", reason), xml(CHANGED)])
        .after(post)
        .on("GET /hostedzone/-/rrset", [records("")])
        .start("  dns_zone: { main: { domain: shop.example.com } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("400 {post}"), format!("200 {post}")]);
    let sent = endpoint.request_bodies(post)[1].to_string();
    assert!(sent.contains("<TTL>60</TTL>") && sent.contains("192.0.2.2") && !sent.contains("192.0.2.1"), "{sent}");
}

/// A call accepts ten tags, a zone has more.
#[test]
fn sets_many_zone_tags_in_several_calls() {
    let keys: Vec<String> = (1..=12).map(|n| format!("k{n}")).collect();
    let more: String = keys.iter().map(|key| format!("<Tag><Key>{key}</Key><Value>v</Value></Tag>")).collect();
    let marks = xml_ownership_tags("dns_zone.main", "Tag", "Key", "Value");
    let change = "POST /tags/-/-";
    let endpoint = Script::new()
        .with_tagged_resources(&[("arn:aws:route53:::hostedzone/Z1", "dns_zone.main")])
        .on("GET /hostedzone", [zone_list()])
        .on("GET /hostedzone/-", [zone()])
        .on("GET /hostedzone/-/rrset", [records("")])
        .on("POST /tags/-", [zone_tags(&marks)])
        .on(change, [xml("<ChangeTagsForResourceResponse/>")])
        .after(change)
        .on("GetResources", [ok(json!({ "ResourceTagMappingList": [] }))])
        .on("POST /tags/-", [zone_tags(&format!("{marks}{more}"))])
        .start(&format!("  dns_zone: {{ main: {{ domain: shop.example.com, tags: {{ {} }} }} }}\n", keys.join(": v, ") + ": v"));
    endpoint.apply();
    let sent: Vec<usize> = endpoint.request_bodies(change).iter().map(|sent| sent.to_string().matches("<Key>").count()).collect();
    assert_eq!(sent, [10, 2]);
}

/// An upsert replaces the whole record set, and acme has no field for the routing that it would lose.
#[test]
fn does_not_overwrite_a_record_with_another_routing() {
    let (name, mark) = ("www.shop.example.com.", "_acme-a.www.shop.example.com.");
    let says = "&quot;acme:stack=shop,acme:environment=default,acme:address=dns_record.www,acme:region=us-east-1&quot;";
    let with = |set: String, more: &str| set.replace("<TTL>", &format!("<SetIdentifier>one</SetIdentifier>{more}<TTL>"));
    let set = with(record(name, "A", 300, "192.0.2.1"), "<GeoProximityLocation><AWSRegion>eu-west-1</AWSRegion></GeoProximityLocation>");
    let says = with(record(mark, "TXT", 300, says), "<Weight>0</Weight>");
    let endpoint = Script::new()
        .with_tagged_resources(&[("arn:aws:route53:::hostedzone/Z1", "dns_zone.main")])
        .on("GET /hostedzone", [zone_list()])
        .on("GET /hostedzone/-", [zone()])
        .on("POST /tags/-", [zone_tags(&xml_ownership_tags("dns_zone.main", "Tag", "Key", "Value"))])
        .on("GET /hostedzone/-/rrset", [records(&format!("{set}{says}"))])
        .on("GET /hostedzone/-/rrset?name&type", [records(&set)])
        .on("POST /hostedzone/-/rrset", [xml(CHANGED)])
        .start(
            "
  dns_zone: { main: { domain: shop.example.com } }
  dns_record:
    www: { zone: main, domain: www.shop.example.com, type: A, values: [192.0.2.1], set_identifier: one, weight: 10 }
",
        );
    assert_eq!(endpoint.planned_changes(), ["update dns_record.www"]);
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("geoproximity routing"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

/// A record becomes another type, and the ownership record with it, in one batch: deletions first.
#[test]
fn exchanges_a_record_in_one_batch() {
    let (name, mark) = ("www.shop.example.com.", "_acme-cname.www.shop.example.com.");
    let text = |address: &str| format!("&quot;acme:stack=shop,acme:environment=default,acme:address={address},acme:region=us-east-1&quot;");
    let old = record(name, "CNAME", 300, "old.example.net") + &record(mark, "TXT", 300, &text("dns_record.www"));
    let new = record(name, "A", 300, "192.0.2.1") + &record("_acme-a.www.shop.example.com.", "TXT", 300, &text("dns_record.www"));
    let post = "POST /hostedzone/-/rrset";
    let endpoint = Script::new()
        .with_tagged_resources(&[("arn:aws:route53:::hostedzone/Z1", "dns_zone.main")])
        .on("GET /hostedzone", [zone_list()])
        .on("GET /hostedzone/-", [zone()])
        .on("POST /tags/-", [zone_tags(&xml_ownership_tags("dns_zone.main", "Tag", "Key", "Value"))])
        .on("GET /hostedzone/-/rrset", [records(&old)])
        .on(post, [xml(CHANGED)])
        .after(post)
        .on("GET /hostedzone/-/rrset", [records(&new)])
        .start(
            "
  dns_zone: { main: { domain: shop.example.com } }
  dns_record: { www: { zone: main, domain: www.shop.example.com, type: A, values: [192.0.2.1] } }
",
        );
    assert_eq!(endpoint.planned_changes(), ["replace dns_record.www"]);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {post}")]);
    let sent = endpoint.request_bodies(post)[0].to_string();
    let actions: Vec<&str> = sent.split("<Action>").skip(1).filter_map(|rest| Some(rest.split_once("</Action>")?.0)).collect();
    assert_eq!(actions, ["DELETE", "DELETE", "CREATE", "UPSERT"], "{sent}");
}
