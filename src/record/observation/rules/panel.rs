//! Rules of drug screens and questionnaires.

use super::{Found, outside};
use crate::record::observation::{Answer, Observation, Score, Uds};

pub(super) fn uds(record: &Observation, uds: &Uds, found: &mut Found) {
    found.taken(record, !uds.analytes.is_empty(), "/uds/analytes");
    let temperature = uds.temp_f.as_ref();
    found.when(
        temperature.is_some_and(|t| outside(t, 32, 115)),
        "value-range",
        "/uds/temp_f",
        "no specimen has this temperature",
    );
    let creatinine = uds.creatinine.as_ref();
    found.when(
        creatinine.is_some_and(|c| outside(c, 0, 1000)),
        "value-range",
        "/uds/creatinine",
        "no specimen has this creatinine",
    );
    for (n, result) in uds.analytes.iter().enumerate() {
        let at = format!("/uds/analytes/{n}");
        let twice = uds.analytes[..n]
            .iter()
            .any(|other| other.analyte == result.analyte);
        found.when(
            twice,
            "analyte-twice",
            format!("{at}/analyte"),
            "this analyte stands more than once",
        );
        found.when(
            result.screen.is_some() == result.skipped.is_some(),
            "screen-or-skipped",
            format!("{at}/screen"),
            "either the screen says something or there is a reason why not",
        );
        found.when(
            result.confirm.is_some() && result.screen.is_none(),
            "confirm-without-screen",
            format!("{at}/confirm"),
            "a confirmation confirms a screen, and there is none",
        );
        for (name, amount) in [
            ("cutoff", result.cutoff.as_ref()),
            (
                "confirm/value",
                result.confirm.as_ref().and_then(|c| c.value.as_ref()),
            ),
        ] {
            found.when(
                amount.is_some_and(|a| outside(a, 0, 10_000_000)),
                "value-range",
                format!("{at}/{name}"),
                "not an amount that a laboratory can find, in ng/mL",
            );
        }
    }
}

pub(super) fn score(record: &Observation, score: &Score, at: &str, found: &mut Found) {
    let instrument = score.instrument;
    found.when(
        instrument.withdrawal() != (at == "/withdrawal"),
        "instrument-kind",
        format!("{at}/instrument"),
        "COWS and CIWA are withdrawal scores, the others are not",
    );
    let has_value = score.total.is_some() || score.band.is_some() || !score.answers.is_empty();
    found.taken(record, has_value, at);
    for (n, answer) in score.answers.iter().enumerate() {
        item(score, n, answer, at, found);
    }
    let all = instrument.items().len();
    found.when(
        !score.answers.is_empty() && score.answers.len() < all,
        "items-missing",
        format!("{at}/answers"),
        "each item of the instrument has an answer or a reason why not",
    );
    total(score, at, found);
}

fn item(score: &Score, n: usize, answer: &Answer, at: &str, found: &mut Found) {
    let at = format!("{at}/answers/{n}");
    let index = usize::try_from(answer.item)
        .ok()
        .and_then(|i| i.checked_sub(1));
    let most = index.and_then(|i| score.instrument.items().get(i)).copied();
    found.when(
        most.is_none(),
        "item-unknown",
        format!("{at}/item"),
        "the instrument has no such item",
    );
    found.when(
        score.answers[..n].iter().any(|a| a.item == answer.item),
        "item-twice",
        format!("{at}/item"),
        "this item stands more than once",
    );
    found.when(
        answer.points.is_some() == answer.skipped.is_some(),
        "answer-or-skipped",
        format!("{at}/points"),
        "either there is an answer or a reason why not",
    );
    let out = match (answer.points, most) {
        (Some(points), Some(most)) => !(0..=most).contains(&points),
        _ => false,
    };
    found.when(
        out,
        "value-range",
        format!("{at}/points"),
        "more points than this item can give, or less than none",
    );
}

fn total(score: &Score, at: &str, found: &mut Found) {
    let instrument = score.instrument;
    let total_at = format!("{at}/total");
    let Some(total) = score.total else {
        let complete =
            !score.answers.is_empty() && score.answers.iter().all(|a| a.points.is_some());
        found.when(
            instrument.summed() && complete,
            "total-missing",
            total_at,
            "all items are answered, but there is no total",
        );
        found.when(
            instrument.summed() && score.band.is_some(),
            "band-without-total",
            format!("{at}/band"),
            "a band is the band of a total, and there is none",
        );
        return;
    };
    found.when(
        !instrument.summed(),
        "total-not-summed",
        total_at.clone(),
        "the answers of this instrument are not summed",
    );
    found.when(
        score.answers.iter().any(|a| a.skipped.is_some()),
        "total-with-skipped",
        total_at.clone(),
        "an item was skipped, so there is no total",
    );
    let sum: i64 = score.answers.iter().filter_map(|a| a.points).sum();
    let all = !score.answers.is_empty() && score.answers.iter().all(|a| a.points.is_some());
    found.when(
        all && sum != total,
        "total-sum",
        total_at.clone(),
        "the total is not the sum of the answers",
    );
    let most: i64 = instrument.items().iter().sum();
    found.when(
        !(0..=most).contains(&total),
        "value-range",
        total_at,
        "the instrument cannot give this total",
    );
    if let (Some(told), Some(right)) = (&score.band, instrument.band(total)) {
        found.when(
            told != right,
            "score-band",
            format!("{at}/band"),
            "not the band of this total",
        );
    }
}
