//! Random expressions on random resources: what is printed reads as the same, and nothing panics.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::super::ast::{Ast, Binary, Chain, Literal, TypeName};
use super::super::{Env, Expression, Limits, Node, Types, func, parser};
use super::NOW;

const NAMES: &[&str] = &[
    "value",
    "code",
    "coding",
    "component",
    "extension",
    "id",
    "subject",
    "reference",
    "status",
    "Observation",
    "Patient",
    "name",
    "given",
    "birthDate",
    "contained",
    "day",
    "div",
    "is",
    "contains",
    "a b",
    "x`y",
    "url",
    "period",
    "start",
    "system",
    "unit",
];

const TYPES: &[&str] = &[
    "Quantity",
    "string",
    "String",
    "Integer",
    "code",
    "Patient",
    "date",
    "canonical",
    "Nothing",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "final",
    "1",
    "2012-01-01",
    "mg",
    "(",
    "a*",
    "http://loinc.org",
    "hex",
    "#p",
    "it's \\",
    "x\n\u{1f600}",
    "10:00",
    "1 'mg'",
];

fn literal() -> impl Strategy<Value = Literal> {
    let decimal = (any::<i64>(), 1u32..12)
        .prop_map(|(value, scale)| Decimal::new(value.saturating_abs(), scale));
    let temporal = prop::sample::select(vec![
        "2012",
        "2012-02",
        "2012-02-29",
        "2012T",
        "2012-02-29T10",
        "2012-02-29T10:30:00.123+02:00",
        "T10",
        "T10:30:59.9",
        "9999-12-31",
        "0001-01-01T00:00:00Z",
    ])
    .prop_map(|text| {
        let (_, value) = super::super::temporal::literal(text).expect("a literal");
        Literal::Temporal(value)
    });
    prop_oneof![
        any::<bool>().prop_map(Literal::Boolean),
        prop::sample::select(TEXTS).prop_map(|text| Literal::Text(text.into())),
        prop_oneof![0..5i64, Just(i64::MAX)].prop_map(Literal::Integer),
        decimal.clone().prop_map(Literal::Decimal),
        temporal,
        (
            decimal.clone(),
            prop::sample::select(vec!["mg", "kg", "1", "Cel", "m/s", "??", "month"])
        )
            .prop_map(|(value, unit)| Literal::Quantity(value, unit.into(), false)),
        (
            decimal,
            prop::sample::select(vec!["year", "month", "week", "day", "second"])
        )
            .prop_map(|(value, unit)| Literal::Quantity(value, unit.into(), true)),
    ]
}

fn name() -> impl Strategy<Value = Box<str>> {
    prop::sample::select(NAMES).prop_map(Into::into)
}

fn type_name() -> impl Strategy<Value = TypeName> {
    let space = prop::option::of(prop::sample::select(vec!["System", "FHIR"]));
    (space, prop::sample::select(TYPES)).prop_map(|(space, name)| TypeName {
        space: space.map(Into::into),
        name: name.into(),
    })
}

fn tree() -> impl Strategy<Value = Ast> {
    let leaf = prop_oneof![
        3 => name().prop_map(|name| Ast::Name(None, name)),
        3 => literal().prop_map(Ast::Literal),
        1 => Just(Ast::Empty),
        1 => Just(Ast::This),
        1 => Just(Ast::Index),
        1 => Just(Ast::Total),
        1 => prop::sample::select(vec!["resource", "context", "ucum", "vs-a", "none", "a b"])
            .prop_map(|name| Ast::Variable(name.into())),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let functions: Vec<(&'static str, usize)> = func::names().collect();
        let boxed = inner.clone().prop_map(Box::new);
        let input = prop::option::weighted(0.9, boxed.clone());
        prop_oneof![
            4 => (boxed.clone(), name()).prop_map(|(input, name)| Ast::Name(Some(input), name)),
            6 => (input.clone(), prop::sample::select(functions), prop::collection::vec(inner.clone(), 3))
                .prop_map(|(input, (name, least), mut args)| {
                    args.truncate(least);
                    Ast::Call(input, name.into(), args)
                }),
            1 => (boxed.clone(), inner.clone()).prop_map(|(input, value)| {
                let name = Ast::Literal(Literal::Text("none".into()));
                Ast::Call(Some(input), "defineVariable".into(), vec![name, value])
            }),
            1 => (boxed.clone(), prop::sample::select(TYPES)).prop_map(|(input, kind)| {
                Ast::Call(Some(input), "ofType".into(), vec![Ast::Name(None, kind.into())])
            }),
            1 => (boxed.clone(), boxed.clone()).prop_map(|(input, index)| Ast::At(input, index)),
            1 => (any::<bool>(), boxed.clone()).prop_map(|(minus, inner)| Ast::Sign(minus, inner)),
            1 => (any::<bool>(), boxed.clone(), type_name())
                .prop_map(|(is, inner, name)| Ast::Type(is, inner, name)),
            4 => (prop::sample::select(Binary::ALL), boxed.clone(), boxed)
                .prop_map(|(binary, left, right)| Ast::Binary(binary, left, right)),
            2 => (
                prop::sample::select(vec![Chain::And, Chain::Or, Chain::Union]),
                prop::collection::vec(inner, 2..4),
            )
                .prop_map(|(chain, parts)| Ast::Chain(chain, parts)),
        ]
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(vec![
            json!(0),
            json!(1),
            json!(-3),
            json!(2.50),
            json!(1e20)
        ]),
        prop::sample::select(TEXTS).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let keys = vec![
            "value",
            "valueQuantity",
            "valueString",
            "_valueString",
            "valueDateTime",
            "code",
            "_code",
            "coding",
            "component",
            "extension",
            "id",
            "subject",
            "reference",
            "contained",
            "name",
            "given",
            "_given",
            "birthDate",
            "url",
            "system",
            "unit",
            "status",
            "period",
            "start",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(keys), inner), 0..6).prop_map(|pairs| {
                let pairs = pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value));
                Value::Object(pairs.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn resource() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["Observation", "Patient", "Bundle", "Nothing"]);
    (kind, json_value()).prop_map(|(kind, mut value)| {
        if let Some(object) = value.as_object_mut() {
            object.insert("resourceType".to_owned(), kind.into());
        }
        value
    })
}

/// Compiles and evaluates within small limits; whatever comes out is fine.
fn storm(text: &str, resource: &Value) {
    let types = Types::r4();
    let Ok(expression) = Expression::compile(text) else {
        return;
    };
    let node = Node::resource(types, resource);
    let _ = expression.check(types, node.kind());
    let env = Env::new(types).resource(resource).now(NOW).limits(Limits {
        steps_max: 20_000,
        depth_max: 400,
        items_max: 1_000,
        text_max: 20_000,
        regex_max: 100_000,
    });
    if let Ok(items) = expression.evaluate(&env, node) {
        for item in items {
            let _ = (item.type_name(types), item.to_json());
        }
    }
    let _ = expression.truth(&env, node);
}

proptest! {
    #[test]
    fn trees_are_printed_so_that_they_read_as_themselves(tree in tree()) {
        let text = tree.to_string();
        match parser::parse(&text) {
            Ok(again) => prop_assert_eq!(&again, &tree, "{}", text),
            Err(error) => prop_assert!(false, "{}: {}", text, error),
        }
    }

    #[test]
    fn random_expressions_do_no_harm(tree in tree(), resource in resource()) {
        storm(&tree.to_string(), &resource);
    }

    #[test]
    fn random_text_does_no_harm(text in "\\PC{0,40}", resource in resource()) {
        storm(&text, &resource);
    }

    #[test]
    fn almost_expressions_do_no_harm(
        text in "([a-z]{1,3}|[0-9]|'|`|@|T|:|-|\\.|\\(|\\)|\\[|\\]|\\||%|\\$|\\{|\\}| |is|as|and|=|<|~|/|\\*|\\\\){0,24}",
        resource in resource(),
    ) {
        storm(&text, &resource);
    }
}
