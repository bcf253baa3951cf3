//! The `acme` binary.

use clap::Parser;

fn main() {
    let cli = acme::cli::Cli::parse();
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(acme::cli::run(cli));
            // Whatever still runs in the background is cut off by the exit; shutting the runtime down would wait for it.
            std::mem::forget(runtime);
            code
        }
        Err(error) => {
            acme::report::eprint(&format!("error: can't start: {error}"));
            acme::cli::FAILED
        }
    };
    std::process::exit(code.into());
}
