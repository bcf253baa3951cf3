//! Fields that AWS changes one way only.

use serde_json::Value;

/// A field that AWS does not change back. A plan that would is refused, and undoing leaves it as it is.
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
    /// A version that grows by one minor version at a time.
    NextMinor,
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
    /// It leaves out a version; this one comes next.
    TooFar(String),
}

impl OneWay {
    /// Whether AWS would refuse this change, as far as the values tell.
    pub fn refuses(&self, from: &Value, to: &Value) -> Option<Refused> {
        if from.is_null() || to.is_null() || from == to {
            return None;
        }
        let back = match self.way {
            // What is still to be made is another one.
            Way::Once => true,
            Way::Through(values) => {
                let place = |value: &Value| values.iter().position(|known| value.as_str() == Some(known));
                place(to)? < place(from)?
            }
            Way::Up => parts(to)? < parts(from)?,
            Way::NextMinor => {
                let (from, to) = (parts(from)?, parts(to)?);
                if let ([major, minor, ..], [next, beyond, ..]) = (&from[..], &to[..])
                    && (next > major || *beyond > minor + 1)
                {
                    return Some(Refused::TooFar(format!("{major}.{}", minor + 1)));
                }
                to < from
            }
        };
        back.then_some(Refused::Back)
    }
}

/// The numbers of a version, or the one number.
fn parts(value: &Value) -> Option<Vec<u64>> {
    match value {
        Value::Number(number) => Some(vec![number.as_u64()?]),
        Value::String(text) => text.split('.').map(|part| part.parse().ok()).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_goes_back_is_refused_and_nothing_else() {
        let refused = |way, from: &Value, to: &Value| OneWay { field: "/x", why: "no", way }.refuses(from, to);
        let modes = Way::Through(&["a", "b", "c"]);
        for (way, from, to) in [
            (Way::Up, json!(100), json!(20)),
            (Way::Up, json!("16.4"), json!("16.3")),
            (Way::Up, json!("1.10"), json!("1.9")),
            (Way::NextMinor, json!("1.33"), json!("1.32")),
            (Way::Once, json!("arn:1"), json!("arn:2")),
            (Way::Once, json!("arn:1"), json!("${kms_key.main.arn}")),
            (modes, json!("c"), json!("a")),
        ] {
            assert_eq!(refused(way, &from, &to), Some(Refused::Back), "{way:?}: {from} to {to}");
        }
        for (way, from, to) in [
            (Way::Up, json!(20), json!(100)),
            (Way::Up, json!("16.9"), json!("16.10")),
            (Way::Up, json!("16"), json!("16.3")),
            (Way::Up, json!("5.7.mysql_aurora"), json!("5.6")),
            (Way::NextMinor, json!("1.33"), json!("1.34")),
            (Way::Once, json!(null), json!("arn:1")),
            (modes, json!("a"), json!("c")),
            (modes, json!("c"), json!("unknown")),
        ] {
            assert_eq!(refused(way, &from, &to), None, "{way:?}: {from} to {to}");
        }
        assert_eq!(refused(Way::NextMinor, &json!("1.32"), &json!("1.34")), Some(Refused::TooFar("1.33".into())));
    }
}
