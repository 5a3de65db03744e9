//! Instruction sets: which exist, which this machine has, which one runs.

use std::fmt;
use std::str::FromStr;

/// An instruction set the kernels are compiled for. It never changes a bit of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust: the definition.
    Scalar,
    /// The `wide` crate's portable vectors.
    Wide,
    /// x86-64 AVX2.
    Avx2,
    /// x86-64 AVX-512 F, BW, DQ, VL with VNNI.
    Avx512,
    /// aarch64 NEON; uses `sdot` where the processor has it.
    Neon,
}

impl Isa {
    /// All instruction sets, slowest first.
    pub const ALL: [Isa; 5] = [Isa::Scalar, Isa::Wide, Isa::Avx2, Isa::Avx512, Isa::Neon];

    /// The name used by `--isa` and `NIBBLE_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Wide => "wide",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        }
    }

    /// Whether this machine can run it.
    pub fn is_present(self) -> bool {
        match self {
            Isa::Scalar | Isa::Wide => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("f16c")
                    && (crate::KEEPS_ORDER || is_x86_feature_detected!("fma"))
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            _ => false,
        }
    }

    /// Those this machine can run, slowest first.
    pub fn present() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_present())
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no instruction set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa {
    /// What was given.
    pub found: String,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Isa::ALL.iter().map(|isa| isa.name()).collect();
        write!(f, "unknown instruction set `{}`: expected one of {}", self.found, names.join(", "))
    }
}

impl std::error::Error for UnknownIsa {}

impl FromStr for Isa {
    type Err = UnknownIsa;
    fn from_str(name: &str) -> Result<Self, UnknownIsa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name).ok_or_else(|| UnknownIsa { found: name.to_string() })
    }
}

/// The floating-point environment the contract asks for: round to nearest even, gradual underflow (rule R1).
pub fn environment_is_sound() -> bool {
    // A subnormal product survives only without flush-to-zero, a halfway sum rounds to even only in that mode.
    let tiny = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
    let one = std::hint::black_box(1.0f32);
    let half_ulp = std::hint::black_box(f32::EPSILON / 2.0);
    let subnormal_input = std::hint::black_box(f32::from_bits(1)) * std::hint::black_box(2.0);
    tiny.to_bits() == 0x0040_0000
        && subnormal_input.to_bits() == 2
        && one + half_ulp == one
        && -one - half_ulp == -one
        && (one + f32::EPSILON) + half_ulp == one + 2.0 * f32::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        assert!("sse9".parse::<Isa>().unwrap_err().to_string().contains("avx512"));
    }

    #[test]
    fn environment() {
        assert!(environment_is_sound());
    }
}
