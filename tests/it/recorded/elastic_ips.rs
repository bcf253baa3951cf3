//! Elastic IPs: AllocateAddress has no token, and a released address may belong to another account by now.

use crate::scripted_endpoint::{Answer, Endpoint, Script, ec2_error, xml, xml_ownership_tags};

/// DescribeAddresses: name, allocation id and address of each.
fn addresses(all: &[(&str, &str, &str)]) -> Answer {
    let one = |(name, id, ip): &(&str, &str, &str)| {
        let marks = xml_ownership_tags(&format!("elastic_ip.{name}"), "item", "key", "value");
        let tags = format!("{marks}<item><key>Name</key><value>shop-{name}</value></item>");
        format!(
            "<item><publicIp>{ip}</publicIp><allocationId>{id}</allocationId><domain>vpc</domain><publicIpv4Pool>amazon</publicIpv4Pool>\
             <networkBorderGroup>us-east-1</networkBorderGroup><tagSet>{tags}</tagSet></item>"
        )
    };
    let all: String = all.iter().map(one).collect();
    xml(format!("<DescribeAddressesResponse><addressesSet>{all}</addressesSet></DescribeAddressesResponse>"))
}

fn allocated_address(id: &str, ip: &str) -> Answer {
    xml(format!("<AllocateAddressResponse><publicIp>{ip}</publicIp><allocationId>{id}</allocationId></AllocateAddressResponse>"))
}

const KEPT: (&str, &str, &str) = ("kept", "eipalloc-9", "192.0.2.9");
const OLD: (&str, &str, &str) = ("nat", "eipalloc-1", "192.0.2.1");

/// Two addresses: one is released, the release of the other is rejected. Then acme requests the first one again.
fn script_releasing() -> Script {
    Script::new()
        .on("DescribeAddresses", [addresses(&[OLD, KEPT])])
        .on("ReleaseAddress", [xml("<ReleaseAddressResponse><return>true</return></ReleaseAddressResponse>")])
        .on_containing("ReleaseAddress", "eipalloc-9", [ec2_error(400, "OperationNotPermitted", "This address is reserved.")])
        .after("ReleaseAddress")
        .on("DescribeAddresses", [addresses(&[KEPT])])
}

/// A destroy that is stuck halfway.
fn start_stuck_destroy(script: Script) -> Endpoint {
    let endpoint = script.start("  elastic_ip: { nat: {}, kept: {} }\n");
    let done = endpoint.run("destroy", &["--yes"]);
    assert_eq!(done.code, 3, "{}", done.combined_output());
    endpoint
}

/// The first attempt to restore it fails after its creation.
#[test]
fn looks_for_a_recreated_address_before_retrying() {
    let again = [("nat", "eipalloc-2", "192.0.2.1"), KEPT];
    let denied = ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    let endpoint = start_stuck_destroy(
        script_releasing()
            .on("AllocateAddress", [allocated_address("eipalloc-2", "192.0.2.1")])
            .after("AllocateAddress")
            .on("DescribeAddresses", [denied, addresses(&again)]),
    );
    endpoint.run("rollback", &["--yes"]).assert_success();
    assert_eq!(endpoint.call_count("AllocateAddress"), 1, "{:?}", endpoint.writes());
}

/// Another account has the address by now: acme accepts any other, and reports that.
#[test]
fn allocates_another_address_when_the_old_one_is_taken() {
    for code in ["InvalidAddress.NotFound", "AuthFailure"] {
        let again = [("nat", "eipalloc-2", "198.51.100.2"), KEPT];
        let endpoint = start_stuck_destroy(
            script_releasing()
                .on("AllocateAddress", [allocated_address("eipalloc-2", "198.51.100.2")])
                .on_containing("AllocateAddress", "Address=192.0.2.1", [ec2_error(400, code, "The address does not belong to you.")])
                .after("AllocateAddress")
                .on("DescribeAddresses", [addresses(&again)]),
        );
        let done = endpoint.run("rollback", &["--yes"]).assert_success();
        for part in ["elastic_ip.nat was recreated", "address is \"198.51.100.2\", formerly \"192.0.2.1\"", code] {
            assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.combined_output());
        }
        let sent = endpoint.request_bodies("AllocateAddress");
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert!(sent[1].get("Address").is_none() && sent.iter().all(|call| call.get("PublicIpv4Pool").is_none()), "{sent:?}");
        assert_eq!(endpoint.planned_changes(), [""; 0]);
    }
}

/// A quota is not a reason to accept another address: the rollback fails until the quota is raised.
#[test]
fn keeps_asking_for_the_old_address_when_a_limit_is_reached() {
    let full = ec2_error(400, "AddressLimitExceeded", "The maximum number of addresses has been reached.");
    let endpoint = start_stuck_destroy(
        script_releasing()
            .on("AllocateAddress", [full.clone(), full, allocated_address("eipalloc-2", "192.0.2.1")])
            .after("AllocateAddress")
            .on("DescribeAddresses", [addresses(&[("nat", "eipalloc-2", "192.0.2.1"), KEPT])]),
    );
    let done = endpoint.run("rollback", &["--yes"]);
    assert_eq!(done.code, 3, "{}", done.combined_output());
    assert!(done.stderr.contains("AddressLimitExceeded"), "{}", done.combined_output());
    endpoint.run("rollback", &["--yes"]).assert_success();
    assert!(endpoint.request_bodies("AllocateAddress").iter().all(|call| call["Address"] == "192.0.2.1"));
}

/// AWS accepts a tag but does not set it.
#[test]
fn reports_a_tag_that_aws_did_not_apply() {
    let endpoint = Script::new()
        .on("DescribeAddresses", [addresses(&[OLD])])
        .on("CreateTags", [xml("<CreateTagsResponse><return>true</return></CreateTagsResponse>")])
        .start("  elastic_ip: { nat: { tags: { team: web } } }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("did not apply the requested settings: tag team is unset, expected `web`"), "{}", done.combined_output());
}

/// AWS answers without the address where it is from a pool of one's own; dependents need it.
#[test]
fn reads_an_address_from_a_pool_of_ones_own() {
    let (status, body) = addresses(&[("nat", "eipalloc-1", "203.0.113.7")]);
    let endpoint = Script::new()
        .on("DescribeAddresses", [addresses(&[])])
        .on("AllocateAddress", [xml("<AllocateAddressResponse><allocationId>eipalloc-1</allocationId></AllocateAddressResponse>")])
        .after("AllocateAddress")
        .on("DescribeAddresses", [(status, body.replace("amazon", "ipv4pool-ec2-1"))])
        .start("  elastic_ip: { nat: { public_ipv4_pool: ipv4pool-ec2-1 } }\noutputs: { address: '{{ elastic_ip.nat.public_ip }}' }\n");
    let done = endpoint.apply();
    assert!(done.combined_output().contains("203.0.113.7"), "{}", done.combined_output());
}
