//! The command line of NVIDIA's assembler: long and short names, `--name=value` and `--name value`.
//!
//! Source: `ptxas --help` of CUDA 13.4.

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Job {
    /// The options.
    Help,
    /// The version.
    Version,
    /// The architectures.
    Architectures,
    /// The work.
    Assemble(Options),
}

/// How to assemble.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// PTX files.
    pub inputs: Vec<String>,
    /// Where the result goes.
    pub output: String,
    /// `sm_89` and the like.
    pub arch: String,
    /// Say what was done.
    pub verbose: bool,
    /// Show warnings.
    pub warnings: bool,
}

/// For `--help`.
pub const HELP: &str = "\
Usage: ptxas [options] file...
Checks PTX and writes it, unchanged, to the output file: the device compiles it when it is loaded.
  --output-file FILE (-o)   where to write; elf.o when left out
  --gpu-name NAME (-arch)   architecture; sm_75 when left out
  --verbose (-v)            say what was done
  --disable-warnings (-w)   show errors only
  --version (-V), --help (-h), --list-arch (-arch-ls)
All other options of NVIDIA's ptxas are accepted and change nothing.
";

/// For `--list-arch`.
pub const ARCHITECTURES: &str =
    "sm_75\nsm_80\nsm_86\nsm_87\nsm_88\nsm_89\nsm_90\nsm_90a\nsm_100\nsm_103\nsm_110\nsm_120\nsm_121\n";

/// Options that take no value.
const FLAGS: &[(&str, &str)] = &[
    ("apply-controls", "apply-controls"),
    ("compile-as-tools-patch", "astoolspatch"),
    ("compile-only", "c"),
    ("compiler-annotations", "annotate"),
    ("device-debug", "g"),
    ("disable-optimizer-constants", "disable-optimizer-consts"),
    ("disable-warnings", "w"),
    ("dont-merge-basicblocks", "no-bb-merge"),
    ("extensible-whole-program", "ewp"),
    ("g-tensor-memory-access-check", "g-tmem-access-check"),
    ("generate-line-info", "lineinfo"),
    ("gno-tensor-memory-access-check", "gno-tmem-access-check"),
    ("help", "h"),
    ("jobserver", "jobserver"),
    ("legacy-bar-warp-wide-behavior", "legacy-bar-warp-wide-behavior"),
    ("list-arch", "arch-ls"),
    ("list-version", "version-ls"),
    ("make-errors-visible-at-exit", "make-errors-visible-at-exit"),
    ("optimize-float-atomics", "opt-fp-atomics"),
    ("override-directive-values", "override-directive-values"),
    ("preserve-relocs", "preserve-relocs"),
    ("return-at-end", "ret-end"),
    ("sp-bounds-check", "sp-bounds-check"),
    ("suppress-async-bulk-multicast-advisory-warning", "suppress-async-bulk-multicast-advisory-warning"),
    ("suppress-debug-info", "suppress-debug-info"),
    ("suppress-double-demote-warning", "suppress-double-demote-warning"),
    ("suppress-sparse-mma-advisory-info", "suppress-sparse-mma-advisory-info"),
    ("suppress-stack-size-warning", "suppress-stack-size-warning"),
    ("verbose", "v"),
    ("verbose2", "v2"),
    ("version", "V"),
    ("warn-on-double-precision-use", "warn-double-usage"),
    ("warn-on-local-memory-usage", "warn-lmem-usage"),
    ("warn-on-spills", "warn-spills"),
    ("warning-as-error", "Werror"),
];

/// Options that take a value.
const VALUED: &[(&str, &str)] = &[
    ("Ofast-compile", "Ofc"),
    ("allow-expensive-optimizations", "allow-expensive-optimizations"),
    ("def-load-cache", "dlcm"),
    ("def-store-cache", "dscm"),
    ("device-function-maxrregcount", "func-maxrregcount"),
    ("device-stack-protector", "device-stack-protector"),
    ("enable-func-clone-sc", "enable-func-clone-sc"),
    ("entry", "e"),
    ("fmad", "fmad"),
    ("force-load-cache", "flcm"),
    ("force-store-cache", "fscm"),
    ("gpu-name", "arch"),
    ("machine", "m"),
    ("maxntid", "maxntid"),
    ("maxrregcount", "maxrregcount"),
    ("minnctapersm", "minnctapersm"),
    ("opt-level", "O"),
    ("output-file", "o"),
    ("position-independent-code", "pic"),
    ("regAllocOptLevel", "regAllocOptLevel"),
    ("register-usage-level", "regUsageLevel"),
    ("sanitize", "sanitize"),
    ("split-compile", "split-compile"),
];

/// Reads the command line.
///
/// # Errors
/// An unknown option, a missing value, an architecture that is none, no input.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Job, String> {
    let mut args = args.peekable();
    let mut options =
        Options { inputs: Vec::new(), output: "elf.o".into(), arch: "sm_75".into(), verbose: false, warnings: true };
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') || arg == "-" {
            options.inputs.push(arg);
            continue;
        }
        let (name, attached) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg.clone(), None),
        };
        let is = |table: &[(&'static str, &str)]| {
            table
                .iter()
                .find(|(long, short)| name.strip_prefix("--") == Some(*long) || name.strip_prefix('-') == Some(*short))
                .map(|(long, _)| *long)
        };
        if let Some(flag) = is(FLAGS) {
            match flag {
                "help" => return Ok(Job::Help),
                "version" => return Ok(Job::Version),
                "list-arch" => return Ok(Job::Architectures),
                "verbose" | "verbose2" => options.verbose = true,
                "disable-warnings" => options.warnings = false,
                _ => {}
            }
        } else if let Some(valued) = is(VALUED) {
            let value = attached.or_else(|| args.next()).ok_or_else(|| format!("'{arg}' needs a value"))?;
            match valued {
                "output-file" => options.output = value,
                "gpu-name" => options.arch = architecture(value)?,
                _ => {}
            }
        } else if !is_joined(&name) {
            return Err(format!("Unknown option '{arg}'; `ptxas --help` lists what is accepted"));
        }
    }
    if options.inputs.is_empty() {
        return Err("No input files specified; a PTX file is needed".into());
    }
    Ok(Job::Assemble(options))
}

/// `-O3` and `-m64`: a value that follows a letter at once.
fn is_joined(name: &str) -> bool {
    ["-O", "-m"].iter().any(|letter| {
        name.strip_prefix(letter).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn architecture(name: String) -> Result<String, String> {
    let number = name.strip_prefix("sm_").or_else(|| name.strip_prefix("compute_"));
    let number = number.map(|number| number.trim_end_matches(['a', 'f']));
    match number {
        Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(name),
        _ => {
            Err(format!("Value '{name}' is not defined for option 'gpu-name'; accepted are sm_75, sm_89 and the like"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Job, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn triton_and_nvcc_lines_are_accepted() {
        let triton = "-lineinfo -v --regAllocOptLevel=2 --gpu-name=sm_89 /tmp/k.ptx -o /tmp/k.ptx.o";
        let expected = Options {
            inputs: vec!["/tmp/k.ptx".into()],
            output: "/tmp/k.ptx.o".into(),
            arch: "sm_89".into(),
            verbose: true,
            warnings: true,
        };
        assert_eq!(parsed(triton), Ok(Job::Assemble(expected)));
        let nvcc = parsed("-arch=sm_90a -m64 -O3 --fmad false --opt-level 0 a.ptx -o a.cubin");
        assert!(matches!(nvcc, Ok(Job::Assemble(options)) if options.arch == "sm_90a" && options.output == "a.cubin"));
    }

    #[test]
    fn wrong_lines_are_refused() {
        for (line, what) in [
            ("--frobnicate a.ptx", "Unknown option '--frobnicate'"),
            ("-o", "'-o' needs a value"),
            ("-arch=gfx90 a.ptx", "Value 'gfx90'"),
            ("-v", "No input files"),
        ] {
            assert!(parsed(line).is_err_and(|message| message.contains(what)), "{line}");
        }
        assert_eq!(parsed("--version"), Ok(Job::Version));
    }
}
