//! Where a check stands: a chain on the stack, written out only when something is wrong.

use std::fmt::Write as _;

/// One place; FHIRPath when written out.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    up: Option<&'a At<'a>>,
    step: Step<'a>,
}

/// One step of the way.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// An element.
    Name(&'a str),
    /// One of several.
    Index(usize),
    /// The type that a choice has.
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

    /// The way here, the root first.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        let mut out = self.up.map(At::steps).unwrap_or_default();
        out.push(self.step);
        out
    }

    /// How many names stand on the way here, the root's among them.
    pub(super) fn names(&self) -> usize {
        let own = usize::from(matches!(self.step, Step::Name(_)));
        self.up.map_or(0, At::names) + own
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
