//! `acme explain`.

use super::{DONE, FAILED};
use crate::{docs::codes, report, stack::suggestion};

pub fn run(code: &str) -> u8 {
    match codes::explain(code) {
        Some(text) => {
            report::data(&text);
            DONE
        }
        None => {
            let known: Vec<&str> = codes::all().map(|(code, _)| code).collect();
            let help = suggestion(code, "codes", known);
            report::talk(&format!("error: there is no code `{code}`\n  help: {help}"));
            FAILED
        }
    }
}
