//! One link: options, inputs, and at the end one PTX text or a code with a log.
//!
//! What an input is decides its way. PTX, and "machine code" that is PTX because our other stand-ins wrote it, is merged
//! here. Intermediate code for link-time optimisation goes through NVIDIA's linker, which gives PTX back. NVIDIA's device
//! runtime library is dropped: the device has its functions built in. Real machine code is refused.

use crate::merge::{self, Input, MergeError};
use crate::real::{self, Piece};
use crate::{
    ERROR_INVALID_INPUT, ERROR_LTO_NOT_ENABLED, ERROR_MISSING_ARCH, ERROR_NVVM_COMPILE, ERROR_PTX_COMPILE,
    ERROR_UNRECOGNIZED_INPUT, ERROR_UNRECOGNIZED_OPTION, INPUT_ANY, INPUT_LTOIR, INPUT_PTX,
};

/// A link from its options to its result.
pub struct Linker {
    options: Vec<String>,
    inputs: Vec<(u32, Vec<u8>, String)>,
    ptx: Option<Vec<u8>>,
    error_log: String,
    info_log: String,
}

/// Options that take a value, by the part before `=`.
const VALUED: &[&str] = &[
    "-arch",
    "-maxrregcount",
    "-split-compile",
    "-split-compile-extended",
    "-Xptxas",
    "-Xnvvm",
    "-O",
    "-fma",
    "-ftz",
    "-prec-div",
    "-prec-sqrt",
    "-kernels-used",
    "-variables-used",
    "-host-ref-ek",
    "-host-ref-ik",
    "-host-ref-ec",
    "-host-ref-ic",
    "-host-ref-eg",
    "-host-ref-ig",
    "-jump-table-density",
    "-numba-debug",
    "-device-stack-protector",
    "-minnctapersm",
    "-maxntid",
];
/// Options that take none.
const FLAGS: &[&str] = &[
    "-time",
    "-verbose",
    "-lto",
    "-ptx",
    "-g",
    "-lineinfo",
    "-optimize-unused-variables",
    "-no-cache",
    "-r",
    "-extensible-whole-program",
    "-device-debug",
    "-generate-line-info",
    "-O0",
    "-O1",
    "-O2",
    "-O3",
    "-dump-ltoir",
];

impl Linker {
    /// A link with these options.
    ///
    /// # Errors
    /// The code for an unknown option or a missing architecture.
    pub fn new(options: Vec<String>) -> Result<Self, u32> {
        for option in &options {
            let name = option.split('=').next().unwrap_or_default();
            if !(VALUED.contains(&name) && option.contains('=') || FLAGS.contains(&option.as_str()) || name.is_empty())
            {
                return Err(ERROR_UNRECOGNIZED_OPTION);
            }
        }
        if !options.iter().any(|option| option.starts_with("-arch=")) {
            return Err(ERROR_MISSING_ARCH);
        }
        Ok(Self { options, inputs: Vec::new(), ptx: None, error_log: String::new(), info_log: String::new() })
    }

    /// Adds an input.
    ///
    /// # Errors
    /// The code for data that is no input for a linker.
    pub fn add(&mut self, kind: u32, data: &[u8], name: &str) -> Result<(), u32> {
        if data.is_empty() || !(1..=7).contains(&kind) && kind != INPUT_ANY {
            return Err(ERROR_INVALID_INPUT);
        }
        if kind == INPUT_LTOIR && !self.has("-lto") {
            return Err(ERROR_LTO_NOT_ENABLED);
        }
        self.inputs.push((kind, data.to_vec(), name.to_owned()));
        Ok(())
    }

    /// Links.
    ///
    /// # Errors
    /// The code; the reason is in [`Self::error_log`].
    pub fn complete(&mut self) -> Result<(), u32> {
        let result = self.link();
        match result {
            Ok(text) => {
                let mut bytes = text.into_bytes();
                bytes.push(0);
                self.ptx = Some(bytes);
                Ok(())
            }
            Err((code, message)) => {
                self.error_log = format!("error   : {message}\n");
                Err(code)
            }
        }
    }

    fn link(&mut self) -> Result<String, (u32, String)> {
        let mut texts: Vec<Input> = Vec::new();
        let mut pieces = Vec::new();
        for (kind, data, name) in &self.inputs {
            match classify(*kind, data) {
                Class::Ptx(text) => texts.push((name.clone(), text)),
                Class::Intermediate => pieces.push(Piece { kind: *kind, data, name }),
                Class::Archive if is_device_runtime(name, data) => {
                    self.info_log.push_str("info    : the device runtime library is built into the device\n");
                }
                Class::Archive => pieces.push(Piece { kind: *kind, data, name }),
                Class::MachineCode => {
                    let advice = "build it with PTX (nvcc -gencode arch=compute_XX,code=compute_XX) or as LTO code";
                    return Err((
                        ERROR_UNRECOGNIZED_INPUT,
                        format!("'{name}' is machine code, which runs on NVIDIA's processors only; {advice}"),
                    ));
                }
            }
        }
        if !pieces.is_empty() {
            let mut options = self.options.clone();
            for wanted in ["-lto", "-ptx"] {
                if !self.has(wanted) {
                    options.push(wanted.to_owned());
                }
            }
            let text = real::link(&options, &pieces).map_err(|failure| failure.unwrap_or_else(|| {
                let message = "these inputs are intermediate code, which only NVIDIA's linker reads, and it is not installed; pip install nvidia-nvjitlink";
                (ERROR_NVVM_COMPILE, message.to_owned())
            }))?;
            texts.insert(0, ("lto".to_owned(), text));
        }
        let merged = merge::merge(&texts).map_err(|error| match error {
            MergeError::Syntax(text) => (ERROR_PTX_COMPILE, text),
            MergeError::Duplicate { .. } => (ERROR_INVALID_INPUT, error.to_string()),
        })?;
        match vgpu_ptx::load(&merged) {
            Ok(_) => Ok(merged),
            Err(diagnostics) => Err((ERROR_PTX_COMPILE, merge::render("linked.ptx", &merged, &diagnostics))),
        }
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    /// The linked PTX with a zero byte at its end, after a link that went well.
    pub fn ptx(&self) -> Option<&[u8]> {
        self.ptx.as_deref()
    }

    /// Why it went wrong.
    pub fn error_log(&self) -> &str {
        &self.error_log
    }

    /// What else there is to say.
    pub fn info_log(&self) -> &str {
        &self.info_log
    }
}

/// What an input turns out to be.
enum Class {
    Ptx(String),
    Intermediate,
    Archive,
    MachineCode,
}

fn classify(kind: u32, data: &[u8]) -> Class {
    /// `EM_CUDA` in an ELF header.
    const CUDA_MACHINE: [u8; 2] = [190, 0];
    if kind == INPUT_LTOIR {
        return Class::Intermediate;
    }
    if data.starts_with(b"\x7fELF") {
        let cuda = data.get(18..20) == Some(&CUDA_MACHINE);
        return if cuda { Class::MachineCode } else { Class::Archive };
    }
    if data.starts_with(b"!<arch>\n") {
        return Class::Archive;
    }
    let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    match std::str::from_utf8(&data[..end]) {
        Ok(text) if kind == INPUT_PTX || text.contains(".version") => Class::Ptx(text.to_owned()),
        // Fat binaries and what has a type of its own.
        _ => Class::Intermediate,
    }
}

/// NVIDIA's `libcudadevrt.a`, by its name or by what it defines.
fn is_device_runtime(name: &str, data: &[u8]) -> bool {
    let defines = |symbol: &[u8]| data.windows(symbol.len()).any(|window| window == symbol);
    name.contains("cudadevrt") || defines(b"cudaCGGetIntrinsicHandle")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::INPUT_CUBIN;

    const KERNEL: &[u8] = b".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() { ret; }\0";

    fn linker(options: &[&str]) -> Result<Linker, u32> {
        Linker::new(options.iter().map(|&option| option.to_owned()).collect())
    }

    #[test]
    fn ptx_stays_ptx() {
        let mut link = linker(&["-arch=sm_89", "-lineinfo"]).expect("known options");
        link.add(INPUT_PTX, KERNEL, "k.ptx").expect("PTX");
        link.complete().expect("one kernel");
        assert_eq!(link.ptx(), Some(KERNEL));
    }

    #[test]
    fn wrong_input_has_nvidias_codes() {
        assert_eq!(linker(&["-arch=sm_89", "-frobnicate"]).err(), Some(ERROR_UNRECOGNIZED_OPTION));
        assert_eq!(linker(&["-lto"]).err(), Some(ERROR_MISSING_ARCH));
        let mut link = linker(&["-arch=sm_89"]).expect("known options");
        assert_eq!(link.add(INPUT_LTOIR, b"x", "a"), Err(ERROR_LTO_NOT_ENABLED));
        assert_eq!(link.add(INPUT_PTX, b"", "a"), Err(ERROR_INVALID_INPUT));
        assert_eq!(link.add(99, b"x", "a"), Err(ERROR_INVALID_INPUT));
        link.add(INPUT_PTX, &KERNEL[..KERNEL.len() - 3], "broken.ptx").expect("looks like PTX");
        assert_eq!(link.complete(), Err(ERROR_PTX_COMPILE));
        assert!(link.error_log().contains("broken.ptx:4:"), "{}", link.error_log());
    }

    #[test]
    fn machine_code_is_refused_with_advice() {
        let mut elf = vec![0u8; 64];
        elf[..4].copy_from_slice(b"\x7fELF");
        elf[18] = 190;
        let mut link = linker(&["-arch=sm_89"]).expect("known options");
        link.add(INPUT_CUBIN, &elf, "k.cubin").expect("bytes");
        assert_eq!(link.complete(), Err(ERROR_UNRECOGNIZED_INPUT));
        assert!(link.error_log().contains("code=compute_XX"), "{}", link.error_log());
    }
}
