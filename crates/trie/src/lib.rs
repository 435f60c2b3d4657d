//! Plasma trie.
