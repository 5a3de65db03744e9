//! The smallest model of the micro-world, as part of the program.
//!
//! Three sizes of one family were trained on the corpus of the [world](crate::world) by `lab/train.py`. Their checkpoints
//! lie in `lab/s`, `lab/m` and `lab/l` in the Hugging Face layout; the smallest is embedded byte for byte.

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../lab/s/", $name)).as_slice())),+]
    };
}

/// Names and bytes of the files of the smallest model.
pub static SMALLEST: &[(&str, &[u8])] =
    files!["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

/// Where the sizes lie in the repository: `datasets/lab/<size>`.
pub const DIRECTORY: &str = "datasets/lab";

/// The sizes, the smallest first.
pub const SIZES: [&str; 3] = ["s", "m", "l"];
