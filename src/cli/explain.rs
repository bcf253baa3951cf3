//! `acme explain`.

use super::{DONE, refusal::refuse};
use crate::{definition::suggestion, docs::codes, report};

pub fn run(code: &str) -> anyhow::Result<u8> {
    let Some(text) = codes::explain(code) else {
        let help = suggestion(code, "codes", codes::all_codes().map(|(code, _)| code).collect::<Vec<_>>());
        refuse!("unknown-code", "unknown code `{code}`\n  help: {help}");
    };
    report::print(&text);
    Ok(DONE)
}
