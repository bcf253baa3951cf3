//! The `acme` binary.

fn main() {
    acme::cli::complete_and_exit_if_requested();
    let cli = acme::cli::Cli::parse_or_exit();
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(acme::cli::run(cli));
            // Exiting stops all background tasks; shutting down the runtime would wait for them.
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
