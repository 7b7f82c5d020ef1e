//! Rule `primitive-<type>`: JSON kind and lexical form of primitive values.
//!
//! Each form is the one of R4's own pattern, with what a pattern cannot say: days that exist, and a
//! calendar. Hand-written, because these run for every value. The words never hold the value.

use serde_json::Value;

/// Primitive types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

impl Primitive {
    /// By type name.
    pub(super) fn named(code: &str) -> Option<Primitive> {
        Some(match code {
            "base64Binary" => Primitive::Base64Binary,
            "boolean" => Primitive::Boolean,
            "canonical" => Primitive::Canonical,
            "code" => Primitive::Code,
            "date" => Primitive::Date,
            "dateTime" => Primitive::DateTime,
            "decimal" => Primitive::Decimal,
            "id" => Primitive::Id,
            "instant" => Primitive::Instant,
            "integer" => Primitive::Integer,
            "markdown" => Primitive::Markdown,
            "oid" => Primitive::Oid,
            "positiveInt" => Primitive::PositiveInt,
            "string" => Primitive::String,
            "time" => Primitive::Time,
            "unsignedInt" => Primitive::UnsignedInt,
            "uri" => Primitive::Uri,
            "url" => Primitive::Url,
            "uuid" => Primitive::Uuid,
            "xhtml" => Primitive::Xhtml,
            _ => return None,
        })
    }

    /// Whether it is an address.
    pub(super) fn is_address(self) -> bool {
        matches!(self, Primitive::Uri | Primitive::Url | Primitive::Canonical)
    }

    /// The rule's id.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Primitive::Base64Binary => "primitive-base64Binary",
            Primitive::Boolean => "primitive-boolean",
            Primitive::Canonical => "primitive-canonical",
            Primitive::Code => "primitive-code",
            Primitive::Date => "primitive-date",
            Primitive::DateTime => "primitive-dateTime",
            Primitive::Decimal => "primitive-decimal",
            Primitive::Id => "primitive-id",
            Primitive::Instant => "primitive-instant",
            Primitive::Integer => "primitive-integer",
            Primitive::Markdown => "primitive-markdown",
            Primitive::Oid => "primitive-oid",
            Primitive::PositiveInt => "primitive-positiveInt",
            Primitive::String => "primitive-string",
            Primitive::Time => "primitive-time",
            Primitive::UnsignedInt => "primitive-unsignedInt",
            Primitive::Uri => "primitive-uri",
            Primitive::Url => "primitive-url",
            Primitive::Uuid => "primitive-uuid",
            Primitive::Xhtml => "primitive-xhtml",
        }
    }

    /// Checks a value; the answer says what was expected.
    pub(super) fn check(self, value: &Value) -> Result<(), &'static str> {
        let text = match (self, value) {
            (Primitive::Boolean, Value::Bool(_)) => return Ok(()),
            (Primitive::Boolean, _) => return Err("true or false is expected"),
            (Primitive::Decimal, Value::Number(_)) => return Ok(()),
            (Primitive::Decimal, _) => return Err("a JSON number is expected"),
            (Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt, _) => {
                return self.whole(value);
            }
            (_, Value::String(text)) => text.as_str(),
            _ => return Err("a JSON string is expected"),
        };
        if text.is_empty() && self != Primitive::Xhtml {
            return Err("an empty string is not allowed");
        }
        let fits = match self {
            Primitive::Code => {
                if !code(text) {
                    return Err("a code has no spaces at its ends and single ones inside");
                }
                true
            }
            Primitive::String | Primitive::Markdown => {
                if text.len() > 1 << 20 {
                    return Err("longer than 1 MB");
                }
                true
            }
            Primitive::Id => {
                text.len() <= 64
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
            }
            Primitive::Uri | Primitive::Url | Primitive::Canonical => uri(text),
            Primitive::Oid => text.strip_prefix("urn:oid:").is_some_and(oid),
            Primitive::Uuid => text.strip_prefix("urn:uuid:").is_some_and(uuid),
            Primitive::Date => date(text).is_some_and(str::is_empty),
            Primitive::DateTime => date_time(text),
            Primitive::Instant => instant(text),
            Primitive::Time => time(text).is_some_and(str::is_empty),
            Primitive::Base64Binary => base64(text),
            // What it holds is the narrative's matter.
            Primitive::Xhtml => true,
            _ => true,
        };
        if fits { Ok(()) } else { Err(self.wanted()) }
    }

    /// Whether a value is of the JSON kind that the type is written as.
    pub(super) fn is_of_kind(self, value: &Value) -> bool {
        match self {
            Primitive::Boolean => value.is_boolean(),
            Primitive::Decimal
            | Primitive::Integer
            | Primitive::PositiveInt
            | Primitive::UnsignedInt => value.is_number(),
            _ => value.is_string(),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Primitive::Id => "an id is 1 to 64 letters, digits, hyphens and dots",
            Primitive::Uri | Primitive::Url | Primitive::Canonical => {
                "a URI without spaces is expected"
            }
            Primitive::Oid => "urn:oid: and an OID are expected",
            Primitive::Uuid => "urn:uuid: and a UUID in small letters are expected",
            Primitive::Date => "a date that exists is expected, as YYYY, YYYY-MM or YYYY-MM-DD",
            Primitive::DateTime => {
                "a date that exists is expected, or date and time with seconds and time zone"
            }
            Primitive::Instant => "date and time with seconds and time zone are expected",
            Primitive::Time => "a time is expected, as hh:mm:ss",
            Primitive::Base64Binary => "base64 is expected",
            _ => "another form is expected",
        }
    }

    fn whole(self, value: &Value) -> Result<(), &'static str> {
        let Value::Number(number) = value else {
            return Err("a JSON number is expected");
        };
        let text = number.as_str();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("a whole number is expected");
        }
        match (self, text.parse::<i32>()) {
            (_, Err(_)) => Err("a whole number of 32 bits is expected"),
            (Primitive::PositiveInt, Ok(number)) if number < 1 => Err("at least 1 is expected"),
            (Primitive::UnsignedInt, Ok(number)) if number < 0 => Err("at least 0 is expected"),
            _ => Ok(()),
        }
    }
}

/// Whether a text holds a control character that XML could not carry (all below 32 but tab and the
/// ends of lines).
pub(super) fn control(text: &str) -> bool {
    text.bytes()
        .any(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'))
}

/// Whether an address is one of the hosts that stand for nobody (RFC 2606).
pub(super) fn example(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or(rest);
    ["example.org", "example.com", "example.net"]
        .iter()
        .any(|own| host == *own || host.strip_suffix(own).is_some_and(|sub| sub.ends_with('.')))
}

/// Words with single whitespace between them.
fn code(text: &str) -> bool {
    let mut space = true;
    for c in text.chars() {
        if c.is_ascii_whitespace() {
            if space {
                return false;
            }
            space = true;
        } else {
            space = false;
        }
    }
    !space
}

/// No whitespace; a `urn:uuid:` or `urn:oid:` must be a real one.
fn uri(text: &str) -> bool {
    if text
        .bytes()
        .any(|b| b.is_ascii_whitespace() || b == b'\x0b')
    {
        return false;
    }
    let plain = text.split('#').next().unwrap_or(text);
    if let Some(rest) = plain.strip_prefix("urn:uuid:") {
        return uuid(&rest.to_ascii_lowercase());
    }
    if let Some(rest) = plain.strip_prefix("urn:oid:") {
        return oid(rest);
    }
    true
}

fn oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let first = arcs
        .next()
        .is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let mut more = 0;
    let rest = arcs.all(|arc| {
        more += 1;
        !arc.is_empty()
            && arc.bytes().all(|b| b.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    });
    first && rest && more > 0
}

fn uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Takes `count` digits from the front.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (front, rest) = text.split_at_checked(count)?;
    let whole = front.bytes().all(|b| b.is_ascii_digit());
    whole.then(|| front.parse().ok().map(|number| (number, rest)))?
}

/// A date of any precision from the front; what follows.
fn date(text: &str) -> Option<&str> {
    let (year, rest) = digits(text, 4)?;
    if year == 0 {
        return None;
    }
    let Some(rest) = rest.strip_prefix('-') else {
        return Some(rest);
    };
    let (month, rest) = digits(rest, 2)?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let Some(rest) = rest.strip_prefix('-') else {
        return Some(rest);
    };
    let (day, rest) = digits(rest, 2)?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=last).contains(&day).then_some(rest)
}

/// `hh:mm:ss` with a fraction from the front; what follows.
fn time(text: &str) -> Option<&str> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix('.') else {
        return Some(rest);
    };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

fn zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let Some(rest) = text.strip_prefix(['+', '-']) else {
        return false;
    };
    let read = || -> Option<bool> {
        let (hour, rest) = digits(rest, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
        Some(rest.is_empty() && minute <= 59 && (hour < 14 || (hour == 14 && minute == 0)))
    };
    read().unwrap_or(false)
}

fn date_time(text: &str) -> bool {
    match date(text) {
        Some("") => true,
        Some(rest) if rest.starts_with('T') => instant(text),
        _ => false,
    }
}

fn instant(text: &str) -> bool {
    let Some((day, clock)) = text.split_once('T') else {
        return false;
    };
    day.len() == 10 && date(day) == Some("") && time(clock).is_some_and(zone)
}

/// Base64 in groups of four, whitespace between them allowed.
fn base64(text: &str) -> bool {
    let mut count = 0_usize;
    let mut padding = 0;
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        count += 1;
        match b {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_what_their_type_says_or_refused() {
        let yes = [
            ("boolean", json!(true)),
            ("integer", json!(-2_147_483_648_i64)),
            ("positiveInt", json!(1)),
            ("unsignedInt", json!(0)),
            ("decimal", json!(0.50)),
            ("code", json!("a b")),
            ("id", json!("a.B-1")),
            ("date", json!("2024-02-29")),
            ("date", json!("2024-02")),
            ("dateTime", json!("2024")),
            ("dateTime", json!("2024-01-01T00:00:00.123+14:00")),
            ("instant", json!("2024-01-01T23:59:60Z")),
            ("time", json!("08:00:00.5")),
            ("oid", json!("urn:oid:1.2.840")),
            (
                "uuid",
                json!("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            ),
            ("base64Binary", json!("YWJj\nZA==")),
            ("uri", json!("a:b")),
        ];
        for (name, value) in yes {
            let primitive = Primitive::named(name).expect(name);
            assert_eq!(primitive.check(&value), Ok(()), "{name} {value}");
        }
        let no = [
            ("boolean", json!("true")),
            ("integer", json!(1.0)),
            ("integer", json!("1")),
            ("integer", json!(2_147_483_648_i64)),
            ("positiveInt", json!(0)),
            ("unsignedInt", json!(-1)),
            ("decimal", json!("0.5")),
            ("code", json!(" a")),
            ("code", json!("a  b")),
            ("id", json!("a_b")),
            ("id", json!("a".repeat(65))),
            ("string", json!(1)),
            ("date", json!("2023-02-29")),
            ("date", json!("2023-13")),
            ("date", json!("0000")),
            ("date", json!("2023-01-01T00:00:00Z")),
            ("dateTime", json!("2024-01-01T00:00:00")),
            ("dateTime", json!("2024-01-01T00:00Z")),
            ("dateTime", json!("2024-01-01T25:00:00Z")),
            ("dateTime", json!("2024-01T00:00:00Z")),
            ("instant", json!("2024-01-01")),
            ("time", json!("24:00:00")),
            ("time", json!("08:00")),
            ("oid", json!("urn:oid:3.1")),
            ("uuid", json!("urn:uuid:x")),
            ("base64Binary", json!("abc")),
            ("uri", json!("a b")),
        ];
        for (name, value) in no {
            let primitive = Primitive::named(name).expect(name);
            assert!(primitive.check(&value).is_err(), "{name} {value}");
        }
    }
}
