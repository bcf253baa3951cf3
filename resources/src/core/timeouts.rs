//! Maximum waits for a resource, as a definition sets them.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// Maximum time to wait until a resource is created, changed or deleted. Default: the type's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a creation.
    pub create: Option<Duration>,
    /// For a change.
    pub update: Option<Duration>,
    /// For a deletion.
    pub delete: Option<Duration>,
}

impl Timeouts {
    /// Names of the operations.
    pub const OPERATIONS: [&str; 3] = ["create", "update", "delete"];

    /// Field of an operation.
    pub fn field_mut(&mut self, operation: &str) -> Option<&mut Option<Duration>> {
        match operation {
            "create" => Some(&mut self.create),
            "update" => Some(&mut self.update),
            "delete" => Some(&mut self.delete),
            _ => None,
        }
    }

    /// The value in a definition; `None` if nothing is set.
    pub fn to_definition(self) -> Option<Value> {
        let set = Self::OPERATIONS.into_iter().zip([self.create, self.update, self.delete]);
        let set: Map<String, Value> =
            set.filter_map(|(name, time)| Some((name.to_owned(), json!(format!("{}s", time?.as_secs()))))).collect();
        (!set.is_empty()).then_some(set.into())
    }
}

/// Parses `90s`, `45m`, `2h` or `1h30m`: from one second to seven days.
pub fn parse_timeout(text: &str) -> Option<Duration> {
    let (mut seconds, mut rest) = (0_u64, text);
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let number: u64 = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())??;
            seconds = seconds.checked_add(number.checked_mul(factor)?)?;
            rest = after;
        }
    }
    (rest.is_empty() && (1..=7 * 86_400).contains(&seconds)).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_with_units() {
        for (text, seconds) in [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661), ("168h", 604_800)] {
            assert_eq!(parse_timeout(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "90", "h", "1d", "30m1h", "-5m", "1.5h", "169h", "99999999999999999999h", "1h 30m"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }
}
