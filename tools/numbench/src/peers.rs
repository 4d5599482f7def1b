//! The peers' C libraries, opened where pip has put them. All of them run in the process that times them.
//!
//! A peer that is not there, or lacks a function, is `None`: its column says `na`. The only file of this tool with unsafe
//! code: each call passes slices that are as long as the extents say, with the signatures of the libraries' headers.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use num_complex::{Complex32, Complex64};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};

/// Row-major, not transposed: CBLAS.
const ROW_MAJOR: c_int = 101;
const PLAIN: c_int = 111;
/// FFTW's `FFTW_MEASURE` and `FFTW_ESTIMATE`: plans are raced up to this length, where it takes seconds, and chosen by
/// FFTW's own estimate beyond. Planning is not part of the time.
const MEASURE: c_uint = 0;
const ESTIMATE: c_uint = 64;
const MEASURED_LEN: usize = 1 << 17;
/// A library finds its own functions first: MKL exports FFTW's names for all, and FFTW would call them.
const DEEP: c_int = if cfg!(target_env = "gnu") { 8 } else { 0 };
/// The peers that transform.
pub const TRANSFORMERS: [&str; 2] = ["mkl", "fftw"];

type CblasGemm<T, I> = unsafe extern "C" fn(c_int, c_int, c_int, I, I, I, T, *const T, I, *const T, I, T, *mut T, I);
type DnnlSgemm = unsafe extern "C" fn(
    c_char,
    c_char,
    i64,
    i64,
    i64,
    f32,
    *const f32,
    i64,
    *const f32,
    i64,
    f32,
    *mut f32,
    i64,
) -> c_int;
type Plan = unsafe extern "C" fn(c_int, *const c_int, *mut c_void, *mut c_void, c_int, c_uint) -> *mut c_void;

/// The libraries that were found.
pub struct Peers {
    mkl: Option<Library>,
    openblas: Option<Library>,
    onednn: Option<Library>,
    fftw: [Option<Library>; 2],
}

/// One product, row-major: m, n, k, a, b, c.
pub type Product<'p, T> = Box<dyn Fn(usize, usize, usize, &[T], &[T], &mut [T]) + 'p>;
/// Transforms the array it was planned for, in place.
pub type Transform<'p> = Box<dyn FnMut() + 'p>;

/// Opens the library whose file name starts with `name` under one of `folders`.
fn open(folders: &[PathBuf], name: &str) -> Option<Library> {
    open_with(folders, name, RTLD_GLOBAL)
}

fn open_with(folders: &[PathBuf], name: &str, flags: c_int) -> Option<Library> {
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut paths: Vec<_> = files
        .map(|file| file.path())
        .filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)))
        .filter(|path| path.to_string_lossy().contains(".so"))
        .collect();
    paths.sort();
    // SAFETY: vendor libraries' constructors run; they are the peers that are meant to run.
    paths.iter().find_map(|path| unsafe { Library::open(Some(path), RTLD_NOW | flags).ok() })
}

impl Peers {
    /// What is found in the environment at `prefix`, limited to `threads` threads where the library has a switch; the
    /// others go by the processors that the process may use.
    pub fn open(prefix: &Path, threads: usize) -> Self {
        let site = std::fs::read_dir(prefix.join("lib"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("site-packages"))
            .find(|path| path.exists())
            .unwrap_or_default();
        let lib = [prefix.join("lib")];
        // What the others need, from the same place.
        for needed in ["libiomp5.so", "libtbb.so.12", "libmkl_core.so", "libmkl_intel_thread.so"] {
            // Kept open for good.
            std::mem::forget(open(&lib, needed));
        }
        let peers = Self {
            mkl: open(&lib, "libmkl_rt.so"),
            openblas: open(&[site.join("numpy.libs")], "libscipy_openblas64"),
            onednn: open(&lib, "libdnnl.so"),
            fftw: ["libfftw3f-", "libfftw3-"].map(|name| open_with(&[site.join("pyfftw.libs")], name, DEEP)),
        };
        let threads = threads as c_int;
        for (library, name) in
            [(&peers.mkl, "MKL_Set_Num_Threads"), (&peers.openblas, "scipy_openblas_set_num_threads64_")]
        {
            if let Some(library) = library {
                // SAFETY: both take one int and return nothing.
                unsafe {
                    if let Ok(set) = library.get::<unsafe extern "C" fn(c_int)>(name.as_bytes()) {
                        set(threads);
                    }
                }
            }
        }
        peers
    }

    /// Products in f32 by name of peer.
    pub fn products_f32(&self) -> Vec<(&'static str, Option<Product<'_, f32>>)> {
        vec![
            ("mkl", self.mkl.as_ref().and_then(|library| cblas::<f32, c_int>(library, "cblas_sgemm", 1.0, 0.0))),
            (
                "openblas",
                self.openblas.as_ref().and_then(|lib| cblas::<f32, i64>(lib, "scipy_cblas_sgemm64_", 1.0, 0.0)),
            ),
            ("onednn", self.onednn.as_ref().and_then(dnnl)),
        ]
    }

    /// Products in f64 by name of peer; oneDNN has none.
    pub fn products_f64(&self) -> Vec<(&'static str, Option<Product<'_, f64>>)> {
        vec![
            ("mkl", self.mkl.as_ref().and_then(|library| cblas::<f64, c_int>(library, "cblas_dgemm", 1.0, 0.0))),
            (
                "openblas",
                self.openblas.as_ref().and_then(|lib| cblas::<f64, i64>(lib, "scipy_cblas_dgemm64_", 1.0, 0.0)),
            ),
        ]
    }

    /// A peer's complex f32 transform of an array of extents `shape`, in place.
    pub fn transform_f32<'p>(
        &'p self,
        peer: &str,
        shape: &[usize],
        data: &'p mut [Complex32],
    ) -> Option<Transform<'p>> {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "an array of the extents' length");
        self.transform(peer, "f", shape, data.as_mut_ptr().cast(), &self.fftw[0])
    }

    /// A peer's complex f64 transform of an array of extents `shape`, in place.
    pub fn transform_f64<'p>(
        &'p self,
        peer: &str,
        shape: &[usize],
        data: &'p mut [Complex64],
    ) -> Option<Transform<'p>> {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "an array of the extents' length");
        self.transform(peer, "", shape, data.as_mut_ptr().cast(), &self.fftw[1])
    }

    fn transform<'p>(
        &'p self,
        peer: &str,
        letter: &str,
        shape: &[usize],
        data: *mut c_void,
        fftw: &'p Option<Library>,
    ) -> Option<Transform<'p>> {
        // MKL exports FFTW's interface under FFTW's names, so libraries are asked by handle, never by name alone.
        let library = if peer == "mkl" { &self.mkl } else { fftw }.as_ref()?;
        let extents: Vec<c_int> = shape.iter().map(|extent| *extent as c_int).collect();
        let flags = if shape.iter().product::<usize>() <= MEASURED_LEN { MEASURE } else { ESTIMATE };
        // SAFETY: FFTW's documented signatures; the array has the extents' length and lives as long as the plan.
        unsafe {
            let plan = library.get::<Plan>(format!("fftw{letter}_plan_dft").as_bytes()).ok()?;
            let name = format!("fftw{letter}_execute");
            let execute = *library.get::<unsafe extern "C" fn(*mut c_void)>(name.as_bytes()).ok()?;
            let made = plan(extents.len() as c_int, extents.as_ptr(), data, data, -1, flags);
            (!made.is_null()).then(|| -> Transform<'p> {
                Box::new(move || {
                    // The plan's array lives as long as this function does.
                    execute(made);
                })
            })
        }
    }
}

fn cblas<'p, T: Copy + 'static, I: Copy + TryFrom<usize> + 'static>(
    library: &'p Library,
    name: &str,
    one: T,
    zero: T,
) -> Option<Product<'p, T>> {
    // SAFETY: the function of this name has this signature.
    let gemm = unsafe { *library.get::<CblasGemm<T, I>>(name.as_bytes()).ok()? };
    Some(Box::new(move |m, n, k, a, b, c| {
        assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "slices as long as the extents");
        let int = |value: usize| I::try_from(value).ok().expect("extents fit an int");
        // SAFETY: the slices are long enough, as just checked.
        unsafe {
            let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
            gemm(ROW_MAJOR, PLAIN, PLAIN, int(m), int(n), int(k), one, a, int(k), b, int(n), zero, c, int(n));
        }
    }))
}

fn dnnl(library: &Library) -> Option<Product<'_, f32>> {
    // SAFETY: the function of this name has this signature.
    let gemm = unsafe { *library.get::<DnnlSgemm>(b"dnnl_sgemm").ok()? };
    Some(Box::new(move |m, n, k, a, b, c| {
        assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "slices as long as the extents");
        let plain = b'N' as c_char;
        let (rows, cols, depth) = (m as i64, n as i64, k as i64);
        // SAFETY: the slices are long enough, as just checked.
        let status = unsafe {
            let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
            gemm(plain, plain, rows, cols, depth, 1.0, a, depth, b, cols, 0.0, c, cols)
        };
        assert_eq!(status, 0, "oneDNN reports an error");
    }))
}
