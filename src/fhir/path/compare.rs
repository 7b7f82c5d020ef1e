//! Equality, equivalence and order, and sets of distinct items.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rust_decimal::Decimal;
use serde_json::Value;

use super::ast::Binary;
use super::error::PathError;
use super::eval::{Run, Scope};
use super::item::{Item, Items, decimal};
use super::op::Op;
use super::quantity::Quantity;
use super::temporal::{Temporal, TemporalKind};
use super::types::{Form, Types};

/// Whether two items are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Equal {
    Yes,
    No,
    /// Their precision or units leave it open.
    Open,
}

impl From<bool> for Equal {
    fn from(yes: bool) -> Self {
        if yes { Equal::Yes } else { Equal::No }
    }
}

/// The text of an item that is one, without a copy.
pub(super) fn as_text<'i>(types: &Types, item: &'i Item<'_>) -> Option<&'i str> {
    match item {
        Item::Text(text) => Some(text),
        Item::Node(node) if matches!(types.shape(node.kind).form, Form::Text | Form::Unknown) => {
            node.value?.as_str()
        }
        _ => None,
    }
}

/// The quantity that an item is or means.
pub(super) fn as_quantity<'a>(types: &Types, item: &Item<'a>) -> Option<Quantity<'a>> {
    match item {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        Item::Node(node) if types.is_quantity(node.kind) => Quantity::of_node(node),
        Item::Integer(value) => Some(Quantity::plain(Decimal::from(*value))),
        Item::Decimal(value) => Some(Quantity::plain(*value)),
        _ => None,
    }
}

/// The number that a system value is.
pub(super) fn as_decimal(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

fn simple<'a>(run: &Run<'a>, item: &Item<'a>) -> Item<'a> {
    item.clone().simple(run.types)
}

/// Whether two items are equal.
pub(super) fn same<'a>(run: &Run<'a>, a: &Item<'a>, b: &Item<'a>) -> Result<Equal, PathError> {
    if let (Some(a), Some(b)) = (as_text(run.types, a), as_text(run.types, b)) {
        return Ok((a == b).into());
    }
    let (a, b) = (simple(run, a), simple(run, b));
    Ok(match (&a, &b) {
        (Item::Boolean(a), Item::Boolean(b)) => (a == b).into(),
        (Item::Integer(a), Item::Integer(b)) => (a == b).into(),
        (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
            (as_decimal(&a) == as_decimal(&b)).into()
        }
        (Item::Text(a), Item::Text(b)) => (a == b).into(),
        (Item::Temporal(a), Item::Temporal(b)) => match a.compare(*b, 0) {
            Some(order) => (order == Ordering::Equal).into(),
            None => Equal::Open,
        },
        (Item::Type(space, name), Item::Type(other, own)) => (space == other && name == own).into(),
        (Item::Node(left), Item::Node(right)) => {
            let both = run.types.is_quantity(left.kind) && run.types.is_quantity(right.kind);
            if both
                && let (Some(left), Some(right)) =
                    (Quantity::of_node(left), Quantity::of_node(right))
            {
                return Ok(match left.compare(&right, false) {
                    Some(order) => (order == Ordering::Equal).into(),
                    None => Equal::No,
                });
            }
            match (left.value, right.value) {
                (Some(left), Some(right)) => deep(run, left, right)?.into(),
                (None, None) => match (left.companion, right.companion) {
                    (Some(left), Some(right)) => deep(run, left, right)?.into(),
                    _ => Equal::No,
                },
                _ => Equal::No,
            }
        }
        (Item::Quantity(_), _) | (_, Item::Quantity(_)) => {
            match (as_quantity(run.types, &a), as_quantity(run.types, &b)) {
                (Some(a), Some(b)) => match a.compare(&b, false) {
                    Some(order) => (order == Ordering::Equal).into(),
                    None if a.comparable(&b) => Equal::Open,
                    None => Equal::No,
                },
                _ => Equal::No,
            }
        }
        _ => Equal::No,
    })
}

/// Whether two pieces of JSON say the same: order of properties aside, numbers by value.
fn deep(run: &Run<'_>, a: &Value, b: &Value) -> Result<bool, PathError> {
    run.spend(1)?;
    Ok(match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            // Mostly both are written in the same order.
            for ((key, value), (own, inner)) in a.iter().zip(b) {
                let other = if key == own { Some(inner) } else { b.get(key) };
                match other {
                    Some(other) if deep(run, value, other)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !deep(run, a, b)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Number(a), Value::Number(b)) => {
            a.as_str() == b.as_str()
                || matches!((decimal(a.as_str()), decimal(b.as_str())), (Some(a), Some(b)) if a == b)
        }
        (a, b) => a == b,
    })
}

/// `=`.
pub(super) fn equal<'a>(
    run: &Run<'a>,
    left: &'a Op,
    right: &'a Op,
    scope: &Scope<'a, '_>,
) -> Result<Option<bool>, PathError> {
    let left = run.all(left, scope)?;
    if left.is_empty() {
        return Ok(None);
    }
    let right = run.all(right, scope)?;
    if right.is_empty() {
        return Ok(None);
    }
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    let mut answer = Some(true);
    for (a, b) in left.iter().zip(&right) {
        run.spend(1)?;
        match same(run, a, b)? {
            Equal::Yes => {}
            Equal::No => return Ok(Some(false)),
            Equal::Open => answer = None,
        }
    }
    Ok(answer)
}

/// `~`: order does not matter, nor do case and white space; numbers to the lesser precision.
pub(super) fn equivalent<'a>(
    run: &Run<'a>,
    left: &'a Op,
    right: &'a Op,
    scope: &Scope<'a, '_>,
) -> Result<bool, PathError> {
    let left = run.all(left, scope)?;
    let mut right: Vec<Option<Item<'a>>> = run.all(right, scope)?.into_iter().map(Some).collect();
    if left.len() != right.len() {
        return Ok(false);
    }
    for a in &left {
        let mut found = false;
        for b in &mut right {
            run.spend(1)?;
            if let Some(own) = b
                && alike(run, a, own)?
            {
                *b = None;
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn alike<'a>(run: &Run<'a>, a: &Item<'a>, b: &Item<'a>) -> Result<bool, PathError> {
    let (a, b) = (simple(run, a), simple(run, b));
    Ok(match (&a, &b) {
        (Item::Text(a), Item::Text(b)) => folded(a).eq(folded(b)),
        (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
            match (as_decimal(&a), as_decimal(&b)) {
                (Some(a), Some(b)) => close(a, b),
                _ => false,
            }
        }
        (Item::Temporal(a), Item::Temporal(b)) => a.compare(*b, 0) == Some(Ordering::Equal),
        (Item::Node(left), Item::Node(right)) => {
            if let (Some(left), Some(right)) =
                (as_quantity(run.types, &a), as_quantity(run.types, &b))
            {
                return Ok(left.compare(&right, true) == Some(Ordering::Equal));
            }
            match (left.value, right.value) {
                (Some(left), Some(right)) => deep_alike(run, left, right)?,
                _ => false,
            }
        }
        (Item::Quantity(_), _) | (_, Item::Quantity(_)) => {
            match (as_quantity(run.types, &a), as_quantity(run.types, &b)) {
                (Some(a), Some(b)) => a.compare(&b, true) == Some(Ordering::Equal),
                _ => false,
            }
        }
        _ => same(run, &a, &b)? == Equal::Yes,
    })
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    let words = text.split_whitespace().enumerate();
    words.flat_map(|(at, word)| {
        let gap = (at > 0).then_some(' ');
        gap.into_iter()
            .chain(word.chars().flat_map(char::to_lowercase))
    })
}

/// Whether two numbers agree to the precision of the less precise one.
fn close(a: Decimal, b: Decimal) -> bool {
    let digits = a.normalize().scale().min(b.normalize().scale());
    let round = |value: Decimal| {
        let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
        value.round_dp_with_strategy(digits, strategy)
    };
    round(a) == round(b)
}

fn deep_alike(run: &Run<'_>, a: &Value, b: &Value) -> Result<bool, PathError> {
    run.spend(1)?;
    Ok(match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let count =
                |of: &serde_json::Map<String, Value>| of.len() - usize::from(of.contains_key("id"));
            if count(a) != count(b) {
                return Ok(false);
            }
            for (key, value) in a.iter().filter(|(key, _)| *key != "id") {
                match b.get(key) {
                    Some(other) if deep_alike(run, value, other)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Array(a), Value::Array(b)) => {
            let mut left: Vec<&Value> = b.iter().collect();
            if a.len() != b.len() {
                return Ok(false);
            }
            for value in a {
                let mut at = None;
                for (index, other) in left.iter().enumerate() {
                    if deep_alike(run, value, other)? {
                        at = Some(index);
                        break;
                    }
                }
                match at {
                    Some(at) => left.swap_remove(at),
                    None => return Ok(false),
                };
            }
            true
        }
        (Value::String(a), Value::String(b)) => folded(a).eq(folded(b)),
        (Value::Number(a), Value::Number(b)) => {
            matches!((decimal(a.as_str()), decimal(b.as_str())), (Some(a), Some(b)) if close(a, b))
        }
        (a, b) => a == b,
    })
}

/// The order of two items; `None` where precision or units leave it open.
pub(super) fn order<'a>(
    run: &Run<'a>,
    a: &Item<'a>,
    b: &Item<'a>,
) -> Result<Option<Ordering>, PathError> {
    if let (Some(a), Some(b)) = (as_text(run.types, a), as_text(run.types, b)) {
        return Ok(Some(a.cmp(b)));
    }
    if a.is_bare() || b.is_bare() {
        return Ok(None);
    }
    let (a, b) = (simple(run, a), simple(run, b));
    match (&a, &b) {
        (Item::Integer(a), Item::Integer(b)) => return Ok(Some(a.cmp(b))),
        (Item::Text(a), Item::Text(b)) => return Ok(Some(a.cmp(b))),
        (Item::Temporal(a), Item::Temporal(b)) => {
            if (a.kind == TemporalKind::Time) == (b.kind == TemporalKind::Time) {
                return Ok(a.compare(*b, 0));
            }
        }
        (Item::Temporal(a), Item::Text(b)) => {
            if let Some(b) = of_kind(a.kind, b) {
                return Ok(a.compare(b, 0));
            }
        }
        (Item::Text(a), Item::Temporal(b)) => {
            if let Some(a) = of_kind(b.kind, a) {
                return Ok(a.compare(*b, 0));
            }
        }
        _ => {
            if let (Some(a), Some(b)) = (as_decimal(&a), as_decimal(&b)) {
                return Ok(Some(a.cmp(&b)));
            }
            if let (Some(a), Some(b)) = (as_quantity(run.types, &a), as_quantity(run.types, &b)) {
                return Ok(a.compare(&b, false));
            }
            let quantity = |item: &Item<'_>| matches!(item, Item::Node(node) if run.types.is_quantity(node.kind));
            // A quantity without a value, or with a comparator, has no order.
            if quantity(&a) || quantity(&b) {
                return Ok(None);
            }
        }
    }
    Err(PathError::execution(
        "two values of kinds that have no order between them",
    ))
}

fn of_kind(kind: TemporalKind, text: &str) -> Option<Temporal> {
    match kind {
        TemporalKind::Time => Temporal::time(text),
        _ => Temporal::date_time(text),
    }
}

/// `<`, `<=`, `>`, `>=`.
pub(super) fn ordered<'a>(
    run: &Run<'a>,
    operator: Binary,
    left: &'a Op,
    right: &'a Op,
    scope: &Scope<'a, '_>,
) -> Result<Option<bool>, PathError> {
    let (Some(a), Some(b)) = (run.single(left, scope)?, run.single(right, scope)?) else {
        return Ok(None);
    };
    Ok(order(run, &a, &b)?.map(|order| match operator {
        Binary::Less => order.is_lt(),
        Binary::LessOrEqual => order.is_le(),
        Binary::Greater => order.is_gt(),
        _ => order.is_ge(),
    }))
}

/// Whether an item is among others.
pub(super) fn among<'a>(
    run: &Run<'a>,
    item: &Item<'a>,
    others: &[Item<'a>],
) -> Result<bool, PathError> {
    for other in others {
        run.spend(1)?;
        if same(run, item, other)? == Equal::Yes {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Above this many items a set is kept by hash.
const LINEAR: usize = 12;

/// Distinct items, in the order they came.
pub(super) struct Distinct<'r, 'a> {
    run: &'r Run<'a>,
    pub items: Items<'a>,
    by_hash: HashMap<u64, Vec<usize>>,
}

impl<'r, 'a> Distinct<'r, 'a> {
    pub(super) fn new(run: &'r Run<'a>) -> Self {
        Distinct {
            run,
            items: Items::new(),
            by_hash: HashMap::new(),
        }
    }

    /// A set to look things up in. A few items stand as they are, though they be twice.
    pub(super) fn of(run: &'r Run<'a>, items: Items<'a>) -> Result<Self, PathError> {
        let mut set = Distinct::new(run);
        if items.len() <= LINEAR {
            set.items = items;
            return Ok(set);
        }
        for item in items {
            set.add(item)?;
        }
        Ok(set)
    }

    /// Whether it is in the set.
    pub(super) fn has(&self, item: &Item<'a>) -> Result<bool, PathError> {
        if self.items.len() <= LINEAR {
            return among(self.run, item, &self.items);
        }
        for at in self.by_hash.get(&self.hash(item)).into_iter().flatten() {
            self.run.spend(1)?;
            if same(self.run, item, &self.items[*at])? == Equal::Yes {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds it, unless it is there; whether it was added.
    pub(super) fn add(&mut self, item: Item<'a>) -> Result<bool, PathError> {
        if self.has(&item)? {
            return Ok(false);
        }
        if self.items.len() >= self.run.env.limits.items_max {
            return Err(PathError::limit("a collection is larger than the limit"));
        }
        self.items.push(item);
        let from = match self.items.len() {
            count if count <= LINEAR => return Ok(true),
            count if count == LINEAR + 1 => 0,
            count => count - 1,
        };
        for at in from..self.items.len() {
            let hash = self.hash(&self.items[at]);
            self.by_hash.entry(hash).or_default().push(at);
        }
        Ok(true)
    }

    /// Equal items have the same one.
    fn hash(&self, item: &Item<'a>) -> u64 {
        let mut hasher = DefaultHasher::new();
        match simple(self.run, item) {
            Item::Boolean(value) => value.hash(&mut hasher),
            Item::Integer(value) => Decimal::from(value).normalize().hash(&mut hasher),
            Item::Decimal(value) => value.normalize().hash(&mut hasher),
            Item::Text(text) => text.hash(&mut hasher),
            Item::Node(node) if !self.run.types.is_quantity(node.kind) => {
                let object = node.object();
                return object.map_or(1, |object| {
                    let parts = object.iter().map(|(key, value)| {
                        let mut hasher = DefaultHasher::new();
                        key.hash(&mut hasher);
                        value.as_str().hash(&mut hasher);
                        hasher.finish()
                    });
                    parts.fold(2, u64::wrapping_add)
                });
            }
            _ => return 3,
        }
        hasher.finish()
    }
}
