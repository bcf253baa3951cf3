//! IAM, whose reads lag behind its writes.

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const ARN: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1";
const PROVIDER: &str = "  oidc_provider: { main: { url: https://oidc.example.com/id/1, client_ids: [sts.amazonaws.com, new] } }\n";

fn answer(action: &str, result: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
}

fn provider(clients: &[&str]) -> Answer {
    let clients: String = clients.iter().map(|client| format!("<member>{client}</member>")).collect();
    let tags = xml_ownership_tags("oidc_provider.main", "member", "Key", "Value");
    let thumbprints = "<ThumbprintList><member>9E99A48A9960B14926BB7F3B02E22DA2B0AB7280</member></ThumbprintList>";
    let rest = format!("<Url>oidc.example.com/id/1</Url><ClientIDList>{clients}</ClientIDList>{thumbprints}<Tags>{tags}</Tags>");
    answer("GetOpenIDConnectProvider", &rest)
}

#[test]
fn changes_provider_audiences_one_by_one() {
    let (add, remove) = ("AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider");
    let list = format!("<OpenIDConnectProviderList><member><Arn>{ARN}</Arn></member></OpenIDConnectProviderList>");
    let old = || provider(&["sts.amazonaws.com", "old"]);
    let endpoint = Script::new()
        .on("ListOpenIDConnectProviders", [answer("ListOpenIDConnectProviders", &list)])
        .on("GetOpenIDConnectProvider", [old()])
        .on(add, [answer(add, "")])
        .on(remove, [answer(remove, "")])
        .after(remove)
        .on("GetOpenIDConnectProvider", [old(), old(), provider(&["new", "sts.amazonaws.com"])])
        .start(PROVIDER);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [add, remove].map(|action| format!("200 {action}")));
    assert_eq!(
        (&endpoint.request_bodies(add)[0]["ClientID"], &endpoint.request_bodies(remove)[0]["ClientID"]),
        (&"new".into(), &"old".into())
    );
}

/// Restricted permissions may not allow the bulk read of roles.
#[test]
fn reads_roles_one_by_one_when_the_bulk_read_is_denied() {
    let bulk = "GetAccountAuthorizationDetails";
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let role = |name: &str, tags: &str| {
        format!(
            "<RoleName>shop-{name}</RoleName><RoleId>A{name}</RoleId><Path>/acme/shop/default/</Path><CreateDate>2026-11-21T16:00:00Z\
             </CreateDate><Arn>arn:aws:iam::123456789012:role/acme/shop/default/shop-{name}</Arn>\
             <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument>{tags}"
        )
    };
    let listed: String = ["a", "b"].iter().map(|name| format!("<member>{}</member>", role(name, ""))).collect();
    let one = |name: &str| {
        let tags = format!("<Tags>{}</Tags>", xml_ownership_tags(&format!("iam_role.{name}"), "member", "Key", "Value"));
        answer("GetRole", &format!("<Role>{}</Role>", role(name, &tags)))
    };
    let endpoint = Script::new()
        .on("ListRoles", [answer("ListRoles", &format!("<Roles>{listed}</Roles><IsTruncated>false</IsTruncated>"))])
        .on(bulk, [xml_error(403, "AccessDenied", "User is not authorized to perform: iam:GetAccountAuthorizationDetails")])
        .on_containing("GetRole", "RoleName=shop-a", [one("a")])
        .on_containing("GetRole", "RoleName=shop-b", [one("b")])
        .start("  {}\n");
    assert_eq!(endpoint.planned_changes(), ["delete iam_role.a", "delete iam_role.b"]);
    assert_eq!(endpoint.call_count(bulk), 1);
}

/// The definition names a policy of AWS; its ARN depends on the partition.
#[test]
fn attaches_managed_policies_of_the_partition() {
    let policy = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess";
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let tags = xml_ownership_tags("iam_role.app", "member", "Key", "Value");
    let region = "<member><Key>acme:region</Key><Value>cn-north-1</Value></member>";
    let role = format!(
        "<RoleName>shop-app</RoleName><RoleId>A1</RoleId><Path>/acme/shop/default/</Path><CreateDate>2026-11-21T16:00:00Z</CreateDate>\
         <Arn>arn:aws-cn:iam::123456789012:role/acme/shop/default/shop-app</Arn><AssumeRolePolicyDocument>{trust}\
         </AssumeRolePolicyDocument><Tags>{tags}{region}</Tags>"
    );
    let attached = format!("<AttachedPolicies><member><PolicyArn>{policy}</PolicyArn></member></AttachedPolicies>");
    let endpoint = Script::new()
        .region("cn-north-1")
        .on("CreateRole", [answer("CreateRole", &format!("<Role>{role}</Role>"))])
        .on("AttachRolePolicy", [answer("AttachRolePolicy", "")])
        .after("CreateRole")
        .on("ListRoles", [answer("ListRoles", &format!("<Roles><member>{role}</member></Roles><IsTruncated>false</IsTruncated>"))])
        .on("GetRole", [answer("GetRole", &format!("<Role>{role}</Role>"))])
        .after("AttachRolePolicy")
        .on("ListAttachedRolePolicies", [answer("ListAttachedRolePolicies", &attached)])
        .start("  iam_role: { app: { trust: { Version: 2012-10-17, Statement: [] }, policies: [ReadOnlyAccess] } }\n");
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("GetPolicy")[0]["PolicyArn"], policy);
    assert_eq!(endpoint.request_bodies("AttachRolePolicy")[0]["PolicyArn"], policy);
}

/// An adopted role keeps its path. The tagging API does not show roles, and without a record nothing names it.
#[test]
fn finds_adopted_roles_outside_the_path_without_a_record() {
    let bulk = "GetAccountAuthorizationDetails";
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let role = |name: &str| {
        format!(
            "<RoleName>{name}</RoleName><RoleId>A{name}</RoleId><Path>/ci/</Path><CreateDate>2026-11-21T16:00:00Z</CreateDate>\
             <Arn>arn:aws:iam::123456789012:role/ci/{name}</Arn><AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument>"
        )
    };
    let tags = |address: &str| format!("<Tags>{}</Tags>", xml_ownership_tags(address, "member", "Key", "Value"));
    let details: String = [("deployer", tags("iam_role.old")), ("others", String::new()), ("named", tags("iam_role.named"))]
        .map(|(name, tags)| format!("<member>{}{tags}</member>", role(name)))
        .concat();
    let all = answer(bulk, &format!("<RoleDetailList>{details}</RoleDetailList><IsTruncated>false</IsTruncated>"));
    let one = |name: &str, address: &str| answer("GetRole", &format!("<Role>{}{}</Role>", role(name), tags(address)));
    let none = || answer("ListRoles", "<Roles/><IsTruncated>false</IsTruncated>");
    let script = || {
        Script::new()
            .with_tagged_resources(&[("arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1", "vpc.main")])
            .on("ListRoles", [none()])
            .on_containing("GetRole", "RoleName=deployer", [one("deployer", "iam_role.old")])
            .on_containing("GetRole", "RoleName=named", [one("named", "iam_role.named")])
    };
    let named = "  iam_role: { named: { name: named, trust: { Version: 2012-10-17, Statement: [] } } }\n";
    let endpoint = script().on(bulk, [all]).start(named);
    assert_eq!(endpoint.planned_changes(), ["delete iam_role.old"]);
    // The bulk read shows the names, too.
    assert_eq!(endpoint.call_count("ListRoles"), 1);

    // Without permission for it, only roles that the definition names are looked for.
    let denied = xml_error(403, "AccessDenied", "User is not authorized to perform: iam:GetAccountAuthorizationDetails");
    let listed = answer("ListRoles", &format!("<Roles><member>{}</member></Roles><IsTruncated>false</IsTruncated>", role("named")));
    let endpoint = script().on("ListRoles", [listed]).on_containing("ListRoles", "PathPrefix", [none()]).on(bulk, [denied]).start(named);
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

/// The tagging API shows policies and instance profiles.
#[test]
fn finds_adopted_policies_and_profiles_outside_the_path_by_their_tags() {
    let arn = |kind: &str| format!("arn:aws:iam::123456789012:{kind}/ci/old");
    let tags = |address: &str| format!("<Tags>{}</Tags>", xml_ownership_tags(address, "member", "Key", "Value"));
    let policy = format!(
        "<Policy><PolicyName>old</PolicyName><PolicyId>ANPA1</PolicyId><Arn>{}</Arn><Path>/ci/</Path><DefaultVersionId>v1\
         </DefaultVersionId>{}</Policy>",
        arn("policy"),
        tags("iam_policy.old")
    );
    let document = "<PolicyVersion><Document>%7B%22Statement%22%3A%5B%5D%7D</Document><VersionId>v1</VersionId></PolicyVersion>";
    let profile = format!(
        "<InstanceProfile><Path>/ci/</Path><InstanceProfileName>old</InstanceProfileName><InstanceProfileId>AIPA1</InstanceProfileId>\
         <Arn>{}</Arn><CreateDate>2026-11-21T16:00:00Z</CreateDate><Roles/>{}</InstanceProfile>",
        arn("instance-profile"),
        tags("instance_profile.old")
    );
    let endpoint = Script::new()
        .with_tagged_resources(&[(&arn("policy"), "iam_policy.old"), (&arn("instance-profile"), "instance_profile.old")])
        .on("GetPolicy", [answer("GetPolicy", &policy)])
        .on("GetPolicyVersion", [answer("GetPolicyVersion", document)])
        .on("GetInstanceProfile", [answer("GetInstanceProfile", &profile)])
        .start("  {}\n");
    assert_eq!(endpoint.planned_changes(), ["delete iam_policy.old", "delete instance_profile.old"]);
}
