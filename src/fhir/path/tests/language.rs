//! Syntax, precedence, logic, equality, order; what is refused before anything is evaluated.

use super::super::{ErrorKind, Expression, Types};
use super::{kind_of, of, table};

#[test]
fn operators_bind_as_the_specification_says() {
    table(&[
        ("1 + 2 * 3", "integer 7"),
        ("(1 + 2) * 3", "integer 9"),
        ("-2.abs()", "integer -2"),
        ("(-2).abs()", "integer 2"),
        ("1 | 2 = 2 | 1", "boolean false"),
        ("1 = 1 and 2 > 1 or false", "boolean true"),
        ("false and true or true", "boolean true"),
        ("true or false implies false", "boolean false"),
        ("(1 | 1 is Integer).count()", "integer 2"),
        ("'a' & 'b' = 'ab'", "boolean true"),
        ("7 div 2 + 7 mod 2", "integer 4"),
        ("true xor false or true", "boolean true"),
        ("1 in (1 | 2) and (1 | 2) contains 2", "boolean true"),
        ("6 / 4", "decimal 1.5"),
    ]);
}

#[test]
fn what_is_unknown_stays_unknown() {
    table(&[
        ("true and {}", ""),
        ("false and {}", "boolean false"),
        ("{} or true", "boolean true"),
        ("{} or false", ""),
        ("{} xor true", ""),
        ("{} implies true", "boolean true"),
        ("{} implies false", ""),
        ("false implies {}", "boolean true"),
        ("{}.not()", ""),
        ("{} = {}", ""),
        ("{} ~ {}", "boolean true"),
        ("1 ~ {}", "boolean false"),
        ("{} in (1 | 2)", ""),
        ("1 in {}", "boolean false"),
        ("{} + 1", ""),
        ("{} & 'a'", "string a"),
        ("1 < {}", ""),
    ]);
}

#[test]
fn one_item_that_is_no_boolean_counts_as_true() {
    table(&[
        ("(0).not()", "boolean false"),
        ("'a' and true", "boolean true"),
        ("iif({}, 1, 2)", "integer 2"),
    ]);
    assert_eq!(kind_of("(1 | 2) and true"), Some(ErrorKind::Execution));
    assert_eq!(kind_of("iif('a', 1, 2)"), Some(ErrorKind::Execution));
}

#[test]
fn equality_looks_at_order_and_equivalence_does_not() {
    table(&[
        ("(1 | 2) = (1 | 2)", "boolean true"),
        ("(1 | 2) = (2 | 1)", "boolean false"),
        ("(1 | 2) ~ (2 | 1)", "boolean true"),
        ("1 = 1.0", "boolean true"),
        ("1.10 = 1.1", "boolean true"),
        ("'A' = 'a'", "boolean false"),
        ("'A  b' ~ 'a B'", "boolean true"),
        ("1.11 ~ 1.1", "boolean true"),
        ("1.16 ~ 1.1", "boolean false"),
        ("1 = '1'", "boolean false"),
        ("1 != '1'", "boolean true"),
        ("@2012 = @2012-01", ""),
        ("@2012 ~ @2012-01", "boolean false"),
        ("@2012 = @2013-01", "boolean false"),
    ]);
}

#[test]
fn order_needs_values_of_one_kind() {
    table(&[
        ("'b' > 'a'", "boolean true"),
        ("1.5 >= 1", "boolean true"),
        ("@2018-03 < @2018-03-01", ""),
        ("@2018-02 < @2018-03-01", "boolean true"),
        ("@T10:30 < @T10:31:00", "boolean true"),
    ]);
    for text in ["1 < 'a'", "true > false", "@2018 < @T10:00", "(1 | 2) > 1"] {
        assert_eq!(kind_of(text), Some(ErrorKind::Execution), "{text}");
    }
}

#[test]
fn texts_names_and_comments_are_read() {
    table(&[
        (r"'\'\\\/\n\u0041\uD83D\uDE00'", "string '\\/\nA\u{1f600}"),
        ("1 // more\n + /* and\n */ 1", "integer 2"),
        (
            "%`vs-languages`",
            "string http://hl7.org/fhir/ValueSet/languages",
        ),
        (
            "%'ext-a'",
            "string http://hl7.org/fhir/StructureDefinition/a",
        ),
        ("%ucum", "string http://unitsofmeasure.org"),
    ]);
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    for (text, at) in [
        ("", 0),
        ("1 +", 3),
        ("a.", 2),
        ("(1", 2),
        ("a[1", 3),
        ("{1}", 1),
        ("1 2", 2),
        ("'open", 0),
        (r"'\x'", 1),
        ("/* open", 0),
        ("$that", 0),
        ("a is", 4),
        ("@", 0),
        ("@2012-13-01", 0),
        ("@2012-02-30", 0),
        ("@T10:00Z", 0),
        ("f(1,)", 4),
        ("and", 0),
        ("#", 0),
        ("99999999999999999999", 0),
    ] {
        let error = Expression::compile(text).expect_err(text);
        assert_eq!(
            (error.kind(), error.at()),
            (ErrorKind::Syntax, Some(at)),
            "{text}"
        );
    }
}

#[test]
fn functions_and_their_arguments_are_known_before_anything_is_evaluated() {
    for text in [
        "nothing()",
        "empty(1)",
        "where()",
        "substring()",
        "is(1)",
        "ofType(a.b.c)",
        "defineVariable(a, 1)",
        "defineVariable('ucum', 1)",
    ] {
        let error = Expression::compile(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Semantic, "{text}");
    }
}

#[test]
fn a_strict_check_knows_elements_and_types() {
    let types = Types::r4();
    let on = |kind: &str, text: &str| {
        let kind = types.id(kind).expect("a type");
        Expression::compile(text).expect(text).check(types, kind)
    };
    for (kind, text) in [
        ("Patient", "Patient.name.given"),
        ("Patient", "DomainResource.name.given"),
        ("Observation", "value.unit"),
        ("Observation", "(value as Quantity).unit"),
        ("Observation", "component.value.ofType(Quantity).value"),
        ("Observation", "contained.name"),
        ("Observation", "subject.resolve().name"),
        ("Observation", "descendants().reference"),
        ("Observation", "iif(true, code, category).coding"),
        ("Observation", "(code | category).coding"),
        (
            "Observation",
            "component.where(code.text = 'a').select(value | code).exists()",
        ),
        (
            "Observation",
            "defineVariable('a', component).select(%a.code.text)",
        ),
        ("Observation", "code.defineVariable('a').coding"),
        ("Questionnaire", "repeat(item).linkId"),
        ("Observation.component", "code.text"),
        ("Bundle", "entry.resource.name"),
    ] {
        assert_eq!(on(kind, text), Ok(()), "{text}");
    }
    for (kind, text) in [
        ("Patient", "Encounter.name.given"),
        ("Patient", "nme.given"),
        ("Patient", "name.exists(givn = 'a')"),
        ("Observation", "valueQuantity.unit"),
        ("Observation", "(value as Period).unit"),
        ("Observation", "code.is(Cod)"),
        ("Observation", "component.where(code.txt = 'a')"),
        ("Observation", "code.defineVariable('a').codng"),
        ("Observation", "true and codee.exists()"),
    ] {
        let error = on(kind, text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Semantic, "{text}");
    }
}

#[test]
fn what_is_printed_reads_as_the_same() {
    for text in [
        "a.b[0].replace('a', 'x').where($this = %resource)",
        "(a or b) or c and (d or e)",
        "-(1 + 2) * -3",
        "(a is FHIR.Patient) and (b as Quantity).value > 4 'mg'",
        "1 day + @2012-01-01 - @T10:00",
        "(a implies b) implies (c implies d)",
        "`div`.`a b`.contains('c') and `day`",
        "(a | b) | (c | d)",
        "@2012T ~ @2012-01-01T10:00:00.5+02:00",
        "a.sort(b desc, c)",
    ] {
        let first = Expression::compile(text).expect(text);
        let again = Expression::compile(&first.to_string()).expect(text);
        assert_eq!(first.ast, again.ast, "{text}");
    }
}

#[test]
fn variables_hold_for_what_follows_their_definition() {
    table(&[
        ("defineVariable('a', 1 | 2).select(%a).count()", "integer 2"),
        ("1.defineVariable('a').select(%a + 1)", "integer 2"),
        ("1.defineVariable('a', 5).select($this + %a)", "integer 6"),
        (
            "(1 | 2).defineVariable('a').select(%a.count())",
            "integer 2; integer 2",
        ),
        (
            "1.defineVariable('a', 2).defineVariable('b', %a + 1).select(%b)",
            "integer 3",
        ),
    ]);
    assert_eq!(of("(1 | 2).select($index)"), ["integer 0", "integer 1"]);
    for text in [
        "%a",
        "1.defineVariable('a').defineVariable('a')",
        "1.defineVariable('a') | %a",
    ] {
        assert_eq!(kind_of(text), Some(ErrorKind::Execution), "{text}");
    }
}
