//! `vgpu run -- COMMAND`, `vgpu env` and `vgpu nvcc`: programs made for NVIDIA's device run on this one.
//!
//! A program finds the device by the names of NVIDIA's libraries. They lie in one folder ([`faces`]), under exactly these names,
//! and the environment of the program points to it. Nothing else of the program or the machine is changed. The plan is data
//! ([`Plan`]), so that it can be printed for a shell instead of being used.

use crate::failure::Failure;
use crate::output::out;
use anyhow::{Context as _, anyhow};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that programs look for, and the files that cargo makes of them: one pair per line.
const FACES: &str = include_str!("../../../sonames/faces.txt");
/// Where they lie in an installation, from the folder of this program.
const INSTALLED: &str = "../lib/vgpu/cuda";
/// Python finds its own copies of these by path, unless they are loaded already.
const PRELOADED: &[&str] = &["libnvJitLink.so.13", "libnvJitLink.so.12", "libnvrtc.so.13", "libnvrtc.so.12"];

/// Environment variables to set, in order.
pub struct Plan {
    variables: Vec<(&'static str, OsString)>,
}

/// Finds the folder with the libraries under NVIDIA's names; makes it beside a program that cargo has just built.
fn faces() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let program = program.canonicalize().unwrap_or(program);
    let dir = program.parent().ok_or_else(|| anyhow!("{} lies in no folder", program.display()))?;
    let installed = dir.join(INSTALLED);
    if installed.join("libcuda.so.1").exists() {
        return installed.canonicalize().with_context(|| format!("cannot read {}", installed.display()));
    }
    let made = dir.join("cuda-faces");
    std::fs::create_dir_all(&made).with_context(|| format!("cannot make {}", made.display()))?;
    for (name, file) in FACES.lines().filter_map(|line| line.split_once(' ')) {
        let (target, link) = (dir.join(file), made.join(name));
        if !target.exists() {
            let found = format!("{} is not built; `cargo build --release` makes it", target.display());
            return Err(anyhow!("{found}, and an installation has it in {}", installed.display()));
        }
        if std::fs::read_link(&link).is_ok_and(|known| known == target) {
            continue;
        }
        // Another process may do the same at this moment; a link under a name of its own, moved into place, suits both.
        let own = made.join(format!(".{name}.{}", std::process::id()));
        std::os::unix::fs::symlink(&target, &own).with_context(|| format!("cannot make {}", own.display()))?;
        std::fs::rename(&own, &link).with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(made)
}

/// Puts `first` before what a variable that lists paths has.
fn prepend(first: &Path, variable: &str, separator: &str) -> OsString {
    let mut value = first.as_os_str().to_owned();
    if let Some(old) = std::env::var_os(variable).filter(|old| !old.is_empty()) {
        value.push(separator);
        value.push(old);
    }
    value
}

impl Plan {
    /// What a program needs.
    ///
    /// # Errors
    /// The libraries are not there.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self::for_folder(&faces()?))
    }

    fn for_folder(faces: &Path) -> Self {
        let mut preload = OsString::new();
        for name in PRELOADED {
            preload.push(faces.join(name));
            preload.push(":");
        }
        let preload = prepend(Path::new(&preload), "LD_PRELOAD", "");
        let ptxas = faces.join("ptxas");
        let mut variables = vec![
            ("LD_LIBRARY_PATH", prepend(faces, "LD_LIBRARY_PATH", ":")),
            ("LD_PRELOAD", preload),
            ("TRITON_LIBCUDA_PATH", faces.into()),
            ("TRITON_PTXAS_PATH", ptxas.clone().into()),
            ("TRITON_PTXAS_BLACKWELL_PATH", ptxas.into()),
            // CuPy otherwise asks NVRTC for machine code.
            ("CUPY_COMPILE_WITH_PTX", "1".into()),
        ];
        // Nobody wants another device than this one; a user's own choice stands.
        if std::env::var_os("CUDA_VISIBLE_DEVICES").is_some_and(|devices| devices.is_empty() || devices == "-1") {
            variables.push(("CUDA_VISIBLE_DEVICES", "0".into()));
        }
        Self { variables }
    }

    /// A command with this environment.
    pub fn command(&self, words: &[OsString]) -> Result<Command, Failure> {
        let (name, rest) = words.split_first().ok_or_else(|| Failure::usage("no command after `--`"))?;
        let mut command = Command::new(name);
        command.args(rest);
        for (variable, value) in &self.variables {
            command.env(variable, value);
        }
        Ok(command)
    }
}

/// Replaces this process by the program.
pub fn run(words: &[OsString]) -> Result<(), Failure> {
    Err(exec(Plan::new()?.command(words)?))
}

/// Replaces this process; comes back only with the reason why it could not.
fn exec(mut command: Command) -> Failure {
    let name = command.get_program().to_string_lossy().into_owned();
    let error = command.exec();
    Failure::usage(format!("cannot run {name}: {error}"))
}

/// `vgpu env`: the environment for a shell.
pub fn env() -> Result<(), Failure> {
    for (variable, value) in Plan::new()?.variables {
        let value = value.to_string_lossy().replace('\'', r"'\''");
        out!("export {variable}='{value}'");
    }
    Ok(())
}

/// Options of nvcc that say what code to make; whoever gives one knows what he wants.
const CODE_OPTIONS: &[&str] =
    &["-arch", "--gpu-architecture", "-code", "--gpu-code", "-gencode", "--generate-code", "-ptx", "--ptx"];
/// Options that say which runtime library is linked.
const RUNTIME_OPTIONS: &[&str] = &["-cudart", "--cudart"];
/// PTX for this architecture is what every nvcc since 11.8 makes and this device takes.
const ARCHITECTURE: &str = "compute_89";

/// `vgpu nvcc`: the user's nvcc, with what makes its output run here unless the user said otherwise.
pub fn nvcc(words: &[OsString]) -> Result<(), Failure> {
    let nvcc = find_nvcc().ok_or_else(|| {
        Failure::usage("no nvcc found in CUDA_HOME, CUDA_PATH, PATH or the active Python; pip install nvidia-cuda-nvcc")
    })?;
    let faces = faces()?;
    let mut command = Command::new(&nvcc);
    command.args(nvcc_options(words, &faces)).args(words);
    Err(exec(command))
}

/// What is put before the user's options.
fn nvcc_options(words: &[OsString], faces: &Path) -> Vec<OsString> {
    let given = |options: &[&str]| {
        words.iter().any(|word| {
            let word = word.to_string_lossy();
            options.iter().any(|option| word.as_ref() == *option || word.starts_with(&format!("{option}=")))
        })
    };
    let mut options: Vec<OsString> = Vec::new();
    if !given(RUNTIME_OPTIONS) {
        options.push("-cudart=shared".into());
        let mut folder = OsString::from("-L");
        folder.push(faces);
        options.push(folder);
    }
    if !given(CODE_OPTIONS) {
        options.push(format!("-gencode=arch={ARCHITECTURE},code={ARCHITECTURE}").into());
    }
    options
}

/// The user's nvcc.
fn find_nvcc() -> Option<PathBuf> {
    let homes =
        ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(|home| PathBuf::from(home).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = homes.chain(std::env::split_paths(&path)).collect();
    dirs.extend(vgpu_nvidia::program_folders());
    dirs.push("/usr/local/cuda/bin".into());
    dirs.into_iter().map(|dir| dir.join("nvcc")).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn nvcc_gets_what_the_user_left_open() {
        let added = |line: &str| nvcc_options(&words(line), Path::new("/f"));
        assert_eq!(added("a.cu -o a"), words("-cudart=shared -L/f -gencode=arch=compute_89,code=compute_89"));
        assert_eq!(added("a.cu -arch=sm_80"), words("-cudart=shared -L/f"));
        assert_eq!(added("a.cu --cudart static -gencode arch=compute_80,code=sm_80"), words(""));
    }

    #[test]
    fn the_plan_leads_to_the_folder() {
        let plan = Plan::for_folder(Path::new("/f"));
        let value =
            |name| plan.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string_lossy());
        assert!(value("LD_LIBRARY_PATH").is_some_and(|value| value == "/f" || value.starts_with("/f:")));
        assert!(value("LD_PRELOAD").is_some_and(|value| value.starts_with("/f/libnvJitLink.so.13:")));
        assert_eq!(value("TRITON_PTXAS_PATH").as_deref(), Some("/f/ptxas"));
    }
}
