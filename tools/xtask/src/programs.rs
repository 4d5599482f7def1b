//! C and C++ programs: the driver API's tests, the examples, and the prefix that both are built from.
//!
//! `install` lays out what a user gets: the `vgpu` command, `lib/libvgpu.so` with its header and files for pkg-config and CMake,
//! and in `lib/vgpu/cuda` the libraries under NVIDIA's names, which `vgpu run --` hands out. The tests install the debug build
//! under `target/` and use only that.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Everything that is installed, and that `vgpu run --` hands out.
pub const PACKAGES: [&str; 10] = [
    "vgpu-cli",
    "vgpu-capi",
    "vgpu-cuda-driver",
    "vgpu-cudart12",
    "vgpu-cudart13",
    "vgpu-nvjitlink12",
    "vgpu-nvjitlink13",
    "vgpu-nvrtc12",
    "vgpu-nvrtc13",
    "vgpu-ptxas",
];
/// NVIDIA's names, and the files that cargo makes for them.
const FACES: &str = "sonames/faces.txt";
/// Where these lie under a prefix; the `vgpu` command looks there.
const FACES_DIR: &str = "lib/vgpu/cuda";
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

/// Builds the command and the libraries and puts them, the header and the build files under `prefix`.
///
/// # Errors
/// The build fails or files cannot be written.
pub fn install(prefix: &Path, release: bool) -> Result<()> {
    let mut build = shell::cargo();
    build.args(["build", "--quiet"]).args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if release {
        build.arg("--release");
    }
    shell::run(&mut build)?;
    let built = target().join(if release { "release" } else { "debug" });
    let lib = prefix.join("lib");
    copy(&built.join("libvgpu.so"), &lib.join("libvgpu.so.1"))?;
    link("libvgpu.so.1", &lib.join("libvgpu.so"))?;
    // In a folder of their own: who puts it on the library path chooses them over NVIDIA's.
    let faces = fs::read_to_string(shell::root().join(FACES)).with_context(|| format!("cannot read {FACES}"))?;
    for (name, file) in faces.lines().filter_map(|line| line.split_once(' ')) {
        let at = prefix.join(FACES_DIR).join(name);
        match file {
            // One copy of the engine.
            "libvgpu.so" => {
                fs::create_dir_all(prefix.join(FACES_DIR))?;
                link("../../libvgpu.so.1", &at)?;
            }
            _ => copy(&built.join(file), &at)?,
        }
    }
    copy(&built.join("vgpu"), &prefix.join("bin/vgpu"))?;
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
    )?;
    write(
        &lib.join("cmake/vgpu/vgpu-config-version.cmake"),
        &format!(
            "set(PACKAGE_VERSION \"{VERSION}\")\nif(PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)\n  \
             set(PACKAGE_VERSION_COMPATIBLE TRUE)\nendif()\nif(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)\n  \
             set(PACKAGE_VERSION_EXACT TRUE)\nendif()\n"
        ),
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

/// Every function of `libvgpu.so` has a version, and the library a name with its major version.
fn check_versions(prefix: &Path) -> Result<()> {
    let mut objdump = shell::program("objdump");
    let text = shell::output(objdump.args(["-p", "-T"]).arg(prefix.join("lib/libvgpu.so")))?;
    if !text.lines().any(|line| line.split_whitespace().eq(["SONAME", "libvgpu.so.1"])) {
        bail!("libvgpu.so does not call itself libvgpu.so.1");
    }
    let functions: Vec<_> = text.lines().filter(|line| line.contains(" vgpu") && line.contains(".text")).collect();
    if functions.is_empty() || !functions.iter().all(|line| line.contains("libvgpu.so.1")) {
        bail!("functions of libvgpu.so without a version: {functions:#?}");
    }
    Ok(())
}

/// The installed command finds the installed libraries, and runs programs with them.
fn check_command(prefix: &Path) -> Result<()> {
    let faces = prefix.join(FACES_DIR).canonicalize()?;
    let text = shell::output(shell::program(prefix.join("bin/vgpu")).arg("env"))?;
    let wanted = format!("export LD_LIBRARY_PATH='{}", faces.display());
    if !text.lines().any(|line| line.starts_with(&wanted)) {
        bail!("`vgpu env` of the installation says\n{text}instead of\n{wanted}..");
    }
    shell::run(shell::program(prefix.join("bin/vgpu")).args(["run", "--", "true"]))
}

/// Runs the programs of `tests/driver` against `libcuda.so.1` and those of `examples/c` against `libvgpu.so`.
///
/// # Errors
/// Names the programs that fail, with what they wrote.
pub fn test() -> Result<()> {
    let prefix = target().join("programs");
    install(&prefix, false)?;
    let mut failed = Vec::new();
    failed.extend(check_versions(&prefix).err());
    failed.extend(check_command(&prefix).err());
    for source in sources("tests/driver")? {
        failed.extend(check(&source, &prefix, &["-lcuda"], &prefix.join(FACES_DIR)).err());
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
