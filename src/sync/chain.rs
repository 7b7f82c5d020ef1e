//! What a new version of a record does to the jobs of its chain: pure decisions.
