//! Modules in Git repositories: `git::https://example.com/modules.git//web?ref=v1.2.0`, pinned by a checksum of their files.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use super::EntryError;

/// Begin of the source of a module in a Git repository.
const PREFIX: &str = "git::";

/// Protocols of repositories.
const PROTOCOLS: &[&str] = &["https://", "ssh://", "file://"];

/// Place of a module in a Git repository.
pub struct Location {
    url: String,
    folder: String,
    reference: String,
}

impl Location {
    /// Parses the source of a module; `None` if it is a path.
    ///
    /// # Errors
    /// Returns what is wrong with the source of a repository.
    pub fn parse(text: &str) -> Result<Option<Location>, EntryError> {
        let form = "write `git::https://example.com/modules.git//web?ref=v1.2.0`: repository, folder, and tag or commit".to_owned();
        let Some(rest) = text.strip_prefix(PREFIX) else {
            let is_url = text.contains("://") || text.starts_with("git@");
            return if is_url { Err((format!("`{text}` is neither a path nor a Git repository"), form)) } else { Ok(None) };
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Some(protocol) = PROTOCOLS.iter().find(|protocol| place.starts_with(**protocol)) else {
            return Err((format!("`{place}` is not the URL of a repository"), form));
        };
        let after = &place[protocol.len()..];
        let (repository, folder) = after.split_once("//").unwrap_or((after, ""));
        let Some(reference) = query.strip_prefix("ref=").filter(|name| is_reference(name)) else {
            return Err(("the module is not pinned to a tag or commit".to_owned(), "add `?ref=` with a tag or commit".to_owned()));
        };
        if repository.is_empty() || folder.split('/').any(|part| part == "..") || folder.starts_with('/') {
            return Err((format!("`{place}` is not a folder in a repository"), form));
        }
        let (url, folder) = (format!("{protocol}{repository}"), folder.trim_end_matches('/').to_owned());
        Ok(Some(Location { url, folder, reference: reference.to_owned() }))
    }

    /// Address of the repository.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Folder of the module in the repository.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Returns a folder with the files of the repository, from the cache if it has them.
    ///
    /// # Errors
    /// Fails if there is no `git`, or if the repository or the tag can't be fetched.
    pub fn fetch(&self) -> Result<PathBuf, EntryError> {
        let cannot = |error: String| (format!("can't fetch `{}` at `{}`: {error}", self.url, self.reference), self.fetch_help());
        let cache = cache_folder().ok_or_else(|| cannot("there is no folder for caches: set `XDG_CACHE_HOME` or `HOME`".to_owned()))?;
        let tree = cache.join(hex(&Sha256::digest(format!("{}\n{}", self.url, self.reference))));
        if !tree.is_dir() {
            fs::create_dir_all(&cache).map_err(|error| cannot(error.to_string()))?;
            let work = tempfile::tempdir_in(&cache).map_err(|error| cannot(error.to_string()))?;
            self.fetch_into(work.path()).map_err(cannot)?;
            // Another run may have been faster.
            let moved = fs::rename(work.path(), &tree);
            if moved.is_ok() {
                drop(work.keep());
            } else if let Err(error) = moved
                && !tree.is_dir()
            {
                return Err(cannot(error.to_string()));
            }
        }
        tree.canonicalize().map_err(|error| cannot(error.to_string()))
    }

    fn fetch_into(&self, folder: &Path) -> Result<(), String> {
        git(folder, &["init", "--quiet"])?;
        git(folder, &["fetch", "--quiet", "--depth", "1", "--", &self.url, &self.reference])?;
        // Hooks and filters of the user have no part in the files.
        git(folder, &["-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", "checkout", "--quiet", "--detach", "FETCH_HEAD"])?;
        fs::remove_dir_all(folder.join(".git")).map_err(|error| error.to_string())
    }

    fn fetch_help(&self) -> String {
        format!("check the address and the tag: `git ls-remote {}` lists them", self.url)
    }

    /// Compares the files of the module with its checksum.
    ///
    /// # Errors
    /// Fails without a checksum, and if it differs; the error has the right one.
    pub fn check(&self, tree: &Path, checksum: Option<&str>) -> Result<(), EntryError> {
        let folder = tree.join(&self.folder);
        let actual = tree_checksum(&folder).map_err(|error| {
            let message = format!("can't read the folder `{}` of `{}`: {error}", self.folder, self.url);
            (message, "write the folder of the module after `//`".to_owned())
        })?;
        match checksum {
            Some(checksum) if checksum == actual => Ok(()),
            Some(checksum) => {
                let message = format!("the files of the module have the checksum `{actual}`, not `{checksum}`");
                let help = "the tag was moved, or the module was changed: review the new files, then write the new checksum".to_owned();
                Err((message, help))
            }
            None => {
                let message = "a module from a Git repository needs a checksum".to_owned();
                Err((message, format!("review its files, then add `checksum: {actual}`")))
            }
        }
    }
}

/// A module in the cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchedModule {
    /// Files of its repository.
    tree: PathBuf,
    /// Its folder in the repository.
    folder: String,
}

impl FetchedModule {
    pub(super) fn new(tree: &Path, folder: &str) -> FetchedModule {
        FetchedModule { tree: tree.to_path_buf(), folder: folder.to_owned() }
    }

    /// Whether a file is part of its repository.
    pub fn has(&self, file: &Path) -> bool {
        file.starts_with(&self.tree)
    }

    /// Its files, by their paths below the cache.
    ///
    /// # Errors
    /// Fails if one can't be read.
    pub fn cached_files(&self) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let name = self.tree.file_name().unwrap_or_default().to_string_lossy();
        let prefix = if self.folder.is_empty() { format!("{name}/") } else { format!("{name}/{}/", self.folder) };
        let mut files = BTreeMap::new();
        collect_files(&self.tree.join(&self.folder), &prefix, &mut files)?;
        Ok(files)
    }
}

/// Writes files of modules into the cache of this machine, from the paths of [`FetchedModule::cached_files`]. Files that it has already stay.
///
/// # Errors
/// Fails if a path leads out of the cache, or if a file can't be written.
pub fn restore_to_cache(files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let cache = cache_folder().ok_or_else(|| io::Error::other("there is no folder for caches: set `XDG_CACHE_HOME` or `HOME`"))?;
    for (path, content) in files {
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("`{path}` leads out of the cache of modules")));
        }
        let file = cache.join(path);
        if !file.exists() {
            fs::create_dir_all(file.parent().unwrap_or(&cache))?;
            fs::write(file, content)?;
        }
    }
    Ok(())
}

/// Whether a text is a possible name of a tag or a commit.
fn is_reference(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._/-+".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_part)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    // A prompt would wait for ever, and a variable for another repository would redirect the commands.
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", "https:ssh:file").env("LC_ALL", "C");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "the program `git` is not installed".to_owned(),
        _ => error.to_string(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let reason = one_line(&String::from_utf8_lossy(&output.stderr));
    Err(if reason.is_empty() { "git failed".to_owned() } else { reason })
}

/// What git printed, in one line, without the words that begin its messages.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:")) {
        let message = ["fatal: ", "error: ", "remote: "].iter().find_map(|begin| line.strip_prefix(begin));
        let separator = match message {
            _ if out.is_empty() => "",
            Some(_) if !out.ends_with(['.', ':']) => "; ",
            _ => " ",
        };
        out.push_str(separator);
        out.push_str(message.unwrap_or(line));
    }
    out.truncate(out.trim_end_matches('.').len());
    out
}

/// Folder of the fetched modules.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = variable("XDG_CACHE_HOME").or_else(|| match env::consts::OS {
        "macos" => Some(variable("HOME")?.join("Library/Caches")),
        "windows" => variable("LOCALAPPDATA"),
        _ => Some(variable("HOME")?.join(".cache")),
    });
    Some(caches?.join("acme").join("modules"))
}

/// Checksum of the files below a folder: of their paths and contents.
fn tree_checksum(folder: &Path) -> io::Result<String> {
    let mut files = BTreeMap::new();
    collect_files(folder, "", &mut files)?;
    let mut hash = Sha256::new();
    for (path, content) in files {
        hash.update(format!("{path}\0{}\0", content.len()));
        hash.update(content);
    }
    Ok(format!("sha256:{}", hex(&hash.finalize())))
}

fn collect_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect_files(&entry.path(), &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.insert(name, fs::read(entry.path())?);
        } else {
            return Err(io::Error::other(format!("`{name}` is neither a file nor a folder")));
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_places_in_repositories() {
        let parse = |text: &str| Location::parse(text).map(|it| it.map(|it| (it.url, it.folder, it.reference))).map_err(|error| error.0);
        let found = ("https://example.com/m.git".to_owned(), "a/web".to_owned(), "v1".to_owned());
        assert_eq!(parse("git::https://example.com/m.git//a/web?ref=v1"), Ok(Some(found)));
        assert_eq!(parse("./modules/web"), Ok(None));
        for wrong in [
            "git::https://example.com/m.git//web",
            "git::https://example.com/m.git//../web?ref=v1",
            "git::https://example.com/m.git?ref=--upload-pack=x",
            "git::ext::sh -c id?ref=v1",
            "https://example.com/m.git",
            "git@example.com:m.git",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn checksums_depend_on_paths_and_contents() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut seen = std::collections::BTreeSet::new();
        fs::write(folder.path().join("a"), "1")?;
        assert!(seen.insert(tree_checksum(folder.path())?));
        fs::write(folder.path().join("a"), "2")?;
        assert!(seen.insert(tree_checksum(folder.path())?));
        fs::create_dir(folder.path().join("b"))?;
        fs::rename(folder.path().join("a"), folder.path().join("b/a"))?;
        assert!(seen.insert(tree_checksum(folder.path())?));
        Ok(())
    }
}
