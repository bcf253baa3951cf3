//! Parameters of a call, for logs: read from the SDK's debug text, because its inputs have no other form.
//!
//! The SDK writes `*** Sensitive Data Redacted ***` for fields that AWS's models mark as sensitive; [`redacted`] hides what they miss. A text that
//! can't be read is left out, so that nothing is shown unchecked.

use std::{fmt::Debug, iter::Peekable, str::Chars};

use serde_json::{Map, Value};

use crate::core::trace::redacted;

/// Depth beyond which a text is not read.
const MAX_DEPTH: usize = 64;
/// Types whose content is no text.
const BINARY: [&str; 6] = ["Blob", "ByteStream", "SdkBody", "Bytes", "EventStreamSender", "BoxBody"];
/// Stands for binary content.
const BINARY_TEXT: &str = "<binary>";

/// The fields of an input that are set, without secrets; `null` if they can't be read.
pub(super) fn of_input(input: &impl Debug) -> Value {
    match parse(&format!("{input:?}")) {
        // An input without fields is written as the name of its type alone.
        Some(Value::String(_)) => Value::Object(Map::new()),
        Some(value) => redacted(&value),
        None => Value::Null,
    }
}

fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text.chars().peekable() };
    let value = parser.value(0)?;
    parser.skip_space();
    parser.rest.next().is_none().then_some(value)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    fn skip_space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
    }

    /// The next character that is no space or comma, if it is this one.
    fn takes(&mut self, expected: char) -> bool {
        self.skip_space();
        self.rest.next_if_eq(&expected).is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        match *self.rest.peek()? {
            '"' => self.string().map(Value::String),
            '[' => self.list(']', depth).map(Value::Array),
            '(' => self.list(')', depth).map(Value::Array),
            '{' => self.fields(depth).map(Value::Object),
            c if c == '-' || c.is_ascii_digit() => {
                let word = self.word();
                Some(serde_json::from_str(&word).unwrap_or(Value::String(word)))
            }
            c if c.is_alphabetic() || c == '_' => self.named(depth),
            _ => None,
        }
    }

    /// A structure, a variant, or a number in words (`NaN`).
    fn named(&mut self, depth: usize) -> Option<Value> {
        let name = self.word();
        match self.rest.peek().copied() {
            // The SDK keeps inputs in a box of any type: `Input(TypeErasedBox[!Clone]:CreateVpcInput { … })`.
            Some('[') if name == "TypeErasedBox" => {
                while self.rest.next_if(|c| *c != ':').is_some() {}
                self.rest.next();
                self.value(depth + 1)
            }
            Some('"') if name == "b" => self.string().map(|_| BINARY_TEXT.into()),
            Some('(') => {
                let mut items = self.list(')', depth)?;
                Some(match items.len() {
                    _ if BINARY.contains(&name.as_str()) => BINARY_TEXT.into(),
                    1 => items.remove(0),
                    _ => Value::Array(items),
                })
            }
            Some(' ') if self.has_fields() => {
                self.skip_space();
                let fields = self.fields(depth)?;
                Some(if BINARY.contains(&name.as_str()) { BINARY_TEXT.into() } else { Value::Object(fields) })
            }
            _ => Some(match name.as_str() {
                "None" => Value::Null,
                "true" => true.into(),
                "false" => false.into(),
                _ => name.into(),
            }),
        }
    }

    /// Whether a space and a brace follow.
    fn has_fields(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next();
        ahead.peek() == Some(&'{')
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || "_:.+-#".contains(*c)) {
            word.push(c);
            // A map's keys may be words, followed by a colon.
            if c == ':' && self.rest.peek() != Some(&':') && !word.ends_with("::") {
                word.pop();
                break;
            }
        }
        word
    }

    fn list(&mut self, end: char, depth: usize) -> Option<Vec<Value>> {
        self.rest.next();
        let mut items = Vec::new();
        while !self.takes(end) {
            items.push(self.value(depth + 1)?);
        }
        Some(items)
    }

    /// Fields of a structure or entries of a map, without those that are not set.
    fn fields(&mut self, depth: usize) -> Option<Map<String, Value>> {
        self.rest.next();
        let mut fields = Map::new();
        while !self.takes('}') {
            let key = match self.rest.peek()? {
                '"' => self.string()?,
                '.' => {
                    // `..` stands for fields that are not shown.
                    self.rest.next();
                    self.rest.next();
                    continue;
                }
                _ => self.word(),
            };
            self.takes(':');
            if key.is_empty() {
                return None;
            }
            match self.value(depth + 1)? {
                Value::Null => {}
                value => drop(fields.insert(key, value)),
            }
        }
        Some(fields)
    }

    fn string(&mut self) -> Option<String> {
        self.rest.next();
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '"' => return Some(text),
                '\\' => match self.rest.next()? {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    '0' => text.push('\0'),
                    'x' => {
                        // Only bytes are written so.
                        self.rest.next();
                        self.rest.next();
                    }
                    'u' => {
                        self.rest.next();
                        let code: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
                        self.rest.next();
                        text.push(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)?);
                    }
                    c => text.push(c),
                },
                c => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_elasticache::operation::create_replication_group::CreateReplicationGroupInput;
    use aws_sdk_rds::operation::create_db_instance::CreateDbInstanceInput;
    use aws_sdk_s3::{operation::put_object::PutObjectInput, primitives::ByteStream};
    use aws_sdk_secretsmanager::operation::create_secret::CreateSecretInput;
    use aws_smithy_runtime_api::client::interceptors::context::Input;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_fields_that_are_set() {
        let input = aws_sdk_ec2::operation::create_vpc::CreateVpcInput::builder()
            .cidr_block("10.0.0.0/16")
            .instance_tenancy(aws_sdk_ec2::types::Tenancy::Default)
            .dry_run(false)
            .tag_specifications(
                aws_sdk_ec2::types::TagSpecification::builder()
                    .resource_type(aws_sdk_ec2::types::ResourceType::Vpc)
                    .tags(aws_sdk_ec2::types::Tag::builder().key("Name").value("a \"shop\"\n\u{1}é").build())
                    .build(),
            )
            .build()
            .expect("complete");
        let expected = json!({
            "cidr_block": "10.0.0.0/16", "instance_tenancy": "Default", "dry_run": false,
            "tag_specifications": [{ "resource_type": "Vpc", "tags": [{ "key": "Name", "value": "a \"shop\"\n\u{1}é" }] }],
        });
        assert_eq!(of_input(&Input::erase(input)), expected);
    }

    #[test]
    fn an_input_without_fields_has_no_parameters() {
        let input = aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityInput::builder().build().expect("complete");
        assert_eq!(of_input(&Input::erase(input)), json!({}));
    }

    #[test]
    fn shows_no_secret_of_an_input() {
        let rds = CreateDbInstanceInput::builder().db_instance_identifier("orders").master_user_password("tiger").build();
        let cache = CreateReplicationGroupInput::builder().replication_group_id("sessions").auth_token("tiger").build();
        let secret = CreateSecretInput::builder().name("key").secret_string("tiger").build();
        let object = PutObjectInput::builder().bucket("acme").key("a").body(ByteStream::from_static(b"tiger")).build();
        let shown = [
            of_input(&Input::erase(rds.expect("complete"))),
            of_input(&Input::erase(cache.expect("complete"))),
            of_input(&Input::erase(secret.expect("complete"))),
            of_input(&Input::erase(object.expect("complete"))),
        ];
        for (shown, kept) in shown.iter().zip(["orders", "sessions", "key", "acme"]) {
            let text = shown.to_string();
            assert!(text.contains(kept) && !text.contains("tiger"), "{text}");
        }
        assert_eq!(shown[3]["body"], BINARY_TEXT);
    }

    #[test]
    fn reads_what_rust_writes() {
        let map: HashMap<&str, Option<i32>> = [("a", Some(-1))].into();
        assert_eq!(of_input(&map), json!({ "a": -1 }));
        assert_eq!(of_input(&(1.5, "x", [true, false], ())), json!([1.5, "x", [true, false], []]));
        for text in ["", "[", "\"", "{a: }", "A { b: ]", "a)"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(1000)), None);
    }
}
