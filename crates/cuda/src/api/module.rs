//! Modules.

use crate::abi::{In, Out, entries};
use crate::context::{self, Context};
use crate::image;
use crate::jit::Options;
use crate::module::{self, MODULES};
use crate::status::{Result, Status};
use std::ffi::c_char;
use std::sync::Arc;

/// Loads an image into the current context.
fn load(to: Out<u64>, bytes: &[u8], options: &Options) -> Result<()> {
    to.check()?;
    let context = context::healthy()?;
    let texts = image::texts(bytes, capability(&context)).map_err(|refusal| options.refuse_image(&refusal))?;
    let handle = module::load(&context, &texts).map_err(|error| options.refuse(error))?;
    options.succeed();
    to.set(handle)
}

pub(super) fn capability(context: &Arc<Context>) -> (u32, u32) {
    context.ordinal.device.properties().compute_capability
}

pub(super) fn read_file(path: In<c_char>) -> Result<Vec<u8>> {
    std::fs::read(path.text()?).map_err(|_| Status::FILE_NOT_FOUND)
}

entries! {
    fn cuModuleLoad(to: Out<u64>, path: In<c_char>) {
        load(to, &read_file(path)?, &Options::default())
    }

    fn cuModuleLoadData(to: Out<u64>, image: u64) {
        context::current()?;
        load(to, &image::read(image)?, &Options::default())
    }

    fn cuModuleLoadDataEx(to: Out<u64>, image: u64, n_options: u32, options: In<u32>, values: In<u64>) {
        context::current()?;
        load(to, &image::read(image)?, &Options::read(n_options, options, values)?)
    }

    fn cuModuleLoadFatBinary(to: Out<u64>, image: u64) {
        context::current()?;
        load(to, &image::read(image)?, &Options::default())
    }

    fn cuModuleUnload(handle: u64) {
        context::current()?;
        MODULES.remove(handle).map(drop)
    }

    fn cuModuleGetFunction(to: Out<u64>, handle: u64, name: In<c_char>) {
        to.check()?;
        let name = name.text()?;
        to.set(MODULES.get(handle)?.function(&name)?)
    }

    fn cuModuleGetFunctionCount(n: Out<u32>, handle: u64) {
        n.set(MODULES.get(handle)?.runtime.kernel_names().len() as u32)
    }

    fn cuModuleEnumerateFunctions(to: Out<u64>, room: u32, handle: u64) {
        let module = MODULES.get(handle)?;
        for (idx, name) in module.runtime.kernel_names().into_iter().take(room as usize).enumerate() {
            to.set_at(idx, module.function(name)?)?;
        }
        Ok(())
    }

    fn cuModuleGetGlobal_v2(to: Out<u64>, bytes: Out<usize>, handle: u64, name: In<c_char>) {
        let name = name.text()?;
        let (address, size) = MODULES.get(handle)?.runtime.variable(&name)?;
        to.set_if_wanted(address.0);
        bytes.set_if_wanted(size as usize);
        Ok(())
    }

    fn cuModuleGetLoadingMode(mode: Out<u32>) {
        // Lazy: code is made at the first launch.
        mode.set(2)
    }
}
