//! Where prices come from: calls, whose answers are kept on disk, or recorded answers.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::cache::{Age, Cache};
use crate::{
    aws::Aws,
    core::{Error, ErrorKind},
    engine::cloud::Cloud,
};

/// Code of the error of a cloud without a price list.
pub(super) const NO_PRICES: &str = "NoPrices";

/// A request to the price list: a service, and attributes of its products.
pub(super) type Query = (&'static str, BTreeMap<&'static str, String>);

/// Where prices come from.
pub enum PriceSource {
    /// AWS's price list, with a cache if there is a folder for it.
    Aws(Arc<Aws>, Option<Cache>),
    /// Recorded answers.
    Recorded(Vec<Value>),
    /// None, with the reason.
    None(String),
}

/// Documents that answer a query.
pub(super) struct Answer {
    /// Documents.
    pub documents: Vec<Value>,
    /// Error of a call that an older answer replaces.
    pub stale: Option<Error>,
}

impl PriceSource {
    /// The price list of a cloud. `cache` is the folder of earlier answers.
    pub fn of_cloud(cloud: &Cloud, cache: Option<PathBuf>) -> PriceSource {
        match cloud {
            Cloud::Aws(aws) => PriceSource::Aws(aws.clone(), cache.map(Cache::new)),
            Cloud::Simulated(_) => {
                PriceSource::None("the simulated cloud has no price list: pass `--prices DIR` with recorded answers".to_owned())
            }
        }
    }

    /// Recorded answers in a folder: each file `*.json` is one of `aws pricing get-products`.
    ///
    /// # Errors
    /// Fails if the folder or a file can't be read.
    pub fn recorded(folder: &Path) -> io::Result<PriceSource> {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let mut documents = Vec::new();
        for file in files {
            let invalid = |error: serde_json::Error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", file.display()));
            let answer: Value = serde_json::from_str(&fs::read_to_string(&file)?).map_err(invalid)?;
            let list = answer["PriceList"].as_array().cloned().unwrap_or_default();
            for document in list {
                documents.push(match document {
                    Value::String(text) => serde_json::from_str(&text).map_err(invalid)?,
                    document => document,
                });
            }
        }
        Ok(PriceSource::Recorded(documents))
    }

    /// Answers a query.
    ///
    /// # Errors
    /// Fails if the call fails and there is no older answer.
    pub(super) async fn answer(&self, query: &Query) -> Result<Answer, Error> {
        let (aws, cache) = match self {
            PriceSource::Aws(aws, cache) => (aws, cache),
            PriceSource::Recorded(documents) => return Ok(Answer { documents: documents.clone(), stale: None }),
            PriceSource::None(reason) => return Err(Error::new(ErrorKind::Rejected, NO_PRICES, reason.clone())),
        };
        let endpoint = aws.pricing_endpoint().unwrap_or_default().to_owned();
        let kept = cache.as_ref().and_then(|cache| cache.read(&endpoint, query));
        let stale = match kept {
            Some((documents, Age::Fresh)) => return Ok(Answer { documents, stale: None }),
            Some((documents, Age::Stale)) => Some(documents),
            None => None,
        };
        match aws.products(query.0, &query.1).await {
            Ok(texts) => {
                let documents: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
                if let Some(cache) = cache {
                    cache.write(&endpoint, query, &documents);
                }
                Ok(Answer { documents, stale: None })
            }
            Err(error) => match stale {
                Some(documents) => Ok(Answer { documents, stale: Some(error) }),
                None => Err(error),
            },
        }
    }
}
