//! The written expression to the compiled one: constants folded, functions looked up, arguments
//! counted, `defineVariable` given its scope.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::ast::{Ast, Binary, Chain, Literal, TypeName};
use super::error::PathError;
use super::func;
use super::item::Item;
use super::op::{Call, Let, Op, TypeOp, Variable};
use super::quantity::Quantity;
use crate::fhir::system;

/// Compiles.
pub(super) fn compile(ast: &Ast) -> Result<Op, PathError> {
    match ast {
        Ast::Empty => Ok(Op::Empty),
        Ast::Literal(literal) => Ok(Op::Value(value(literal))),
        Ast::This => Ok(Op::This),
        Ast::Index => Ok(Op::Index),
        Ast::Total => Ok(Op::Total),
        Ast::Variable(name) => Ok(variable(name)),
        Ast::Name(..) | Ast::Call(..) | Ast::At(..) => path(ast),
        Ast::Sign(minus, inner) => {
            let inner = compile(inner)?;
            Ok(match (minus, inner) {
                (true, Op::Value(Item::Integer(value))) => Op::Value(Item::Integer(-value)),
                (true, Op::Value(Item::Decimal(value))) => Op::Value(Item::Decimal(-value)),
                (true, inner) => Op::Negate(Box::new(inner)),
                (false, inner) => Op::Plus(Box::new(inner)),
            })
        }
        Ast::Type(is, left, name) => {
            let op = if *is { TypeOp::Is } else { TypeOp::As };
            Ok(Op::Type(op, Box::new(compile(left)?), name.clone()))
        }
        Ast::Binary(Binary::Contains, left, right) => Ok(Op::Binary(
            Binary::In,
            Box::new(compile(right)?),
            Box::new(compile(left)?),
        )),
        Ast::Binary(binary, left, right) => Ok(Op::Binary(
            *binary,
            Box::new(compile(left)?),
            Box::new(compile(right)?),
        )),
        Ast::Chain(chain, parts) => {
            let parts = parts.iter().map(compile).collect::<Result<_, _>>()?;
            Ok(match chain {
                Chain::And => Op::And(parts),
                Chain::Or => Op::Or(parts),
                Chain::Union => Op::Union(parts),
            })
        }
    }
}

fn value(literal: &Literal) -> Item<'static> {
    match literal {
        Literal::Boolean(value) => Item::Boolean(*value),
        Literal::Text(text) => Item::Text(Cow::Owned(text.to_string())),
        Literal::Integer(value) => Item::Integer(*value),
        Literal::Decimal(value) => Item::Decimal(*value),
        Literal::Temporal(value) => Item::Temporal(*value),
        Literal::Quantity(value, unit, calendar) => {
            Item::Quantity(Box::new(Quantity::new(*value, unit.to_string(), *calendar)))
        }
    }
}

fn variable(name: &str) -> Op {
    let text = |text: String| Op::Value(Item::Text(Cow::Owned(text)));
    Op::Variable(match name {
        "resource" => Variable::Resource,
        "rootResource" => Variable::Root,
        "context" => Variable::Context,
        "ucum" => return text(system::UCUM.to_owned()),
        "sct" => return text(system::SNOMED.to_owned()),
        "loinc" => return text(system::LOINC.to_owned()),
        _ => {
            if let Some(set) = name.strip_prefix("vs-") {
                return text(format!("http://hl7.org/fhir/ValueSet/{set}"));
            }
            if let Some(extension) = name.strip_prefix("ext-") {
                let base = "http://hl7.org/fhir/StructureDefinition";
                return text(format!("{base}/{extension}"));
            }
            Variable::Named(name.into())
        }
    })
}

/// A path: its steps from the left, so that a variable holds for the steps after its definition.
fn path(ast: &Ast) -> Result<Op, PathError> {
    let mut steps = Vec::new();
    let mut at = Some(ast);
    let mut start = None;
    while let Some(step) = at {
        match step {
            Ast::Name(input, _) | Ast::Call(input, ..) => at = input.as_deref(),
            Ast::At(input, _) => at = Some(input),
            other => {
                start = Some(compile(other)?);
                break;
            }
        }
        steps.push(step);
    }
    steps.reverse();
    follow(start, &steps)
}

fn follow(start: Option<Op>, steps: &[&Ast]) -> Result<Op, PathError> {
    let mut op = start;
    for (at, step) in steps.iter().enumerate() {
        op = Some(match step {
            Ast::Name(_, name) => match op {
                Some(input) => Op::Child(Box::new(input), name.clone()),
                None => Op::Start(name.clone()),
            },
            Ast::At(_, index) => {
                Op::At(Box::new(op.unwrap_or(Op::This)), Box::new(compile(index)?))
            }
            Ast::Call(_, name, args) if **name == *"defineVariable" => {
                return define(op.unwrap_or(Op::This), args, &steps[at + 1..]);
            }
            Ast::Call(_, name, args) => call(op.unwrap_or(Op::This), name, args)?,
            _ => return Err(PathError::semantic("a step that is none")),
        });
    }
    Ok(op.unwrap_or(Op::This))
}

fn define(input: Op, args: &[Ast], rest: &[&Ast]) -> Result<Op, PathError> {
    let (Some(Ast::Literal(Literal::Text(name))), 1..=2) = (args.first(), args.len()) else {
        return Err(PathError::semantic(
            "defineVariable takes a name in quotes and an expression",
        ));
    };
    let known = [
        "resource",
        "rootResource",
        "context",
        "ucum",
        "sct",
        "loinc",
    ];
    if known.contains(&&**name) || name.starts_with("vs-") || name.starts_with("ext-") {
        return Err(PathError::semantic(
            "defineVariable cannot redefine what FHIR defines",
        ));
    }
    Ok(Op::Let(Box::new(Let {
        input,
        name: name.clone(),
        value: args.get(1).map(compile).transpose()?,
        body: follow(Some(Op::Held), rest)?,
    })))
}

fn call(input: Op, name: &str, args: &[Ast]) -> Result<Op, PathError> {
    if let "is" | "as" | "ofType" = name {
        let [arg] = args else {
            return Err(PathError::semantic(format!("{name} takes one type")));
        };
        let op = if name == "is" { TypeOp::Is } else { TypeOp::As };
        return Ok(Op::Type(op, Box::new(input), type_name(arg)?));
    }
    let (_, func, least, most, topic) = *func::find(name)
        .ok_or_else(|| PathError::semantic(format!("no function is called {name}")))?;
    if !(least..=most).contains(&args.len()) {
        let words = if least == most {
            format!("{name} takes {least} arguments")
        } else {
            format!("{name} takes {least} to {most} arguments")
        };
        return Err(PathError::semantic(words));
    }
    let args = args.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
    if func == func::Func::Union {
        let mut parts = vec![input];
        parts.extend(args);
        return Ok(Op::Union(parts));
    }
    Ok(Op::Call(Box::new(Call {
        func,
        topic,
        input,
        args,
        regex: OnceLock::new(),
    })))
}

/// The type that an argument names: `Quantity`, `FHIR.Quantity`.
fn type_name(arg: &Ast) -> Result<TypeName, PathError> {
    match arg {
        Ast::Name(None, name) => Ok(TypeName {
            space: None,
            name: name.clone(),
        }),
        Ast::Name(Some(space), name) => match &**space {
            Ast::Name(None, space) if matches!(&**space, "System" | "FHIR") => Ok(TypeName {
                space: Some(space.clone()),
                name: name.clone(),
            }),
            _ => Err(PathError::semantic("a type is named with at most one dot")),
        },
        _ => Err(PathError::semantic("the argument should name a type")),
    }
}
