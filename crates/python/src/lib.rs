//! `vgpu._vgpu`: what the Python package cannot say in Python.
//!
//! Model. Functions on numbers and strings; every class that a user sees is Python's and lives in `python/vgpu`. The engine is
//! `libvgpu.so`, opened at the first call that needs it ([`engine`]), so that importing costs nothing and `libcuda` and `libcudart` in
//! the same process share its device and memory. Kernels, copies and waits run without the interpreter's lock.

mod device;
mod engine;
mod error;
mod kernel;
mod tensor;
mod wait;

use pyo3::prelude::*;

/// The module.
#[pymodule]
#[pyo3(name = "_vgpu")]
mod module {
    #[pymodule_export]
    use crate::device::{
        buffer_address, device_attribute, device_count, device_name_and_memory, driver_version, event_create,
        event_destroy, event_done, event_elapsed, event_record, event_synchronize, free, malloc, memcpy, memcpy_async,
        memory_info, memset, stream_create, stream_destroy, stream_done, stream_synchronize, stream_wait_event,
        synchronize, use_context, use_device,
    };
    #[pymodule_export]
    use crate::error::Error;
    #[pymodule_export]
    use crate::kernel::{
        compile_cuda, function_attribute, kernels_of, launch, module_function, module_load, module_unload,
    };
    #[pymodule_export]
    use crate::tensor::lazy::{fused_launches, set_fusion_threshold, set_lazy};
    #[pymodule_export]
    use crate::tensor::{Tensor, conv2d, einsum, entropy_of_transfer, philox, softmax_rows};
}
