//! Makes one exported jump per driver symbol, from the list that the engine's own table is made from.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let list = "../cuda/functions.txt";
    println!("cargo:rerun-if-changed={list}");
    let list = std::fs::read_to_string(list).expect("functions.txt stands in crates/cuda");
    let names: Vec<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut code = format!("pub(crate) const NAMES: [&CStr; {}] = [\n", names.len());
    for name in &names {
        writeln!(code, "    c\"{name}\",").expect("writing to a string succeeds");
    }
    code.push_str("];\n\njumps! {\n");
    for (idx, name) in names.iter().enumerate() {
        writeln!(code, "    {idx} {name}").expect("writing to a string succeeds");
    }
    code.push_str("}\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("jumps.rs"), code).expect("OUT_DIR is writable");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
