//! Named places where a test may stop the process, and planted bugs that a test must catch.
//!
//! Without the feature `faults` nothing here does anything: every function is empty and is compiled away.
//! With it, the roof arms places (`arm`) and plants one bug (`plant`) before it starts anything. A
//! process that dies here dies as by `kill -9`: at once, without unwinding, flushing or dropping. Must
//! never be armed by anything but the roof's arguments, nor decide anything itself.

use std::time::Duration;

/// A place where the process may be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// In a migration, after its statements and before its commit.
    InMigration,
    /// Before the commit of a group of calls.
    BeforeCommit,
    /// After it, before anybody is told.
    AfterCommit,
    /// While the log is copied into the database.
    InCheckpoint,
    /// After a sender was told that its record is stored.
    AfterAnswer,
    /// Before an effect is sent to its partner.
    BeforePost,
    /// After the partner's answer, before anything of it is written.
    AfterPost,
    /// After an outcome was written, before its commit.
    BeforeReport,
    /// After the commit of an outcome.
    AfterReport,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 9] = [
        Point::InMigration,
        Point::BeforeCommit,
        Point::AfterCommit,
        Point::InCheckpoint,
        Point::AfterAnswer,
        Point::BeforePost,
        Point::AfterPost,
        Point::BeforeReport,
        Point::AfterReport,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Point::InMigration => "in-migration",
            Point::BeforeCommit => "before-commit",
            Point::AfterCommit => "after-commit",
            Point::InCheckpoint => "in-checkpoint",
            Point::AfterAnswer => "after-answer",
            Point::BeforePost => "before-post",
            Point::AfterPost => "after-post",
            Point::BeforeReport => "before-report",
            Point::AfterReport => "after-report",
        }
    }
}

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A sender is told yes before the commit.
    AckBeforeCommit,
    /// A job is done before it was delivered.
    DoneBeforeDelivery,
    /// The newest of a lane goes first, whatever is in flight.
    NoLaneOrder,
    /// A lease is shorter than the time that a request may take.
    ShortLease,
    /// An unclear prescription is sent again without asking.
    RetryUnsure,
    /// An outcome is written although the lease was lost.
    SettleAfterLostLease,
    /// What is in flight is claimed again.
    DoubleClaim,
    /// A partner's pause does not gate the claim.
    BreakerIgnored,
    /// A cancel does not see what went before in its chain.
    CancelAlone,
    /// What is parked is deleted.
    ParkedDeleted,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 10] = [
        Mutant::AckBeforeCommit,
        Mutant::DoneBeforeDelivery,
        Mutant::NoLaneOrder,
        Mutant::ShortLease,
        Mutant::RetryUnsure,
        Mutant::SettleAfterLostLease,
        Mutant::DoubleClaim,
        Mutant::BreakerIgnored,
        Mutant::CancelAlone,
        Mutant::ParkedDeleted,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Mutant::AckBeforeCommit => "ack-before-commit",
            Mutant::DoneBeforeDelivery => "done-before-delivery",
            Mutant::NoLaneOrder => "no-lane-order",
            Mutant::ShortLease => "short-lease",
            Mutant::RetryUnsure => "retry-unsure-prescription",
            Mutant::SettleAfterLostLease => "settle-after-lost-lease",
            Mutant::DoubleClaim => "double-claim",
            Mutant::BreakerIgnored => "breaker-ignored",
            Mutant::CancelAlone => "cancel-alone",
            Mutant::ParkedDeleted => "parked-deleted",
        }
    }
}

/// What happens at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process dies.
    Kill,
    /// Whoever passes hangs, and goes on.
    Hang,
    /// What was about to be done fails.
    Fail,
}

/// A place that is armed: what happens there, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub point: Point,
    /// At which passage, from 1.
    pub passage: u64,
    /// What.
    pub action: Action,
    /// How long whoever passes is held before it happens.
    pub after: Duration,
}

impl Plan {
    /// Reads `POINT[:PASSAGE[:kill|hang|fail[:MILLISECONDS]]]`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Plan> {
        let mut parts = text.split(':');
        let name = parts.next()?;
        let plan = Plan {
            point: Point::ALL.into_iter().find(|p| p.as_str() == name)?,
            passage: match parts.next() {
                Some(text) => text.parse().ok()?,
                None => 1,
            },
            action: match parts.next() {
                None | Some("kill") => Action::Kill,
                Some("hang") => Action::Hang,
                Some("fail") => Action::Fail,
                Some(_) => return None,
            },
            after: match parts.next() {
                Some(text) => Duration::from_millis(text.parse().ok()?),
                None => Duration::ZERO,
            },
        };
        (parts.next().is_none() && plan.passage > 0).then_some(plan)
    }
}

#[cfg(feature = "faults")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::{Action, Mutant, Plan, Point};

    static PLANS: OnceLock<Vec<(Plan, AtomicU64)>> = OnceLock::new();
    static PLANTED: OnceLock<Mutant> = OnceLock::new();
    static PAGES: OnceLock<u32> = OnceLock::new();

    /// Arms places, once, before anything is started.
    pub fn arm(plans: Vec<Plan>) {
        let _ = PLANS.set(plans.into_iter().map(|p| (p, AtomicU64::new(0))).collect());
    }

    /// Plants a bug, once, before anything is started.
    pub fn plant(mutant: Mutant) {
        let _ = PLANTED.set(mutant);
    }

    /// Whether this bug is planted.
    #[must_use]
    pub fn mutant(mutant: Mutant) -> bool {
        PLANTED.get() == Some(&mutant)
    }

    /// Lets the database have so many pages and no more, as a small disk would.
    pub fn limit_pages(most: u32) {
        let _ = PAGES.set(most);
    }

    /// Pages that the database may have, where it was limited.
    #[must_use]
    pub fn pages_max() -> Option<u32> {
        PAGES.get().copied()
    }

    /// What is to happen at this passage, if anything.
    fn due(point: Point) -> Option<Plan> {
        let plans = PLANS.get()?;
        let (plan, passed) = plans.iter().find(|(plan, _)| plan.point == point)?;
        let passage = passed.fetch_add(1, Ordering::Relaxed) + 1;
        (passage == plan.passage).then_some(*plan)
    }

    fn die() -> ! {
        std::process::abort()
    }

    /// A place. Whether what comes next is to fail.
    pub fn here(point: Point) -> bool {
        let Some(plan) = due(point) else { return false };
        std::thread::sleep(plan.after);
        match plan.action {
            Action::Kill => die(),
            Action::Hang => false,
            Action::Fail => true,
        }
    }

    /// A place that lies a little behind this one, where nobody of ours passes: the process dies while
    /// others go on.
    pub fn behind(point: Point) {
        if let Some(plan) = due(point) {
            die_after(plan.after);
        }
    }

    /// A place within `work`, which is done only if the process is to die in it.
    pub fn within(point: Point, work: impl FnOnce()) {
        if let Some(plan) = due(point) {
            die_after(plan.after);
            work();
        }
    }

    fn die_after(wait: Duration) {
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            die()
        });
    }
}

#[cfg(feature = "faults")]
pub use armed::{arm, behind, here, limit_pages, mutant, pages_max, plant, within};

/// Whether this bug is planted: never, without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
#[must_use]
pub const fn mutant(_: Mutant) -> bool {
    false
}

/// Pages that the database may have: as many as it needs, without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
#[must_use]
pub const fn pages_max() -> Option<u32> {
    None
}

/// A place. Whether what comes next is to fail: never, without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn here(_: Point) -> bool {
    false
}

/// A place that lies a little behind this one. Nothing, without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn behind(_: Point) {}

/// A place within `work`, which is done only if the process is to die in it: never, without the feature
/// `faults`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn within(_: Point, _: impl FnOnce()) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_or_refused() {
        let plan = Plan::parse("before-commit:7:kill:50").expect("a plan");
        assert_eq!(plan.point, Point::BeforeCommit);
        assert_eq!((plan.passage, plan.action), (7, Action::Kill));
        assert_eq!(plan.after, Duration::from_millis(50));
        assert_eq!(Plan::parse("after-post").map(|p| p.passage), Some(1));
        for wrong in [
            "",
            "nowhere",
            "after-post:0",
            "after-post:x",
            "after-post:1:sing",
            "after-post:1:kill:1:2",
        ] {
            assert_eq!(Plan::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_name_is_there_once() {
        let mut names: Vec<&str> = Point::ALL.iter().map(|p| p.as_str()).collect();
        names.extend(Mutant::ALL.iter().map(|m| m.as_str()));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
