//! The `acme` binary.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = acme::cli::Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(acme::cli::run(cli)),
        Err(error) => {
            acme::report::talk(&format!("error: can't start: {error}"));
            ExitCode::FAILURE
        }
    }
}
