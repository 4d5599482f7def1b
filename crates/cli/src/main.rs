//! The vgpu command line.
#![forbid(unsafe_code)]

fn main() {}
