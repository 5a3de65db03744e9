//! What is evaluated where nothing is said: the whole framework on the models that come with the program.

use super::{Arguments, Efficiency};
use crate::cli::failure::Failure;
use crate::cli::lab::{self, Builtin};
use datasets::lab::SIZES;
use eval::runner::{FidelityOptions, NoiseFloor};
use eval::task::DEFAULT_SEED;
use std::path::PathBuf;

/// Recipes of a model that was trained on the micro-world: those of the paper.
const RECIPES: &str = "paper";

/// Its tasks: three texts, and ten benchmarks as the paper asks them. Answers are listed where the paper's prompt has
/// none (BBQ), since there are several spellings of "unknown"; TruthfulQA is asked without the six questions about our
/// world.
const TASKS: [&str; 14] = [
    "perplexity:builtin_chronicle@gptq-256",
    "perplexity:builtin_tales@gptq-256",
    "perplexity:builtin_notices@gptq-256",
    "mmlu:builtin@qwen-chat",
    "ceval:builtin@qwen-chat",
    "flores200:eng_Latn-vel_Latn@jin-2024",
    "flores200:vel_Latn-eng_Latn@jin-2024",
    "xsum:builtin@jin-2024",
    "cnn_dailymail:builtin@jin-2024",
    "gsm8k:builtin@qwen-chat",
    "snli:builtin@jin-2024",
    "followbench:builtin@official",
    "truthfulqa:builtin@repe",
    "bbq:builtin@jin-2024-options",
];

/// The same of the model without training, which has no chat template.
const SEEDED_RECIPES: &str = "none,rtn:w8,rtn:w4g32,rtn:w2g32";
const SEEDED_TASKS: [&str; 3] =
    ["perplexity:builtin_chronicle@gptq-256", "mmlu:builtin@lm-eval", "truthfulqa:builtin@lm-eval"];

/// Documents of each task on which next-token distributions are compared, where nothing is said.
const KL_DOCUMENTS: usize = 4;

/// Directory of runs that nothing is said of.
const DIRECTORY: &str = "runs";

/// The models that `--model` means: one, or all that are trained.
pub fn models(arguments: &Arguments) -> Vec<String> {
    match arguments.model.model.as_deref() {
        None => vec![lab::NAME.into()],
        Some(lab::ALL) => SIZES.iter().map(|size| format!("{}:{size}", lab::NAME)).collect(),
        Some(model) => vec![model.into()],
    }
}

/// Recipes where none is given.
pub fn recipes(builtin: Option<Builtin>) -> &'static str {
    match builtin {
        Some(Builtin::Trained(_)) => RECIPES,
        Some(Builtin::Seeded) => SEEDED_RECIPES,
        None => "none",
    }
}

/// Tasks where none is given.
///
/// # Errors
/// A model that is none of the program's.
pub fn tasks(builtin: Option<Builtin>) -> Result<&'static [&'static str], Failure> {
    match builtin {
        Some(Builtin::Trained(_)) => Ok(&TASKS),
        Some(Builtin::Seeded) => Ok(&SEEDED_TASKS),
        None => {
            let fix = "add --tasks, for example --tasks mmlu@lm-eval --data DIR, or --tasks perplexity:FILE; `nibble tasks \
                       ls` lists them";
            Err(Failure::usage("no task is given", "--tasks", fix))
        }
    }
}

/// Where the run of a model is kept: in --output_path, or a directory of it for each of several models; without one, in
/// `runs/<model>` if nothing is said that changes what is asked of a trained model of the program.
pub fn output(arguments: &Arguments, builtin: Option<Builtin>, model_name: &str, models: usize) -> Option<PathBuf> {
    match (&arguments.output_path, builtin) {
        (Some(path), _) if models > 1 => Some(path.join(model_name)),
        (Some(path), _) => Some(path.clone()),
        (None, Some(Builtin::Trained(_))) if is_plain(arguments) => Some(PathBuf::from(DIRECTORY).join(model_name)),
        (None, _) => None,
    }
}

/// What is measured beside scores: what is asked for, and all of it where nothing is said about a trained model of the
/// program.
pub fn fidelity(arguments: &Arguments, builtin: Option<Builtin>) -> FidelityOptions {
    let whole = matches!(builtin, Some(Builtin::Trained(_))) && is_plain(arguments);
    FidelityOptions {
        noise_floor: if whole || arguments.noise_floor { NoiseFloor::Measure } else { NoiseFloor::Omit },
        kl_documents: if whole { KL_DOCUMENTS } else { arguments.kl },
    }
}

/// When speed and memory are measured where nothing is said: in runs that measure everything.
pub fn efficiency(arguments: &Arguments, builtin: Option<Builtin>) -> Efficiency {
    let whole = matches!(builtin, Some(Builtin::Trained(_))) && is_plain(arguments);
    if whole { Efficiency::Auto } else { Efficiency::Off }
}

/// Whether everything that makes a plan is left as it is.
fn is_plain(arguments: &Arguments) -> bool {
    let Arguments { quant, tasks, limit, num_fewshot, window, gen_kwargs, judgements, .. } = arguments;
    let nothing_chosen = quant.is_empty() && tasks.is_empty() && judgements.is_empty();
    let nothing_numbered = limit.is_none() && num_fewshot.is_none() && window.is_none() && gen_kwargs.is_none();
    let nothing_added = !arguments.noise_floor && arguments.kl == 0 && !arguments.apply_chat_template;
    let nothing_drawn = arguments.seed == DEFAULT_SEED && arguments.calibration.is_plain();
    let nothing_excepted = arguments.on_overflow == super::Overflow::Extend
        && !(arguments.allow_unpinned || arguments.allow_double_bos || arguments.allow_shown_answers);
    nothing_chosen && nothing_numbered && nothing_added && nothing_drawn && nothing_excepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches, Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn read(flags: &[&str]) -> Arguments {
        let command = <Line as clap::CommandFactory>::command();
        let matches = command.try_get_matches_from([&["nibble"], flags].concat()).unwrap();
        Line::from_arg_matches(&matches).unwrap().arguments
    }

    #[test]
    fn without_arguments_the_smallest_model_goes_through_the_paper() {
        let arguments = read(&[]);
        assert_eq!(models(&arguments), ["builtin"]);
        let smallest = Builtin::parse("builtin").unwrap();
        assert_eq!(quant::Recipe::parse_list(recipes(smallest)).unwrap().len(), 10);
        assert_eq!(output(&arguments, smallest, "builtin-s", 1), Some("runs/builtin-s".into()));
        let whole = fidelity(&arguments, smallest);
        assert_eq!((whole.noise_floor, whole.kl_documents), (NoiseFloor::Measure, KL_DOCUMENTS));
        // Each is asked under the protocol that it says.
        for id in tasks(smallest).unwrap() {
            assert_eq!(&eval::task::parse(id).unwrap().to_string(), id);
        }
    }

    #[test]
    fn what_changes_the_plan_has_no_directory_of_its_own() {
        let smallest = Builtin::parse("builtin").unwrap();
        for flags in [
            &["--limit", "1"][..],
            &["--quant", "none"],
            &["--tasks", "mmlu:builtin"],
            &["--noise_floor"],
            &["--kl", "1"],
            &["--seed", "7"],
            &["--calibration", "builtin"],
            &["--calibration_samples", "3"],
            &["--gen_kwargs", "temperature=1"],
        ] {
            assert_eq!(output(&read(flags), smallest, "builtin-s", 1), None, "{flags:?}");
            assert!(fidelity(&read(flags), smallest).kl_documents < KL_DOCUMENTS, "{flags:?}");
        }
        for flags in [&["--threads", "1"][..], &["--format", "json"], &["--batch_size", "3"]] {
            assert!(output(&read(flags), smallest, "builtin-s", 1).is_some(), "{flags:?}");
        }
        assert_eq!(output(&read(&[]), None, "other", 1), None);
        assert_eq!(output(&read(&[]), Some(Builtin::Seeded), "builtin-seeded", 1), None);
    }

    #[test]
    fn all_sizes_are_runs_beside_each_other() {
        let arguments = read(&["--model", "builtin:all", "--output_path", "OUT"]);
        assert_eq!(models(&arguments), ["builtin:s", "builtin:m", "builtin:l"]);
        let large = Builtin::parse("builtin:l").unwrap();
        assert_eq!(output(&arguments, large, "builtin-l", 3), Some("OUT/builtin-l".into()));
    }
}
