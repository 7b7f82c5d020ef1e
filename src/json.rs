//! The one JSON reader that stands at every door.
//!
//! One pass builds the value and enforces the caps on bytes, depth, digits and exponent; duplicate
//! keys are reported; digits of numbers are kept as they were written (contracts section 2). It says
//! where and which rule, and must never repeat a value. Keys appear in pointers only.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::issue::Issue;

/// What a document may be at most. Each has its key in the default config.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole document.
    pub bytes_max: usize,
    /// Nested objects and arrays. Above 127 the parser's own limit stands.
    pub depth_max: usize,
    /// Significant digits of a number.
    pub digits_max: usize,
    /// Absolute value of a number's exponent.
    pub exponent_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes_max: 4 << 20,
            depth_max: 64,
            digits_max: 40,
            exponent_max: 100,
        }
    }
}

/// A document that was read, and the duplicate keys that were met (JSON pointers; the last one won).
#[derive(Clone, Debug)]
pub struct Document {
    /// The document.
    pub value: Value,
    /// JSON pointers of keys that stood more than once in their object.
    pub duplicates: Vec<String>,
}

/// Reads one JSON document.
///
/// # Errors
/// One issue that names the rule (`json-syntax`, `json-bytes`, `json-depth`, `json-digits`,
/// `json-exponent`, `json-key` for a key that the parser keeps for itself) and the place (a JSON
/// pointer; line and column for syntax).
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Document, Issue> {
    if bytes.len() > limits.bytes_max {
        return Err(broken(
            "json-bytes",
            String::new(),
            "the document is larger than the limit",
        ));
    }
    let mut state = State {
        limits,
        input: bytes.as_ptr_range(),
        path: Vec::new(),
        duplicates: Vec::new(),
        broken: None,
    };
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let read = Seed(&mut state).deserialize(&mut parser);
    match read.and_then(|value| parser.end().map(|()| value)) {
        Ok(value) => Ok(Document {
            value,
            duplicates: state.duplicates,
        }),
        Err(error) => Err(match state.broken {
            Some((rule, words)) => broken(rule, state.pointer(), words),
            None => broken(
                "json-syntax",
                String::new(),
                format!(
                    "not JSON at line {} column {}",
                    error.line(),
                    error.column()
                ),
            ),
        }),
    }
}

fn broken(rule: &'static str, path: String, words: impl Into<Cow<'static, str>>) -> Issue {
    let code = if rule == "json-syntax" || rule == "json-key" {
        "structure"
    } else {
        "too-long"
    };
    Issue::error(code, rule, path, words)
}

/// One step of the way to the value being read.
enum Step {
    Key(String),
    Index(usize),
}

/// What the pass carries along.
struct State<'a> {
    limits: &'a Limits,
    /// Where the input lies in memory: a key from outside of it is the parser's own mark.
    input: Range<*const u8>,
    path: Vec<Step>,
    duplicates: Vec<String>,
    broken: Option<(&'static str, &'static str)>,
}

impl State<'_> {
    fn pointer(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            out.push('/');
            match step {
                Step::Key(key) => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => out.push_str(&index.to_string()),
            }
        }
        out
    }

    fn refuse<E: serde::de::Error>(&mut self, rule: &'static str, words: &'static str) -> E {
        self.broken = Some((rule, words));
        E::custom(rule)
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.path.len() < self.limits.depth_max {
            Ok(())
        } else {
            Err(self.refuse("json-depth", "nested deeper than the limit"))
        }
    }

    /// Checks a number's text and keeps it as it is.
    fn number<E: serde::de::Error>(&mut self, text: String) -> Result<Value, E> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text.as_str(), ""),
        };
        let digits = mantissa.bytes().filter(u8::is_ascii_digit);
        let significant = digits.skip_while(|digit| *digit == b'0').count();
        if significant > self.limits.digits_max {
            return Err(self.refuse("json-digits", "a number has more digits than the limit"));
        }
        let size = exponent.trim_start_matches(['+', '-']);
        let within = size.is_empty()
            || size
                .parse::<u32>()
                .is_ok_and(|size| size <= self.limits.exponent_max);
        if !within {
            return Err(self.refuse("json-exponent", "a number's exponent is beyond the limit"));
        }
        Ok(Value::Number(Number::from_string_unchecked(text)))
    }
}

/// Reads one value.
struct Seed<'s, 'a>(&'s mut State<'a>);

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.number(value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.number(value.to_string())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.0.enter()?;
        let mut out = Vec::new();
        self.0.path.push(Step::Index(0));
        while let Some(item) = seq.next_element_seed(Seed(self.0))? {
            out.push(item);
            if let Some(Step::Index(index)) = self.0.path.last_mut() {
                *index = out.len();
            }
        }
        self.0.path.pop();
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        let mut key = map.next_key_seed(KeySeed(&self.0.input))?;
        if matches!(key, Some(Key::NumberMark)) {
            let text = map.next_value::<String>()?;
            return self.0.number(text);
        }
        self.0.enter()?;
        while let Some(next) = key {
            let Key::Own(name) = next else {
                return Err(A::Error::custom("json-key"));
            };
            if name == NUMBER_MARK {
                return Err(self
                    .0
                    .refuse("json-key", "a key that the parser keeps for itself"));
            }
            self.0.path.push(Step::Key(name));
            let value = map.next_value_seed(Seed(self.0))?;
            let twice =
                matches!(self.0.path.last(), Some(Step::Key(name)) if out.contains_key(name));
            if twice {
                let pointer = self.0.pointer();
                self.0.duplicates.push(pointer);
            }
            if let Some(Step::Key(name)) = self.0.path.pop() {
                out.insert(name, value);
            }
            key = map.next_key_seed(KeySeed(&self.0.input))?;
        }
        Ok(Value::Object(out))
    }
}

/// The key by which the parser hands a number's digits over (`arbitrary_precision`).
const NUMBER_MARK: &str = "$serde_json::private::Number";

/// A key of the document, or the parser's mark of a number.
enum Key {
    Own(String),
    NumberMark,
}

/// Reads a key, telling the document's own from the parser's mark by where its bytes lie.
struct KeySeed<'s>(&'s Range<*const u8>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(Key::Own(key.to_owned()))
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key, E> {
        Ok(if key == NUMBER_MARK && !self.0.contains(&key.as_ptr()) {
            Key::NumberMark
        } else {
            Key::Own(key.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again_digit_by_digit() {
        for text in [
            "null",
            "true",
            r#""a\nb""#,
            "[]",
            "{}",
            "[1,2.50,-0.10,1e3,0.000]",
            r#"{"a":{"b":[{"c":72.50}]},"d":100000000000000000000}"#,
        ] {
            let document = read(text.as_bytes(), &Limits::default()).expect("reads");
            let plain: Value = serde_json::from_str(text).expect("reads");
            assert_eq!(document.value.to_string(), plain.to_string());
            assert!(document.duplicates.is_empty());
        }
        let kept = read(b"[72.50, 1.0e3]", &Limits::default()).expect("reads");
        assert!(kept.value.to_string().starts_with("[72.50,1.0e"));
    }

    #[test]
    fn a_document_past_a_limit_is_refused_with_its_rule_and_place() {
        let limits = Limits {
            bytes_max: 200,
            depth_max: 3,
            digits_max: 5,
            exponent_max: 10,
        };
        for (text, rule, path) in [
            (" ".repeat(201), "json-bytes", ""),
            ("[[[[]]]]".to_owned(), "json-depth", "/0/0/0"),
            (r#"{"a":[{"b":{}}]}"#.to_owned(), "json-depth", "/a/0/b"),
            ("[1,123456]".to_owned(), "json-digits", "/1"),
            ("[0.0000123456]".to_owned(), "json-digits", "/0"),
            (r#"{"a/b":1e11}"#.to_owned(), "json-exponent", "/a~1b"),
            ("1E-99999999999999".to_owned(), "json-exponent", ""),
            (
                r#"{"$serde_json::private::Number":"1"}"#.to_owned(),
                "json-key",
                "",
            ),
            (
                r#"{"\u0024serde_json::private::Number":"1"}"#.to_owned(),
                "json-key",
                "",
            ),
            ("{".to_owned(), "json-syntax", ""),
            ("[1] 2".to_owned(), "json-syntax", ""),
            ("01".to_owned(), "json-syntax", ""),
            (r#""\ud800""#.to_owned(), "json-syntax", ""),
            ("\"a\u{1}\"".to_owned(), "json-syntax", ""),
            (String::new(), "json-syntax", ""),
        ] {
            let issue = read(text.as_bytes(), &limits).expect_err(&text);
            assert_eq!((issue.rule.as_ref(), issue.path.as_str()), (rule, path));
        }
        for text in [
            "[[[1]]]",
            "12345",
            "0.00012345",
            "1e10",
            "000".get(..1).unwrap_or(""),
        ] {
            assert!(read(text.as_bytes(), &limits).is_ok(), "{text}");
        }
        assert!(read(b"\"\xff\"", &limits).is_err());
        let deep = "[".repeat(100_000);
        assert!(
            read(
                deep.as_bytes(),
                &Limits {
                    depth_max: 1 << 20,
                    ..Limits::default()
                }
            )
            .is_err()
        );
    }

    #[test]
    fn keys_that_stand_twice_are_reported_and_the_last_one_wins() {
        let text = r#"{"a":1,"b":[{"c":1,"c":2,"c":3}],"a":4}"#;
        let document = read(text.as_bytes(), &Limits::default()).expect("reads");
        assert_eq!(document.duplicates, ["/b/0/c", "/b/0/c", "/a"]);
        assert_eq!(document.value["a"].to_string(), "4");
        assert_eq!(document.value["b"][0]["c"].to_string(), "3");
    }
}
