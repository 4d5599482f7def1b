//! Finds, and where possible installs, what the build needs beside Rust: LLVM 19's static libraries and a C compiler.
//!
//! Installing goes through apt (Debian 12 and later, Ubuntu 24.04 and later), with sudo when not root. Elsewhere the
//! line to run is printed. Nothing is downloaded by any other route.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What the build takes from the system.
const PACKAGES: &[&str] = &["llvm-19-dev", "libpolly-19-dev", "zlib1g-dev", "libzstd-dev", "gcc", "g++"];
/// Read by llvm-sys's build script.
const PREFIX_VARIABLE: &str = "LLVM_SYS_191_PREFIX";
/// Where Debian and Ubuntu put LLVM 19.
const DEBIAN_PREFIX: &str = "/usr/lib/llvm-19";

/// Makes sure that the vgpu crates can be built; cheap when they can. Cargo finds LLVM through `.cargo/config.toml`.
///
/// # Errors
/// Something is missing and cannot be installed; the message has the line to run.
pub fn toolchain() -> Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return Ok(());
    }
    if !missing().is_empty() {
        install(PACKAGES)?;
        let missing = missing();
        if !missing.is_empty() {
            bail!("installed {}, but still missing: {}", PACKAGES.join(" "), missing.join(", "));
        }
    }
    DONE.get_or_init(|| ());
    Ok(())
}

/// `cargo xtask setup`.
///
/// # Errors
/// As [`toolchain`].
pub fn report() -> Result<()> {
    toolchain()?;
    let version = shell::output(shell::program(prefix().join("bin/llvm-config")).arg("--version"))?;
    println!("LLVM {} in {}", version.trim(), prefix().display());
    let cc = shell::output(shell::program("cc").arg("--version"))?;
    println!("{}", cc.lines().next().unwrap_or("cc: no version"));
    Ok(())
}

/// Installs packages through apt.
///
/// # Errors
/// There is no apt or no right to use it; the message has the line to run.
pub fn install(packages: &[&str]) -> Result<()> {
    let line = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !shell::succeeds(shell::program("apt-get").arg("--version")) {
        bail!("not a Debian or Ubuntu machine: install what `{line}` would, and run again");
    }
    let root = shell::output(shell::program("id").arg("-u"))?.trim() == "0";
    if !root && !shell::succeeds(shell::program("sudo").args(["-n", "true"])) {
        bail!("no right to install packages; run `sudo {line}` and then this again");
    }
    let apt = |args: &[&str]| {
        let mut command = if root { shell::program("env") } else { shell::program("sudo") };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(args);
        shell::run(&mut command)
    };
    apt(&["update"]).context("cannot refresh the package lists")?;
    let install = ["install", "-y", "--no-install-recommends"];
    apt(&[&install[..], packages].concat()).with_context(|| format!("needs {}", packages.join(" ")))
}

/// Where LLVM is: the variable that llvm-sys reads, else Debian's place.
fn prefix() -> PathBuf {
    std::env::var_os(PREFIX_VARIABLE).map_or_else(|| DEBIAN_PREFIX.into(), PathBuf::from)
}

/// What is not there, in words.
fn missing() -> Vec<&'static str> {
    let prefix = prefix();
    let library = |name: &str| {
        let dirs =
            ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib"];
        dirs.iter().any(|dir| Path::new(dir).join(name).exists())
    };
    let checks = [
        ("LLVM 19 (llvm-config)", prefix.join("bin/llvm-config").exists()),
        ("LLVM 19 static libraries (libLLVMCore.a)", prefix.join("lib/libLLVMCore.a").exists()),
        ("Polly (libPolly.a)", prefix.join("lib/libPolly.a").exists()),
        ("zlib (libz.so)", library("libz.so")),
        ("zstd (libzstd.so)", library("libzstd.so")),
        ("a C compiler (cc)", shell::succeeds(shell::program("cc").arg("--version"))),
        ("a C++ library to link (c++)", shell::succeeds(shell::program("c++").arg("--version"))),
    ];
    checks.iter().filter(|(_, found)| !found).map(|(name, _)| *name).collect()
}
