//! `vgpu run`: one kernel, its arguments from the command line, its outputs to files.

use crate::argument::{self, Argument};
use crate::array::Array;
use crate::failure::Failure;
use crate::output::out;
use crate::{check, npy, source};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vgpu::Dim3;
use vgpu::{Context, Device, DevicePtr, Error, Fault, Kernel, LaunchConfig, Module, Stream};

/// What to run.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  vgpu run saxpy.ptx --kernel saxpy --grid 4096 --block 256 --arg u32:1048576 --arg f32:2 --arg in:x.npy --arg inout:y.npy

Exit status: 0 success; 1 the input is at fault or the launch failed; 2 the command line is at fault.")]
pub struct Options {
    /// A PTX file, or a CUDA C++ file that ends in .cu (needs NVRTC: pip install nvidia-cuda-nvrtc nvidia-cuda-runtime).
    file: PathBuf,
    /// The kernel; may be left out when the file has only one.
    #[arg(long)]
    kernel: Option<String>,
    /// Blocks: X, X,Y or X,Y,Z.
    #[arg(long, value_parser = argument::parse_dim3, default_value = "1")]
    grid: Dim3,
    /// Threads of a block: X, X,Y or X,Y,Z.
    #[arg(long, value_parser = argument::parse_dim3, default_value = "1")]
    block: Dim3,
    /// Bytes of dynamic shared memory.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    shared: u32,
    #[arg(long = "arg", value_name = "ARG", value_parser = argument::parse, allow_hyphen_values = true, help = argument::HELP)]
    args: Vec<Argument>,
    /// Launch so often; arrays are put back before each launch, and the median time is shown.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Give the same bits on every run and with any number of workers, float atomics included.
    #[arg(long)]
    deterministic: bool,
    /// All blocks are resident and may synchronise with each other (cooperative groups' grid sync).
    #[arg(long)]
    cooperative: bool,
    /// Refuse what a driver refuses: instructions that the file's own .target and .version do not have.
    #[arg(long)]
    strict: bool,
    /// End a launch that runs longer.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Passed to NVRTC when the file is CUDA C++.
    #[arg(long = "nvrtc-option", value_name = "OPTION", allow_hyphen_values = true)]
    nvrtc_options: Vec<String>,
}

/// An argument on the device.
enum Bound<'o> {
    /// Its bytes are the parameter.
    Value(&'o [u8]),
    /// The parameter is the address.
    Array { argument: &'o Argument, array: Array, address: DevicePtr, parameter: [u8; 8] },
}

/// Runs it.
pub fn run(options: &Options, json: bool) -> Result<(), Failure> {
    let source = source::read(&options.file, &options.nvrtc_options)?;
    if options.strict
        && let Err(diagnostics) = vgpu_ptx::load_strict(&source.text)
    {
        return Err(check::refused(&source, &diagnostics, json));
    }
    let context = Context::new(&Device::shared()?);
    if json {
        // Standard output is the answer's; what kernels print goes beside it.
        context.set_print_sink(Box::new(|text| eprint!("{}", String::from_utf8_lossy(text))));
    }
    let module = match Module::load(&context, &source.text) {
        Err(Error::Load(diagnostics)) => return Err(check::refused(&source, &diagnostics, json)),
        other => other?,
    };
    let kernel = choose(&module, options.kernel.as_deref())?;
    let params: Vec<_> = kernel.params().iter().map(|param| (param.name.clone(), param.size)).collect();
    if let Err(error) = argument::check_parameters(&options.args, &params, kernel.name()) {
        return Err(Failure::Usage(error));
    }
    let mut bound = options.args.iter().map(|argument| bind(&context, argument)).collect::<Result<Vec<_>, _>>()?;
    let mut config = LaunchConfig::new(options.grid, options.block).shared(options.shared);
    config.deterministic = options.deterministic;
    config.cooperative = options.cooperative;
    config.timeout = options.timeout_ms.map(Duration::from_millis);

    let started = Instant::now();
    kernel.prepare(&config).map_err(blame)?;
    let compile_time = started.elapsed();
    let stream = context.default_stream();
    let mut times = Vec::new();
    for _ in 0..options.repeat {
        times.push(launch(&context, &stream, &kernel, &config, &bound).map_err(blame)?);
    }
    let outputs = write_outputs(&context, &mut bound)?;
    let report = Report { kernel: &kernel, options, compile_time, times, bytes_moved: bytes_moved(&bound), outputs };
    if json {
        out!("{:#}", report.json())
    } else {
        crate::output::write(format_args!("{}", report.text()))
    }
    Ok(())
}

/// A launch that could not be made as it was asked for is a slip of the command line.
fn blame(error: Error) -> Failure {
    if error.fault() == Fault::Caller { Failure::Usage(error.into()) } else { error.into() }
}

fn choose(module: &Module, name: Option<&str>) -> Result<Kernel, Failure> {
    match (name, module.kernel_names().as_slice()) {
        (Some(name), _) => Ok(module.kernel(name).map_err(|error| Failure::Usage(error.into()))?),
        (None, [one]) => Ok(module.kernel(one)?),
        (None, names) => Err(Failure::usage(format!("--kernel is needed: the file has {}", list(names)))),
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "no kernel".to_owned() } else { names.join(", ") }
}

fn bind<'o>(context: &Context, argument: &'o Argument) -> Result<Bound<'o>, Failure> {
    match argument {
        Argument::Value { bytes } => Ok(Bound::Value(bytes)),
        Argument::Array { source, .. } => {
            let array = source.load()?;
            // An empty array still has an address.
            let address = context.alloc((array.bytes.len() as u64).max(1))?;
            Ok(Bound::Array { argument, array, address, parameter: address.0.to_le_bytes() })
        }
    }
}

/// Puts the arrays in place and launches once; the time from launch to end.
fn launch(
    context: &Context,
    stream: &Stream,
    kernel: &Kernel,
    config: &LaunchConfig,
    bound: &[Bound<'_>],
) -> Result<Duration, Error> {
    for bound in bound {
        if let Bound::Array { array, address, .. } = bound {
            context.copy_to_device(*address, &array.bytes)?;
        }
    }
    let args: Vec<&[u8]> = bound
        .iter()
        .map(|bound| match bound {
            Bound::Value(bytes) => *bytes,
            Bound::Array { parameter, .. } => parameter.as_slice(),
        })
        .collect();
    let started = Instant::now();
    kernel.launch_bytes(stream, config, &args)?;
    stream.synchronize()?;
    Ok(started.elapsed())
}

/// An array that was written to a file.
struct Output {
    path: PathBuf,
    description: String,
}

fn write_outputs(context: &Context, bound: &mut [Bound<'_>]) -> Result<Vec<Output>, Failure> {
    let mut outputs = Vec::new();
    for bound in bound {
        if let Bound::Array { argument: Argument::Array { output: Some(path), .. }, array, address, .. } = bound {
            context.copy_to_host(&mut array.bytes, *address).context("cannot read an output array")?;
            npy::write(path, array)?;
            let description = format!("{}[{}]", array.element, npy::shape_text(&array.shape));
            outputs.push(Output { path: path.clone(), description });
        }
    }
    Ok(outputs)
}

/// Bytes of all arrays, each counted once, those that are read and written back twice.
fn bytes_moved(bound: &[Bound<'_>]) -> u64 {
    let of = |bound: &Bound<'_>| match bound {
        Bound::Array {
            argument: Argument::Array { source: argument::Source::File(_), output: Some(_) },
            array,
            ..
        } => 2 * array.bytes.len() as u64,
        Bound::Array { array, .. } => array.bytes.len() as u64,
        Bound::Value(_) => 0,
    };
    bound.iter().map(of).sum()
}

/// What is shown at the end.
struct Report<'r> {
    kernel: &'r Kernel,
    options: &'r Options,
    compile_time: Duration,
    times: Vec<Duration>,
    bytes_moved: u64,
    outputs: Vec<Output>,
}

impl Report<'_> {
    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// 10^9 bytes per second.
    fn rate(&self) -> f64 {
        self.bytes_moved as f64 / self.median().as_secs_f64() / 1e9
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let (grid, block) = (self.options.grid, self.options.block);
        let _ = writeln!(out, "{}: grid {grid}, block {block}", self.kernel.name());
        let _ = write!(out, "kernel time  {}", milliseconds(self.median()));
        if let (Some(least), Some(most), 2..) = (self.times.iter().min(), self.times.iter().max(), self.times.len()) {
            let (least, most) = (milliseconds(*least), milliseconds(*most));
            let _ = write!(out, "  (median of {}; {least} to {most})", self.times.len());
        }
        let _ = writeln!(out, "\ncompile      {}", milliseconds(self.compile_time));
        let _ = writeln!(out, "arrays       {} bytes, {:.2} GB/s", self.bytes_moved, self.rate());
        for output in &self.outputs {
            let _ = writeln!(out, "wrote        {} {}", output.path.display(), output.description);
        }
        out
    }

    fn json(&self) -> Value {
        let dim = |dim: Dim3| json!([dim.x, dim.y, dim.z]);
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        let outputs = self.outputs.iter().map(|output| json!({ "file": output.path, "array": output.description }));
        json!({
            "kernel": self.kernel.name(),
            "grid": dim(self.options.grid),
            "block": dim(self.options.block),
            "shared_bytes": self.options.shared,
            "kernel_ms": ms(&self.median()),
            "times_ms": self.times.iter().map(ms).collect::<Vec<_>>(),
            "compile_ms": ms(&self.compile_time),
            "array_bytes": self.bytes_moved,
            "gigabytes_per_second": self.rate(),
            "outputs": outputs.collect::<Vec<_>>(),
        })
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
