//! The shape of what an EHR or a laboratory told us, in their own codes: close to FHIR on purpose,
//! because it has no other shape at the clinic.

use crate::decimal::Decimal;
use crate::record::observation::When;
use crate::record::observation::model::part;

part! {
    /// A code of somebody's list.
    Coded {
        /// The list, as a URI.
        system: Option<String>,
        /// The code.
        code: Option<String>,
        /// Its words.
        display: Option<String>,
    }
}

part! {
    /// A concept: codes that say the same, and words.
    Concept {
        /// The codes.
        codings: Vec<Coded>,
        /// The words.
        text: Option<String>,
    }
}

part! {
    /// An amount.
    Quantity {
        /// How much; digits kept.
        value: Option<Decimal>,
        /// `<`, `<=`, `>=`, `>`: the value is a bound.
        comparator: Option<String>,
        /// Unit in words.
        unit: Option<String>,
        /// The list of the unit's code, as a URI.
        system: Option<String>,
        /// The unit's code.
        code: Option<String>,
    }
}

part! {
    /// From and to.
    Range {
        /// From.
        low: Option<Quantity>,
        /// To.
        high: Option<Quantity>,
    }
}

part! {
    /// A value: at most one of these.
    Measured {
        /// An amount.
        quantity: Option<Quantity>,
        /// A concept.
        concept: Option<Concept>,
        /// Words.
        text: Option<String>,
        /// Yes or no.
        yes_no: Option<bool>,
        /// A whole number.
        whole: Option<i64>,
        /// From and to.
        range: Option<Range>,
        /// A date or a moment.
        moment: Option<When>,
        /// A time of the day.
        time: Option<String>,
        /// Why there is none.
        missing: Option<Concept>,
    }
}

part! {
    /// A part of it with a code and a value of its own.
    Component {
        /// What.
        code: Option<Concept>,
        /// The value.
        value: Option<Measured>,
        /// What it means.
        interpretation: Vec<Concept>,
        /// What is usual.
        reference_ranges: Vec<ReferenceRange>,
    }
}

part! {
    /// What is usual.
    ReferenceRange {
        /// From.
        low: Option<Quantity>,
        /// To.
        high: Option<Quantity>,
        /// Which kind of range.
        kind: Option<Concept>,
        /// Words.
        text: Option<String>,
    }
}

part! {
    /// What an EHR or a laboratory told us.
    Outside {
        /// What it is about.
        categories: Vec<Concept>,
        /// What was measured.
        code: Option<Concept>,
        /// The value.
        value: Option<Measured>,
        /// What it means.
        interpretation: Vec<Concept>,
        /// Where on the body.
        body_site: Option<Concept>,
        /// How.
        method: Option<Concept>,
        /// What is usual.
        reference_ranges: Vec<ReferenceRange>,
        /// Parts with values of their own.
        components: Vec<Component>,
    }
}
