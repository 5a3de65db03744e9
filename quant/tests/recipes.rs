//! The grammar of recipes: what is accepted, its canonical spelling, and what errors say.

use engine::linear::Activations;
use engine::model::{Mlp, Role};
use kernels::CodeBits;
use quant::{Recipe, Scheme, method};

fn recipe(text: &str) -> Recipe {
    Recipe::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// What, column and fix of the error in `text`.
fn refused(text: &str) -> (String, usize, String) {
    let error = Recipe::parse_list(text).expect_err(text);
    assert_eq!(error.text, text);
    assert_eq!(error.to_string().lines().count(), 3, "{error}");
    (error.what, error.column, error.fix)
}

#[test]
fn canonical_spellings() {
    for (written, canonical) in [
        ("none", "none"),
        (" none ", "none"),
        ("rtn:w8", "rtn:w8"),
        ("rtn:w8a16", "rtn:w8"),
        ("rtn:w8gnone", "rtn:w8"),
        ("rtn:w4g32", "rtn:w4g32"),
        ("rtn:w4a8g32", "rtn:w4a8g32"),
        ("rtn:w3a32", "rtn:w3a32"),
        ("rtn:w2g16:sym=false", "rtn:w2g16"),
        ("rtn:w2g128:sym=true", "rtn:w2g128:sym=true"),
        ("rtn:w4g64:head=w8:embeddings=w8", "rtn:w4g64:embeddings=w8:head=w8"),
        ("rtn:w4g64:head=none", "rtn:w4g64"),
        ("rtn:w4g64:head=w8a16g64", "rtn:w4g64:head=w8"),
        ("rtn:w4a8g64:head=w8a16gnone:sym=true", "rtn:w4a8g64:sym=true:head=w8a16gnone"),
        ("rtn:w4:head=w8g32", "rtn:w4:head=w8g32"),
        ("rtn:w4g128:*.down_proj.weight=w8", "rtn:w4g128:*.down_proj.weight=w8"),
        ("rtn:w4g128:*.0.*=none:*.q_proj=w3g16", "rtn:w4g128:*.0.*=none:*.q_proj=w3g16"),
        ("W4A16", "rtn:w4g128:sym=true"),
        ("W8A8", "rtn:w8a8:sym=true"),
        ("w8a16", "rtn:w8:sym=true"),
        ("W4A8G32", "rtn:w4a8g32:sym=true"),
        ("W4A16_ASYM:head=w8", "rtn:w4g128:head=w8"),
        ("gptq:w4g128:damp=0.010", "gptq:w4g128"),
        ("spqr:w3g16:damp=1.0:act_order=true:tau=0.2", "spqr:w3g16"),
        ("spqr:w2a32g32:act_order=false:tau=none", "spqr:w2a32g32:tau=none:act_order=false"),
        ("gptq:w4a8g32:mse=true:damp=1e-1:act_order=true", "gptq:w4a8g32:act_order=true:damp=0.1:mse=true"),
        ("gptq:w3:blocksize=64.0:grid=original", "gptq:w3:blocksize=64:grid=original"),
        ("llm.int8", "llm.int8"),
        ("llm.int8:threshold=6.0:outliers=token:head=w8a8", "llm.int8:head=w8"),
        (
            "llm.int8:outliers=per_call:threshold=none:*.o_proj=none",
            "llm.int8:threshold=none:outliers=per_call:*.o_proj=none",
        ),
        ("none:kv=8", "none:kv=8"),
        ("rtn:w4:kv=4:sym=true:*.q_proj=w8", "rtn:w4:sym=true:*.q_proj=w8:kv=4"),
        ("W8A8:kv=8", "rtn:w8a8:sym=true:kv=8"),
    ] {
        let read = recipe(written);
        assert_eq!(read.to_string(), canonical, "{written}");
        assert_eq!(recipe(canonical), read, "{written}");
    }
}

/// Every scheme, with every option: the canonical spelling parses back to the same recipe, and names are distinct.
#[test]
fn spellings_parse_back_and_slugs_are_distinct() {
    let mut slugs = vec![];
    let groups = ["", "g16", "g32", "g64", "g128"];
    for bits in [8, 4, 3, 2] {
        for activations in ["", "a8", "a32"] {
            for group in groups {
                for options in [
                    "",
                    ":sym=true",
                    ":head=w8",
                    ":embeddings=w8",
                    ":*.down_proj=w8",
                    ":a.down_proj=w8gnone",
                    ":kv=8",
                    ":kv=4",
                ] {
                    let text = format!("rtn:w{bits}{activations}{group}{options}");
                    let read = recipe(&text);
                    assert_eq!(recipe(&read.to_string()), read);
                    assert_eq!(read.nominal_bits(), Some(bits));
                    slugs.push(read.slug());
                }
            }
        }
    }
    assert!(slugs.iter().all(|slug| slug.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=@".contains(&b))));
    let count = slugs.len();
    slugs.sort();
    slugs.dedup();
    assert_eq!(slugs.len(), count);
}

#[test]
fn slugs_are_names_of_files() {
    assert_eq!(recipe("rtn:w4g32").slug(), "rtn-w4g32");
    assert_eq!(recipe("rtn:w4g32:*.q_proj=w8").slug(), "rtn-w4g32-@.q_proj=w8");
    let long = |last: &str| {
        let patterns: Vec<String> = (0..40).map(|layer| format!(":*.{layer}.mlp.*=w8")).collect();
        recipe(&format!("rtn:w4g32{}:{last}=w8", patterns.concat())).slug()
    };
    assert_eq!(long("*.q").len(), 200);
    assert_ne!(long("*.q"), long("*.k"));
}

#[test]
fn lists() {
    let spelled = |text: &str| Recipe::parse_list(text).unwrap().iter().map(Recipe::to_string).collect::<Vec<_>>();
    assert_eq!(spelled("none,rtn:w8, rtn:w4g32"), ["none", "rtn:w8", "rtn:w4g32"]);
    let (what, column, _) = refused("none,rtn:w8,rtn:w8a16");
    assert_eq!((what.as_str(), column), ("`rtn:w8` is there twice", 13));
    for (text, column) in [("", 1), ("none,", 6), (",none", 1), ("none,,rtn:w8", 6), ("none, ", 7)] {
        let (what, found, _) = refused(text);
        assert_eq!((what.as_str(), found), ("a recipe is missing", column), "{text:?}");
    }
    let error = Recipe::parse("none,rtn:w8").unwrap_err();
    assert_eq!((error.what.as_str(), error.column), ("a list where one recipe is expected", 6));
}

#[test]
fn errors_say_what_where_and_what_to_write() {
    for (text, what, column, fix) in [
        ("rtn:w5", "`rtn` has no codes of 5 bits", 6, "bits must be one of 8, 4, 3, 2"),
        ("rtn:w16", "`rtn` has no codes of 16 bits", 6, "bits must be one of 8, 4, 3, 2"),
        ("rtn:w", "expected bits behind `w`", 6, "bits must be one of 8, 4, 3, 2"),
        ("rtn:w04", "`rtn` has no codes of 04 bits", 6, "bits must be"),
        ("rtn:w99999999999999999999999", "`rtn` has no codes of 99999999999999999999999 bits", 6, "bits must be"),
        ("rtn:w4g48", "no groups of `48` columns", 8, "a group must be one of 16, 32, 64, 128"),
        ("rtn:w4g", "no groups of `` columns", 8, "a group must be one of"),
        ("rtn:w4x", "unexpected `x` behind `w4`", 7, "bits are written `w4`, `w4a8`"),
        ("rtn:w4g32a8", "unexpected `a` behind `w4g32`", 10, "`w4a8g32`"),
        ("rtn:w4g32\u{7}", "unexpected `\\u{7}` behind `w4g32`", 10, "options follow"),
        ("rtn:w4\u{e9}", "unexpected `\u{e9}` behind `w4`", 7, "bits are written"),
        ("rtn:w4a4", "no activations of `4` bits", 8, "`a8`, `a16`"),
        ("llm.int8:w8", "`llm.int8` takes no bits: it has one width", 10, "drop them"),
        ("llm.int8:threshold=0", "`threshold` cannot be `0`", 20, "a number from 0.001 to 1000000 or `none`"),
        ("llm.int8:head=w8a16", "`llm.int8` has no activations of 16 bits", 18, "write a8 or nothing"),
        ("llm.int8:head=w4", "`llm.int8` has no codes of 4 bits", 16, "bits must be one of 8"),
        ("llm.int8:head=w8g64", "no groups of `64` columns", 18, "`llm.int8` has one scale a row"),
        ("rtn", "`rtn` needs the bits of a weight", 4, "`rtn:w4g128`"),
        ("none,rtn", "`rtn` needs the bits of a weight", 9, "`rtn:w4g128`"),
        ("rtn:sym=true", "`rtn` needs the bits of a weight", 4, "`rtn:w4g128`"),
        ("rtn:4", "expected bits, found `4`", 5, "`rtn:w4g128`"),
        ("rtn:", "expected bits, found ``", 5, "`rtn:w4g128`"),
        (
            "rnt:w4",
            "unknown method `rnt`",
            1,
            "did you mean `rtn`? methods that exist are `none`, `rtn`, `gptq`, `spqr`",
        ),
        ("quip:w2", "unknown method `quip`", 1, "methods that exist are `none`, `rtn`, `gptq`, `spqr`"),
        ("RTN:w4", "unknown method `RTN`", 1, "did you mean `rtn`?"),
        ("w4g128", "unknown method `w4g128`", 1, "`rtn:w4g128`"),
        ("none,W5A16", "`rtn` has no codes of 5 bits", 6, "bits must be"),
        ("W4A16:heat=w8", "unknown option `heat`", 7, "did you mean `head`?"),
        ("gptq:w4g128:damp=-1", "`damp` cannot be `-1`", 18, "write a number from 0 to 10"),
        ("gptq:w4g128:damp=eleven", "`damp` cannot be `eleven`", 18, "write a number from 0 to 10"),
        ("gptq:w4:blocksize=12.5", "`blocksize` cannot be `12.5`", 19, "write a whole number from 1 to 65536"),
        ("gptq:w4:grid=inplace", "`grid` cannot be `inplace`", 14, "write `in_place` or `original`"),
        ("gptq:w4:dmap=1", "unknown option `dmap`", 9, "did you mean `damp`?"),
        ("spqr:w3", "`spqr` needs the columns of a group", 8, "`spqr:w3g16`"),
        ("spqr:w3gnone", "no groups of `none` columns", 9, "a group must be one of 16, 32, 64, 128"),
        ("spqr:w3g16:tau=nine", "`tau` cannot be `nine`", 16, "write a number from 0 to 1000 or `none`"),
        ("awq:w4:clip=no", "`clip` cannot be `no`", 13, "write `true` or `false`"),
        ("nf4:w4a16", "`nf4` has no activations of 16 bits", 8, "write a32 or nothing"),
        ("none,nf4", "`nf4` needs the bits of a weight", 9, "`nf4:w4g64`"),
        ("none,paper", "`none` is there twice", 6, "drop one"),
        ("none:w4", "`none` takes no bits and no options but `kv`", 6, "write `none`, `none:kv=8`"),
        ("none:kv=8:kv=4", "`none` takes no bits and no options but `kv`", 6, "write `none`"),
        ("none:kv=3", "keys and values of `3` bits", 9, "write `kv=8` or `kv=4`"),
        ("rtn:w4:kv=", "keys and values of `` bits", 11, "write `kv=8` or `kv=4`"),
        ("W4A16:kv=w8", "keys and values of `w8` bits", 10, "write `kv=8` or `kv=4`"),
        ("rtn:w4:kv=8:kv=8", "`kv` is given twice", 13, "drop one"),
        ("rtn:w4:sym=yes", "`sym` cannot be `yes`", 12, "write `false` or `true`"),
        ("rtn:w4:sym=true:sym=true", "`sym` is given twice", 17, "drop one"),
        ("rtn:w4:*.q=w8:*.q=w3", "`*.q` is given twice", 15, "drop one"),
        ("rtn:w4:g128", "expected `option=value`, found `g128`", 8, "as in `rtn:w4g128`"),
        ("rtn:w4:", "expected `option=value`, found ``", 8, "go together"),
        ("rtn:w4:act_order=true", "unknown option `act_order`", 8, "`sym`, `embeddings`, `head` and `kv`"),
        ("rtn:w4:embedding=w8", "unknown option `embedding`", 8, "did you mean `embeddings`?"),
        ("rtn:w4:head=w5", "`rtn` has no codes of 5 bits", 14, "bits must be"),
        ("rtn:w4:head=", "expected bits, found ``", 13, "write"),
        ("rtn:w4:embeddings=w8a8", "embeddings are looked up, not multiplied with activations", 19, "drop"),
        ("rtn:w4:*.q proj=w8", "` ` in a tensor pattern", 11, "letters, digits"),
        ("rtn:w4:*.q_proj=x", "expected bits, found `x`", 17, "write"),
        ("\u{fc}:w4,rtn:w5", "unknown method `\u{fc}`", 1, "methods that exist"),
        ("rtn:w4:\u{fc}.*=w8", "`\u{fc}` in a tensor pattern", 8, "letters"),
        ("none,\u{a0}rtn:w5", "`rtn` has no codes of 5 bits", 12, "bits must be"),
    ] {
        let found = refused(text);
        assert_eq!((found.0.as_str(), found.1), (what, column), "{text}");
        assert!(found.2.contains(fix), "{text}: {}", found.2);
    }
}

#[test]
fn an_error_in_three_lines() {
    let error = Recipe::parse_list("none,rtn:w5").unwrap_err();
    let expected = "`rtn` has no codes of 5 bits\n  in `none,rtn:w5`, column 11\n  bits must be one of 8, 4, 3, 2";
    assert_eq!(error.to_string(), expected);
}

/// Whatever the text, an error or a recipe that parses back; never a panic.
#[test]
fn no_text_panics() {
    let alphabet: Vec<char> = "rtnwagsymhed:=,.*_0123468 \u{e9}\u{0}".chars().collect();
    let mut state = 7u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut read = 0;
    for round in 0..20_000 {
        let mut text: Vec<char> = ["", "rtn:w4", "rtn:w4g32:", "rtn:w8:head=w", "W4A"][round % 5].chars().collect();
        for _ in 0..next(9) {
            text.insert(next(text.len() + 1), alphabet[next(alphabet.len())]);
        }
        let text: String = text.into_iter().collect();
        if let Ok(recipes) = Recipe::parse_list(&text) {
            for recipe in recipes {
                read += 1;
                assert_eq!(Recipe::parse(&recipe.to_string()).unwrap(), recipe, "{text}");
            }
        }
    }
    assert!(read > 100, "{read}");
}

#[test]
fn which_matrix_gets_what() {
    let scheme = |bits, group, activations| Some(Scheme { bits, group, activations });
    let read = recipe("rtn:w4a8g32:head=w8gnone:*.mlp.*=w3:*.0.*=none:model.layers.0.mlp.up_proj=w2a16g16");
    let (a8, a16) = (Activations::A8, Activations::A16);
    for (tensor, role, expected) in [
        ("model.layers.1.self_attn.q_proj.weight", Role::Query, scheme(CodeBits::Four, Some(32), a8)),
        ("model.layers.1.mlp.up_proj.weight", Role::Up(Mlp::Dense), scheme(CodeBits::Three, Some(32), a8)),
        ("model.layers.0.mlp.gate_proj.weight", Role::Gate(Mlp::Dense), None),
        ("model.layers.0.mlp.up_proj.weight", Role::Up(Mlp::Dense), scheme(CodeBits::Two, Some(16), a16)),
        ("model.embed_tokens.weight", Role::Embedding, None),
        ("model.embed_tokens.weight", Role::Head, scheme(CodeBits::Eight, None, a8)),
    ] {
        assert_eq!(read.scheme_of(tensor, role), expected, "{tensor}");
    }
    // Patterns speak of blocks only, and `none` leaves all as it is.
    assert_eq!(recipe("rtn:w4:*=w8").scheme_of("lm_head.weight", Role::Head), None);
    assert_eq!(recipe("none").scheme_of("model.layers.1.mlp.up_proj.weight", Role::Up(Mlp::Dense)), None);
    assert_eq!(recipe("none"), Recipe::none());
}

#[test]
fn descriptions() {
    assert_eq!(recipe("none").describe(), "checkpoint precision");
    assert_eq!(
        recipe("rtn:w4g32").describe(),
        "round to nearest: 4-bit weights, one scale for 32 columns of a row, 16-bit activations, asymmetric grid; \
         embeddings: checkpoint precision; output head: checkpoint precision"
    );
    assert_eq!(
        recipe("rtn:w3a8:sym=true:head=w8g64:*.0.*=none").describe(),
        "round to nearest: 3-bit weights, one scale a row, 8-bit activations, symmetric grid; \
         embeddings: checkpoint precision; output head: 8-bit weights, one scale for 64 columns of a row; \
         *.0.*: checkpoint precision"
    );
}

/// What `quants ls` and `show` print holds for itself: examples parse, names are unique, options have a default.
#[test]
fn the_list_of_methods() {
    let names: Vec<&str> = method::all().iter().map(|method| method.name).collect();
    let all = ["none", "rtn", "gptq", "spqr", "llm.int8", "smoothquant", "awq", "hqq", "nf4"];
    assert_eq!(names, all);
    for method in method::all() {
        assert_eq!(recipe(method.example).method(), *method);
        assert_eq!(recipe(method.example).to_string(), method.example);
        assert!(!method.title.is_empty() && !method.summary.is_empty() && !method.paper.is_empty());
        for option in method.options {
            let default = option.default_spelling();
            assert!(option.values().len() > 1 || option.number.is_some(), "{}", option.name);
            for spelling in option.words.iter().map(|word| word.name).chain([default.as_str()]) {
                let text = format!("{}:{}={spelling}", method.example, option.name);
                assert_eq!(recipe(&text).to_string() == method.example, spelling == default, "{text}");
            }
        }
    }
}
