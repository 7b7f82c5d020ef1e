//! Drugs: RxCUI → ingredient → schedule (21 CFR 1308), units of dose and quantity, routes.
//!
//! Only codes that were verified stand here; a code that is missing means "unknown", never "not
//! controlled". A drug without a known code whose text names a controlled ingredient is suspect
//! ([`suspicion`]) and waits for a person.

use serde::{Deserialize, Serialize};

use crate::record::codes::codes;

pub(crate) mod fhir;
mod table;
pub use table::{CONTROLLED_WORDS, DRUGS};

codes! {
    /// Schedule of the Controlled Substances Act; schedule I cannot be prescribed.
    Schedule {
        /// Schedule II: no refills.
        II = "2",
        /// Schedule III.
        III = "3",
        /// Schedule IV.
        IV = "4",
        /// Schedule V.
        V = "5",
        /// Not federally controlled.
        NotControlled = "NC",
    }
}

impl Schedule {
    /// Whether part 1306 and 1311 of 21 CFR apply.
    #[must_use]
    pub const fn is_controlled(self) -> bool {
        !matches!(self, Schedule::NotControlled)
    }

    /// NCI Thesaurus code of the schedule, as SCRIPT's `DEASchedule` takes it.
    #[must_use]
    pub const fn ncit(self) -> &'static str {
        match self {
            Schedule::II => "C48675",
            Schedule::III => "C48676",
            Schedule::IV => "C48677",
            Schedule::V => "C48679",
            Schedule::NotControlled => "C38046",
        }
    }

    /// Most refills that may stand on an order: none for II, five for III and IV (1306.12, 1306.22);
    /// `None` where there is no federal number.
    #[must_use]
    pub const fn refills_max(self) -> Option<u32> {
        match self {
            Schedule::II => Some(0),
            Schedule::III | Schedule::IV => Some(5),
            Schedule::V | Schedule::NotControlled => None,
        }
    }

    /// Months after the day of issue during which it may be filled (1306.22).
    #[must_use]
    pub const fn months_max(self) -> Option<i32> {
        match self {
            Schedule::III | Schedule::IV => Some(6),
            Schedule::II | Schedule::V | Schedule::NotControlled => None,
        }
    }
}

codes! {
    /// RxNorm term type, as far as a prescription may name one.
    Tty {
        /// Semantic clinical drug (generic).
        SCD = "SCD",
        /// Semantic branded drug.
        SBD = "SBD",
        /// Generic pack.
        GPCK = "GPCK",
        /// Branded pack.
        BPCK = "BPCK",
        /// Ingredient: names no product; not for SCRIPT.
        IN = "IN",
    }
}

impl Tty {
    /// SCRIPT's `DrugDBCode` qualifier; `None` for an ingredient, which names no product.
    #[must_use]
    pub const fn script_qualifier(self) -> Option<&'static str> {
        match self {
            Tty::SCD => Some("SCD"),
            Tty::SBD => Some("SBD"),
            Tty::GPCK => Some("GPK"),
            Tty::BPCK => Some("BPK"),
            Tty::IN => None,
        }
    }
}

codes! {
    /// Units of a dose or a quantity, as the clinic writes them.
    Unit {
        /// Tablet.
        Tablet = "tablet",
        /// Capsule.
        Capsule = "capsule",
        /// Film.
        Film = "film",
        /// Lozenge.
        Lozenge = "lozenge",
        /// Patch.
        Patch = "patch",
        /// Suppository.
        Suppository = "suppository",
        /// One piece (a syringe, a vial).
        Each = "each",
        /// Kit.
        Kit = "kit",
        /// Millilitre.
        MilliLitre = "mL",
        /// Gram.
        Gram = "g",
        /// Milligram; a dose, never a quantity.
        MilliGram = "mg",
        /// Microgram; a dose, never a quantity.
        MicroGram = "mcg",
        /// Milliequivalent; a dose, never a quantity.
        MilliEquivalent = "mEq",
    }
}

impl Unit {
    /// The UCUM code.
    #[must_use]
    pub const fn ucum(self) -> &'static str {
        match self {
            Unit::Tablet => "{tbl}",
            Unit::Capsule => "{capsule}",
            Unit::Film => "{film}",
            Unit::Lozenge => "{lozenge}",
            Unit::Patch => "{patch}",
            Unit::Suppository => "{suppository}",
            Unit::Each => "{each}",
            Unit::Kit => "{kit}",
            Unit::MilliLitre => "mL",
            Unit::Gram => "g",
            Unit::MilliGram => "mg",
            Unit::MicroGram => "ug",
            Unit::MilliEquivalent => "meq",
        }
    }

    /// The unit that a UCUM code, or a word that EHRs put in its place, names.
    #[must_use]
    pub fn from_fhir(code: &str) -> Option<Self> {
        if let Some(unit) = Self::ALL.iter().copied().find(|u| u.ucum() == code) {
            return Some(unit);
        }
        let word = code.trim_matches(['{', '}']).to_ascii_lowercase();
        Some(match word.as_str() {
            "tab" | "tbl" | "tabs" | "tablet" | "tablets" | "tablet(s)" => Unit::Tablet,
            "cap" | "caps" | "capsule" | "capsules" | "capsule(s)" => Unit::Capsule,
            "film" | "films" => Unit::Film,
            "lozenge" => Unit::Lozenge,
            "patch" | "patches" => Unit::Patch,
            "suppository" | "supp" => Unit::Suppository,
            "each" | "ea" => Unit::Each,
            "kit" => Unit::Kit,
            "ml" => Unit::MilliLitre,
            "g" => Unit::Gram,
            "mg" => Unit::MilliGram,
            "ug" | "mcg" => Unit::MicroGram,
            "meq" => Unit::MilliEquivalent,
            _ => return None,
        })
    }

    /// NCI Thesaurus code, as SCRIPT's `QuantityUnitOfMeasure` takes it; `None` for what no pharmacy
    /// counts in.
    #[must_use]
    pub const fn ncit(self) -> Option<&'static str> {
        match self {
            Unit::Tablet => Some("C48542"),
            Unit::Capsule => Some("C48480"),
            Unit::Film => Some("C53499"),
            Unit::Lozenge => Some("C48506"),
            Unit::Patch => Some("C48524"),
            Unit::Suppository => Some("C48539"),
            Unit::Each => Some("C64933"),
            Unit::Kit => Some("C48504"),
            Unit::MilliLitre => Some("C28254"),
            Unit::Gram => Some("C48155"),
            Unit::MilliGram | Unit::MicroGram | Unit::MilliEquivalent => None,
        }
    }

    /// The unit that an NCI Thesaurus code names.
    #[must_use]
    pub fn from_ncit(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|u| u.ncit() == Some(code))
    }

    /// Whether it is counted in pieces, so that quantity against days' supply can be reckoned.
    #[must_use]
    pub const fn is_countable(self) -> bool {
        matches!(
            self,
            Unit::Tablet
                | Unit::Capsule
                | Unit::Film
                | Unit::Lozenge
                | Unit::Patch
                | Unit::Suppository
        )
    }
}

codes! {
    /// By which way it is taken.
    Route {
        /// By mouth.
        Oral = "oral",
        /// Under the tongue.
        Sublingual = "sublingual",
        /// Inside the cheek.
        Buccal = "buccal",
        /// Into a muscle.
        Intramuscular = "intramuscular",
        /// Under the skin.
        Subcutaneous = "subcutaneous",
        /// Through the skin.
        Transdermal = "transdermal",
        /// Into the nose.
        Nasal = "nasal",
        /// Rectal.
        Rectal = "rectal",
        /// Into the lungs.
        Inhaled = "inhaled",
        /// On the skin.
        Topical = "topical",
    }
}

codes! {
    /// Ingredients that this house knows.
    Ingredient {
        /// Buprenorphine, alone.
        Buprenorphine = "buprenorphine",
        /// Buprenorphine with naloxone.
        BuprenorphineNaloxone = "buprenorphine/naloxone",
        /// Methadone.
        Methadone = "methadone",
        /// Naloxone.
        Naloxone = "naloxone",
        /// Naltrexone.
        Naltrexone = "naltrexone",
        /// Acamprosate.
        Acamprosate = "acamprosate",
        /// Sertraline.
        Sertraline = "sertraline",
        /// Fluoxetine.
        Fluoxetine = "fluoxetine",
        /// Lithium.
        Lithium = "lithium",
        /// Valproate in its forms.
        Valproate = "valproate",
        /// Aripiprazole.
        Aripiprazole = "aripiprazole",
        /// Olanzapine.
        Olanzapine = "olanzapine",
        /// Risperidone.
        Risperidone = "risperidone",
        /// Haloperidol.
        Haloperidol = "haloperidol",
        /// Clozapine.
        Clozapine = "clozapine",
        /// Quetiapine.
        Quetiapine = "quetiapine",
        /// Diazepam.
        Diazepam = "diazepam",
        /// Oxazepam.
        Oxazepam = "oxazepam",
        /// Clobazam.
        Clobazam = "clobazam",
        /// Alprazolam.
        Alprazolam = "alprazolam",
        /// Clonazepam.
        Clonazepam = "clonazepam",
        /// Lorazepam.
        Lorazepam = "lorazepam",
    }
}

impl Ingredient {
    /// Its federal schedule.
    #[must_use]
    pub const fn schedule(self) -> Schedule {
        match self {
            Ingredient::Methadone => Schedule::II,
            Ingredient::Buprenorphine | Ingredient::BuprenorphineNaloxone => Schedule::III,
            Ingredient::Diazepam
            | Ingredient::Oxazepam
            | Ingredient::Clobazam
            | Ingredient::Alprazolam
            | Ingredient::Clonazepam
            | Ingredient::Lorazepam => Schedule::IV,
            _ => Schedule::NotControlled,
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// RxNorm concept id.
    pub rxcui: &'static str,
    /// What is in it.
    pub ingredient: Ingredient,
    /// RxNorm term type.
    pub tty: Tty,
    /// Name, in our words.
    pub name: &'static str,
}

/// What an order says of its drug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drug {
    /// The clinic's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_code: Option<String>,
    /// RxNorm concept id, digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rxcui: Option<String>,
    /// RxNorm term type of `rxcui`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<Tty>,
    /// National Drug Code, 11 digits, no hyphens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ndc: Option<String>,
    /// The drug's name as it is prescribed; at most 105 characters (SCRIPT `DrugDescription`).
    pub label: String,
    /// Strength in words: `8 mg/2 mg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength_text: Option<String>,
    /// Dosage form in words: `film`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// By which way it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// Its schedule, as the clinic says; the table has the last word. An order of the clinic must
    /// say it; what an EHR tells us may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

impl Drug {
    /// Its line in the table, if its code is known.
    #[must_use]
    pub fn known(&self) -> Option<&'static Known> {
        self.rxcui.as_deref().and_then(known)
    }

    /// Its schedule: the table's, else what the record says, else not controlled.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.known()
            .map(|k| k.ingredient.schedule())
            .or(self.schedule)
            .unwrap_or(Schedule::NotControlled)
    }

    /// Whether it is methadone, by code or by name.
    #[must_use]
    pub fn is_methadone(&self) -> bool {
        self.known()
            .is_some_and(|k| k.ingredient == Ingredient::Methadone)
            || words(&self.label)
                .any(|w| matches!(w.as_str(), "methadone" | "methadose" | "dolophine"))
    }

    /// Why a person must look at it before it goes anywhere: its code is unknown (or absent), and its
    /// text names a controlled ingredient.
    #[must_use]
    pub fn suspicion(&self) -> Option<Suspicion> {
        if self.known().is_some() {
            return None;
        }
        suspicion(&self.label)
    }
}

/// The line of an RxCUI, if it is in the table.
#[must_use]
pub fn known(rxcui: &str) -> Option<&'static Known> {
    DRUGS.iter().find(|k| k.rxcui == rxcui)
}

/// A drug without a known code whose text names a controlled ingredient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The word of our own list that was met; never a text of the record.
    pub ingredient: &'static str,
}

/// The suspicion that a text raises, if it does.
#[must_use]
pub fn suspicion(text: &str) -> Option<Suspicion> {
    words(text).find_map(|word| {
        CONTROLLED_WORDS
            .iter()
            .find(|c| **c == word)
            .map(|ingredient| Suspicion { ingredient })
    })
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_stands_there_once() {
        for (n, drug) in DRUGS.iter().enumerate() {
            assert!(drug.rxcui.bytes().all(|b| b.is_ascii_digit()));
            assert!(
                DRUGS[n + 1..].iter().all(|d| d.rxcui != drug.rxcui),
                "{} stands twice",
                drug.rxcui
            );
        }
    }

    #[test]
    fn codes_that_are_often_mixed_up_name_the_right_drug() {
        for (code, ingredient) in [
            ("312941", Ingredient::Sertraline),
            ("197528", Ingredient::Clonazepam),
            ("1010606", Ingredient::BuprenorphineNaloxone),
            ("864706", Ingredient::Methadone),
        ] {
            assert_eq!(known(code).map(|k| k.ingredient), Some(ingredient));
        }
    }

    #[test]
    fn a_controlled_name_without_a_known_code_is_suspect() {
        let mut drug = Drug {
            local_code: None,
            rxcui: None,
            tty: None,
            ndc: None,
            label: "Oxycodone/APAP 5-325".to_owned(),
            strength_text: None,
            form: None,
            route: None,
            schedule: Some(Schedule::NotControlled),
        };
        assert_eq!(drug.suspicion().map(|s| s.ingredient), Some("oxycodone"));
        drug.label = "SUBOXONE 8 mg film".to_owned();
        assert!(drug.suspicion().is_some());
        drug.rxcui = Some("1010606".to_owned());
        assert!(drug.suspicion().is_none());
        drug.rxcui = None;
        drug.label = "Sertraline 50 mg".to_owned();
        assert!(drug.suspicion().is_none());
    }

    #[test]
    fn units_come_back_from_every_code_they_have() {
        for unit in Unit::ALL.iter().copied() {
            assert_eq!(Unit::from_fhir(unit.ucum()), Some(unit));
            if let Some(code) = unit.ncit() {
                assert_eq!(Unit::from_ncit(code), Some(unit));
            }
        }
    }
}
