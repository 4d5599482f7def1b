//! Gives the shared library its name and, as NVIDIA's has it, the same name as the version of every symbol.
//! `--default-symver` is an option of GNU ld alone.
fn main() {
    for arg in ["-fuse-ld=bfd", "-Wl,-soname,libnvJitLink.so.12", "-Wl,--default-symver"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
