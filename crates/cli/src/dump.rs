//! `vgpu dump`: a file at a stage of compilation.

use crate::check;
use crate::failure::Failure;
use crate::source;
use serde_json::json;
use std::path::PathBuf;

/// What to show.
#[derive(clap::Args)]
pub struct Options {
    /// A PTX file, or a CUDA C++ file that ends in .cu.
    file: PathBuf,
    /// The stage: ast (the text as a tree), ir (the kernel IR).
    #[arg(long)]
    stage: String,
    /// Passed to NVRTC when the file is CUDA C++.
    #[arg(long = "nvrtc-option", value_name = "OPTION", allow_hyphen_values = true)]
    nvrtc_options: Vec<String>,
}

/// Shows it.
pub fn dump(options: &Options, json: bool) -> Result<(), Failure> {
    let source = source::read(&options.file, &options.nvrtc_options)?;
    let text = match options.stage.as_str() {
        "ast" => format!("{:#?}\n", vgpu_ptx::parse(&source.text).0),
        "ir" => match vgpu_ptx::load(&source.text) {
            Ok(module) => format!("{module:#?}\n"),
            Err(diagnostics) => return Err(check::refused(&source, &diagnostics, json)),
        },
        other => return Err(Failure::usage(format!("\"{other}\" is no stage; accepted are ast and ir"))),
    };
    if json {
        println!("{:#}", json!({ "file": source.name, "stage": options.stage, "text": text }));
    } else {
        print!("{text}");
    }
    Ok(())
}
