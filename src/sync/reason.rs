//! The closed list of reasons: why a job is not simply done.
//!
//! Each says what happened, who must act, and what the gateway does next. A reason never carries a
//! value from a record; a bare "error" does not exist.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $what:literal, $who:literal, $next:literal;)*) => {
        /// Why.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[doc = $what] #[serde(rename = $word)] $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word, as stored, shown, counted and searched for.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word,)* }
            }

            /// What happened.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Reason::$name => $what,)* }
            }

            /// Who must act.
            #[must_use]
            pub const fn who(self) -> &'static str {
                match self { $(Reason::$name => $who,)* }
            }

            /// What the gateway does next.
            #[must_use]
            pub const fn next(self) -> &'static str {
                match self { $(Reason::$name => $next,)* }
            }
        }
    };
}

reasons! {
    Delivered = "delivered", "the partner has it", "nobody", "nothing";
    Taken = "taken", "the partner took it and answers later", "nobody", "waits for the partner's answer";
    AlreadyThere = "already-there", "the partner had it already", "nobody", "nothing";
    FoundThere = "found-there", "reading back found it at the partner", "nobody", "nothing";
    NotThere = "not-there", "reading back did not find it at the partner", "nobody", "sends it again";
    NotNeeded = "not-needed", "there was nothing to do for this effect", "nobody", "goes on with the next";

    Connect = "connect", "no connection could be made", "the partner", "pauses the partner and probes it";
    Tls = "tls", "the TLS handshake failed", "the administrator: certificates", "pauses the partner and probes it";
    Token = "token", "no access token was to be had, or the partner did not take ours", "the administrator: credentials", "pauses the partner and probes it";
    Unavailable = "unavailable", "the partner said 503", "the partner", "pauses the partner and probes it";
    Throttled = "throttled", "the partner said 429", "nobody", "stays away as long as asked";
    PartnerPaused = "partner-paused", "the partner is paused", "the administrator, if by hand", "sends when the pause ends";

    TimedOut = "timed-out", "no answer came in time after the request was sent", "nobody", "asks before repeating";
    Reset = "reset", "the connection broke after the request was sent", "nobody", "asks before repeating";
    ServerError = "server-error", "the partner answered with a 5xx", "nobody", "asks before repeating, or repeats";
    BrokenAnswer = "broken-answer", "the answer could not be understood", "nobody", "asks before repeating";
    LeaseLost = "lease-lost", "the node that was sending went away", "nobody", "asks before repeating";
    Conflict = "conflict", "the partner's copy changed, or two writers met", "nobody", "reads, compares and decides";
    TryLater = "try-later", "the partner said that it did not process it and to try later", "nobody", "repeats on schedule";

    Refused = "refused", "the partner refused the content", "the sender: see the partner's answer", "nothing, until a person decides";
    Forbidden = "forbidden", "the partner forbids this interaction", "the administrator and the partner", "nothing, until a person decides";
    Unsupported = "unsupported", "the partner does not support this interaction", "the administrator: the route", "nothing, until a person decides";
    SeveralMatches = "several-matches", "the partner has several resources with our identifier", "the partner's registrar", "nothing, until a person decides";
    Gone = "gone", "the partner deleted its copy", "the administrator", "nothing, until a person decides";

    PatientUnknown = "patient-unknown", "the partner has no patient with our identifier", "the registrar", "nothing, until the patient is linked";
    PatientAmbiguous = "patient-ambiguous", "the partner has several patients with our identifier", "the registrar", "nothing, until the patient is linked";
    Consent = "consent", "no active consent covers this receiver", "the clinic: consent", "decides anew when the client's consents change";
    NeedsOther = "needs-other", "something it refers to is still on its way to this partner", "nobody", "sends when that has arrived";
    LaneBusy = "lane-busy", "an earlier message of its lane is on its way", "nobody", "sends in order";
    PatientHeld = "patient-held", "a patient merge is on its way to this partner", "nobody", "sends when the merge has arrived";
    AwaitsCancel = "awaits-cancel", "the pharmacy has not confirmed the cancel of the earlier prescription", "the pharmacy", "sends when the cancel is confirmed";
    CancelDenied = "cancel-denied", "the pharmacy did not cancel the earlier prescription", "the prescriber and the pharmacy", "nothing, until a person decides";
    CancelSilent = "cancel-silent", "the pharmacy did not answer the cancel in time", "the prescriber and the pharmacy", "nothing, until a person decides";

    Unclear = "unclear", "it may or may not have been processed, and the partner cannot be asked", "a person: call the partner", "nothing, until a person decides";
    Restored = "restored", "the database was restored from a backup, and this may have been sent before that", "a person: call the partner", "nothing, until a person decides";
    Exhausted = "exhausted", "the schedule is used up", "the administrator", "nothing, until a person decides";
    PastDeadline = "past-deadline", "the last time to send a new prescription has passed", "the prescriber", "nothing, until a person decides";
    Integrity = "integrity", "the stored bytes are not those that were accepted", "the administrator", "nothing, until a person decides";
    SignatureChanged = "signature-changed", "the signed content is not what the signature covers", "the prescriber", "nothing, until a new version is signed";
    UnknownDrug = "unknown-drug", "a drug without a known code names a controlled ingredient", "the prescriber", "nothing, until a new version is signed";
    RuleParks = "rule-parks", "a rule of validation has it looked at by a person before it goes to this partner", "a person: see the warnings of its version", "sends it if a person presses Retry";
    RuleBlocks = "rule-blocks", "a rule of validation keeps it from this partner", "the sender: see the warnings of its version", "nothing, until there is a new version";

    NothingThere = "nothing-there", "there was nothing at the partner to take back", "nobody", "nothing";
    CancelledInChain = "cancelled-in-chain", "it was cancelled before it left", "nobody", "nothing";
    Replaced = "replaced", "a newer version took its place before it left", "nobody", "nothing";
    ByPerson = "by-person", "a person decided", "nobody", "nothing";
}

impl Reason {
    /// The reason of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|r| r.as_str() == word)
    }
}
