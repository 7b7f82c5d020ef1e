//! What R4's own invariants mean, in our words: the embedded artefact holds no prose. Packages bring theirs.

/// Key and meaning, by key.
const WORDS: &[(&str, &str)] = &[
    ("age-1", "an age has a unit of UCUM and is above nothing"),
    (
        "ait-1",
        "an allergy has a clinical status, unless it was entered in error",
    ),
    (
        "ait-2",
        "an allergy that was entered in error has no clinical status",
    ),
    (
        "att-1",
        "an attachment with data says of which media type they are",
    ),
    ("bdl-1", "only a searchset or a history has a total"),
    ("bdl-10", "a document has a timestamp"),
    ("bdl-11", "a document begins with its Composition"),
    ("bdl-12", "a message begins with its MessageHeader"),
    (
        "bdl-2",
        "only a searchset's entries say how they were found",
    ),
    (
        "bdl-3",
        "the entries of a batch, transaction or history have a request, and no others",
    ),
    (
        "bdl-4",
        "the entries of a response or history have a response, and no others",
    ),
    ("bdl-5", "an entry has a resource, a request or a response"),
    (
        "bdl-7",
        "a full address stands once, unless versions differ",
    ),
    ("bdl-8", "a full address names no version"),
    (
        "bdl-9",
        "a document has an identifier with system and value",
    ),
    ("cmp-1", "a section has text, entries or sections"),
    (
        "cmp-2",
        "a section with a reason for being empty has no entries",
    ),
    (
        "cnt-3",
        "a count is a whole number, and its code, if it has one, is 1 of UCUM",
    ),
    (
        "con-3",
        "a problem on the list has a clinical status, unless it was entered in error",
    ),
    (
        "con-4",
        "a condition that abated is inactive, resolved or in remission",
    ),
    (
        "con-5",
        "a condition that was entered in error has no clinical status",
    ),
    ("cpl-3", "an activity has a detail or a reference, not both"),
    (
        "cpt-2",
        "a contact point with a value says what it is (system)",
    ),
    (
        "ctm-1",
        "only a practitioner acts on behalf of an organization",
    ),
    ("dis-1", "a distance has a unit of UCUM"),
    ("dom-2", "a contained resource contains none"),
    (
        "dom-4",
        "a contained resource has neither version nor time of change",
    ),
    (
        "dom-5",
        "a contained resource has no security labels of its own",
    ),
    ("dom-6", "a resource should have a narrative"),
    (
        "drt-1",
        "a duration with a code has a value and a unit of UCUM",
    ),
    ("gol-1", "a target with a detail says what is measured"),
    ("mdd-1", "what is handed over was prepared before"),
    (
        "obs-3",
        "a reference range has a low or high limit, or a text",
    ),
    (
        "obs-6",
        "a reason for a missing value stands only where there is no value",
    ),
    (
        "obs-7",
        "a component with the observation's own code must not stand beside a value",
    ),
    ("org-1", "an organization has a name or an identifier"),
    ("org-2", "an organization has no home address"),
    ("org-3", "an organization has no home telephone"),
    (
        "pat-1",
        "a patient's contact has a name, a telephone, an address or an organization",
    ),
    ("per-1", "a period does not end before it begins"),
    ("ppc-1", "a consent names a policy or a policy rule"),
    ("prr-1", "details of an order need its code"),
    (
        "qty-3",
        "a quantity with a code of its unit names the unit's system",
    ),
    (
        "rat-1",
        "a ratio has numerator and denominator, or neither and an extension",
    ),
    ("rng-2", "a range's low is not above its high"),
    ("sqty-1", "a simple quantity has no comparator"),
    ("tim-1", "a duration has a unit"),
    (
        "tim-10",
        "a timing has times of the day or events (when), not both",
    ),
    ("tim-2", "a period has a unit"),
    ("tim-4", "a duration is not below zero"),
    ("tim-5", "a period is not below zero"),
    ("tim-6", "a greatest period needs a period"),
    ("tim-7", "a greatest duration needs a duration"),
    ("tim-8", "a greatest count needs a count"),
    (
        "tim-9",
        "an offset needs an event (when) that is not a meal as such",
    ),
    ("vs-1", "a vital sign's date is known to the day"),
    (
        "vs-2",
        "a vital sign has a value, a reason why it has none, components or members",
    ),
    (
        "vs-3",
        "a component has a value, or a reason why it has none",
    ),
];

/// What an invariant of R4's means, where it is known.
pub(super) fn of(key: &str) -> Option<&'static str> {
    let found = WORDS.binary_search_by(|(own, _)| (*own).cmp(key)).ok()?;
    WORDS.get(found).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::validate::Validator;

    #[test]
    fn the_words_are_in_order_and_each_is_an_invariants() {
        assert!(WORDS.windows(2).all(|two| two[0].0 < two[1].0));
        let validator = Validator::standard();
        for (key, words) in WORDS {
            assert!(validator.has_rule(key), "{key}");
            assert_eq!(of(key), Some(*words));
        }
        assert_eq!(of("us-core-1"), None);
    }
}
