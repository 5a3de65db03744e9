//! Does the journal survive what happens to it? Kills at every byte, damage, a second writer.

use eval::Error;
use eval::journal::{FILE_NAME, Journal, Record, Weights};
use eval::task::Sample;
use std::path::Path;

const MODEL: &str = "0123abcd";

fn sample(document: usize) -> Record {
    let sample = Sample::default().with("prompt_hash", "ff").with("loss", 1.0 / (document + 3) as f64);
    Record::Scored(sample.with("reply", "a \"quoted\" line\nand é, \",\"check\":\"0\"}"))
}

fn fill(journal: &mut Journal) {
    journal
        .append_weights(
            "rtn:w4",
            Weights { nominal_bits_per_weight: 4.0, true_bits_per_weight: 4.5, weight_bytes: 7, layers: Vec::new() },
        )
        .unwrap();
    for document in [2, 0, 5] {
        journal.append("rtn:w4", "task@p", document, &sample(document)).unwrap();
    }
    journal.append("rtn:w4", "task@p", 1, &Record::Failed("a NaN".into())).unwrap();
    journal.append("none", "task@p", 1, &Record::Skipped("too long".into())).unwrap();
}

fn content(journal: &mut Journal) -> Vec<Option<Record>> {
    let keys = ["rtn:w4", "none"].into_iter().flat_map(|recipe| (0..7).map(move |document| (recipe, document)));
    keys.map(|(recipe, document)| journal.record(recipe, "task@p", document).unwrap()).collect()
}

fn read(directory: &Path) -> Vec<u8> {
    std::fs::read(directory.join(FILE_NAME)).unwrap()
}

#[test]
fn what_was_written_is_read_back_bit_for_bit() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path(), MODEL).unwrap();
    assert!(journal.is_empty());
    fill(&mut journal);
    let mut in_memory = Journal::in_memory(MODEL);
    fill(&mut in_memory);
    let expected = content(&mut journal);
    assert_eq!(content(&mut in_memory), expected);
    assert_eq!(expected[2], Some(sample(2)));
    drop(journal);
    let mut journal = Journal::open(directory.path(), MODEL).unwrap();
    assert_eq!(content(&mut journal), expected);
    assert_eq!(journal.weights("rtn:w4").unwrap().unwrap().weight_bytes, 7);
    assert_eq!(journal.weights("none").unwrap(), None);
    assert_eq!((journal.done("rtn:w4", "task@p", 7), journal.done("rtn:w4", "task@p", 5)), (4, 3));
    assert!(!journal.contains("rtn:w4", "task@q", 0));
    drop(journal);
    // Lines of another model are left alone.
    let other = Journal::open(directory.path(), "another").unwrap();
    assert_eq!(other.done("rtn:w4", "task@p", 7), 0);
}

#[test]
fn a_kill_at_any_byte_loses_the_line_being_written_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path(), MODEL).unwrap();
    fill(&mut journal);
    let whole = content(&mut journal);
    drop(journal);
    let bytes = read(directory.path());
    let path = directory.path().join(FILE_NAME);
    for len in 0..bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let journal = Journal::open(directory.path(), MODEL).unwrap();
        let lines = bytes[..len].iter().filter(|&&byte| byte == b'\n').count();
        let documents = journal.done("rtn:w4", "task@p", 7) + journal.done("none", "task@p", 7);
        assert_eq!(documents, lines.saturating_sub(1), "{len}");
        drop(journal);
        assert_eq!(read(directory.path()).iter().filter(|&&byte| byte == b'\n').count(), lines);
        assert!(matches!(read(directory.path()).last(), None | Some(b'\n')));
    }
    // Going on after a torn line gives the content of a run that was never interrupted.
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let mut journal = Journal::open(directory.path(), MODEL).unwrap();
    assert!(!journal.contains("none", "task@p", 1));
    journal.append("none", "task@p", 1, &Record::Skipped("too long".into())).unwrap();
    assert_eq!(content(&mut journal), whole);
    drop(journal);
    assert_eq!(read(directory.path()), bytes);
}

#[test]
fn damage_before_the_last_line_is_an_error_that_names_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path(), MODEL).unwrap();
    fill(&mut journal);
    drop(journal);
    let bytes = read(directory.path());
    let path = directory.path().join(FILE_NAME);
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    let fourth = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    for place in third..fourth {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let error = Journal::open(directory.path(), MODEL).err().unwrap();
        assert!(matches!(&error, Error::Journal { line: 3, .. }), "{place}: {error}");
    }
    // A line that contradicts another one.
    let mut other = Journal::in_memory(MODEL);
    fill(&mut other);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let changed = {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), MODEL).unwrap();
        journal.append("rtn:w4", "task@p", 2, &sample(3)).unwrap();
        String::from_utf8(read(directory.path())).unwrap()
    };
    std::fs::write(&path, format!("{text}{changed}{changed}")).unwrap();
    let error = Journal::open(directory.path(), MODEL).err().unwrap();
    assert!(matches!(&error, Error::Journal { line: 7, problem, .. } if problem.contains("line 2")), "{error}");
    // The same line twice says nothing new: journals may be put together.
    std::fs::write(&path, format!("{text}{text}")).unwrap();
    let journal = Journal::open(directory.path(), MODEL).unwrap();
    assert_eq!(journal.done("rtn:w4", "task@p", 7), 4);
    drop(journal);
    // To discard is possible whatever the damage.
    std::fs::write(&path, "nonsense\nmore\n").unwrap();
    assert!(Journal::create(directory.path(), MODEL).unwrap().is_empty());
    assert!(read(directory.path()).is_empty());
}

#[test]
fn two_writers_are_refused_and_a_lock_left_behind_is_not() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("lock"), "4194303\n").unwrap();
    let journal = Journal::open(directory.path(), MODEL).unwrap();
    let error = Journal::open(directory.path(), MODEL).err().unwrap();
    assert!(matches!(&error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    assert!(matches!(Journal::create(directory.path(), MODEL), Err(Error::Locked { .. })));
    drop(journal);
    assert!(!directory.path().join("lock").exists());
    assert!(Journal::open(directory.path(), MODEL).is_ok());
    assert!(matches!(Journal::open(&directory.path().join("missing"), MODEL), Err(Error::Output { .. })));
}
