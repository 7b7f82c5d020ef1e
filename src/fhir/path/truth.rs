//! Expressions as conditions: three-valued logic, without making the collections it asks about.

use std::slice;

use super::ast::Binary;
use super::collection;
use super::compare::{self, Equal};
use super::error::PathError;
use super::eval::{DONE, MORE, Run, Scope};
use super::item::Item;
use super::op::{Op, TypeOp};
use super::type_test;

impl<'a> Run<'a> {
    /// The expression as a condition: empty, or one item, which is true unless it is a boolean that
    /// says otherwise.
    pub(super) fn boolean(
        &self,
        op: &'a Op,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<bool>, PathError> {
        match op {
            Op::And(parts) => {
                let mut answer = Some(true);
                for part in parts {
                    match self.boolean(part, scope)? {
                        Some(false) => return Ok(Some(false)),
                        None => answer = None,
                        Some(true) => {}
                    }
                }
                Ok(answer)
            }
            Op::Or(parts) => {
                let mut answer = Some(false);
                for part in parts {
                    match self.boolean(part, scope)? {
                        Some(true) => return Ok(Some(true)),
                        None => answer = None,
                        Some(false) => {}
                    }
                }
                Ok(answer)
            }
            Op::Type(TypeOp::Is, input, name) => {
                let test = type_test::Test::new(self.types, name)?;
                let item = self.single(input, scope)?;
                Ok(item.map(|item| test.is(self.types, &item)))
            }
            Op::Binary(operator, left, right) => match operator {
                Binary::Implies => match self.boolean(left, scope)? {
                    Some(false) => Ok(Some(true)),
                    Some(true) => self.boolean(right, scope),
                    None => Ok(self.boolean(right, scope)?.filter(|right| *right)),
                },
                Binary::Xor => {
                    let left = self.boolean(left, scope)?;
                    let right = self.boolean(right, scope)?;
                    Ok(left.zip(right).map(|(left, right)| left != right))
                }
                Binary::Equal => compare::equal(self, left, right, scope),
                Binary::NotEqual => {
                    Ok(compare::equal(self, left, right, scope)?.map(|answer| !answer))
                }
                Binary::Equivalent => compare::equivalent(self, left, right, scope).map(Some),
                Binary::NotEquivalent => {
                    compare::equivalent(self, left, right, scope).map(|answer| Some(!answer))
                }
                Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                    compare::ordered(self, *operator, left, right, scope)
                }
                Binary::In | Binary::Contains => self.is_in(left, right, scope),
                _ => self.as_condition(op, scope),
            },
            Op::Call(call) => match collection::boolean(self, call, scope)? {
                Some(answer) => Ok(answer),
                None => self.as_condition(op, scope),
            },
            _ => self.as_condition(op, scope),
        }
    }

    fn as_condition(&self, op: &'a Op, scope: &Scope<'a, '_>) -> Result<Option<bool>, PathError> {
        let item = self.single(op, scope)?.map(|item| item.simple(self.types));
        Ok(item.map(|item| !matches!(item, Item::Boolean(false))))
    }

    /// Whether the one item on the left is among those on the right; a union there is looked through
    /// part by part.
    fn is_in(
        &self,
        left: &'a Op,
        right: &'a Op,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<bool>, PathError> {
        let Some(wanted) = self.single(left, scope)? else {
            return Ok(None);
        };
        let wanted = wanted.simple(self.types);
        let parts = match right {
            Op::Union(parts) => parts.as_slice(),
            other => slice::from_ref(other),
        };
        let mut found = false;
        for part in parts {
            let _ = self.each(part, scope, &mut |item| {
                self.spend(1)?;
                if compare::same(self, &wanted, &item)? == Equal::Yes {
                    found = true;
                    return DONE;
                }
                MORE
            })?;
            if found {
                break;
            }
        }
        Ok(Some(found))
    }
}
