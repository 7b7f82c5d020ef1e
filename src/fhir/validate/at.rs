//! Where a check stands: a chain on the stack, written out only when something is wrong.

use std::fmt::Write as _;

/// One place; FHIRPath when written out.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    up: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
    OfType(&'a str),
}

impl<'a> At<'a> {
    /// A root: the resource's type.
    pub(super) fn root(kind: &'a str) -> At<'a> {
        At {
            up: None,
            step: Step::Name(kind),
        }
    }

    /// An element of it.
    pub(super) fn name<'b>(&'b self, name: &'b str) -> At<'b> {
        At {
            up: Some(self),
            step: Step::Name(name),
        }
    }

    /// One of several.
    pub(super) fn index(&self, index: usize) -> At<'_> {
        At {
            up: Some(self),
            step: Step::Index(index),
        }
    }

    /// A choice, as the type that it has.
    pub(super) fn of_type<'b>(&'b self, code: &'b str) -> At<'b> {
        At {
            up: Some(self),
            step: Step::OfType(code),
        }
    }

    /// The names on the way here, without indices and types, the root first.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut out = self.up.map(At::names).unwrap_or_default();
        if let Step::Name(name) = self.step {
            out.push(name);
        }
        out
    }

    /// As FHIRPath.
    pub(super) fn text(&self) -> String {
        let mut out = self.up.map(At::text).unwrap_or_default();
        let written = match self.step {
            Step::Name(name) if out.is_empty() => write!(out, "{name}"),
            Step::Name(name) => write!(out, ".{name}"),
            Step::Index(index) => write!(out, "[{index}]"),
            Step::OfType(code) => write!(out, ".ofType({code})"),
        };
        debug_assert!(written.is_ok(), "a String takes all");
        out
    }
}
