//! Files and folders that only their owner can read: definitions, journals and live state show how a stack is built.

use std::{fs, io, path::Path};

/// Creates a folder and those above it that are missing, with mode 0700. Existing ones keep their mode.
///
/// # Errors
/// Fails if a folder can't be created.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options that create files with mode 0600.
pub fn open_options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
