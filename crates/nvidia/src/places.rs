//! Where NVRTC and the CUDA headers may be: a CUDA toolkit, or the packages from PyPI in the active Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Library files of NVIDIA's whose name starts with `prefix`, best first: those beside what this process has loaded, then
/// those of toolkits and packages.
pub fn find_libraries(prefix: &str) -> Vec<PathBuf> {
    let mut found = libraries(&in_packages(&loaded_packages()), prefix);
    if found.is_empty() {
        found = libraries(&folders(), prefix);
    }
    found
}

/// Folders in which NVIDIA's programs may be: those of toolkits and packages.
pub fn program_folders() -> Vec<PathBuf> {
    folders().into_iter().map(|folder| folder.join("bin")).filter(|dir| dir.is_dir()).collect()
}

/// Folders of NVIDIA software: each may have `lib` or `lib64`, and `include`.
pub fn folders() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for variable in ["CUDA_HOME", "CUDA_PATH"] {
        found.extend(std::env::var_os(variable).map(PathBuf::from));
    }
    found.extend(in_packages(&site_packages()));
    found.push("/usr/local/cuda".into());
    found
}

/// NVIDIA's folders in Python package folders.
fn in_packages(all: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for packages in all {
        // cu13 and later share one folder; before, each package had its own.
        let own = subfolders(&packages.join("nvidia"));
        found.extend(own.into_iter().filter(|dir| dir.join("lib").is_dir() || dir.join("include").is_dir()));
    }
    found
}

/// Package folders that this process has extension modules of: where a Python program's own packages are, whatever the
/// environment says.
fn loaded_packages() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found: Vec<PathBuf> = Vec::new();
    for path in maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..])) {
        let folder = Path::new(path)
            .ancestors()
            .find(|dir| dir.file_name().is_some_and(|name| name == "site-packages" || name == "dist-packages"));
        if let Some(folder) = folder
            && !found.iter().any(|known| known == folder)
        {
            found.push(folder.to_path_buf());
        }
    }
    found
}

/// Files in the folders' library directories whose name starts with `prefix`, newest version first within a folder.
pub fn libraries(folders: &[PathBuf], prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in folders.iter().flat_map(|folder| [folder.join("lib"), folder.join("lib64")]) {
        let mut here: Vec<_> = entries(&dir).into_iter().filter(|path| is_library(path, prefix)).collect();
        here.sort();
        found.extend(here.into_iter().rev());
    }
    found
}

/// Include directories that have `header`.
pub fn include_dirs(folders: &[PathBuf], header: &str) -> Vec<PathBuf> {
    folders.iter().map(|folder| folder.join("include")).filter(|dir| dir.join(header).exists()).collect()
}

fn is_library(path: &Path, prefix: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with(prefix) && !name.contains(".alt.")
}

/// Package folders of the active virtual environment, or else of the `python3` on the path.
fn site_packages() -> Vec<PathBuf> {
    if let Some(environment) = std::env::var_os("VIRTUAL_ENV") {
        let versions = subfolders(&Path::new(&environment).join("lib"));
        return versions.into_iter().map(|dir| dir.join("site-packages")).filter(|dir| dir.is_dir()).collect();
    }
    let script = "import site, sysconfig; print(sysconfig.get_path('purelib')); print(site.getusersitepackages())";
    let output = Command::new("python3").args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().map(PathBuf::from).filter(|dir| dir.is_dir()).collect()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn subfolders(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = entries(dir).into_iter().filter(|path| path.is_dir()).collect();
    found.sort();
    found
}
