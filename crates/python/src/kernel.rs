//! Kernels: loading PTX, compiling CUDA C++, parameters, launches.

use crate::engine::entered;
use crate::error::{Fail, check};
use crate::wait;
use pyo3::prelude::*;
use std::ffi::{CString, c_void};
use vgpu_ptx::ast::Item;
use vgpu_types::LineMap;

/// Arguments that a launch takes; more than any kernel may have (PTX allows 32764 bytes of parameters).
const MOST_ARGUMENTS: usize = 32764;

/// Loads a PTX text; the module's handle.
#[pyfunction]
pub fn module_load(py: Python<'_>, ptx: &str) -> PyResult<u64> {
    let engine = entered()?;
    let text = CString::new(ptx).map_err(|_| Fail::Value("the text has a zero byte".to_owned()))?;
    let mut module = 0;
    // SAFETY: rule 1 of `engine`; the text is zero-terminated and lives through the call, the place is ours.
    let code = py.detach(|| unsafe { (engine.module_load)(&raw mut module, text.as_ptr().cast()) });
    if code != 0
        && let Err(problems) = diagnose(ptx)
    {
        return Err(Fail::Value(problems).into());
    }
    check("cuModuleLoadData", code)?;
    Ok(module)
}

/// Ends a module.
#[pyfunction]
pub fn module_unload(module: u64) -> PyResult<()> {
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(check("cuModuleUnload", unsafe { (entered()?.module_unload)(module) })?)
}

/// What is wrong with a text, with lines and carets.
fn diagnose(ptx: &str) -> Result<(), String> {
    let render = |list: Vec<vgpu_types::Diagnostic>| {
        let lines = LineMap::new(ptx);
        list.iter().map(|one| one.render("kernel.ptx", ptx, &lines)).collect::<Vec<_>>().join("\n")
    };
    vgpu_ptx::load(ptx).map(drop).map_err(render)
}

/// A kernel of a module.
#[pyfunction]
pub fn module_function(module: u64, name: &str) -> PyResult<u64> {
    let name = CString::new(name).map_err(|_| Fail::Value("the kernel's name has a zero byte".to_owned()))?;
    let mut function = 0;
    // SAFETY: rules 1 and 2 of `engine`; the name is zero-terminated and lives through the call, the place is ours.
    let code = unsafe { (entered()?.module_function)(&raw mut function, module, name.as_ptr()) };
    check("cuModuleGetFunction", code)?;
    Ok(function)
}

/// An attribute of a kernel by its number in `cuda.h`.
#[pyfunction]
pub fn function_attribute(function: u64, attribute: i32) -> PyResult<i32> {
    let mut value = 0;
    // SAFETY: rules 1 and 2 of `engine`; the place is ours.
    let code = unsafe { (entered()?.function_attribute)(&raw mut value, attribute, function) };
    check("cuFuncGetAttribute", code)?;
    Ok(value)
}

/// A kernel's parameters: name, type word, bytes.
type Parameters = Vec<(String, String, u64)>;

/// The kernels of a PTX text and their parameters.
#[pyfunction]
pub fn kernels_of(ptx: &str) -> PyResult<Vec<(String, Parameters)>> {
    diagnose(ptx).map_err(Fail::Value)?;
    let (tree, _) = vgpu_ptx::parse(ptx);
    let module = vgpu_ptx::load(ptx).map_err(|_| Fail::Value("the text does not load".to_owned()))?;
    let mut kernels = Vec::new();
    for item in &tree.items {
        let Item::Function(function) = item else { continue };
        if !function.entry || function.body.is_none() {
            continue;
        }
        let lowered = module.function(function.name.text).map(|id| &module.functions[id]);
        let parameters = function.params.iter().enumerate().map(|(idx, parameter)| {
            let bytes = lowered.and_then(|known| known.params.get(idx)).map_or(0, |known| u64::from(known.size));
            let array = !parameter.dims.is_empty() || parameter.vector > 1;
            let ty = if array { "bytes".to_owned() } else { parameter.ty.text.to_owned() };
            (parameter.name.text.to_owned(), ty, bytes)
        });
        kernels.push((function.name.text.to_owned(), parameters.collect()));
    }
    Ok(kernels)
}

/// PTX of a CUDA C++ source.
#[pyfunction]
pub fn compile_cuda(py: Python<'_>, source: &str, name: &str, options: Vec<String>) -> PyResult<String> {
    let compiled = py.detach(|| vgpu_nvidia::Nvrtc::find().and_then(|nvrtc| nvrtc.compile(source, name, &options)));
    compiled.map_err(|error| match error {
        vgpu_nvidia::NvrtcError::NotInstalled | vgpu_nvidia::NvrtcError::Unusable { .. } => {
            Fail::NoEngine(error.to_string()).into()
        }
        other => PyErr::from(Fail::Value(other.to_string())),
    })
}

/// Starts a kernel with the bytes of each argument; returns when it is enqueued.
#[pyfunction]
pub fn launch(
    py: Python<'_>,
    function: u64,
    grid: (u32, u32, u32),
    block: (u32, u32, u32),
    shared_bytes: u32,
    stream: u64,
    arguments: Vec<Vec<u8>>,
) -> PyResult<()> {
    if arguments.len() > MOST_ARGUMENTS {
        return Err(Fail::Value(format!("{} arguments: at most {MOST_ARGUMENTS}", arguments.len())).into());
    }
    let engine = entered()?;
    // Aligned as any parameter may be.
    let mut places: Vec<Vec<u128>> = Vec::with_capacity(arguments.len());
    for bytes in &arguments {
        let mut words = vec![0_u128; bytes.len().div_ceil(16).max(1)];
        for (word, part) in words.iter_mut().zip(bytes.chunks(16)) {
            let mut whole = [0; 16];
            whole[..part.len()].copy_from_slice(part);
            *word = u128::from_ne_bytes(whole);
        }
        places.push(words);
    }
    let mut pointers: Vec<u64> = places.iter_mut().map(|place| place.as_mut_ptr() as u64).collect();
    let list = pointers.as_mut_ptr() as u64;
    // SAFETY: rules 1 and 2 of `engine`; one pointer per parameter, each to as many bytes as the Python side found the
    // parameter to have; the engine has copied them when the call returns.
    let code = py.detach(|| unsafe {
        (engine.launch)(
            function,
            grid.0,
            grid.1,
            grid.2,
            block.0,
            block.1,
            block.2,
            shared_bytes,
            stream,
            list as *mut *mut c_void,
            std::ptr::null_mut(),
        )
    });
    wait::started();
    Ok(check("cuLaunchKernel", code)?)
}
