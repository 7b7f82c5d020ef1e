//! Tests of the language, by topic.
