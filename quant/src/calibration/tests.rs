use super::*;
use std::collections::BTreeSet;

fn tokenizer() -> Tokenizer {
    Tokenizer::bytes_only().unwrap()
}

fn read(options: &Options) -> Result<Calibration, Error> {
    Calibration::read(options, &tokenizer(), 256, 258)
}

/// Options for a file with this content.
fn file(directory: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn text_of(tokens: &[u32]) -> String {
    tokenizer().decode(tokens, engine::tokenizer::SpecialText::Skip).unwrap()
}

#[test]
fn the_builtin_text_is_english_and_long_enough() {
    assert!((20_000..40_000).contains(&BUILTIN.len()) && BUILTIN.is_ascii());
    let paragraphs: Vec<&str> = BUILTIN.split("\n\n").collect();
    assert_eq!(paragraphs.iter().collect::<BTreeSet<_>>().len(), paragraphs.len(), "nothing is repeated");
    let calibration = read(&Options::default()).unwrap();
    assert!(calibration.sequences().iter().all(|tokens| tokens.len() == 256), "the model's context");
    assert!(calibration.sequences().len() > 64);
    assert_eq!(calibration.identity().to_json()["source"], "builtin");
}

#[test]
fn windows_are_consecutive_or_drawn() {
    let tokens: Vec<u32> = (0..103).collect();
    let first = windows(&tokens, 10, 4, Order::First, 7);
    assert_eq!(first, (0..4).map(|w| (10 * w..10 * w + 10).collect::<Vec<u32>>()).collect::<Vec<_>>());
    assert_eq!(windows(&tokens, 10, 99, Order::First, 7).len(), 10, "the rest is dropped");
    let random = windows(&tokens, 10, 1000, Order::Random, 7);
    assert!(random.iter().all(|window| window.len() == 10 && window.windows(2).all(|pair| pair[1] == pair[0] + 1)));
    let starts: BTreeSet<u32> = random.iter().map(|window| window[0]).collect();
    assert_eq!(starts, (0..94).collect(), "every place is drawn, the last too");
    assert_eq!(random, windows(&tokens, 10, 1000, Order::Random, 7));
    assert_ne!(random, windows(&tokens, 10, 1000, Order::Random, 8));
}

#[test]
fn records_are_drawn_once_each() {
    assert_eq!(draw(5, 3, Order::First, 1), [0, 1, 2]);
    let mut drawn = draw(100, 100, Order::Random, 1);
    assert_eq!(drawn[..40], draw(100, 40, Order::Random, 1), "fewer are the first of more");
    assert_ne!(drawn, draw(100, 100, Order::Random, 2));
    assert_ne!(drawn, (0..100).collect::<Vec<_>>());
    drawn.sort_unstable();
    assert_eq!(drawn, (0..100).collect::<Vec<_>>());
}

#[test]
fn plain_text_is_tokenized_once_and_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "text.txt", "abcdefghij");
    let options = |samples, length| Options {
        source: Source::File(path.clone()),
        samples,
        length: Some(length),
        ..Options::default()
    };
    let calibration = read(&options(None, 4)).unwrap();
    let all = tokenizer().encode("abcdefghij", Specials::AsConfigured).unwrap();
    assert_eq!(calibration.sequences(), [&all[..4], &all[4..8]]);
    // printf of the same ids as little-endian u32, hashed.
    let bytes: Vec<u8> = all[..8].iter().flat_map(|id| id.to_le_bytes()).collect();
    let identity = calibration.identity().to_json();
    assert_eq!(identity["ids_sha256"], identity::sha256(&bytes));
    assert_eq!(identity["sha256"], "72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf56b2106d06cb78b0");
    assert_eq!((&identity["sequences"], &identity["seed"]), (&2.into(), &serde_json::Value::Null));
    let text = read(&options(Some(3), 4)).unwrap_err().to_string();
    assert!(text.contains("2 windows of 4, 3 are asked for") && text.contains("--calibration_length"), "{text}");
    assert!(read(&options(None, 12)).unwrap_err().to_string().contains("at least one is asked for"));
    assert!(read(&options(Some(0), 4)).is_err() && read(&options(None, 0)).is_err());
}

#[test]
fn calibrations_differ_in_their_digests() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "text.txt", "abcdefghijklmnopqrst");
    let digest = |length, order| {
        let options = Options {
            source: Source::File(path.clone()),
            samples: Some(2),
            length: Some(length),
            order: Some(order),
            ..Options::default()
        };
        read(&options).unwrap().identity().digest().to_string()
    };
    let digests = [digest(4, Order::First), digest(5, Order::First), digest(4, Order::Random)];
    assert_eq!(digests.iter().collect::<BTreeSet<_>>().len(), 3);
    let of = |sequences: [&[u32]; 2]| Calibration::of_sequences("x", sequences.map(<[u32]>::to_vec).to_vec());
    assert_ne!(of([&[1, 2], &[3]]).identity().digest(), of([&[1], &[2, 3]]).identity().digest(), "where it is cut");
}

#[test]
fn spellings_of_records() {
    let directory = tempfile::tempdir().unwrap();
    let lines = r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}

{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}
{"messages": [{"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}]}
{"prompt": "Hi", "completion": "Ho"}
{"instruction": "Add.", "input": "1 2", "output": "3"}
{"instruction": "Say it.", "output": "It."}
{"text": "Just this."}
"#;
    let path = file(&directory, "chat.jsonl", lines);
    let options = Options { source: Source::File(path), ..Options::default() };
    let texts: Vec<String> = read(&options).unwrap().sequences().iter().map(|tokens| text_of(tokens)).collect();
    let expected = [
        "Hi\nHo",
        "Hi\nHo",
        "Hi",
        "Hi\nHo",
        "Instruction:\nAdd.\nInput:\n1 2\nOutput:\n3",
        "Instruction:\nSay it.\nOutput:\nIt.",
        "Just this.",
    ];
    assert_eq!(texts, expected);
    let fields = |text: &str| records::parse("f", text, false).unwrap().remove(0).messages().unwrap().0;
    let message = |role: &str, content: &str| engine::chat_template::Message::new(role, content);
    let conversation = r#"[{"conversations": [{"from": "system", "value": "S"}, {"from": "gpt", "value": "A"}]}]"#;
    assert_eq!(fields(conversation), [message("system", "S"), message("assistant", "A")]);
    let instruction = r#"{"instruction": "Add.", "input": "1 2", "output": "3"}"#;
    assert_eq!(fields(instruction), [message("user", "Add.\n1 2"), message("assistant", "3")]);
}

#[test]
fn alpaca_is_drawn_and_truncated() {
    let directory = tempfile::tempdir().unwrap();
    let record =
        |index: usize| format!(r#"{{"instruction": "{index}", "input": "", "output": "{}"}}"#, "x".repeat(index));
    let records: Vec<String> = (0..200).map(record).collect();
    let path = file(&directory, "alpaca.json", &format!("[{}]", records.join(",")));
    let options = Options { source: Source::Alpaca(path.clone()), length: Some(40), ..Options::default() };
    let calibration = read(&options).unwrap();
    assert_eq!(calibration.sequences().len(), 128);
    let lengths: BTreeSet<usize> = calibration.sequences().iter().map(Vec::len).collect();
    assert!(lengths.len() > 3 && lengths.last() == Some(&40), "{lengths:?}");
    let identity = calibration.identity().to_json();
    assert_eq!(
        (&identity["kind"], &identity["order"], &identity["seed"]),
        (&"alpaca".into(), &"random".into(), &0.into())
    );
    let other = read(&Options { seed: 1, ..options.clone() }).unwrap();
    assert_ne!(other.identity().digest(), calibration.identity().digest());
    let few = Options { samples: Some(201), ..options };
    assert!(read(&few).unwrap_err().to_string().contains("it holds 200 records, 201 are asked for"));
    let text = file(&directory, "other.json", r#"[{"text": "no instruction"}]"#);
    assert!(read(&Options { source: Source::Alpaca(text), ..Options::default() }).is_err());
    assert_eq!(Source::parse("alpaca:a:b.json"), Source::Alpaca("a:b.json".into()));
    assert_eq!((Source::parse("builtin"), Source::parse("x.txt")), (Source::Builtin, Source::File("x.txt".into())));
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for (name, content, said) in [
        ("a.jsonl", "{\"text\": \"a\"}\n{\"text\"", "a.jsonl, line 2: "),
        ("b.jsonl", "{\"title\": \"a\"}", "b.jsonl, line 1: no text among its keys: title"),
        ("c.json", "[{\"messages\": []}]", "c.json, record 0: a conversation without messages"),
        ("d.json", "[{\"messages\": [{\"role\": \"user\"}]}]", "`value` is missing"),
        ("e.json", "[1]", "expected an object"),
        ("f.json", "[]", "it holds no record"),
        ("g.jsonl", "{\"text\": 7}", "`text` is no text"),
        ("h.jsonl", "{\"prompt\": \"a\"}", "`prompt` without `response`"),
        ("i.jsonl", "{\"text\": \"\"}", "i.jsonl, line 1: it has no text"),
    ] {
        let options = Options { source: Source::File(file(&directory, name, content)), ..Options::default() };
        let error = read(&options).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
    std::fs::write(directory.path().join("bytes.txt"), b"ab\xff").unwrap();
    for (name, said) in [("bytes.txt", "not UTF-8 at byte 2"), ("missing.txt", "cannot be read")] {
        let options = Options { source: Source::File(directory.path().join(name)), ..Options::default() };
        assert!(read(&options).unwrap_err().to_string().contains(said));
    }
    let chat = Options { form: Form::ChatTemplate, ..Options::default() };
    assert!(read(&chat).unwrap_err().to_string().contains("a plain text has no messages"));
    let path = file(&directory, "chat.jsonl", "{\"prompt\": \"a\", \"response\": \"b\"}");
    let chat = Options { source: Source::File(path), ..chat };
    assert!(read(&chat).unwrap_err().to_string().contains("no chat template"));
}
