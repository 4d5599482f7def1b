//! Every kernel of the repository loads without a message.

use std::path::Path;
use vgpu_types::LineMap;

#[test]
fn repository_kernels_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernels");
    let mut n_kernels = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder `kernels`") {
        let path = entry.expect("a folder entry").path();
        if path.extension().is_none_or(|extension| extension != "ptx") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("readable text");
        let lines = LineMap::new(&source);
        let show = |diagnostics: &[vgpu_types::Diagnostic]| -> String {
            diagnostics.iter().map(|d| d.render(&path.to_string_lossy(), &source, &lines)).collect()
        };
        let (module, warnings) =
            vgpu_ptx::load_with_warnings(&source).unwrap_or_else(|found| panic!("{}", show(&found)));
        assert!(warnings.is_empty(), "{}", show(&warnings));
        let name = path.file_stem().expect("a file name").to_string_lossy();
        let entries = module.functions.iter().filter(|function| !function.is_declaration()).count();
        assert!(entries > 0, "{name} has a kernel");
        n_kernels += entries;
    }
    assert!(n_kernels >= 16, "found {n_kernels} kernels");
}
