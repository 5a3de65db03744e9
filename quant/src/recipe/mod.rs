//! Recipes: `none`, or `method[:w<bits>[a<bits>][g<group>]][:option=value]...`
//!
//! ```text
//! none                                    checkpoint precision
//! llm.int8                                a method with one width: no bits are written
//! rtn:w8                                  8-bit codes, one scale a row
//! rtn:w4g32                               4-bit codes, one scale for 32 columns of a row
//! rtn:w4a8g32                             the same, and activations quantized to 8 bits on the fly
//! rtn:w3g128:sym=true                     an option of the method
//! rtn:w4g128:head=w8:embeddings=w8        what methods otherwise leave alone
//! rtn:w4g128:*.down_proj=w8               other bits where a tensor's name matches
//! W4A16                                   a scheme name: rtn:w4g128:sym=true
//! none:kv=8                               keys and values in 8 bits: an option of every recipe
//! ```
//! Commas separate recipes. Where patterns overlap the last that matches holds. A value such as `w8` takes group and
//! activations from the recipe unless it spells them (`w8a16g32`, `gnone` for one scale a row); `none` keeps the
//! checkpoint's precision. Patterns speak of the matrices of blocks, names with or without `.weight`.
//!
//! [`Recipe`]'s `Display` is the canonical spelling: two recipes are equal where it is, and it parses back.

mod error;
mod parse;
mod pattern;
mod shorthand;

pub use error::RecipeError;
pub use pattern::Pattern;

use crate::error::Error;
use crate::method::{Choice, Choices, Chosen, Method, Site, SiteLayer};
use crate::statistics::InputStatistics;
use engine::blueprint::Blueprint;
use engine::kv_cache::KvPrecision;
use engine::linear::{Activations, Weights};
use engine::model::{Builder, LinearSource, Role};
use kernels::{CodeBits, Kernels};
use std::fmt;
use std::str::FromStr;

/// How the weights of one matrix are stored and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Width of a code.
    pub bits: CodeBits,
    /// Columns of one scale, or `None` for one scale a row.
    pub group: Option<usize>,
    /// How activations enter.
    pub activations: Activations,
}

/// What is done to the weights of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    method: &'static Method,
    /// Of the matrices of blocks; `None` keeps them as they are.
    scheme: Option<Scheme>,
    choices: Choices,
    embeddings: Option<Scheme>,
    head: Option<Scheme>,
    patterns: Vec<(Pattern, Option<Scheme>)>,
    kv: KvPrecision,
}

/// Whether an option speaks of the codes of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsCodes {
    /// Methods without any do not have it.
    Yes,
    /// Every recipe has it.
    No,
}

/// An option that methods have in common.
#[derive(Debug)]
pub struct SharedOption {
    /// As written in a recipe.
    pub spelling: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// What holds where a recipe says nothing.
    pub default: &'static str,
    /// Whether a method without codes has it too.
    pub needs_codes: NeedsCodes,
}

/// The options that `method` has besides its own.
pub fn shared_options(method: &Method) -> impl Iterator<Item = &'static SharedOption> {
    let of_bits = (method.activations.len() > 1).then_some(&ACTIVATIONS_OPTION);
    let has_codes = !method.widths.is_empty();
    let others = SHARED_OPTIONS.iter().filter(move |option| has_codes || option.needs_codes == NeedsCodes::No);
    of_bits.into_iter().chain(others)
}

static ACTIVATIONS_OPTION: SharedOption = SharedOption {
    spelling: "a8, a16, a32 behind the bits",
    summary: "activations: 8-bit codes, 16-bit codes (as faithful as bf16 or better), or f32, the reference",
    default: "a16",
    needs_codes: NeedsCodes::Yes,
};

static SHARED_OPTIONS: &[SharedOption] = &[
    SharedOption {
        spelling: "embeddings=w8",
        summary: "quantize the token embedding too",
        default: "none",
        needs_codes: NeedsCodes::Yes,
    },
    SharedOption {
        spelling: "head=w8",
        summary: "quantize the output head too",
        default: "none",
        needs_codes: NeedsCodes::Yes,
    },
    SharedOption {
        spelling: "<tensor pattern>=w8",
        summary: "other bits, or `none`, for the matrices of blocks whose name matches; `*` is any part of a name",
        default: "the recipe's bits",
        needs_codes: NeedsCodes::Yes,
    },
    SharedOption {
        spelling: "kv=8 or kv=4",
        summary: "keys and values as codes, one scale a token and head; queries as codes of 8 bits with a8, else of 16",
        default: "f32",
        needs_codes: NeedsCodes::No,
    },
];

/// The word of a recipe for `activations`.
pub fn activations_word(activations: Activations) -> &'static str {
    match activations {
        Activations::A8 => "a8",
        Activations::A16 => "a16",
        Activations::A32 => "a32",
    }
}

impl Recipe {
    /// Checkpoint precision: the recipe `none`.
    pub fn none() -> Self {
        Self::of(crate::method::NONE, None)
    }

    fn of(method: &'static Method, scheme: Option<Scheme>) -> Self {
        let choices = Choices::defaults(method);
        Self { method, scheme, choices, embeddings: None, head: None, patterns: Vec::new(), kv: KvPrecision::F32 }
    }

    /// Reads one recipe.
    ///
    /// # Errors
    /// What cannot be read, where, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        parse::one(text)
    }

    /// Reads recipes separated by commas; a preset name stands for several.
    ///
    /// # Errors
    /// As [`Recipe::parse`], and a recipe that is there twice.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, RecipeError> {
        parse::list(text)
    }

    /// The method.
    pub fn method(&self) -> &'static Method {
        self.method
    }

    /// How the matrices of blocks are stored where no pattern matches; `None` keeps them as they are.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// Bits of a code in the matrices of blocks where no pattern matches; `None` for checkpoint precision.
    pub fn nominal_bits(&self) -> Option<u32> {
        self.scheme.map(|scheme| scheme.bits.bits())
    }

    /// How keys and values are held.
    pub fn kv_precision(&self) -> KvPrecision {
        self.kv
    }

    /// The tensor patterns, in order.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter().map(|(pattern, _)| pattern)
    }

    /// How the matrix `tensor` that serves as `role` is stored; `None` keeps it as it is.
    pub fn scheme_of(&self, tensor: &str, role: Role) -> Option<Scheme> {
        match role {
            Role::Embedding => self.embeddings,
            Role::Head => self.head,
            _ => {
                let matching = self.patterns.iter().rev().find(|(pattern, _)| pattern.matches(tensor));
                matching.map_or(self.scheme, |(_, scheme)| *scheme)
            }
        }
    }

    /// The weights to run `source` with, chosen by the fastest kernels; see [`Self::choose_with`].
    ///
    /// # Errors
    /// If the matrix has no elements.
    pub fn choose(&self, source: LinearSource) -> Result<Weights, Error> {
        self.choose_with(Kernels::best(), source)
    }

    /// The weights to run `source` with; which kernels choose them changes no bit. Made to be the closure of
    /// [`engine::model::Model::build`]; call it inside [`engine::runtime::Runtime::run`], rows are quantized in parallel.
    ///
    /// # Errors
    /// If the matrix has no elements.
    pub fn choose_with(&self, kernels: &Kernels, source: LinearSource) -> Result<Weights, Error> {
        let mut chosen = self.choose_site(kernels, &[source], None)?;
        Ok(chosen.remove(0).weights)
    }

    /// The weights to run `sources` with, layers that read one input, in their order; embedding and head are rounded to
    /// nearest whatever the method, and so is what no token of the calibration text came to.
    ///
    /// # Errors
    /// As [`Self::choose_with`], and what the method finds.
    pub(crate) fn choose_site(
        &self,
        kernels: &Kernels,
        sources: &[LinearSource],
        inputs: Option<InputStatistics>,
    ) -> Result<Vec<Chosen>, Error> {
        let mut layers = Vec::with_capacity(sources.len());
        for source in sources {
            let (rows, columns) = (source.matrix.rows(), source.matrix.columns());
            if rows == 0 || columns == 0 {
                return Err(Error::EmptyMatrix { tensor: source.tensor.clone(), rows, columns });
            }
            let scheme = self.scheme_of(&source.tensor, source.role);
            layers.push(SiteLayer { source: source.clone(), scheme });
        }
        let nearest = self.nearest_choices();
        let is_unseen = inputs.as_ref().is_some_and(|inputs| inputs.tokens == 0);
        let is_blind = self.method.needs.calibration() && layers.iter().all(is_outside_blocks);
        let (method, choices) = match is_unseen || is_blind {
            true => (crate::method::RTN, &nearest),
            false => (self.method, &self.choices),
        };
        (method.quantize)(Site { kernels, layers: &layers, choices, inputs })
    }

    /// `source` rounded to nearest with the recipe's bits, in groups of `group` columns.
    pub(crate) fn nearest(
        &self,
        kernels: &Kernels,
        source: &LinearSource,
        group: Option<usize>,
    ) -> Result<Weights, Error> {
        let scheme = self.scheme_of(&source.tensor, source.role).map(|scheme| Scheme { group, ..scheme });
        let layers = [SiteLayer { source: source.clone(), scheme }];
        let choices = &self.nearest_choices();
        let mut chosen = (crate::method::RTN.quantize)(Site { kernels, layers: &layers, choices, inputs: None })?;
        Ok(chosen.remove(0).weights)
    }

    /// The choices of rounding to nearest: the recipe's, where its method has the same option.
    fn nearest_choices(&self) -> Choices {
        let mut choices = Choices::defaults(crate::method::RTN);
        for (option, choice) in &mut choices.0 {
            let same = self.choices.0.iter().find(|(known, _)| known.name == option.name);
            *choice = same.map_or(*choice, |(_, choice)| *choice);
        }
        choices
    }

    /// Whether inputs are gathered anew after each group of matrices of a block.
    pub(crate) fn is_true_sequential(&self) -> bool {
        let choice = self.choices.0.iter().find(|(option, _)| option.name == "true_sequential");
        choice.is_some_and(|(_, choice)| matches!(choice, Choice::Word(word) if word.name == "true"))
    }

    /// Fails if the recipe is none for the model that is built: its matrices are quantized already, or a tensor pattern
    /// matches none of them.
    pub(crate) fn check(&self, builder: &Builder<'_>) -> Result<(), Error> {
        match builder.prequantized() {
            Some(format) if *self != Self::none() => {
                Err(Error::AlreadyQuantized { recipe: self.to_string(), stored: format.describe() })
            }
            _ => self.check_patterns(builder.blueprint()),
        }
    }

    fn check_patterns(&self, blueprint: &Blueprint) -> Result<(), Error> {
        let blocks = blueprint.tensors.blocks.iter();
        let mut tensors = blocks.flat_map(|block| block.roles().into_iter().filter_map(|role| block.linear(role)));
        let unmatched =
            self.patterns().find(|pattern| !tensors.clone().any(|names| pattern.matches(&names.weight.tensor)));
        match unmatched {
            None => Ok(()),
            Some(pattern) => Err(Error::UnmatchedPattern {
                recipe: self.to_string(),
                pattern: pattern.to_string(),
                example: tensors.next().map(|names| names.weight.tensor.clone()).unwrap_or_default(),
            }),
        }
    }

    /// A name for files: the canonical spelling with `-` for `:` and `@` for `*`; a very long one is cut and ends in a
    /// digest of the whole.
    pub fn slug(&self) -> String {
        let slug = self.to_string().replace(':', "-").replace('*', "@");
        if slug.len() <= SLUG_BYTES { slug } else { format!("{}-{:016x}", &slug[..SLUG_BYTES - 17], fnv1a(&slug)) }
    }

    /// What the recipe does, in words.
    pub fn describe(&self) -> String {
        let Some(scheme) = self.scheme else {
            return format!("{}{}", self.method.title, self.kv_words());
        };
        let activations = match scheme.activations {
            Activations::A8 => "8-bit activations",
            Activations::A16 => "16-bit activations",
            Activations::A32 => "f32 activations",
        };
        let mut text = format!("{}: {}, {activations}", self.method.title, storage_words(&scheme));
        for (option, choice) in &self.choices.0 {
            text = match choice {
                Choice::Word(word) => format!("{text}, {}", word.meaning),
                Choice::Number(number) => format!("{text}, {} {number}", option.name),
            };
        }
        let matrix = |text: String, name: &str, scheme: &Option<Scheme>| match scheme {
            Some(scheme) => format!("{text}; {name}: {}", storage_words(scheme)),
            None => format!("{text}; {name}: checkpoint precision"),
        };
        text = matrix(text, "embeddings", &self.embeddings);
        text = matrix(text, "output head", &self.head);
        for (pattern, scheme) in &self.patterns {
            text = matrix(text, &format!("{pattern}"), scheme);
        }
        text + self.kv_words()
    }

    fn kv_words(&self) -> &'static str {
        match self.kv {
            KvPrecision::F32 => "",
            KvPrecision::Eight => "; keys and values: 8-bit codes, one scale for each token and head",
            KvPrecision::Four => "; keys and values: 4-bit codes, one scale and zero point for each token and head",
        }
    }
}

fn is_outside_blocks(layer: &SiteLayer) -> bool {
    !layer.source.role.is_in_block()
}

/// Longest name of a file that [`Recipe::slug`] gives, in bytes: leaves room for an ending.
const SLUG_BYTES: usize = 200;

/// The 64-bit FNV-1a digest of `text`.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn storage_words(scheme: &Scheme) -> String {
    let bits = scheme.bits.bits();
    match scheme.group {
        Some(group) => format!("{bits}-bit weights, one scale for {group} columns of a row"),
        None => format!("{bits}-bit weights, one scale a row"),
    }
}

/// A scheme of part of a model, as far as it differs from the recipe's.
fn part_spelling(part: &Option<Scheme>, base: &Option<Scheme>) -> String {
    let Some(part) = part else {
        return "none".into();
    };
    let mut text = format!("w{}", part.bits.bits());
    if base.is_none_or(|base| base.activations != part.activations) {
        text += activations_word(part.activations);
    }
    if base.is_none_or(|base| base.group != part.group) {
        text += &part.group.map_or("gnone".into(), |group| format!("g{group}"));
    }
    text
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method.name)?;
        if let Some(scheme) = self.scheme.filter(|_| self.method.implied.is_none()) {
            write!(f, ":w{}", scheme.bits.bits())?;
            if self.method.activations.first() != Some(&scheme.activations) {
                f.write_str(activations_word(scheme.activations))?;
            }
            if let Some(group) = scheme.group {
                write!(f, "g{group}")?;
            }
        }
        for (option, choice) in &self.choices.0 {
            if *choice != option.default() {
                write!(f, ":{}={choice}", option.name)?;
            }
        }
        for (name, part) in [("embeddings", &self.embeddings), ("head", &self.head)] {
            if part.is_some() {
                write!(f, ":{name}={}", part_spelling(part, &self.scheme))?;
            }
        }
        for (pattern, part) in &self.patterns {
            write!(f, ":{pattern}={}", part_spelling(part, &self.scheme))?;
        }
        match self.kv {
            KvPrecision::F32 => Ok(()),
            KvPrecision::Eight => f.write_str(":kv=8"),
            KvPrecision::Four => f.write_str(":kv=4"),
        }
    }
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        Self::parse(text)
    }
}
