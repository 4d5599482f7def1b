//! Crates stand on floors, and a crate depends only on crates of lower floors (ARCHITECTURE.md has the picture).

use crate::metadata::Metadata;

/// The floors, lowest first. A crate that is not here has no place yet.
const FLOORS: &[&[&str]] = &[
    &["vgpu-types"],
    &["vgpu-trace", "vgpu-ptx", "vgpu-mem", "vgpu-num", "vgpu-market", "vgpu-policy", "vgpu-turns"],
    &["vgpu-jit", "vgpu-fuse", "vgpu-fuse-macros", "vgpu-nvidia"],
    &["vgpu-runtime"],
    &["vgpu", "vgpu-cuda"],
    &[
        "vgpu-capi",
        "vgpu-cuda-driver",
        "vgpu-cuda-runtime",
        "vgpu-nvjitlink",
        "vgpu-nvrtc",
        "vgpu-ptxas",
        "vgpu-python",
        "vgpu-daemon",
    ],
    &["vgpu-cli", "vgpud"],
];

/// A heavy dependency lives in exactly one crate.
const OWNERS: &[(&str, &str)] = &[("inkwell", "vgpu-jit"), ("tokio", "vgpu-daemon"), ("pyo3", "vgpu-python")];

/// An arrow within a floor that is meant: the procedural macros of a crate.
const SAME_FLOOR: &[(&str, &str)] = &[("vgpu-fuse", "vgpu-fuse-macros")];

/// Complaints about dependencies that point up or sideways, and about heavy dependencies in the wrong crate.
pub fn check(metadata: &Metadata) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.member) {
        for dependency in &package.dependencies {
            if let Some(complaint) = arrow(&package.name, dependency) {
                complaints.push(format!("{}: {complaint}", package.manifest_path.display()));
            }
        }
        let in_crates =
            package.manifest_path.parent().and_then(|dir| dir.parent()).is_some_and(|d| d.ends_with("crates"));
        if in_crates && floor(&package.name).is_none() {
            complaints.push(format!("{}: `{}` has no floor", package.manifest_path.display(), package.name));
        }
    }
    complaints
}

fn floor(package: &str) -> Option<usize> {
    FLOORS.iter().position(|names| names.contains(&package))
}

fn arrow(from: &str, to: &str) -> Option<String> {
    let from_floor = floor(from)?;
    if let Some((_, owner)) = OWNERS.iter().find(|(dependency, owner)| *dependency == to && *owner != from) {
        return Some(format!("`{from}` depends on `{to}`, which belongs to `{owner}` alone"));
    }
    let to_floor = floor(to)?;
    let legal = to_floor < from_floor || SAME_FLOOR.contains(&(from, to));
    (!legal).then(|| format!("`{from}` (floor {from_floor}) depends on `{to}` (floor {to_floor}); arrows go down"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_down() {
        assert_eq!(arrow("vgpu-jit", "vgpu-ptx"), None);
        assert_eq!(arrow("vgpu-cli", "vgpu-types"), None);
        assert_eq!(arrow("vgpu-jit", "serde"), None);
        assert_eq!(arrow("filetests", "vgpu"), None);
        assert!(arrow("vgpu-ptx", "vgpu-jit").is_some());
        assert!(arrow("vgpu-ptx", "vgpu-mem").is_some());
        assert!(arrow("vgpu-runtime", "inkwell").is_some());
        assert_eq!(arrow("vgpu-jit", "inkwell"), None);
    }
}
