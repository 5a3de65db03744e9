//! Lists as Python writes them: `['YES', "NO"]`.

use std::iter::Peekable;
use std::str::Chars;

/// The strings of a list that Python's `ast.literal_eval` reads as a list of strings; `None` for anything else.
///
/// Strings have single or double quotes and the escapes of Python; a comma may follow the last one.
pub fn strings(text: &str) -> Option<Vec<String>> {
    let mut characters = text.trim_matches([' ', '\t']).chars().peekable();
    (characters.next()? == '[').then_some(())?;
    let mut found = Vec::new();
    loop {
        skip_space(&mut characters);
        if *characters.peek()? == ']' {
            break;
        }
        let mut element = string(&mut characters)?;
        skip_space(&mut characters);
        // Strings side by side are one.
        while matches!(characters.peek()?, '\'' | '"') {
            element.push_str(&string(&mut characters)?);
            skip_space(&mut characters);
        }
        found.push(element);
        match characters.peek()? {
            ',' => characters.next(),
            ']' => break,
            _ => return None,
        };
    }
    characters.next();
    skip_space(&mut characters);
    characters.next().is_none().then_some(found)
}

fn skip_space(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|character| matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{c}')).is_some() {}
}

fn string(characters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let quote = characters.next().filter(|character| matches!(character, '\'' | '"'))?;
    let mut text = String::new();
    loop {
        match characters.next()? {
            character if character == quote => return Some(text),
            '\n' => return None,
            '\\' => escape(characters, &mut text)?,
            character => text.push(character),
        }
    }
}

/// What follows a backslash.
fn escape(characters: &mut Peekable<Chars<'_>>, text: &mut String) -> Option<()> {
    let character = characters.next()?;
    let digits = match character {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + characters.next()?.to_digit(16)?;
        }
        text.push(char::from_u32(code)?);
        return Some(());
    }
    match character {
        '\n' => {}
        '\\' | '\'' | '"' => text.push(character),
        'a' => text.push('\u{7}'),
        'b' => text.push('\u{8}'),
        'f' => text.push('\u{c}'),
        'n' => text.push('\n'),
        'r' => text.push('\r'),
        't' => text.push('\t'),
        'v' => text.push('\u{b}'),
        // Octal digits and names of characters are nowhere in use.
        '0'..='7' | 'N' => return None,
        other => text.extend(['\\', other]),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("['YES', 'NO']", &["YES", "NO"][..]),
            ("[ \"a'b\" ,'c\"d',]", &["a'b", "c\"d"]),
            (r"['it\'s', '\u4e2d\x41\n', '\q']", &["it's", "中A\n", "\\q"]),
            ("[]", &[]),
            (" ['' 'a'\"b\"]\t", &["ab"]),
        ] {
            assert_eq!(strings(text).as_deref(), Some(&expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..]), "{text}");
        }
        for text in ["", "[", "['a'", "['a' 'b", "[YES]", "['a'] x", "[1]", "['a]", "['a',,]", "[,]", "('a')", "['a\nb']"] {
            assert_eq!(strings(text), None, "{text}");
        }
    }
}
