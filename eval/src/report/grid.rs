//! Rows of cells, aligned.

/// Cells under a header of one or two lines.
pub struct Grid {
    /// Lines of the header.
    pub header: Vec<Vec<String>>,
    /// Rows, each as long as the header's.
    pub rows: Vec<Vec<String>>,
    /// Columns whose cells stand on the left; the others stand on the right, as numbers do.
    pub left: usize,
}

impl Grid {
    /// Plain text: columns two spaces apart, a rule below the header.
    pub fn text(&self) -> String {
        let columns = self.header.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let lines = self.header.iter().chain(&self.rows);
            lines.filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |cells: &Vec<String>| {
            let aligned = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                let space = " ".repeat(width.saturating_sub(cell.chars().count()));
                if column < self.left { format!("{cell}{space}") } else { format!("{space}{cell}") }
            });
            let joined = aligned.collect::<Vec<_>>().join("  ");
            format!("{}\n", joined.trim_end())
        };
        let mut text: String = self.header.iter().map(&line).collect();
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        text.push_str(&line(&rule));
        text.extend(self.rows.iter().map(&line));
        text
    }

    /// A table in Markdown; the lines of the header are joined by a space.
    pub fn markdown(&self) -> String {
        let columns = self.header.first().map_or(0, Vec::len);
        let line = |cells: &[String]| {
            let escaped: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", escaped.join(" | "))
        };
        let title = |column: usize| {
            let parts = self.header.iter().filter_map(|line| line.get(column)).filter(|cell| !cell.is_empty());
            parts.map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        let titles: Vec<String> = (0..columns).map(title).collect();
        let rule: Vec<String> =
            (0..columns).map(|column| if column < self.left { "---" } else { "---:" }.to_string()).collect();
        let rows = self.rows.iter().map(|row| line(row));
        [line(&titles), line(&rule)].into_iter().chain(rows).collect()
    }
}
