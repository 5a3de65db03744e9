//! From the text of a recipe to the recipe.

use super::shorthand::{PRESETS, scheme_recipe};
use super::{Pattern, Recipe, RecipeError, Scheme, activations_word};
use crate::method::{self, Method};
use crate::suggestion::nearest;
use engine::kv_cache::KvPrecision;
use engine::linear::Activations;
use kernels::CodeBits;

/// A piece of the text between separators.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    /// Where it begins in the whole text, in bytes.
    start: usize,
    /// Whether it is spelled out for a shorthand at `start`, and so has no places of its own.
    spelled_out: bool,
}

/// A value `w<bits>[a<bits>][g<group>]` as written: what it leaves out is `None`.
struct Written {
    bits: CodeBits,
    activations: Option<Activations>,
    group: Option<Option<usize>>,
}

/// The whole text, to say where in it something is wrong.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

pub(super) fn one(text: &str) -> Result<Recipe, RecipeError> {
    let source = Source(text);
    let items = source.items();
    if let [_, second, ..] = items.as_slice() {
        return Err(source.error(second.start, "a list where one recipe is expected", "drop all but one"));
    }
    let item = items[0];
    match PRESETS.iter().find(|(name, _)| *name == item.text) {
        Some((name, recipes)) => {
            let what = format!("`{name}` stands for several recipes where one is expected");
            Err(source.error(item.start, what, format!("write one of {recipes}")))
        }
        None => source.recipe(item),
    }
}

pub(super) fn list(text: &str) -> Result<Vec<Recipe>, RecipeError> {
    let source = Source(text);
    let mut recipes: Vec<Recipe> = Vec::new();
    for item in source.items() {
        let read = match PRESETS.iter().find(|(name, _)| *name == item.text) {
            Some((_, recipes)) => list(recipes)?,
            None => vec![source.recipe(item)?],
        };
        for recipe in read {
            if recipes.contains(&recipe) {
                return Err(source.error(item.start, format!("`{recipe}` is there twice"), "drop one of them"));
            }
            recipes.push(recipe);
        }
    }
    Ok(recipes)
}

/// Names as a sentence has them: `a`, `b` and `c`.
fn names<'a>(items: impl IntoIterator<Item = &'a str>, conjunction: &str) -> String {
    let quoted: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    match quoted.as_slice() {
        [first @ .., second_last, last] => {
            let mut text: String = first.iter().map(|name| format!("{name}, ")).collect();
            text += &format!("{second_last} {conjunction} {last}");
            text
        }
        _ => quoted.concat(),
    }
}

fn existing() -> String {
    let existing = method::all().iter().map(|method| method.name);
    format!("methods that exist are {}", names(existing, "and"))
}

impl<'a> Source<'a> {
    fn error(self, at: usize, what: impl Into<String>, fix: impl Into<String>) -> RecipeError {
        let column = self.0.get(..at).map_or(0, |before| before.chars().count()) + 1;
        RecipeError { what: what.into(), text: self.0.into(), column, fix: fix.into() }
    }

    /// The error at `offset` bytes into `piece`.
    fn error_in(self, piece: Piece<'_>, offset: usize, what: impl Into<String>, fix: impl Into<String>) -> RecipeError {
        self.error(piece.start + if piece.spelled_out { 0 } else { offset }, what, fix)
    }

    /// What lies between commas, without spaces around it; at least one.
    fn items(self) -> Vec<Piece<'a>> {
        let mut start = 0;
        let mut items = Vec::new();
        for text in self.0.split(',') {
            let indent = text.len() - text.trim_start().len();
            items.push(Piece { text: text.trim(), start: start + indent, spelled_out: false });
            start += text.len() + 1;
        }
        items
    }

    fn recipe(self, item: Piece<'_>) -> Result<Recipe, RecipeError> {
        let mut start = item.start;
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for text in item.text.split(':') {
            pieces.push(Piece { text, start, spelled_out: false });
            start += text.len() + 1;
        }
        let spelled_out = scheme_recipe(pieces[0].text).unwrap_or_default();
        if !spelled_out.is_empty() {
            let start = pieces[0].start;
            pieces.splice(..1, spelled_out.split(':').map(|text| Piece { text, start, spelled_out: true }));
        }
        let method = self.method(pieces[0])?;
        if method.widths.is_empty() {
            return match pieces[1..] {
                [] => Ok(Recipe::of(method, None)),
                [piece] if piece.text.starts_with("kv=") => {
                    Ok(Recipe { kv: self.kv(piece)?, ..Recipe::of(method, None) })
                }
                [piece, ..] => {
                    let what = format!("`{method}` takes no bits and no options but `kv`");
                    let fix = format!("write `{method}`, `{method}:kv=8`, or a method: {}", existing());
                    Err(self.error(piece.start, what, fix))
                }
            };
        }
        let bits = pieces.get(1).filter(|piece| !piece.text.contains('='));
        let (scheme, options) = match (method.implied, bits) {
            (Some(scheme), None) => (scheme, 1),
            (Some(_), Some(piece)) => {
                let what = format!("`{method}` takes no bits: it has one width");
                return Err(self.error(piece.start, what, "drop them; options are written `option=value`"));
            }
            (None, Some(&piece)) => {
                let written = self.written(piece, 0, method)?;
                if written.group.is_none() && !method.ungrouped {
                    let what = format!("`{method}` needs the columns of a group");
                    let fix = format!("write for example `{}`", method.example);
                    return Err(self.error_in(piece, piece.text.len(), what, fix));
                }
                let activations = written.activations.unwrap_or(method.activations[0]);
                (Scheme { bits: written.bits, group: written.group.flatten(), activations }, 2)
            }
            (None, None) => {
                let what = format!("`{method}` needs the bits of a weight");
                let at = pieces[0].start + pieces[0].text.len();
                return Err(self.error(at, what, format!("write for example `{}`", method.example)));
            }
        };
        let mut recipe = Recipe::of(method, Some(scheme));
        let mut seen: Vec<&str> = Vec::new();
        for &piece in &pieces[options..] {
            let (name, value) = self.option(piece, method)?;
            if seen.contains(&name) {
                return Err(self.error(piece.start, format!("`{name}` is given twice"), "drop one of them"));
            }
            seen.push(name);
            self.apply(piece, name, value, &scheme, &mut recipe)?;
        }
        Ok(recipe)
    }

    fn method(self, piece: Piece<'_>) -> Result<&'static Method, RecipeError> {
        let name = piece.text;
        if let Some(method) = method::find(name) {
            return Ok(method);
        }
        let at = piece.start;
        if name.is_empty() {
            return Err(self.error(at, "a recipe is missing", "write for example `none,rtn:w4g128`"));
        }
        let what = format!("unknown method `{name}`");
        if name.starts_with('w') && self.written(piece, 0, method::RTN).is_ok() {
            return Err(self.error(at, what, format!("a recipe begins with its method: `rtn:{name}`")));
        }
        let known = method::all().iter().map(|method| method.name);
        let known = known.chain(PRESETS.iter().map(|(name, _)| *name));
        Err(self.error(
            at,
            what,
            match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`? {}", existing()),
                None => existing(),
            },
        ))
    }

    /// `w<bits>[a<bits>][g<group>]`, `offset` bytes into `piece` and up to its end.
    fn written(self, piece: Piece<'_>, offset: usize, method: &Method) -> Result<Written, RecipeError> {
        let text = &piece.text[offset..];
        let error = |at: usize, what: String, fix: String| self.error_in(piece, offset + at, what, fix);
        let digits = |from: usize| {
            let rest = text.get(from..).unwrap_or_default();
            &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]
        };
        if !text.starts_with('w') {
            let (what, fix) =
                (format!("expected bits, found `{text}`"), format!("write for example `{}`", method.example));
            return Err(error(0, what, fix));
        }
        let number = digits(1);
        let width = method.widths.iter().find(|width| width.bits().to_string() == number);
        let Some(&bits) = width else {
            let widths: Vec<String> = method.widths.iter().map(|width| width.bits().to_string()).collect();
            let what = match number {
                "" => "expected bits behind `w`".to_string(),
                _ => format!("`{method}` has no codes of {number} bits"),
            };
            return Err(error(1, what, format!("bits must be one of {}", widths.join(", "))));
        };
        let mut written = Written { bits, activations: None, group: None };
        let mut at = 1 + number.len();
        if text[at..].starts_with('a') {
            let number = digits(at + 1);
            written.activations = Some(match number {
                "8" => Activations::A8,
                "16" => Activations::A16,
                "32" => Activations::A32,
                _ => {
                    let fix = "write `a8`, `a16` (the default) or `a32`";
                    return Err(error(at + 1, format!("no activations of `{number}` bits"), fix.into()));
                }
            });
            if written.activations.is_some_and(|found| !method.activations.contains(&found)) {
                let words: Vec<&str> = method.activations.iter().map(|known| activations_word(*known)).collect();
                let what = format!("`{method}` has no activations of {number} bits");
                return Err(error(at + 1, what, format!("write {} or nothing", words.join(", "))));
            }
            at += 1 + number.len();
        }
        if text[at..].starts_with('g') {
            let number = if text[at + 1..].starts_with("none") { "none" } else { digits(at + 1) };
            let group = method.groups.iter().find(|group| group.to_string() == number);
            if group.is_none() && (number != "none" || !method.ungrouped) {
                let groups: Vec<String> = method.groups.iter().map(usize::to_string).collect();
                let fix = match (groups.as_slice(), method.ungrouped) {
                    ([], _) => format!("`{method}` has one scale a row"),
                    (_, true) => {
                        format!("a group must be one of {}; without one a row has one scale", groups.join(", "))
                    }
                    (_, false) => format!("a group must be one of {}", groups.join(", ")),
                };
                return Err(error(at + 1, format!("no groups of `{number}` columns"), fix));
            }
            written.group = Some(group.copied());
            at += 1 + number.len();
        }
        match text[at..].chars().next() {
            None => Ok(written),
            Some(found) => {
                let fix = "bits are written `w4`, `w4a8`, `w4g32` or `w4a8g32`; options follow behind `:`";
                Err(error(at, format!("unexpected `{}` behind `{}`", found.escape_debug(), &text[..at]), fix.into()))
            }
        }
    }

    /// Name and value of an option, whatever it is.
    fn option<'p>(self, piece: Piece<'p>, method: &Method) -> Result<(&'p str, &'p str), RecipeError> {
        piece.text.split_once('=').ok_or_else(|| {
            let what = format!("expected `option=value`, found `{}`", piece.text.escape_debug());
            let fix = format!("bits, activations and group go together, as in `{}`", method.example);
            self.error(piece.start, what, fix)
        })
    }

    fn apply(
        self,
        piece: Piece<'_>,
        name: &str,
        value: &str,
        base: &Scheme,
        recipe: &mut Recipe,
    ) -> Result<(), RecipeError> {
        let method = recipe.method;
        if let Some((option, chosen)) = recipe.choices.0.iter_mut().find(|(option, _)| option.name == name) {
            let Some(read) = option.read(value) else {
                let mut known: Vec<String> = option.number.iter().map(ToString::to_string).collect();
                known.extend(option.words.iter().map(|word| format!("`{}`", word.name)));
                let near = nearest(value, option.words.iter().map(|word| word.name)).filter(|_| known.len() > 2);
                let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                let what = format!("`{name}` cannot be `{}`", value.escape_debug());
                return Err(self.error_in(piece, name.len() + 1, what, format!("{hint}write {}", known.join(" or "))));
            };
            *chosen = read;
            return Ok(());
        }
        match name {
            "embeddings" => {
                let part = self.part(piece, name, base, method)?;
                if part.is_some_and(|part| part.activations != base.activations) {
                    let what = "embeddings are looked up, not multiplied with activations";
                    return Err(self.error_in(piece, name.len() + 1, what, "drop `a` and its bits"));
                }
                recipe.embeddings = part;
            }
            "head" => recipe.head = self.part(piece, name, base, method)?,
            "kv" => recipe.kv = self.kv(piece)?,
            _ if name.contains(['*', '.']) => {
                let pattern = Pattern::new(name).map_err(|(at, found)| {
                    let what = format!("`{}` in a tensor pattern", found.escape_debug());
                    let fix = "patterns have letters, digits, `_`, `.`, and `*` for any part of a name";
                    self.error_in(piece, at, what, fix)
                })?;
                recipe.patterns.push((pattern, self.part(piece, name, base, method)?));
            }
            _ => return Err(self.unknown_option(piece, name, method)),
        }
        Ok(())
    }

    /// How keys and values are held: the number behind `kv=`.
    fn kv(self, piece: Piece<'_>) -> Result<KvPrecision, RecipeError> {
        match &piece.text["kv=".len()..] {
            "8" => Ok(KvPrecision::Eight),
            "4" => Ok(KvPrecision::Four),
            value => {
                let what = format!("keys and values of `{}` bits", value.escape_debug());
                Err(self.error_in(piece, "kv=".len(), what, "write `kv=8` or `kv=4`; without it they are f32"))
            }
        }
    }

    /// The scheme of a part of the model, `w<bits>[a<bits>][g<group>]` or `none`, behind `name=`.
    fn part(self, piece: Piece<'_>, name: &str, base: &Scheme, method: &Method) -> Result<Option<Scheme>, RecipeError> {
        let offset = name.len() + 1;
        if &piece.text[offset..] == "none" {
            return Ok(None);
        }
        let written = self.written(piece, offset, method)?;
        Ok(Some(Scheme {
            bits: written.bits,
            group: written.group.unwrap_or(base.group),
            activations: written.activations.unwrap_or(base.activations),
        }))
    }

    fn unknown_option(self, piece: Piece<'_>, name: &str, method: &Method) -> RecipeError {
        let known: Vec<&str> =
            method.options.iter().map(|option| option.name).chain(["embeddings", "head", "kv"]).collect();
        let hint =
            nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let fix = format!("{hint}`{method}` has {}; a tensor pattern has a `*` or `.`", names(known, "and"));
        self.error(piece.start, format!("unknown option `{}`", name.escape_debug()), fix)
    }
}
