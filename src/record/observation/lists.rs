//! The closed lists of a measure, with what FHIR calls their members.

use crate::record::codes::codes;

codes! {
    /// What was measured; the member of the same name holds it.
    MeasureKind {
        /// A drug screen.
        Uds = "uds",
        /// A level or another laboratory value.
        Lab = "lab",
        /// A questionnaire.
        Score = "score",
        /// A vital sign.
        Vital = "vital",
        /// A side effect.
        SideEffect = "side_effect",
        /// How far a drug was taken as ordered.
        Adherence = "adherence",
        /// A withdrawal score.
        Withdrawal = "withdrawal",
        /// What an EHR or a laboratory told us, in their own codes.
        Outside = "outside",
    }
}

codes! {
    /// Where a measure stands.
    Status {
        /// Ordered, nothing measured yet.
        Registered = "registered",
        /// Not final yet.
        Preliminary = "preliminary",
        /// Final.
        Final = "final",
        /// Changed after it was final: something was added or replaced.
        Amended = "amended",
        /// Changed after it was final: it was wrong.
        Corrected = "corrected",
        /// Called off.
        Cancelled = "cancelled",
        /// Entered in error.
        Error = "error",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

codes! {
    /// Why a value is missing.
    Absent {
        /// The client said no.
        Declined = "declined",
        /// The client was asked and does not know.
        DoesNotKnow = "does_not_know",
        /// Nobody asked.
        NotAsked = "not_asked",
        /// It was not done.
        NotDone = "not_done",
        /// It does not apply.
        NotApplicable = "not_applicable",
        /// The measurement failed.
        Failed = "failed",
        /// Nobody knows why.
        Unknown = "unknown",
    }
}

codes! {
    /// What a screen or a confirmation says.
    Finding {
        /// Found.
        Positive = "POS",
        /// Not found.
        Negative = "NEG",
        /// Neither.
        Inconclusive = "INV",
    }
}

codes! {
    /// How a value lies to its reference range.
    Flag {
        /// Normal.
        Normal = "N",
        /// Abnormal.
        Abnormal = "A",
        /// High.
        High = "H",
        /// Low.
        Low = "L",
        /// Critically high.
        CriticalHigh = "HH",
        /// Critically low.
        CriticalLow = "LL",
    }
}

codes! {
    /// What a specimen is.
    SpecimenKind {
        /// Urine.
        Urine = "urine",
        /// Blood.
        Blood = "blood",
        /// Oral fluid.
        OralFluid = "oral_fluid",
        /// Hair.
        Hair = "hair",
        /// Breath.
        Breath = "breath",
    }
}

codes! {
    /// What was done about a side effect.
    Action {
        /// Nothing.
        None = "none",
        /// The dose was changed.
        DoseChange = "dose_change",
        /// The drug was stopped.
        Stop = "stop",
    }
}

codes! {
    /// How adherence was found.
    AdherenceMethod {
        /// The client told.
        SelfReport = "self_report",
        /// Pills were counted.
        PillCount = "pill_count",
        /// By refills.
        Refill = "refill",
        /// Somebody watched.
        Observed = "observed",
    }
}

/// Both ways between a list of ours and FHIR's codes for it.
macro_rules! fhir {
    ($name:ident { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl $name {
            /// FHIR's code.
            #[must_use]
            pub const fn fhir(self) -> &'static str {
                match self { $($name::$variant => $code),+ }
            }

            /// The member with this FHIR code.
            #[must_use]
            pub fn of_fhir(code: &str) -> Option<Self> {
                $name::ALL.iter().copied().find(|c| c.fhir() == code)
            }
        }
    };
}

fhir!(Status {
    Registered = "registered",
    Preliminary = "preliminary",
    Final = "final",
    Amended = "amended",
    Corrected = "corrected",
    Cancelled = "cancelled",
    Error = "entered-in-error",
    Unknown = "unknown",
});

// R4's data-absent-reason.
fhir!(Absent {
    Declined = "asked-declined",
    DoesNotKnow = "asked-unknown",
    NotAsked = "not-asked",
    NotDone = "not-performed",
    NotApplicable = "not-applicable",
    Failed = "error",
    Unknown = "unknown",
});

// v3-ObservationInterpretation.
fhir!(Finding {
    Positive = "POS",
    Negative = "NEG",
    Inconclusive = "IND",
});

impl Finding {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Finding::Positive => "Positive",
            Finding::Negative => "Negative",
            Finding::Inconclusive => "Inconclusive",
        }
    }
}

impl SpecimenKind {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            SpecimenKind::Urine => "Urine",
            SpecimenKind::Blood => "Blood",
            SpecimenKind::OralFluid => "Oral fluid",
            SpecimenKind::Hair => "Hair",
            SpecimenKind::Breath => "Breath",
        }
    }
}

impl Action {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Action::None => "Nothing",
            Action::DoseChange => "Dose changed",
            Action::Stop => "Drug stopped",
        }
    }
}

impl AdherenceMethod {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            AdherenceMethod::SelfReport => "Told by the client",
            AdherenceMethod::PillCount => "Pills counted",
            AdherenceMethod::Refill => "By refills",
            AdherenceMethod::Observed => "Watched",
        }
    }
}
