//! Closed lists of codes: an enum, its code texts, and both ways between them.
//!
//! Says nothing of what a code means; the list stands where it is used.

/// Makes an enum of a closed list, with `ALL`, `as_str`, `parse` and serde by the code text.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $code)] $variant),+
        }

        impl $name {
            /// All of the list, in its order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The code as the contract writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $code),+ }
            }

            /// The member with this code.
            #[must_use]
            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|c| c.as_str() == code)
            }
        }
    };
}

pub(crate) use codes;
