//! The rules of a fill. It is a fact that somebody else made: hardly anything keeps it out, most is
//! for a person to look at.

use super::{Dispense, Status};
use crate::issue::Issue;
use crate::record::{Context, MapEnv};

/// What is wrong with a fill although its shape is right.
pub(super) fn check(fill: &Dispense, context: &Context, env: &MapEnv) -> Vec<Issue> {
    let mut issues = Vec::new();
    if let (Some(client), Some(episode)) = (&fill.client_no, &context.episode)
        && *client != episode.client_no
    {
        issues.push(Issue::error(
            "business-rule",
            "fill-of-another",
            "/client_no",
            "the order that it names is another client's",
        ));
    }
    let handed_over = matches!(fill.status, Status::Filled | Status::PartiallyFilled);
    let Some(date) = fill.fill_date.filter(|_| handed_over) else {
        if handed_over {
            issues.push(Issue::error(
                "required",
                "fill-date",
                "/fill_date",
                "what was handed over was handed over on some day",
            ));
        }
        return issues;
    };
    let doubtful =
        |rule, pointer: &str, message| Issue::warning("business-rule", rule, pointer, message);
    if date > env.now.date_in(&env.zone) {
        issues.push(doubtful(
            "fill-future",
            "/fill_date",
            "handed over in the future",
        ));
    }
    let Some(order) = context.orders.iter().find(|o| o.order_no == fill.order_no) else {
        return issues;
    };
    if let Some(issued) = order.signed_date(&env.zone) {
        if date < issued {
            issues.push(doubtful(
                "fill-before-order",
                "/fill_date",
                "handed over before the order was signed",
            ));
        }
        let last = order.schedule().months_max().and_then(|months| {
            let span = jiff::Span::new().months(months);
            issued.civil().checked_add(span).ok()
        });
        if last.is_some_and(|last| date.civil() > last) {
            issues.push(doubtful(
                "fill-six-months",
                "/fill_date",
                "schedule III and IV may not be filled later than six months after the day of issue",
            ));
        }
    }
    if order.earliest_fill_date.is_some_and(|d| date < d) {
        issues.push(doubtful(
            "fill-too-early",
            "/fill_date",
            "handed over before the order allowed it",
        ));
    }
    let allowed = order
        .refills
        .map(|r| order.schedule().refills_max().map_or(r, |max| max.min(r)));
    if let (Some(number), Some(max)) = (fill.fill_number, allowed)
        && number > max
    {
        issues.push(doubtful(
            "fill-beyond-refills",
            "/fill_number",
            "more fills than the order or its schedule allows",
        ));
    }
    if let (Some(given), Some(ordered)) = (&fill.qty, &order.qty)
        && order.qty_unit == fill.qty_unit
        && given > ordered
    {
        issues.push(doubtful(
            "fill-beyond-quantity",
            "/qty",
            "more than was ordered",
        ));
    }
    issues
}
