//! What every command prints: rows of named figures, for people or as JSON.

use std::fmt::Write as _;

use eyre::{Context as _, Result};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{Value, json};

/// Which way a figure is better; its name's unit tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
}

/// The direction of a figure, or `None` where it only describes.
fn better(figure: &str) -> Option<Better> {
    if figure.ends_with("_per_s") || figure == "performs_per_block" {
        Some(Better::Higher)
    } else if ["_ms", "_mib", "_cpu_s", "_us"].iter().any(|unit| figure.ends_with(unit)) {
        // The generator's own cost says nothing about the node.
        (!figure.starts_with("generator_")).then_some(Better::Lower)
    } else {
        None
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Threads that the measured side had.
    pub(crate) threads: usize,
    /// Figures in the order of their importance; units stand in the names.
    pub(crate) figures: Vec<(String, Value)>,
    /// Above 1: better than what it is compared with.
    pub(crate) ratio: Option<f64>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, threads: usize) -> Self {
        Self { name: name.into(), threads, figures: Vec::new(), ratio: None }
    }

    /// Adds a figure; a fraction is rounded to what can be read.
    pub(crate) fn figure(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.figures.push((name.to_owned(), rounded(value.into())));
        self
    }

    fn number(&self, figure: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| name == figure)?.1.as_f64()
    }
}

/// Keeps three decimals of small numbers and none of large ones.
fn rounded(value: Value) -> Value {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.abs() >= 1000.0 => json!(number.round()),
        Some(number) if value.is_f64() => json!((number * 1000.0).round() / 1000.0),
        _ => value,
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("threads", &self.threads)?;
        for (name, value) in &self.figures {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("ratio", &self.ratio.map(|ratio| rounded(json!(ratio))))?;
        map.end()
    }
}

/// Everything that one command measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Reads what a command printed with `--json`.
    pub(crate) fn read(path: &std::path::Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))
    }

    /// Gives each row its ratio to the row of that name in `baseline`, by the first figure that has
    /// a direction. A row without such a peer keeps the ratio that it has.
    pub(crate) fn compare(&mut self, baseline: &Self) {
        for row in &mut self.rows {
            let Some(peer) = baseline.rows.iter().find(|peer| peer.name == row.name) else {
                continue;
            };
            let headline = row.figures.iter().find(|(name, _)| better(name).is_some());
            row.ratio = headline.and_then(|(name, _)| ratio(name, row, peer));
        }
    }

    /// A Markdown table of these figures, beside those of another report where there is one.
    pub(crate) fn markdown(&self, name: &str, other: Option<(&Self, &str)>) -> String {
        let mut table = match other {
            Some((_, other_name)) => {
                format!("| row | figure | {name} | {other_name} | ratio |\n|---|---|--:|--:|--:|\n")
            }
            None => format!("| row | figure | {name} |\n|---|---|--:|\n"),
        };
        for row in &self.rows {
            let peer =
                other.and_then(|(other, _)| other.rows.iter().find(|peer| peer.name == row.name));
            for (figure, value) in &row.figures {
                let _ = write!(table, "| {} | {figure} | {} |", row.name, text(value));
                if other.is_some() {
                    let theirs = peer
                        .and_then(|peer| peer.figures.iter().find(|(name, _)| name == figure))
                        .map_or("–".to_owned(), |(_, value)| text(value));
                    let ratio = peer
                        .and_then(|peer| ratio(figure, row, peer))
                        .map_or(String::new(), |ratio| format!("**{ratio:.2}**"));
                    let _ = write!(table, " {theirs} | {ratio} |");
                }
                table.push('\n');
            }
        }
        table
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{}\n", self.machine);
        for row in &self.rows {
            let _ = write!(table, "\n{} ({} threads)", row.name, row.threads);
            if let Some(ratio) = row.ratio {
                let _ = write!(table, ": ratio {ratio:.2}");
            }
            table.push('\n');
            for (name, value) in &row.figures {
                let _ = writeln!(table, "  {name:<32} {:>14}", text(value));
            }
        }
        table
    }

    /// A Markdown table with one line per row, for rows that have mostly the same figures.
    pub(crate) fn wide_table(&self) -> String {
        let mut columns: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.figures) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        let mut table = "| row | threads |".to_owned();
        for column in &columns {
            let _ = write!(table, " {column} |");
        }
        table.push_str(" ratio |\n|---|--:|");
        table.push_str(&"--:|".repeat(columns.len() + 1));
        table.push('\n');
        for row in &self.rows {
            let _ = write!(table, "| {} | {} |", row.name, row.threads);
            for column in &columns {
                let found = row.figures.iter().find(|(name, _)| name == column);
                let _ =
                    write!(table, " {} |", found.map_or("–".to_owned(), |(_, value)| text(value)));
            }
            let ratio = row.ratio.map_or("–".to_owned(), |ratio| format!("**{ratio:.2}**"));
            let _ = writeln!(table, " {ratio} |");
        }
        table
    }

    /// Prints the report.
    pub(crate) fn print(&self, as_json: bool) -> Result<()> {
        if as_json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            print!("{}", self.table());
        }
        Ok(())
    }
}

/// Keeps the order of the figures, which a map would lose.
impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Row;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a row with its name, its threads and its figures")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let (mut name, mut threads, mut row) = (None, None, Row::new("", 0));
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "name" => name = Some(map.next_value()?),
                        "threads" => threads = Some(map.next_value()?),
                        "ratio" => row.ratio = map.next_value()?,
                        _ => row.figures.push((key, map.next_value()?)),
                    }
                }
                row.name = name.ok_or_else(|| A::Error::missing_field("name"))?;
                row.threads = threads.ok_or_else(|| A::Error::missing_field("threads"))?;
                Ok(row)
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// How much better `row` is than `other` in a figure; above 1 is better.
fn ratio(figure: &str, row: &Row, other: &Row) -> Option<f64> {
    let (ours, theirs) = (row.number(figure)?, other.number(figure)?);
    let ratio = match better(figure)? {
        Better::Higher => ours / theirs,
        Better::Lower => theirs / ours,
    };
    ratio.is_finite().then_some(ratio)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            if number.abs() >= 1000.0 { format!("{number:.0}") } else { format!("{number:.2}") }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(per_second: f64, latency: f64) -> Report {
        let rows = vec![
            Row::new("burst", 2)
                .figure("blocks", 3)
                .figure("mined_per_s", per_second)
                .figure("generator_cpu_s", 1.5),
            Row::new("latency", 2).figure("receipt_p50_ms", latency),
        ];
        Report { machine: "test".to_owned(), rows }
    }

    #[test]
    fn ratios_are_above_one_where_better() {
        let mut ours = report(3000.0, 2.0);
        ours.compare(&report(1000.0, 10.0));
        assert_eq!(ours.rows[0].ratio, Some(3.0));
        assert_eq!(ours.rows[1].ratio, Some(5.0));
        ours.compare(&Report { machine: String::new(), rows: Vec::new() });
        assert_eq!(ours.rows[1].ratio, Some(5.0));
        let table = ours.markdown("a", Some((&report(1000.0, 10.0), "b")));
        assert!(table.contains("| burst | mined_per_s | 3000 | 1000 | **3.00** |"), "{table}");
        assert!(table.contains("| burst | generator_cpu_s | 1.50 | 1.50 |  |"), "{table}");
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut ours = report(3000.0, 2.0);
        ours.compare(&report(1000.0, 10.0));
        let text = serde_json::to_string(&ours).unwrap();
        assert!(text.contains("\"mined_per_s\":3000.0"), "{text}");
        let row = &serde_json::from_str::<Report>(&text).unwrap().rows[0];
        assert_eq!((row.name.as_str(), row.threads, row.ratio), ("burst", 2, Some(3.0)));
        assert_eq!(row.figures, ours.rows[0].figures);
        assert!(serde_json::from_str::<Row>("{\"name\":\"a\"}").is_err());
    }
}
