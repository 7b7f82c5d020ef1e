//! Builds the house from the bottom up, hands down, runs, drains.
