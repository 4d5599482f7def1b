//! `vgpu dump`: a file at a stage of compilation.

use crate::failure::Failure;
use crate::output::out;
use crate::source::Source;
use crate::{argument, check, source};
use serde_json::json;
use std::path::PathBuf;
use vgpu::Dim3;
use vgpu_jit::{JitError, Specialization, Target};
use vgpu_ptx::ir::{FuncId, FunctionKind, Module};

/// What to show.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  vgpu dump kernels/saxpy.ptx --stage asm --block 256

Code depends on the block shape; VGPU_MAX_ISA (baseline, sse4.2, avx2, avx512) lowers the vector instructions.")]
pub struct Options {
    /// A PTX file, or a CUDA C++ file that ends in .cu.
    file: PathBuf,
    #[arg(long, help = stage_help())]
    stage: String,
    /// Only this kernel; all kernels of the file otherwise.
    #[arg(long)]
    kernel: Option<String>,
    /// The block shape that code is made for: X, X,Y or X,Y,Z.
    #[arg(long, value_parser = argument::parse_dim3, default_value = "256")]
    block: Dim3,
    /// Threads that run as one vector program; the compiler chooses otherwise.
    #[arg(long)]
    lanes: Option<u32>,
    /// Passed to NVRTC when the file is CUDA C++.
    #[arg(long = "nvrtc-option", value_name = "OPTION", allow_hyphen_values = true)]
    nvrtc_options: Vec<String>,
}

/// The tree of the text; the other stages are the compiler's.
const AST: &str = "ast";

fn stages() -> String {
    [&[AST], vgpu_jit::stages()].concat().join(", ")
}

fn stage_help() -> String {
    format!("The stage, in the order of compilation: {}", stages())
}

/// Shows it.
pub fn dump(options: &Options, json: bool) -> Result<(), Failure> {
    let source = source::read(&options.file, &options.nvrtc_options)?;
    let parts = if options.stage == AST {
        vec![(None, format!("{:#?}\n", vgpu_ptx::parse(&source.text).0))]
    } else {
        compiled(options, &source, json)?
    };
    if json {
        let parts = parts.iter().map(|(kernel, text)| json!({ "kernel": kernel, "text": text }));
        let parts: Vec<_> = parts.collect();
        out!("{:#}", json!({ "file": source.name, "stage": options.stage, "parts": parts }));
    } else {
        parts.iter().for_each(|(_, text)| crate::output::write(format_args!("{text}")));
    }
    Ok(())
}

/// The stage of each kernel that was asked for, with its name.
fn compiled(options: &Options, source: &Source, json: bool) -> Result<Vec<(Option<String>, String)>, Failure> {
    if !vgpu_jit::stages().contains(&options.stage.as_str()) {
        return Err(Failure::usage(format!("\"{}\" is no stage; accepted are {}", options.stage, stages())));
    }
    let module = vgpu_ptx::load(&source.text).map_err(|diagnostics| check::refused(source, &diagnostics, json))?;
    let target = Target::from_environment().map_err(Failure::usage)?;
    // What nearly every launch is compiled for.
    let spec = Specialization { block: options.block, grid_in_i32: true, lanes: options.lanes, test_arguments: false };
    let mut parts = Vec::new();
    for id in kernels(&module, options.kernel.as_deref())? {
        match vgpu_jit::dump(&module, id, &spec, &target, &options.stage) {
            Ok(text) => parts.push((Some(module.functions[id].name.clone()), text)),
            Err(error @ JitError::BlockShape { .. }) => return Err(Failure::usage(error)),
            Err(error) => match error.diagnostic() {
                Some(diagnostic) => return Err(check::refused(source, &[diagnostic], json)),
                None => return Err(error.into()),
            },
        }
    }
    Ok(parts)
}

fn kernels(module: &Module, name: Option<&str>) -> Result<Vec<FuncId>, Failure> {
    let all = module.functions.iter_enumerated();
    let all: Vec<_> =
        all.filter(|(_, function)| function.kind == FunctionKind::Kernel && !function.is_declaration()).collect();
    let found: Vec<_> =
        all.iter().filter(|(_, function)| name.is_none_or(|name| function.name == name)).map(|(id, _)| *id).collect();
    if found.is_empty() {
        let names: Vec<_> = all.iter().map(|(_, function)| function.name.as_str()).collect();
        return Err(Failure::usage(match (name, names.as_slice()) {
            (_, []) => "the file has no kernel".to_owned(),
            (Some(name), _) => format!("the file has no kernel \"{name}\"; it has {}", names.join(", ")),
            (None, _) => "no kernel was asked for".to_owned(),
        }));
    }
    Ok(found)
}
