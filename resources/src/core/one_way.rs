//! Fields that AWS can change in one direction only.

use serde_json::Value;

/// A field that AWS can't change back, or not reliably. A rollback leaves it unchanged, and a plan rejects changes that AWS would reject.
#[derive(Clone, Copy, Debug)]
pub struct OneWay {
    /// JSON pointer to the field.
    pub field: &'static str,
    /// Reason why the change can't be undone.
    pub reason: &'static str,
    /// Possible direction.
    pub direction: Direction,
}

/// Possible direction of changes.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    /// A number, or a version of numbers and dots, that only increases.
    Increase,
    /// A number that increases by at least ten percent.
    IncreaseByTenth,
    /// A version that changes by one minor version at a time; AWS decides whether a downgrade by one is still possible.
    OneMinorVersion,
    /// AWS decides.
    DecidedByAws,
    /// A value that must suit a version of a resource it refers to: a rollback that can't restore that version leaves this one, too.
    WithDependency,
    /// A value that is permanent once set.
    SetOnce,
    /// A value that AWS removes, and never sets again: an end, such as that of a replication.
    RemovedForGood,
    /// These values, in this order.
    Ordered(&'static [&'static str]),
}

/// Reason why AWS rejects a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedChange {
    /// It goes backwards.
    Backward,
    /// It skips a minor version; this is the next one.
    SkipsMinorVersion(String),
    /// It is less than ten percent; this is the minimum.
    TooSmall(u64),
}

impl Direction {
    /// Whether a change lowers a version that others must not exceed: they are lowered first.
    pub fn is_downgrade(self, from: &Value, to: &Value) -> bool {
        let versions = version_numbers(from).zip(version_numbers(to));
        matches!(self, Direction::OneMinorVersion) && versions.is_some_and(|(from, to)| to < from)
    }
    /// Returns the reason why AWS would reject this change, as far as the values show.
    pub fn refusal(self, from: &Value, to: &Value) -> Option<RefusedChange> {
        if from.is_null() || to.is_null() || from == to {
            return None;
        }
        let back = match self {
            // A value known only after apply differs.
            Direction::SetOnce => true,
            Direction::Ordered(values) => {
                let place = |value: &Value| values.iter().position(|known| value.as_str() == Some(known));
                place(to)? < place(from)?
            }
            Direction::Increase => version_numbers(to)? < version_numbers(from)?,
            Direction::IncreaseByTenth => {
                let (from, to) = (from.as_u64()?, to.as_u64()?);
                let least = from + from.div_ceil(10);
                if (from..least).contains(&to) {
                    return Some(RefusedChange::TooSmall(least));
                }
                to < from
            }
            Direction::OneMinorVersion => {
                let (from, to) = (version_numbers(from)?, version_numbers(to)?);
                let ([major, minor, ..], [other, wanted, ..]) = (&from[..], &to[..]) else { return None };
                if major != other || wanted.abs_diff(*minor) <= 1 {
                    return None;
                }
                let next = if wanted > minor { minor + 1 } else { minor - 1 };
                return Some(RefusedChange::SkipsMinorVersion(format!("{major}.{next}")));
            }
            // Another value replaces the resource.
            Direction::DecidedByAws | Direction::WithDependency | Direction::RemovedForGood => false,
        };
        back.then_some(RefusedChange::Backward)
    }
}

/// Numbers of a version, or a single number.
fn version_numbers(value: &Value) -> Option<Vec<u64>> {
    match value {
        Value::Number(number) => Some(vec![number.as_u64()?]),
        Value::String(text) => text.split(['.', '-']).map(|part| part.parse().ok()).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recognizes_downgrades() {
        let is_downgrade = |way: Direction, from: &str, to: &str| way.is_downgrade(&json!(from), &json!(to));
        assert!(is_downgrade(Direction::OneMinorVersion, "1.10", "1.9"));
        assert!(!is_downgrade(Direction::OneMinorVersion, "1.9", "1.10"));
        assert!(!is_downgrade(Direction::DecidedByAws, "1.10", "1.9"), "nothing else depends on it");
    }

    #[test]
    fn refuses_only_backward_changes() {
        let refused = |way: Direction, from: &Value, to: &Value| way.refusal(from, to);
        let modes = Direction::Ordered(&["a", "b", "c"]);
        for (way, from, to) in [
            (Direction::Increase, json!(100), json!(20)),
            (Direction::IncreaseByTenth, json!(100), json!(20)),
            (Direction::Increase, json!("16.4"), json!("16.3")),
            (Direction::Increase, json!("1.10"), json!("1.9")),
            (Direction::SetOnce, json!("arn:1"), json!("arn:2")),
            (Direction::SetOnce, json!("arn:1"), json!("${kms_key.main.arn}")),
            (modes, json!("c"), json!("a")),
        ] {
            assert_eq!(refused(way, &from, &to), Some(RefusedChange::Backward), "{way:?}: {from} to {to}");
        }
        for (way, from, to) in [
            (Direction::Increase, json!(20), json!(100)),
            (Direction::IncreaseByTenth, json!(20), json!(22)),
            (Direction::Increase, json!("16.9"), json!("16.10")),
            (Direction::Increase, json!("16"), json!("16.3")),
            (Direction::Increase, json!("5.7.mysql_aurora"), json!("5.6")),
            (Direction::OneMinorVersion, json!("1.33"), json!("1.34")),
            (Direction::OneMinorVersion, json!("1.33"), json!("1.32")),
            (Direction::DecidedByAws, json!("1.33"), json!("1.30")),
            (Direction::SetOnce, json!(null), json!("arn:1")),
            (modes, json!("a"), json!("c")),
            (modes, json!("c"), json!("unknown")),
        ] {
            assert_eq!(refused(way, &from, &to), None, "{way:?}: {from} to {to}");
        }
        assert_eq!(refused(Direction::IncreaseByTenth, &json!(105), &json!(115)), Some(RefusedChange::TooSmall(116)));
        for (from, to, next) in [("1.32", "1.34", "1.33"), ("1.34", "1.31", "1.33")] {
            assert_eq!(refused(Direction::OneMinorVersion, &json!(from), &json!(to)), Some(RefusedChange::SkipsMinorVersion(next.into())));
        }
    }
}
