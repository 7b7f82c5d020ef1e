//! `MedicationPrescribed`, from an order, in the schema's order; and a drug read back from SCRIPT.
//!
//! Nothing that the prescriber signed is reworded: what does not fit is an issue.

use crate::clock::Date;
use crate::issue::Issue;
use crate::partner::ncpdp_script::writer::{Form, Writer};
use crate::partner::ncpdp_script::xml::Node;
use crate::record::MapEnv;
use crate::record::drug::{Drug, Schedule, Tty};
use crate::record::medication_request::{DispenseLimit, MedicationRequest, YesNo};
use serde_json::{Map, Number, Value};

/// Characters of `Note`.
const NOTE_MAX: usize = 210;
/// `CodeListQualifier`: the quantity as it was ordered.
const ORIGINAL: &str = "38";

/// What a `MedicationPrescribed` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A new prescription: all of it. `fills`: fills are to be told.
    Whole {
        /// Whether `RxFillIndicator` is set.
        fills: bool,
    },
    /// A cancel: what the schema demands, so that the pharmacy finds it.
    Least,
}

/// Writes `MedicationPrescribed`. `notice`: what 42 CFR 2.32 wants beside it.
pub fn prescribed(
    w: &mut Writer,
    order: &MedicationRequest,
    env: &MapEnv,
    extent: Extent,
    notice: Option<&str>,
) {
    let whole = matches!(extent, Extent::Whole { .. });
    w.within("MedicationPrescribed", |w| {
        let text = description(&order.drug);
        w.put("DrugDescription", Form::Text(105), "/drug/label", &text);
        if whole {
            coded(w, &order.drug);
        }
        quantity(w, order);
        if let Some(days) = order.days_supply.filter(|_| whole) {
            w.put(
                "DaysSupply",
                Form::Digits(1, 3),
                "/days_supply",
                &days.to_string(),
            );
        }
        match order.signed_date(&env.zone) {
            Some(day) => w.within("WrittenDate", |w| date(w, "/signed_at", day)),
            None => w.missing("/signed_at", "a prescription says when it was signed"),
        }
        let substitutions = match order.substitute_ok {
            Some(YesNo::No) => "1",
            Some(YesNo::Yes) | None => "0",
        };
        w.put(
            "Substitutions",
            Form::Code(&["0", "1"]),
            "/substitute_ok",
            substitutions,
        );
        match order.refills {
            Some(n) => w.put(
                "NumberOfRefills",
                Form::Digits(1, 2),
                "/refills",
                &n.to_string(),
            ),
            None => w.missing("/refills", "a prescription says how many refills, 0 too"),
        }
        if whole {
            note(w, order, notice);
        }
        match &order.sig_text {
            Some(text) => w.within("Sig", |w| {
                w.put("SigText", Form::Text(1000), "/sig_text", text)
            }),
            None => w.missing("/sig_text", "a prescription says its directions"),
        }
        if extent == (Extent::Whole { fills: true }) {
            let all = "All Fill Statuses";
            w.put(
                "RxFillIndicator",
                Form::Code(&["All Fill Statuses"]),
                "",
                all,
            );
        }
        if whole {
            other_date(
                w,
                "EffectiveDate",
                "/earliest_fill_date",
                order.earliest_fill_date,
            );
            other_date(w, "ExpirationDate", "/expires_on", order.expires_on);
        }
    });
}

/// The drug as it was prescribed; strength and form are added where the label does not say them, since
/// 21 CFR 1306.05 wants both.
fn description(drug: &Drug) -> String {
    let mut text = drug.label.clone();
    if let Some(strength) = &drug.strength_text {
        let there: Vec<&str> = numbers(&drug.label).collect();
        if !numbers(strength).all(|n| there.contains(&n)) {
            text = format!("{text}, {strength}");
        }
    }
    if let Some(form) = &drug.form {
        let there = text.to_lowercase();
        let said = form.to_lowercase();
        if !said.split_whitespace().all(|word| there.contains(word)) {
            text = format!("{text}, {form}");
        }
    }
    text
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|n| n.trim_matches('.'))
        .filter(|n| !n.is_empty())
}

fn coded(w: &mut Writer, drug: &Drug) {
    let tty = drug.tty.or_else(|| drug.known().map(|k| k.tty));
    let qualifier = tty.and_then(Tty::script_qualifier);
    if drug.rxcui.is_some() && qualifier.is_none() {
        w.issue(Issue::warning(
            "not-supported",
            "script-drug-code",
            "/drug/tty",
            "the drug's code goes without saying what it names: it is left out, the text stands",
        ));
    }
    w.within("DrugCoded", |w| {
        if let Some(ndc) = &drug.ndc {
            w.within("ProductCode", |w| {
                w.put("Code", Form::Digits(11, 11), "/drug/ndc", ndc);
                w.put("Qualifier", Form::Code(&["ND"]), "/drug/ndc", "ND");
            });
        }
        if let (Some(code), Some(qualifier)) = (&drug.rxcui, qualifier) {
            w.within("DrugDBCode", |w| {
                let codes = &["SCD", "SBD", "GPK", "BPK"];
                w.put("Code", Form::Text(15), "/drug/rxcui", code);
                w.put("Qualifier", Form::Code(codes), "/drug/tty", qualifier);
            });
        }
        w.within("DEASchedule", |w| {
            w.put(
                "Code",
                Form::Text(15),
                "/drug/schedule",
                drug.schedule().ncit(),
            );
        });
    });
}

fn quantity(w: &mut Writer, order: &MedicationRequest) {
    let (Some(value), Some(unit)) = (&order.qty, order.qty_unit) else {
        let field = if order.qty.is_none() {
            "/qty"
        } else {
            "/qty_unit"
        };
        return w.missing(field, "a prescription says how much is handed over");
    };
    let Some(code) = unit.ncit() else {
        return w.missing("/qty_unit", "no pharmacy counts in this unit");
    };
    w.within("Quantity", |w| {
        w.put("Value", Form::Number(11), "/qty", &value.plain());
        w.put("CodeListQualifier", Form::Code(&[ORIGINAL]), "", ORIGINAL);
        w.within("QuantityUnitOfMeasure", |w| {
            w.put("Code", Form::Text(15), "/qty_unit", code);
        });
    });
}

fn date(w: &mut Writer, from: &str, day: Date) {
    w.put("Date", Form::Text(10), from, &day.to_string());
}

fn other_date(w: &mut Writer, qualifier: &'static str, from: &str, day: Option<Date>) {
    let Some(day) = day else { return };
    w.within("OtherMedicationDate", |w| {
        w.within("OtherMedicationDate", |w| date(w, from, day));
        w.put(
            "OtherMedicationDateQualifier",
            Form::Text(35),
            from,
            qualifier,
        );
    });
}

/// `Note`: the note to the pharmacist, how often a part is handed over, and the notice of 42 CFR 2.32.
///
/// The notice has three lengths: the statement with the consent's scope, the statement with the consent's
/// number (and a warning), the statement alone (and a warning). Without room for the statement the order
/// is refused: the law wants it, and the note to the pharmacist is not ours to cut.
fn note(w: &mut Writer, order: &MedicationRequest, notice: Option<&str>) {
    let limit = order.dispense_limit.map(|limit| match limit {
        DispenseLimit::DailyPickup => "Dispense one day's supply at a time.",
        DispenseLimit::WeeklyPickup => "Dispense 7 days' supply at a time.",
        DispenseLimit::BiweeklyPickup => "Dispense 14 days' supply at a time.",
        DispenseLimit::FourWeeklyPickup => "Dispense 28 days' supply at a time.",
    });
    let mut text = [order.pharmacy_note.as_deref(), limit]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(notice) = notice {
        let room = NOTE_MAX.saturating_sub(text.chars().count() + usize::from(!text.is_empty()));
        match shortened(notice, room) {
            Some((fits, short)) => {
                text = if text.is_empty() { fits } else { format!("{text} {fits}") };
                if short {
                    w.issue(Issue::warning(
                        "too-long",
                        "script-notice-short",
                        "/pharmacy_note",
                        "the note has no room for the consent's scope: only the statement of 42 CFR 2.32 goes with it",
                    ));
                }
            }
            None => w.issue(Issue::error(
                "too-long",
                "script-notice",
                "/pharmacy_note",
                "with the notice of 42 CFR 2.32 the note is longer than SCRIPT's 210 characters: shorten it",
            )),
        }
    }
    if !text.is_empty() {
        w.put("Note", Form::Text(NOTE_MAX), "/pharmacy_note", &text);
    }
}

/// The longest form of the notice that fits, and whether it is a short one.
fn shortened(notice: &str, room: usize) -> Option<(String, bool)> {
    let statement = notice
        .split_inclusive(". ")
        .next()
        .unwrap_or(notice)
        .trim_end();
    let numbered = notice
        .split_once(':')
        .map(|(head, _)| format!("{head}."))
        .filter(|head| head.len() > statement.len());
    let forms = [
        (Some(notice.to_owned()), false),
        (numbered, true),
        (Some(statement.to_owned()), true),
    ];
    forms
        .into_iter()
        .filter_map(|(form, short)| Some((form?, short)))
        .find(|(form, _)| form.chars().count() <= room)
}

/// A drug of a message, in the shape of the record's contract.
#[must_use]
pub fn read_drug(node: &Node) -> Option<Map<String, Value>> {
    let label = node.text_at("DrugDescription")?;
    let mut drug = Map::new();
    if let Some((code, tty)) = rxnorm(node) {
        drug.insert("rxcui".to_owned(), Value::from(code));
        drug.insert("tty".to_owned(), Value::from(tty.as_str()));
    }
    let product = node.at("DrugCoded/ProductCode");
    if let Some(ndc) = product.and_then(ndc) {
        drug.insert("ndc".to_owned(), Value::from(ndc));
    }
    drug.insert("label".to_owned(), Value::from(label));
    let schedule = node
        .text_at("DrugCoded/DEASchedule/Code")
        .and_then(|code| Schedule::ALL.iter().find(|s| s.ncit() == code));
    if let Some(schedule) = schedule {
        drug.insert("schedule".to_owned(), Value::from(schedule.as_str()));
    }
    Some(drug)
}

/// The RxNorm code of a drug and what it names.
#[must_use]
pub fn rxnorm(node: &Node) -> Option<(&str, Tty)> {
    let code = node.text_at("DrugCoded/DrugDBCode/Code")?;
    let qualifier = node.text_at("DrugCoded/DrugDBCode/Qualifier")?;
    let tty = Tty::ALL
        .iter()
        .copied()
        .find(|t| t.script_qualifier() == Some(qualifier))?;
    Some((code, tty))
}

fn ndc(product: &Node) -> Option<&str> {
    let code = product.text_at("Code").unwrap_or(&product.text);
    let qualifier = product
        .text_at("Qualifier")
        .or_else(|| product.attribute("Qualifier"));
    let eleven = code.len() == 11 && code.bytes().all(|b| b.is_ascii_digit());
    (qualifier == Some("ND") && eleven).then_some(code)
}

/// A number of a message as JSON takes it; `None` for what is none, or not above 0.
#[must_use]
pub fn amount(text: &str) -> Option<Number> {
    let text = text.trim_start_matches('0');
    let text = if text.is_empty() || text.starts_with('.') {
        format!("0{text}")
    } else {
        text.to_owned()
    };
    Form::Number(15).wrong(&text).is_none().then_some(())?;
    text.bytes()
        .any(|b| (b'1'..=b'9').contains(&b))
        .then_some(())?;
    text.parse().ok()
}

/// A date of a message: `Date`, or the day of `DateTime` as it was written.
#[must_use]
pub fn day(node: &Node) -> Option<Date> {
    let text = node
        .text_at("Date")
        .or_else(|| node.text_at("DateTime"))
        .unwrap_or(&node.text);
    Date::parse(text.get(..10)?)
}
