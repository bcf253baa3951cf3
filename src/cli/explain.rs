//! `acme explain`.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::{DONE, OutputArguments, complete, refusal::refuse};
use crate::{definition::suggestion, docs::codes, report};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Code, such as `unknown-field`.
    #[arg(value_name = "CODE", add = ArgValueCompleter::new(complete::codes))]
    code: String,
    #[command(flatten)]
    output: OutputArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let code = arguments.code.as_str();
    let Some(text) = codes::explain(code) else {
        let mut all: Vec<&str> = codes::all_codes().map(|(code, _)| code).collect();
        all.sort_unstable_by_key(|code| (code.to_lowercase(), *code));
        if code.trim().is_empty() {
            refuse!("unknown-code", "no code is given\n  help: the code of an error is in brackets, as in `error[unknown-field]`");
        }
        let help = suggestion(code, "codes", all);
        refuse!("unknown-code", "unknown code `{code}`\n  help: {help}");
    };
    if arguments.output.is_json() {
        report::print_json(&json!({ "format": "acme-explain/1", "code": code, "text": text.trim_end() }))?;
    } else {
        report::print(&text);
    }
    Ok(DONE)
}
