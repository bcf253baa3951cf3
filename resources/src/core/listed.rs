//! Lists of names in messages.

/// Names the first of many things, and counts the others: `a, b and 3 more`.
pub fn list_first(names: &[impl AsRef<str>], most: usize) -> String {
    let first: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_does_not_name() {
        let list = |names: &[&str]| list_first(names, 2);
        assert_eq!([list(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])], ["", "a", "a, b", "a, b and 1 more"]);
    }
}
