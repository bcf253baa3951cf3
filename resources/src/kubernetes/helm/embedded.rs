//! Charts of acme itself, which are part of the program. Their names begin with `acme/`.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::core::{Error, ErrorKind, Result, nearest::suggestion};

/// Start of the names of these charts.
pub const EMBEDDED_PREFIX: &str = "acme/";

/// A chart that is part of the program.
pub struct EmbeddedChart {
    /// Name, as the field `chart` has it.
    pub name: &'static str,
    /// Version.
    pub version: &'static str,
    /// Text of each file by its path.
    pub files: &'static [(&'static str, &'static str)],
}

/// Embeds the files of a folder in `templates/charts`.
macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../templates/charts/", $folder, "/", $path)))),*]
    };
}

/// The chart of a service.
pub static SERVICE_CHART: EmbeddedChart = EmbeddedChart {
    name: "acme/service",
    version: "1.0.0",
    files: files!("service":
        "Chart.yaml",
        "values.schema.json",
        "values.yaml",
        "templates/_helpers.tpl",
        "templates/autoscaler.yaml",
        "templates/cron-job.yaml",
        "templates/deployment.yaml",
        "templates/disruption-budget.yaml",
        "templates/ingress.yaml",
        "templates/mesh.yaml",
        "templates/monitor.yaml",
        "templates/network-policy.yaml",
        "templates/rollout.yaml",
        "templates/secrets.yaml",
        "templates/service-account.yaml",
        "templates/service.yaml",
        "templates/tests/ready.yaml",
    ),
};

/// Every embedded chart.
static CHARTS: &[&EmbeddedChart] = &[&SERVICE_CHART];

impl EmbeddedChart {
    /// The chart of this name. `None` for a name that is not one of an embedded chart.
    ///
    /// # Errors
    /// Fails with a remedy if acme has no such chart, or not in this version.
    pub fn find(chart: &str, version: &str) -> std::result::Result<Option<&'static EmbeddedChart>, (String, String)> {
        if !chart.starts_with(EMBEDDED_PREFIX) {
            return Ok(None);
        }
        let Some(found) = CHARTS.iter().find(|known| known.name == chart) else {
            return Err((format!("acme has no chart `{chart}`"), suggestion(chart, "charts", CHARTS.iter().map(|known| known.name))));
        };
        if found.version != version {
            let message = format!("this version of acme has version {} of the chart `{chart}`, not {version}", found.version);
            return Err((message, format!("set `version: {}`", found.version)));
        }
        Ok(Some(found))
    }

    /// Writes the chart to a temporary folder, in which it is a folder with its name.
    ///
    /// # Errors
    /// Fails if the folder can't be written.
    pub fn unpack(&self) -> Result<TempDir> {
        let write = || {
            let folder = tempfile::Builder::new().prefix("acme-chart-").tempdir()?;
            for (path, text) in self.files {
                let file = folder.path().join(path);
                fs::create_dir_all(file.parent().unwrap_or(Path::new("")))?;
                fs::write(file, text)?;
            }
            Ok(folder)
        };
        write().map_err(|error: std::io::Error| Error::new(ErrorKind::Rejected, "Helm", format!("can't write the chart: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn charts_have_all_their_files_and_their_names() {
        for chart in CHARTS {
            let text = chart.files.iter().find(|(path, _)| *path == "Chart.yaml").map(|(_, text)| *text).unwrap_or_default();
            let metadata: Value = serde_saphyr::from_str(text).expect("YAML");
            let name = chart.name.strip_prefix(EMBEDDED_PREFIX).expect("a name");
            assert_eq!((metadata["name"].as_str(), metadata["version"].as_str()), (Some(name), Some(chart.version)));
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/charts").join(name);
            let mut pending = vec![folder.clone()];
            let mut found = Vec::new();
            while let Some(path) = pending.pop() {
                match path.is_dir() {
                    true => pending.extend(fs::read_dir(path).expect("a folder").flatten().map(|entry| entry.path())),
                    false => found.push(path.strip_prefix(&folder).expect("a file below").display().to_string()),
                }
            }
            found.sort();
            let mut listed: Vec<&str> = chart.files.iter().map(|(path, _)| *path).collect();
            listed.sort_unstable();
            assert_eq!(found, listed);
            let unpacked = chart.unpack().expect("unpacked");
            assert!(chart.files.iter().all(|(path, text)| fs::read_to_string(unpacked.path().join(path)).is_ok_and(|read| read == *text)));
        }
    }

    #[test]
    fn other_names_and_versions_have_a_remedy() {
        let find = |chart, version| EmbeddedChart::find(chart, version).map(|found| found.map(|chart| chart.name));
        assert_eq!(find("oci://example.com/acme/service", "1.0.0"), Ok(None));
        assert_eq!(find("acme/service", SERVICE_CHART.version), Ok(Some("acme/service")));
        assert_eq!(find("acme/servce", "1.0.0").expect_err("unknown").1, "did you mean `acme/service`?");
        assert_eq!(find("acme/service", "0.1.0").expect_err("another version").1, "set `version: 1.0.0`");
    }
}
