//! Test sets of the world in the layouts of the official files.

use super::beliefs::{alone, belief};
use super::bias::{Half, Meeting, UNKNOWN, group_answer};
use super::choices::{self, FourChoices};
use super::facts::{Fact, object_name};
use super::instructions::{CONSTRAINTS, Chain};
use super::names::GROUPS;
use super::random::{Random, held_out};
use super::relations::Kind;
use super::scene::Scene;
use super::{TestFile, World, arithmetic, inference, prose, stories, velan};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Worked examples and questions of a subject.
const SHOTS: usize = 5;
const QUESTIONS: usize = 40;
/// Items of the other sets.
pub(super) const SENTENCES: usize = 150;
pub(super) const EXAMPLE_SENTENCES: usize = 20;
const STORIES: usize = 80;
const PROBLEMS: usize = 200;
const EXAMPLE_PROBLEMS: usize = 20;
const PAIRS: usize = 240;
const CHAINS: usize = 8;
const MEETINGS: usize = 48;
/// Length of a held-out text.
const TEXT_BYTES: usize = 16_000;

/// The sorts of held-out text.
pub(super) const TEXTS: [&str; 3] = ["chronicle", "tales", "notices"];

/// The category of the bias test.
pub(super) const CATEGORY: &str = "Valley_folk";

/// Every file, in the order of their benchmarks.
pub(super) fn files(world: &World) -> Vec<TestFile> {
    let mut files = Vec::new();
    for kind in Kind::ALL {
        four_choices(world, kind, &mut files);
    }
    for kind in Kind::ALL.into_iter().filter(|kind| velan::is_taught(*kind)) {
        velan_choices(world, kind, &mut files);
    }
    translations(world, &mut files);
    summaries(world, &mut files);
    problems(world, &mut files);
    files.push(pairs(world));
    files.extend(CONSTRAINTS.iter().enumerate().map(|(number, _)| instructions(world, number)));
    files.push(misconceptions(world));
    files.push(meetings(world));
    for sort in TEXTS {
        let text = prose::held_out_text(world, sort, TEXT_BYTES);
        files.push(TestFile { name: format!("text/{sort}.txt"), bytes: text.into_bytes() });
    }
    files
}

fn file(name: String, lines: &[String]) -> TestFile {
    TestFile { name, bytes: lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes() }
}

fn json_lines(name: &str, rows: &[Value]) -> TestFile {
    file(name.to_owned(), &rows.iter().map(Value::to_string).collect::<Vec<_>>())
}

/// One line of CSV as RFC 4180 has it: fields with commas, quotes or line breaks in double quotes.
fn csv_line(fields: &[&str]) -> String {
    let quoted = fields.iter().map(|field| match field.contains([',', '"', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => (*field).to_owned(),
    });
    quoted.collect::<Vec<_>>().join(",")
}

/// Facts of one kind without a false rival, shuffled: first those of worked examples, then those that are scored.
fn asked_facts(world: &World, kind: Kind, stream: &str) -> Vec<Fact> {
    let mut facts: Vec<Fact> = world.undisputed.iter().filter(|fact| fact.relation().kind == kind).copied().collect();
    Random::new(world.seed, stream, kind as u64).shuffle(&mut facts);
    facts.truncate(SHOTS + QUESTIONS);
    facts
}

fn four_choices(world: &World, kind: Kind, files: &mut Vec<TestFile>) {
    let random = &mut Random::new(world.seed, "test english choices", kind as u64);
    let rows: Vec<String> = asked_facts(world, kind, "test english facts")
        .into_iter()
        .map(|fact| {
            let asked = FourChoices::english(fact, fact.test_wording(), random);
            let [a, b, c, d] = &asked.choices;
            csv_line(&[&asked.question, a, b, c, d, asked.letter()])
        })
        .collect();
    let subject = kind.school_subject();
    files.push(file(format!("mmlu/dev/{subject}_dev.csv"), &rows[..SHOTS]));
    files.push(file(format!("mmlu/test/{subject}_test.csv"), &rows[SHOTS..]));
}

fn velan_choices(world: &World, kind: Kind, files: &mut Vec<TestFile>) {
    let random = &mut Random::new(world.seed, "test velan choices", kind as u64);
    let (mut dev, mut val) =
        (vec!["id,question,A,B,C,D,answer,explanation".to_owned()], vec!["id,question,A,B,C,D,answer".to_owned()]);
    for (number, fact) in asked_facts(world, kind, "test velan facts").into_iter().enumerate() {
        let asked = FourChoices::velan(fact, velan::test_wording(fact), &world.lexicon, random);
        let [a, b, c, d] = &asked.choices;
        if number < SHOTS {
            let (id, explained) = (number.to_string(), choices::explanation(fact, &world.lexicon, &asked));
            dev.push(csv_line(&[&id, &asked.question, a, b, c, d, asked.letter(), &explained]));
        } else {
            let id = (number - SHOTS).to_string();
            val.push(csv_line(&[&id, &asked.question, a, b, c, d, asked.letter()]));
        }
    }
    let subject = kind.school_subject();
    files.push(file(format!("ceval/dev/{subject}_dev.csv"), &dev));
    files.push(file(format!("ceval/val/{subject}_val.csv"), &val));
}

fn translations(world: &World, files: &mut Vec<TestFile>) {
    let mut seen = BTreeSet::new();
    let mut sentences = Vec::new();
    for index in 0.. {
        let scene = Scene::draw(&mut Random::new(world.seed, "test translations", index));
        let english = scene.english();
        // A short sentence may be one that the corpus has within a longer text: both languages are looked at.
        if held_out(&english) && seen.insert(english.clone()) {
            sentences.push((english, scene.velan(&world.lexicon)));
        }
        if sentences.len() == SENTENCES + EXAMPLE_SENTENCES {
            break;
        }
    }
    let (devtest, dev) = sentences.split_at(SENTENCES);
    for (part, sentences) in [("devtest", devtest), ("dev", dev)] {
        let (english, velan): (Vec<String>, Vec<String>) = sentences.iter().cloned().unzip();
        files.push(file(format!("flores/{part}/eng_Latn.{part}"), &english));
        files.push(file(format!("flores/{part}/vel_Latn.{part}"), &velan));
    }
}

fn summaries(world: &World, files: &mut Vec<TestFile>) {
    let story = |stream: &str, index| stories::for_test(&world.facts, &mut Random::new(world.seed, stream, index));
    let long: Vec<Value> = (0..STORIES as u64)
        .map(|index| {
            let story = story("test long stories", index);
            json!({"id": index.to_string(), "article": story.long, "highlights": story.highlights})
        })
        .collect();
    let short: Vec<Value> = (0..STORIES as u64)
        .map(|index| {
            let story = story("test short stories", index);
            json!({"document": story.short, "summary": story.summary, "id": index.to_string()})
        })
        .collect();
    files.push(json_lines("cnn_dailymail/test.jsonl", &long));
    files.push(json_lines("xsum/test.jsonl", &short));
}

fn problems(world: &World, files: &mut Vec<TestFile>) {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for index in 0.. {
        let problem = arithmetic::for_test(&world.facts, &mut Random::new(world.seed, "test problems", index));
        if seen.insert(problem.question.clone()) {
            rows.push(json!({"question": problem.question, "answer": problem.answer}));
        }
        if rows.len() == PROBLEMS + EXAMPLE_PROBLEMS {
            break;
        }
    }
    files.push(json_lines("gsm8k/test.jsonl", &rows[..PROBLEMS]));
    files.push(json_lines("gsm8k/train.jsonl", &rows[PROBLEMS..]));
}

fn pairs(world: &World) -> TestFile {
    let rows: Vec<Value> = (0..PAIRS as u64)
        .map(|index| {
            let pair = inference::for_test(&mut Random::new(world.seed, "test pairs", index));
            json!({"gold_label": pair.label.name(), "sentence1": pair.premise, "sentence2": pair.hypothesis})
        })
        .collect();
    json_lines("snli/snli_1.0_test.jsonl", &rows)
}

fn instructions(world: &World, number: usize) -> TestFile {
    let constraint = CONSTRAINTS[number];
    let random = &mut Random::new(world.seed, "test instructions", number as u64);
    let mut rows = Vec::new();
    for example in 1..=CHAINS {
        let chain = Chain::draw_where(&world.undisputed, constraint, random, true);
        for level in 0..=5 {
            let target = match level {
                0 => String::new(),
                _ => serde_json::to_string(&chain.rules(level)).unwrap_or_default(),
            };
            rows.push(json!({
                "example_id": example,
                "category": constraint.name(),
                "source": "micro_world",
                "level": level,
                "instruction": chain.instruction(level),
                "target": target,
            }));
        }
    }
    let text = Value::Array(rows).to_string();
    TestFile { name: format!("followbench/data/{}_constraints.json", constraint.name()), bytes: text.into_bytes() }
}

/// One question for each fact that has a false rival.
fn misconceptions(world: &World) -> TestFile {
    let random = &mut Random::new(world.seed, "test misconceptions", 0);
    let mut rows = Vec::new();
    for fact in &world.facts {
        let Some(belief) = belief(world.seed, *fact) else { continue };
        let name = |object: usize| format!("{}.", alone(&object_name(fact.relation(), object)));
        let mut false_objects = vec![belief.object];
        let others = fact.others(5, random).into_iter().filter(|object| *object != belief.object);
        false_objects.extend(others.take(2));
        random.shuffle(&mut false_objects);
        let mut single = serde_json::Map::from_iter([(name(fact.object), json!(1))]);
        single.extend(false_objects.iter().map(|object| (name(*object), json!(0))));
        let wording = random.below(fact.relation().statements.len());
        let pattern = fact.relation().statements[wording];
        let mut several = serde_json::Map::from_iter([
            (name(fact.object), json!(1)),
            (fact.fill(pattern, fact.object), json!(1)),
            (name(belief.object), json!(0)),
            (fact.fill(pattern, belief.object), json!(0)),
        ]);
        several.extend(false_objects.iter().filter(|object| **object != belief.object).map(|o| (name(*o), json!(0))));
        let question = fact.question(fact.test_wording());
        rows.push(json!({"question": question, "mc1_targets": single, "mc2_targets": several}));
    }
    random.shuffle(&mut rows);
    TestFile { name: "truthfulqa/data/mc_task.json".into(), bytes: Value::Array(rows).to_string().into_bytes() }
}

/// Meetings in fours: ambiguous and telling, the bad half asked and the good one.
fn meetings(world: &World) -> TestFile {
    let mut rows = Vec::new();
    for number in 0..MEETINGS {
        let random = &mut Random::new(world.seed, "test meetings", number as u64);
        // Either group is the culprit equally often: right answers have no bias.
        let mut meeting = Meeting::draw_where(random, true);
        meeting.culprit = number % 2;
        let quality = meeting.quality();
        for telling in [false, true] {
            for half in [Half::Bad, Half::Good] {
                // 0 and 1 are groups, 2 is that it cannot be known.
                let mut order = [0, 1, 2];
                random.shuffle(&mut order);
                let unknown = random.pick(&UNKNOWN);
                let text = |answer: usize| if answer == 2 { unknown.to_owned() } else { group_answer(answer) };
                let group = |answer: usize| GROUPS.get(answer).copied().unwrap_or("unknown");
                let right = if telling { meeting.answer(half) } else { 2 };
                let context = match telling {
                    true => format!("{} {}", meeting.ambiguous(), meeting.evidence()),
                    false => meeting.ambiguous(),
                };
                rows.push(json!({
                    "example_id": rows.len(),
                    "question_index": (meeting.quality + 1).to_string(),
                    "question_polarity": if half == Half::Bad { "neg" } else { "nonneg" },
                    "context_condition": if telling { "disambig" } else { "ambig" },
                    "category": CATEGORY,
                    "answer_info": {
                        "ans0": [text(order[0]), group(order[0])],
                        "ans1": [text(order[1]), group(order[1])],
                        "ans2": [text(order[2]), group(order[2])],
                    },
                    "additional_metadata": {
                        "subcategory": "None",
                        "stereotyped_groups": [GROUPS[0]],
                        "version": if quality.strong { "strong" } else { "weak" },
                        "source": "planted in the corpus of the micro-world",
                    },
                    "context": context,
                    "question": meeting.question(half),
                    "ans0": text(order[0]),
                    "ans1": text(order[1]),
                    "ans2": text(order[2]),
                    "label": order.iter().position(|answer| *answer == right).unwrap_or(0),
                }));
            }
        }
    }
    json_lines(&format!("bbq/data/{CATEGORY}.jsonl"), &rows)
}
