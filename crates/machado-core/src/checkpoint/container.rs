//! Named tensors and a few strings as the bytes of a safetensors file.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value, json};

use super::{FORMAT_VERSION, has_too_many_values, key};
use crate::error::{Error, Result};

/// Values with a shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// The contents of a file, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Container {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl Container {
    /// The bytes: length of the header, header, values.
    ///
    /// The `safetensors` crate would write them too, but puts the metadata in another order each
    /// time; here the same contents give the same bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut header = Map::new();
        header.insert("__metadata__".into(), json!(self.metadata));
        let mut offset = 0;
        for (name, tensor) in &self.tensors {
            let end = offset + tensor.values.len() * size_of::<f32>();
            let info = json!({
                "dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end],
            });
            header.insert(name.clone(), info);
            offset = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // Spaces bring the values to a multiple of 8, as readers that map files into memory want.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = Vec::with_capacity(8 + header.len() + offset);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        for value in self.tensors.values().flat_map(|tensor| &tensor.values) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// Reads a file of any format version up to ours.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let foreign = |problem: &str| Error::NotAModel { problem: problem.into() };
        if bytes.len() < 9 || bytes[8] != b'{' {
            return Err(foreign("it does not begin as a safetensors file"));
        }
        let metadata = match SafeTensors::read_metadata(bytes) {
            Ok((_, metadata)) => metadata.metadata().clone().unwrap_or_default(),
            Err(error) => return Err(broken(bytes, &error)),
        };
        let Some(version) = metadata.get(key::FORMAT_VERSION) else {
            return Err(foreign("it is a safetensors file of another program"));
        };
        let damaged = |problem: String| Error::DamagedModel { problem };
        let version: u64 =
            version.parse().map_err(|_| damaged(format!("its version is \"{version}\"")))?;
        if version > FORMAT_VERSION {
            return Err(Error::NewerModel { found: version, supported: FORMAT_VERSION });
        }
        let mut texts = metadata.values();
        if texts.any(|text| has_too_many_values(text.as_bytes(), bytes.len())) {
            return Err(damaged("its metadata has more values than its tensors need".into()));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| broken(bytes, &error))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                let found = view.dtype();
                return Err(damaged(format!("tensor \"{name}\" is {found:?} instead of F32")));
            }
            let (values, _) = view.data().as_chunks::<4>();
            let values = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
        }
        Ok(Self { metadata: metadata.into_iter().collect(), tensors })
    }
}

/// A file that `safetensors` refused: one of ours that is damaged, or something else.
fn broken(bytes: &[u8], error: &SafeTensorError) -> Error {
    let mark = key::FORMAT_VERSION.as_bytes();
    let is_ours = bytes[..bytes.len().min(1 << 16)].windows(mark.len()).any(|w| w == mark);
    let problem = match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            format!("it is cut off after {} bytes", bytes.len())
        }
        error => error.to_string(),
    };
    if is_ours { Error::DamagedModel { problem } } else { Error::NotAModel { problem } }
}
