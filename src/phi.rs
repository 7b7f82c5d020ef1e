//! Masks: what must never be printed, by type.
//!
//! `Debug` and `Display` of a [`Phi`] or a [`Secret`] show a mask; reading one needs `reveal()`,
//! which can be searched for. Nothing here may grow a way around that.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! mask {
    ($(#[$doc:meta])* $ty:ident, $shown:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $ty<T>(T);

        impl<T> $ty<T> {
            /// Puts the mask on.
            #[must_use]
            pub const fn new(value: T) -> Self {
                $ty(value)
            }

            /// Takes the mask off. Every call is a place to review.
            #[must_use]
            pub const fn reveal(&self) -> &T {
                &self.0
            }

            /// Takes the mask off and the value out.
            #[must_use]
            pub fn into_revealed(self) -> T {
                self.0
            }
        }

        impl<T> fmt::Debug for $ty<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($shown)
            }
        }

        impl<T> fmt::Display for $ty<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($shown)
            }
        }
    };
}

mask!(
    /// Something that tells of a patient: a name, an address, a body.
    Phi,
    "Phi(***)"
);
mask!(
    /// A credential.
    Secret,
    "Secret(***)"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_nothing() {
        let name = Phi::new("Canary-Quill");
        let token = Secret::new("s3cr3t");
        let shown = format!("{name:?} {name} {token:?} {token}");
        assert!(!shown.contains("Canary") && !shown.contains("s3cr3t"));
        assert_eq!(*name.reveal(), "Canary-Quill");
    }
}
