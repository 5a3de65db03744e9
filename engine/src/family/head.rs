//! The two ends of a decoder: the token embedding, and the output head, which may be the same tensor.

use crate::blueprint::{LinearTensors, TensorPart};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::prequantized::Prequantized;

/// Name of the output head in most families.
pub(super) const HEAD: &str = "lm_head.weight";
const KEY: &str = "tie_word_embeddings";

/// What a family does where `tie_word_embeddings` is absent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    Tied,
    Untied,
}

/// Name of the embedding, and the output head unless it is the embedding.
///
/// A tied checkpoint may store the one tensor under either name, or under both with the same contents.
pub(super) fn ends(
    config: &Config<'_>,
    checkpoint: &Checkpoint,
    embedding: String,
    default: Default,
) -> Result<(String, Option<LinearTensors>), Error> {
    ends_named(config, checkpoint, embedding, HEAD, default)
}

/// Likewise, with another name for the head.
pub(super) fn ends_named(
    config: &Config<'_>,
    checkpoint: &Checkpoint,
    embedding: String,
    name: &str,
    default: Default,
) -> Result<(String, Option<LinearTensors>), Error> {
    let tied = config.flag(KEY, default == Default::Tied)?;
    let stored = (checkpoint.contains(&embedding), checkpoint.contains(name));
    if !tied && Prequantized::of(checkpoint)?.is_some_and(|format| format.holds(checkpoint, name)) {
        return Ok((embedding, Some(LinearTensors { weight: TensorPart::whole(name), bias: None })));
    }
    match (tied, stored) {
        (false, (_, false)) => {
            Err(config.wrong(KEY, &format!("true, since the checkpoint has no `{name}`, or a complete checkpoint")))
        }
        (false, _) => Ok((embedding, Some(LinearTensors { weight: TensorPart::whole(name), bias: None }))),
        (true, (true, true)) => {
            let (first, second) = (checkpoint.tensor(&embedding)?, checkpoint.tensor(name)?);
            let same = (first.dtype, &first.shape) == (second.dtype, &second.shape)
                && first.bytes.as_slice() == second.bytes.as_slice();
            if same {
                return Ok((embedding, None));
            }
            Err(config.unsupported(
                KEY,
                &format!(
                    "true only without a second, different tensor: `{name}` is not `{embedding}`; \
                     set it to false to use the stored head, or remove that tensor"
                ),
            ))
        }
        (true, (false, true)) => Ok((name.into(), None)),
        (true, (_, false)) => Ok((embedding, None)),
    }
}
