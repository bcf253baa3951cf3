//! Transit gateways: states that pass, deleted ones that stay visible, and attachments that leave one route table for another.

use crate::scripted_endpoint::{Answer, Script, ec2_error, xml, xml_ownership_tags};

fn tags(address: &str) -> String {
    let name = address.split('.').next_back().unwrap_or_default();
    xml_ownership_tags(address, "item", "key", "value") + &format!("<item><key>Name</key><value>shop-{name}</value></item>")
}

/// A list of EC2.
fn list(action: &str, set: &str, items: &[String]) -> Answer {
    let items: String = items.iter().map(|item| format!("<item>{item}</item>")).collect();
    xml(format!("<{action}Response><{set}>{items}</{set}></{action}Response>"))
}

fn success(action: &str) -> Answer {
    xml(format!("<{action}Response/>"))
}

fn gateway(id: &str, state: &str, options: &str) -> String {
    format!(
        "<transitGatewayId>{id}</transitGatewayId><transitGatewayArn>arn:aws:ec2:us-east-1:123456789012:transit-gateway/{id}</transitGatewayArn>\
         <state>{state}</state><ownerId>123456789012</ownerId><options><amazonSideAsn>64512</amazonSideAsn>\
         <autoAcceptSharedAttachments>disable</autoAcceptSharedAttachments><defaultRouteTableAssociation>enable</defaultRouteTableAssociation>\
         <associationDefaultRouteTableId>tgw-rtb-default</associationDefaultRouteTableId>\
         <defaultRouteTablePropagation>enable</defaultRouteTablePropagation><vpnEcmpSupport>enable</vpnEcmpSupport>\
         <dnsSupport>enable</dnsSupport><securityGroupReferencingSupport>disable</securityGroupReferencingSupport>\
         <multicastSupport>disable</multicastSupport>{options}</options><tagSet>{}</tagSet>",
        tags("transit_gateway.hub")
    )
}

const GATEWAYS: &str = "DescribeTransitGateways";

fn gateways(items: &[String]) -> Answer {
    list(GATEWAYS, "transitGatewaySet", items)
}

#[test]
fn waits_for_a_gateway_and_ignores_a_deleted_one() {
    let (create, deleted) = ("CreateTransitGateway", gateway("tgw-0", "deleted", ""));
    let shown = |state| gateways(&[deleted.clone(), gateway("tgw-1", state, "")]);
    let endpoint = Script::new()
        .on(GATEWAYS, [gateways(std::slice::from_ref(&deleted))])
        .on(
            create,
            [xml(format!("<{create}Response><transitGateway>{}</transitGateway></{create}Response>", gateway("tgw-1", "pending", "")))],
        )
        .after(create)
        .on(GATEWAYS, [shown("pending"), shown("available")])
        .start("  transit_gateway: { hub: {} }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {create}")]);
    assert!(endpoint.call_count(GATEWAYS) >= 3, "it is read until it is available");
}

#[test]
fn adds_and_removes_ranges_of_a_gateway_in_one_call() {
    let ranges = |ranges: &[&str]| {
        let items: String = ranges.iter().map(|range| format!("<item>{range}</item>")).collect();
        gateways(&[gateway("tgw-1", "available", &format!("<transitGatewayCidrBlocks>{items}</transitGatewayCidrBlocks>"))])
    };
    let modify = "ModifyTransitGateway";
    let endpoint = Script::new()
        .on(GATEWAYS, [ranges(&["10.9.0.0/24"])])
        .on(modify, [success(modify)])
        .after(modify)
        .on(GATEWAYS, [ranges(&["10.8.0.0/24"])])
        .start("  transit_gateway: { hub: { cidrs: [10.8.0.0/24] } }\n");
    endpoint.apply();
    let body = &endpoint.request_bodies(modify)[0];
    assert_eq!(body["Options.AddTransitGatewayCidrBlocks.1"], "10.8.0.0/24");
    assert_eq!(body["Options.RemoveTransitGatewayCidrBlocks.1"], "10.9.0.0/24");
}

#[test]
fn names_the_attachments_that_keep_a_gateway() {
    let (delete, others) = ("DeleteTransitGateway", "DescribeTransitGatewayAttachments");
    let attachment = |state: &str, id: &str| {
        format!("<transitGatewayAttachmentId>{id}</transitGatewayAttachmentId><resourceId>vpc-9</resourceId><state>{state}</state>")
    };
    let used = ec2_error(400, "IncorrectState", "tgw-1 has non-deleted VPC Attachments: tgw-attach-9.");
    let endpoint = Script::new()
        .on(GATEWAYS, [gateways(&[gateway("tgw-1", "available", "")])])
        .on(
            others,
            [list(others, "transitGatewayAttachments", &[attachment("deleted", "tgw-attach-8"), attachment("available", "tgw-attach-9")])],
        )
        .on(delete, [used, success(delete)])
        .after(delete)
        .on(GATEWAYS, [gateways(&[gateway("tgw-1", "deleting", "")]), gateways(&[gateway("tgw-1", "deleted", "")])])
        .start("  transit_gateway: { hub: {} }\n");
    let done = endpoint.run("destroy", &["--yes"]).assert_success();
    assert!(done.combined_output().contains("attachment tgw-attach-9 (vpc-9)"), "{}", done.combined_output());
    assert!(!done.combined_output().contains("tgw-attach-8"), "{}", done.combined_output());
}

const ATTACHMENTS: &str = "DescribeTransitGatewayVpcAttachments";

fn attachment(state: &str, subnets: &[&str]) -> Answer {
    let subnets: String = subnets.iter().map(|subnet| format!("<item>{subnet}</item>")).collect();
    let item = format!(
        "<transitGatewayAttachmentId>tgw-attach-1</transitGatewayAttachmentId><transitGatewayId>tgw-1</transitGatewayId><vpcId>vpc-1</vpcId>\
         <vpcOwnerId>123456789012</vpcOwnerId><state>{state}</state><subnetIds>{subnets}</subnetIds>\
         <options><dnsSupport>enable</dnsSupport><ipv6Support>disable</ipv6Support><applianceModeSupport>disable</applianceModeSupport>\
         <securityGroupReferencingSupport>enable</securityGroupReferencingSupport></options><tagSet>{}</tagSet>",
        tags("transit_gateway_attachment.main")
    );
    list(ATTACHMENTS, "transitGatewayVpcAttachments", &[item])
}

const ATTACH: &str = "CreateTransitGatewayVpcAttachment";

fn attached() -> Answer {
    let id = "<transitGatewayAttachmentId>tgw-attach-1</transitGatewayAttachmentId>";
    xml(format!("<{ATTACH}Response><transitGatewayVpcAttachment>{id}</transitGatewayVpcAttachment></{ATTACH}Response>"))
}

const ATTACHED: &str =
    "  transit_gateway_attachment: { main: { transit_gateway: { id: tgw-1 }, vpc: { id: vpc-1 }, subnets: [{ id: subnet-1 }] } }\n";

/// The gateway belongs to another account, which shares it.
#[test]
fn says_who_accepts_an_attachment() {
    let endpoint = Script::new()
        .on(ATTACH, [attached()])
        .after(ATTACH)
        .on(ATTACHMENTS, [attachment("initiatingRequest", &["subnet-1"]), attachment("pendingAcceptance", &["subnet-1"])])
        .start(&ATTACHED.replace("] }", "], timeouts: { create: 1s } }"));
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(done.code, 4, "{}", done.combined_output());
    let told = "accept the attachment tgw-attach-1 in the account of the transit gateway tgw-1";
    assert!(done.stderr.contains(told), "{}", done.combined_output());
}

#[test]
fn waits_until_an_attachment_is_available_and_modified() {
    let (modify, states) = ("ModifyTransitGatewayVpcAttachment", ["initiating", "pending", "available"]);
    let endpoint = Script::new()
        .on(ATTACH, [attached()])
        .after(ATTACH)
        .on(ATTACHMENTS, states.map(|state| attachment(state, &["subnet-1"])))
        .on(modify, [success(modify)])
        .after(modify)
        .on(ATTACHMENTS, [attachment("modifying", &["subnet-2"]), attachment("available", &["subnet-2"])])
        .start(ATTACHED);
    endpoint.apply();
    endpoint.redefine(&ATTACHED.replace("subnet-1", "subnet-2"));
    endpoint.apply();
    let body = &endpoint.request_bodies(modify)[0];
    assert_eq!((&body["AddSubnetIds.1"], &body["RemoveSubnetIds.1"]), (&"subnet-2".into(), &"subnet-1".into()));
}

const TABLES: &str = "DescribeTransitGatewayRouteTables";
const ASSOCIATIONS: &str = "GetTransitGatewayRouteTableAssociations";
const PROPAGATIONS: &str = "GetTransitGatewayRouteTablePropagations";
const ROUTES: &str = "SearchTransitGatewayRoutes";
const CURRENT: &str = "DescribeTransitGatewayAttachments";
const ASSOCIATE: &str = "AssociateTransitGatewayRouteTable";
const DISASSOCIATE: &str = "DisassociateTransitGatewayRouteTable";
const ROUTE: &str = "CreateTransitGatewayRoute";

fn table(state: &str) -> Answer {
    let tags = tags("transit_gateway_route_table.main");
    let item = |id: &str, state: &str| {
        format!(
            "<transitGatewayRouteTableId>{id}</transitGatewayRouteTableId><transitGatewayId>tgw-1</transitGatewayId><state>{state}</state>\
             <tagSet>{tags}</tagSet>"
        )
    };
    list(TABLES, "transitGatewayRouteTables", &[item("tgw-rtb-0", "deleted"), item("tgw-rtb-1", state)])
}

fn association(state: &str) -> Answer {
    let item = format!("<transitGatewayAttachmentId>tgw-attach-1</transitGatewayAttachmentId><state>{state}</state>");
    list(ASSOCIATIONS, "associations", &[item])
}

/// The attachment and the table that it follows.
fn follows(table: &str, state: &str) -> Answer {
    let item = format!(
        "<transitGatewayAttachmentId>tgw-attach-1</transitGatewayAttachmentId><association>\
         <transitGatewayRouteTableId>{table}</transitGatewayRouteTableId><state>{state}</state></association>"
    );
    list(CURRENT, "transitGatewayAttachments", &[item])
}

fn static_route(destination: &str, more: &str) -> String {
    format!("<item><destinationCidrBlock>{destination}</destinationCidrBlock><type>static</type>{more}</item>")
}

fn routes(items: &[String], more: &str) -> Answer {
    xml(format!("<{ROUTES}Response><routeSet>{}</routeSet>{more}</{ROUTES}Response>", items.concat()))
}

const TO_ATTACHMENT: &str = "<state>active</state><transitGatewayAttachments><item>\
                             <transitGatewayAttachmentId>tgw-attach-1</transitGatewayAttachmentId></item></transitGatewayAttachments>";
const BLACKHOLE: &str = "<state>blackhole</state>";

fn definition(more: &str) -> String {
    format!("  transit_gateway_route_table: {{ main: {{ transit_gateway: {{ id: tgw-1 }}{more} }} }}\n")
}

const ASSOCIATED: &str = ", associations: [{ id: tgw-attach-1 }]";

/// AWS associates an attachment with a table only after it has left another.
#[test]
fn moves_an_attachment_from_the_default_table() {
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(CURRENT, [follows("tgw-rtb-default", "associated")])
        .on(DISASSOCIATE, [success(DISASSOCIATE)])
        .after(DISASSOCIATE)
        .on(CURRENT, [follows("tgw-rtb-default", "disassociating"), list(CURRENT, "transitGatewayAttachments", &[])])
        .on(ASSOCIATE, [success(ASSOCIATE)])
        .after(ASSOCIATE)
        .on(ASSOCIATIONS, [association("associating"), association("associated")])
        .start(&definition(ASSOCIATED));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {DISASSOCIATE}"), format!("200 {ASSOCIATE}")]);
    assert_eq!(endpoint.request_bodies(DISASSOCIATE)[0]["TransitGatewayRouteTableId"], "tgw-rtb-default");
    assert_eq!(endpoint.request_bodies(ASSOCIATE)[0]["TransitGatewayRouteTableId"], "tgw-rtb-1");
}

#[test]
fn deletes_a_table_after_its_associations_have_ended() {
    let delete = "DeleteTransitGatewayRouteTable";
    let busy = ec2_error(400, "IncorrectState", "tgw-rtb-1 has associations in the state disassociating.");
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(ASSOCIATIONS, [association("associated")])
        .on(DISASSOCIATE, [success(DISASSOCIATE)])
        .after(DISASSOCIATE)
        .on(ASSOCIATIONS, [association("disassociating")])
        .on(delete, [busy, success(delete)])
        .after(delete)
        .on(TABLES, [table("deleting"), table("deleted")])
        .start(&definition(ASSOCIATED));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("200 {DISASSOCIATE}"), format!("400 {delete}"), format!("200 {delete}")]);
}

#[test]
fn reads_all_pages_of_static_routes() {
    let page = routes(
        &[static_route("10.0.0.0/8", TO_ATTACHMENT)],
        "<nextToken>more</nextToken><additionalRoutesAvailable>true</additionalRoutesAvailable>",
    );
    let listed = "<prefixListId>pl-1</prefixListId><state>active</state>";
    let last = routes(&[static_route("192.0.2.0/24", BLACKHOLE), static_route("198.51.100.0/24", listed)], "");
    let endpoint = Script::new().on(TABLES, [table("available")]).on(ROUTES, [page]).on_containing(ROUTES, "NextToken=more", [last]).start(
        &definition(
            ", routes: [{ destination: 10.0.0.0/8, attachment: { id: tgw-attach-1 } }, { destination: 192.0.2.0/24, blackhole: true }]",
        ),
    );
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

#[test]
fn does_not_guess_routes_that_aws_leaves_out() {
    let partial = "<additionalRoutesAvailable>true</additionalRoutesAvailable>";
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(ROUTES, [routes(&[static_route("10.0.0.0/8", BLACKHOLE)], partial)])
        .start(&definition(""));
    let done = endpoint.run("plan", &[]);
    assert!(done.code != 0 && done.stderr.contains("beyond the first thousand"), "{}", done.combined_output());
}

#[test]
fn replaces_a_route_in_place_and_removes_others() {
    let (replace, delete) = ("ReplaceTransitGatewayRoute", "DeleteTransitGatewayRoute");
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(ROUTES, [routes(&[static_route("10.0.0.0/8", BLACKHOLE), static_route("192.0.2.0/24", BLACKHOLE)], "")])
        .on(replace, [success(replace)])
        .on(delete, [success(delete)])
        .after(delete)
        .on(ROUTES, [routes(&[static_route("10.0.0.0/8", TO_ATTACHMENT)], "")])
        .start(&definition(", routes: [{ destination: 10.0.0.0/8, attachment: { id: tgw-attach-1 } }]"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {replace}"), format!("200 {delete}")]);
    assert_eq!(endpoint.request_bodies(replace)[0]["TransitGatewayAttachmentId"], "tgw-attach-1");
}

/// A retry finds the route of the first attempt, whose second call failed.
#[test]
fn accepts_a_route_of_an_earlier_attempt() {
    let exists = ec2_error(400, "RouteAlreadyExists", "Route for 10.0.0.0/8 in table tgw-rtb-1 already exists.");
    let found = routes(&[static_route("10.0.0.0/8", BLACKHOLE)], "");
    let wanted = definition(", routes: [{ destination: 10.0.0.0/8, blackhole: true }]");
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(ROUTES, [routes(&[], ""), found.clone()])
        .on(ROUTE, [exists.clone()])
        .start(&wanted);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("400 {ROUTE}")]);
    let other = routes(&[static_route("10.0.0.0/8", TO_ATTACHMENT)], "");
    let endpoint = Script::new().on(TABLES, [table("available")]).on(ROUTES, [routes(&[], ""), other]).on(ROUTE, [exists]).start(&wanted);
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.stderr.contains("RouteAlreadyExists"), "{}", done.combined_output());
}

#[test]
fn routes_lead_to_the_ranges_of_prefix_lists() {
    let (references, create) = ("GetTransitGatewayPrefixListReferences", "CreateTransitGatewayPrefixListReference");
    let reference = "<prefixListId>pl-0123</prefixListId><state>available</state><blackhole>true</blackhole>".to_owned();
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(create, [success(create)])
        .after(create)
        .on(references, [list(references, "transitGatewayPrefixListReferenceSet", &[reference])])
        .start(&definition(""));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine(&definition(", prefix_lists: [{ prefix_list: pl-0123, blackhole: true }]"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {create}")]);
    assert_eq!(endpoint.request_bodies(create)[0]["Blackhole"], "true");
}

#[test]
fn propagations_are_enabled_and_disabled() {
    let (enable, disable) = ("EnableTransitGatewayRouteTablePropagation", "DisableTransitGatewayRouteTablePropagation");
    let propagation =
        |id: &str, state: &str| format!("<transitGatewayAttachmentId>{id}</transitGatewayAttachmentId><state>{state}</state>");
    let shown = |items: &[String]| list(PROPAGATIONS, "transitGatewayRouteTablePropagations", items);
    let endpoint = Script::new()
        .on(TABLES, [table("available")])
        .on(PROPAGATIONS, [shown(&[propagation("tgw-attach-2", "enabled")])])
        .on(enable, [success(enable)])
        .on(disable, [success(disable)])
        .after(disable)
        .on(
            PROPAGATIONS,
            [
                shown(&[propagation("tgw-attach-1", "enabling"), propagation("tgw-attach-2", "disabling")]),
                shown(&[propagation("tgw-attach-1", "enabled")]),
            ],
        )
        .start(&definition(", propagations: [{ id: tgw-attach-1 }]"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {enable}"), format!("200 {disable}")]);
}

#[test]
fn refuses_routes_without_one_target() {
    let endpoint = Script::new().start(&definition(", routes: [{ destination: 10.0.0.0/8 }]"));
    let refused = |message: &str| {
        let done = endpoint.run("plan", &[]);
        assert!(done.code != 0 && done.stderr.contains(message), "{}", done.combined_output());
    };
    refused("the route to 10.0.0.0/8 needs one target");
    endpoint.redefine(&definition(
        ", routes: [{ destination: 10.0.0.0/8, blackhole: true }, { destination: 10.0.0.0/8, attachment: { id: tgw-attach-1 } }]",
    ));
    refused("there are two routes to 10.0.0.0/8");
    endpoint.redefine("  transit_gateway: { hub: { asn: 65535 } }\n");
    refused("65535 is not the number of a private autonomous system");
    endpoint.redefine("  transit_gateway: { hub: { cidrs: [10.0.0.0/28] } }\n");
    refused("the range 10.0.0.0/28 is smaller than /24");
}
