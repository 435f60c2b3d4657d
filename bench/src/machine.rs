//! What a measurement ran on, and what a process costs, as Linux tells.

use std::fs;

use eyre::{Result, eyre};

/// Clock ticks per second in `/proc/PID/stat`; the same on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// One line about this machine.
pub(crate) fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map_or(0.0, |kib: f64| kib / f64::from(1 << 20));
    format!("{} × {model}, {gib:.0} GiB, {}", cores(), std::env::consts::OS)
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu_s: f64,
    pub(crate) rss_mib: f64,
    pub(crate) peak_rss_mib: f64,
    /// What only this process can hold: without mapped files, whose pages the kernel may take back.
    pub(crate) private_mib: f64,
}

/// The use of a process; `None` where it is gone or this is not Linux.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mib = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    };
    Some(Usage {
        cpu_s: (user + system) / TICKS_PER_SECOND,
        rss_mib: mib("VmRSS:")?,
        peak_rss_mib: mib("VmHWM:")?,
        private_mib: mib("RssAnon:")?,
    })
}

/// Memory that this process has in use, in MiB.
pub(crate) fn resident_mib() -> Result<f64> {
    let usage = usage(std::process::id());
    Ok(usage.ok_or_else(|| eyre!("this system does not tell a process's memory"))?.rss_mib)
}

/// The use of this process.
pub(crate) fn own_cpu_s() -> f64 {
    usage(std::process::id()).map_or(0.0, |usage| usage.cpu_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_use_is_known() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.rss_mib > 0.0 && usage.peak_rss_mib >= usage.rss_mib, "{usage:?}");
        assert!(super::usage(u32::MAX).is_none());
    }
}
