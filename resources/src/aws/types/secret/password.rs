//! Random values of secrets, from the operating system's generator.

use super::Generate;
use crate::core::{Error, ErrorKind, Result};

const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

impl Generate {
    /// The characters to choose from, by type; a type all of whose characters are excluded is left out.
    pub(super) fn alphabets(&self) -> Vec<Vec<char>> {
        let types = [
            (UPPERCASE, self.exclude_uppercase),
            (LOWERCASE, self.exclude_lowercase),
            (DIGITS, self.exclude_numbers),
            (PUNCTUATION, self.exclude_punctuation),
        ];
        let included = types.into_iter().filter(|(_, excluded)| !excluded);
        let allowed = |all: &str| all.chars().filter(|character| !self.exclude_characters.contains(*character)).collect::<Vec<_>>();
        included.map(|(all, _)| allowed(all)).filter(|alphabet| !alphabet.is_empty()).collect()
    }

    /// A new random text: one character of each required type, the others of any, in random order.
    pub(super) fn random_text(&self) -> Result<String> {
        let alphabets = self.alphabets();
        let mut all = alphabets.concat();
        if self.include_space && !self.exclude_characters.contains(' ') {
            all.push(' ');
        }
        let length = usize::try_from(self.length).unwrap_or_default();
        let required: &[Vec<char>] = if self.require_each_type { &alphabets } else { &[] };
        let mut text = required.iter().take(length).map(|alphabet| pick(alphabet)).collect::<Result<Vec<_>>>()?;
        while text.len() < length {
            text.push(pick(&all)?);
        }
        // Fisher and Yates's shuffle.
        for last in (1..text.len()).rev() {
            text.swap(last, random_below(last + 1)?);
        }
        Ok(text.into_iter().collect())
    }
}

fn pick(alphabet: &[char]) -> Result<char> {
    let at = random_below(alphabet.len())?;
    alphabet.get(at).copied().ok_or_else(|| Error::new(ErrorKind::Rejected, "NoCharacters", "every character of the value is excluded"))
}

/// A number below `limit`, each as likely as any other; 0 where there is none.
fn random_below(limit: usize) -> Result<usize> {
    let Some(limit) = u64::try_from(limit).ok().filter(|limit| *limit > 1) else { return Ok(0) };
    loop {
        let random = getrandom::u64()
            .map_err(|error| Error::new(ErrorKind::Rejected, "NoRandomNumbers", format!("the system gives no random numbers: {error}")))?;
        // The numbers above the last multiple of the limit would make small remainders more likely.
        if random < u64::MAX - u64::MAX % limit {
            return Ok(usize::try_from(random % limit).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(settings: serde_json::Value) -> Vec<String> {
        let generate: Generate = serde_json::from_value(settings).expect("settings");
        (0..200).map(|_| generate.random_text().expect("a text")).collect()
    }

    #[test]
    fn has_the_length_and_every_required_type() {
        for text in texts(json!({ "length": 4 })) {
            assert_eq!(text.len(), 4);
            for alphabet in [UPPERCASE, LOWERCASE, DIGITS, PUNCTUATION] {
                assert_eq!(text.chars().filter(|character| alphabet.contains(*character)).count(), 1, "{text}");
            }
        }
    }

    #[test]
    fn leaves_excluded_characters_out() {
        let settings =
            json!({ "exclude_punctuation": true, "exclude_uppercase": true, "exclude_characters": "0123456 o" , "include_space": true});
        let all: String = texts(settings).concat();
        let expected: String = "789abcdefghijklmnpqrstuvwxyz".to_owned();
        let seen: std::collections::BTreeSet<char> = all.chars().collect();
        assert_eq!(seen.into_iter().collect::<String>(), expected);
        assert!(texts(json!({ "include_space": true, "length": 500 })).concat().contains(' '));
    }

    #[test]
    fn never_repeats_itself() {
        let all: std::collections::BTreeSet<String> = texts(json!({})).into_iter().collect();
        assert_eq!(all.len(), 200);
    }

    #[test]
    fn every_place_holds_every_type() {
        let all = texts(json!({ "length": 5 }));
        for place in 0..5 {
            assert!(all.iter().any(|text| text.chars().nth(place).is_some_and(|character| DIGITS.contains(character))), "{place}");
        }
    }
}
