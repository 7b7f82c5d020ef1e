//! Small ways of taking elements that fit a field of the contract; what does not fit stays, and is
//! told as a leftover.

use serde_json::Value;

use crate::clock::Instant;
use crate::record::reading::Reading;

/// A text of at most `max` characters that may have lines.
pub(crate) fn text(r: &mut Reading, pointer: &str, max: usize) -> Option<String> {
    let clean = r
        .peek(pointer)?
        .as_str()?
        .replace("\r\n", "\n")
        .trim()
        .to_owned();
    let fits = (1..=max).contains(&clean.chars().count())
        && !clean
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    if !fits {
        return None;
    }
    r.take(pointer);
    Some(clean)
}

/// A text of at most `max` characters in one line; where it had several, their ends become spaces.
pub(crate) fn line(r: &mut Reading, pointer: &str, max: usize) -> Option<String> {
    let there = r.peek(pointer)?.as_str()?.trim();
    let clean = if there.contains(['\n', '\r', '\t']) {
        there.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        there.to_owned()
    };
    let fits = (1..=max).contains(&clean.chars().count()) && !clean.chars().any(char::is_control);
    if !fits {
        return None;
    }
    r.take(pointer);
    Some(clean)
}

/// A whole number within bounds.
pub(crate) fn number(r: &mut Reading, pointer: &str, min: u64, max: u64) -> Option<Value> {
    let value = r.peek(pointer)?.as_u64()?;
    (min..=max).contains(&value).then(|| r.take(pointer))?
}

/// An instant with an offset.
pub(crate) fn instant(r: &mut Reading, pointer: &str) -> Option<String> {
    Instant::parse(r.peek(pointer)?.as_str()?)?;
    r.text(pointer)
}

/// Takes a truth value that is exactly this; whether it was there.
pub(crate) fn exactly_bool(r: &mut Reading, pointer: &str, expected: bool) -> bool {
    let there = r.peek(pointer) == Some(&Value::Bool(expected));
    if there {
        r.take(pointer);
    }
    there
}

/// Takes the value of a part of a complex extension.
pub(crate) fn part(r: &mut Reading, extension: &str, name: &str, key: &str) -> Option<Value> {
    let list = format!("{extension}/extension");
    let at = r
        .peek(&list)?
        .as_array()?
        .iter()
        .position(|e| e["url"] == *name)?;
    let value = r.take(&format!("{list}/{at}/{key}"))?;
    r.take(&format!("{list}/{at}"));
    Some(value)
}
