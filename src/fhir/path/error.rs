//! What can go wrong with an expression. Never says a record's value: only names that the expression
//! itself uses, rules, and places in the expression's text.

use std::borrow::Cow;
use std::fmt;

/// Why an expression could not be compiled or evaluated.
#[derive(Clone, PartialEq, Eq)]
pub struct PathError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    words: Cow<'static, str>,
    at: Option<usize>,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no expression.
    Syntax,
    /// The expression cannot mean anything: an unknown function, element or type.
    Semantic,
    /// The data do not fit the expression: several items where one must be, a wrong type.
    Execution,
    /// A limit was reached: steps, depth, collection, text or regex size.
    Limit,
    /// Whoever evaluates cannot tell: a value set or profile that is not loaded.
    NotChecked,
}

impl PathError {
    pub(super) fn new(kind: ErrorKind, words: impl Into<Cow<'static, str>>) -> Self {
        PathError(Box::new(Inner {
            kind,
            words: words.into(),
            at: None,
        }))
    }

    pub(super) fn syntax(words: impl Into<Cow<'static, str>>, at: usize) -> Self {
        PathError(Box::new(Inner {
            kind: ErrorKind::Syntax,
            words: words.into(),
            at: Some(at),
        }))
    }

    pub(super) fn semantic(words: impl Into<Cow<'static, str>>) -> Self {
        PathError::new(ErrorKind::Semantic, words)
    }

    pub(super) fn execution(words: impl Into<Cow<'static, str>>) -> Self {
        PathError::new(ErrorKind::Execution, words)
    }

    pub(super) fn limit(words: &'static str) -> Self {
        PathError::new(ErrorKind::Limit, words)
    }

    /// Says that something cannot be decided with what is loaded; for implementations of
    /// [`super::Host`].
    #[must_use]
    pub fn not_checked(words: impl Into<Cow<'static, str>>) -> Self {
        PathError::new(ErrorKind::NotChecked, words)
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Byte offset in the expression's text, where it is known.
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        self.0.at
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0.kind {
            ErrorKind::Syntax => "syntax",
            ErrorKind::Semantic => "semantic",
            ErrorKind::Execution => "execution",
            ErrorKind::Limit => "limit",
            ErrorKind::NotChecked => "not checked",
        };
        write!(f, "{kind}: {}", self.0.words)?;
        match self.0.at {
            Some(at) => write!(f, " (at byte {at} of the expression)"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathError({self})")
    }
}

impl std::error::Error for PathError {}
