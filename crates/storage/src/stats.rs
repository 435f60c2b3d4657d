//! How large the database is.

use serde::Serialize;

/// Sizes of both environments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DatabaseStats {
    /// The environments: `journal`, then `state`.
    pub environments: Vec<EnvironmentStats>,
    /// Highest sealed block in the journal.
    pub journal_head: u64,
    /// Block whose state is persisted.
    pub state_block: u64,
    /// Oldest block whose state can be read.
    pub oldest_state: u64,
    /// Blocks that wait in memory for the background writer.
    pub unpersisted_blocks: usize,
}

/// Size of one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentStats {
    /// `journal` or `state`.
    pub name: &'static str,
    /// Length of the data file in bytes.
    pub file_bytes: u64,
    /// Bytes in pages that no table uses at present and that later writes reuse.
    pub free_bytes: u64,
    /// Page size in bytes.
    pub page_bytes: u32,
    /// The tables, in the order of their definition.
    pub tables: Vec<TableStats>,
}

/// Size of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// Name of the table.
    pub name: &'static str,
    /// Records.
    pub entries: u64,
    /// Pages: branches, leaves and overflow pages of large values.
    pub pages: u64,
    /// `pages` in bytes.
    pub bytes: u64,
}
