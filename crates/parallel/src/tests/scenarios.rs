//! Named cases: one conflict each.
