//! Which vector instructions the code may use: detected, and lowered by `VGPU_MAX_ISA` for tests.

use std::fmt;

/// Vector instruction level, in rising order on one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Whatever the architecture guarantees (NEON on aarch64).
    Baseline,
    /// SSE4.2 with POPCNT.
    Sse42,
    /// AVX2 with FMA, BMI and F16C.
    Avx2,
    /// AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

impl Isa {
    /// The name used in `VGPU_MAX_ISA` and shown by `vgpu info`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Sse42 => "sse4.2",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Baseline, Self::Sse42, Self::Avx2, Self::Avx512].into_iter().find(|isa| isa.name() == name)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The processor that code is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Vector level.
    pub isa: Isa,
    /// LLVM feature string, such as `+avx512f,+avx512bw`.
    pub features: String,
}

impl Target {
    /// This machine, as far as `max_isa` allows. Features are tested one by one: processor names are not
    /// trusted.
    pub fn detect(max_isa: Option<Isa>) -> Self {
        let isa = detected_isa().min(max_isa.unwrap_or(Isa::Avx512));
        Self { isa, features: features(isa) }
    }

    /// This machine, as far as the environment variable `VGPU_MAX_ISA` allows.
    ///
    /// # Errors
    /// The variable names no known level; the message lists them.
    pub fn from_environment() -> Result<Self, String> {
        let max_isa = match std::env::var("VGPU_MAX_ISA") {
            Ok(name) => Some(Isa::from_name(&name).ok_or_else(|| {
                format!("VGPU_MAX_ISA is \"{name}\"; accepted are baseline, sse4.2, avx2 and avx512")
            })?),
            Err(_) => None,
        };
        Ok(Self::detect(max_isa))
    }
}

#[cfg(target_arch = "x86_64")]
fn detected_isa() -> Isa {
    use std::arch::is_x86_feature_detected as has;
    if !has!("sse4.2") || !has!("popcnt") {
        return Isa::Baseline;
    }
    if !(has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2") && has!("f16c") && has!("lzcnt")) {
        return Isa::Sse42;
    }
    let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
    if avx512 { Isa::Avx512 } else { Isa::Avx2 }
}

#[cfg(target_arch = "x86_64")]
fn features(isa: Isa) -> String {
    use std::arch::is_x86_feature_detected as has;
    let mut names = Vec::new();
    if isa >= Isa::Sse42 {
        names.extend(["sse4.2", "popcnt", "cx16"]);
    }
    if isa >= Isa::Avx2 {
        names.extend(["avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"]);
    }
    if isa >= Isa::Avx512 {
        names.extend(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "evex512", "prfchw"]);
        let optional = [
            ("avx512vbmi", has!("avx512vbmi")),
            ("avx512vbmi2", has!("avx512vbmi2")),
            ("avx512bitalg", has!("avx512bitalg")),
            ("avx512vpopcntdq", has!("avx512vpopcntdq")),
            ("avx512vnni", has!("avx512vnni")),
            ("avx512bf16", has!("avx512bf16")),
            ("avx512ifma", has!("avx512ifma")),
            ("gfni", has!("gfni")),
        ];
        names.extend(optional.into_iter().filter(|(_, present)| *present).map(|(name, _)| name));
    }
    names.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(",")
}

#[cfg(not(target_arch = "x86_64"))]
fn detected_isa() -> Isa {
    Isa::Baseline
}

#[cfg(not(target_arch = "x86_64"))]
fn features(_isa: Isa) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_isa_lowers_the_target() {
        let detected = Target::detect(None);
        for isa in [Isa::Baseline, Isa::Sse42, Isa::Avx2, Isa::Avx512] {
            assert_eq!(Isa::from_name(isa.name()), Some(isa));
            assert_eq!(Target::detect(Some(isa)).isa, isa.min(detected.isa));
        }
    }
}
