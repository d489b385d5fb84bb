//! Columns of text, as wide as they need to be.

/// Rows under a head; columns of digits alone stand right.
pub(super) fn render<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    if head.iter().any(|cell| !cell.is_empty()) {
        line(&mut text, &head, &widths);
        line(&mut text, &widths.map(|width| "-".repeat(width)).each_ref().map(String::as_str), &widths);
    }
    for row in rows {
        line(&mut text, &row.each_ref().map(String::as_str), &widths);
    }
    text
}

fn line<const N: usize>(text: &mut String, cells: &[&str; N], widths: &[usize; N]) {
    let mut padded = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let number = !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.'));
        let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
        padded.push_str(&if number { format!("{gap}{cell}  ") } else { format!("{cell}{gap}  ") });
    }
    text.push_str(padded.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let rows = [["a".to_owned(), "10".to_owned()], ["bcd".to_owned(), "1,000".to_owned()]];
        assert_eq!(render(["x", "n"], &rows), "x    n\n---  -----\na       10\nbcd  1,000\n");
    }
}
