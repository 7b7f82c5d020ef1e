//! Functions on collections, texts, numbers.

use super::super::ErrorKind;
use super::{kind_of, table};

#[test]
fn existence() {
    table(&[
        ("{}.empty()", "boolean true"),
        ("(1 | 2).exists($this > 1)", "boolean true"),
        ("(1 | 2).all($this > 1)", "boolean false"),
        ("{}.all(false)", "boolean true"),
        ("(true | false).allTrue()", "boolean false"),
        ("(true | false).anyTrue()", "boolean true"),
        ("(true | false).allFalse()", "boolean false"),
        ("(true | false).anyFalse()", "boolean true"),
        ("{}.anyTrue()", "boolean false"),
        ("1.subsetOf(1 | 2)", "boolean true"),
        ("1.supersetOf(1 | 2)", "boolean false"),
        ("{}.subsetOf(1)", "boolean true"),
        ("1.combine(1).isDistinct()", "boolean false"),
        ("1.combine(1.0).distinct()", "integer 1"),
        ("1.hasValue()", "boolean true"),
        ("(1 | 2).hasValue()", "boolean false"),
        ("(1 | 2).count()", "integer 2"),
    ]);
    assert_eq!(kind_of("(true | 1).allTrue()"), Some(ErrorKind::Execution));
}

#[test]
fn filtering_subsetting_and_combining() {
    table(&[
        ("(1 | 2 | 3).where($this != 2)", "integer 1; integer 3"),
        (
            "(1 | 2 | 3).select($this * 2)",
            "integer 2; integer 4; integer 6",
        ),
        ("(1 | 2 | 3).first()", "integer 1"),
        ("(1 | 2 | 3).last()", "integer 3"),
        ("(1 | 2 | 3).tail()", "integer 2; integer 3"),
        ("(1 | 2 | 3).skip(2)", "integer 3"),
        ("(1 | 2 | 3).skip(-1).count()", "integer 3"),
        ("(1 | 2 | 3).take(2)", "integer 1; integer 2"),
        ("(1 | 2 | 3).take(0)", ""),
        ("(1 | 2 | 3)[1]", "integer 2"),
        ("(1 | 2 | 3)[9]", ""),
        ("(1 | 2 | 3).intersect(2 | 3 | 4)", "integer 2; integer 3"),
        ("1.combine(1).exclude(2)", "integer 1; integer 1"),
        ("(1 | 2).union(2 | 3)", "integer 1; integer 2; integer 3"),
        ("1.single()", "integer 1"),
        ("{}.coalesce({}, 2, 3)", "integer 2"),
        (
            "1.repeat(iif($this < 5, $this + 1, {}))",
            "integer 2; integer 3; integer 4; integer 5",
        ),
        ("1.repeat(1)", "integer 1"),
        ("(1 | 2 | 3).aggregate($this + $total, 0)", "integer 6"),
        ("(3 | 1 | 2).sort()", "integer 1; integer 2; integer 3"),
        ("('b' | 'a').sort($this desc)", "string b; string a"),
        (
            "(3 | 1 | 2).sort(-$this)",
            "integer 3; integer 2; integer 1",
        ),
        (
            "(1 | 2 | 3).trace('a', $this)",
            "integer 1; integer 2; integer 3",
        ),
    ]);
    assert_eq!(kind_of("(1 | 2).single()"), Some(ErrorKind::Execution));
    assert_eq!(kind_of("(1 | 'a').sort()"), Some(ErrorKind::Execution));
}

#[test]
fn sets_of_many_items_are_the_same_as_of_few() {
    let many = (0..60).map(|n| format!("{n} | {n}.0 | '{n}'"));
    let many = many.collect::<Vec<_>>().join(" | ");
    table(&[
        (format!("({many}).count()").as_str(), "integer 120"),
        (
            format!("({many}).combine({many}).distinct().count()").as_str(),
            "integer 120",
        ),
        (
            format!("({many}).intersect(59 | '3' | 99)").as_str(),
            "string 3; integer 59",
        ),
    ]);
}

#[test]
fn conversion() {
    table(&[
        ("'yes'.toBoolean()", "boolean true"),
        ("2.toBoolean()", ""),
        ("2.convertsToBoolean()", "boolean false"),
        ("'-12'.toInteger()", "integer -12"),
        ("'1.2'.toInteger()", ""),
        ("'1.20'.toDecimal()", "decimal 1.20"),
        ("'1e3'.convertsToDecimal()", "boolean false"),
        ("'2012-02'.toDate()", "date 2012-02"),
        ("'2012-02-30'.convertsToDate()", "boolean false"),
        ("@2012-02-03T10:00.toDate()", "date 2012-02-03"),
        ("@2012-02-03.toDateTime()", "dateTime 2012-02-03"),
        ("'10:20'.toTime()", "time 10:20"),
        ("1.50.toString()", "string 1.50"),
        ("@2012-02.toString()", "string 2012-02"),
        ("'4 \\'mg\\''.toQuantity()", "Quantity 4 'mg'"),
        ("'2 weeks'.toQuantity()", "Quantity 2 week"),
        ("'2 furlongs'.convertsToQuantity()", "boolean false"),
        ("1 'g'.toQuantity('mg')", "Quantity 1000 'mg'"),
        ("{}.convertsToInteger()", ""),
        ("1.type().name", "string Integer"),
        ("1.0.is(System.Decimal)", "boolean true"),
        ("'a'.as(Integer)", ""),
    ]);
    assert_eq!(kind_of("(1 | 2).toString()"), Some(ErrorKind::Execution));
}

#[test]
fn texts() {
    table(&[
        ("'abcb'.indexOf('b')", "integer 1"),
        ("'abcb'.lastIndexOf('b')", "integer 3"),
        ("'äbc'.indexOf('c')", "integer 2"),
        ("'äbc'.substring(1)", "string bc"),
        ("'abc'.substring(1, 1)", "string b"),
        ("'abc'.substring(3)", ""),
        ("'abc'.substring(-1)", ""),
        (
            "'abc'.startsWith('ab') and 'abc'.endsWith('')",
            "boolean true",
        ),
        ("'äB'.upper() & 'ÄB'.lower()", "string ÄBäb"),
        ("'a.b.c'.split('.').join('-')", "string a-b-c"),
        ("'ab'.toChars().count()", "integer 2"),
        ("' a '.trim()", "string a"),
        ("'aXb'.replace('X', '--')", "string a--b"),
        ("'a1b22'.replaceMatches('[0-9]+', '#')", "string a#b#"),
        (
            "'11/30/1972'.replaceMatches('(?P<m>\\\\d+)/(?P<d>\\\\d+)/(?P<y>\\\\d+)', '${y}-${m}-${d}')",
            "string 1972-11-30",
        ),
        ("'abc'.matches('B', 'i')", "boolean true"),
        ("'abc'.matchesFull('b')", "boolean false"),
        ("'abc'.matchesFull('a.c')", "boolean true"),
        ("'<a&b>'.escape('html').unescape('html')", "string <a&b>"),
        ("'a\"b'.escape('json')", "string a\\\"b"),
        ("'grüß'.encode('base64').decode('base64')", "string grüß"),
        ("'zz'.decode('hex')", ""),
        ("''.length()", "integer 0"),
        ("{}.length()", ""),
    ]);
    for (text, kind) in [
        ("1.length()", ErrorKind::Execution),
        ("'a'.encode('rot13')", ErrorKind::Execution),
        ("'a'.matches('(')", ErrorKind::Semantic),
        ("'a'.startsWith(1)", ErrorKind::Execution),
    ] {
        assert_eq!(kind_of(text), Some(kind), "{text}");
    }
}

#[test]
fn numbers() {
    table(&[
        ("0.1 + 0.2", "decimal 0.3"),
        ("1.10 + 1", "decimal 2.10"),
        ("1 / 0", ""),
        ("1 div 0", ""),
        ("5.5 mod 2", "decimal 1.5"),
        ("-7 div 2", "integer -3"),
        ("9223372036854775807 + 1", ""),
        ("(-1.5).ceiling()", "integer -1"),
        ("(-1.5).floor()", "integer -2"),
        ("(-1.5).truncate()", "integer -1"),
        ("2.345.round(2)", "decimal 2.35"),
        ("2.round()", "integer 2"),
        ("2.power(10)", "integer 1024"),
        ("2.power(-1)", "decimal 0.5"),
        ("4.power(0.5)", "decimal 2"),
        ("(-1).power(0.5)", ""),
        ("(-1).sqrt()", ""),
        ("100.log(10)", "decimal 2"),
        ("0.ln()", ""),
        ("1.exp().round(5)", "decimal 2.71828"),
        ("(-0.0).abs()", "decimal 0.0"),
        ("(1 | 2 | 3).sum()", "integer 6"),
        ("(1 | 2).avg()", "decimal 1.5"),
        ("(3 | 1 | 2).min() + (3 | 1 | 2).max()", "integer 4"),
        ("1000.exp()", ""),
    ]);
    for text in ["1 + 'a'", "-'a'", "'a'.abs()", "1.round(-1)", "true + 1"] {
        assert_eq!(kind_of(text), Some(ErrorKind::Execution), "{text}");
    }
}
