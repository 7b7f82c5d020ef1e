//! Decimals that keep the digits they were written with.
//!
//! FHIR says that the precision of a decimal has meaning: `72.50` is not `72.5`. A [`Decimal`] keeps
//! its text and compares by value (contracts section 2). It is never computed with in binary floating
//! point, and it must stand in typed structs only where serde hands it the number directly (no
//! untagged, internally tagged or flattened types: `arbitrary_precision` does not survive them).

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A decimal number, as text: an optional sign, digits, an optional fraction, an optional exponent.
#[derive(Clone)]
pub struct Decimal(String);

impl Decimal {
    /// Reads JSON number syntax; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<serde_json::Number>().ok()?;
        Some(Decimal(text.to_owned()))
    }

    /// The digits as they were written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether two JSON numbers have the same value, however they are written.
    #[must_use]
    pub fn same_value(a: &serde_json::Number, b: &serde_json::Number) -> bool {
        Decimal(a.to_string()) == Decimal(b.to_string())
    }

    /// As a JSON number, digits kept.
    ///
    /// # Panics
    /// Never: the text was read as a JSON number before.
    #[must_use]
    #[expect(clippy::expect_used, reason = "checked when it was made")]
    pub fn number(&self) -> serde_json::Number {
        self.0.parse().expect("a JSON number")
    }

    /// Plain form without exponent and without trailing zeros: `5.00` and `50e-1` are `5`.
    #[must_use]
    pub fn plain(&self) -> String {
        let (negative, digits, point) = self.parts();
        if digits.is_empty() {
            return "0".to_owned();
        }
        let mut out = String::from(if negative { "-" } else { "" });
        let len = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        if point <= 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n(
                '0',
                usize::try_from(-point).unwrap_or(0),
            ));
            out.push_str(&digits);
        } else if point >= len {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n(
                '0',
                usize::try_from(point - len).unwrap_or(0),
            ));
        } else {
            let at = usize::try_from(point).unwrap_or(0);
            out.push_str(&digits[..at]);
            out.push('.');
            out.push_str(&digits[at..]);
        }
        out
    }

    /// The value as a whole number, if it is one and fits.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        self.plain().parse().ok()
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.parts().0 && !self.parts().1.is_empty()
    }

    /// Sign, significant digits without leading or trailing zeros, and where the point stands
    /// (digits before it; may lie outside the digits).
    fn parts(&self) -> (bool, String, i64) {
        let (negative, rest) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.0.as_str()),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().unwrap_or(0)),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let lead = all.len() - all.trim_start_matches('0').len();
        let point =
            i64::try_from(whole.len()).unwrap_or(0) + exponent - i64::try_from(lead).unwrap_or(0);
        (negative, all.trim_matches('0').to_owned(), point)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (an, ad, ap) = self.parts();
        let (bn, bd, bp) = other.parts();
        let sign = |negative: bool, digits: &str| match (digits.is_empty(), negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (a, b) = (sign(an, &ad), sign(bn, &bd));
        if a != b || a == 0 {
            return a.cmp(&b);
        }
        let size = ap.cmp(&bp).then_with(|| ad.cmp(&bd));
        if a < 0 { size.reverse() } else { size }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decimal(***)")
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(s)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(d)?;
        Ok(Decimal(number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    #[test]
    fn digits_survive_a_round_trip() {
        for text in ["72.50", "0.10", "100", "-3.000", "1.0e3"] {
            let read: Decimal = serde_json::from_str(text).expect("reads");
            assert_eq!(d(&serde_json::to_string(&read).expect("writes")), d(text));
        }
        let read: Decimal = serde_json::from_str("72.50").expect("reads");
        assert_eq!(serde_json::to_string(&read).expect("writes"), "72.50");
    }

    #[test]
    fn value_decides_not_spelling() {
        assert_eq!(d("5.00"), d("50e-1"));
        assert!(d("0.9") < d("1") && d("-2") < d("-1") && d("10") > d("9.99"));
        assert_eq!(d("0.0"), d("-0"));
        for (text, plain) in [
            ("5.00", "5"),
            ("0.050", "0.05"),
            ("1e3", "1000"),
            ("0", "0"),
            ("-12.340", "-12.34"),
            ("5E-3", "0.005"),
        ] {
            assert_eq!(d(text).plain(), plain);
        }
    }
}
