//! `acme version`: the version, and on request whether there is a newer one. acme makes no such call otherwise, and reports nothing to anyone.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, OutputArguments};
use crate::{aws::http_probe::HttpProbe, report};

/// This version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Repository with the releases.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Variable with the address of the latest release, for mirrors.
const RELEASES_VARIABLE: &str = "ACME_RELEASES_URL";

/// Time to wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Look for a newer version among the releases of the repository [env: ACME_RELEASES_URL]. acme does that only here.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: OutputArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let is_json = arguments.output.is_json();
    if !is_json {
        report::print(&format!("acme {VERSION}\n"));
    }
    let latest = if arguments.check { look_for_release().await } else { None };
    if is_json {
        report::print_json(&json!({ "format": "acme-version/1", "version": VERSION, "latest": latest }))?;
    }
    Ok(DONE)
}

/// Version of the latest release, if it can be found out.
async fn look_for_release() -> Option<String> {
    let url =
        std::env::var(RELEASES_VARIABLE).ok().filter(|url| !url.is_empty()).unwrap_or_else(|| format!("{REPOSITORY}/releases/latest"));
    let unknown = |reason: String| report::eprint(&format!("Note: can't find out the latest version: {reason}."));
    // The latest release redirects to that of its tag.
    let target = async { HttpProbe::new()?.redirect_target(&url, TIMEOUT).await };
    let target = match target.await {
        Ok(Some(target)) => target,
        Ok(None) => {
            unknown(format!("{url} has no release"));
            return None;
        }
        Err(error) => {
            unknown(format!("{url}: {}", error.message));
            return None;
        }
    };
    let Some((latest, text)) = tag_version(&target) else {
        unknown(format!("`{target}` names none"));
        return None;
    };
    match version(VERSION).is_some_and(|own| latest > own) {
        true => report::eprint(&format!("Version {text} is available: {target}")),
        false => report::eprint("This is the latest version."),
    }
    Some(text.to_owned())
}

/// Version at the end of the address of a release: `…/releases/tag/v1.2.3`.
fn tag_version(url: &str) -> Option<((u64, u64, u64), &str)> {
    let text = url.rsplit('/').next()?.trim_start_matches('v');
    Some((version(text)?, text))
}

/// Numbers of a version, without those of a pre-release.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = text.split(['-', '+']).next()?.split('.').map(str::parse::<u64>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    numbers.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_their_numbers() {
        let of = |url: &str| tag_version(url).map(|(version, _)| version);
        assert_eq!(of("https://example.com/releases/tag/v0.10.2"), Some((0, 10, 2)));
        assert!(of("https://example.com/releases/tag/0.10.0") > of("https://example.com/releases/tag/v0.9.9"));
        assert_eq!(of("https://example.com/releases/tag/1.2.3-rc.1"), Some((1, 2, 3)));
        for wrong in ["https://example.com/releases", "v1.2", "1.2.3.4"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert!(version(VERSION).is_some());
    }
}
