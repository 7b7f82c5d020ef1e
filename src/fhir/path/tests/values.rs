//! Dates and times with their precision, quantities with their units, boundaries.

use super::super::ErrorKind;
use super::{kind_of, table};

#[test]
fn dates_move_by_the_calendar() {
    table(&[
        ("@2012-01-31 + 1 month", "date 2012-02-29"),
        ("@2012-02-29 + 1 year", "date 2013-02-28"),
        ("@2012-01-31 - 2 months", "date 2011-11-30"),
        ("@2012 + 18 months", "date 2013"),
        ("@2012-01 + 40 days", "date 2012-02"),
        ("@2012-01-01 + 25 hours", "date 2012-01-02"),
        ("@2012-01-01 - 1 week", "date 2011-12-25"),
        (
            "@2012-12-31T23:59:59 + 1 second",
            "dateTime 2013-01-01T00:00:00",
        ),
        (
            "@2012-12-31T23:59:59.5Z + 0.5 seconds",
            "dateTime 2013-01-01T00:00:00.0Z",
        ),
        ("@T23:30 + 45 minutes", "time 00:15"),
        ("@T01:00:00 - 2 'h'", "time 23:00:00"),
        ("@9999-12-31 + 1 day", ""),
        ("@0001-01-01 - 1 day", ""),
    ]);
    for text in [
        "@2012-01-01 + 1 'a'",
        "@2012-01-01 + 1 'mg'",
        "@2012-01-01 + 1",
        "@2012 * 2 days",
    ] {
        assert_eq!(kind_of(text), Some(ErrorKind::Execution), "{text}");
    }
}

#[test]
fn moments_compare_across_offsets() {
    table(&[
        (
            "@2012-01-01T00:30:00+01:00 = @2011-12-31T23:30:00Z",
            "boolean true",
        ),
        (
            "@2012-01-01T00:30:00+01:00 < @2012-01-01T00:00:00Z",
            "boolean true",
        ),
        (
            "@2012-01-01T10:00:00.0 = @2012-01-01T10:00:00",
            "boolean true",
        ),
        ("@2012-01-01T10:00 = @2012-01-01T10:00:00", ""),
        ("@2012-01-01 = @2012-01-01T10:00", ""),
        ("@2012-01-02 > @2012-01-01T10:00", "boolean true"),
    ]);
}

#[test]
fn now_is_what_the_caller_says() {
    table(&[
        ("now()", "dateTime 2026-11-25T10:30:00.250Z"),
        ("today()", "date 2026-11-25"),
        ("timeOfDay()", "time 10:30:00.250"),
        ("now() > today()", ""),
        ("now().yearOf() + today().dayOf()", "integer 2051"),
        ("now().dateOf() = today()", "boolean true"),
    ]);
}

#[test]
fn quantities_compare_in_units_that_go_together() {
    table(&[
        ("1 'kg' = 1000 'g'", "boolean true"),
        ("1 'L' = 1 'dm3'", "boolean true"),
        ("37 'Cel' = 310.15 'K'", "boolean true"),
        ("1 'kg' > 999 'g'", "boolean true"),
        ("1 'kg' = 1 'm'", "boolean false"),
        ("1 'kg' < 1 'm'", ""),
        (
            "1 'kg'.comparable(1 'mg') and 1 'kg'.comparable(1 's').not()",
            "boolean true",
        ),
        (
            "1 week = 7 days and 1 day = 24 hours and 1 minute = 60 's'",
            "boolean true",
        ),
        ("1 year = 12 months", "boolean true"),
        ("1 year = 1 'a'", ""),
        ("1 year ~ 1 'a'", "boolean true"),
        ("1 '[in_i]' = 2.54 'cm'", "boolean true"),
        ("5 = 5 '1'", "boolean true"),
        ("1 'g' + 1 'mg'", "Quantity 1.001 'g'"),
        ("1 'g' + 1 'm'", ""),
        ("2 'm' * 3 's'", "Quantity 6 'm.s'"),
        ("6 'm/s' / 2 'kg.m'", "Quantity 3 '(m/s)/(kg.m)'"),
        ("6 'm' / 2 'm'", "Quantity 3 '1'"),
        ("-(6 'm')", "Quantity -6 'm'"),
        ("1 'nonsense' = 1 'nonsense'", "boolean true"),
        ("1 'nonsense' = 1 'g'", "boolean false"),
    ]);
}

#[test]
fn boundaries_are_half_a_unit_away() {
    table(&[
        ("1.5.lowBoundary(2)", "decimal 1.45"),
        ("1.5.highBoundary(2)", "decimal 1.55"),
        ("1.5.highBoundary(0)", "decimal 2"),
        ("1.5.lowBoundary(40)", ""),
        ("@2012.lowBoundary()", "date 2012-01-01"),
        ("@2012-02.highBoundary()", "date 2012-02-29"),
        (
            "@2012-02T.highBoundary()",
            "dateTime 2012-02-29T23:59:59.999-12:00",
        ),
        (
            "@2012-02-01T10:30Z.lowBoundary()",
            "dateTime 2012-02-01T10:30:00.000Z",
        ),
        ("@T10:30.highBoundary()", "time 10:30:59.999"),
        ("@2012-02-01.lowBoundary(6)", "date 2012-02"),
        ("@2012.lowBoundary(5)", ""),
        ("1.5 'g'.highBoundary(2)", "Quantity 1.55 'g'"),
        ("1.500.precision()", "integer 3"),
        ("@2012-02.precision()", "integer 6"),
        ("@T10:30:00.000.precision()", "integer 9"),
    ]);
}
