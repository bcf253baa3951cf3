//! `acme docs`: writes the reference and the JSON Schema to files.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::DONE;
use crate::{
    docs::{reference, schema},
    report,
};

pub fn run(out: &Path) -> Result<u8> {
    let folder = out.join("reference");
    fs::create_dir_all(&folder).with_context(|| format!("can't create the folder `{}`", folder.display()))?;
    let pages = reference::pages().into_iter().map(|(name, text)| (folder.join(name), text));
    let all: Vec<_> = pages.chain([(out.join("schema.json"), schema::definition_json())]).collect();
    for (path, text) in &all {
        fs::write(path, text).with_context(|| format!("can't write `{}`", path.display()))?;
    }
    report::eprint(&format!("Wrote {} files to {}.", all.len(), out.display()));
    Ok(DONE)
}
