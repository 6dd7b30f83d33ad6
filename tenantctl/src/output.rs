//! What goes to standard output: tables for people, JSON and YAML for programs.

use std::io::Write;

use serde::Serialize;

use crate::Error;
use crate::cli::Format;

/// Writes text. Errors: [`Error::Output`].
pub(crate) fn text(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a line. Errors: [`Error::Output`].
pub(crate) fn line(line: &str) -> Result<(), Error> {
    text(&format!("{line}\n"))
}

/// Writes a value for programs. Errors: [`Error::Output`].
pub(crate) fn value(format: Format, value: &impl Serialize) -> Result<(), Error> {
    match format {
        Format::Json => line(&serde_json::to_string_pretty(value).map_err(std::io::Error::other)?),
        Format::Yaml => text(&yaml(value)?),
    }
}

/// YAML of a value, in the order of JSON. Errors: [`Error::Output`].
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Error> {
    // By way of a JSON value, so that both formats show the same and keys are sorted.
    let value = serde_json::to_value(value).map_err(std::io::Error::other)?;
    let text = serde_saphyr::to_string(&value).map_err(std::io::Error::other)?;
    Ok(if text.ends_with('\n') { text } else { format!("{text}\n") })
}

/// A table as kubectl prints it: no lines, three spaces between columns.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_look_like_kubectl() {
        let rows = vec![vec!["acme".to_owned(), "Ready".to_owned()], vec!["b".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "PHASE"], &rows), "NAME   PHASE\nacme   Ready\nb\n");
    }

    #[test]
    fn yaml_reads_back() {
        let value = serde_json::json!({
            "a": ["yes", "no", "1.10", "0x10", "1e3", "null", "~", "", " x ", "a: b", "# c", "12:30", "line\nbreak\n"],
            "b": {"deep": {"list": [1, 2.5, true, null, {}]}}, "c": "- x", "2026-01-01": "2026-01-01T00:00:00Z",
        });
        let back: serde_json::Value = serde_saphyr::from_str(&yaml(&value).unwrap()).unwrap();
        assert_eq!(back, value);
    }
}
