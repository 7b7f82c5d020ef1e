//! What the laboratory reports during the play: levels that come preliminary, final, and amended.

use super::Writer;
use crate::demo::sim::laboratory::{Specimen, Test};

const LITHIUM: Test = Test {
    code: "14334-7",
    text: "Lithium level",
    unit: "mmol/L",
    reports: &[
        ("preliminary", "0.80"),
        ("final", "0.80"),
        ("amended", "1.40"),
    ],
};
const VALPROATE: Test = Test {
    code: "4086-5",
    text: "Valproate level",
    unit: "ug/mL",
    reports: &[("final", "72.50")],
};
const ALT: Test = Test {
    code: "1742-6",
    text: "Alanine aminotransferase",
    unit: "U/L",
    reports: &[("preliminary", "31"), ("final", "31.0")],
};
const HBA1C: Test = Test {
    code: "4548-4",
    text: "HbA1c",
    unit: "%",
    reports: &[
        ("preliminary", "5.6"),
        ("final", "5.60"),
        ("amended", "5.70"),
    ],
};

/// Day, client, what is looked for, whether the first report is sent twice.
const SPECIMENS: [(usize, &str, Test, bool); 9] = [
    (2, "C-1009", LITHIUM, true),
    (2, "C-1001", HBA1C, false),
    (3, "C-1012", VALPROATE, true),
    (3, "C-1004", ALT, false),
    (4, "C-1002", ALT, true),
    (4, "C-1003", HBA1C, false),
    (5, "C-1009", LITHIUM, true),
    (5, "C-1006", ALT, false),
    (6, "C-1011", VALPROATE, true),
];

impl Writer<'_> {
    /// The specimens of a day, and whether their first report is sent twice.
    pub(super) fn specimens(&self, day: usize) -> Vec<(Specimen, bool)> {
        (0..)
            .zip(SPECIMENS)
            .filter(|(_, specimen)| specimen.0 == day)
            .map(|(n, (day, client, test, again))| {
                let specimen = Specimen {
                    client_no: client.to_owned(),
                    taken_at: self.moment(day, 25 + n),
                    test,
                };
                (specimen, again)
            })
            .collect()
    }
}
