//! Worked examples of a task: the same for every document, or drawn for each.

use super::TaskId;
use super::ask::Example;
use super::python_random::PythonRandom;
use crate::error::Error;

/// Where worked examples come from.
pub enum Examples {
    /// The same for every document.
    Fixed(Vec<Example>),
    /// Of each document its own, as places in `pool`.
    Drawn {
        /// All there are.
        pool: Vec<Example>,
        /// Those of each document.
        places: Vec<Vec<usize>>,
    },
}

impl Examples {
    /// No examples.
    pub const NONE: Self = Examples::Fixed(Vec::new());

    /// The first `shots` of `examples`.
    ///
    /// # Errors
    /// [`Error::TooFewExamples`].
    pub fn first(id: &TaskId, mut examples: Vec<Example>, shots: usize) -> Result<Self, Error> {
        check(id, &examples, shots)?;
        examples.truncate(shots);
        Ok(Examples::Fixed(examples))
    }

    /// `shots` of `pool` for each of `documents` documents: by one `random.Random(seed)` of Python for all of them in
    /// their order, as lm-evaluation-harness does where a task names no sampler.
    ///
    /// # Errors
    /// [`Error::TooFewExamples`].
    pub fn drawn(id: &TaskId, pool: Vec<Example>, shots: usize, documents: usize, seed: u64) -> Result<Self, Error> {
        check(id, &pool, shots)?;
        let mut random = PythonRandom::new(seed);
        let places = (0..documents).map(|_| random.sample(pool.len(), shots)).collect();
        Ok(Examples::Drawn { pool, places })
    }

    /// The examples of a document.
    pub fn of(&self, document: usize) -> Vec<Example> {
        match self {
            Examples::Fixed(examples) => examples.clone(),
            Examples::Drawn { pool, places } => {
                places.get(document).into_iter().flatten().filter_map(|&place| pool.get(place).cloned()).collect()
            }
        }
    }

    /// How they are taken, in results.
    pub fn sampler(&self, seed: u64) -> String {
        match self {
            Examples::Fixed(_) => "the first ones".into(),
            Examples::Drawn { .. } => format!("Python's random.Random({seed}).sample, document by document"),
        }
    }
}

fn check(id: &TaskId, examples: &[Example], shots: usize) -> Result<(), Error> {
    if shots <= examples.len() {
        return Ok(());
    }
    Err(Error::TooFewExamples { task: id.to_string(), wanted: shots, available: examples.len() })
}
