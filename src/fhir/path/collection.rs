//! Functions on collections: existence, filtering, subsetting, combining, sorting, aggregating, tree.

use std::cmp::Ordering;

use super::compare::{self, Distinct};
use super::error::PathError;
use super::eval::{DONE, Flow, MORE, Run, Scope, Sink, pour_owned, wrong_type};
use super::func::Func;
use super::item::{Item, Items};
use super::navigate::{self, Wanted};
use super::op::{Call, Op};

/// What a function that answers yes or no says; `None` if it is no such function.
pub(super) fn boolean<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
) -> Result<Option<Option<bool>>, PathError> {
    let input = &call.input;
    let answer = match call.func {
        Func::Empty => Some(!run.any(input, scope)?),
        Func::Exists => match call.args.first() {
            None => Some(run.any(input, scope)?),
            Some(criteria) => Some(find(run, input, criteria, scope, true)?),
        },
        Func::All => match call.args.first() {
            Some(criteria) => Some(!find(run, input, criteria, scope, false)?),
            None => None,
        },
        Func::Not => run.boolean(input, scope)?.map(|answer| !answer),
        Func::AllTrue => Some(!truths(run, call, scope, false)?),
        Func::AllFalse => Some(!truths(run, call, scope, true)?),
        Func::AnyTrue => Some(truths(run, call, scope, true)?),
        Func::AnyFalse => Some(truths(run, call, scope, false)?),
        Func::HasValue => {
            let mut count = 0;
            let mut valued = false;
            let _ = run.each(input, scope, &mut |item| {
                count += 1;
                valued = match &item {
                    Item::Node(node) => node.primitive(run.types).is_some(),
                    _ => true,
                };
                if count > 1 { DONE } else { MORE }
            })?;
            Some(count == 1 && valued)
        }
        Func::IsDistinct => {
            let mut set = Distinct::new(run);
            let mut distinct = true;
            let _ = run.each(input, scope, &mut |item| {
                distinct = set.add(item)?;
                if distinct { MORE } else { DONE }
            })?;
            Some(distinct)
        }
        Func::SubsetOf | Func::SupersetOf => {
            let own = run.all(input, scope)?;
            let other = match call.args.first() {
                Some(other) => run.all(other, scope)?,
                None => Items::new(),
            };
            let (small, large) = match call.func {
                Func::SubsetOf => (own, other),
                _ => (other, own),
            };
            let set = Distinct::of(run, large)?;
            let mut all = true;
            for item in &small {
                all = all && set.has(item)?;
            }
            Some(all)
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// Whether there is an item for which the criteria are (`wanted`) or are not true.
fn find<'a>(
    run: &Run<'a>,
    input: &'a Op,
    criteria: &'a Op,
    scope: &Scope<'a, '_>,
    wanted: bool,
) -> Result<bool, PathError> {
    let mut found = false;
    let mut index = 0;
    let _ = run.each(input, scope, &mut |item| {
        let holds = run.boolean(criteria, &scope.at(&item, index))? == Some(true);
        index += 1;
        found = holds == wanted;
        if found { DONE } else { MORE }
    })?;
    Ok(found)
}

/// Whether a boolean of this value is among the input, which must be booleans.
fn truths<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    wanted: bool,
) -> Result<bool, PathError> {
    let mut found = false;
    let _ = run.each(&call.input, scope, &mut |item| {
        match item.simple(run.types) {
            Item::Boolean(value) => found |= value == wanted,
            _ => return Err(wrong_type(call.func, "booleans")),
        }
        MORE
    })?;
    Ok(found)
}

/// Hands on what a function on collections gives.
pub(super) fn each<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let input = &call.input;
    let arg = |at: usize| call.args.get(at).unwrap_or(&Op::Empty);
    match call.func {
        Func::Where => {
            let mut index = 0;
            run.each(input, scope, &mut |item| {
                let holds = run.boolean(arg(0), &scope.at(&item, index))? == Some(true);
                index += 1;
                if holds { sink(item) } else { MORE }
            })
        }
        Func::Select => {
            let mut index = 0;
            run.each(input, scope, &mut |item| {
                index += 1;
                run.each(arg(0), &scope.at(&item, index - 1), sink)
            })
        }
        Func::Count => {
            let mut count = 0;
            let _ = run.each(input, scope, &mut |_| {
                count += 1;
                MORE
            })?;
            sink(Item::Integer(count))
        }
        Func::Trace => run.each(input, scope, sink),
        Func::Children => run.each(input, scope, &mut |item| match item {
            Item::Node(node) => navigate::children(run, node, Wanted::All, sink),
            _ => MORE,
        }),
        Func::Descendants => run.each(input, scope, &mut |item| match item {
            Item::Node(node) => navigate::descendants(run, node, Wanted::All, 0, sink),
            _ => MORE,
        }),
        Func::Single => match run.single(input, scope)? {
            Some(item) => sink(item),
            None => MORE,
        },
        Func::First => {
            let mut out = MORE;
            let _ = run.each(input, scope, &mut |item| {
                out = sink(item);
                DONE
            })?;
            out
        }
        Func::Last => {
            let mut last = None;
            let _ = run.each(input, scope, &mut |item| {
                last = Some(item);
                MORE
            })?;
            last.map_or(MORE, sink)
        }
        Func::Tail => skip(run, input, 1, scope, sink),
        Func::Skip => {
            let count = run.integer(arg(0), scope)?.unwrap_or(0);
            skip(run, input, count, scope, sink)
        }
        Func::Take => {
            let mut left = run.integer(arg(0), scope)?.unwrap_or(0);
            if left <= 0 {
                return MORE;
            }
            let mut out = MORE;
            let _ = run.each(input, scope, &mut |item| {
                left -= 1;
                let flow = sink(item)?;
                if flow.is_break() {
                    out = DONE;
                }
                if left == 0 { DONE } else { Ok(flow) }
            })?;
            out
        }
        Func::Distinct => {
            let mut set = Distinct::new(run);
            run.each(input, scope, &mut |item| {
                if set.add(item.clone())? {
                    sink(item)
                } else {
                    MORE
                }
            })
        }
        Func::Intersect => {
            let set = Distinct::of(run, run.all(arg(0), scope)?)?;
            let mut given = Distinct::new(run);
            run.each(input, scope, &mut |item| {
                if set.has(&item)? && given.add(item.clone())? {
                    sink(item)
                } else {
                    MORE
                }
            })
        }
        Func::Exclude => {
            let set = Distinct::of(run, run.all(arg(0), scope)?)?;
            run.each(input, scope, &mut |item| {
                if set.has(&item)? { MORE } else { sink(item) }
            })
        }
        Func::Combine => {
            if run.each(input, scope, sink)?.is_break() {
                return DONE;
            }
            run.each(arg(0), scope, sink)
        }
        Func::Coalesce => {
            for part in std::iter::once(input)
                .filter(|input| !matches!(input, Op::This))
                .chain(&call.args)
            {
                let items = run.all(part, scope)?;
                if !items.is_empty() {
                    return pour_owned(items, sink);
                }
            }
            MORE
        }
        Func::Iif => {
            let items = run.all(input, scope)?;
            let inner = Scope {
                this: &items,
                ..*scope
            };
            let answer = match run
                .single(arg(0), &inner)?
                .map(|item| item.simple(run.types))
            {
                Some(Item::Boolean(answer)) => answer,
                None => false,
                Some(_) => return Err(PathError::execution("iif decides by a boolean")),
            };
            run.each(if answer { arg(1) } else { arg(2) }, &inner, sink)
        }
        Func::Repeat | Func::RepeatAll => repeat(run, call, scope, sink),
        Func::Sort => sort(run, call, scope, sink),
        Func::Aggregate => {
            let mut total = run.all(arg(1), scope)?;
            let mut index = 0;
            let _ = run.each(input, scope, &mut |item| {
                let inner = Scope {
                    total: Some(&total),
                    ..scope.at(&item, index)
                };
                let next = run.all(arg(0), &inner)?;
                index += 1;
                total = next;
                MORE
            })?;
            pour_owned(total, sink)
        }
        _ => Err(wrong_type(call.func, "something else")),
    }
}

fn skip<'a>(
    run: &Run<'a>,
    input: &'a Op,
    count: i64,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let mut left = count;
    run.each(input, scope, &mut |item| {
        if left > 0 {
            left -= 1;
            return MORE;
        }
        sink(item)
    })
}

/// What the projection gives, and what it gives on that, and so on; `repeat` takes each item once.
fn repeat<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let Some(projection) = call.args.first() else {
        return MORE;
    };
    let once = call.func == Func::Repeat;
    let mut seen = Distinct::new(run);
    let mut open = run.all(&call.input, scope)?;
    let mut given = 0;
    while !open.is_empty() {
        let mut next = Items::new();
        for (index, item) in open.iter().enumerate() {
            let flow = run.each(projection, &scope.at(item, index), &mut |item| {
                given += 1;
                if given > run.env.limits.items_max {
                    return Err(PathError::limit("a collection is larger than the limit"));
                }
                if once && !seen.add(item.clone())? {
                    return MORE;
                }
                next.push(item.clone());
                sink(item)
            })?;
            if flow.is_break() {
                return DONE;
            }
        }
        open = next;
    }
    MORE
}

/// Sorts by keys, a key with a minus downwards; what has no key comes first.
fn sort<'a>(run: &Run<'a>, call: &'a Call, scope: &Scope<'a, '_>, sink: &mut Sink<'_, 'a>) -> Flow {
    let items = run.all(&call.input, scope)?;
    let keys: Vec<(&Op, bool)> = call
        .args
        .iter()
        .map(|key| match key {
            Op::Negate(inner) => (&**inner, true),
            key => (key, false),
        })
        .collect();
    let mut rows: Vec<(Vec<Option<Item<'a>>>, Item<'a>)> = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let mut row = Vec::with_capacity(keys.len().max(1));
        for (key, _) in &keys {
            row.push(run.single(key, &scope.at(&item, index))?);
        }
        if keys.is_empty() {
            row.push(Some(item.clone()));
        }
        rows.push((row, item));
    }
    let mut wrong = None;
    rows.sort_by(|(a, _), (b, _)| {
        for (at, (a, b)) in a.iter().zip(b).enumerate() {
            let order = match (a, b) {
                (Some(a), Some(b)) => run.spend(1).and_then(|()| compare::order(run, a, b)),
                (a, b) => Ok(Some(a.is_some().cmp(&b.is_some()))),
            };
            let order = match order {
                Ok(order) => order.unwrap_or(Ordering::Equal),
                Err(error) => {
                    wrong.get_or_insert(error);
                    Ordering::Equal
                }
            };
            if order != Ordering::Equal {
                let down = keys.get(at).is_some_and(|(_, down)| *down);
                return if down { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    });
    match wrong {
        Some(error) => Err(error),
        None => pour_owned(rows.into_iter().map(|(_, item)| item), sink),
    }
}
