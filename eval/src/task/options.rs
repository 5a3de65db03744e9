//! What may be asked of every task.

use super::judgements::Judgements;
use std::sync::Arc;

/// Settings that tasks share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOptions {
    /// Documents of each task at most, the first ones; `None` takes all. Of a group, documents of each member.
    pub limit: Option<usize>,
    /// Worked examples in a prompt; `None` takes the protocol's own number.
    pub num_fewshot: Option<usize>,
    /// What to do with a prompt that is longer than the model's context.
    pub on_overflow: OnOverflow,
    /// Longest window of rolling log-likelihoods, in tokens; `None` takes the model's context.
    pub window: Option<usize>,
    /// Whether lm-eval prompts are put into the chat template.
    pub prompt_form: PromptForm,
    /// What to do with a prompt that begins with two tokens for the beginning of a sequence.
    pub double_bos: Concession,
    /// What to do with a worked example that is the question itself.
    pub shown_answers: Concession,
    /// What judges said of replies that no rule scores.
    pub judgements: Arc<Judgements>,
}

/// What to do with a prompt that is longer than the model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOverflow {
    /// Read all of it where positions go on beyond the context (rotary embeddings), and say so in its sample; stop
    /// with an error where they end (learned embeddings). Nothing is ever cut.
    #[default]
    Extend,
    /// Stop with an error that names the document.
    Error,
    /// Leave the document out and count it.
    Skip,
    /// Take worked examples out, the last ones first, until it fits.
    DropShots,
    /// Cut tokens off its beginning, as lm-evaluation-harness does in silence.
    Left,
}

impl OnOverflow {
    /// All of them, with the words they have on the command line.
    pub const ALL: [(&'static str, OnOverflow); 5] = [
        ("extend", OnOverflow::Extend),
        ("error", OnOverflow::Error),
        ("skip", OnOverflow::Skip),
        ("drop_shots", OnOverflow::DropShots),
        ("left", OnOverflow::Left),
    ];

    /// The word on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            OnOverflow::Extend => "extend",
            OnOverflow::Error => "error",
            OnOverflow::Skip => "skip",
            OnOverflow::DropShots => "drop_shots",
            OnOverflow::Left => "left",
        }
    }
}

/// Whether prompts that are plain text by their protocol go through the chat template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptForm {
    /// Plain text.
    #[default]
    Plain,
    /// As one message of the user, after the description as the system's (`--apply_chat_template`).
    Chat,
}

impl PromptForm {
    /// The word in results.
    pub fn name(self) -> &'static str {
        match self {
            PromptForm::Plain => "plain",
            PromptForm::Chat => "chat",
        }
    }
}

/// Something that is refused unless it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concession {
    /// Stop with an error.
    #[default]
    Refuse,
    /// Go on; results say so.
    Allow,
}

impl Concession {
    /// The word in results.
    pub fn name(self) -> &'static str {
        match self {
            Concession::Refuse => "refuse",
            Concession::Allow => "allow",
        }
    }
}
