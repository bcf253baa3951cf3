//! Releases, as Helm keeps them in Secrets: <https://helm.sh/docs/topics/advanced/#storage-backends>.

use std::{collections::BTreeMap, io::Read};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest release to read. A Secret holds 1 MiB; compressed charts are rarely a tenth of their size.
const MAX_RELEASE: u64 = 64 << 20;

/// One revision of a release.
#[derive(Clone, Debug, Deserialize)]
pub struct Release {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Revision, from 1.
    pub version: u64,
    /// Status and times.
    pub info: Info,
    /// The chart.
    pub chart: ReleaseChart,
    /// Its objects, as YAML documents.
    #[serde(default)]
    pub manifest: String,
    /// Labels of its Secret.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Values of the user.
    #[serde(default)]
    pub config: Option<Map<String, Value>>,
}

/// Status of a release.
#[derive(Clone, Debug, Deserialize)]
pub struct Info {
    /// Status.
    pub status: Status,
    /// Start of the operation that made this revision, in RFC 3339.
    #[serde(default)]
    pub last_deployed: String,
    /// Result in Helm's words.
    #[serde(default)]
    pub description: String,
}

/// Status of a revision: <https://helm.sh/docs/helm/helm_status/>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// In use.
    Deployed,
    /// Replaced by a later revision.
    Superseded,
    /// The operation failed.
    Failed,
    /// Being deleted.
    Uninstalling,
    /// Deleted, with its history.
    Uninstalled,
    /// Being installed.
    PendingInstall,
    /// Being upgraded.
    PendingUpgrade,
    /// Being rolled back.
    PendingRollback,
    /// Any other.
    #[serde(other)]
    Unknown,
}

/// Chart of a release.
#[derive(Clone, Debug, Deserialize)]
pub struct ReleaseChart {
    /// Its metadata.
    pub metadata: ChartMetadata,
}

/// Metadata of a chart.
#[derive(Clone, Debug, Deserialize)]
pub struct ChartMetadata {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Version of the software in it.
    #[serde(default, rename = "appVersion")]
    pub app_version: String,
}

/// Reads the release in a Secret: JSON, compressed, in base64, which Kubernetes encodes again. `None` if it is no release.
pub fn release_of_secret(secret: &DynamicObject) -> Option<Release> {
    let text = secret.data.get("data")?.get("release")?.as_str()?;
    let inner = BASE64_STANDARD.decode(text).ok()?;
    let compressed = BASE64_STANDARD.decode(inner).ok()?;
    let mut json = String::new();
    GzDecoder::new(compressed.as_slice()).take(MAX_RELEASE).read_to_string(&mut json).ok()?;
    let release: Release = serde_json::from_str(&json).ok()?;
    Some(Release { labels: secret.metadata.labels.clone().unwrap_or_default(), ..release })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_releases_as_helm_writes_them() {
        let release = json!({
            "name": "web", "namespace": "shop", "version": 3, "config": { "replicas": 2 },
            "info": { "status": "pending-upgrade", "last_deployed": "2026-08-14T07:30:05.5Z" },
            "chart": { "metadata": { "name": "web", "version": "1.2.3", "appVersion": "4" }, "templates": [] },
        });
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(release.to_string().as_bytes()).expect("written");
        let data = BASE64_STANDARD.encode(BASE64_STANDARD.encode(encoder.finish().expect("compressed")));
        let secret: DynamicObject =
            serde_json::from_value(json!({ "metadata": { "name": "a" }, "data": { "release": data } })).expect("a Secret");
        let read = release_of_secret(&secret).expect("a release");
        assert_eq!((read.name.as_str(), read.version, read.info.status), ("web", 3, Status::PendingUpgrade));
        assert_eq!(read.chart.metadata.version, "1.2.3");
        let none: DynamicObject =
            serde_json::from_value(json!({ "metadata": { "name": "a" }, "data": { "release": "x" } })).expect("a Secret");
        assert!(release_of_secret(&none).is_none());
    }
}
