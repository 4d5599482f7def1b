//! Reading an input file: PTX as it is, CUDA C++ through NVRTC.

use crate::failure::Failure;
use std::path::Path;
use vgpu_nvidia::{Nvrtc, NvrtcError};

/// A PTX text and what to call it in messages.
pub struct Source {
    /// The file name, or that of the PTX made of it.
    pub name: String,
    /// PTX.
    pub text: String,
}

/// Reads `path`; a name that ends in `.cu` is compiled first, with `options` for NVRTC.
///
/// # Errors
/// The file cannot be read or does not compile, or NVRTC is needed and not installed.
pub fn read(path: &Path, options: &[String]) -> Result<Source, Failure> {
    // A file that is not there is a slip of the command line.
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    // A file with a trailing zero is what NVRTC's own API returns; other bytes that are no UTF-8 get a diagnostic.
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let name = path.display().to_string();
    if path.extension().is_none_or(|extension| extension != "cu") {
        return Ok(Source { name, text });
    }
    let nvrtc = Nvrtc::find()?;
    match nvrtc.compile(&text, &name, options) {
        Ok(text) => Ok(Source { name: format!("{name} (PTX)"), text }),
        Err(NvrtcError::Source { log }) => {
            eprintln!("{log}");
            Err(anyhow::anyhow!("{name} does not compile").into())
        }
        Err(error) => Err(error.into()),
    }
}
