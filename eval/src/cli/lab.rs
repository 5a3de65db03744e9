//! The models that come with the program: three trained on the micro-world, and one with seeded weights.

use super::failure::{Failure, Status};
use super::loading::{Origin, Source};
use super::spelling::nearest;
use datasets::lab::{DIRECTORY, SIZES, SMALLEST};
use engine::builtin as seeded;
use engine::checkpoint::{Checkpoint, OpenOptions};
use std::path::{Path, PathBuf};

/// The word on the command line; behind a colon may stand a size, [`SEEDED`] or [`ALL`].
pub const NAME: &str = "builtin";
/// The model without training.
pub const SEEDED: &str = "builtin:seeded";
/// Every trained model, one after the other.
pub const ALL: &str = "builtin:all";

/// A model that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// A trained one: its size.
    Trained(&'static str),
    /// Seeded weights.
    Seeded,
}

impl Builtin {
    /// The model that `text` names; `None` where it names none that comes with the program.
    ///
    /// # Errors
    /// `builtin:` and an unknown word, or all of them where one is expected.
    pub fn parse(text: &str) -> Result<Option<Self>, Failure> {
        let Some(word) = text.strip_prefix(NAME) else { return Ok(None) };
        let Some(word) = word.strip_prefix(':') else {
            return Ok(word.is_empty().then_some(Builtin::Trained(SIZES[0])));
        };
        if let Some(size) = SIZES.into_iter().find(|size| *size == word) {
            return Ok(Some(Builtin::Trained(size)));
        }
        if text == SEEDED {
            return Ok(Some(Builtin::Seeded));
        }
        if text == ALL {
            let fix = "name one: builtin:s, builtin:m or builtin:l; `nibble eval` takes all";
            return Err(Failure::usage("three models where one is expected", format!("--model {text}"), fix));
        }
        let words = SIZES.into_iter().chain(["seeded", "all"]);
        let fix = match nearest(word, words) {
            Some(meant) => format!("did you mean {NAME}:{meant}? "),
            None => String::new(),
        } + "there are builtin:s, builtin:m, builtin:l, builtin:all and builtin:seeded";
        Err(Failure::usage(format!("there is no built-in model `{word}`"), format!("--model {text}"), fix))
    }

    /// Opens it.
    ///
    /// # Errors
    /// Of the sizes that lie in the repository alone: where it was looked for.
    pub fn open(self) -> Result<Source, Failure> {
        let (name, checkpoint, origin) = match self {
            Builtin::Seeded => (seeded::NAME.to_string(), seeded::checkpoint()?, Origin::Seeded),
            Builtin::Trained(size) if size == SIZES[0] => {
                let name = self.name();
                (name.clone(), Checkpoint::embedded(&name, SMALLEST)?, Origin::Lab)
            }
            Builtin::Trained(size) => {
                (self.name(), Checkpoint::open(&find(size)?, OpenOptions::default())?, Origin::Lab)
            }
        };
        Ok(Source { name, checkpoint, origin })
    }

    /// What results call it.
    pub fn name(self) -> String {
        match self {
            Builtin::Trained(size) => format!("{NAME}-{size}"),
            Builtin::Seeded => seeded::NAME.into(),
        }
    }
}

/// The directory of a size that is not part of the program.
fn find(size: &str) -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let places = [std::env::current_dir().ok(), program];
    let mut looked_in: Vec<PathBuf> = Vec::new();
    for ancestor in places.iter().flatten().flat_map(|place| place.ancestors()) {
        let directory = ancestor.join(DIRECTORY).join(size);
        if directory.join("config.json").is_file() {
            return Ok(directory);
        }
        if !looked_in.contains(&directory) {
            looked_in.push(directory);
        }
    }
    let looked_in: Vec<String> = looked_in.iter().map(|directory| directory.display().to_string()).collect();
    let what = format!("the model {NAME}:{size} is not here: only {NAME}:{} is part of the program", SIZES[0]);
    let fix = format!(
        "run this inside a clone of the repository, which has it in {DIRECTORY}/{size}, or give a directory: --model DIR"
    );
    Err(Failure::new(Status::Input, what, format!("looked in {}", looked_in.join(", ")), fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models() {
        for (text, expected) in [
            ("builtin", Some(Builtin::Trained("s"))),
            ("builtin:s", Some(Builtin::Trained("s"))),
            ("builtin:l", Some(Builtin::Trained("l"))),
            ("builtin:seeded", Some(Builtin::Seeded)),
            ("builtin2", None),
            ("models/builtin", None),
        ] {
            assert_eq!(Builtin::parse(text).unwrap(), expected, "{text}");
        }
        for (text, hint) in [("builtin:all", "name one"), ("builtin:sead", "builtin:seeded"), ("builtin:", "builtin:m")]
        {
            let failure = Builtin::parse(text).unwrap_err();
            assert_eq!(failure.status(), Status::Usage, "{text}");
            assert!(failure.fix().contains(hint), "{failure:?}");
        }
        assert_eq!(Builtin::Trained("m").name(), "builtin-m");
    }

    #[test]
    fn the_embedded_model_has_the_files_and_the_tokenizer_of_its_directory() {
        let embedded = Builtin::Trained("s").open().unwrap();
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DIRECTORY).join("s");
        let on_disk = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
        assert_eq!(embedded.checkpoint.sha256().unwrap(), on_disk.sha256().unwrap());
        embedded.checkpoint.verify_unchanged(&on_disk.sha256().unwrap()).unwrap();
        let (a, b) = (embedded.tokenizer().unwrap(), engine::tokenizer::Tokenizer::open(&directory).unwrap());
        assert_eq!((a.sha256(), a.chat_template()), (b.sha256(), b.chat_template()));
        assert!(a.chat_template().is_some());
    }
}
