//! Questionnaires and withdrawal scores: their items, points, bands and verified codes.
//!
//! Holds no question's text: several instruments are somebody's property.

use crate::record::codes::codes;

codes! {
    /// A questionnaire or a withdrawal score.
    Instrument {
        /// Depression, nine items.
        Phq9 = "PHQ9",
        /// Anxiety, seven items.
        Gad7 = "GAD7",
        /// Alcohol use, three items.
        AuditC = "AUDITC",
        /// Alcohol use, ten items.
        Audit = "AUDIT",
        /// Suicide risk screen, six items, yes (1) or no (0); a risk level, no sum.
        Cssrs = "CSSRS",
        /// Opioid withdrawal, eleven items.
        Cows = "COWS",
        /// Alcohol withdrawal, ten items.
        Ciwa = "CIWA",
    }
}

/// Bands: the highest total of each, ascending, with its code.
type Bands = &'static [(i64, &'static str)];

impl Instrument {
    /// The most points of each item, item 1 first.
    #[must_use]
    pub const fn items(self) -> &'static [i64] {
        match self {
            Instrument::Phq9 => &[3; 9],
            Instrument::Gad7 => &[3; 7],
            Instrument::AuditC => &[4; 3],
            Instrument::Audit => &[4; 10],
            Instrument::Cssrs => &[1; 6],
            Instrument::Cows => &[4, 4, 5, 5, 4, 4, 5, 4, 4, 4, 5],
            Instrument::Ciwa => &[7, 7, 7, 7, 7, 7, 7, 7, 7, 4],
        }
    }

    /// Whether its points are summed.
    #[must_use]
    pub const fn summed(self) -> bool {
        !matches!(self, Instrument::Cssrs)
    }

    /// Whether it belongs to the kind `withdrawal` (else `score`).
    #[must_use]
    pub const fn withdrawal(self) -> bool {
        matches!(self, Instrument::Cows | Instrument::Ciwa)
    }

    /// LOINC of the panel and of the total (the risk level).
    #[must_use]
    pub const fn loinc(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Instrument::Phq9 => (Some("44249-1"), Some("44261-6")),
            Instrument::Gad7 => (Some("69737-5"), Some("70274-6")),
            Instrument::AuditC => (Some("72109-2"), Some("75626-2")),
            Instrument::Cssrs => (Some("93373-9"), Some("93374-7")),
            Instrument::Audit | Instrument::Cows | Instrument::Ciwa => (None, None),
        }
    }

    /// LOINC of an item, where it is verified.
    #[must_use]
    pub const fn item_loinc(self, item: u32) -> Option<&'static str> {
        match (self, item) {
            (Instrument::Phq9, 1) => Some("44250-9"),
            (Instrument::Phq9, 5) => Some("44251-7"),
            (Instrument::Phq9, 7) => Some("44252-5"),
            (Instrument::Phq9, 8) => Some("44253-3"),
            (Instrument::AuditC, 2) => Some("68519-8"),
            (Instrument::AuditC, 3) => Some("68520-6"),
            (Instrument::Cssrs, 1) => Some("93246-7"),
            (Instrument::Cssrs, 2) => Some("93247-5"),
            (Instrument::Cssrs, 3) => Some("93248-3"),
            (Instrument::Cssrs, 4) => Some("93249-1"),
            (Instrument::Cssrs, 5) => Some("93250-9"),
            (Instrument::Cssrs, 6) => Some("93267-3"),
            _ => None,
        }
    }

    /// Its bands, where they are agreed upon.
    #[must_use]
    pub const fn bands(self) -> Bands {
        match self {
            Instrument::Phq9 => &[
                (4, "minimal"),
                (9, "mild"),
                (14, "moderate"),
                (19, "moderately_severe"),
                (27, "severe"),
            ],
            Instrument::Gad7 => &[
                (4, "minimal"),
                (9, "mild"),
                (14, "moderate"),
                (21, "severe"),
            ],
            Instrument::Cows => &[
                (4, "none"),
                (12, "mild"),
                (24, "moderate"),
                (36, "moderately_severe"),
                (48, "severe"),
            ],
            Instrument::AuditC | Instrument::Audit | Instrument::Cssrs | Instrument::Ciwa => &[],
        }
    }

    /// The band of a total, where bands are agreed upon.
    #[must_use]
    pub fn band(self, total: i64) -> Option<&'static str> {
        let found = self.bands().iter().find(|(most, _)| total <= *most);
        found.map(|(_, band)| *band)
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Instrument::Phq9 => "PHQ-9",
            Instrument::Gad7 => "GAD-7",
            Instrument::AuditC => "AUDIT-C",
            Instrument::Audit => "AUDIT",
            Instrument::Cssrs => "C-SSRS screener",
            Instrument::Cows => "COWS",
            Instrument::Ciwa => "CIWA-Ar",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_add_up_to_the_most_that_each_instrument_can_give() {
        for (instrument, most) in [
            (Instrument::Phq9, 27),
            (Instrument::Gad7, 21),
            (Instrument::AuditC, 12),
            (Instrument::Audit, 40),
            (Instrument::Cows, 48),
            (Instrument::Ciwa, 67),
        ] {
            assert_eq!(instrument.items().iter().sum::<i64>(), most);
            if let Some((last, _)) = instrument.bands().last() {
                assert_eq!(*last, most);
            }
        }
        assert_eq!(Instrument::Cows.band(5), Some("mild"));
        assert_eq!(Instrument::Cows.band(37), Some("severe"));
    }
}
