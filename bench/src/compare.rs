//! `plasma-bench compare`: reports of loads as a table, beside those of another node.

use std::path::{Path, PathBuf};

use clap::Args;
use eyre::{Result, eyre};

use crate::report::Report;

/// Arguments of `plasma-bench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The reports (JSON) that are looked at; their rows are put together.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// A report (JSON) to compare with, by the names of the rows; may be given several times.
    #[arg(long)]
    baseline: Vec<PathBuf>,
    /// Name of the node of the reports.
    #[arg(long, default_value = "plasma")]
    name: String,
    /// Name of the node of the baselines.
    #[arg(long, default_value = "baseline")]
    baseline_name: String,
    /// Print one line per row, for rows that have the same figures.
    #[arg(long, conflicts_with = "json")]
    wide: bool,
    /// Print the reports with their ratios as JSON instead of a Markdown table.
    #[arg(long)]
    json: bool,
}

/// Prints the comparison.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    let mut report = read_all(&args.reports)?.ok_or_else(|| eyre!("no reports are given"))?;
    let baseline = read_all(&args.baseline)?;
    if args.json {
        if let Some(baseline) = &baseline {
            report.compare(baseline);
        }
        return report.print(true);
    }
    if args.wide {
        print!("{}", report.wide_table());
        return Ok(());
    }
    let baseline = baseline.as_ref().map(|report| (report, args.baseline_name.as_str()));
    print!("{}", report.markdown(&args.name, baseline));
    Ok(())
}

/// Reads reports and puts their rows together; `None` for none.
fn read_all(paths: &[impl AsRef<Path>]) -> Result<Option<Report>> {
    let mut all: Option<Report> = None;
    for path in paths {
        let report = Report::read(path.as_ref())?;
        match &mut all {
            Some(all) => all.rows.extend(report.rows),
            None => all = Some(report),
        }
    }
    Ok(all)
}
