//! Initialisation, version, error names, entry points, profiler control.

use crate::abi::{In, Out, Uuid, entries};
use crate::log;
use crate::status::{Result, Status};
use crate::symbols::{DRIVER_VERSION, Found, versioned};
use crate::{driver, symbols as table};
use std::ffi::c_char;

/// Flag bits of `cuGetProcAddress`.
const FLAG_PER_THREAD: u64 = 2;
const KNOWN_FLAGS: u64 = 3;

/// Answers of `cuGetProcAddress_v2`.
const QUERY_SUCCESS: u32 = 0;
const QUERY_NOT_FOUND: u32 = 1;
const QUERY_VERSION: u32 = 2;

fn proc_address(symbol: In<c_char>, to: Out<usize>, version: i32, flags: u64, query: Out<u32>) -> Result<()> {
    to.check()?;
    if flags & !KNOWN_FLAGS != 0 || version < 0 {
        return Err(Status::INVALID_VALUE);
    }
    let name = symbol.text()?;
    // An exported name with its suffix is taken as it is: clients that know it mean that form.
    let found = match versioned(&name, version, flags & FLAG_PER_THREAD != 0) {
        Found::Unknown => table::symbol(&name).map_or(Found::Unknown, Found::Address),
        found => found,
    };
    match found {
        Found::Address(address) => {
            query.set_if_wanted(QUERY_SUCCESS);
            to.set(address)
        }
        missing => {
            query.set_if_wanted(if missing == Found::Newer { QUERY_VERSION } else { QUERY_NOT_FOUND });
            to.set(0)?;
            // With a place to say so, a missing symbol is an answer and not an error.
            if query.is_null() { Err(Status::NOT_FOUND) } else { Ok(()) }
        }
    }
}

entries! {
    fn @early cuInit(flags: u32) {
        driver::init(flags)
    }

    fn @early cuDriverGetVersion(version: Out<i32>) {
        version.set(DRIVER_VERSION)
    }

    fn @early cuGetErrorName(error: i32, text: Out<usize>) {
        text.check()?;
        let name = Status(error).name_z();
        text.set(name.map_or(0, |name| name.as_ptr() as usize))?;
        if name.is_some() { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }

    fn @early cuGetErrorString(error: i32, text: Out<usize>) {
        text.check()?;
        let found = Status(error).text_z();
        text.set(found.map_or(0, |text| text.as_ptr() as usize))?;
        if found.is_some() { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }

    fn @early cuGetProcAddress(symbol: In<c_char>, to: Out<usize>, version: i32, flags: u64) {
        proc_address(symbol, to, version, flags, Out::<u32>::nowhere())
    }

    fn @early cuGetProcAddress_v2(symbol: In<c_char>, to: Out<usize>, version: i32, flags: u64, query: Out<u32>) {
        proc_address(symbol, to, version, flags, query)
    }

    /// The private tables that NVIDIA's static cudart asks for.
    fn @early cuGetExportTable(table: Out<usize>, id: In<Uuid>) {
        table.set(0)?;
        id.get()?;
        log::once(
            "the program",
            "uses NVIDIA's private driver tables, most likely through the static CUDA runtime, and vgpu does not imitate \
             them; link with `nvcc -cudart=shared` (`vgpu nvcc` does), or use the driver API",
        );
        Err(Status::NOT_SUPPORTED)
    }

    fn cuProfilerStart() {
        crate::context::current().map(drop)
    }

    fn cuProfilerStop() {
        crate::context::current().map(drop)
    }
}
