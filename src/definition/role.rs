//! The role that acme assumes for a stack.

use serde_json::{Map, Value};

use super::compiler::{Compiler, describe_type, scalar_text};

/// A role, in the account of the resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRole {
    /// Its ARN.
    pub arn: String,
    /// External id that its trust policy requires, if any.
    pub external_id: Option<String>,
}

/// Whether a text is the ARN of a role.
pub fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, "iam", "", account, resource] = parts[..] else { return false };
    arn == "arn"
        && partition.starts_with("aws")
        && crate::core::is_account_id(account)
        && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
}

/// Reads `role`: an ARN, or a map with an external id. An environment chooses its own by an expression.
pub(super) fn parse(c: &mut Compiler<'_>, document: &Map<String, Value>, account: Option<&str>) -> Option<StackRole> {
    let written = document.get("role")?;
    let role = match c.render(written, "/role") {
        Value::Null => return None,
        Value::Object(map) => {
            for key in map.keys().filter(|key| !matches!(key.as_str(), "arn" | "external_id")) {
                c.problem_at_key("role", &format!("/role/{key}"), format!("`role` has no field `{key}`"), "fields: arn, external_id");
            }
            let text = |key: &str| map.get(key).and_then(scalar_text);
            StackRole { arn: text("arn").unwrap_or_default(), external_id: text("external_id").filter(|id| !id.is_empty()) }
        }
        value => match scalar_text(&value) {
            Some(text) if text.is_empty() => return None,
            Some(arn) => StackRole { arn, external_id: None },
            None => {
                let message = format!("`role` must be an ARN or a map, not {}", describe_type(&value));
                c.problem("role", "/role", message, "write `role: arn:aws:iam::123456789012:role/deploy`");
                return None;
            }
        },
    };
    if !is_role_arn(&role.arn) {
        let message = format!("`{}` is not the ARN of a role", role.arn);
        c.problem("role", "/role", message, "write `role: arn:aws:iam::123456789012:role/deploy`");
        return None;
    }
    let of_role = role.arn.split(':').nth(4);
    if let Some(account) = account.filter(|account| of_role != Some(*account)) {
        let message = format!("the role is in account {}, but the stack is pinned to {account}", of_role.unwrap_or_default());
        c.problem("role", "/role", message, "name a role in the account of the stack, or change `account`");
    }
    Some(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{LoadOptions, Source, load};

    fn role(text: &str, environment: &str) -> Result<Option<StackRole>, String> {
        let options = LoadOptions { environment: environment.parse().ok(), ..LoadOptions::default() };
        let text = format!("stack: shop\nenvironments: {{ a: {{ number: \"111111111111\" }}, b: {{ number: \"222222222222\" }} }}\n{text}");
        load(&Source::new("stack.yaml", text), &options).map(|stack| stack.role).map_err(|problems| problems[0].message.clone())
    }

    #[test]
    fn each_environment_has_its_own_role() {
        let text = "role: \"arn:aws:iam::{{ number }}:role/deploy\"";
        for (environment, number) in [("a", "111111111111"), ("b", "222222222222")] {
            let arn = format!("arn:aws:iam::{number}:role/deploy");
            assert_eq!(role(text, environment), Ok(Some(StackRole { arn, external_id: None })));
        }
        let with_id = role("role: { arn: \"arn:aws:iam::{{ number }}:role/ci/deploy\", external_id: shop }", "a").unwrap().unwrap();
        assert_eq!(with_id.external_id.as_deref(), Some("shop"));
        assert_eq!(role("role: null", "a"), Ok(None));
    }

    #[test]
    fn refuses_what_is_not_a_role() {
        assert!(role("role: deploy", "a").unwrap_err().contains("not the ARN of a role"));
        assert!(role("role: [a]", "a").unwrap_err().contains("must be an ARN"));
        assert!(role("role: { arn: \"arn:aws:iam::111111111111:role/a\", id: x }", "a").unwrap_err().contains("no field `id`"));
        let pinned = "account: \"333333333333\"\nrole: arn:aws:iam::111111111111:role/a";
        assert!(role(pinned, "a").unwrap_err().contains("pinned to 333333333333"));
        assert!(!is_role_arn("arn:aws:iam::111111111111:user/a") && is_role_arn("arn:aws-cn:iam::111111111111:role/a/b"));
    }
}
