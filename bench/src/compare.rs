//! `plasma-bench compare`: two reports of the same load side by side.

use std::path::PathBuf;

use clap::Args;
use eyre::Result;

use crate::report::Report;

/// Arguments of `plasma-bench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The report (JSON) that is looked at.
    report: PathBuf,
    /// The report (JSON) that it is compared with.
    baseline: PathBuf,
    /// Name of the first one.
    #[arg(long, default_value = "plasma")]
    name: String,
    /// Name of the second one.
    #[arg(long, default_value = "baseline")]
    baseline_name: String,
    /// Print the first report with its ratios as JSON instead of a Markdown table.
    #[arg(long)]
    json: bool,
}

/// Prints the comparison.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    let (mut report, baseline) = (Report::read(&args.report)?, Report::read(&args.baseline)?);
    if args.json {
        report.compare(&baseline);
        return report.print(true);
    }
    print!("{}", report.side_by_side(&args.name, &baseline, &args.baseline_name));
    Ok(())
}
