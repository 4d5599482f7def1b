//! Compiling CUDA C++ with NVRTC.

use crate::library::{Library, OpenError};
use crate::places;
use std::ffi::{CString, NulError};
use std::path::PathBuf;
use thiserror::Error;

/// What can go wrong.
#[derive(Debug, Error)]
pub enum NvrtcError {
    /// The user's machine: NVRTC is not there.
    #[error(
        "compiling CUDA C++ needs NVIDIA's NVRTC, which is not installed: run `pip install nvidia-cuda-nvrtc nvidia-cuda-runtime`"
    )]
    NotInstalled,
    /// The user's machine: the library is there and cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// The input: the source does not compile.
    #[error("{log}")]
    Source {
        /// NVRTC's messages, with line numbers.
        log: String,
    },
    /// The input: source, name or an option has a zero byte.
    #[error("the source text, its name and the options must have no zero byte")]
    ZeroByte(#[from] NulError),
    /// NVRTC fails for another reason than the source.
    #[error("NVRTC fails in {call}: {text}")]
    Failed {
        /// The function that failed.
        call: &'static str,
        /// NVRTC's word for it.
        text: String,
    },
}

/// NVRTC, opened.
pub struct Nvrtc {
    library: Library,
    include_dirs: Vec<PathBuf>,
}

/// The architecture that code is made for when the options name none: the newest that every NVRTC from 11 on knows.
const DEFAULT_ARCHITECTURE: &str = "--gpu-architecture=compute_80";

impl Nvrtc {
    /// Looks in CUDA_HOME, CUDA_PATH, the active Python's packages, the usual places of a toolkit, and where the system's
    /// loader looks.
    ///
    /// # Errors
    /// [`NvrtcError::NotInstalled`], or [`NvrtcError::Unusable`] when all that was found cannot be opened.
    pub fn find() -> Result<Self, NvrtcError> {
        let folders = places::folders();
        let mut candidates = places::libraries(&folders, "libnvrtc.so");
        candidates.extend(["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"].map(PathBuf::from));
        let mut refused = None;
        for path in candidates {
            match Library::open(&path) {
                Ok(library) => {
                    let include_dirs = places::include_dirs(&folders, "cuda_fp16.h");
                    return Ok(Self { library, include_dirs });
                }
                // A bare name that the loader does not find is only not installed.
                Err(OpenError::Missing) => {}
                Err(OpenError::Refused(reason)) => _ = refused.get_or_insert(NvrtcError::Unusable { path, reason }),
            }
        }
        Err(refused.unwrap_or(NvrtcError::NotInstalled))
    }

    /// Major and minor version.
    pub fn version(&self) -> (i32, i32) {
        self.library.version()
    }

    /// PTX of a CUDA C++ source. `options` are NVRTC's; the CUDA headers are on the include path when they are installed, and
    /// the architecture is compute_80 unless the options name one.
    ///
    /// # Errors
    /// [`NvrtcError::Source`] with NVRTC's log when the source does not compile.
    pub fn compile(&self, source: &str, name: &str, options: &[String]) -> Result<String, NvrtcError> {
        let mut all: Vec<_> = self.include_dirs.iter().map(|dir| format!("--include-path={}", dir.display())).collect();
        if !options.iter().any(|option| option.starts_with("--gpu-architecture") || option.starts_with("-arch")) {
            all.push(DEFAULT_ARCHITECTURE.to_owned());
        }
        all.extend_from_slice(options);
        let all = all.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        self.library.compile(&CString::new(source)?, &CString::new(name)?, &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // NVRTC is on some machines and not on others: both are answers, and each has its own expectation.
    #[test]
    fn compiles_or_says_how_to_install() {
        let nvrtc = match Nvrtc::find() {
            Ok(nvrtc) => nvrtc,
            Err(error) => return assert!(error.to_string().contains("pip install nvidia-cuda-nvrtc"), "{error}"),
        };
        let ptx = nvrtc.compile("extern \"C\" __global__ void f(int* p) { *p = 1; }", "f.cu", &[]);
        assert!(ptx.expect("compiles").contains(".entry f("));
        let error = nvrtc.compile("__global__ void f() { nothing; }", "f.cu", &[]).expect_err("has an error");
        assert!(matches!(&error, NvrtcError::Source { log } if log.contains("f.cu(1)")), "{error}");
        assert!(matches!(nvrtc.compile("\0", "f.cu", &[]), Err(NvrtcError::ZeroByte(_))));
    }
}
