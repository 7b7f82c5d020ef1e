//! Text of an expression to tokens (FHIRPath N1 grammar, with STU3's comments and literals).

use rust_decimal::Decimal;

use super::error::PathError;
use super::temporal::{self, Temporal};

/// A token with the byte offset where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub at: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A word that may be a keyword.
    Word(String),
    /// A name in backticks: never a keyword.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Decimal(Decimal),
    /// A date, time or both.
    Temporal(Temporal),
    /// `$this`, `$index`, `$total`.
    Special(String),
    /// `%`; what follows is a name or a text.
    Percent,
    /// An operator or bracket.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// Two signs first, so that the longer one wins.
const SIGNS: &[&str] = &[
    "<=", ">=", "!=", "!~", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|",
    "=", "~", "<", ">",
];

/// All tokens of a text, [`Kind::End`] last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, PathError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut out = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == Kind::End;
        out.push(token);
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let len = self.rest().find(|c| !fits(c)).unwrap_or(self.rest().len());
        self.at += len;
        &self.text[start..self.at]
    }

    fn skip_blank(&mut self) -> Result<(), PathError> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}'));
            if self.rest().starts_with("//") {
                self.take_while(|c| !matches!(c, '\r' | '\n'));
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return Err(PathError::syntax("a comment without an end", self.at)),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, PathError> {
        self.skip_blank()?;
        let at = self.at;
        let kind = match self.peek() {
            None => Kind::End,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                Kind::Word(self.take_while(word_part).to_owned())
            }
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('\'') => Kind::Text(self.quoted('\'')?),
            Some('`') => Kind::Quoted(self.quoted('`')?),
            Some('"') => Kind::Quoted(self.quoted('"')?),
            Some('@') => self.temporal()?,
            Some('$') => {
                self.at += 1;
                Kind::Special(self.take_while(word_part).to_owned())
            }
            Some('%') => {
                self.at += 1;
                Kind::Percent
            }
            Some(_) => {
                let sign = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
                let sign = sign.ok_or_else(|| PathError::syntax("an unexpected sign", at))?;
                self.at += sign.len();
                Kind::Sign(sign)
            }
        };
        Ok(Token { kind, at })
    }

    fn number(&mut self) -> Result<Kind, PathError> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let fraction = self
            .rest()
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let too_long = || PathError::syntax("a number with too many digits", start);
        if fraction {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
            let text = &self.text[start..self.at];
            return Ok(Kind::Decimal(
                Decimal::from_str_exact(text).map_err(|_| too_long())?,
            ));
        }
        let text = &self.text[start..self.at];
        Ok(Kind::Integer(text.parse().map_err(|_| too_long())?))
    }

    fn temporal(&mut self) -> Result<Kind, PathError> {
        let at = self.at;
        let (len, value) = temporal::literal(&self.rest()[1..])
            .ok_or_else(|| PathError::syntax("no date or time follows the @", at))?;
        self.at += 1 + len;
        if self.peek().is_some_and(word_part) {
            return Err(PathError::syntax("a date or time goes on too long", at));
        }
        Ok(Kind::Temporal(value))
    }

    fn quoted(&mut self, quote: char) -> Result<String, PathError> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[self.at + 1..].char_indices();
        let wrong = |what: &'static str, at: usize| PathError::syntax(what, start + 1 + at);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + 1 + at + quote.len_utf8();
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some((_, c @ ('\'' | '"' | '`' | '\\' | '/'))) => out.push(c),
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'f')) => out.push('\u{c}'),
                Some((_, 'u')) => {
                    let mut unit = || -> Option<u32> {
                        let mut value = 0;
                        for _ in 0..4 {
                            value = value * 16 + chars.next()?.1.to_digit(16)?;
                        }
                        Some(value)
                    };
                    let first = unit().ok_or_else(|| wrong("a broken \\u escape", at))?;
                    let code = if (0xd800..0xdc00).contains(&first) {
                        let pair = matches!(
                            (chars.next(), chars.next()),
                            (Some((_, '\\')), Some((_, 'u')))
                        );
                        let mut low = || -> Option<u32> {
                            let mut value = 0;
                            for _ in 0..4 {
                                value = value * 16 + chars.next()?.1.to_digit(16)?;
                            }
                            Some(value)
                        };
                        low()
                            .filter(|low| pair && (0xdc00..0xe000).contains(low))
                            .map(|low| 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00))
                    } else {
                        Some(first)
                    };
                    let c = code.and_then(char::from_u32);
                    out.push(c.ok_or_else(|| wrong("a broken \\u escape", at))?);
                }
                _ => return Err(wrong("an unknown escape", at)),
            }
        }
        Err(PathError::syntax("a text without an end", start))
    }
}

fn word_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
