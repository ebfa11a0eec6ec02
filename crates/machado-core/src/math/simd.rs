//! Which vector instructions are used, chosen once at run time.

use std::fmt;

use fearless_simd::Level;
use fearless_simd::prelude::*;

use crate::error::{Error, Result};

/// A set of vector instructions that this machine has.
///
/// All units compute the same formulas; their results differ in the last bits, since wider units
/// add in another order and only some fuse a multiplication with an addition.
#[derive(Clone, Copy)]
pub struct VectorUnit(pub(crate) Level);

impl VectorUnit {
    /// The widest unit of this machine.
    pub fn detect() -> Self {
        Self(Level::new())
    }

    /// All units of this machine, the widest first.
    pub fn available() -> Vec<Self> {
        let best = Level::new();
        let mut units = Vec::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            units.extend(best.as_avx512().map(|s| Self(s.level())));
            units.extend(best.as_avx2().map(|s| Self(s.level())));
            units.extend(best.as_sse4_2().map(|s| Self(s.level())));
            units.extend(best.as_sse2().map(|s| Self(s.level())));
        }
        if units.is_empty() && !best.is_fallback() {
            units.push(Self(best));
        }
        units.push(Self(Level::fallback()));
        units
    }

    /// The unit with this [name](Self::name).
    ///
    /// # Errors
    /// If this machine has no such unit.
    pub fn by_name(name: &str) -> Result<Self> {
        let available = Self::available();
        available.iter().copied().find(|unit| unit.name() == name).ok_or_else(|| {
            Error::UnknownVectorUnit {
                name: name.to_owned(),
                available: available.iter().map(|unit| unit.name()).collect(),
            }
        })
    }

    /// Its short name: `avx512`, `avx2`, `sse4.2`, `sse2`, `neon`, `wasm` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx512(_) => "avx512",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2(_) => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse4_2(_) => "sse4.2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse2(_) => "sse2",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Level::WasmSimd128(_) => "wasm",
            _ => "portable",
        }
    }

    /// How many `f32` one of its registers holds.
    pub fn lanes(self) -> usize {
        fearless_simd::dispatch!(self.0, simd => lanes(simd))
    }
}

impl fmt::Debug for VectorUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[inline(always)]
fn lanes<S: Simd>(_: S) -> usize {
    S::f32s::LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_available_unit_is_found_by_its_name() {
        for unit in VectorUnit::available() {
            assert_eq!(VectorUnit::by_name(unit.name()).expect("listed").name(), unit.name());
            assert!(unit.lanes() >= 4);
        }
    }

    #[test]
    fn an_unknown_unit_is_an_error_that_lists_the_known_ones() {
        let message = VectorUnit::by_name("mmx").expect_err("no such unit").to_string();
        assert!(message.contains("mmx") && message.contains(VectorUnit::detect().name()));
    }
}
