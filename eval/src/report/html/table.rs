//! One table of the page.

use super::super::markup::escape;
use super::super::overview::Mark;

/// A table in its own box, which scrolls where the screen is narrow.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Above it.
    pub caption: String,
    /// At the heads of columns.
    pub header: Vec<String>,
    /// Columns of names, on the left.
    pub left: usize,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
    /// Rows above which a line begins a new model.
    pub begins: Vec<usize>,
    /// Below it.
    pub note: String,
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// How it differs from the baseline.
    pub mark: Mark,
    /// What the paper has there.
    pub paper: Option<String>,
    /// What a pointer on it shows.
    pub title: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

impl Table {
    /// The table; nothing where it has no rows.
    pub fn html(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let caption = escape(&self.caption);
        let head: String = (self.header.iter().enumerate())
            .map(|(column, text)| {
                let class = if column < self.left { " class=\"name\"" } else { "" };
                format!("<th scope=\"col\"{class}>{}</th>", escape(text))
            })
            .collect();
        let mut body = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            body.push_str(if self.begins.contains(&index) { "<tr class=\"first\">" } else { "<tr>" });
            for (column, cell) in row.iter().enumerate() {
                body.push_str(&self.cell(column, cell));
            }
            body.push_str("</tr>");
        }
        let note =
            if self.note.is_empty() { String::new() } else { format!("<p class=\"soft\">{}</p>", escape(&self.note)) };
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
             <caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}\n"
        )
    }

    fn cell(&self, column: usize, cell: &Cell) -> String {
        let text = escape(&cell.text);
        if column < self.left {
            return format!("<th scope=\"row\" class=\"name\">{text}</th>");
        }
        let class = match cell.mark {
            Mark::Worse => " class=\"worse\"",
            Mark::Better => " class=\"better\"",
            _ => "",
        };
        let title = if cell.title.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(&cell.title)) };
        let paper = cell.paper.as_ref().map(|paper| format!("<span class=\"paper\">{}</span>", escape(paper)));
        format!(
            "<td{class}{title}>{text}<span class=\"sign\">{}</span>{}</td>",
            cell.mark.sign(),
            paper.unwrap_or_default()
        )
    }
}
