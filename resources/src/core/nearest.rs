//! "Did you mean …?"

/// Returns the name most similar to `wanted`, if one is similar enough.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &str| {
        if name.eq_ignore_ascii_case(wanted) {
            return Some(0);
        }
        let distance = strsim::damerau_levenshtein(wanted, name);
        let allowed = wanted.chars().count().max(name.chars().count()).div_ceil(3);
        let contains = wanted.len() > 2 && (name.contains(wanted) || wanted.contains(name));
        (distance <= allowed || contains).then_some(distance)
    };
    names.into_iter().filter(|name| !name.is_empty()).filter_map(|name| Some((near(name)?, name))).min().map(|(_, name)| name)
}

/// Returns `did you mean "x"?`, or the list of names.
pub fn suggestion<'a>(wanted: &str, what: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wanted, names.clone()) {
        return format!("did you mean `{name}`?");
    }
    list_names(what, names)
}

/// Returns `fields: a, b, c`, shortened if there are many.
pub fn list_names<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => format!("there are no {what}"),
        1..=12 => format!("{what}: {}", names.join(", ")),
        more => format!("{what}: {}, and {} more", names[..10].join(", "), more - 10),
    }
}
