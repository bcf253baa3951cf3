//! Reads the files of a definition.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::{EntryError, IncludeEntry, faulty_key, git, is_known_key, parse_entry};
use crate::{
    core::EnvironmentName,
    definition::{
        diagnostic::Diagnostic,
        parse,
        source::{FileRole, Source, child_pointer},
    },
};

/// File that describes a module.
pub const MODULE_FILE: &str = "module.yaml";

/// Folder of values beside a stack file.
const VALUES_FOLDER: &str = "values";

/// Maximum number of files of one definition, so that modules which include each other in ever new ways can't exhaust the memory.
const MAX_FILES: usize = 1_000;

impl Source {
    /// Reads a stack file, the files and modules that it includes, and the values of its environments in `values/` beside it. Problems
    /// of other files than the stack file are reported by [`crate::definition::load`], at their lines.
    ///
    /// # Errors
    /// Fails if the stack file or a file of values can't be read as UTF-8 text.
    pub fn read(path: &Path) -> io::Result<Source> {
        let mut source = Source::new(path.display().to_string(), fs::read_to_string(path)?);
        source.problems = Some(Vec::new());
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        if let (Ok(real), Ok(file)) = (shown.canonicalize(), path.canonicalize()) {
            let root = repository_of(&real).unwrap_or(real).to_path_buf();
            let mut reader = Reader { source: &mut source, open: vec![file] };
            reader.read_includes(0, &Place { folder: folder.clone(), root });
        }
        add_values_of_environments(&mut source, &folder.join(VALUES_FOLDER))?;
        Ok(source)
    }
}

/// Nearest folder above that is a Git repository.
fn repository_of(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_path_buf)
}

fn add_values_of_environments(source: &mut Source, folder: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "yaml")
            && let Ok(environment) = stem.parse::<EnvironmentName>()
        {
            files.push((environment, path));
        }
    }
    files.sort();
    for (environment, path) in files {
        let text = fs::read_to_string(&path)?;
        source.add_file(shown_path(&path), &text, FileRole::Values { environment: Some(environment.to_string()) });
    }
    Ok(())
}

/// Where the paths of a file lead.
#[derive(Clone)]
struct Place {
    /// Folder of the file, as shown.
    folder: PathBuf,
    /// Folder that paths must not leave.
    root: PathBuf,
}

struct Reader<'a> {
    source: &'a mut Source,
    /// Files being read, from the stack file on.
    open: Vec<PathBuf>,
}

/// File to read.
struct Target {
    /// Path as shown.
    path: PathBuf,
    /// Path without links.
    real: PathBuf,
    role: FileRole,
    place: Place,
    /// Module that was fetched for it.
    fetched: Option<git::FetchedModule>,
}

impl Reader<'_> {
    /// Reads all that a file includes.
    fn read_includes(&mut self, index: usize, place: &Place) {
        let range = self.source.files[index].range.clone();
        // Most definitions are one file: parsing it once is enough.
        if !self.source.text.get(range).is_some_and(|text| text.contains("include")) {
            return;
        }
        // Loading reports the errors of the syntax.
        let Ok((document, spans)) = parse::parse_file(self.source, index) else { return };
        let Some(Value::Array(entries)) = document.get("include") else { return };
        for (number, entry) in entries.iter().enumerate() {
            let at = format!("/include/{number}");
            let read = parse_entry(entry).and_then(|entry| self.find(&entry, place)).and_then(|target| self.read(target));
            match read {
                Ok(included) => drop(self.source.files[index].includes.insert(number, included)),
                Err((message, help)) => {
                    let range = match faulty_key(entry, &message) {
                        Some(key) if is_known_key(key) => spans.value_range(&self.source.text, &child_pointer(&at, key)),
                        Some(key) => spans.key_range(&self.source.text, &child_pointer(&at, key)),
                        None => spans.value_range(&self.source.text, &at),
                    };
                    self.source.problems.get_or_insert_default().push(Diagnostic::new("include", message).at(range).help(help));
                }
            }
        }
    }

    /// Finds the file of an entry.
    fn find(&self, entry: &IncludeEntry<'_>, place: &Place) -> Result<Target, EntryError> {
        match entry {
            IncludeEntry::File(path) => find_path(path, place, FileRole::Included),
            IncludeEntry::Module { module, checksum } => match git::Location::parse(module)? {
                Some(location) => {
                    let tree = location.fetch()?;
                    location.check(&tree, *checksum)?;
                    let folder = tree.join(location.folder());
                    let path = folder.join(MODULE_FILE);
                    let real = path.canonicalize().ok().filter(|real| real.starts_with(&tree));
                    let real = real.ok_or_else(|| {
                        let message = format!("`{}` has no file `{MODULE_FILE}` in `{}`", location.url(), location.folder());
                        (message, "write the folder of the module after `//`".to_owned())
                    })?;
                    let fetched = Some(git::FetchedModule::new(&tree, location.folder()));
                    // The checksum covers the folder of the module, and no other.
                    let root = real.parent().map_or(tree, Path::to_path_buf);
                    Ok(Target { path, real, role: FileRole::Module, place: Place { folder, root }, fetched })
                }
                None if checksum.is_some() => {
                    Err(("a module in a folder has no checksum".to_owned(), "remove `checksum`: it is for Git repositories".to_owned()))
                }
                None => find_path(&format!("{}/{MODULE_FILE}", module.trim_end_matches('/')), place, FileRole::Module),
            },
        }
    }

    fn read(&mut self, target: Target) -> Result<usize, EntryError> {
        let shown = shown_path(&target.path);
        if self.open.contains(&target.real) {
            let message = format!("`{shown}` includes itself, directly or through other files");
            return Err((message, "remove one of these entries".to_owned()));
        }
        if self.source.files.len() >= MAX_FILES {
            return Err((format!("the definition has more than {MAX_FILES} files"), "use fewer modules".to_owned()));
        }
        let text = fs::read_to_string(&target.real)
            .map_err(|error| (format!("can't read `{shown}`: {error}"), "the file must be readable text in UTF-8".to_owned()))?;
        let index = self.source.add_file(shown, &text, target.role);
        self.source.files[index].fetched = target.fetched;
        self.open.push(target.real);
        self.read_includes(index, &target.place);
        self.open.pop();
        Ok(index)
    }
}

/// Finds a file by its path, which must not lead out of the root.
fn find_path(path: &str, place: &Place, role: FileRole) -> Result<Target, EntryError> {
    if Path::new(path).is_absolute() || path.starts_with('~') {
        return Err((format!("`{path}` is not a relative path"), "write a path relative to this file".to_owned()));
    }
    let joined = place.folder.join(path);
    let real = joined.canonicalize().map_err(|_| {
        let shown = shown_path(&joined);
        let help = match role {
            FileRole::Module => format!("a module is a folder with a file `{MODULE_FILE}`; its path is relative to this file"),
            _ => "the path is relative to this file".to_owned(),
        };
        (format!("there is no file `{shown}`"), help)
    })?;
    if !real.starts_with(&place.root) {
        let message = format!("`{path}` leads out of `{}`", place.root.display());
        return Err((message, "include files of the same Git repository, or below the folder of the stack file".to_owned()));
    }
    if !real.is_file() {
        let message = format!("`{}` is not a file", shown_path(&joined));
        return Err((message, "for a folder, write `- module: …`".to_owned()));
    }
    let folder = joined.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    Ok(Target { path: joined, real, role, place: Place { folder, root: place.root.clone() }, fetched: None })
}

/// Path for messages, without `.` and `folder/..`.
fn shown_path(path: &Path) -> String {
    let mut shown = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(shown.components().next_back(), Some(Component::Normal(_))) => drop(shown.pop()),
            part => shown.push(part),
        }
    }
    shown.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_without_detours() {
        for (path, shown) in [("stacks/../modules/./web/module.yaml", "modules/web/module.yaml"), ("../a.yaml", "../a.yaml"), ("./b", "b")]
        {
            assert_eq!(shown_path(Path::new(path)), shown);
        }
    }
}
