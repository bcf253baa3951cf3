//! Answers of the price list on disk, by region and product.

use std::{
    env, fs,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::price_source::Query;
use crate::engine::saved_plan::sha256;

/// Time for which an answer counts as current. AWS changes prices a few times a year, and announces it.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Name and version of the format.
const FORMAT: &str = "acme-prices/1";

/// A folder of answers.
pub struct Cache {
    folder: PathBuf,
}

/// Age of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It counts as current.
    Fresh,
    /// It is used only if the call fails.
    Stale,
}

impl Cache {
    /// Answers in this folder, which is created if necessary.
    pub fn new(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    /// The user's folder for it: `$XDG_CACHE_HOME/acme/prices`, or `~/.cache/acme/prices`.
    pub fn default_folder() -> Option<PathBuf> {
        let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
        let home = || env::var_os("HOME").map(PathBuf::from).and_then(absolute).map(|home| home.join(".cache"));
        let folder = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute).or_else(home)?;
        Some(folder.join("acme").join("prices"))
    }

    /// Reads the answer to a query; `None` if there is none, or it is damaged.
    pub(super) fn read(&self, endpoint: &str, query: &Query) -> Option<(Vec<Value>, Age)> {
        let mut kept: Value = serde_json::from_str(&fs::read_to_string(self.file(endpoint, query)).ok()?).ok()?;
        if kept["format"] != FORMAT {
            return None;
        }
        let age = now().checked_sub(Duration::from_secs(kept["fetched_at"].as_u64()?));
        let age = if age.is_some_and(|age| age < LIFETIME) { Age::Fresh } else { Age::Stale };
        let Value::Array(documents) = kept["products"].take() else { return None };
        Some((documents, age))
    }

    /// Keeps an answer. Without a writable folder, the next plan asks again.
    pub(super) fn write(&self, endpoint: &str, query: &Query, documents: &[Value]) {
        let kept = json!({
            "format": FORMAT, "fetched_at": now().as_secs(), "service": query.0, "attributes": query.1, "products": documents,
        });
        let written = || {
            fs::create_dir_all(&self.folder)?;
            // Another process may read it at the same time.
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            std::io::Write::write_all(&mut file, kept.to_string().as_bytes())?;
            file.persist(self.file(endpoint, query)).map_err(std::io::Error::from)
        };
        written().map(drop).unwrap_or_default();
    }

    fn file(&self, endpoint: &str, query: &Query) -> PathBuf {
        let key = json!([endpoint, query.0, query.1]).to_string();
        let name = format!("{}-{}.json", query.0, &sha256(key.as_bytes())[..16]);
        self.folder.join(name)
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn answers_expire_and_belong_to_an_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("prices"));
        let query: Query = ("AmazonEKS", BTreeMap::from([("regionCode", "eu-west-1".to_owned())]));
        assert_eq!(cache.read("", &query), None);
        cache.write("", &query, &[json!({ "a": 1 })]);
        assert_eq!(cache.read("", &query), Some((vec![json!({ "a": 1 })], Age::Fresh)));
        assert_eq!(cache.read("http://localhost:1", &query), None);
        let file = cache.file("", &query);
        let old = fs::read_to_string(&file).unwrap().replace("\"fetched_at\":", "\"fetched_at\":1,\"then\":");
        fs::write(&file, old).unwrap();
        assert_eq!(cache.read("", &query), Some((vec![json!({ "a": 1 })], Age::Stale)));
        fs::write(&file, "{").unwrap();
        assert_eq!(cache.read("", &query), None);
    }
}
