//! How much may be on its way to one partner at once, on this node: places, and a rate.
//!
//! A partner that says "too many requests" is believed: half the places are closed, and open again one by
//! one while it answers well. The rate is counted in requests: a job that was begun is finished, and the
//! next one waits until what it took has come in again. Stored nowhere; a restart begins with all places
//! open.
//!
//! A job's place is free as soon as its last answer is there, before that is written: a slow disk must not
//! keep a partner idle. What is being written is bounded, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};

/// How much a partner takes, as the config says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests at once, at most.
    pub concurrency_max: usize,
    /// Requests at once that are left however often it complains.
    pub concurrency_min: usize,
    /// Requests a minute; 0: as many as there are.
    pub rate_per_minute: u64,
    /// Requests that may go at once after a pause.
    pub burst: u64,
}

impl Pace {
    /// So many at once, as fast as it answers.
    #[must_use]
    pub const fn of(concurrency_max: usize) -> Self {
        Pace {
            concurrency_max,
            concurrency_min: 1,
            rate_per_minute: 0,
            burst: 1,
        }
    }
}

/// Complaints that follow within this are about the same crowd: they close no further places.
const SAME_CROWD: Duration = Duration::from_secs(1);

/// The room at one partner.
#[derive(Debug)]
pub struct Room {
    pace: Pace,
    inner: Mutex<Inner>,
    freed: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    /// Places that are open, in parts of one.
    open: f64,
    /// Jobs with a place.
    sending: usize,
    /// Jobs whose outcome is being written.
    writing: usize,
    /// Requests that may go now; less than none after a job of many.
    tokens: f64,
    /// When tokens were last counted, by the monotonic clock.
    counted: Duration,
    /// When places were last closed.
    closed: Option<Duration>,
    /// Until when it asked to be left alone.
    away: Duration,
}

impl Room {
    /// All places open. `freed` rings when a place is.
    #[must_use]
    pub fn new(pace: Pace, freed: Arc<Notify>) -> Self {
        Room {
            pace,
            inner: Mutex::new(Inner {
                open: pace.concurrency_max as f64,
                sending: 0,
                writing: 0,
                tokens: pace.burst as f64,
                counted: Duration::ZERO,
                closed: None,
                away: Duration::ZERO,
            }),
            freed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs that may be begun now.
    #[must_use]
    pub fn free(&self, now: Duration) -> usize {
        let mut inner = self.lock();
        let open = inner.open as usize;
        let by_places = open.saturating_sub(inner.sending);
        let by_writing = (2 * open).saturating_sub(inner.sending + inner.writing);
        let free = by_places.min(by_writing);
        if self.pace.rate_per_minute == 0 {
            return free;
        }
        self.count(&mut inner, now);
        free.min(inner.tokens.max(0.0) as usize)
    }

    /// How long until a request may go, where it is the rate that keeps it.
    #[must_use]
    pub fn waits(&self, now: Duration) -> Option<Duration> {
        if self.pace.rate_per_minute == 0 {
            return None;
        }
        let mut inner = self.lock();
        self.count(&mut inner, now);
        let lacks = 1.0 - inner.tokens;
        (lacks > 0.0).then(|| Duration::from_secs_f64(lacks / self.per_second()))
    }

    fn per_second(&self) -> f64 {
        self.pace.rate_per_minute as f64 / 60.0
    }

    fn count(&self, inner: &mut Inner, now: Duration) {
        let since = now.saturating_sub(inner.counted).as_secs_f64();
        inner.counted = now.max(inner.counted);
        inner.tokens = (inner.tokens + since * self.per_second()).min(self.pace.burst as f64);
    }

    /// Takes a place; it is free again when the seat is given up.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Seat {
        self.lock().sending += 1;
        Seat {
            room: Arc::clone(self),
            sending: true,
        }
    }

    /// A request goes.
    pub fn sends(&self) {
        self.lock().tokens -= 1.0;
    }

    /// It asked to be left alone until then, by the monotonic clock.
    pub fn stay_away(&self, until: Duration) {
        let mut inner = self.lock();
        inner.away = inner.away.max(until);
    }

    /// Whether it asked to be left alone: a job of several requests makes no more of them.
    #[must_use]
    pub fn is_left_alone(&self, now: Duration) -> bool {
        now < self.lock().away
    }

    /// What it answered.
    pub fn heard(&self, answer: &Answer, now: Duration) {
        let mut inner = self.lock();
        if answer.reason == Reason::Throttled {
            let again = |closed: Duration| now.saturating_sub(closed) < SAME_CROWD;
            if !inner.closed.is_some_and(again) {
                inner.closed = Some(now);
                inner.open = (inner.open / 2.0).max(self.pace.concurrency_min as f64);
            }
        } else if matches!(answer.verdict, Verdict::Accepted | Verdict::Pending) {
            inner.open = (inner.open + 1.0 / inner.open).min(self.pace.concurrency_max as f64);
        }
    }

    /// Places that are open now, taken or not.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().open as usize
    }
}

/// A place at a partner.
#[derive(Debug)]
pub struct Seat {
    room: Arc<Room>,
    sending: bool,
}

impl Seat {
    /// Nothing more is sent: only the outcome is to be written.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.sending) {
            let mut inner = self.room.lock();
            inner.sending -= 1;
            inner.writing += 1;
            drop(inner);
            self.room.freed.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        if self.sending {
            inner.sending -= 1;
        } else {
            inner.writing -= 1;
        }
        drop(inner);
        self.room.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(pace: Pace) -> Arc<Room> {
        Arc::new(Room::new(pace, Arc::default()))
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn good() -> Answer {
        Answer::new(Verdict::Accepted, Reason::Delivered)
    }

    #[test]
    fn a_place_is_free_before_the_outcome_is_written_but_writing_is_bounded() {
        let room = room(Pace::of(2));
        let mut seats: Vec<Seat> = (0..2).map(|_| room.enter()).collect();
        assert_eq!(room.free(s(0)), 0);
        seats[0].leave();
        seats[0].leave();
        assert_eq!(room.free(s(0)), 1);
        seats[1].leave();
        seats.extend((0..2).map(|_| room.enter()));
        seats[2].leave();
        assert_eq!(
            room.free(s(0)),
            0,
            "three are being written or sent, one more is sent"
        );
        seats.clear();
        assert_eq!(room.free(s(0)), 2);
    }

    #[test]
    fn a_complaint_closes_half_the_places_and_good_answers_open_them_one_by_one() {
        let room = room(Pace {
            concurrency_min: 3,
            ..Pace::of(16)
        });
        let throttled = Answer::outage(Reason::Throttled);
        room.heard(&throttled, s(10));
        room.heard(&throttled, s(10));
        assert_eq!(room.open(), 8, "the same crowd");
        for _ in 0..9 {
            room.heard(&good(), s(10));
        }
        assert_eq!(room.open(), 9, "one more after as many good answers");
        for n in 0..9 {
            room.heard(&throttled, s(20 + 2 * n));
        }
        assert_eq!(room.open(), 3, "the least");
        room.heard(&Answer::outage(Reason::Connect), s(60));
        assert_eq!(room.open(), 3, "nothing is said of a crowd");
        for _ in 0..1000 {
            room.heard(&good(), s(60));
        }
        assert_eq!(room.open(), 16, "never more than the most");
    }

    #[test]
    fn a_rate_is_kept_however_many_requests_a_job_takes() {
        let room = room(Pace {
            rate_per_minute: 60,
            burst: 3,
            ..Pace::of(16)
        });
        assert_eq!((room.free(s(100)), room.waits(s(100))), (3, None));
        for _ in 0..5 {
            room.sends();
        }
        assert_eq!((room.free(s(100)), room.waits(s(100))), (0, Some(s(3))));
        assert_eq!((room.free(s(103)), room.waits(s(103))), (1, None));
        assert_eq!(room.free(s(1000)), 3, "no more than the burst");
        let mut sent = 0;
        for now in 1000..1060 {
            for _ in 0..room.free(s(now)) {
                room.sends();
                sent += 1;
            }
        }
        assert_eq!(sent, 3 + 59);
    }
}
