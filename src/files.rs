//! Files: read with the path in the error, written so that nothing is ever half there.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The text of a file in UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file whole or not at all: into a sibling that then takes its name.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let sibling = path.with_extension("partial");
    let outcome = write_through(&sibling, bytes).and_then(|()| fs::rename(&sibling, path));
    if outcome.is_err() {
        // What remains of the attempt is of no use; the error to report is the first one.
        let _ = fs::remove_file(&sibling);
    }
    outcome.with_context(|| {
        format!(
            "cannot write {} ({}); what was there before is unchanged\n\
             hint: look for free space and permissions, or choose another place",
            path.display(),
            crate::number::bytes(bytes.len() as u64)
        )
    })
}

/// Says before minutes of work if a file can never be written since there is no such folder.
pub fn check_folder_of(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => bail!(
            "cannot write {}: there is no folder {}\nhint: make that folder, or choose another place",
            path.display(),
            folder.display()
        ),
        _ => Ok(()),
    }
}

fn write_through(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    // The new name must not be on the disk before the contents are.
    file.sync_all()
}

/// Makes a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| {
        format!("cannot make the folder {}\nhint: choose another one with --out", path.display())
    })
}
