//! The weights of a `.keras` file: an HDF5 file of groups and plain arrays.
//!
//! All that the rest knows of HDF5 is here: paths such as `layers/gru/cell/vars/0`, shapes, and
//! values. The crate `hdf5-pure` reads and writes it.

mod metered;

use std::collections::BTreeMap;

use hdf5_pure::{DType, Dataset, File, FileBuilder, GroupBuilder, Layout};

use self::metered::{Allowance, Metered};
use super::places::Place;
use super::{WEIGHTS, error};
use crate::{Error, Result};

/// Where machado keeps the state of a run's streams; Keras does not look there.
const STREAMS: &str = "machado/streams";

const DAMAGED: &str = "copy the file again, or save the model again in Keras";
const SAVE_AGAIN: &str = "load the model in Keras, with weights of float32, and save it again";

/// The weights being read.
pub(super) struct Weights {
    file: File,
    /// What may be read of the file until the array that is looked for is found, and its values.
    allowance: Allowance,
    /// Bytes of values that may still be read. Arrays of an honest file do not share their bytes, so
    /// together they are smaller than the file.
    left: u64,
}

impl Weights {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self> {
        let left = bytes.len() as u64;
        let (bytes, allowance) = Metered::new(bytes);
        let file = File::from_source(bytes).map_err(|problem| {
            error(WEIGHTS, format!("it is no whole HDF5 file ({problem})"), DAMAGED)
        })?;
        Ok(Self { file, allowance, left })
    }

    /// The values of a weight: those of its place, or zeros for one that Keras' layer does without.
    pub(super) fn weight(&mut self, place: &Place) -> Result<Vec<f32>> {
        match &place.path {
            Some(path) => self.tensor(path, &place.shape),
            None => Ok(vec![0.0; place.shape.iter().product()]),
        }
    }

    /// The values of an array of this shape, all finite.
    pub(super) fn tensor(&mut self, path: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let path = &self.existing(path);
        let data = self.dataset(path)?;
        let found = shape_of(&data, path)?;
        if found != shape.iter().map(|&n| n as u64).collect::<Vec<_>>() {
            return Err(error(
                &place(path),
                format!("its shape is {found:?}, but the layers in config.json need {shape:?}"),
                "the config and the weights are not of the same model; save it again in Keras",
            ));
        }
        self.take(&data, path, shape)?;
        let values = data.read_f32().map_err(|problem| damaged(path, problem))?;
        if let Some(number) = values.iter().position(|value| !value.is_finite()) {
            return Err(error(
                &place(path),
                format!("value {number} is {}, which is no weight", values[number]),
                "the training in Keras diverged; take an earlier checkpoint",
            ));
        }
        Ok(values)
    }

    /// The shape of an array, if it is there.
    pub(super) fn shape(&self, path: &str) -> Result<Option<Vec<u64>>> {
        match self.find(path) {
            Ok(data) => shape_of(&data, path).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The value of an array without axes that holds a whole number.
    pub(super) fn integer(&mut self, path: &str) -> Result<i64> {
        let data = self.dataset(path)?;
        let found = shape_of(&data, path)?;
        if !found.is_empty() {
            let problem = format!("its shape is {found:?}, but it should be one number");
            return Err(error(&place(path), problem, DAMAGED));
        }
        check_layout(&data, path)?;
        let values = data.read_i64().map_err(|problem| damaged(path, problem))?;
        values.first().copied().ok_or_else(|| error(&place(path), "it has no value", DAMAGED))
    }

    /// The state of a run's streams.
    pub(super) fn streams(&mut self) -> Result<Option<Vec<f32>>> {
        match self.shape(STREAMS)?.as_deref() {
            None => Ok(None),
            Some(&[length]) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.tensor(STREAMS, &[length]).map(Some)
            }
            Some(found) => {
                let problem = format!("its shape is {found:?}, but it should have one axis");
                Err(error(&place(STREAMS), problem, DAMAGED))
            }
        }
    }

    /// The path by which an array goes in this file: that of Keras 3, or of Keras 2.13 to 2.15.
    fn existing(&self, path: &str) -> String {
        let older = path.replacen("layers", "_layer_checkpoint_dependencies", 1);
        let is_older = self.find(path).is_err() && self.find(&older).is_ok();
        if is_older { older } else { path.to_owned() }
    }

    fn dataset(&self, path: &str) -> Result<Dataset> {
        self.find(path)
            .map_err(|problem| error(&place(path), format!("it is not there ({problem})"), DAMAGED))
    }

    fn find(&self, path: &str) -> Result<Dataset, hdf5_pure::Error> {
        self.allowance.renew();
        let found = self.file.dataset(path);
        self.allowance.renew();
        found
    }

    /// Whether an array can be read at all, and is not more than the file holds.
    fn take(&mut self, data: &Dataset, path: &str, shape: &[usize]) -> Result<()> {
        let dtype = data.dtype().map_err(|problem| damaged(path, problem))?;
        let size = match dtype {
            DType::F32 => 4,
            DType::F64 => 8,
            other => {
                let problem = format!("its values are {other:?}, but machado reads float32");
                return Err(error(&place(path), problem, SAVE_AGAIN));
            }
        };
        check_layout(data, path)?;
        let values = shape.iter().map(|&n| n as u128).product::<u128>();
        let bytes = values.saturating_mul(size);
        if bytes > u128::from(self.left) {
            let problem =
                format!("it needs {bytes} bytes, but only {} are left in the file", self.left);
            return Err(error(&place(path), problem, DAMAGED));
        }
        self.left -= bytes as u64;
        Ok(())
    }
}

/// Whether the values of an array lie in one piece.
fn check_layout(data: &Dataset, path: &str) -> Result<()> {
    let (problem, hint) = match data.layout().map_err(|problem| damaged(path, problem))? {
        Layout::Contiguous { address: Some(_), .. } | Layout::Compact { .. } => return Ok(()),
        Layout::Contiguous { address: None, .. } => {
            ("its values were never written".to_owned(), DAMAGED)
        }
        Layout::Chunked { .. } => {
            let packed = if data.filters().is_empty() { "" } else { " and compressed" };
            let problem = format!(
                "its values are stored in chunks{packed}, but Keras stores them in one piece"
            );
            (problem, SAVE_AGAIN)
        }
        other => {
            let problem =
                format!("its values are stored in a way machado does not read ({other:?})");
            (problem, SAVE_AGAIN)
        }
    };
    Err(error(&place(path), problem, hint))
}

fn shape_of(data: &Dataset, path: &str) -> Result<Vec<u64>> {
    data.shape().map_err(|problem| damaged(path, problem))
}

fn place(path: &str) -> String {
    format!("{WEIGHTS}, {path}")
}

fn damaged(path: &str, problem: hdf5_pure::Error) -> Error {
    error(&place(path), format!("it cannot be read ({problem})"), DAMAGED)
}

/// An array to be written.
pub(super) enum Array<'v> {
    /// A tensor of this shape; no axes for one number.
    F32(Vec<usize>, &'v [f32]),
    /// A whole number.
    I64(i64),
}

/// Arrays by their paths.
#[derive(Default)]
pub(super) struct Arrays<'v>(BTreeMap<String, Array<'v>>);

impl<'v> Arrays<'v> {
    pub(super) fn insert(&mut self, path: impl Into<String>, array: Array<'v>) {
        self.0.insert(path.into(), array);
    }

    /// The state of a run's streams.
    pub(super) fn insert_streams(&mut self, states: &'v [f32]) {
        self.insert(STREAMS, Array::F32(vec![states.len()], states));
    }

    /// The bytes of a file of them. The same arrays give the same bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut file = FileBuilder::new();
        let all: Vec<(&str, &Array<'_>)> = self.0.iter().map(|(p, a)| (&p[..], a)).collect();
        for (name, members) in by_first_name(&all) {
            let mut group = file.create_group(name);
            fill(&mut group, &members);
            file.add_group(group.finish());
        }
        // The variables of the model itself. It has none, but Keras before 3.6 looks for them.
        let own = file.create_group("vars").finish();
        file.add_group(own);
        let failed = |e: hdf5_pure::Error| Error::Format { file: WEIGHTS, problem: e.to_string() };
        file.finish().map_err(failed)
    }
}

fn fill(group: &mut GroupBuilder, members: &[(&str, &Array<'_>)]) {
    for (name, inner) in by_first_name(members) {
        if let [("", array)] = inner[..] {
            let data = group.create_dataset(name);
            match array {
                Array::F32(shape, values) => {
                    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
                    data.with_f32_data(values).with_shape(&shape);
                }
                Array::I64(value) => {
                    data.with_i64_data(&[*value]).with_shape(&[]);
                }
            }
        } else {
            let mut inside = group.create_group(name);
            fill(&mut inside, &inner);
            group.add_group(inside.finish());
        }
    }
}

/// Paths by the name before the first slash; what is left of each is below that name.
fn by_first_name<'p, 'a, 'v>(
    paths: &[(&'p str, &'a Array<'v>)],
) -> BTreeMap<&'p str, Vec<(&'p str, &'a Array<'v>)>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for &(path, array) in paths {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        groups.entry(name).or_default().push((rest, array));
    }
    groups
}
