//! The plan as people read it: escaped XHTML, made from the record alone (`text.status` generated).
//!
//! Whatever a field holds, it cannot become markup.

use super::model::CarePlan;

/// The `div` of the narrative.
pub(super) fn div(plan: &CarePlan) -> String {
    let mut out = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    let title = plan.title.as_deref().unwrap_or("Care plan");
    element(&mut out, "h1", title);
    if let Some(assessment) = &plan.assessment_text {
        element(&mut out, "h2", "Assessment");
        element(&mut out, "p", assessment);
    }
    list(
        &mut out,
        "Phases",
        plan.phases.iter().map(|p| p.name.clone()).collect(),
    );
    list(
        &mut out,
        "Goals",
        plan.goals
            .iter()
            .map(|g| match &g.target {
                Some(target) => format!("{} ({target})", g.text),
                None => g.text.clone(),
            })
            .collect(),
    );
    list(
        &mut out,
        "What is done",
        plan.interventions
            .iter()
            .map(|s| {
                let what = s.text.as_deref().unwrap_or(s.kind.words());
                match &s.freq_text {
                    Some(freq) => format!("{what}, {freq}"),
                    None => what.to_owned(),
                }
            })
            .collect(),
    );
    list(
        &mut out,
        "Reviews",
        plan.reviews.iter().map(super::parts::review_text).collect(),
    );
    if let Some(aftercare) = &plan.aftercare {
        element(&mut out, "h2", "Aftercare");
        element(&mut out, "p", &aftercare.provider);
        if let Some(relapse) = &aftercare.relapse_plan {
            element(&mut out, "p", relapse);
        }
    }
    out.push_str("</div>");
    out
}

fn list(out: &mut String, heading: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    element(out, "h2", heading);
    out.push_str("<ul>");
    for item in items {
        element(out, "li", &item);
    }
    out.push_str("</ul>");
}

fn element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("<br/>"),
            // XML has no place for these, whatever the contract lets through.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}
