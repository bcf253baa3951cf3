//! Compares rendered files with a folder, and writes them.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
};

use super::{
    Rendered,
    header::{Origin, origin, with_header},
};

/// A file to write or to delete.
#[derive(Debug)]
pub struct FileChange {
    /// Path below the folder.
    pub path: String,
    /// Its text; `None` if it does not exist.
    pub before: Option<String>,
    /// Its new text; `None` to delete it.
    pub after: Option<String>,
}

/// A file that acme leaves alone, although it would write or delete it.
#[derive(Debug)]
pub struct KeptFile {
    /// Path below the folder.
    pub path: String,
    /// Reason.
    pub reason: KeptReason,
}

/// Why acme leaves a file alone.
#[derive(Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// It has no header of acme.
    OfPeople,
    /// It was edited since acme rendered it.
    Edited,
    /// It is rendered from another stack.
    OfStack(String),
}

/// Differences between rendered files and a folder.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Files to write or to delete, by path.
    pub changes: Vec<FileChange>,
    /// Folders to create, each with its files: they belong to people from then on.
    pub sources: Vec<(String, Vec<FileChange>)>,
    /// Files to leave alone.
    pub kept: Vec<KeptFile>,
    overwrites_edits: bool,
}

impl Comparison {
    /// All files to write or to delete.
    pub fn all_changes(&self) -> impl Iterator<Item = &FileChange> {
        self.changes.iter().chain(self.sources.iter().flat_map(|(_, files)| files))
    }

    /// Whether rendered files were edited, or belong to another stack.
    pub fn has_edited_files(&self) -> bool {
        self.kept.iter().any(|kept| kept.reason != KeptReason::OfPeople)
    }
}

/// Compares the files of a stack with a folder. `overwrites_edits`: whether acme replaces rendered files that were edited.
///
/// # Errors
/// Fails if the folder can't be read.
pub fn compare(folder: &Path, rendered: &Rendered, stack: &str, overwrites_edits: bool) -> io::Result<Comparison> {
    let mut existing = BTreeMap::new();
    for part in &rendered.folders {
        read_matching(folder, part, &mut existing)?;
    }
    let mut comparison = Comparison { overwrites_edits, ..Comparison::default() };
    for (path, body) in &rendered.files {
        let text = with_header(path, stack, body);
        // Beside files of people, such as those at the root.
        let found = existing.remove(path).map_or_else(|| read_file(&folder.join(path)), |found| Ok(Some(found)))?;
        match found {
            None => comparison.changes.push(FileChange { path: path.clone(), before: None, after: Some(text) }),
            Some(Existing::Text(before)) if before == text => {}
            Some(existing) => comparison.add(path, existing, stack, Some(text)),
        }
    }
    for (path, files) in &rendered.sources {
        if fs::symlink_metadata(folder.join(path)).is_err() {
            let create =
                |(name, text): (&String, &String)| FileChange { path: format!("{path}/{name}"), before: None, after: Some(text.clone()) };
            comparison.sources.push((path.clone(), files.iter().map(create).collect()));
        }
    }
    // What people put beside the rendered files is theirs.
    for (path, existing) in existing.into_iter().filter(|(_, existing)| existing.is_rendered_from(stack)) {
        comparison.add(&path, existing, stack, None);
    }
    Ok(comparison)
}

/// Writes and deletes files. An interrupted run is completed by the next one.
///
/// # Errors
/// Fails if a file can't be written or deleted.
pub fn write(folder: &Path, comparison: &Comparison) -> io::Result<()> {
    for (path, files) in &comparison.sources {
        write_sources(folder, path, files)?;
    }
    for change in &comparison.changes {
        let path = folder.join(&change.path);
        match (&change.after, path.parent()) {
            (Some(text), Some(parent)) => write_file(&path, parent, text)?,
            _ => {
                fs::remove_file(&path)?;
                // A folder that is not empty stays.
                let parents = path.ancestors().skip(1).take_while(|parent| *parent != folder);
                for parent in parents {
                    if fs::remove_dir(parent).is_err() {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

fn write_file(path: &Path, parent: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(parent)?;
    let mut file = tempfile::Builder::new().permissions(permissions()).tempfile_in(parent)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// Creates a folder with all its files at once: a folder with some of them would count as one of people.
fn write_sources(root: &Path, folder: &str, files: &[FileChange]) -> io::Result<()> {
    let target = root.join(folder);
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else { return Ok(()) };
    let unfinished = parent.join(format!(".{}.acme-render", name.display()));
    // What an interrupted run has left.
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for file in files {
        let path = unfinished.join(file.path.strip_prefix(folder).unwrap_or(&file.path).trim_start_matches('/'));
        if let (Some(text), Some(parent)) = (&file.after, path.parent()) {
            write_file(&path, parent, text)?;
        }
    }
    fs::rename(&unfinished, &target)
}

/// Permissions of a file that others read, which the system's mask reduces.
fn permissions() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

impl Comparison {
    fn add(&mut self, path: &str, existing: Existing, stack: &str, after: Option<String>) {
        let path = path.to_owned();
        let reason = match &existing {
            Existing::Other => KeptReason::OfPeople,
            Existing::Text(text) => match origin(text) {
                // A file that is no longer rendered may be of another stack, which its header no longer tells.
                Origin::Edited if self.overwrites_edits && after.is_some() => {
                    let Existing::Text(before) = existing else { return };
                    self.changes.push(FileChange { path, before: Some(before), after });
                    return;
                }
                Origin::Rendered(owner) if owner == stack => {
                    let Existing::Text(before) = existing else { return };
                    // Only the ends of lines differ.
                    if after.as_ref() != Some(&before.replace("\r\n", "\n")) {
                        self.changes.push(FileChange { path, before: Some(before), after });
                    }
                    return;
                }
                Origin::Rendered(owner) => KeptReason::OfStack(owner.to_owned()),
                Origin::Edited => KeptReason::Edited,
                Origin::People => KeptReason::OfPeople,
            },
        };
        self.kept.push(KeptFile { path, reason });
    }
}

/// A file in the folder.
enum Existing {
    Text(String),
    /// A link, or a file that is not text.
    Other,
}

impl Existing {
    fn is_rendered_from(&self, stack: &str) -> bool {
        matches!(self, Existing::Text(text) if matches!(origin(text), Origin::Edited) || origin(text) == Origin::Rendered(stack))
    }
}

/// Reads a file, if it exists.
fn read_file(path: &Path) -> io::Result<Option<Existing>> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        metadata => metadata?.file_type(),
    };
    let text = if kind.is_file() { fs::read(path).map(|bytes| String::from_utf8(bytes).ok())? } else { None };
    Ok(Some(text.map_or(Existing::Other, Existing::Text)))
}

/// Reads all files below a folder of the repository, or below each if a part of its path is `*`.
fn read_matching(root: &Path, part: &str, into: &mut BTreeMap<String, Existing>) -> io::Result<()> {
    let Some((before, after)) = part.split_once("/*/") else { return read_files(root, part, into) };
    let entries = match fs::read_dir(root.join(before)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string()) {
            read_matching(root, &format!("{before}/{name}/{after}"), into)?;
        }
    }
    Ok(())
}

/// Reads all files below a folder of the repository.
fn read_files(root: &Path, part: &str, into: &mut BTreeMap<String, Existing>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(part)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{part}/{name}");
        if entry.file_type()?.is_dir() {
            read_files(root, &path, into)?;
        } else if let Some(existing) = read_file(&entry.path())? {
            into.insert(path, existing);
        }
    }
    Ok(())
}
