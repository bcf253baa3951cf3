//! `acme version`: the version, and on request whether there is a newer one. acme makes no such call otherwise, and reports nothing to anyone.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::DONE;
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
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    report::print(&format!("acme {VERSION}\n"));
    if !arguments.check {
        return Ok(DONE);
    }
    let url =
        std::env::var(RELEASES_VARIABLE).ok().filter(|url| !url.is_empty()).unwrap_or_else(|| format!("{REPOSITORY}/releases/latest"));
    // The latest release redirects to that of its tag.
    let target = async { HttpProbe::new()?.redirect_target(&url, TIMEOUT).await };
    match target.await {
        Ok(Some(target)) => match (tag_version(&target), version(VERSION)) {
            (Some((latest, text)), Some(own)) if latest > own => report::eprint(&format!("Version {text} is available: {target}")),
            (Some(_), _) => report::eprint("This is the latest version."),
            (None, _) => report::eprint(&format!("Note: can't find out the latest version: `{target}` names none.")),
        },
        Ok(None) => report::eprint(&format!("Note: can't find out the latest version: {url} has no release.")),
        Err(error) => report::eprint(&format!("Note: can't find out the latest version: {url}: {}.", error.message)),
    }
    Ok(DONE)
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
