//! What `cargo metadata` says, as far as the checks need it.

use crate::shell;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A package of the dependency graph.
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression, when the manifest has one.
    pub license: Option<String>,
    /// True for members of this workspace.
    pub member: bool,
    /// Where its manifest lies.
    pub manifest_path: PathBuf,
    /// Names of the packages it depends on, of any kind, development included.
    pub dependencies: Vec<String>,
}

/// The dependency graph of the workspace.
pub struct Metadata {
    /// All packages.
    pub packages: Vec<Package>,
    /// Where build output goes.
    pub target_directory: PathBuf,
}

impl Metadata {
    /// Runs `cargo metadata`.
    ///
    /// # Errors
    /// cargo fails, or its answer is not what it documents.
    pub fn load() -> Result<Self> {
        let text = shell::output(shell::cargo().args(["metadata", "--format-version=1", "--quiet"]))?;
        Self::parse(&text).context("cannot read the answer of `cargo metadata`")
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let strings = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let members: BTreeSet<_> = strings(&value["workspace_members"]).into_iter().collect();
        let text_of =
            |value: &Value, what: &str| value.as_str().map(str::to_owned).with_context(|| format!("no {what}"));
        let mut packages = Vec::new();
        for package in value["packages"].as_array().context("no packages")? {
            let dependencies = package["dependencies"].as_array().context("no dependencies")?;
            packages.push(Package {
                name: text_of(&package["name"], "name")?,
                version: text_of(&package["version"], "version")?,
                license: package["license"].as_str().map(str::to_owned),
                member: members.contains(package["id"].as_str().context("no id")?),
                manifest_path: text_of(&package["manifest_path"], "manifest_path")?.into(),
                dependencies: dependencies.iter().filter_map(|d| d["name"].as_str()).map(str::to_owned).collect(),
            });
        }
        let target_directory = text_of(&value["target_directory"], "target_directory")?.into();
        Ok(Self { packages, target_directory })
    }
}
