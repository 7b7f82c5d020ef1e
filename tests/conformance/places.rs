//! Places of errors, brought to one form so that two validators' can be compared.

/// A path without comments, types and brackets that only one side writes: `contained[0]/*Patient/p*/`
/// is `contained[0]`, `value.ofType(Quantity)` and `value[x]` are `value`. The root's name is dropped:
/// a resource whose type is not known has none that both sides share.
pub(crate) fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    let mut steps: Vec<String> = Vec::new();
    for step in out.split('.') {
        if step.starts_with("ofType(") {
            continue;
        }
        // `[x]` and `[url='…']` say nothing of a place; dots inside of an address are cut off with it.
        let step = step.split("[url=").next().unwrap_or(step);
        steps.push(step.replace("[x]", ""));
        if out.contains("[url=") && step.len() < out.len() && out.contains(&format!("{step}[url="))
        {
            break;
        }
    }
    steps.remove(0);
    steps.join(".")
}

/// What holds an element: `a.b[0]` is held by `a.b`, that by `a`, that by the root.
pub(crate) fn parent(path: &str) -> &str {
    let step = path.rfind('.').map_or(0, |at| at + 1);
    path.get(..step.saturating_sub(1)).unwrap_or("")
}

/// Whether an error of ours stands where one of theirs does: at the same element or at its parent.
pub(crate) fn located(ours: &[String], theirs: &[String]) -> bool {
    let bare = |path: &str| match path.rfind('[') {
        Some(at) if path.ends_with(']') => path[..at].to_owned(),
        _ => path.to_owned(),
    };
    theirs.iter().any(|their| {
        ours.iter().any(|our| {
            our == their || our == parent(their) || (*our == bare(their) || bare(our) == *their)
        })
    })
}
