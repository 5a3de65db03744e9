//! What may be asked of every task.

use super::judgements::Judgements;
use engine::generate::{Decoding, Sampling};
use std::str::FromStr;
use std::sync::Arc;

/// Settings that tasks share.
#[derive(Clone, Debug, PartialEq)]
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
    /// What is changed in how texts are generated.
    pub generation: GenerationOptions,
    /// Seed of worked examples that are drawn, and of texts.
    pub seed: u64,
    /// What judges said of replies that no rule scores.
    pub judgements: Arc<Judgements>,
}

/// The seed where none is given: that of lm-evaluation-harness's worked examples.
pub const DEFAULT_SEED: u64 = 1234;

impl Default for TaskOptions {
    fn default() -> Self {
        Self {
            limit: None,
            num_fewshot: None,
            on_overflow: OnOverflow::default(),
            window: None,
            prompt_form: PromptForm::default(),
            double_bos: Concession::default(),
            shown_answers: Concession::default(),
            generation: GenerationOptions::default(),
            seed: DEFAULT_SEED,
            judgements: Arc::default(),
        }
    }
}

/// What is changed in how texts are generated (`--gen_kwargs`); `None` takes what the protocol says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GenerationOptions {
    /// How each token is chosen.
    pub decoding: Option<Decoding>,
    /// Tokens of a text at most.
    pub max_new_tokens: Option<usize>,
}

impl FromStr for GenerationOptions {
    type Err = String;

    /// Reads `temperature=0.7,top_p=0.9,top_k=50,do_sample=true,max_gen_toks=64`, each at most once, as
    /// lm-evaluation-harness has them: a temperature of 0 is greedy, `do_sample=true` without one draws at 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut temperature, mut top_p, mut top_k, mut do_sample, mut max_new_tokens) = (None, None, None, None, None);
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}`: expected KEY=VALUE"))?;
            let is_first = match key {
                "temperature" => {
                    temperature.replace(number(value, |it| it >= 0.0, "a number of at least 0")?).is_none()
                }
                "top_p" => top_p
                    .replace(number(value, |it| it > 0.0 && it <= 1.0, "a number above 0 and at most 1")?)
                    .is_none(),
                "top_k" => top_k.replace(count(value)?).is_none(),
                "do_sample" => do_sample.replace(truth(value)?).is_none(),
                "max_gen_toks" => max_new_tokens.replace(count(value)?).is_none(),
                _ => return Err(format!("`{key}`: expected temperature, top_p, top_k, do_sample or max_gen_toks")),
            };
            if !is_first {
                return Err(format!("`{key}` is given twice"));
            }
        }
        let draws = do_sample.unwrap_or(temperature.is_some_and(|it: f64| it > 0.0));
        let says_how = temperature.is_some() || do_sample.is_some();
        let decoding = match (draws, temperature) {
            (true, Some(0.0)) => return Err("`do_sample=true` needs a temperature above 0".into()),
            (true, temperature) => Some(Decoding::Sampled(Sampling {
                temperature: temperature.unwrap_or(1.0),
                top_k: top_k.filter(|&k| k > 0),
                top_p: top_p.unwrap_or(1.0),
            })),
            (false, _) if top_p.is_some() || top_k.is_some() => {
                return Err("`top_p` and `top_k` need a temperature above 0".into());
            }
            (false, _) => says_how.then_some(Decoding::Greedy),
        };
        Ok(Self { decoding, max_new_tokens })
    }
}

fn number(text: &str, allowed: fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|&value| value.is_finite() && allowed(value));
    value.ok_or_else(|| format!("`{text}`: expected {expected}"))
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}`: expected a whole number"))
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" => Ok(true),
        "false" | "False" => Ok(false),
        _ => Err(format!("`{text}`: expected true or false")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_generation_are_read_as_lm_eval_means_them() {
        let read = |text: &str| GenerationOptions::from_str(text);
        let sampled = |temperature, top_k, top_p| Some(Decoding::Sampled(Sampling { temperature, top_k, top_p }));
        assert_eq!(read("temperature=0.5,top_p=0.9,top_k=40").unwrap().decoding, sampled(0.5, Some(40), 0.9));
        assert_eq!(read("do_sample=true").unwrap().decoding, sampled(1.0, None, 1.0));
        assert_eq!(read("temperature=0").unwrap().decoding, Some(Decoding::Greedy));
        assert_eq!(read("temperature=0.7,do_sample=False").unwrap().decoding, Some(Decoding::Greedy));
        let only = read("max_gen_toks=8").unwrap();
        assert_eq!((only.decoding, only.max_new_tokens), (None, Some(8)));
        for bad in [
            "",
            "temperature",
            "temperature=-1",
            "top_p=0",
            "top_p=0.9",
            "top_k=x",
            "beams=4",
            "top_k=1,top_k=1",
            "do_sample=true,temperature=0",
            "do_sample=maybe",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
