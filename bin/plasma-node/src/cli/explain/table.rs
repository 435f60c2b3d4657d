//! Columns of text.

/// `rows` under `head`: words, whose head begins with `<`, to the left, and figures to the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let words: Vec<bool> = head.iter().map(|cell| cell.starts_with('<')).collect();
    let head: Vec<&str> = head.iter().map(|cell| cell.trim_start_matches('<')).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if words[column] { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut head.into_iter());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}
