//! Profiles of the AWS configuration: `~/.aws/config` and `~/.aws/credentials`, or the files of `AWS_CONFIG_FILE` and
//! `AWS_SHARED_CREDENTIALS_FILE`.

use aws_config::profile::load;
use aws_types::os_shim_internal::{Env, Fs};

use crate::core::{Error, ErrorKind, Result, nearest::suggestion};

/// Checks that the selected profile exists: that of the options, else that of `AWS_PROFILE`. The SDK would go on without it, and look for
/// credentials elsewhere.
///
/// # Errors
/// Fails with `NoProfile` if it does not exist, or if the files can't be read.
pub(super) async fn check(selected: Option<&str>) -> Result<()> {
    let variable = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let Some(name) = selected.or(variable.as_deref()) else { return Ok(()) };
    let no_profile = |message: String| Error::new(ErrorKind::Rejected, "NoProfile", message);
    let profiles = load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let profiles = profiles.map_err(|error| no_profile(format!("can't read the AWS configuration: {error}")))?;
    if profiles.get_profile(name).is_some() {
        return Ok(());
    }
    let mut known: Vec<&str> = profiles.profiles().collect();
    known.sort_unstable();
    let help = if known.is_empty() { "it has none".to_owned() } else { suggestion(name, "profiles", known.iter().copied()) };
    Err(no_profile(format!("the AWS configuration has no profile `{name}`: {help}")))
}
