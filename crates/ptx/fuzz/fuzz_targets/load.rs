//! Any text loads or is refused with diagnostics; what parses prints and parses again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let _ = vgpu_ptx::load(source);
    let (tree, diagnostics) = vgpu_ptx::parse(source);
    if diagnostics.is_empty() {
        let printed = vgpu_ptx::print_ast(&tree);
        let (again, diagnostics) = vgpu_ptx::parse(&printed);
        assert!(diagnostics.is_empty());
        assert_eq!(printed, vgpu_ptx::print_ast(&again));
    }
});
