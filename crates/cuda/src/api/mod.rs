//! The functions of the driver API, one file per section of `cuda.h`.

mod capture;
mod context;
mod copy;
mod device;
mod event;
mod exec;
mod fill;
mod function;
mod graph;
mod init;
mod launch;
mod library;
mod link;
mod memory;
mod module;
pub(crate) mod object;
mod peer;
mod pointer;
mod pool;
mod stream;
mod vmm;

/// All of them.
pub(crate) static FILES: &[&[crate::abi::Function]] = &[
    capture::ENTRIES,
    context::ENTRIES,
    copy::ENTRIES,
    device::ENTRIES,
    event::ENTRIES,
    exec::ENTRIES,
    fill::ENTRIES,
    function::ENTRIES,
    graph::ENTRIES,
    init::ENTRIES,
    launch::ENTRIES,
    library::ENTRIES,
    link::ENTRIES,
    memory::ENTRIES,
    module::ENTRIES,
    object::ENTRIES,
    peer::ENTRIES,
    pointer::ENTRIES,
    pool::ENTRIES,
    stream::ENTRIES,
    vmm::ENTRIES,
];
