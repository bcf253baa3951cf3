//! Fields that AWS changes one way only.

use serde_json::Value;

/// A field that AWS does not change back, or not reliably. Undoing leaves it as it is, and what AWS surely refuses is not planned.
#[derive(Clone, Copy, Debug)]
pub struct OneWay {
    /// JSON pointer to the field.
    pub field: &'static str,
    /// Why there is no way back, in words.
    pub why: &'static str,
    /// Which way it goes.
    pub way: Way,
}

/// Which way a field goes.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// A number, or a version of numbers and dots, that only grows.
    Up,
    /// A number that grows by a tenth at least.
    UpByTenth,
    /// A version that goes by one minor version at a time; AWS decides whether it still goes back by one.
    OneMinor,
    /// AWS decides.
    Open,
    /// What is set once stays.
    Once,
    /// Through these values, in this order.
    Through(&'static [&'static str]),
}

/// Why AWS refuses a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It leads back.
    Back,
    /// It is more than one minor version; this one comes next.
    TooFar(String),
    /// It is less than a tenth; this is the least.
    TooLittle(u64),
}

impl Way {
    /// Whether AWS would refuse this change, as far as the values tell.
    pub fn refuses(self, from: &Value, to: &Value) -> Option<Refused> {
        if from.is_null() || to.is_null() || from == to {
            return None;
        }
        let back = match self {
            // What is still to be made is another one.
            Way::Once => true,
            Way::Through(values) => {
                let place = |value: &Value| values.iter().position(|known| value.as_str() == Some(known));
                place(to)? < place(from)?
            }
            Way::Up => parts(to)? < parts(from)?,
            Way::UpByTenth => {
                let (from, to) = (from.as_u64()?, to.as_u64()?);
                let least = from + from.div_ceil(10);
                if (from..least).contains(&to) {
                    return Some(Refused::TooLittle(least));
                }
                to < from
            }
            Way::OneMinor => {
                let (from, to) = (parts(from)?, parts(to)?);
                let ([major, minor, ..], [other, wanted, ..]) = (&from[..], &to[..]) else { return None };
                if major != other || wanted.abs_diff(*minor) <= 1 {
                    return None;
                }
                let next = if wanted > minor { minor + 1 } else { minor - 1 };
                return Some(Refused::TooFar(format!("{major}.{next}")));
            }
            Way::Open => false,
        };
        back.then_some(Refused::Back)
    }
}

/// The numbers of a version, or the one number.
fn parts(value: &Value) -> Option<Vec<u64>> {
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
    fn what_goes_back_is_refused_and_nothing_else() {
        let refused = |way: Way, from: &Value, to: &Value| way.refuses(from, to);
        let modes = Way::Through(&["a", "b", "c"]);
        for (way, from, to) in [
            (Way::Up, json!(100), json!(20)),
            (Way::UpByTenth, json!(100), json!(20)),
            (Way::Up, json!("16.4"), json!("16.3")),
            (Way::Up, json!("1.10"), json!("1.9")),
            (Way::Once, json!("arn:1"), json!("arn:2")),
            (Way::Once, json!("arn:1"), json!("${kms_key.main.arn}")),
            (modes, json!("c"), json!("a")),
        ] {
            assert_eq!(refused(way, &from, &to), Some(Refused::Back), "{way:?}: {from} to {to}");
        }
        for (way, from, to) in [
            (Way::Up, json!(20), json!(100)),
            (Way::UpByTenth, json!(20), json!(22)),
            (Way::Up, json!("16.9"), json!("16.10")),
            (Way::Up, json!("16"), json!("16.3")),
            (Way::Up, json!("5.7.mysql_aurora"), json!("5.6")),
            (Way::OneMinor, json!("1.33"), json!("1.34")),
            (Way::OneMinor, json!("1.33"), json!("1.32")),
            (Way::Open, json!("1.33"), json!("1.30")),
            (Way::Once, json!(null), json!("arn:1")),
            (modes, json!("a"), json!("c")),
            (modes, json!("c"), json!("unknown")),
        ] {
            assert_eq!(refused(way, &from, &to), None, "{way:?}: {from} to {to}");
        }
        assert_eq!(refused(Way::UpByTenth, &json!(105), &json!(115)), Some(Refused::TooLittle(116)));
        for (from, to, next) in [("1.32", "1.34", "1.33"), ("1.34", "1.31", "1.33")] {
            assert_eq!(refused(Way::OneMinor, &json!(from), &json!(to)), Some(Refused::TooFar(next.into())));
        }
    }
}
