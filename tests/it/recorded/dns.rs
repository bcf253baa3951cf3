//! Route 53: what a zone was made for stays in its caller reference for good.

use serde_json::json;

use crate::script::{Answer, Script, json_marks, ok, xml, xml_marks};

const ZONE: &str = "<Id>/hostedzone/Z1</Id><Name>shop.example.com.</Name><CallerReference>acme/shop/default/dns_zone.main/0123</CallerReference>\
    <Config><PrivateZone>false</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount>";

fn zones() -> Answer {
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

fn records() -> Answer {
    xml(
        "<ListResourceRecordSetsResponse><ResourceRecordSets/><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>",
    )
}

fn tagged(tags: &str) -> Answer {
    xml(format!(
        "<ListTagsForResourcesResponse><ResourceTagSets><ResourceTagSet><ResourceType>hostedzone</ResourceType>\
         <ResourceId>Z1</ResourceId><Tags>{tags}</Tags></ResourceTagSet></ResourceTagSets></ListTagsForResourcesResponse>"
    ))
}

/// It stays in AWS and is nobody's: it is neither taken back nor deleted.
#[test]
fn a_zone_that_was_given_up_is_not_taken_back() {
    let retain = "<Tag><Key>acme:on-delete</Key><Value>retain</Value></Tag>";
    let mut marks = json_marks("dns_zone.main");
    marks.as_array_mut().expect("tags").push(json!({ "Key": "acme:on-delete", "Value": "retain" }));
    let index = json!([{ "ResourceARN": "arn:aws:route53:::hostedzone/Z1", "Tags": marks }]);
    let endpoint = Script::new()
        .on("GetResources", [ok(json!({ "ResourceTagMappingList": index }))])
        .on("GET /hostedzone", [zones()])
        .on("GET /hostedzone/-", [zone()])
        .on("GET /hostedzone/-/rrset", [records()])
        .on("POST /tags/-", [tagged(&(xml_marks("dns_zone.main", "Tag", "Key", "Value") + retain))])
        .on("POST /tags/-/-", [xml("<ChangeTagsForResourceResponse/>")])
        .after("POST /tags/-/-")
        .on("GetResources", [ok(json!({ "ResourceTagMappingList": [] }))])
        .on("POST /tags/-", [tagged("<Tag><Key>acme:given-up</Key><Value>yes</Value></Tag>")])
        .start("  dns_zone: { main: { domain: shop.example.com } }\n");
    let done = endpoint.run("destroy", &["--yes"]).ok();
    assert!(done.stderr.contains("gave up dns_zone.main"), "{}", done.screen());
    assert_eq!(endpoint.writes(), ["200 POST /tags/-/-"]);
    let sent = endpoint.sent("POST /tags/-/-")[0].to_string();
    assert!(sent.contains("<Key>acme:given-up</Key>") && sent.contains("<Key>acme:stack</Key>"), "{sent}");

    assert_eq!(endpoint.changes(), ["create dns_zone.main"]);
    let done = endpoint.run("destroy", &["--yes"]).ok();
    assert!(done.stderr.contains("nothing to do"), "{}", done.screen());
    assert_eq!(endpoint.writes().len(), 1);
}
