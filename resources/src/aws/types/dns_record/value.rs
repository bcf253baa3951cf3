//! Record types, and the forms of their values.

use std::net::{Ipv4Addr, Ipv6Addr};

use acme_macros::spec;

use crate::core::DnsName;

/// Record type.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum RecordType {
    A,
    Aaaa,
    Caa,
    Cname,
    Ds,
    Https,
    Mx,
    Naptr,
    Ns,
    Ptr,
    Spf,
    Srv,
    Sshfp,
    Svcb,
    Tlsa,
    Txt,
}

impl RecordType {
    /// Whether a value has the form of the type.
    ///
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>.
    pub(super) fn accepts(self, value: &str) -> bool {
        let words: Vec<&str> = value.split_whitespace().collect();
        let numbers = |count: usize, max: u32| words.iter().take(count).all(|word| word.parse::<u32>().is_ok_and(|number| number <= max));
        let is_hex = |from: usize| words.iter().skip(from).all(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let (byte, short) = (u8::MAX.into(), u16::MAX.into());
        match self {
            RecordType::A => value.parse::<Ipv4Addr>().is_ok(),
            RecordType::Aaaa => value.parse::<Ipv6Addr>().is_ok(),
            RecordType::Caa => words.len() >= 3 && numbers(1, byte) && value.splitn(3, char::is_whitespace).nth(2).is_some_and(is_quoted),
            RecordType::Cname | RecordType::Ns | RecordType::Ptr => words.len() == 1,
            RecordType::Mx => words.len() == 2 && numbers(1, short),
            RecordType::Srv => words.len() == 4 && numbers(3, short),
            RecordType::Https | RecordType::Svcb => words.len() >= 2 && numbers(1, short),
            RecordType::Sshfp => words.len() >= 3 && numbers(2, byte) && is_hex(2),
            RecordType::Ds => words.len() >= 4 && numbers(1, short) && is_hex(3),
            RecordType::Tlsa => words.len() >= 4 && numbers(3, byte) && is_hex(3),
            RecordType::Naptr => words.len() >= 6 && numbers(2, short),
            RecordType::Spf | RecordType::Txt => true,
        }
    }
    /// Converts a value for AWS.
    pub(super) fn to_route_53(self, value: &str) -> String {
        if self == RecordType::Txt && !is_quoted(value) { quote(value) } else { value.to_owned() }
    }
    /// Converts a value from AWS.
    pub(super) fn read_route_53(self, value: &str) -> String {
        if self == RecordType::Txt && is_quoted(value) { unquote(value) } else { value.to_owned() }
    }
    /// Converts a value to canonical form, in which equivalent values are equal.
    pub(super) fn normalize(self, value: &str) -> String {
        match self {
            RecordType::Txt => self.read_route_53(value),
            RecordType::Aaaa => value.parse::<Ipv6Addr>().map_or_else(|_| value.to_owned(), |address| address.to_string()),
            // Values that hold more than numbers and domain names.
            RecordType::A
            | RecordType::Caa
            | RecordType::Ds
            | RecordType::Https
            | RecordType::Naptr
            | RecordType::Spf
            | RecordType::Sshfp
            | RecordType::Svcb
            | RecordType::Tlsa => value.to_owned(),
            RecordType::Cname | RecordType::Mx | RecordType::Ns | RecordType::Ptr | RecordType::Srv => {
                value.split_whitespace().map(|word| DnsName::new(word).to_string()).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn is_quoted(text: &str) -> bool {
    text.len() > 1 && text.starts_with('"') && text.ends_with('"')
}

/// Converts text to quoted strings of at most 255 bytes, with octal numbers for anything but printable ASCII.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat>
pub(super) fn quote(text: &str) -> String {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        0x20..=0x7e => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    let strings = text.as_bytes().chunks(255).map(|chunk| format!("\"{}\"", chunk.iter().map(escaped).collect::<String>()));
    let strings = strings.collect::<Vec<_>>().join(" ");
    if strings.is_empty() { "\"\"".to_owned() } else { strings }
}

/// The inverse of [`quote`].
pub(super) fn unquote(text: &str) -> String {
    let (mut bytes, mut rest, mut inside) = (Vec::new(), text.as_bytes(), false);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let octal = || tail.get(..3).and_then(|t| std::str::from_utf8(t).ok()).and_then(|t| u8::from_str_radix(t, 8).ok());
        match (byte, octal()) {
            (b'"', _) => inside = !inside,
            (b'\\', Some(value)) => {
                bytes.push(value);
                rest = &tail[3..];
            }
            (b'\\', None) => {
                bytes.extend(tail.first());
                rest = tail.get(1..).unwrap_or_default();
            }
            _ if inside => bytes.push(byte),
            _ => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_type_of_route_53() {
        // Route 53 itself makes the one SOA record of a zone.
        for name in aws_sdk_route53::types::RrType::values().iter().filter(|name| **name != "SOA") {
            assert!(crate::aws::from_aws::<RecordType>(name).is_ok_and(|kind| crate::aws::to_aws(&kind) == *name), "{name}");
        }
    }

    #[test]
    fn accepts_values_of_the_right_form() {
        let right = [
            (RecordType::Ds, "12345 13 2 0123ABCD"),
            (RecordType::Https, "1 . alpn=h2"),
            (RecordType::Naptr, "100 50 \"u\" \"E2U+sip\" \"!^.*$!sip:a@example.com!\" ."),
            (RecordType::Sshfp, "4 2 0123abcd"),
            (RecordType::Svcb, "1 svc.example.com"),
            (RecordType::Tlsa, "3 1 1 0123abcd"),
        ];
        for (kind, value) in right {
            assert!(kind.accepts(value), "{value}");
            assert_eq!(kind.normalize(value), value);
            assert!(!kind.accepts("1"), "{kind:?}");
        }
        assert_eq!(RecordType::Mx.normalize("10 Mail.example.com."), RecordType::Mx.normalize("10 mail.example.com"));
    }

    #[test]
    fn text_round_trips_through_quoting() {
        for text in ["", "v=spf1 -all", "a \"b\" \\c", "grün", &"x".repeat(600)] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(quote(&"x".repeat(256)), format!("\"{}\" \"x\"", "x".repeat(255)));
        assert_eq!(unquote(r#""a\040b" "c""#), "a bc");
    }
}
