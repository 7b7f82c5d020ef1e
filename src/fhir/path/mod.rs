//! FHIRPath for R4: an expression is compiled once and evaluated on borrowed JSON.
//!
//! Pure and synchronous, `Send + Sync`: no clock, no file, no socket, and nothing of a record in an
//! error. Results borrow from the resource; nothing is copied on the way.
//!
//! ```
//! use fhir_gateway::fhir::path::{Env, Expression, Node, Types};
//!
//! let types = Types::r4();
//! let patient = serde_json::json!({"resourceType": "Patient", "name": [{"given": ["Ann"]}]});
//! let expression = Expression::compile("name.given.exists()").unwrap();
//! let env = Env::new(types).resource(&patient);
//! assert!(expression.holds(&env, Node::resource(types, &patient)).unwrap());
//! ```
//!
//! | what | file |
//! | --- | --- |
//! | text to tree to compiled expression | `lexer`, `parser`, `ast`, `func`, `compile`, `op` |
//! | what stands where in a type; strict check of an expression | `types`, `check` |
//! | evaluation; conditions; steps through a resource | `eval`, `truth`, `navigate`, `type_test` |
//! | equality and order; sets | `compare` |
//! | functions by topic | `collection`, `convert`, `text`, `number`, `moment`, `fhir` |
//! | values | `item`, `temporal`, `quantity` |
//! | surroundings and limits | `env`, `error` |
//!
//! The language is FHIRPath N1 with what STU3 adds and the official R4 suite asks for. Where R4's own
//! invariants need it, it is lenient: `as` filters a collection, as `ofType` does (dom-3); an element
//! that the type does not have is empty, unless [`Expression::check`] is asked to be strict.

mod ast;
mod check;
mod collection;
mod compare;
mod compile;
mod convert;
mod env;
mod error;
mod eval;
mod fhir;
mod func;
mod item;
mod lexer;
mod moment;
mod navigate;
mod number;
mod op;
mod parser;
mod quantity;
mod temporal;
mod text;
mod truth;
mod type_test;
mod types;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::env::{Env, Host, Limits};
pub use self::error::{ErrorKind, PathError};
use self::eval::{Run, Scope};
pub use self::item::{Item, Items, Node};
use self::op::Op;
pub use self::quantity::Quantity;
pub use self::temporal::{Temporal, TemporalKind};
pub use self::types::{TypeId, Types};

/// A compiled expression. Immutable, shared by all threads.
pub struct Expression {
    ast: ast::Ast,
    op: Op,
}

impl Expression {
    /// Reads and compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where: syntax, a function that does not exist, a wrong number of
    /// arguments, a size or depth beyond the limits (64 kB, 96 levels).
    pub fn compile(text: &str) -> Result<Self, PathError> {
        let ast = parser::parse(text)?;
        let op = compile::compile(&ast)?;
        Ok(Expression { ast, op })
    }

    /// Checks strictly that the expression can mean something on a type: that elements exist where
    /// the type is known, and that types have the names it uses.
    ///
    /// # Errors
    /// The first thing that cannot be, of kind [`ErrorKind::Semantic`].
    pub fn check(&self, types: &Types, on: TypeId) -> Result<(), PathError> {
        check::check(types, on, &self.op)
    }

    /// Evaluates on a resource or element.
    ///
    /// # Errors
    /// What does not fit, or a limit that was reached.
    pub fn evaluate<'a>(&'a self, env: &'a Env<'a>, on: Node<'a>) -> Result<Items<'a>, PathError> {
        let run = Run::new(env, on);
        let this = [Item::Node(on)];
        run.all(&self.op, &Scope::on(&this))
    }

    /// Evaluates as a condition: nothing, or whether the one item is true (one that is no boolean is).
    ///
    /// # Errors
    /// What does not fit, several items for one, or a limit that was reached.
    pub fn truth(&self, env: &Env<'_>, on: Node<'_>) -> Result<Option<bool>, PathError> {
        let run = Run::new(env, on);
        let this = [Item::Node(on)];
        run.boolean(&self.op, &Scope::on(&this))
    }

    /// Evaluates as an invariant: it holds if it is true; a result of nothing does not hold.
    ///
    /// # Errors
    /// As [`Expression::truth`].
    pub fn holds(&self, env: &Env<'_>, on: Node<'_>) -> Result<bool, PathError> {
        Ok(self.truth(env, on)? == Some(true))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ast.fmt(f)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.ast)
    }
}
