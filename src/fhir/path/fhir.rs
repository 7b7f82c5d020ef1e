//! What FHIR adds to the language: extensions, references, profiles, value sets, narratives.

use serde_json::Value;

use super::error::PathError;
use super::eval::{DONE, Flow, MORE, Run, Scope, Sink, wrong_type};
use super::func::Func;
use super::item::{Item, Node};
use super::navigate;
use super::op::{Call, Op};

/// Hands on what one of FHIR's functions gives.
pub(super) fn each<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let arg = call.args.first().unwrap_or(&Op::Empty);
    match call.func {
        Func::Extension => {
            let Some(url) = text(run, call.func, arg, scope)? else {
                return MORE;
            };
            run.each(&call.input, scope, &mut |item| match item {
                Item::Node(node) => navigate::child(run, node, "extension", &mut |item| {
                    let Item::Node(extension) = &item else {
                        return MORE;
                    };
                    let own = extension.value.and_then(|value| value.get("url"));
                    if own.and_then(Value::as_str) == Some(&url) {
                        sink(item)
                    } else {
                        MORE
                    }
                }),
                _ => MORE,
            })
        }
        Func::Resolve => run.each(&call.input, scope, &mut |item| {
            let reference = match &item {
                Item::Text(text) => text,
                Item::Node(node) => match node.value {
                    Some(Value::String(text)) => text.as_str(),
                    Some(Value::Object(object)) => match object.get("reference") {
                        Some(Value::String(text)) => text.as_str(),
                        _ => return MORE,
                    },
                    _ => return MORE,
                },
                _ => return MORE,
            };
            run.spend(1)?;
            match resolve(run, reference)? {
                Some(resource) => sink(Item::Node(Node::resource(run.types, resource))),
                None => MORE,
            }
        }),
        Func::ConformsTo | Func::MemberOf => {
            let Some(item) = run.single(&call.input, scope)? else {
                return MORE;
            };
            let Some(url) = text(run, call.func, arg, scope)? else {
                return MORE;
            };
            let Item::Node(node) = item else {
                return Err(wrong_type(call.func, "elements"));
            };
            let answer = match call.func {
                Func::ConformsTo => run.env.host.conforms(&node, &url)?,
                _ => run.env.host.member(&node, &url)?,
            };
            sink(Item::Boolean(answer))
        }
        Func::HtmlChecks => {
            let mut sound = true;
            let _ = run.each(&call.input, scope, &mut |item| {
                sound = match item.simple(run.types) {
                    Item::Text(div) => run.env.host.narrative(&div)?,
                    _ => false,
                };
                if sound { MORE } else { DONE }
            })?;
            sink(Item::Boolean(sound))
        }
        other => Err(wrong_type(other, "something else")),
    }
}

fn text<'a>(
    run: &Run<'a>,
    func: Func,
    op: &'a Op,
    scope: &Scope<'a, '_>,
) -> Result<Option<std::borrow::Cow<'a, str>>, PathError> {
    match run.single(op, scope)?.map(|item| item.simple(run.types)) {
        None => Ok(None),
        Some(Item::Text(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(func, "an address as a text")),
    }
}

/// The resource that a reference names: contained, in the bundle, or known to the host.
fn resolve<'a>(run: &Run<'a>, reference: &str) -> Result<Option<&'a Value>, PathError> {
    let root = run.root().value;
    if let Some(id) = reference.strip_prefix('#') {
        if id.is_empty() {
            return Ok(root);
        }
        // Inside a bundle, `#id` is contained in the entry's resource.
        for holder in [root, run.resource().value].into_iter().flatten() {
            let contained = holder.get("contained").and_then(Value::as_array);
            for resource in contained.into_iter().flatten() {
                run.spend(1)?;
                if resource.get("id").and_then(Value::as_str) == Some(id) {
                    return Ok(Some(resource));
                }
            }
        }
        return Ok(None);
    }
    if let Some(bundle) = root
        && bundle.get("resourceType").and_then(Value::as_str) == Some("Bundle")
    {
        let plain = reference.split("/_history/").next().unwrap_or(reference);
        let entries = bundle.get("entry").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            run.spend(1)?;
            let Some(resource) = entry.get("resource") else {
                continue;
            };
            let url = entry.get("fullUrl").and_then(Value::as_str);
            let same = url == Some(plain)
                || (!plain.contains(':')
                    && url.is_some_and(|url| {
                        url.strip_suffix(plain)
                            .is_some_and(|base| base.ends_with('/'))
                    }))
                || (url.is_none() && is_called(resource, plain));
            if same {
                return Ok(Some(resource));
            }
        }
    }
    Ok(run.env.host.resolve(reference))
}

/// Whether a resource is the one that `Type/id` names.
fn is_called(resource: &Value, reference: &str) -> bool {
    let part = |key: &str| resource.get(key).and_then(Value::as_str);
    reference
        .split_once('/')
        .is_some_and(|(kind, id)| part("resourceType") == Some(kind) && part("id") == Some(id))
}
