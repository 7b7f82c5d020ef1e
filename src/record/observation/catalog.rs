//! What can be measured, with the verified LOINC codes (domain.md section 5.2).
//!
//! Where no code is verified there is none here: the map writes a local code and words. Never add a
//! code from memory.

use crate::record::codes::codes;

codes! {
    /// A panel of a drug screen.
    Panel {
        /// Drugs of abuse, by screen.
        DrugsOfAbuse = "drugs_of_abuse",
        /// Five drugs, by screen.
        FiveByScreen = "five_by_screen",
        /// Five drugs.
        Five = "five",
        /// Screen, confirmed by reflex.
        ReflexConfirm = "reflex_confirm",
        /// Benzodiazepines.
        Benzodiazepines = "benzodiazepines",
        /// What the clinic put together.
        Custom = "custom",
    }
}

impl Panel {
    /// Its LOINC code.
    #[must_use]
    pub const fn loinc(self) -> Option<&'static str> {
        match self {
            Panel::DrugsOfAbuse => Some("69739-1"),
            Panel::FiveByScreen => Some("65750-2"),
            Panel::Five => Some("24349-3"),
            Panel::ReflexConfirm => Some("87428-9"),
            Panel::Benzodiazepines => Some("94117-9"),
            Panel::Custom => None,
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Panel::DrugsOfAbuse => "Drugs of abuse, urine screen",
            Panel::FiveByScreen => "Five-drug urine screen",
            Panel::Five => "Five-drug urine panel",
            Panel::ReflexConfirm => "Urine drug screen with reflex confirmation",
            Panel::Benzodiazepines => "Benzodiazepines, urine panel",
            Panel::Custom => "Urine drug screen, panel of the clinic",
        }
    }
}

codes! {
    /// What a drug screen looks for.
    Analyte {
        /// Amphetamines.
        Amphetamines = "amphetamines",
        /// Opiates.
        Opiates = "opiates",
        /// Oxycodone.
        Oxycodone = "oxycodone",
        /// Buprenorphine.
        Buprenorphine = "buprenorphine",
        /// Norbuprenorphine.
        Norbuprenorphine = "norbuprenorphine",
        /// Methadone.
        Methadone = "methadone",
        /// EDDP, what methadone becomes.
        Eddp = "eddp",
        /// Benzodiazepines.
        Benzodiazepines = "benzodiazepines",
        /// Benzoylecgonine, what cocaine becomes.
        Cocaine = "cocaine",
        /// Cannabinoids.
        Cannabinoids = "cannabinoids",
        /// Carboxy-THC.
        CarboxyThc = "carboxy_thc",
        /// Fentanyl.
        Fentanyl = "fentanyl",
        /// Norfentanyl.
        Norfentanyl = "norfentanyl",
        /// Ethyl glucuronide.
        EthylGlucuronide = "ethyl_glucuronide",
        /// Ethanol.
        Ethanol = "ethanol",
    }
}

impl Analyte {
    /// LOINC codes of the screen and of the confirmation.
    #[must_use]
    pub const fn loinc(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Analyte::Amphetamines => (Some("19261-7"), Some("16369-1")),
            Analyte::Opiates => (Some("19295-5"), Some("18390-5")),
            Analyte::Oxycodone => (Some("19642-8"), Some("10998-3")),
            Analyte::Buprenorphine => (Some("93494-3"), Some("16208-1")),
            Analyte::Norbuprenorphine => (Some("82371-6"), Some("58362-5")),
            Analyte::Methadone => (Some("19550-3"), Some("16199-2")),
            Analyte::Eddp => (Some("93495-0"), Some("58428-4")),
            Analyte::Benzodiazepines => (Some("14316-4"), Some("16195-0")),
            Analyte::Cocaine => (Some("14314-9"), Some("14315-6")),
            Analyte::Cannabinoids => (Some("18282-4"), None),
            Analyte::CarboxyThc => (Some("19381-3"), Some("19382-1")),
            Analyte::Fentanyl => (Some("59673-4"), Some("40839-3")),
            Analyte::Norfentanyl => (Some("95797-7"), None),
            Analyte::EthylGlucuronide => (Some("58375-7"), Some("58377-3")),
            Analyte::Ethanol => (Some("42242-8"), None),
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Analyte::Amphetamines => "Amphetamines",
            Analyte::Opiates => "Opiates",
            Analyte::Oxycodone => "Oxycodone",
            Analyte::Buprenorphine => "Buprenorphine",
            Analyte::Norbuprenorphine => "Norbuprenorphine",
            Analyte::Methadone => "Methadone",
            Analyte::Eddp => "EDDP (methadone metabolite)",
            Analyte::Benzodiazepines => "Benzodiazepines",
            Analyte::Cocaine => "Benzoylecgonine (cocaine metabolite)",
            Analyte::Cannabinoids => "Cannabinoids",
            Analyte::CarboxyThc => "Carboxy-THC",
            Analyte::Fentanyl => "Fentanyl",
            Analyte::Norfentanyl => "Norfentanyl",
            Analyte::EthylGlucuronide => "Ethyl glucuronide",
            Analyte::Ethanol => "Ethanol",
        }
    }
}

codes! {
    /// A laboratory value.
    Test {
        /// Lithium, mmol/L.
        Lithium = "lithium",
        /// Valproate, ug/mL.
        Valproate = "valproate",
        /// Alanine aminotransferase, U/L.
        Alt = "alt",
        /// Aspartate aminotransferase, U/L.
        Ast = "ast",
        /// Thyrotropin, `m[IU]/L`.
        Tsh = "tsh",
        /// Creatinine in serum, mg/dL.
        Creatinine = "creatinine",
        /// Corrected QT, ms.
        Qtc = "qtc",
    }
}

impl Test {
    /// Its LOINC code, for values in its [`unit`](Test::unit).
    #[must_use]
    pub const fn loinc(self) -> Option<&'static str> {
        match self {
            Test::Lithium => Some("14334-7"),
            Test::Valproate => Some("4086-5"),
            Test::Qtc => Some("8636-3"),
            Test::Alt | Test::Ast | Test::Tsh | Test::Creatinine => None,
        }
    }

    /// The UCUM unit it is told in.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Test::Lithium => "mmol/L",
            Test::Valproate => "ug/mL",
            Test::Alt | Test::Ast => "U/L",
            Test::Tsh => "m[IU]/L",
            Test::Creatinine => "mg/dL",
            Test::Qtc => "ms",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Test::Lithium => "Lithium level",
            Test::Valproate => "Valproate level",
            Test::Alt => "Alanine aminotransferase",
            Test::Ast => "Aspartate aminotransferase",
            Test::Tsh => "Thyrotropin",
            Test::Creatinine => "Creatinine in serum",
            Test::Qtc => "Corrected QT interval",
        }
    }

    /// The highest value that can be true; beyond it somebody mistyped.
    #[must_use]
    pub const fn most(self) -> u32 {
        match self {
            Test::Lithium => 10,
            Test::Valproate => 500,
            Test::Alt | Test::Ast => 20_000,
            Test::Tsh => 500,
            Test::Creatinine => 50,
            Test::Qtc => 900,
        }
    }
}

codes! {
    /// A vital sign; R4 has a profile for each.
    Vital {
        /// Blood pressure.
        BloodPressure = "blood_pressure",
        /// Heart rate.
        HeartRate = "heart_rate",
        /// Respiratory rate.
        RespiratoryRate = "respiratory_rate",
        /// Oxygen saturation.
        OxygenSaturation = "oxygen_saturation",
        /// Body temperature.
        Temperature = "temperature",
        /// Body height.
        Height = "height",
        /// Body weight.
        Weight = "weight",
        /// Body mass index.
        BodyMassIndex = "body_mass_index",
    }
}

impl Vital {
    /// Whether its values are the components systolic and diastolic.
    #[must_use]
    pub const fn parts(self) -> bool {
        matches!(self, Vital::BloodPressure)
    }

    /// The LOINC code that R4's profile fixes.
    #[must_use]
    pub const fn loinc(self) -> &'static str {
        match self {
            Vital::BloodPressure => "85354-9",
            Vital::HeartRate => "8867-4",
            Vital::RespiratoryRate => "9279-1",
            Vital::OxygenSaturation => "2708-6",
            Vital::Temperature => "8310-5",
            Vital::Height => "8302-2",
            Vital::Weight => "29463-7",
            Vital::BodyMassIndex => "39156-5",
        }
    }

    /// The UCUM units that R4's profile allows.
    #[must_use]
    pub const fn units(self) -> &'static [&'static str] {
        match self {
            Vital::BloodPressure => &["mm[Hg]"],
            Vital::HeartRate | Vital::RespiratoryRate => &["/min"],
            Vital::OxygenSaturation => &["%"],
            Vital::Temperature => &["[degF]", "Cel"],
            Vital::Height => &["cm", "[in_i]"],
            Vital::Weight => &["kg", "[lb_av]", "g"],
            Vital::BodyMassIndex => &["kg/m2"],
        }
    }

    /// The lowest and the highest value that a living adult can have, in any of its units.
    #[must_use]
    pub const fn bounds(self) -> (u32, u32) {
        match self {
            Vital::BloodPressure => (20, 350),
            Vital::HeartRate => (15, 350),
            Vital::RespiratoryRate => (2, 100),
            Vital::OxygenSaturation => (30, 100),
            Vital::Temperature => (20, 115),
            Vital::Height => (20, 280),
            Vital::Weight => (20, 700_000),
            Vital::BodyMassIndex => (7, 150),
        }
    }

    /// US Core's profile of it.
    #[must_use]
    pub const fn us_core(self) -> &'static str {
        match self {
            Vital::BloodPressure => "us-core-blood-pressure",
            Vital::HeartRate => "us-core-heart-rate",
            Vital::RespiratoryRate => "us-core-respiratory-rate",
            Vital::OxygenSaturation => "us-core-vital-signs",
            Vital::Temperature => "us-core-body-temperature",
            Vital::Height => "us-core-body-height",
            Vital::Weight => "us-core-body-weight",
            Vital::BodyMassIndex => "us-core-bmi",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Vital::BloodPressure => "Blood pressure",
            Vital::HeartRate => "Heart rate",
            Vital::RespiratoryRate => "Respiratory rate",
            Vital::OxygenSaturation => "Oxygen saturation",
            Vital::Temperature => "Body temperature",
            Vital::Height => "Body height",
            Vital::Weight => "Body weight",
            Vital::BodyMassIndex => "Body mass index",
        }
    }
}
