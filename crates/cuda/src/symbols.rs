//! All symbols of the driver API: which function answers for each, and which form `cuGetProcAddress` gives.
//!
//! The list is `functions.txt`, made from NVIDIA's headers by `tools/functions.py`. A symbol that no file of `api` defines is
//! answered by a function that refuses.

use crate::abi::refuse;
use crate::api;
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::OnceLock;

/// What `cuDriverGetVersion` says: CUDA 13.0, the newest driver that clients of both 12.x and 13.x expect.
pub const DRIVER_VERSION: i32 = 13_000;

/// A symbol of the driver API.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// Exported name.
    pub name: &'static str,
    /// CUDA version that introduced this form.
    pub since: i32,
    /// Parameters as in `cuda.h`.
    pub parameters: &'static str,
    pub(crate) refusal: extern "C" fn() -> c_int,
}

include!(concat!(env!("OUT_DIR"), "/symbols.rs"));

/// Every symbol, sorted by name.
pub fn all() -> &'static [Symbol] {
    SYMBOLS
}

fn implemented() -> &'static HashMap<&'static str, usize> {
    static MAP: OnceLock<HashMap<&'static str, usize>> = OnceLock::new();
    MAP.get_or_init(|| {
        let functions = api::FILES.iter().flat_map(|file| file.iter());
        functions.map(|function| (function.name, function.address as usize)).collect()
    })
}

/// Address of the C function for an exported name; `None` when CUDA has no such symbol.
pub fn symbol(name: &str) -> Option<usize> {
    if let Some(address) = implemented().get(name) {
        return Some(*address);
    }
    let idx = SYMBOLS.binary_search_by_key(&name, |symbol| symbol.name).ok()?;
    Some(SYMBOLS[idx].refusal as usize)
}

/// How `cuGetProcAddress` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Address(usize),
    /// There is no such symbol.
    Unknown,
    /// Only newer versions of CUDA have it.
    Newer,
}

/// The version that introduced `cuGetProcAddress`.
const SINCE_PROC_ADDRESS: i32 = 11_030;

/// The newest form of a function that CUDA `version` has, or the oldest where the whole function is younger than that but older
/// than `cuGetProcAddress`: no driver that can be asked lacks it, and clients (numba-cuda-mlir) rely on getting it; `per_thread` asks for the per-thread default stream.
pub(crate) fn versioned(base: &str, version: i32, per_thread: bool) -> Found {
    if base == "cuGraphInstantiate" && version >= 12_000 {
        // Since CUDA 12 the plain name means another function.
        return versioned("cuGraphInstantiateWithFlags", version, per_thread);
    }
    let mut found = None;
    let mut known = false;
    for turn in 1..=9 {
        let name = if turn == 1 { base.to_owned() } else { format!("{base}_v{turn}") };
        let Ok(idx) = SYMBOLS.binary_search_by_key(&name.as_str(), |symbol| symbol.name) else {
            // Numbering may start at 2, and has no gaps after that.
            if turn == 1 { continue } else { break }
        };
        if SYMBOLS[idx].since <= version || !known && SYMBOLS[idx].since <= SINCE_PROC_ADDRESS {
            found = Some(name);
        }
        known = true;
    }
    let Some(name) = found else { return if known { Found::Newer } else { Found::Unknown } };
    let forms = [format!("{name}_ptsz"), format!("{name}_ptds"), name];
    let first = if per_thread { 0 } else { 2 };
    forms[first..].iter().find_map(|form| symbol(form)).map_or(Found::Unknown, Found::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_api_is_a_symbol_of_cuda() {
        assert!(SYMBOLS.is_sorted_by(|a, b| a.name < b.name));
        for name in implemented().keys() {
            assert!(SYMBOLS.binary_search_by_key(name, |symbol| symbol.name).is_ok(), "{name} is not in functions.txt");
        }
        let n_functions: usize = api::FILES.iter().map(|file| file.len()).sum();
        assert_eq!(n_functions, implemented().len(), "a function is defined twice");
    }

    #[test]
    fn versions_choose_the_form() {
        let address = |name: &str| Found::Address(symbol(name).unwrap());
        assert_eq!(versioned("cuMemAlloc", 2000, false), address("cuMemAlloc"));
        assert_eq!(versioned("cuMemAlloc", 12_000, true), address("cuMemAlloc_v2"));
        assert_eq!(versioned("cuCtxCreate", 13_000, false), address("cuCtxCreate_v4"));
        assert_eq!(versioned("cuCtxCreate", 12_000, false), address("cuCtxCreate_v3"));
        assert_eq!(versioned("cuLaunchKernel", 13_000, true), address("cuLaunchKernel_ptsz"));
        assert_eq!(versioned("cuMemcpyHtoD", 13_000, true), address("cuMemcpyHtoD_v2_ptds"));
        assert_eq!(versioned("cuGraphInstantiate", 13_000, false), address("cuGraphInstantiateWithFlags"));
        assert_eq!(versioned("cuGraphInstantiate", 11_000, false), address("cuGraphInstantiate_v2"));
        assert_eq!(versioned("cuLibraryLoadData", 11_000, false), Found::Newer);
        assert_eq!(versioned("cuFuncSetAttribute", 2000, false), address("cuFuncSetAttribute"));
        assert_eq!(versioned("cuMemPoolCreate", 11_000, false), address("cuMemPoolCreate"));
        assert_eq!(versioned("cuNoSuchThing", 13_000, false), Found::Unknown);
    }
}
