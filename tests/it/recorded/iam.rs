//! IAM, whose reads lag behind its writes.

use crate::script::{Answer, Script, xml, xml_marks};

const ARN: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1";
const PROVIDER: &str = "  oidc_provider: { main: { url: https://oidc.example.com/id/1, client_ids: [sts.amazonaws.com, new] } }\n";

fn answer(action: &str, result: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
}

fn provider(clients: &[&str]) -> Answer {
    let clients: String = clients.iter().map(|client| format!("<member>{client}</member>")).collect();
    let tags = xml_marks("oidc_provider.main", "member", "Key", "Value");
    let thumbprints = "<ThumbprintList><member>9E99A48A9960B14926BB7F3B02E22DA2B0AB7280</member></ThumbprintList>";
    let rest = format!("<Url>oidc.example.com/id/1</Url><ClientIDList>{clients}</ClientIDList>{thumbprints}<Tags>{tags}</Tags>");
    answer("GetOpenIDConnectProvider", &rest)
}

#[test]
fn the_audiences_of_a_provider_change_one_by_one() {
    let (add, remove) = ("AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider");
    let list = format!("<OpenIDConnectProviderList><member><Arn>{ARN}</Arn></member></OpenIDConnectProviderList>");
    let old = || provider(&["sts.amazonaws.com", "old"]);
    let stage = Script::new()
        .on("ListOpenIDConnectProviders", [answer("ListOpenIDConnectProviders", &list)])
        .on("GetOpenIDConnectProvider", [old()])
        .on(add, [answer(add, "")])
        .on(remove, [answer(remove, "")])
        .after(remove)
        .on("GetOpenIDConnectProvider", [old(), old(), provider(&["new", "sts.amazonaws.com"])])
        .play(PROVIDER);
    stage.apply();
    assert_eq!(stage.writes(), [add, remove].map(|action| format!("200 {action}")));
    assert_eq!((&stage.sent(add)[0]["ClientID"], &stage.sent(remove)[0]["ClientID"]), (&"new".into(), &"old".into()));
}
