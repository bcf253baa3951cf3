//! Names of headers, cookies and query strings in policies.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_cloudfront::types::{CookieNames, Headers, QueryStringNames};

use crate::core::Result;

/// Cookies or query strings.
#[spec]
#[derive(Default, PartialEq)]
pub enum NameSelection {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those with these names.
    Only(BTreeSet<String>),
    /// All but those with these names.
    Except(BTreeSet<String>),
}

impl NameSelection {
    /// AWS's name of the selection.
    pub fn behavior(&self) -> &'static str {
        match self {
            NameSelection::None => "none",
            NameSelection::All => "all",
            NameSelection::Only(_) => "whitelist",
            NameSelection::Except(_) => "allExcept",
        }
    }
    /// The names, if it has some.
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            NameSelection::None | NameSelection::All => None,
            NameSelection::Only(names) | NameSelection::Except(names) => Some(names),
        }
    }
    /// The selection as AWS reports it.
    pub(crate) fn read(behavior: &str, names: Option<&[String]>) -> NameSelection {
        let names = || names.unwrap_or_default().iter().cloned().collect();
        match behavior {
            "all" => NameSelection::All,
            "whitelist" => NameSelection::Only(names()),
            "allExcept" => NameSelection::Except(names()),
            _ => NameSelection::None,
        }
    }
    /// Problem of the names.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let names = self.names()?;
        match names.len() {
            0 => Some("needs at least one name"),
            1..=50 => None,
            _ => Some("has at most 50 names"),
        }
    }
}

/// Whether two sets have the same names of headers, which have no case.
fn same_names(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let plain = |names: &BTreeSet<String>| names.iter().map(|name| name.to_ascii_lowercase()).collect::<BTreeSet<_>>();
    plain(one) == plain(other)
}

/// Gives names of headers the spelling of the wanted ones, if they are the same.
pub(crate) fn adopt_spelling(wanted: &BTreeSet<String>, live: &mut BTreeSet<String>) {
    if same_names(wanted, live) {
        live.clone_from(wanted);
    }
}

/// Headers in the shape of the SDK.
pub(crate) fn header_names(names: &BTreeSet<String>) -> Result<Headers> {
    Ok(Headers::builder().quantity(quantity(names.len())).set_items(Some(names.iter().cloned().collect())).build()?)
}

/// Cookies in the shape of the SDK.
pub(crate) fn cookie_names(names: &BTreeSet<String>) -> Result<CookieNames> {
    Ok(CookieNames::builder().quantity(quantity(names.len())).set_items(Some(names.iter().cloned().collect())).build()?)
}

/// Query strings in the shape of the SDK.
pub(crate) fn query_string_names(names: &BTreeSet<String>) -> Result<QueryStringNames> {
    Ok(QueryStringNames::builder().quantity(quantity(names.len())).set_items(Some(names.iter().cloned().collect())).build()?)
}

/// Number of items of a list of CloudFront.
pub(crate) fn quantity(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
