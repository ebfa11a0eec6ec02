//! The members of a `.keras` file.
//!
//! They are found by name and read into memory, never written to a disk, so no name can lead
//! anywhere. Keras stores them as they are; since nothing is unpacked, none is larger than the file.

use std::io::{Cursor, Read, Write};

use machado_core::checkpoint::has_too_many_values;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{CONFIG, METADATA, WEIGHTS, error};
use crate::{Error, Result};

/// The most bytes of a member that is JSON or a vocabulary.
const MOST_TEXT: u64 = 64 << 20;

const NOT_KERAS: &str =
    "models of Keras are the .keras files that `model.save(\"model.keras\")` writes";
const DAMAGED: &str = "copy the file again, or save the model again in Keras";

/// A `.keras` file being read.
pub(super) struct Archive<'b> {
    zip: ZipArchive<Cursor<&'b [u8]>>,
    bytes: u64,
}

impl<'b> Archive<'b> {
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self> {
        if bytes.starts_with(b"\x89HDF") {
            let problem = "this is an HDF5 file, as Keras 2 wrote (.h5), not a .keras file";
            let hint = "load it in Keras 3 and save it with `model.save(\"model.keras\")`";
            return Err(error("the file", problem, hint));
        }
        if !bytes.starts_with(b"PK") {
            let problem = "this is not a .keras file: it does not begin as a zip archive";
            return Err(error("the file", problem, NOT_KERAS));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|problem| {
            error("the file", format!("its zip archive is damaged ({problem})"), DAMAGED)
        })?;
        Ok(Self { zip, bytes: bytes.len() as u64 })
    }

    /// The bytes of a member, if there is one of this name.
    pub(super) fn member(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(number) = self.zip.index_for_name(name) else { return Ok(None) };
        let damaged = |problem: String| error(name, problem, DAMAGED);
        let raw = self.zip.by_index_raw(number).map_err(|e| damaged(e.to_string()))?;
        let method = raw.compression();
        let size = raw.size();
        drop(raw);
        if method != CompressionMethod::Stored {
            return Err(error(
                name,
                format!("it is compressed ({method}), but Keras stores it as it is"),
                "load the model in Keras and save it again, or pack the archive with `zip -0`",
            ));
        }
        let most = if name == WEIGHTS { self.bytes } else { self.bytes.min(MOST_TEXT) };
        if size > most {
            return Err(damaged(format!("it claims {size} bytes, more than the {most} possible")));
        }
        let member = self.zip.by_index(number).map_err(|e| damaged(e.to_string()))?;
        let mut bytes = Vec::with_capacity(size as usize);
        member.take(most + 1).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        if bytes.len() as u64 != size {
            let found = bytes.len();
            return Err(damaged(format!("it has {found} bytes instead of the {size} it claims")));
        }
        let is_json = name == CONFIG || name == METADATA;
        if is_json && has_too_many_values(&bytes, self.bytes as usize) {
            return Err(damaged("it has more values than the weights of the file need".into()));
        }
        Ok(Some(bytes))
    }

    /// The bytes of a member that no model lacks.
    pub(super) fn required(&mut self, name: &str) -> Result<Vec<u8>> {
        self.member(name)?.ok_or_else(|| {
            let names = self.zip.file_names().take(5).flatten();
            let some: Vec<String> = names.map(|name| format!("{name:?}")).collect();
            let problem = format!(
                "the archive has no such file; it has {}",
                if some.is_empty() { "none".into() } else { some.join(", ") }
            );
            error(name, problem, NOT_KERAS)
        })
    }
}

/// The bytes of an archive of these members. The same members give the same bytes.
pub(super) fn pack(members: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Without a date of its own: the writer has no clock.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let failed = |problem: String| Error::Format { file: METADATA, problem };
    for (name, bytes) in members {
        let options = options.large_file(bytes.len() as u64 >= u64::from(u32::MAX));
        zip.start_file(*name, options).map_err(|e| failed(e.to_string()))?;
        zip.write_all(bytes).map_err(|e| failed(e.to_string()))?;
    }
    Ok(zip.finish().map_err(|e| failed(e.to_string()))?.into_inner())
}
