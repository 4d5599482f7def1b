//! A compiler for tests: every kernel is a C function of `kernels.c`, compiled once with the system's C compiler.

#![allow(dead_code, reason = "not every test binary that includes this uses all of it")]
#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use vgpu_jit::{EntryKind, KernelLayout, ObjectCode, Specialization, Target};
use vgpu_ptx::ir;
use vgpu_runtime::{CachePolicy, Compiler, Context, Device, DeviceConfig, Kernel, Module};

/// Kernels with their parameters (PTX) and whether they are resumable.
const KERNELS: &[(&str, &str, bool)] = &[
    ("empty", "", false),
    ("smooth", ".param .u64 in, .param .u64 out, .param .u64 n", false),
    ("number", ".param .u64 out, .param .u32 scale", false),
    ("library", ".param .u64 out", false),
    ("variable", "", false),
    ("store", ".param .u64 at", false),
    ("over_shared", "", false),
    ("status", ".param .u32 code", false),
    ("illegal", "", false),
    ("endless", "", false),
    ("runaway", "", false),
    ("trap_waits", "", false),
    ("prints", "", false),
    ("asserts", "", false),
    ("allocates", ".param .u64 out", false),
    ("tree_sum", ".param .u64 out", true),
    ("early_exit", ".param .u64 out", true),
    ("producer", ".param .u64 out", true),
    ("dead", "", true),
    ("spins", "", true),
    ("fresh_frames", "", true),
    ("look_back", ".param .u64 flags", false),
    ("ticket", ".param .u64 out", false),
    ("grid_sum", ".param .u64 out", true),
    ("grid_spin", ".param .u64 out", true),
];

fn build() -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native/kernels.c");
    let object = std::env::temp_dir().join(format!("vgpu-native-{}.o", std::process::id()));
    let flags = ["-c", "-O2", "-fPIC", "-fno-stack-protector", "-Wno-int-to-pointer-cast", "-o"];
    let status = Command::new("cc").args(flags).arg(&object).arg(source).status().unwrap();
    assert!(status.success());
    let bytes = std::fs::read(&object).unwrap();
    std::fs::remove_file(object).unwrap();
    bytes
}

/// The object with all kernels.
pub fn object() -> &'static [u8] {
    static OBJECT: OnceLock<Vec<u8>> = OnceLock::new();
    OBJECT.get_or_init(build)
}

/// See the module header. `damage` may change the object before it is handed out.
pub struct CCompiler {
    pub damage: fn(&mut Vec<u8>),
}

impl Compiler for CCompiler {
    fn compile(
        &self,
        module: &ir::Module,
        kernel: ir::FuncId,
        specialization: &Specialization,
        _target: &Target,
    ) -> Result<ObjectCode, String> {
        let name = &module.functions[kernel].name;
        let &(_, _, resumable) =
            KERNELS.iter().find(|(known, ..)| known == name).ok_or_else(|| format!("no C function {name}"))?;
        let threads = specialization.block.volume() as u32;
        let mut elf = object().to_vec();
        (self.damage)(&mut elf);
        Ok(ObjectCode {
            elf,
            entry_symbol: name.clone(),
            layout: KernelLayout {
                entry: if resumable { EntryKind::Resumable } else { EntryKind::Straight },
                lanes: 32,
                programs: threads.div_ceil(32),
                shared_static_bytes: 1024,
                local_bytes: 64,
                frame_bytes: if resumable { 64 } else { 0 },
                param_bytes: module.functions[kernel].param_bytes(),
                ordered_atomics: true,
                aligned_params: Vec::new(),
            },
        })
    }

    fn identity(&self) -> String {
        blake3::hash(object()).to_hex().to_string()
    }
}

/// The module with all kernels: declarations as PTX sees them.
pub fn ptx() -> String {
    let mut text =
        ".version 7.0\n.target sm_70\n.address_size 64\n.visible .global .align 4 .u32 counter = 5;\n".to_owned();
    for (name, params, _) in KERNELS {
        text.push_str(&format!(".visible .entry {name}({params}) {{ ret; }}\n"));
    }
    // Not compiled here: a kernel whose text shows that its blocks exchange data.
    text.push_str(
        ".visible .entry counts(.param .u64 at) { .reg .b64 %rd<2>;\n\
         ld.param.u64 %rd1, [at];\nred.global.add.u32 [%rd1], 1;\nret; }\n",
    );
    text.push_str(
        ".visible .entry shaped() .reqntid 8, 4, 1 { ret; }\n.visible .entry limited() .maxntid 64, 1, 1 { ret; }\n",
    );
    text
}

/// Settings of a device with `n_workers` workers that runs these kernels.
pub fn config(n_workers: u32) -> DeviceConfig {
    DeviceConfig {
        turns: None,
        n_workers,
        pinned: false,
        cores: Vec::new(),
        label: "native".to_owned(),
        memory_bytes: 1 << 30,
        memory_budget: None,
        compute_capability: (8, 9),
        launch_timeout: None,
        target: Target::detect(None),
        cache: CachePolicy::Off,
        compiler: Arc::new(CCompiler { damage: |_| {} }),
    }
}

/// A context with the module.
pub struct Fixture {
    pub context: Context,
    pub module: Module,
}

impl Fixture {
    pub fn new(n_workers: u32) -> Self {
        Self::with(config(n_workers))
    }

    pub fn with(config: DeviceConfig) -> Self {
        let context = Context::new(&Device::new(config).unwrap());
        let module = Module::load(&context, &ptx()).unwrap();
        Self { context, module }
    }

    pub fn kernel(&self, name: &str) -> Kernel {
        self.module.kernel(name).unwrap()
    }

    /// Device memory of `n` zeroed words.
    pub fn words(&self, n: usize) -> vgpu_runtime::DevicePtr {
        let address = self.context.alloc(4 * n as u64).unwrap();
        self.context.fill(address, 4 * n as u64, &[0]).unwrap();
        address
    }

    pub fn read(&self, address: vgpu_runtime::DevicePtr, n: usize) -> Vec<u32> {
        let mut bytes = vec![0; 4 * n];
        self.context.copy_to_host(&mut bytes, address).unwrap();
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }
}
