//! Methods: how the bits of a quantized model are chosen. One file each, and one word in the registry below.
//!
//! A method is plain data, what a recipe may ask of it and what is told about it, with one function that turns matrices
//! of the checkpoint into weights to run with. It is given a [`Site`] at a time: all layers that read one input, because
//! the order of its features, their scales and what calibration finds out about them are properties of that input.

mod choice;
mod site;

pub(crate) use choice::{Choice, Choices};
pub use choice::{MethodOption, NumberRange, OptionValue, Spacing};
pub(crate) use site::{Chosen, Site, SiteLayer};

use crate::error::Error;
use crate::recipe::Scheme;
use engine::linear::Activations;
use kernels::CodeBits;
use std::fmt;

macro_rules! registry {
    ($($method:ident),+ $(,)?) => {
        $(mod $method;)+
        /// Every method, in the order they are listed.
        static METHODS: &[&Method] = &[$(&$method::METHOD),+];
    };
}

registry! { none, rtn, gptq, spqr, llm_int8, smoothquant, awq, hqq, nf4 }

/// Checkpoint precision.
pub(crate) static NONE: &Method = &none::METHOD;
/// The method that scheme names such as `W4A16` stand for.
pub(crate) static RTN: &Method = &rtn::METHOD;

/// The activations of methods whose codes lie on evenly spaced grids.
pub(crate) const ACTIVATIONS: &[Activations] = &[Activations::A16, Activations::A8, Activations::A32];

/// A method of quantization.
#[derive(Debug)]
pub struct Method {
    /// Name in recipes.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it does, in a sentence or two.
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// A recipe to start with.
    pub example: &'static str,
    /// Widths of codes that it chooses; empty where a recipe gives none (`none`).
    pub widths: &'static [CodeBits],
    /// Columns that may share a scale.
    pub groups: &'static [usize],
    /// Whether a row may have a single scale.
    pub ungrouped: bool,
    /// How weights are stored where a recipe does not say, and cannot: it names no bits.
    pub implied: Option<Scheme>,
    /// How activations may enter; the first where a recipe does not say.
    pub activations: &'static [Activations],
    /// Its own options, besides those that every method has.
    pub options: &'static [MethodOption],
    /// What it must know besides the weights.
    pub needs: Needs,
    /// Bits that a weight takes besides its code and its group's scale and zero point, at most, as a rule.
    pub(crate) extra_bits: f64,
    /// Chooses the weights of the layers of a site, in their order; the kernels change no bit.
    pub(crate) quantize: fn(Site<'_>) -> Result<Vec<Chosen>, Error>,
}

/// What a method must know besides the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Weights,
    /// What the layers' inputs are like, gathered from calibration text.
    Inputs,
    /// How large the layers' inputs are, gathered likewise: all of that but the Hessian, which takes most of the time.
    Magnitudes,
}

impl Needs {
    /// Whether calibration text is needed.
    pub fn calibration(self) -> bool {
        self != Needs::Weights
    }
}

/// All methods, in the order they are listed.
pub fn all() -> &'static [&'static Method] {
    METHODS
}

/// The method called `name`.
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().copied().find(|method| method.name == name)
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Method {}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
