//! Methods: how the bits of a quantized model are chosen. One file each, and one word in the registry below.
//!
//! A method is plain data, what a recipe may ask of it and what is told about it, with one function that turns a
//! matrix of the checkpoint into weights to run with.

use crate::error::Error;
use crate::recipe::Scheme;
use engine::linear::Weights;
use engine::model::LinearSource;
use kernels::{CodeBits, Kernels};
use std::fmt;

macro_rules! registry {
    ($($method:ident),+ $(,)?) => {
        $(mod $method;)+
        /// Every method, in the order they are listed.
        static METHODS: &[&Method] = &[$(&$method::METHOD),+];
    };
}

registry! { none, rtn }

/// Checkpoint precision.
pub(crate) static NONE: &Method = &none::METHOD;
/// The method that scheme names such as `W4A16` stand for.
pub(crate) static RTN: &Method = &rtn::METHOD;

/// Methods that the design names and that are not built yet.
pub(crate) const PLANNED: &[&str] = &["gptq", "spqr", "llm.int8", "awq", "hqq", "nf4"];

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
    /// Columns that may share a scale; one scale a row is always possible.
    pub groups: &'static [usize],
    /// Its own options, besides those that every method has.
    pub options: &'static [MethodOption],
    /// Chooses the codes of one matrix; the kernels change no bit.
    pub(crate) quantize: fn(&Kernels, &LinearSource, &Scheme, &Choices) -> Result<Weights, Error>,
}

/// An option of a method: `:name=value` in a recipe.
#[derive(Debug)]
pub struct MethodOption {
    /// Name.
    pub name: &'static str,
    /// What it decides.
    pub summary: &'static str,
    /// What it can be; the first is the default.
    pub values: &'static [OptionValue],
}

/// A value of an option.
#[derive(Debug, PartialEq, Eq)]
pub struct OptionValue {
    /// As written.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The values a recipe chose for the options of its method, in the method's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(pub(crate) Vec<(&'static MethodOption, &'static OptionValue)>);

/// All methods, in the order they are listed.
pub fn all() -> &'static [&'static Method] {
    METHODS
}

/// The method called `name`.
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().copied().find(|method| method.name == name)
}

impl MethodOption {
    /// What it is where a recipe says nothing.
    pub fn default(&self) -> &'static OptionValue {
        &self.values[0]
    }
}

impl Choices {
    /// Every option of `method` at its default.
    pub(crate) fn defaults(method: &'static Method) -> Self {
        Self(method.options.iter().map(|option| (option, option.default())).collect())
    }

    /// Whether the option called `name` has the value `value`.
    ///
    /// # Panics
    /// If the method has no such option, or the option no such value: a method asks for what it declares.
    pub(crate) fn holds(&self, name: &str, value: &str) -> bool {
        let (option, chosen) = self.0.iter().find(|(option, _)| option.name == name).expect("an option it declares");
        assert!(option.values.iter().any(|known| known.name == value), "option `{name}` has no value `{value}`");
        chosen.name == value
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Method {}

impl PartialEq for MethodOption {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MethodOption {}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
