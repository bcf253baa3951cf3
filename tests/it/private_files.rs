//! Histories and simulated clouds can be read by their owner only.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::acme::{Acme, write_file};

/// Every file and folder below a folder, with its mode.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        found.push((path.clone(), fs::metadata(&path).expect("metadata").permissions().mode() & 0o777));
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

#[test]
fn journals_revisions_and_simulated_clouds_are_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cloud, backend) = (folder.path().join("made/cloud"), folder.path().join("made/backend"));
    let stack =
        write_file(folder.path(), "stack.yaml", "stack: shop\nregion: eu-west-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n");
    Acme::local(&cloud).apply(&stack);
    Acme::local(&cloud).with_args(&["--backend", &backend.display().to_string()]).destroy(&stack);
    Acme::local(&cloud).run("plan", &stack, &["--out", &folder.path().join("made/plan.acmeplan").display().to_string()]).assert_success();
    let found = modes(&folder.path().join("made"));
    let names: Vec<String> = found.iter().map(|(path, _)| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    for name in ["journal", "revision.json", "lease.json", "plan.acmeplan"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing: {names:?}");
    }
    for (path, mode) in found {
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}
