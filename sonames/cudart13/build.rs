//! Gives the shared library its name and, as NVIDIA's has it, the same name as the version of every symbol.
//! `--default-symver` is an option of GNU ld alone. The driver is looked for beside this library, too.
fn main() {
    let name = "-Wl,-soname,libcudart.so.13";
    for arg in ["-fuse-ld=bfd", name, "-Wl,--default-symver", "-Wl,-rpath,$ORIGIN"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
