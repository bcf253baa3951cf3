//! What a remote run needs: the saved plan, the files of its definition, and the options of the command.
//!
//! It has the content of the saved plan and of the definition, and no secrets: neither has any.

use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroUsize,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    core::private_files,
    definition::{Source, restore_to_cache},
    engine::saved_plan::{SavedPlan, sha256},
};

/// Name and version of the format.
const FORMAT: &str = "acme-remote-package/1";

/// What a remote run needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemotePackage {
    /// [`FORMAT`].
    format: String,
    /// The plan. The paths in it are relative to [`RemotePackage::folder`].
    pub plan: SavedPlan,
    /// File of the plan, for messages.
    pub plan_file: String,
    /// Folder in which the user works, below the root of the files.
    folder: String,
    /// Texts of the files of the definition, by their paths below the root.
    files: BTreeMap<String, String>,
    /// Files of modules from Git repositories, by their paths below the cache of modules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    modules: BTreeMap<String, Vec<u8>>,
    /// Options of the command.
    pub options: RunnerOptions,
}

/// Options of the command that count for the run, and those that complete printed commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerOptions {
    /// Region, unless the definition has one.
    pub region: Option<String>,
    /// Location of the backend, unless the definition has one.
    pub backend: Option<String>,
    /// Role to assume instead of the definition's.
    pub role: Option<String>,
    /// Maximum number of parallel steps.
    pub parallelism: Option<NonZeroUsize>,
    /// Time to wait for the lease, in seconds.
    pub lock_timeout: u64,
    /// Whether a failed run is rolled back.
    pub roll_back_on_failure: bool,
    /// Whether to print the number of calls.
    pub stats: bool,
    /// User who started it.
    pub actor: String,
    /// The user's profile, for printed commands: the runner has its own role.
    pub profile: Option<String>,
    /// Command that makes the plan again; `None` for a plan from a file.
    pub plan_again: Option<String>,
}

/// Reason why a package can't be run.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Another content than the one whose checksum the build was given.
    #[error("its checksum is not the one with which the build was started")]
    Checksum,
    /// Not a package of this version.
    #[error("this version of acme can't read it: {0}")]
    Unreadable(String),
}

impl RemotePackage {
    /// Package of a plan. `folder` is the absolute path of the user's working folder.
    ///
    /// # Errors
    /// Fails if files of a module can't be read.
    pub fn new(
        mut plan: SavedPlan,
        plan_file: String,
        source: &Source,
        folder: &Path,
        options: RunnerOptions,
    ) -> io::Result<RemotePackage> {
        let absolute = |path: &str| without_detours(&folder.join(path));
        let texts: BTreeMap<PathBuf, &str> = source.own_files().map(|(path, text)| (absolute(path), text)).collect();
        let folders = texts.keys().filter_map(|file| file.parent());
        let root = folders.fold(without_detours(folder), |root, other| common_folder(&root, other));
        let below = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
        let files = texts.iter().map(|(path, text)| (below(path), (*text).to_owned())).collect();
        let shown = |path: &str| match Path::new(path).is_absolute() {
            true => relative_path(&without_detours(folder), &absolute(path)),
            false => path.to_owned(),
        };
        plan.definition.file = shown(&plan.definition.file);
        plan.definition.values = plan.definition.values.iter().map(|path| shown(path)).collect();
        let mut modules = BTreeMap::new();
        for module in source.fetched_modules() {
            modules.extend(module.cached_files()?);
        }
        let folder = below(&without_detours(folder));
        Ok(RemotePackage { format: FORMAT.to_owned(), plan, plan_file, folder, files, modules, options })
    }

    /// The package as bytes, and their SHA-256.
    ///
    /// # Errors
    /// Fails if it can't be written as JSON.
    pub fn to_bytes(&self) -> serde_json::Result<(Vec<u8>, String)> {
        let bytes = serde_json::to_vec(self)?;
        let checksum = sha256(&bytes);
        Ok((bytes, checksum))
    }

    /// Reads a package.
    ///
    /// # Errors
    /// Fails if the checksum differs, or if this version of acme can't apply the plan.
    pub fn from_bytes(bytes: &[u8], checksum: &str) -> Result<RemotePackage, PackageError> {
        if sha256(bytes) != checksum {
            return Err(PackageError::Checksum);
        }
        let unreadable = |error: serde_json::Error| PackageError::Unreadable(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        if value["format"] != FORMAT {
            return Err(PackageError::Unreadable(format!("its format is not `{FORMAT}`")));
        }
        // The plan is for one version of acme.
        SavedPlan::parse(&value["plan"].to_string()).map_err(|error| PackageError::Unreadable(error.to_string()))?;
        serde_json::from_value(value).map_err(unreadable)
    }

    /// Writes the files below an empty folder, and returns the one in which the user worked.
    ///
    /// # Errors
    /// Fails if a path leads out of the folder, or if a file can't be written.
    pub fn unpack(&self, root: &Path) -> io::Result<PathBuf> {
        let inside = |path: &str| match Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            true => Ok(root.join(path)),
            false => Err(io::Error::other(format!("`{path}` leads out of the package"))),
        };
        let folder = inside(&self.folder)?;
        private_files::create_dir_all(&folder)?;
        // Paths of files that a definition includes must not leave its repository.
        private_files::create_dir_all(&root.join(".git"))?;
        for (path, text) in &self.files {
            let file = inside(path)?;
            private_files::create_dir_all(file.parent().unwrap_or(root))?;
            fs::write(file, text)?;
        }
        restore_to_cache(&self.modules)?;
        Ok(folder)
    }
}

/// The path without `.` and `folder/..`.
fn without_detours(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(found.pop()),
            part => found.push(part),
        }
    }
    found
}

fn common_folder(one: &Path, other: &Path) -> PathBuf {
    one.components().zip(other.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
}

/// Path from a folder to a file, both absolute.
fn relative_path(folder: &Path, file: &Path) -> String {
    let common = common_folder(folder, file);
    let up = folder.strip_prefix(&common).map_or(0, |rest| rest.components().count());
    let down = file.strip_prefix(&common).unwrap_or(file);
    std::iter::repeat_n(Path::new(".."), up).chain([down]).collect::<PathBuf>().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{plan::Goal, saved_plan::DefinitionSource};

    fn package(folder: &Path, file: &str, values: &[&str]) -> RemotePackage {
        let mut source = Source::read(&folder.join(file)).expect("a definition");
        // As a user in that folder names it.
        source.path = file.to_owned();
        for file in values {
            source.add_values(*file, &fs::read_to_string(folder.join(file)).expect("values"));
        }
        let definition = DefinitionSource {
            file: file.to_owned(),
            sha256: String::new(),
            files: BTreeMap::new(),
            commit: None,
            env: None,
            set: Vec::new(),
            values: values.iter().map(|path| (*path).to_owned()).collect(),
        };
        let plan = SavedPlan {
            format: crate::engine::saved_plan::FORMAT.to_owned(),
            acme: env!("CARGO_PKG_VERSION").to_owned(),
            goal: Goal::Apply,
            selection: Default::default(),
            definition,
            stack: "shop".into(),
            environment: "default".into(),
            region: "eu-west-1".into(),
            account: "123456789012".into(),
            revision: None,
            stacks: BTreeMap::new(),
            live: BTreeMap::new(),
            changes: Vec::new(),
        };
        let options = RunnerOptions {
            region: None,
            backend: None,
            role: None,
            parallelism: None,
            lock_timeout: 0,
            roll_back_on_failure: true,
            stats: false,
            actor: "ann@laptop".into(),
            profile: None,
            plan_again: None,
        };
        RemotePackage::new(plan, "remote.acmeplan".into(), &source, folder, options).expect("a package")
    }

    #[test]
    fn a_definition_is_the_same_on_the_runner() {
        let user = tempfile::tempdir().expect("a folder");
        let root = user.path().canonicalize().expect("a path");
        for (path, text) in [
            ("shop/stacks/stack.yaml", "stack: shop\ninclude: [../common.yaml]\n"),
            ("shop/common.yaml", "values: { size: 1 }\n"),
            ("shop/stacks/values/staging.yaml", "size: 2\n"),
            ("more.yaml", "size: 3\n"),
            ("shop/.git/HEAD", ""),
        ] {
            fs::create_dir_all(root.join(path).parent().expect("a folder")).expect("a folder");
            fs::write(root.join(path), text).expect("written");
        }
        let folder = root.join("shop");
        let absolute = root.join("more.yaml").display().to_string();
        let package = package(&folder, "stacks/stack.yaml", &[&absolute]);
        assert_eq!(package.plan.definition.values, ["../more.yaml"]);
        let (bytes, checksum) = package.to_bytes().expect("JSON");
        let read = RemotePackage::from_bytes(&bytes, &checksum).expect("a package");
        assert_eq!(read, package);
        assert!(matches!(RemotePackage::from_bytes(&bytes, "00"), Err(PackageError::Checksum)));

        let runner = tempfile::tempdir().expect("a folder");
        let there = read.unpack(runner.path()).expect("unpacked");
        let text = |folder: &Path, file: &str| Source::read(&folder.join(file)).expect("a definition").text;
        assert_eq!(text(&there, "stacks/stack.yaml"), text(&folder, "stacks/stack.yaml"));
        assert_eq!(fs::read_to_string(there.join("../more.yaml")).expect("values"), "size: 3\n");
    }

    #[test]
    fn a_package_can_not_write_outside_its_folder() {
        let user = tempfile::tempdir().expect("a folder");
        let root = user.path().canonicalize().expect("a path");
        fs::write(root.join("stack.yaml"), "stack: shop\n").expect("written");
        let mut package = package(&root, "stack.yaml", &[]);
        package.files.insert("../escaped".into(), String::new());
        let runner = tempfile::tempdir().expect("a folder");
        assert!(package.unpack(&runner.path().join("root")).is_err());
        assert!(!runner.path().join("escaped").exists());
    }

    #[test]
    fn paths_lead_from_the_folder_to_the_file() {
        for (folder, file, expected) in
            [("/a/b", "/a/b/c.yaml", "c.yaml"), ("/a/b", "/a/x/c.yaml", "../x/c.yaml"), ("/t", "/a/c", "../a/c")]
        {
            assert_eq!(relative_path(Path::new(folder), Path::new(file)), expected);
        }
    }
}
