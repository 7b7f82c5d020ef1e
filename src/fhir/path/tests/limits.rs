//! That nothing grows without bound: an error of its own kind, and never a hang.

use serde_json::{Value, json};

use super::super::{Env, ErrorKind, Expression, Limits, Node, Types};

fn kind(text: &str, limits: Limits, resource: &Value) -> Option<ErrorKind> {
    let types = Types::r4();
    let expression = match Expression::compile(text) {
        Ok(expression) => expression,
        Err(error) => return Some(error.kind()),
    };
    let env = Env::new(types).resource(resource).limits(limits);
    let result = expression.evaluate(&env, Node::resource(types, resource));
    result.err().map(|error| error.kind())
}

const TIGHT: Limits = Limits {
    steps_max: 20_000,
    depth_max: 400,
    items_max: 1_000,
    text_max: 10_000,
    regex_max: 100_000,
};

#[test]
fn evaluation_ends() {
    for text in [
        "1.repeatAll($this)",
        "1.repeat($this + 1)",
        "1.repeatAll(1 | 2)",
        "(1 | 2 | 3).select(1 | 2 | 3).repeatAll($this)",
        "1.combine(1).aggregate($total & 'a', 'b').repeatAll('a')",
        "'aaaaaaaaaa'.repeatAll($this + $this).last()",
        "'a'.repeat($this & $this)",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.replace('', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb')\
            .replace('', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb').replace('', 'bbbbbbbbbbbbbbbbbb')",
        "'a'.matches('a{1000}{1000}')",
        "'a'.matches('((a{100}){100}){100}')",
    ] {
        assert_eq!(
            kind(text, TIGHT, &Value::Null),
            Some(ErrorKind::Limit),
            "{text}"
        );
    }
}

#[test]
fn a_pattern_that_others_hang_on_is_plain_work() {
    let text = format!("'{}!'.matches('^(a+)+$').not()", "a".repeat(5000));
    assert_eq!(kind(&text, Limits::default(), &Value::Null), None);
}

#[test]
fn an_expression_is_only_so_deep_and_long() {
    let deep = |open: &str, close: &str| {
        format!(
            "{}1{}",
            open.repeat(100_000 / 20),
            close.repeat(100_000 / 20)
        )
    };
    for text in [
        deep("(", ")"),
        deep("-", ""),
        deep("a[", "]"),
        deep("f(", ")"),
        format!("a{}", ".b".repeat(5_000)),
        format!("1{}", " + 1".repeat(5_000)),
        format!("a{}", " is b".repeat(5_000)),
        " ".repeat(70_000),
    ] {
        let found = kind(&text, Limits::default(), &Value::Null);
        assert_eq!(found, Some(ErrorKind::Limit), "{}", &text[..20]);
    }
    for text in [
        format!("true{}", " and true".repeat(5_000)),
        format!("false{}", " or false".repeat(5_000)),
        format!("(1{}).count()", " | 1".repeat(5_000)),
        format!("{}1{}", "(".repeat(90), ")".repeat(90)),
    ] {
        assert_eq!(
            kind(&text, Limits::default(), &Value::Null),
            None,
            "{}",
            &text[..20]
        );
    }
}

#[test]
fn the_deepest_expression_fits_a_small_stack() {
    let run = || {
        for (open, inner, close) in [
            ("iif(true, ", "1", ", 2)"),
            ("(1 | 2).select(", "$this", ")"),
            ("(1 + ", "1", ")"),
            ("not(", "true", ")"),
        ] {
            for depth in 1..96 {
                let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
                let _ = kind(&text, TIGHT, &Value::Null);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run);
    thread.expect("a thread").join().expect("the stack held");
}

#[test]
fn a_deep_resource_is_walked_or_refused() {
    let mut value = json!({"resourceType": "Patient"});
    for _ in 0..100 {
        value =
            json!({"resourceType": "Patient", "contained": [value], "extension": [{"url": "a"}]});
    }
    assert_eq!(
        kind("descendants().count()", Limits::default(), &value),
        None
    );
    for _ in 0..100 {
        value = json!({"resourceType": "Patient", "contained": [value]});
    }
    let found = kind("descendants().count()", Limits::default(), &value);
    assert_eq!(found, Some(ErrorKind::Limit));
}
