//! A compiled expression: names cut, functions looked up, literals made, regular expressions held.

use std::sync::OnceLock;

use regex::Regex;

use super::ast::{Binary, TypeName};
use super::error::PathError;
use super::func::{Func, Topic};
use super::item::Item;

/// A compiled expression.
#[derive(Debug)]
pub(super) enum Op {
    /// The empty collection.
    Empty,
    /// A literal or constant.
    Value(Item<'static>),
    /// `$this`: what the expression stands on.
    This,
    /// `$index`.
    Index,
    /// `$total`.
    Total,
    /// `%resource` and the like.
    Variable(Variable),
    /// What a `defineVariable` was called on.
    Held,
    /// A name at the beginning of a path: an element, or the type of what the expression stands on.
    Start(Box<str>),
    /// An element.
    Child(Box<Op>, Box<str>),
    /// `a[b]`.
    At(Box<Op>, Box<Op>),
    /// A function.
    Call(Box<Call>),
    /// `is`, `as` and `ofType`.
    Type(TypeOp, Box<Op>, TypeName),
    /// Minus.
    Negate(Box<Op>),
    /// Plus: nothing but a check.
    Plus(Box<Op>),
    /// All of them.
    And(Vec<Op>),
    /// Any of them.
    Or(Vec<Op>),
    /// Distinct items of all of them.
    Union(Vec<Op>),
    /// Other operators.
    Binary(Binary, Box<Op>, Box<Op>),
    /// `input.defineVariable(name, value)` and what follows it (`body`, on [`Op::Held`]).
    Let(Box<Let>),
}

/// A function call.
#[derive(Debug)]
pub(super) struct Call {
    pub func: Func,
    pub topic: Topic,
    /// What it is called on.
    pub input: Op,
    pub args: Vec<Op>,
    /// The regular expression of a literal pattern, compiled at first use.
    pub regex: OnceLock<Result<Regex, PathError>>,
}

/// A variable's definition.
#[derive(Debug)]
pub(super) struct Let {
    pub input: Op,
    pub name: Box<str>,
    pub value: Option<Op>,
    pub body: Op,
}

/// `is`, `as`, `ofType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeOp {
    /// Whether the item has the type.
    Is,
    /// The items that have it (R4's own invariants call `as` on several items).
    As,
}

/// A variable.
#[derive(Debug)]
pub(super) enum Variable {
    Resource,
    Root,
    Context,
    /// Defined in the expression or by the caller.
    Named(Box<str>),
}
