//! C and C++ programs: the driver API's tests, the examples, and the prefix that both are built from.
//!
//! `install` lays out what a C programmer gets: `lib/libvgpu.so`, the CUDA driver's name for it in `lib/vgpu/`, the header, and
//! files for pkg-config and CMake. The tests install the debug build under `target/` and use only that.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PACKAGES: [&str; 4] = ["--package", "vgpu-capi", "--package", "vgpu-cuda-driver"];
const C_OPTIONS: [&str; 4] = ["-O1", "-Wall", "-Wextra", "-Werror"];

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    // A program may have the old file open: a new one takes its place.
    if to.exists() {
        fs::remove_file(to)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn link(name: &str, at: &Path) -> Result<()> {
    if at.is_symlink() {
        fs::remove_file(at)?;
    }
    symlink(name, at).with_context(|| format!("cannot make {}", at.display()))
}

/// Builds the libraries and puts them, the header and the build files under `prefix`.
///
/// # Errors
/// The build fails or files cannot be written.
pub fn install(prefix: &Path, release: bool) -> Result<()> {
    let mut build = shell::cargo();
    build.args(["build", "--quiet"]).args(PACKAGES);
    if release {
        build.arg("--release");
    }
    shell::run(&mut build)?;
    let built = target().join(if release { "release" } else { "debug" });
    let lib = prefix.join("lib");
    copy(&built.join("libvgpu.so"), &lib.join("libvgpu.so.1"))?;
    link("libvgpu.so.1", &lib.join("libvgpu.so"))?;
    // In a folder of its own: who puts it on the library path chooses it over NVIDIA's.
    copy(&built.join("libcuda.so"), &lib.join("vgpu/libcuda.so.1"))?;
    link("libcuda.so.1", &lib.join("vgpu/libcuda.so"))?;
    link("../libvgpu.so.1", &lib.join("vgpu/libvgpu.so"))?;
    copy(&shell::root().join("crates/capi/include/vgpu/runtime.h"), &prefix.join("include/vgpu/runtime.h"))?;
    write(
        &lib.join("pkgconfig/vgpu.pc"),
        &format!(
            "prefix=${{pcfiledir}}/../..\nName: vgpu\nDescription: run CUDA kernels on the processor\nVersion: {VERSION}\n\
             Cflags: -I${{prefix}}/include\nLibs: -L${{prefix}}/lib -lvgpu\n"
        ),
    )?;
    write(
        &lib.join("cmake/vgpu/vgpu-config.cmake"),
        "get_filename_component(_vgpu_prefix \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)\n\
         add_library(vgpu::vgpu SHARED IMPORTED)\n\
         set_target_properties(vgpu::vgpu PROPERTIES IMPORTED_LOCATION \"${_vgpu_prefix}/lib/libvgpu.so.1\"\n  \
         INTERFACE_INCLUDE_DIRECTORIES \"${_vgpu_prefix}/include\")\nunset(_vgpu_prefix)\n",
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn sources(dir: &str) -> Result<Vec<PathBuf>> {
    let dir = shell::root().join(dir);
    let mut found = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c" || extension == "cpp") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Compiles a program against an installed prefix and runs it.
fn check(source: &Path, prefix: &Path, libraries: &[&str], lib_dir: &Path) -> Result<()> {
    let name = source.file_stem().unwrap_or_default();
    let program = prefix.join("bin").join(name);
    fs::create_dir_all(prefix.join("bin"))?;
    let compiler = if source.extension().is_some_and(|extension| extension == "cpp") { "c++" } else { "cc" };
    let mut compile = shell::program(compiler);
    compile.args(C_OPTIONS).arg(source).arg("-o").arg(&program);
    compile.arg("-I").arg(prefix.join("include")).arg("-L").arg(lib_dir).args(libraries).arg("-lpthread");
    shell::run(&mut compile)?;
    let output = Command::new(&program)
        .env("LD_LIBRARY_PATH", lib_dir)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}\n{}", source.display(), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Runs the programs of `tests/driver` against `libcuda.so.1` and those of `examples/c` against `libvgpu.so`.
///
/// # Errors
/// Names the programs that fail, with what they wrote.
pub fn test() -> Result<()> {
    let prefix = target().join("programs");
    install(&prefix, false)?;
    let mut failed = Vec::new();
    for source in sources("tests/driver")? {
        failed.extend(check(&source, &prefix, &["-lcuda"], &prefix.join("lib/vgpu")).err());
    }
    for source in sources("examples/c")? {
        failed.extend(check(&source, &prefix, &["-lvgpu"], &prefix.join("lib")).err());
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failed: Vec<_> = failed.iter().map(|error| format!("{error:#}")).collect();
    bail!("{} programs failed:\n{}", failed.len(), failed.join("\n"))
}
