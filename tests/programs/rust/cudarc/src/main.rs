//! A program of a CUDA user who writes Rust: kernels from PTX through cudarc, with streams, events, module variables, threads
//! and unified memory. It checks its own results and prints `ok`.

use cudarc::driver::sys::{CUdevice_attribute, CUevent_flags, CUfunction_attribute};
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

type Anything = Box<dyn std::error::Error>;

const KERNELS: &str = r#"
.version 7.8
.target sm_80
.address_size 64

.visible .const .align 4 .f32 factor = 0f40000000;

// y[i] = a * x[i] + y[i]
.visible .entry saxpy(.param .u64 y, .param .u64 x, .param .f32 a, .param .u64 n)
{
    .reg .pred %p<2>;
    .reg .b32 %r<5>;
    .reg .b64 %rd<9>;
    .reg .f32 %f<5>;
    ld.param.u64 %rd1, [y];
    ld.param.u64 %rd2, [x];
    ld.param.f32 %f1, [a];
    ld.param.u64 %rd3, [n];
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    cvt.u64.u32 %rd4, %r4;
    setp.ge.u64 %p1, %rd4, %rd3;
    @%p1 bra DONE;
    shl.b64 %rd5, %rd4, 2;
    add.s64 %rd6, %rd1, %rd5;
    add.s64 %rd7, %rd2, %rd5;
    ld.global.f32 %f2, [%rd7];
    ld.global.f32 %f3, [%rd6];
    fma.rn.f32 %f4, %f1, %f2, %f3;
    st.global.f32 [%rd6], %f4;
DONE:
    ret;
}

// sum += x[i], one atomic per block after a reduction in shared memory of 256 threads
.visible .entry total(.param .u64 sum, .param .u64 x, .param .u64 n)
{
    .shared .align 4 .f32 part[256];
    .reg .pred %p<4>;
    .reg .b32 %r<12>;
    .reg .b64 %rd<9>;
    .reg .f32 %f<8>;
    ld.param.u64 %rd1, [sum];
    ld.param.u64 %rd2, [x];
    ld.param.u64 %rd3, [n];
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    cvt.u64.u32 %rd4, %r4;
    mov.f32 %f1, 0f00000000;
    setp.ge.u64 %p1, %rd4, %rd3;
    @%p1 bra HAVE;
    shl.b64 %rd5, %rd4, 2;
    add.s64 %rd6, %rd2, %rd5;
    ld.global.f32 %f1, [%rd6];
    ld.const.f32 %f5, [factor];
    mul.f32 %f1, %f1, %f5;
HAVE:
    mov.u32 %r5, part;
    shl.b32 %r6, %r3, 2;
    add.u32 %r7, %r5, %r6;
    st.shared.f32 [%r7], %f1;
    shr.u32 %r8, %r2, 1;
HALF:
    bar.sync 0;
    setp.eq.u32 %p2, %r8, 0;
    @%p2 bra LAST;
    setp.ge.u32 %p3, %r3, %r8;
    @%p3 bra NEXT;
    shl.b32 %r9, %r8, 2;
    add.u32 %r10, %r7, %r9;
    ld.shared.f32 %f2, [%r10];
    ld.shared.f32 %f3, [%r7];
    add.f32 %f4, %f2, %f3;
    st.shared.f32 [%r7], %f4;
NEXT:
    shr.u32 %r8, %r8, 1;
    bra HALF;
LAST:
    setp.ne.u32 %p3, %r3, 0;
    @%p3 bra DONE;
    ld.shared.f32 %f6, [%r7];
    atom.global.add.f32 %f7, [%rd1], %f6;
DONE:
    ret;
}
"#;

fn saxpy(
    stream: &Arc<CudaStream>,
    kernel: &CudaFunction,
    y: &mut CudaSlice<f32>,
    x: &CudaSlice<f32>,
    a: f32,
) -> Result<(), DriverError> {
    let n = x.len();
    let mut launch = stream.launch_builder(kernel);
    launch.arg(y).arg(x).arg(&a).arg(&n);
    // SAFETY: the arguments are those of the kernel, and it stays below `n`.
    unsafe { launch.launch(LaunchConfig::for_num_elems(n as u32)) }.map(drop)
}

fn expect(what: &str, good: bool) -> Result<(), Anything> {
    if good { Ok(()) } else { Err(format!("wrong: {what}").into()) }
}

/// Copies there and back, one kernel, its attributes.
fn launch(context: &Arc<CudaContext>, kernel: &CudaFunction) -> Result<(), Anything> {
    let stream = context.default_stream();
    let x: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
    let x_device = stream.clone_htod(&x)?;
    let mut y_device = stream.alloc_zeros::<f32>(x.len())?;
    saxpy(&stream, kernel, &mut y_device, &x_device, 3.0)?;
    saxpy(&stream, kernel, &mut y_device, &x_device, 0.5)?;
    let y = stream.clone_dtoh(&y_device)?;
    expect("saxpy", y.iter().zip(&x).all(|(y, x)| *y == 3.5 * x))?;
    expect("a view", stream.clone_dtoh(&y_device.slice(10..12))? == [35.0, 38.5])?;
    expect("the limit of threads", kernel.max_threads_per_block()? >= 256)?;
    expect("an attribute", kernel.get_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)? == 0)?;
    expect("occupancy", kernel.occupancy_max_active_blocks_per_multiprocessor(256, 0, None)? >= 1)?;
    Ok(())
}

/// Two streams that work at the same time; an event orders them and measures.
fn streams(context: &Arc<CudaContext>, kernel: &CudaFunction) -> Result<(), Anything> {
    let (first, second) = (context.new_stream()?, context.new_stream()?);
    let start = first.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT))?;
    let ones = first.clone_htod(&vec![1.0f32; 1 << 16])?;
    let mut sum = first.alloc_zeros::<f32>(1 << 16)?;
    for _ in 0..10 {
        saxpy(&first, kernel, &mut sum, &ones, 1.0)?;
    }
    let done = first.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT))?;
    second.wait(&done)?;
    saxpy(&second, kernel, &mut sum, &ones, 100.0)?;
    second.synchronize()?;
    first.synchronize()?;
    expect("the order of streams", second.clone_dtoh(&sum)?.iter().all(|y| *y == 110.0))?;
    expect("a completed event", done.is_complete())?;
    expect("elapsed time", start.elapsed_ms(&done)? >= 0.0)
}

/// Shared memory, an atomic, a constant that the host changes.
fn variables(context: &Arc<CudaContext>, kernels: &Arc<cudarc::driver::CudaModule>) -> Result<(), Anything> {
    let stream = context.default_stream();
    let total = kernels.load_function("total")?;
    let x = stream.clone_htod(&vec![1.0f32; 1000])?;
    let mut sums = Vec::new();
    for factor in [None, Some(5.0f32)] {
        if let Some(factor) = factor {
            let mut variable = kernels.get_global("factor", &stream)?;
            stream.memcpy_htod(&factor.to_ne_bytes(), &mut variable)?;
        }
        let mut sum = stream.alloc_zeros::<f32>(1)?;
        let n = x.len();
        let mut launch = stream.launch_builder(&total);
        launch.arg(&mut sum).arg(&x).arg(&n);
        let config = LaunchConfig { grid_dim: (4, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments are those of the kernel, which was written for blocks of 256 threads.
        unsafe { launch.launch(config) }?;
        sums.extend(stream.clone_dtoh(&sum)?);
    }
    expect("sums", sums == [2000.0, 5000.0])
}

/// Host threads that share a context.
fn threads(context: &Arc<CudaContext>, kernel: &CudaFunction) -> Result<(), Anything> {
    let work = |number: usize| -> Result<bool, DriverError> {
        context.bind_to_thread()?;
        let stream = context.new_stream()?;
        let x = stream.clone_htod(&vec![number as f32; 4096])?;
        let mut y = stream.alloc_zeros::<f32>(4096)?;
        for _ in 0..20 {
            saxpy(&stream, kernel, &mut y, &x, 2.0)?;
        }
        Ok(stream.clone_dtoh(&y)?.iter().all(|y| *y == 40.0 * number as f32))
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..5).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => expect("a thread's result", result?),
            Err(_) => Err("a thread panicked".into()),
        })
    })
}

fn main() -> Result<(), Anything> {
    let context = CudaContext::new(0)?;
    println!("{}, capability {:?}, {} bytes", context.name()?, context.compute_capability()?, context.total_mem()?);
    expect("the warp size", context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE)? == 32)?;
    let kernels = context.load_module(Ptx::from_src(KERNELS))?;
    expect("an unknown kernel", kernels.load_function("missing").is_err())?;
    expect("wrong PTX", context.load_module(Ptx::from_src(".version 7.8\n.target sm_80\nnonsense")).is_err())?;
    let kernel = kernels.load_function("saxpy")?;
    launch(&context, &kernel)?;
    streams(&context, &kernel)?;
    variables(&context, &kernels)?;
    threads(&context, &kernel)?;
    println!("ok");
    Ok(())
}
