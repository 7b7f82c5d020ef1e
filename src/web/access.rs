//! Who is calling, and what they may do. A token is compared by its hash, in constant time; it is
//! never stored, logged or shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::ids::{Hash, PartnerId, TenantId};

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// Bring records.
    Submit,
    /// Read stories and the status.
    Read,
    /// Act: retry, cancel, resolve, pause, link.
    Operate,
    /// Read the feed.
    Feed,
    /// Read the metrics.
    Metrics,
    /// Bring what this partner sends.
    Inbound(PartnerId),
}

impl Right {
    /// The right of its word in the config: `submit`, `read`, `operate`, `feed`, `metrics`, `inbound:<partner>`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Right> {
        Some(match word {
            "submit" => Right::Submit,
            "read" => Right::Read,
            "operate" => Right::Operate,
            "feed" => Right::Feed,
            "metrics" => Right::Metrics,
            _ => Right::Inbound(PartnerId::new(
                word.strip_prefix("inbound:").filter(|p| !p.is_empty())?,
            )),
        })
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(Hash);

impl TokenHash {
    /// From 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<TokenHash> {
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let value = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(TokenHash(Hash(bytes)))
    }

    /// Of a token.
    #[must_use]
    pub fn of(token: &str) -> TokenHash {
        TokenHash(Hash::sha256(token.as_bytes()))
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

/// A caller, as the config knows it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who it is, for people.
    pub name: String,
    /// Whose data it reaches.
    pub tenant: TenantId,
    /// The token's hash.
    pub hash: TokenHash,
    /// What it may do.
    pub rights: Vec<Right>,
}

/// How a caller showed its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`: a browser sends it by itself, so that writes need a check of origin.
    Basic,
}

/// The token in an `Authorization` header: bearer, or the password of Basic.
pub(super) fn shown(header: &str) -> Option<(String, Shown)> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((rest.to_owned(), Shown::Bearer));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (_, password) = text.split_once(':')?;
        return Some((password.to_owned(), Shown::Basic));
    }
    None
}

/// The caller of a token. Looks at every entry, so that the time tells nothing of which one fits.
pub(super) fn find<'a>(tokens: &'a [Token], token: &str) -> Option<&'a Token> {
    let hash = TokenHash::of(token);
    let mut found = None;
    for candidate in tokens {
        if bool::from(candidate.hash.0.0.ct_eq(&hash.0.0)) {
            found = Some(candidate);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_only_what_it_writes() {
        let hash = TokenHash::of("a token");
        assert_eq!(TokenHash::parse(&hash.hex()), Some(hash));
        assert_eq!(TokenHash::parse(&hash.hex().to_uppercase()), None);
        assert_eq!(TokenHash::parse("a token"), None);
    }

    #[test]
    fn a_token_is_shown_as_bearer_or_as_a_password() {
        assert_eq!(shown("Bearer abc"), Some(("abc".to_owned(), Shown::Bearer)));
        let basic = format!("Basic {}", STANDARD.encode("anybody:a:b"));
        assert_eq!(shown(&basic), Some(("a:b".to_owned(), Shown::Basic)));
        assert_eq!(shown("Digest abc"), None);
        assert_eq!(shown("Basic ???"), None);
    }

    #[test]
    fn a_word_is_a_right_or_nothing() {
        assert_eq!(
            Right::parse("inbound:lab"),
            Some(Right::Inbound(PartnerId::new("lab")))
        );
        assert_eq!(Right::parse("inbound:"), None);
        assert_eq!(Right::parse("everything"), None);
    }
}
