//! `plasma-bench compare`: reports of the same load side by side.

use std::path::PathBuf;

use clap::Args;
use eyre::Result;

use crate::report::Report;

/// Arguments of `plasma-bench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The report (JSON) that is looked at.
    report: PathBuf,
    /// The report (JSON) that it is compared with, where there is one.
    baseline: Option<PathBuf>,
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
    let mut report = Report::read(&args.report)?;
    let baseline = args.baseline.as_deref().map(Report::read).transpose()?;
    if args.json {
        if let Some(baseline) = &baseline {
            report.compare(baseline);
        }
        return report.print(true);
    }
    let baseline = baseline.as_ref().map(|report| (report, args.baseline_name.as_str()));
    print!("{}", report.markdown(&args.name, baseline));
    Ok(())
}
