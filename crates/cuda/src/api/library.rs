//! Libraries and their kernels, which belong to no context.

use crate::abi::{In, Out, entries};
use crate::api::module::read_file;
use crate::context;
use crate::driver;
use crate::image;
use crate::jit::Options;
use crate::module::{self, FUNCTIONS, LIBRARIES};
use crate::status::{Result, Status};
use std::ffi::c_char;

fn load(to: Out<u64>, bytes: &[u8], options: &Options) -> Result<()> {
    to.check()?;
    let capability = driver::ordinal(0)?.device.properties().compute_capability;
    let texts = image::texts(bytes, capability).map_err(|refusal| options.refuse_image(&refusal))?;
    let handle = module::new_library(texts).map_err(|error| options.refuse(error))?;
    options.succeed();
    to.set(handle)
}

/// Kernel names of a library; needs a context to load it in.
fn names(handle: u64) -> Result<Vec<String>> {
    let module = LIBRARIES.get(handle)?.module(&context::current()?)?;
    Ok(module.kernel_names().into_iter().map(str::to_owned).collect())
}

fn variable(to: Out<u64>, bytes: Out<usize>, handle: u64, name: In<c_char>, managed: bool) -> Result<()> {
    let name = name.text()?;
    let module = LIBRARIES.get(handle)?.module(&context::current()?)?;
    let (address, size) = module.variable(&name)?;
    if managed && !module.ir().variable(&name).is_some_and(|id| module.ir().variables[id].managed) {
        return Err(Status::NOT_FOUND);
    }
    to.set_if_wanted(address.0);
    bytes.set_if_wanted(size as usize);
    Ok(())
}

entries! {
    fn cuLibraryLoadData(
        to: Out<u64>, image: u64, jit: In<u32>, jit_values: In<u64>, n_jit: u32, library: In<u32>,
        library_values: In<u64>, n_library: u32
    ) {
        // Library options speak of who keeps the image: it is copied here.
        let _ = (library, library_values, n_library);
        load(to, &image::read(image)?, &Options::read(n_jit, jit, jit_values)?)
    }

    fn cuLibraryLoadFromFile(
        to: Out<u64>, path: In<c_char>, jit: In<u32>, jit_values: In<u64>, n_jit: u32, library: In<u32>,
        library_values: In<u64>, n_library: u32
    ) {
        let _ = (library, library_values, n_library);
        load(to, &read_file(path)?, &Options::read(n_jit, jit, jit_values)?)
    }

    fn cuLibraryUnload(handle: u64) {
        LIBRARIES.remove(handle).map(drop)
    }

    fn cuLibraryGetKernel(to: Out<u64>, handle: u64, name: In<c_char>) {
        to.check()?;
        let name = name.text()?;
        to.set(LIBRARIES.get(handle)?.kernel(&name)?)
    }

    fn cuLibraryGetKernelCount(n: Out<u32>, handle: u64) {
        n.set(names(handle)?.len() as u32)
    }

    fn cuLibraryEnumerateKernels(to: Out<u64>, room: u32, handle: u64) {
        let library = LIBRARIES.get(handle)?;
        for (idx, name) in names(handle)?.iter().take(room as usize).enumerate() {
            to.set_at(idx, library.kernel(name)?)?;
        }
        Ok(())
    }

    fn cuLibraryGetModule(to: Out<u64>, handle: u64) {
        to.check()?;
        let library = LIBRARIES.get(handle)?;
        let context = context::current()?;
        to.set(library.module_handle(&context)?)
    }

    fn cuKernelGetFunction(to: Out<u64>, kernel: u64) {
        to.check()?;
        FUNCTIONS.get(kernel)?.any_kernel()?;
        // A launch takes both; the kernel stands for its function in whatever context is current.
        to.set(kernel)
    }

    fn cuKernelGetLibrary(to: Out<u64>, kernel: u64) {
        to.set(FUNCTIONS.get(kernel)?.library().ok_or(Status::INVALID_HANDLE)?)
    }

    fn cuLibraryGetGlobal(to: Out<u64>, bytes: Out<usize>, handle: u64, name: In<c_char>) {
        variable(to, bytes, handle, name, false)
    }

    fn cuLibraryGetManaged(to: Out<u64>, bytes: Out<usize>, handle: u64, name: In<c_char>) {
        variable(to, bytes, handle, name, true)
    }

    fn cuLibraryGetUnifiedFunction(to: Out<u64>, handle: u64, name: In<c_char>) {
        to.check()?;
        LIBRARIES.get(handle)?;
        name.text()?;
        Err(Status::NOT_FOUND)
    }
}
