//! The readers on files of our own making: every layout that is looked for, and every way in which a file can be bad.

use datasets::mmlu::{self, Split};
use datasets::text::ByteOrderMark;
use datasets::{DataRoots, Error, PinStatus, Pinning, c4, catalogue, lab, text, truthfulqa, wikitext, world};
use std::path::Path;
use tempfile::TempDir;

fn write(dir: &TempDir, file: &str, content: impl AsRef<[u8]>) {
    let path = dir.path().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn roots(dir: &TempDir) -> DataRoots {
    DataRoots::new(&[dir.path().to_owned()]).with_pinning(Pinning::Allow)
}

fn mmlu_error(content: impl AsRef<[u8]>) -> Error {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "mmlu/test/virology_test.csv", content);
    mmlu::read(&roots(&dir), "virology", Split::Test).unwrap_err()
}

#[test]
fn mmlu_is_found_in_each_layout() {
    for layout in ["mmlu/", "mmlu/data/", "", "data/"] {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, &format!("{layout}val/virology_val.csv"), "Q,1,2,3,4,C\n");
        let loaded = mmlu::read(&roots(&dir), "virology", Split::Validation).unwrap();
        assert_eq!(loaded.content[0].answer, 2);
        assert_eq!(loaded.files[0].name, "mmlu/val/virology_val.csv");
        assert_eq!(loaded.files[0].status, PinStatus::Unpinned);
    }
}

#[test]
fn mmlu_fields_keep_quotes_commas_line_breaks_and_spaces() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir,
        "test/virology_test.csv",
        "\" Which \"\"one\"\",\r\nof these? \",\"a, b\",\"\nc\", d ,None,D\r\nsecond,1,2,3,4,A",
    );
    let questions = mmlu::read(&roots(&dir), "virology", Split::Test).unwrap().content;
    assert_eq!(questions.len(), 2);
    assert_eq!(questions[0].question, " Which \"one\",\r\nof these? ");
    assert_eq!(questions[0].choices, ["a, b", "\nc", " d ", "None"]);
    assert_eq!((questions[0].answer, questions[1].answer), (3, 0));
}

#[test]
fn bad_mmlu_files_are_named_with_their_row() {
    let good = "Q,1,2,3,4,A\n";
    for (content, expected) in [
        ("question,A,B,C,D,answer\n".to_owned(), "row 1 (line 1): expected the answer as one of A, B, C, D"),
        (format!("{good}Q,1,2,3,4,2\n"), "row 2 (line 2)"),
        (format!("{good}Q,1,2,3,4,E\n"), "found \"E\""),
        (format!("{good}\"two\nlines\",1,2,3,4,A\nQ,1,2,3,4\n"), "row 3 (line 4): expected 6 columns, found 5"),
        (format!("{good}Q,1,2,3,4,A,7\n"), "expected 6 columns, found 7"),
        (format!("{good}\"never closed,1,2,3,4,A\n{good}"), "row 2 (line 2): expected 6 columns, found 1"),
        ("".to_owned(), "the file is empty"),
        ("\n\n".to_owned(), "the file is empty"),
    ] {
        let message = mmlu_error(&content).to_string();
        assert!(message.contains(expected), "{content:?} gives {message:?}");
        assert!(message.contains("virology_test.csv"), "{message}");
    }
    let error = mmlu_error(b"Q,1,2,3,4,A\nQ,\xff,2,3,4,A\n");
    assert!(matches!(error, Error::Utf8 { line: 2, offset: 14, .. }), "{error:?}");
}

#[test]
fn a_missing_file_says_what_was_looked_for_where_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let message = mmlu::read(&roots(&dir), "virology", Split::Test).unwrap_err().to_string();
    for part in ["mmlu/data/test/virology_test.csv", dir.path().to_str().unwrap(), "hendrycks/test", "--data"] {
        assert!(message.contains(part), "{message}");
    }
    let gone = DataRoots::new(&[dir.path().join("nowhere")]);
    let message = truthfulqa::read(&gone).unwrap_err().to_string();
    assert!(message.contains("not a directory") && message.contains("sylinrl/TruthfulQA"), "{message}");
    let message = wikitext::read(&DataRoots::new(&[]), wikitext::Split::Test).unwrap_err().to_string();
    assert!(message.contains("no directory"), "{message}");
}

#[test]
fn an_unknown_subject_gets_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let near = mmlu::read(&roots(&dir), "abstract_algerba", Split::Test).unwrap_err();
    assert!(near.to_string().contains("abstract_algebra"), "{near}");
    let far = mmlu::read(&roots(&dir), "zzz", Split::Test).unwrap_err();
    assert!(matches!(far, Error::UnknownSubject { did_you_mean: None, .. }), "{far:?}");
}

fn truthful(content: &str) -> datasets::Result<Vec<truthfulqa::TruthfulQuestion>> {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "truthfulqa/data/mc_task.json", content);
    Ok(truthfulqa::read(&roots(&dir))?.content)
}

fn entry(mc1: &str, mc2: &str) -> String {
    format!(r#"[{{"question": "q?", "mc0_targets": {{}}, "mc1_targets": {mc1}, "mc2_targets": {mc2}}}]"#)
}

#[test]
fn truthfulqa_keeps_the_order_of_answers() {
    let questions = truthful(&entry(r#"{"z": 0, "m": 1, "a": 0}"#, r#"{"b": 1, "a": 0, "c": 1}"#)).unwrap();
    let named =
        |answers: &[(&str, bool)]| answers.iter().map(|(text, is)| ((*text).to_owned(), *is)).collect::<Vec<_>>();
    assert_eq!(questions[0].mc1, named(&[("z", false), ("m", true), ("a", false)]));
    assert_eq!(questions[0].mc2, named(&[("b", true), ("a", false), ("c", true)]));
}

#[test]
fn bad_truthfulqa_files_are_refused() {
    let good = r#"{"b": 1, "a": 0}"#;
    for (content, expected) in [
        (entry(r#"{"a": 1, "a": 0}"#, good), "comes twice"),
        (entry(r#"{"a": 1, "b": 2}"#, good), "label 0 or 1"),
        (entry(r#"{"a": 1, "b": 1}"#, good), "2 true, 0 false"),
        (entry(r#"{"a": 1}"#, good), "1 true, 0 false"),
        (entry(good, r#"{"a": 0}"#), "0 true, 1 false"),
        (entry(good, "[]"), "maps answers"),
        ("[]".to_owned(), "empty"),
        ("".to_owned(), "empty"),
        ("[{\n\"question\": 3}]".to_owned(), "line 2"),
        (r#"[{"question": "q"}]"#.to_owned(), "mc1_targets"),
        (entry(good, good).replace("\"q?\"", "\" \""), "a question"),
        (entry(good, good)[..40].to_owned(), "line 1"),
    ] {
        let message = truthful(&content).unwrap_err().to_string();
        assert!(message.contains(expected), "{content:?} gives {message:?}");
    }
}

#[test]
fn wikitext_rows_and_articles_of_a_small_text() {
    let raw = " \n = One = \n \n Text of one . \n = = Part = = \n More . \n \n = Two = \n \n Text of two . \n \n";
    assert_eq!(wikitext::rows(raw)[..4], ["", " = One = \n", "", " Text of one . \n"]);
    assert!(wikitext::gptq_join(raw).starts_with("\n\n = One = \n\n\n\n\n Text of one . \n\n\n = = Part"));
    let pages = wikitext::pages(raw);
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[0], " = One = \n \n Text of one . \n = = Part = = \n More . \n ");
    assert_eq!(pages[1], " = Two = \n \n Text of two . \n \n");
    // "", =, Two, =, Text, of, two, ., "": white space at both ends counts an empty word.
    assert_eq!(wikitext::words(pages[1]), 9);
    assert_eq!(wikitext::words(""), 1);
    // Text before the first heading is an article of its own; a text without headings is one article.
    assert_eq!(wikitext::pages("front\n = One = \nx"), ["front", " = One = \nx"]);
    assert_eq!(wikitext::pages("no heading\nat all"), ["no heading\nat all"]);
    assert_eq!(wikitext::pages(" = One = \n = Two = \n"), [" = One = ", " = Two = \n"]);
}

#[test]
fn wikitext_that_differs_is_refused_unless_allowed() {
    for layout in ["wikitext2/", "wikitext-2-raw/", "wikitext2/wikitext-2-raw/", "wikitext-2/", ""] {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, &format!("{layout}wiki.test.raw"), " = A = \n");
        let loaded = wikitext::read(&roots(&dir), wikitext::Split::Test).unwrap();
        assert_eq!(loaded.files[0].status, PinStatus::Unpinned);
        let strict = DataRoots::new(&[dir.path().to_owned()]);
        let error = wikitext::read(&strict, wikitext::Split::Test).unwrap_err();
        assert!(matches!(error, Error::Pin { .. }), "{error}");
    }
}

#[test]
fn c4_takes_the_validation_shard_then_the_only_file() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "c4/one.jsonl", "{\"text\": \"a\\nb\", \"url\": \"u\"}\n\n{\"text\": \"c\"}");
    assert_eq!(c4::documents(&roots(&dir)).unwrap().content, ["a\nb", "c"]);
    write(&dir, "c4/two.jsonl", "{\"text\": \"d\"}\n");
    let error = c4::documents(&roots(&dir)).unwrap_err();
    assert!(matches!(&error, Error::Ambiguous { found, .. } if found.len() == 2), "{error}");
    write(&dir, "c4/en/c4-validation.00000-of-00008.json", "{\"text\": \"e\"}\n");
    assert_eq!(c4::documents(&roots(&dir)).unwrap().content, ["e"]);

    let packed = tempfile::tempdir().unwrap();
    write(&packed, "en/c4-validation.00000-of-00008.json.gz", [0x1f, 0x8b]);
    let message = c4::documents(&roots(&packed)).unwrap_err().to_string();
    assert!(message.contains("gunzip"), "{message}");
}

#[test]
fn bad_json_lines_are_named_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    for (content, expected) in [
        ("{\"text\": \"a\"}\n{\"txt\": \"b\"}\n", "line 2"),
        ("{\"text\": \"a\"}\n{\"text\": 3}\n", "line 2"),
        ("{\"text\": \"a\"", "line 1"),
        ("\n\n", "empty"),
    ] {
        write(&dir, "lines.jsonl", content);
        let message = c4::read_documents(&dir.path().join("lines.jsonl")).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn plain_text_is_kept_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a file.txt");
    std::fs::write(&path, "\u{feff}one\r\ntwo").unwrap();
    let loaded = text::read(&path).unwrap();
    assert_eq!(loaded.content.text, "\u{feff}one\r\ntwo");
    assert_eq!(loaded.content.byte_order_mark, ByteOrderMark::Present);
    assert_eq!((loaded.files[0].name.as_str(), loaded.files[0].bytes), ("a file.txt", 11));
    // echo -n '\u{feff}one\r\ntwo' | sha256sum
    assert_eq!(loaded.files[0].sha256, "bbc0dc4d569597fee1fc356d7dcd68952d66fd50aa96f0d4f04f80cd29b0de9c");
    std::fs::write(&path, "no mark").unwrap();
    assert_eq!(text::read(&path).unwrap().content.byte_order_mark, ByteOrderMark::Absent);
    std::fs::write(&path, b"a\nb\xc3").unwrap();
    assert!(matches!(text::read(&path).unwrap_err(), Error::Utf8 { line: 2, offset: 3, .. }));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(text::read(&path).unwrap_err(), Error::Empty { .. }));
    assert!(matches!(text::read(Path::new("no such file")).unwrap_err(), Error::Io { .. }));
    assert!(matches!(text::read(dir.path()).unwrap_err(), Error::Io { .. }));
}

#[test]
fn paths_stay_out_of_serialized_identities() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "notes.txt", "text");
    let file = &text::read(&dir.path().join("notes.txt")).unwrap().files[0];
    assert!(file.path.is_some());
    let json = serde_json::to_string(file).unwrap();
    let expected = "{\"name\":\"notes.txt\",\"sha256\":\"982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1\",\
                    \"bytes\":4,\"status\":\"unknown\"}";
    assert_eq!(json, expected);
}

#[test]
fn the_world_is_made_once_and_named_as_embedded() {
    let sets = world::embedded();
    let mut answers = [0; 4];
    for subject in world::MMLU_SUBJECTS {
        let test = sets.mmlu(subject, Split::Test).unwrap();
        assert_eq!((test.files[0].path.as_ref(), test.files[0].status), (None, PinStatus::Pinned));
        test.content.iter().for_each(|question| answers[question.answer] += 1);
        assert!(sets.mmlu(subject, Split::Validation).is_err());
    }
    let total: usize = answers.iter().sum();
    assert!(
        answers.iter().all(|&count| count * 3 > total / 2 && count * 2 < total),
        "a letter is too common: {answers:?}"
    );
    assert!(sets.mmlu("virology", Split::Test).is_err());
    assert_eq!(sets.text("tales").unwrap().content.byte_order_mark, ByteOrderMark::Absent);
}

#[test]
fn the_embedded_model_is_the_directory() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("lab").join(lab::SIZES[0]);
    for (name, bytes) in lab::SMALLEST {
        assert!(std::fs::read(directory.join(name)).unwrap() == *bytes, "{name}");
    }
    let files = std::fs::read_dir(directory).unwrap().count();
    assert_eq!(files, lab::SMALLEST.len(), "every file of the model is embedded");
}

#[test]
fn the_catalogue_says_what_everything_is() {
    for dataset in catalogue() {
        for text in [dataset.name, dataset.title, dataset.description, dataset.licence, dataset.source, dataset.paper] {
            assert!(!text.is_empty(), "{}", dataset.name);
        }
        // Where nothing is found, every wanted file is listed as missing.
        let empty = tempfile::tempdir().unwrap();
        for check in dataset.check(&roots(&empty)) {
            assert!(matches!(check.state, Err(Error::Missing { .. })), "{}", check.name);
        }
    }
}
