//! `nibble data`: what is there, what is damaged, and the exit codes that say so.

use super::program::{nibble, shared, text};
use serde_json::Value;
use std::fs;

fn sets(run: super::program::Run) -> Vec<Value> {
    serde_json::from_str::<Value>(&run.stdout).unwrap().as_array().unwrap().clone()
}

fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    rows.iter().find(|row| row["data_set"] == name).unwrap()
}

#[test]
fn every_data_set_says_where_it_comes_from() {
    let listed = sets(nibble(&["data", "ls", "--format", "json"]));
    let names: Vec<&str> = listed.iter().map(|row| row["data_set"].as_str().unwrap()).collect();
    let catalogue: Vec<&str> = datasets::catalogue().iter().map(|dataset| dataset.name).collect();
    assert_eq!(names, catalogue);
    for name in names {
        let shown = nibble(&["data", "show", name, "--format", "json"]).json();
        assert_eq!(shown["data_set"], name);
        assert!(shown["licence"].as_str().unwrap().len() > 2 && shown["source"].as_str().unwrap().len() > 10, "{name}");
        for file in shown["sha256"].as_array().unwrap() {
            assert_eq!(file["sha256"].as_str().unwrap().len(), 64, "{name}");
        }
    }
    let gsm8k = nibble(&["data", "show", "gsm8k"]).ok();
    for part in ["openai/grade-school-math", "DIR/gsm8k/{test,train}.jsonl", "3730d312f6e3440559ace48831e51066acaca737"]
    {
        assert!(gsm8k.contains(part), "{gsm8k}");
    }
    let [what, _, fix] = nibble(&["data", "show", "gsm8"]).error(2);
    assert!(what.contains("gsm8") && fix.contains("did you mean `gsm8k`?"), "{what} {fix}");
}

#[test]
fn what_is_changed_damaged_or_missing_ends_in_3() {
    let dir = tempfile::tempdir().unwrap();
    let check = |more: &[&str]| nibble(&[&["data", "check", "--format", "json", text(dir.path())], more].concat());
    // Nothing at all.
    assert_eq!(check(&[]).code, 3);
    // Not the official bytes.
    let file = dir.path().join("gsm8k/test.jsonl");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "{\"question\": \"q\", \"answer\": \"#### 1\"}\n").unwrap();
    let run = check(&[]);
    assert_eq!(run.code, 3);
    assert_eq!(row(&sets(run), "gsm8k")["unpinned"].as_u64(), Some(1));
    // Accepted; the training file is only wanted where the data set is asked for.
    assert_eq!(check(&["--allow_unpinned"]).code, 0);
    assert_eq!(check(&["--allow-unpinned", "--datasets", "gsm8k"]).code, 3);
    // Cut in the middle of a line.
    fs::write(&file, "{\"question\": \"q\", \"ans").unwrap();
    let run = check(&["--allow_unpinned", "--files"]);
    assert_eq!(run.code, 3);
    let rows = sets(run);
    let states: Vec<&str> = rows.iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["damaged", "missing"]);
    assert!(row(&rows, "gsm8k")["note"].as_str().unwrap().contains("line 1"), "{rows:?}");

    let [what, place, _] = nibble(&["data", "check", "no/such/place"]).error(3);
    assert!(what.contains("no such directory") && place.contains("no/such/place"));
    nibble(&["data", "check", "--datasets", "mnlu", text(dir.path())]).error(2);
}

#[test]
fn the_official_files_are_found_and_pinned() {
    let Some(data) = shared("data") else { return };
    let run = nibble(&["data", "check", "--format", "json", text(&data)]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let rows = sets(run);
    for (name, files, items) in
        [("mmlu", 171, 15858), ("ceval", 104, 1606), ("followbench", 12, 1610), ("bbq", 6, 11956), ("gsm8k", 2, 8792)]
    {
        let row = row(&rows, name);
        assert_eq!(
            (&row["files"]["found"], &row["pinned"], &row["items"]),
            (&files.into(), &files.into(), &items.into())
        );
    }
    assert_eq!(row(&rows, "xsum")["note"], "not found");
    // Five categories of BBQ are missing there.
    assert_eq!(nibble(&["data", "check", "--datasets", "bbq", text(&data)]).code, 3);
    assert_eq!(nibble(&["data", "check", "--datasets", "gsm8k,mmlu", text(&data)]).code, 0);
}
