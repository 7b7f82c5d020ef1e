//! Logs: subscriber, format, filter. No value from a record reaches them.
