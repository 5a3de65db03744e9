//! FollowBench's judge: what it is asked, and how its answer is read.
//!
//! The judge sees how an instruction grew, one constraint a level, and the reply to its last form. It names the
//! constraints, discusses each, and ends with a line that is a list of YES and NO.

use super::Language::{self, Chinese, English};
use super::literal;
use crate::python;

/// The question about `reply`. `history`: the instruction at level 0, 1, ..., up to the one that was replied to.
pub fn question(language: Language, constraint: &str, history: &[&str], reply: &str) -> String {
    let level = history.len().saturating_sub(1);
    let mut text = introduction(language, constraint, level);
    for (number, instruction) in history.iter().enumerate() {
        text.push_str(&format!("\n\n#{}#\n{instruction}", stage(language, number)));
    }
    let last = stage(language, level);
    match language {
        English => text.push_str(&format!("\n\n#Answer of {last}#\n{reply}\n\n#System#\n")),
        Chinese => text.push_str(&format!("\n\n#{last}的答案#\n{reply}\n\n#系统#\n")),
    }
    text.push_str(&task(language, level, &last));
    text
}

/// What the instruction is called after `number` additions.
fn stage(language: Language, number: usize) -> String {
    match (language, number) {
        (English, 0) => "Initial Instruction".into(),
        (English, 1) => "Initial Instruction + 1 constraint".into(),
        (English, _) => format!("Initial Instruction + {number} constraints"),
        (Chinese, 0) => "初始指令".into(),
        (Chinese, _) => format!("初始指令 + {number}个约束"),
    }
}

fn introduction(language: Language, constraint: &str, level: usize) -> String {
    match language {
        English => {
            let one = match constraint {
                "mixed" => "one constraint".to_string(),
                "situation" => {
                    "one situation constraint (information to describe a specific situation/background)".to_string()
                }
                other => format!("one {other} constraint"),
            };
            let (pace, count) = match level {
                1 => ("", "1 additional constraint".to_string()),
                _ => (" per time", format!("{level} additional constraints")),
            };
            format!("Given an initial instruction, we add {one}{pace} and obtain the final instruction with {count}.")
        }
        Chinese => {
            let one = match constraint {
                "content" => "一个内容约束",
                "situation" => "一个情景约束（描述特定情况/背景的信息）",
                "style" => "一个风格约束",
                "format" => "一个格式约束",
                _ => "一个约束",
            };
            let pace = if level == 1 { "" } else { "每次" };
            format!("给定一个初始指令，我们{pace}添加{one}，获得了有{level}个附加约束的最终指令。")
        }
    }
}

/// What to do, in three steps. The spelling of level 1 is the authors'.
fn task(language: Language, level: usize, last: &str) -> String {
    match (language, level) {
        (English, 1) => format!(
            "1) Please identify the 1 added constraint.\n2) Please descriminate if the #Answer of {last}# satisfies the \
             1 added constraint.\n3) In the final line, only output a Python LIST with 1 element ('YES' or 'NO') \
             indicating whether the answer satisfies the 1 added constraint."
        ),
        (English, _) => format!(
            "1) Please identify all {level} added constraints.\n2) For the {level} added constraints, discriminate if \
             the #Answer of {last}# satisfies each constraint.\n3) In the final line, only output a Python LIST with \
             {level} elements ('YES' or 'NO') indicating whether the answer satisfies each constraint."
        ),
        (Chinese, 1) => format!(
            "1) 请识别出添加的1个约束。\n2) 请判断#{last}的答案#是否满足了添加的1个约束。\n3) 在最后一行，只输出一个包含1个元素\
             （“YES”或“NO”）的Python列表，表明答案是否满足添加的一个约束。"
        ),
        (Chinese, _) => format!(
            "1) 请识别出添加的{level}个约束。\n2) 对于添加的{level}个约束, 请判断#{last}的答案#是否满足了每个约束。\n3) 在最后一行，\
             只输出一个包含{level}个元素（“YES”或“NO”）的Python列表，表明答案是否满足添加的每一个约束。"
        ),
    }
}

/// Number of constraints that the judge finds satisfied, out of `level`; `None` if its answer cannot be read.
///
/// The last line decides, once white space and back-ticks are off the ends of the answer. At level 1 it holds YES, or else
/// NO; above, a list, from the first to the last bracket, with an element a constraint. PARTIAL, MAYBE and UNKNOWN are
/// NO, and so is N/A in English, PARTIALLY in Chinese. A Chinese list may be longer than it should, with curly quotes or
/// without any. An expression that Python would first have to compute is not read.
pub fn read(language: Language, answer: &str, level: usize) -> Option<usize> {
    let straight;
    let answer = match language {
        English => python::strip(answer.trim_matches('`')),
        Chinese => {
            straight = answer.replace(['“', '”'], "\"");
            straight.trim_matches('`').trim_matches(' ').trim_matches('\n')
        }
    };
    let line = answer.rsplit('\n').next().unwrap_or_default();
    if level == 1 {
        return match (line.contains("YES"), line.contains("NO")) {
            (true, _) => Some(1),
            (false, true) => Some(0),
            (false, false) => None,
        };
    }
    let list = line.get(line.find('[')?..=line.rfind(']')?)?;
    let verdicts = match language {
        Chinese if !list.contains(['"', '\'']) => {
            literal::strings(&list.replace("YES", "'YES'").replace("NO", "'NO'"))?
        }
        _ => literal::strings(list)?,
    };
    let suits = match language {
        English => verdicts.len() == level,
        Chinese => verdicts.len() >= level,
    };
    if !suits {
        return None;
    }
    let mut satisfied = 0;
    for verdict in &verdicts[..level] {
        match (verdict.as_str(), language) {
            ("YES", _) => satisfied += 1,
            ("NO" | "PARTIAL" | "MAYBE" | "UNKNOWN", _) | ("N/A", English) | ("PARTIALLY", Chinese) => {}
            _ => return None,
        }
    }
    Some(satisfied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_tells_how_the_instruction_grew() {
        let expected = "Given an initial instruction, we add one style constraint and obtain the final instruction with 1 \
                        additional constraint.\n\n#Initial Instruction#\nSing.\n\n#Initial Instruction + 1 constraint#\n\
                        Sing softly.\n\n#Answer of Initial Instruction + 1 constraint#\nla\n\n#System#\n1) Please identify \
                        the 1 added constraint.\n2) Please descriminate if the #Answer of Initial Instruction + 1 \
                        constraint# satisfies the 1 added constraint.\n3) In the final line, only output a Python LIST with \
                        1 element ('YES' or 'NO') indicating whether the answer satisfies the 1 added constraint.";
        assert_eq!(question(English, "style", &["Sing.", "Sing softly."], "la"), expected);
        let three = question(English, "mixed", &["a", "b", "c", "d"], "e\n");
        assert!(three.starts_with("Given an initial instruction, we add one constraint per time and obtain the final"));
        assert!(three.contains("\n\n#Initial Instruction + 3 constraints#\nd\n\n#Answer of Initial Instruction + 3 "));
        let chinese = question(Chinese, "content", &["甲", "乙", "丙"], "丁");
        assert!(chinese.starts_with("给定一个初始指令，我们每次添加一个内容约束，获得了有2个附加约束的最终指令。\n\n#初始指令#\n甲"));
        assert!(chinese.contains("\n\n#初始指令 + 2个约束的答案#\n丁\n\n#系统#\n1) 请识别出添加的2个约束。"));
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        for (answer, level, expected) in [
            ("The tone is kept.\n['YES']", 1, Some(1)),
            ("YES it is\n['NO']", 1, Some(0)),
            ("NOT sure", 1, Some(0)),
            ("maybe", 1, None),
            ("", 1, None),
            ("text\n['YES', 'NO', \"YES\"]\n\n", 3, Some(2)),
            ("```python\n['YES', 'PARTIAL']\n```", 2, Some(1)),
            ("3) ['N/A', 'YES'].", 2, Some(1)),
            ("['YES', 'YES']", 3, None),
            ("['YES', 'YES', 'NO']", 2, None),
            ("['YES', 'PERHAPS']", 2, None),
            ("[YES, NO]", 2, None),
            ("YES, NO", 2, None),
            ("] ['YES' [", 2, None),
            ("['YES', 'YES'] [1]", 2, None),
            ("['YES', 'YES']\nThat is all.", 2, None),
        ] {
            assert_eq!(read(English, answer, level), expected, "{answer}");
        }
    }

    #[test]
    fn chinese_answers_are_read_more_freely() {
        for (answer, level, expected) in [
            ("[“YES”, “NO”]", 2, Some(1)),
            ("[YES, NO, YES]", 2, Some(1)),
            ("['YES', 'PARTIALLY']", 2, Some(1)),
            ("['YES', 'N/A']", 2, None),
            ("[\"YES\"]", 2, None),
            ("理由\n[YES, YES]\n", 2, Some(2)),
            ("是", 1, None),
        ] {
            assert_eq!(read(Chinese, answer, level), expected, "{answer}");
        }
    }
}
