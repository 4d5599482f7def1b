//! The functions of the driver API, one file per section of `cuda.h`.

mod context;
mod copy;
mod device;
mod event;
mod fill;
mod function;
mod init;
mod launch;
mod library;
mod link;
mod memory;
mod module;
mod peer;
mod pointer;
mod pool;
mod stream;

/// All of them.
pub(crate) static FILES: &[&[crate::abi::Function]] = &[
    context::ENTRIES,
    copy::ENTRIES,
    device::ENTRIES,
    event::ENTRIES,
    fill::ENTRIES,
    function::ENTRIES,
    init::ENTRIES,
    launch::ENTRIES,
    library::ENTRIES,
    link::ENTRIES,
    memory::ENTRIES,
    module::ENTRIES,
    peer::ENTRIES,
    pointer::ENTRIES,
    pool::ENTRIES,
    stream::ENTRIES,
];
