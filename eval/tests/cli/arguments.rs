//! Flags: spelling, ranges, help and environment.

use super::program::{command, finished, nibble};

const COMMANDS: [&[&str]; 12] = [
    &["doctor"],
    &["eval"],
    &["generate"],
    &["logits"],
    &["bench"],
    &["models"],
    &["models", "ls"],
    &["models", "show"],
    &["tasks", "ls"],
    &["tasks", "show"],
    &["quants", "ls"],
    &["quants", "show"],
];

#[test]
fn hyphens_and_underscores_are_the_same() {
    let with = |flag: &str| {
        nibble(&["generate", "-m", "builtin:seeded", "--prompt", "--a-b", flag, "3", "--format", "json"]).ok()
    };
    assert_eq!(with("--max_new_tokens"), with("--max-new-tokens"));
    assert_eq!(with("--max_new_tokens"), with("-n"));
}

#[test]
fn help_is_short_or_long_and_ends_with_examples() {
    for command in COMMANDS {
        let short = nibble(&[command, &["-h"]].concat()).ok();
        let long = nibble(&[command, &["--help"]].concat()).ok();
        assert!(long.len() >= short.len(), "{command:?}");
        if command.len() == 1 {
            assert!(short.contains("Examples:\n  nibble ") && long.contains("Examples:\n  nibble "), "{command:?}");
        }
        assert!(short.lines().chain(long.lines()).all(|line| line.chars().count() <= 100), "{command:?}");
    }
    let long = nibble(&["--help"]).ok();
    assert!(long.contains("Exit codes:") && long.contains("NIBBLE_ISA"));
    assert!(nibble(&["--version"]).ok().starts_with("nibble "));
}

#[test]
fn mistakes_in_usage_end_with_code_2() {
    let mistakes: [&[&str]; 14] = [
        &[],
        &["evil"],
        &["eval", "--treads", "2"],
        &["eval", "--threads", "0"],
        &["eval", "--threads", "100000"],
        &["eval", "--limit", "0"],
        &["eval", "--isa", "sse9"],
        &["eval", "--limit", "1", "--overwrite"],
        &["generate", "-m", "builtin:seeded"],
        &["generate", "-m", "builtin:seeded", "--prompt", "a", "--tokens", "1"],
        &["generate", "-m", "builtin:seeded", "--prompt", "a", "--temperature", "-1"],
        &["generate", "-m", "builtin:seeded", "--prompt", "a", "--top_p", "0"],
        &["logits", "-m", "builtin:seeded", "--tokens", "1,x"],
        &["bench", "-m", "builtin:seeded", "-p", "0", "-n", "0"],
    ];
    for arguments in mistakes {
        let run = nibble(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    assert!(nibble(&["eval", "--treads", "2"]).stderr.contains("--threads"));
    assert!(nibble(&["evl"]).stderr.contains("eval"));
}

#[test]
fn the_environment_chooses_an_instruction_set_and_a_flag_overrules_it() {
    let with = |isa: &str, arguments: &[&str]| {
        let arguments = [&["generate", "-m", "builtin:seeded", "--prompt", "a", "-n", "2"], arguments].concat();
        finished(command(&arguments).env("NIBBLE_ISA", isa).output().unwrap())
    };
    assert!(with("scalar", &[]).stderr.contains("(scalar)"));
    assert!(with("scalar", &["--isa", "wide"]).stderr.contains("(wide)"));
    let [what, place, fix] = with("sse9", &[]).error(2);
    assert!(what.contains("sse9") && place.contains("NIBBLE_ISA") && fix.contains("scalar"), "{what} {place} {fix}");
    assert_eq!(with("sse9", &["--isa", "auto"]).code, 0);
}

#[test]
fn quiet_leaves_nothing_on_stderr() {
    let run = nibble(&["generate", "-m", "builtin:seeded", "--prompt", "a", "-n", "2", "-q"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}
