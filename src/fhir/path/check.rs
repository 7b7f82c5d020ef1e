//! The strict check of a compiled expression on a type: whether its elements exist, and its types.
//!
//! Types are followed as far as the expression tells them; where it does not (`children()`,
//! `resolve()`, variables of the caller), everything passes. What an evaluation finds, several items
//! where one must be, is not looked for here.

use super::ast::{Binary, TypeName};
use super::error::PathError;
use super::func::Func;
use super::op::{Call, Op, TypeOp, Variable};
use super::type_test::Test;
use super::types::{Form, TypeId, Types};

/// What an expression can give.
#[derive(Clone, Debug)]
enum Kinds {
    /// Anything.
    Any,
    /// Elements of these types.
    Of(Vec<TypeId>),
    /// A value of the language's own.
    System,
}

impl Kinds {
    fn joined(self, other: Kinds) -> Kinds {
        match (self, other) {
            (Kinds::Of(mut own), Kinds::Of(other)) => {
                for kind in other {
                    if !own.contains(&kind) {
                        own.push(kind);
                    }
                }
                Kinds::Of(own)
            }
            (Kinds::System, Kinds::System) => Kinds::System,
            _ => Kinds::Any,
        }
    }
}

/// What `$this` and `%resource` are.
#[derive(Clone)]
struct Place {
    this: Kinds,
    held: Kinds,
}

struct Check<'t> {
    types: &'t Types,
    root: TypeId,
}

/// Checks an expression that will be evaluated on a type.
pub(super) fn check(types: &Types, on: TypeId, op: &Op) -> Result<(), PathError> {
    let this = if types.shape(on).form == Form::Unknown {
        Kinds::Any
    } else {
        Kinds::Of(vec![on])
    };
    let check = Check { types, root: on };
    let place = Place {
        this,
        held: Kinds::Any,
    };
    check.kinds(op, &place).map(drop)
}

impl Check<'_> {
    fn kinds(&self, op: &Op, place: &Place) -> Result<Kinds, PathError> {
        match op {
            Op::Empty => Ok(Kinds::Of(Vec::new())),
            Op::Value(_) | Op::Index => Ok(Kinds::System),
            Op::This => Ok(place.this.clone()),
            Op::Held => Ok(place.held.clone()),
            Op::Total => Ok(Kinds::Any),
            Op::Variable(Variable::Resource | Variable::Root | Variable::Context) => {
                Ok(match self.types.shape(self.root).form {
                    Form::Resource => Kinds::Of(vec![self.root]),
                    _ => Kinds::Any,
                })
            }
            Op::Variable(Variable::Named(_)) => Ok(Kinds::Any),
            Op::Start(name) => self.start(name, &place.this),
            Op::Child(input, name) => {
                let input = self.kinds(input, place)?;
                self.child(&input, name)
            }
            Op::At(input, index) => {
                self.kinds(index, place)?;
                self.kinds(input, place)
            }
            Op::Negate(inner) | Op::Plus(inner) => self.kinds(inner, place),
            Op::And(parts) | Op::Or(parts) => {
                for part in parts {
                    self.kinds(part, place)?;
                }
                Ok(Kinds::System)
            }
            Op::Union(parts) => {
                let mut out = Kinds::Of(Vec::new());
                for part in parts {
                    let part = self.kinds(part, place)?;
                    out = match (out, part) {
                        (Kinds::Of(own), part) if own.is_empty() => part,
                        (out, part) => out.joined(part),
                    };
                }
                Ok(out)
            }
            Op::Binary(operator, left, right) => {
                self.kinds(left, place)?;
                self.kinds(right, place)?;
                Ok(match operator {
                    Binary::Add
                    | Binary::Subtract
                    | Binary::Multiply
                    | Binary::Divide
                    | Binary::Mod => Kinds::Any,
                    _ => Kinds::System,
                })
            }
            Op::Type(operator, input, name) => self.type_op(*operator, input, name, place),
            Op::Let(definition) => {
                let input = self.kinds(&definition.input, place)?;
                if let Some(value) = &definition.value {
                    let inner = Place {
                        this: input.clone(),
                        held: place.held.clone(),
                    };
                    self.kinds(value, &inner)?;
                }
                let inner = Place {
                    this: place.this.clone(),
                    held: input,
                };
                self.kinds(&definition.body, &inner)
            }
            Op::Call(call) => self.call(call, place),
        }
    }

    fn start(&self, name: &str, this: &Kinds) -> Result<Kinds, PathError> {
        if let (Kinds::Of(own), Some(named)) = (this, self.types.named(name)) {
            let fits: Vec<TypeId> = own
                .iter()
                .copied()
                .filter(|own| self.types.is_a(*own, named))
                .collect();
            if !fits.is_empty() {
                return Ok(Kinds::Of(fits));
            }
        }
        self.child(this, name)
    }

    fn child(&self, of: &Kinds, name: &str) -> Result<Kinds, PathError> {
        let Kinds::Of(own) = of else {
            return Ok(Kinds::Any);
        };
        let mut out: Vec<TypeId> = Vec::new();
        let mut known = own.is_empty();
        for kind in own {
            let shape = self.types.shape(*kind);
            // A resource of any type may be of one that has the element.
            let open = shape.form == Form::Unknown
                || (shape.form == Form::Resource
                    && matches!(&*shape.name, "Resource" | "DomainResource"));
            if open {
                return Ok(Kinds::Any);
            }
            if let Some(field) = shape.field(name) {
                known = true;
                out.extend(field.types.iter().map(|(_, kind)| *kind));
            }
        }
        if !known {
            return Err(PathError::semantic(format!(
                "there is no element {name} there"
            )));
        }
        let form = |kind: &TypeId| self.types.shape(*kind).form;
        if out.iter().any(|kind| form(kind) == Form::Unknown) {
            return Ok(Kinds::Any);
        }
        Ok(Kinds::Of(out))
    }

    fn type_op(
        &self,
        operator: TypeOp,
        input: &Op,
        name: &TypeName,
        place: &Place,
    ) -> Result<Kinds, PathError> {
        self.kinds(input, place)?;
        Test::new(self.types, name)
            .map_err(|_| PathError::semantic(format!("no type is called {}", name.name)))?;
        if operator == TypeOp::Is {
            return Ok(Kinds::System);
        }
        let fhir = match name.space.as_deref() {
            Some("System") => None,
            _ => self.types.named(&name.name),
        };
        Ok(fhir.map_or(Kinds::System, |kind| Kinds::Of(vec![kind])))
    }

    fn call(&self, call: &Call, place: &Place) -> Result<Kinds, PathError> {
        let input = self.kinds(&call.input, place)?;
        let on = |this: &Kinds| Place {
            this: this.clone(),
            held: place.held.clone(),
        };
        let inner = match call.func {
            Func::All
            | Func::Exists
            | Func::Where
            | Func::Select
            | Func::Sort
            | Func::Aggregate
            | Func::Trace
            | Func::Iif => on(&input),
            // What it is called on, or what it gave before.
            Func::Repeat | Func::RepeatAll => on(&Kinds::Any),
            _ => place.clone(),
        };
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.kinds(arg, &inner)?);
        }
        Ok(match call.func {
            Func::Where
            | Func::Single
            | Func::First
            | Func::Last
            | Func::Tail
            | Func::Skip
            | Func::Take
            | Func::Intersect
            | Func::Exclude
            | Func::Distinct
            | Func::Sort
            | Func::Trace => input,
            Func::Select => args.swap_remove(0),
            Func::Combine => input.joined(args.swap_remove(0)),
            Func::Iif => {
                let mut rest = args.into_iter().skip(1);
                let first = rest.next().unwrap_or(Kinds::Any);
                rest.fold(first, Kinds::joined)
            }
            Func::Extension => Kinds::Of(self.types.named("Extension").into_iter().collect()),
            Func::Children
            | Func::Descendants
            | Func::Repeat
            | Func::RepeatAll
            | Func::Aggregate
            | Func::Coalesce
            | Func::Resolve
            | Func::Type => Kinds::Any,
            _ => Kinds::System,
        })
    }
}
