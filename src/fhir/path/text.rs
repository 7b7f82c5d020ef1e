//! Functions on texts. Regular expressions are the linear-time kind, with a limit on their size; a
//! dot matches line ends, and `matches` is content with a part of the text (STU3).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::error::PathError;
use super::eval::{Flow, MORE, Run, Scope, Sink, wrong_type};
use super::func::Func;
use super::item::Item;
use super::op::{Call, Op};

/// The text of an argument or input; nothing for nothing.
fn text_of<'a>(
    run: &Run<'a>,
    func: Func,
    op: &'a Op,
    scope: &Scope<'a, '_>,
) -> Result<Option<Cow<'a, str>>, PathError> {
    match run.single(op, scope)? {
        None => Ok(None),
        Some(Item::Text(text)) => Ok(Some(text)),
        Some(Item::Node(node)) => match (node.value, node.companion) {
            (Some(Value::String(text)), _) => Ok(Some(Cow::Borrowed(text))),
            (None, Some(_)) => Ok(None),
            _ => Err(wrong_type(func, "texts")),
        },
        Some(_) => Err(wrong_type(func, "texts")),
    }
}

/// Hands on what a function on a text gives.
pub(super) fn each<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let arg = |at: usize| call.args.get(at).unwrap_or(&Op::Empty);
    let read = |op: &'a Op| text_of(run, call.func, op, scope);
    if call.func == Func::Join {
        let separator = read(arg(0))?.unwrap_or_default();
        let mut out = String::new();
        let mut first = true;
        let _ = run.each(&call.input, scope, &mut |item| {
            let text = match &item {
                Item::Text(text) => text,
                Item::Node(node) => match node.value {
                    Some(Value::String(text)) => text.as_str(),
                    None => return MORE,
                    _ => return Err(wrong_type(call.func, "texts")),
                },
                _ => return Err(wrong_type(call.func, "texts")),
            };
            if !first {
                out.push_str(&separator);
            }
            first = false;
            out.push_str(text);
            if out.len() > run.env.limits.text_max {
                return Err(PathError::limit("a text is longer than the limit"));
            }
            MORE
        })?;
        return if first { MORE } else { sink(run.text(out)?) };
    }
    let Some(own) = read(&call.input)? else {
        return MORE;
    };
    run.spend(u64::try_from(own.len() / 64).unwrap_or(u64::MAX))?;
    match call.func {
        Func::Length => return sink(count(own.chars().count())),
        Func::Upper => return sink(run.text(own.to_uppercase())?),
        Func::Lower => return sink(run.text(own.to_lowercase())?),
        Func::Trim => {
            let text = own.trim_matches([' ', '\t', '\n', '\r']);
            return sink(run.text(text.to_owned())?);
        }
        Func::ToChars => {
            for c in own.chars() {
                run.spend(1)?;
                if sink(Item::Text(Cow::Owned(c.to_string())))?.is_break() {
                    break;
                }
            }
            return MORE;
        }
        Func::Substring => {
            let Some(start) = run.integer(arg(0), scope)? else {
                return MORE;
            };
            let Ok(start) = usize::try_from(start) else {
                return MORE;
            };
            let most = match call.args.get(1) {
                Some(length) => run.integer(length, scope)?.unwrap_or(i64::MAX),
                None => i64::MAX,
            };
            let most = usize::try_from(most).unwrap_or(0);
            let Some((from, _)) = own.char_indices().nth(start) else {
                return MORE;
            };
            let rest = &own[from..];
            let to = rest
                .char_indices()
                .nth(most)
                .map_or(rest.len(), |(at, _)| at);
            return sink(run.text(rest[..to].to_owned())?);
        }
        _ => {}
    }
    let Some(first) = read(arg(0))? else {
        return MORE;
    };
    match call.func {
        Func::StartsWith => sink(Item::Boolean(own.starts_with(&*first))),
        Func::EndsWith => sink(Item::Boolean(own.ends_with(&*first))),
        Func::Contains => sink(Item::Boolean(own.contains(&*first))),
        Func::IndexOf | Func::LastIndexOf => {
            let at = match call.func {
                Func::IndexOf => own.find(&*first),
                _ => own.rfind(&*first),
            };
            sink(match at {
                Some(at) => count(own[..at].chars().count()),
                None => Item::Integer(-1),
            })
        }
        Func::Replace => match read(arg(1))? {
            Some(by) => {
                let times = own.matches(&*first).count();
                guard(run, &own, times, by.len())?;
                sink(run.text(own.replace(&*first, &by))?)
            }
            None => MORE,
        },
        Func::Split => {
            let parts: Vec<&str> = if first.is_empty() {
                vec![&own]
            } else {
                own.split(&*first).collect()
            };
            for part in parts {
                run.spend(1)?;
                if sink(Item::Text(Cow::Owned(part.to_owned())))?.is_break() {
                    break;
                }
            }
            MORE
        }
        Func::Matches | Func::MatchesFull => {
            let flags = read(arg(1))?;
            let holds = with_regex(run, call, &first, flags.as_deref(), |regex| {
                Ok(regex.is_match(&own))
            })?;
            sink(Item::Boolean(holds))
        }
        Func::ReplaceMatches => {
            let Some(by) = read(arg(1))? else {
                return MORE;
            };
            if first.is_empty() {
                return sink(Item::Text(own));
            }
            let flags = read(arg(2))?;
            let text = with_regex(run, call, &first, flags.as_deref(), |regex| {
                guard(
                    run,
                    &own,
                    regex.find_iter(&own).count(),
                    by.len() + own.len(),
                )?;
                Ok(regex.replace_all(&own, &*by).into_owned())
            })?;
            sink(run.text(text)?)
        }
        Func::Encode => match encode(&own, &first)? {
            Some(text) => sink(run.text(text)?),
            None => MORE,
        },
        Func::Decode => match decode(&own, &first)? {
            Some(text) => sink(run.text(text)?),
            None => MORE,
        },
        Func::Escape => sink(run.text(escape(&own, &first)?)?),
        Func::Unescape => match unescape(&own, &first)? {
            Some(text) => sink(run.text(text)?),
            None => MORE,
        },
        other => Err(wrong_type(other, "something else")),
    }
}

fn count(count: usize) -> Item<'static> {
    Item::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Refuses a replacement whose result could pass the limit, before it is made.
fn guard(run: &Run<'_>, own: &str, times: usize, by: usize) -> Result<(), PathError> {
    let most = times.saturating_mul(by).saturating_add(own.len());
    if most > run.env.limits.text_max.saturating_mul(4) {
        return Err(PathError::limit("a text is longer than the limit"));
    }
    Ok(())
}

/// Compiles a pattern; `full` binds it to the whole text.
fn compiled(run: &Run<'_>, pattern: &str, flags: &str, full: bool) -> Result<Regex, PathError> {
    let pattern = if full {
        Cow::Owned(format!("^(?:{pattern})$"))
    } else {
        Cow::Borrowed(pattern)
    };
    let built = RegexBuilder::new(&pattern)
        .dot_matches_new_line(true)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(run.env.limits.regex_max)
        .dfa_size_limit(run.env.limits.regex_max)
        .nest_limit(64)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            PathError::limit("a regular expression is larger than the limit")
        }
        _ => PathError::semantic("a pattern is no regular expression that is supported"),
    })
}

/// Uses the pattern; one that is written in the expression is compiled once.
fn with_regex<T>(
    run: &Run<'_>,
    call: &Call,
    pattern: &str,
    flags: Option<&str>,
    use_it: impl FnOnce(&Regex) -> Result<T, PathError>,
) -> Result<T, PathError> {
    let full = call.func == Func::MatchesFull;
    let literal = matches!(call.args.first(), Some(Op::Value(_)));
    if literal && flags.is_none() {
        let made = call.regex.get_or_init(|| compiled(run, pattern, "", full));
        return use_it(made.as_ref().map_err(Clone::clone)?);
    }
    run.spend(1000)?;
    use_it(&compiled(run, pattern, flags.unwrap_or_default(), full)?)
}

fn unknown(what: &'static str) -> PathError {
    PathError::execution(what)
}

fn encode(text: &str, format: &str) -> Result<Option<String>, PathError> {
    Ok(Some(match format {
        "hex" => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        "base64" => STANDARD.encode(text),
        "urlbase64" => URL_SAFE.encode(text),
        _ => return Err(unknown("encode and decode know hex, base64 and urlbase64")),
    }))
}

fn decode(text: &str, format: &str) -> Result<Option<String>, PathError> {
    let bytes = match format {
        "hex" => {
            let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
            digits.filter(|digits| digits.len() % 2 == 0).map(|digits| {
                let pairs = digits.chunks(2);
                pairs
                    .filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
                    .collect()
            })
        }
        "base64" => STANDARD.decode(text).ok(),
        "urlbase64" => URL_SAFE.decode(text).ok(),
        _ => return Err(unknown("encode and decode know hex, base64 and urlbase64")),
    };
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

const HTML: &[(char, &str)] = &[
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('"', "&quot;"),
    ('\'', "&#39;"),
];

fn escape(text: &str, target: &str) -> Result<String, PathError> {
    match target {
        "html" => {
            let mut out = String::with_capacity(text.len());
            for c in text.chars() {
                match HTML.iter().find(|(own, _)| *own == c) {
                    Some((_, written)) => out.push_str(written),
                    None => out.push(c),
                }
            }
            Ok(out)
        }
        "json" => {
            let quoted = Value::from(text).to_string();
            Ok(quoted[1..quoted.len() - 1].to_owned())
        }
        _ => Err(unknown("escape and unescape know html and json")),
    }
}

fn unescape(text: &str, target: &str) -> Result<Option<String>, PathError> {
    match target {
        "html" => Ok(quick_xml::escape::unescape(text).ok().map(Cow::into_owned)),
        "json" => {
            // A bare quote stands for itself, as in the official suite.
            let mut quoted = String::with_capacity(text.len() + 2);
            quoted.push('"');
            let mut escaped = false;
            for c in text.chars() {
                if c == '"' && !escaped {
                    quoted.push('\\');
                }
                escaped = c == '\\' && !escaped;
                quoted.push(c);
            }
            quoted.push('"');
            Ok(serde_json::from_str(&quoted).ok())
        }
        _ => Err(unknown("escape and unescape know html and json")),
    }
}
