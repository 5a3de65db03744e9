//! Porter's stemmer, with the extensions of NLTK.
//!
//! Five steps take endings off a word (Porter 1980, "An algorithm for suffix stripping"). A word is read as consonants
//! and vowels: a, e, i, o, u are vowels, and so is a y after a consonant. Its *measure* m is the number of times that a
//! consonant follows a vowel. NLTK (`stem/porter.py`, mode `NLTK_EXTENSIONS`, its default) adds irregular words, keeps
//! short words and short stems apart, and changes a few rules; those are marked below.

/// Words whose stem no rule gives.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// The stem of a word of lower-case ASCII letters and digits.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    if word.len() <= 2 {
        return word.to_owned();
    }
    let steps = [plural, past, final_y, double_suffix, suffix, last_suffix, final_e, final_l];
    steps.iter().fold(word.to_owned(), |word, step| step(word))
}

/// For each letter, whether it is a consonant.
fn consonants(word: &str) -> Vec<bool> {
    let mut consonants = Vec::with_capacity(word.len());
    for letter in word.bytes() {
        let consonant = match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => consonants.last() != Some(&true),
            _ => true,
        };
        consonants.push(consonant);
    }
    consonants
}

/// m, the number of consonants that follow a vowel.
fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| *pair == [false, true]).count()
}

/// Whether the word ends in two equal consonants.
fn ends_in_double_consonant(word: &str) -> bool {
    let letters = word.as_bytes();
    letters.len() >= 2 && letters.last() == letters.get(letters.len() - 2) && consonants(word).ends_with(&[true])
}

/// Whether the word ends consonant, vowel, consonant, the last not w, x or y; for NLTK also whether it is a vowel and a
/// consonant.
fn ends_short(word: &str) -> bool {
    let consonants = consonants(word);
    consonants == [false, true] || consonants.ends_with(&[true, false, true]) && !word.ends_with(['w', 'x', 'y'])
}

/// What an ending becomes if its stem fulfils a condition.
type Rule = (&'static str, &'static str, fn(&str) -> bool);

/// Applies the first rule whose ending the word has; where its condition fails, none.
fn first_rule(word: String, rules: &[Rule]) -> String {
    for (ending, replacement, condition) in rules {
        if let Some(stem) = word.strip_suffix(ending) {
            return if condition(stem) { format!("{stem}{replacement}") } else { word };
        }
    }
    word
}

fn always(_: &str) -> bool {
    true
}

fn positive(stem: &str) -> bool {
    measure(stem) > 0
}

fn above_one(stem: &str) -> bool {
    measure(stem) > 1
}

/// Step 1a: plurals. NLTK: `dies` to `die`.
fn plural(word: String) -> String {
    if word.len() == 4 && word.ends_with("ies") {
        return word[..3].to_owned();
    }
    first_rule(word, &[("sses", "ss", always), ("ies", "i", always), ("ss", "ss", always), ("s", "", always)])
}

/// Step 1b: past and progressive forms. NLTK: `died` to `die`, `spied` to `spi`.
fn past(word: String) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        return format!("{stem}{}", if word.len() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if positive(stem) { format!("{stem}ee") } else { word };
    }
    let has_vowel = |stem: &&str| consonants(stem).contains(&false);
    let Some(stem) = ["ed", "ing"].iter().find_map(|ending| word.strip_suffix(ending).filter(has_vowel)) else {
        return word;
    };
    if ["at", "bl", "iz"].iter().any(|ending| stem.ends_with(ending)) {
        return format!("{stem}e");
    }
    if ends_in_double_consonant(stem) {
        let kept = if stem.ends_with(['l', 's', 'z']) { stem } else { &stem[..stem.len() - 1] };
        return kept.to_owned();
    }
    if measure(stem) == 1 && ends_short(stem) { format!("{stem}e") } else { stem.to_owned() }
}

/// Step 1c: y to i. NLTK: after a consonant that is not the first letter, where Porter asks for a vowel before it.
fn final_y(word: String) -> String {
    first_rule(word, &[("y", "i", |stem| stem.len() > 1 && consonants(stem).ends_with(&[true]))])
}

/// Step 2: the longer of two suffixes. NLTK: `alli` is tried first and the step repeated, `bli` for `abli`, `fulli`,
/// and `logi`, whose l counts to the stem.
fn double_suffix(word: String) -> String {
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| positive(stem)) {
        return double_suffix(format!("{stem}al"));
    }
    if let Some(stem) = word.strip_suffix("ogi").filter(|stem| stem.ends_with('l')) {
        return if positive(stem) { format!("{stem}og") } else { word };
    }
    first_rule(
        word,
        &[
            ("ational", "ate", positive),
            ("tional", "tion", positive),
            ("enci", "ence", positive),
            ("anci", "ance", positive),
            ("izer", "ize", positive),
            ("bli", "ble", positive),
            ("alli", "al", positive),
            ("entli", "ent", positive),
            ("eli", "e", positive),
            ("ousli", "ous", positive),
            ("ization", "ize", positive),
            ("ation", "ate", positive),
            ("ator", "ate", positive),
            ("alism", "al", positive),
            ("iveness", "ive", positive),
            ("fulness", "ful", positive),
            ("ousness", "ous", positive),
            ("aliti", "al", positive),
            ("iviti", "ive", positive),
            ("biliti", "ble", positive),
            ("fulli", "ful", positive),
        ],
    )
}

/// Step 3: the suffix that remains.
fn suffix(word: String) -> String {
    first_rule(
        word,
        &[
            ("icate", "ic", positive),
            ("ative", "", positive),
            ("alize", "al", positive),
            ("iciti", "ic", positive),
            ("ical", "ic", positive),
            ("ful", "", positive),
            ("ness", "", positive),
        ],
    )
}

/// Step 4: the last suffix, off long stems.
fn last_suffix(word: String) -> String {
    first_rule(
        word,
        &[
            ("al", "", above_one),
            ("ance", "", above_one),
            ("ence", "", above_one),
            ("er", "", above_one),
            ("ic", "", above_one),
            ("able", "", above_one),
            ("ible", "", above_one),
            ("ant", "", above_one),
            ("ement", "", above_one),
            ("ment", "", above_one),
            ("ent", "", above_one),
            ("ion", "", |stem| above_one(stem) && stem.ends_with(['s', 't'])),
            ("ou", "", above_one),
            ("ism", "", above_one),
            ("ate", "", above_one),
            ("iti", "", above_one),
            ("ous", "", above_one),
            ("ive", "", above_one),
            ("ize", "", above_one),
        ],
    )
}

/// Step 5a: a last e.
fn final_e(word: String) -> String {
    let dropped = |stem: &str| above_one(stem) || measure(stem) == 1 && !ends_short(stem);
    first_rule(word, &[("e", "", dropped)])
}

/// Step 5b: a last double l.
fn final_l(word: String) -> String {
    // The measure is that of the word with one l.
    match word.strip_suffix('l') {
        Some(single) if single.ends_with('l') && above_one(single) => single.to_owned(),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures() {
        let cases =
            [("", 0), ("tree", 0), ("by", 0), ("trouble", 1), ("ivy", 1), ("troubles", 2), ("orrery", 2), ("y3a1", 1)];
        for (word, expected) in cases {
            assert_eq!(measure(word), expected, "{word}");
        }
        assert_eq!(consonants("syzygy"), [true, false, true, false, true, false]);
        assert_eq!(consonants("toyyy"), [true, false, true, false, true]);
    }

    #[test]
    fn every_step_takes_its_endings_off() {
        let cases = "
            caresses:caress ponies:poni dies:die cats:cat agreed:agre feed:feed plastered:plaster sing:sing
            conflated:conflat hopping:hop falling:fall filing:file died:die spied:spi happy:happi enjoy:enjoy
            sky:sky by:by relational:relat radically:radic possibly:possibl hopefully:hope geology:geolog logy:logi
            electrical:electr goodness:good adoption:adopt replacement:replac rate:rate cease:ceas
            controlling:control roll:roll owed:owe news:news 2nd:2nd";
        for case in cases.split_whitespace() {
            let (word, expected) = case.split_once(':').unwrap();
            assert_eq!(stem(word), expected, "{word}");
        }
    }
}
