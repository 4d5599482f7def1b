//! Structures of `cuda.h`, as far as functions here read or write them. Field order and types are the header's.

use super::In;

macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            #[repr(C)]
            pub(crate) struct $name { $(pub(crate) $field: $type),* }
        )*
    };
}

structures! {
    /// `CUuuid`.
    Uuid { bytes: [u8; 16] }
    /// `CUdevprop`.
    DeviceProperties {
        max_threads_per_block: i32, max_threads_dim: [i32; 3], max_grid_size: [i32; 3], shared_mem_per_block: i32,
        total_constant_memory: i32, simd_width: i32, mem_pitch: i32, regs_per_block: i32, clock_rate: i32,
        texture_align: i32,
    }
    /// `CUDA_MEMCPY2D`.
    Copy2D {
        src_x: usize, src_y: usize, src_type: u32, src_host: u64, src_device: u64, src_array: u64, src_pitch: usize,
        dst_x: usize, dst_y: usize, dst_type: u32, dst_host: u64, dst_device: u64, dst_array: u64, dst_pitch: usize,
        width: usize, height: usize,
    }
    /// `CUDA_MEMCPY3D`; with contexts in the places of `reserved0` and `reserved1`, `CUDA_MEMCPY3D_PEER`.
    Copy3D {
        src_x: usize, src_y: usize, src_z: usize, src_lod: usize, src_type: u32, src_host: u64, src_device: u64,
        src_array: u64, src_context: u64, src_pitch: usize, src_height: usize,
        dst_x: usize, dst_y: usize, dst_z: usize, dst_lod: usize, dst_type: u32, dst_host: u64, dst_device: u64,
        dst_array: u64, dst_context: u64, dst_pitch: usize, dst_height: usize,
        width: usize, height: usize, depth: usize,
    }
    /// `CUlaunchConfig`.
    LaunchConfig {
        grid: [u32; 3], block: [u32; 3], shared_bytes: u32, stream: u64, attributes: In<LaunchAttribute>,
        n_attributes: u32,
    }
    /// `CUlaunchAttribute`.
    LaunchAttribute { id: u32, pad: u32, value: [u32; 16] }
    /// `CUmemLocation`.
    Location { kind: u32, id: i32 }
    /// `CUmemPoolProps`.
    PoolProps {
        alloc_type: u32, handle_types: u32, location: Location, security: u64, max_size: usize, usage: u16,
        reserved: [u8; 54],
    }
    /// `CUmemAllocationProp`.
    AllocationProp {
        kind: u32, handle_types: u32, location: Location, win32: u64, compression: u8, rdma: u8, usage: u16,
        reserved: [u8; 4],
    }
    /// `CUmemAccessDesc`.
    AccessDesc { location: Location, flags: u32 }
    /// `CUDA_KERNEL_NODE_PARAMS`, first version.
    KernelNodeParamsV1 {
        function: u64, grid: [u32; 3], block: [u32; 3], shared_bytes: u32, params: In<*const u8>, extra: In<u64>,
    }
    /// `CUDA_KERNEL_NODE_PARAMS_v2` and `_v3`.
    KernelNodeParams { launch: KernelNodeParamsV1, kernel: u64, context: u64 }
    /// `CUDA_MEMSET_NODE_PARAMS`.
    FillNodeParams { to: u64, pitch: usize, value: u32, element_bytes: u32, width: usize, height: usize }
    /// `CUDA_HOST_NODE_PARAMS`.
    HostNodeParams { function: u64, data: u64 }
    /// `CUDA_MEM_ALLOC_NODE_PARAMS`.
    AllocNodeParams { pool: PoolProps, access: In<AccessDesc>, n_access: usize, bytes: usize, pointer: u64 }
    /// `CUDA_GRAPH_INSTANTIATE_PARAMS`.
    InstantiateParams { flags: u64, upload_stream: u64, error_node: u64, result: u32 }
    /// `CUgraphExecUpdateResultInfo`.
    UpdateInfo { result: u32, error_node: u64, error_from_node: u64 }
    /// `CUgraphEdgeData`.
    EdgeData { from_port: u8, to_port: u8, kind: u8, reserved: [u8; 5] }
    /// `CUctxCreateParams`.
    ContextParams { affinity: u64, n_affinity: i32, cig: u64 }
    /// `CUgraphNodeParams`: the type, and 29 words that it decides about.
    NodeParams { kind: u32, reserved: [u32; 3], words: [u64; 29], reserved_end: u64 }
}

const _: () = {
    assert!(size_of::<Copy2D>() == 128);
    assert!(size_of::<Copy3D>() == 200);
    assert!(size_of::<LaunchConfig>() == 56);
    assert!(size_of::<LaunchAttribute>() == 72);
    assert!(size_of::<PoolProps>() == 88);
    assert!(size_of::<AllocationProp>() == 32);
    assert!(size_of::<KernelNodeParamsV1>() == 56);
    assert!(size_of::<KernelNodeParams>() == 72);
    assert!(size_of::<FillNodeParams>() == 40);
    assert!(size_of::<AllocNodeParams>() == 120);
    assert!(size_of::<NodeParams>() == 256);
    assert!(size_of::<EdgeData>() == 8);
};
