//! Check digits of the numbers that authorities give out: NPI and DEA registration.
//!
//! Pure arithmetic (domain.md section 4.2). It says whether a number can be one, never whether it is
//! registered, and never puts the number into an issue.

use crate::issue::Issue;

/// Whether a text has the form and the check digit of a National Provider Identifier: 10 digits that
/// begin with 1 or 2 and pass Luhn behind the prefix `80840`.
#[must_use]
pub fn npi_valid(npi: &str) -> bool {
    let digits = npi.as_bytes();
    if digits.len() != 10 || !digits.iter().all(u8::is_ascii_digit) || !npi.starts_with(['1', '2'])
    {
        return false;
    }
    // The prefix 80840 always adds 24 to the sum.
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b - b'0');
            match i % 2 {
                0 => d,
                _ if d > 4 => 2 * d - 9,
                _ => 2 * d,
            }
        })
        .sum();
    (sum + 24).is_multiple_of(10)
}

/// Whether a text has the form and the check digit of a DEA registration number: two letters (or a
/// letter and a 9), seven digits with `(d1+d3+d5) + 2(d2+d4+d6) ≡ d7 (mod 10)`, and, for a person
/// under an institution's registration, a hyphen and a suffix of at most 10 letters and digits.
#[must_use]
pub fn dea_valid(dea_no: &str) -> bool {
    let (number, suffix) = match dea_no.split_once('-') {
        Some((number, suffix)) => (number, Some(suffix)),
        None => (dea_no, None),
    };
    let suffix_fits = suffix.is_none_or(|s| {
        (1..=10).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    let bytes = number.as_bytes();
    if !suffix_fits || bytes.len() != 9 {
        return false;
    }
    let letters =
        bytes[0].is_ascii_uppercase() && (bytes[1].is_ascii_uppercase() || bytes[1] == b'9');
    let digits = &bytes[2..];
    if !letters || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let d = |i: usize| u32::from(digits[i] - b'0');
    (d(0) + d(2) + d(4) + 2 * (d(1) + d(3) + d(5))) % 10 == d(6)
}

/// The issue of an NPI that cannot be one; `None` where it can or is absent.
#[must_use]
pub fn check_npi(npi: Option<&str>, pointer: &str) -> Option<Issue> {
    npi.is_some_and(|n| !npi_valid(n)).then(|| {
        Issue::error(
            "business-rule",
            "npi-check-digit",
            pointer,
            "not a National Provider Identifier: 10 digits whose last one checks the others (Luhn behind 80840)",
        )
    })
}

/// The issue of a DEA number that cannot be one; `None` where it can or is absent.
#[must_use]
pub fn check_dea(dea_no: Option<&str>, pointer: &str) -> Option<Issue> {
    dea_no.is_some_and(|n| !dea_valid(n)).then(|| {
        Issue::error(
            "business-rule",
            "dea-check-digit",
            pointer,
            "not a DEA registration number: two letters and 7 digits whose last one checks the others",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_right_check_digits_pass() {
        for npi in ["1003000126", "1003000134", "1993999998"] {
            assert!(npi_valid(npi), "{npi}");
        }
        for dea in ["AB1234563", "AD1234563", "AB1234563-X12"] {
            assert!(dea_valid(dea), "{dea}");
        }
    }

    #[test]
    fn every_single_wrong_digit_is_found() {
        for place in 1..10 {
            for digit in b'0'..=b'9' {
                let mut npi = *b"1003000126";
                if npi[place] != digit {
                    npi[place] = digit;
                    assert!(!npi_valid(std::str::from_utf8(&npi).expect("ascii")));
                }
            }
        }
        for dea in [
            "AB1234564",
            "AB2234563",
            "1B1234563",
            "ab1234563",
            "AB123456",
            "AB1234563-",
        ] {
            assert!(!dea_valid(dea), "{dea}");
        }
        for npi in ["1234567890", "", "10030001266", "100300012６", "3003000126"] {
            assert!(!npi_valid(npi), "{npi}");
        }
    }

    #[test]
    fn an_absent_number_breaks_no_rule() {
        assert!(check_npi(None, "/npi").is_none());
        assert!(check_dea(None, "/dea_no").is_none());
        let issue = check_npi(Some("1234567890"), "/npi").expect("wrong");
        assert!(issue.is_error() && !issue.message.contains("1234567890"));
    }
}
