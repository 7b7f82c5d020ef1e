//! Evaluation: items are handed on one by one, so that `exists()` stops at the first and no collection
//! is made that nobody keeps.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::slice;

use super::ast::Binary;
use super::compare;
use super::env::Env;
use super::error::PathError;
use super::func::Func;
use super::item::{Item, Items, Node};
use super::navigate::{self, Wanted};
use super::op::{Let, Op, TypeOp, Variable};
use super::types::{TypeId, Types};
use super::{collection, convert, fhir, moment, number, text, type_test};

/// Whether whoever takes the items wants more.
pub(super) type Flow = Result<ControlFlow<()>, PathError>;

/// Go on.
pub(super) const MORE: Flow = Ok(ControlFlow::Continue(()));
/// Enough.
pub(super) const DONE: Flow = Ok(ControlFlow::Break(()));

/// Takes items.
pub(super) type Sink<'s, 'a> = dyn FnMut(Item<'a>) -> Flow + 's;

/// What an expression stands on: `$this` and its kin, and the variables in reach.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a, 's> {
    pub this: &'s [Item<'a>],
    pub index: Option<i64>,
    pub total: Option<&'s [Item<'a>]>,
    pub held: &'s [Item<'a>],
    pub variables: Option<&'s Defined<'a, 's>>,
}

impl<'a, 's> Scope<'a, 's> {
    pub(super) fn on(this: &'s [Item<'a>]) -> Self {
        Scope {
            this,
            index: None,
            total: None,
            held: &[],
            variables: None,
        }
    }

    /// The same, on one item.
    pub(super) fn at<'t>(&self, item: &'t Item<'a>, index: usize) -> Scope<'a, 't>
    where
        's: 't,
    {
        Scope {
            this: slice::from_ref(item),
            index: i64::try_from(index).ok(),
            ..*self
        }
    }
}

/// A variable, and those that were defined before it.
pub(super) struct Defined<'a, 's> {
    name: &'s str,
    items: &'s [Item<'a>],
    before: Option<&'s Defined<'a, 's>>,
}

/// One evaluation.
pub(super) struct Run<'a> {
    pub env: &'a Env<'a>,
    pub types: &'a Types,
    focus: Node<'a>,
    steps: Cell<u64>,
    depth: Cell<u32>,
}

impl<'a> Run<'a> {
    pub(super) fn new(env: &'a Env<'a>, focus: Node<'a>) -> Self {
        Run {
            env,
            types: env.types,
            focus,
            steps: Cell::new(env.limits.steps_max),
            depth: Cell::new(0),
        }
    }

    /// Uses up steps.
    pub(super) fn spend(&self, steps: u64) -> Result<(), PathError> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(PathError::limit(
                "the expression takes more steps than the limit",
            )),
        }
    }

    /// Refuses a text that is too long.
    pub(super) fn text(&self, text: String) -> Result<Item<'a>, PathError> {
        if text.len() > self.env.limits.text_max {
            return Err(PathError::limit("a text is longer than the limit"));
        }
        self.spend(u64::try_from(text.len() / 64).unwrap_or(u64::MAX))?;
        Ok(Item::Text(text.into()))
    }

    pub(super) fn resource(&self) -> Node<'a> {
        self.env.resource.unwrap_or(self.focus)
    }

    pub(super) fn root(&self) -> Node<'a> {
        self.env.root.unwrap_or_else(|| self.resource())
    }

    /// Hands on the items of an expression, one by one.
    pub(super) fn each(&self, op: &'a Op, scope: &Scope<'a, '_>, sink: &mut Sink<'_, 'a>) -> Flow {
        self.spend(1)?;
        let depth = self.depth.get();
        if depth >= self.env.limits.depth_max {
            return Err(PathError::limit(
                "the evaluation is nested deeper than the limit",
            ));
        }
        self.depth.set(depth + 1);
        let flow = self.each_inner(op, scope, sink);
        self.depth.set(depth);
        flow
    }

    fn each_inner(&self, op: &'a Op, scope: &Scope<'a, '_>, sink: &mut Sink<'_, 'a>) -> Flow {
        match op {
            Op::Empty => MORE,
            Op::Value(item) => sink(Item::borrowed(item)),
            Op::This => pour(scope.this, sink),
            Op::Held => pour(scope.held, sink),
            Op::Total => pour(scope.total.unwrap_or_default(), sink),
            Op::Index => match scope.index {
                Some(index) => sink(Item::Integer(index)),
                None => MORE,
            },
            Op::Variable(variable) => self.variable(variable, scope, sink),
            Op::Start(name) => {
                for item in scope.this {
                    let flow = match item {
                        Item::Node(node) if navigate::is_named(self.types, *node, name) => {
                            sink(Item::Node(*node))?
                        }
                        item => navigate::step(self, item, name, sink)?,
                    };
                    if flow.is_break() {
                        return DONE;
                    }
                }
                MORE
            }
            Op::Child(input, name) => {
                let mut step = |item: Item<'a>| navigate::step(self, &item, name, sink);
                // What has no elements is not worth a visit.
                if let Op::Call(call) = &**input
                    && call.func == Func::Descendants
                {
                    return self.each(&call.input, scope, &mut |item| match item {
                        Item::Node(node) => {
                            navigate::descendants(self, node, Wanted::Objects, 0, &mut step)
                        }
                        _ => MORE,
                    });
                }
                self.each(input, scope, &mut step)
            }
            Op::At(input, index) => {
                let Some(index) = self.integer(index, scope)? else {
                    return MORE;
                };
                let mut left = index;
                let mut out = MORE;
                let _ = self.each(input, scope, &mut |item| {
                    if left == 0 {
                        out = sink(item);
                        return DONE;
                    }
                    left -= 1;
                    MORE
                })?;
                out
            }
            Op::Type(TypeOp::As, input, name) => {
                let test = type_test::Test::new(self.types, name)?;
                self.each(input, scope, &mut |item| {
                    if test.narrows(self.types, &item) {
                        sink(item)
                    } else {
                        MORE
                    }
                })
            }
            Op::Negate(inner) => match self.single(inner, scope)? {
                Some(item) => sink(number::negated(item.simple(self.types))?),
                None => MORE,
            },
            Op::Plus(inner) => match self.single(inner, scope)? {
                Some(item) => sink(item),
                None => MORE,
            },
            Op::Union(parts) => {
                let mut set = compare::Distinct::new(self);
                for part in parts {
                    let _ = self.each(part, scope, &mut |item| {
                        set.add(item)?;
                        MORE
                    })?;
                }
                pour_owned(set.items, sink)
            }
            Op::Let(definition) => self.define(definition, scope, sink),
            Op::Binary(
                operator @ (Binary::Add
                | Binary::Subtract
                | Binary::Multiply
                | Binary::Divide
                | Binary::Div
                | Binary::Mod
                | Binary::Concat),
                left,
                right,
            ) => match number::binary(self, *operator, left, right, scope)? {
                Some(item) => sink(item),
                None => MORE,
            },
            Op::Call(call) => match collection::boolean(self, call, scope)? {
                Some(answer) => emit(answer, sink),
                None => match call.topic {
                    super::func::Topic::Collection => collection::each(self, call, scope, sink),
                    super::func::Topic::Convert => convert::each(self, call, scope, sink),
                    super::func::Topic::Text => text::each(self, call, scope, sink),
                    super::func::Topic::Number => number::each(self, call, scope, sink),
                    super::func::Topic::Moment => moment::each(self, call, scope, sink),
                    super::func::Topic::Fhir => fhir::each(self, call, scope, sink),
                },
            },
            Op::And(_) | Op::Or(_) | Op::Type(TypeOp::Is, ..) | Op::Binary(..) => {
                emit(self.boolean(op, scope)?, sink)
            }
        }
    }

    fn variable(
        &self,
        variable: &'a Variable,
        scope: &Scope<'a, '_>,
        sink: &mut Sink<'_, 'a>,
    ) -> Flow {
        match variable {
            Variable::Resource => sink(Item::Node(self.resource())),
            Variable::Root => sink(Item::Node(self.root())),
            Variable::Context => sink(Item::Node(self.env.context.unwrap_or(self.focus))),
            Variable::Named(name) => {
                let mut at = scope.variables;
                while let Some(defined) = at {
                    if *defined.name == **name {
                        return pour(defined.items, sink);
                    }
                    at = defined.before;
                }
                match self.env.variables.iter().find(|(own, _)| **own == **name) {
                    Some((_, items)) => pour(items, sink),
                    None => Err(PathError::execution(format!(
                        "no variable is called %{name}"
                    ))),
                }
            }
        }
    }

    fn define(&self, definition: &'a Let, scope: &Scope<'a, '_>, sink: &mut Sink<'_, 'a>) -> Flow {
        let input = self.all(&definition.input, scope)?;
        let mut at = scope.variables;
        while let Some(defined) = at {
            if *defined.name == *definition.name {
                return Err(PathError::execution("a variable is defined twice"));
            }
            at = defined.before;
        }
        let value = match &definition.value {
            Some(value) => {
                let scope = Scope {
                    this: &input,
                    ..*scope
                };
                self.all(value, &scope)?
            }
            None => input.clone(),
        };
        let defined = Defined {
            name: &definition.name,
            items: &value,
            before: scope.variables,
        };
        let inner = Scope {
            held: &input,
            variables: Some(&defined),
            ..*scope
        };
        self.each(&definition.body, &inner, sink)
    }

    /// All items.
    pub(super) fn all(&self, op: &'a Op, scope: &Scope<'a, '_>) -> Result<Items<'a>, PathError> {
        let mut items = Items::new();
        let _ = self.each(op, scope, &mut |item| {
            if items.len() >= self.env.limits.items_max {
                return Err(PathError::limit("a collection is larger than the limit"));
            }
            items.push(item);
            MORE
        })?;
        Ok(items)
    }

    /// The only item, or none.
    pub(super) fn single(
        &self,
        op: &'a Op,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Item<'a>>, PathError> {
        let mut found = None;
        let _ = self.each(op, scope, &mut |item| {
            if found.replace(item).is_some() {
                return Err(several());
            }
            MORE
        })?;
        Ok(found)
    }

    /// The only item as a whole number.
    pub(super) fn integer(
        &self,
        op: &'a Op,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<i64>, PathError> {
        match self.single(op, scope)?.map(|item| item.simple(self.types)) {
            None => Ok(None),
            Some(Item::Integer(value)) => Ok(Some(value)),
            Some(_) => Err(PathError::execution("a whole number was expected")),
        }
    }

    /// Whether there is any item.
    pub(super) fn any(&self, op: &'a Op, scope: &Scope<'a, '_>) -> Result<bool, PathError> {
        let mut found = false;
        let _ = self.each(op, scope, &mut |_| {
            found = true;
            DONE
        })?;
        Ok(found)
    }
}

/// Hands on items that are kept.
pub(super) fn pour<'a>(items: &[Item<'a>], sink: &mut Sink<'_, 'a>) -> Flow {
    for item in items {
        if sink(item.clone())?.is_break() {
            return DONE;
        }
    }
    MORE
}

/// Hands on items that nobody keeps.
pub(super) fn pour_owned<'a>(
    items: impl IntoIterator<Item = Item<'a>>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    for item in items {
        if sink(item)?.is_break() {
            return DONE;
        }
    }
    MORE
}

/// Hands on a truth value, if there is one.
pub(super) fn emit<'a>(answer: Option<bool>, sink: &mut Sink<'_, 'a>) -> Flow {
    match answer {
        Some(answer) => sink(Item::Boolean(answer)),
        None => MORE,
    }
}

/// Several items stand where one must be.
pub(super) fn several() -> PathError {
    PathError::execution("several items stand where one must be")
}

/// A function was called on, or given, something of the wrong type.
pub(super) fn wrong_type(func: Func, wanted: &'static str) -> PathError {
    PathError::execution(format!("{} works on {wanted}", func.name()))
}

/// What is not known has no elements to name it by.
pub(super) fn is_unknown(kind: TypeId) -> bool {
    kind == TypeId::UNKNOWN
}
