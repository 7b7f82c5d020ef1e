//! How much may be on its way to one partner at once, on this node: places, and a rate.
//!
//! A partner that says "too many requests" is believed: half the places are closed, and open again one by
//! one while it answers well. The rate is counted in requests: a job that was begun is finished, and the
//! next one waits until what it took has come in again. Stored nowhere; a restart begins with all places
//! open.
//!
//! A job's place is free as soon as its last answer is there, before that is written: a slow disk must not
//! keep a partner idle. What is being written is bounded, too. For the same reason some jobs are claimed ahead of
//! their turn, as many as there are places, where a turn is short and what is unclear can be asked about: who
//! waits is under a lease, and a crash makes it unclear although nothing was sent. Whoever had to wait, and hears
//! at last that the partner is in trouble, sends nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

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

/// A turn that is shorter than this is short: jobs are claimed ahead of it.
const SHORT: Duration = Duration::from_millis(50);
/// Share of the newest turn in how long turns are.
const NEWEST: f64 = 0.125;

/// The room at one partner.
#[derive(Debug)]
pub struct Room {
    pace: Pace,
    /// Whether jobs may be claimed ahead.
    ahead: bool,
    inner: Mutex<Inner>,
    freed: Arc<Notify>,
    /// Rings when a place is free, for those that wait for their turn.
    turn: Notify,
}

#[derive(Debug)]
struct Inner {
    /// Places that are open, in parts of one.
    open: f64,
    /// Jobs that wait for their turn.
    waiting: usize,
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
    /// When it last was in trouble.
    trouble: Option<Duration>,
    /// How long turns are, in seconds; not known before the first.
    turns: Option<f64>,
}

impl Inner {
    /// Jobs that may be claimed ahead of their turn.
    fn ahead(&self) -> usize {
        let short = |turns: f64| turns < SHORT.as_secs_f64();
        match self.turns.is_some_and(short) {
            true => self.open as usize,
            false => 0,
        }
    }
}

impl Room {
    /// All places open. `freed` rings when a place is.
    #[must_use]
    pub fn new(pace: Pace, freed: Arc<Notify>) -> Self {
        Room {
            pace,
            ahead: false,
            inner: Mutex::new(Inner {
                open: pace.concurrency_max as f64,
                waiting: 0,
                sending: 0,
                writing: 0,
                tokens: pace.burst as f64,
                counted: Duration::ZERO,
                closed: None,
                away: Duration::ZERO,
                trouble: None,
                turns: None,
            }),
            freed,
            turn: Notify::new(),
        }
    }

    /// Jobs may be claimed ahead of their turn, or not.
    #[must_use]
    pub fn ahead(self, ahead: bool) -> Self {
        Room { ahead, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs that may be claimed now.
    #[must_use]
    pub fn free(&self, now: Duration) -> usize {
        let mut inner = self.lock();
        let open = inner.open as usize;
        let places = if self.ahead {
            open + inner.ahead()
        } else {
            open
        };
        let before = inner.waiting + inner.sending;
        let by_places = places.saturating_sub(before);
        let by_writing = (open + places).saturating_sub(before + inner.writing);
        let free = by_places.min(by_writing);
        if self.pace.rate_per_minute == 0 {
            return free;
        }
        self.count(&mut inner, now);
        let tokens = inner.tokens.max(0.0) as usize;
        free.min(tokens.saturating_sub(inner.waiting))
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

    /// A claimed job comes in, and waits for its turn.
    #[must_use]
    pub fn enter(self: &Arc<Self>, clock: &Arc<dyn Clock>) -> Seat {
        self.lock().waiting += 1;
        Seat {
            room: Arc::clone(self),
            clock: Arc::clone(clock),
            stage: Stage::Waiting,
            since: clock.monotonic(),
        }
    }

    /// Takes a place, if one is free.
    fn sit_down(&self) -> bool {
        let mut inner = self.lock();
        let free = inner.sending < inner.open as usize;
        if free {
            inner.waiting -= 1;
            inner.sending += 1;
        }
        free
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
        if answer.charge == Charge::Partner {
            inner.trouble = Some(now);
        }
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

/// A claimed job at a partner: its turn, then its place.
pub struct Seat {
    room: Arc<Room>,
    clock: Arc<dyn Clock>,
    stage: Stage,
    /// When it came in; when its turn came.
    since: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Sending,
    Writing,
}

impl Seat {
    /// Waits for its turn. Whether it may send: not if the partner got into trouble while it waited.
    pub async fn turn(&mut self) -> bool {
        let mut waited = false;
        while !self.room.sit_down() {
            waited = true;
            self.room.turn.notified().await;
        }
        self.stage = Stage::Sending;
        let came = std::mem::replace(&mut self.since, self.clock.monotonic());
        let trouble = self.room.lock().trouble;
        // There may be places for more than the one that was called.
        self.room.turn.notify_one();
        !waited || trouble.is_none_or(|at| at < came)
    }

    /// Nothing more is sent: only the outcome is to be written.
    pub fn leave(&mut self) {
        if self.stage != Stage::Sending {
            return;
        }
        self.stage = Stage::Writing;
        let took = self.clock.monotonic().saturating_sub(self.since);
        let took = took.as_secs_f64();
        let mut inner = self.room.lock();
        inner.sending -= 1;
        inner.writing += 1;
        inner.turns = Some(inner.turns.map_or(took, |t| t + (took - t) * NEWEST));
        drop(inner);
        self.room.turn.notify_one();
        self.room.freed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        match self.stage {
            Stage::Waiting => inner.waiting -= 1,
            Stage::Sending => inner.sending -= 1,
            Stage::Writing => inner.writing -= 1,
        }
        drop(inner);
        self.room.turn.notify_one();
        self.room.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::{Manual, Time};

    fn room(pace: Pace) -> Arc<Room> {
        Arc::new(Room::new(pace, Arc::default()))
    }

    fn clock() -> Arc<Manual> {
        Arc::new(Manual::at(Time::from_micros(0)))
    }

    /// Comes in. Whether its turn has come.
    fn enter(room: &Arc<Room>, clock: &Arc<Manual>) -> (Seat, bool) {
        let clock: Arc<dyn Clock> = clock.clone();
        let mut seat = room.enter(&clock);
        let came = seat.turn().now_or_never();
        (seat, came.is_some())
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn good() -> Answer {
        Answer::new(Verdict::Accepted, Reason::Delivered)
    }

    #[test]
    fn a_place_is_free_before_the_outcome_is_written_but_writing_is_bounded() {
        let (room, clock) = (room(Pace::of(2)), clock());
        let mut seats: Vec<Seat> = (0..2).map(|_| enter(&room, &clock).0).collect();
        assert_eq!(room.free(s(0)), 0);
        seats[0].leave();
        seats[0].leave();
        assert_eq!(room.free(s(0)), 1);
        seats[1].leave();
        seats.extend((0..2).map(|_| enter(&room, &clock).0));
        seats[2].leave();
        assert_eq!(
            room.free(s(0)),
            0,
            "three are being written or sent, one more is sent"
        );
        seats.clear();
        assert_eq!(room.free(s(0)), 2);
    }

    /// A room of four with jobs ahead, in which a turn took so long.
    fn with_turns_of(took: Duration, ahead: bool) -> (Arc<Room>, Arc<Manual>) {
        let room = Room::new(Pace::of(4), Arc::default()).ahead(ahead);
        let (room, clock) = (Arc::new(room), clock());
        assert_eq!(room.free(s(0)), 4, "nothing is known of its turns yet");
        let (mut seat, _) = enter(&room, &clock);
        clock.advance(took);
        seat.leave();
        (room, clock)
    }

    #[test]
    fn jobs_are_claimed_ahead_where_turns_are_short_and_what_is_unclear_can_be_asked_about() {
        let (room, clock) = with_turns_of(Duration::from_millis(20), true);
        assert_eq!(room.free(s(0)), 8);
        let all: Vec<(Seat, bool)> = (0..8).map(|_| enter(&room, &clock)).collect();
        let went: Vec<bool> = all.iter().map(|(_, came)| *came).collect();
        assert_eq!(went, [vec![true; 4], vec![false; 4]].concat());
        assert_eq!(room.free(s(0)), 0);
        for (took, ahead) in [(20, false), (60, true)] {
            let (room, _) = with_turns_of(Duration::from_millis(took), ahead);
            assert_eq!(room.free(s(0)), 4, "{took} ms, {ahead}");
        }
    }

    #[test]
    fn a_turn_comes_with_a_place_and_not_to_one_who_waited_for_a_partner_in_trouble() {
        let (room, clock) = with_turns_of(Duration::from_millis(1), true);
        clock.advance(s(10));
        let mut first: Vec<Seat> = (0..4).map(|_| enter(&room, &clock).0).collect();
        let dynamic: Arc<dyn Clock> = clock.clone();
        let mut behind: Vec<Seat> = (0..3).map(|_| room.enter(&dynamic)).collect();
        let mut turns: Vec<_> = behind.iter_mut().map(|seat| seat.turn().boxed()).collect();
        let mut come = || -> Vec<Option<bool>> {
            let polled = turns.iter_mut().map(|turn| turn.as_mut().now_or_never());
            polled.collect()
        };
        assert_eq!(come(), [None, None, None]);
        first[0].leave();
        assert_eq!(come(), [Some(true), None, None]);
        drop(turns.remove(0));
        clock.advance(s(1));
        room.heard(&Answer::outage(Reason::Connect), clock.monotonic());
        first.truncate(2);
        let come: Vec<_> = turns
            .iter_mut()
            .map(|t| t.as_mut().now_or_never())
            .collect();
        assert_eq!(come, [Some(false), Some(false)]);
        drop(turns);
        let (_, came) = enter(&room, &clock);
        assert!(!came, "four are sending");
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
        let clock: Arc<dyn Clock> = clock();
        let seat = room.enter(&clock);
        assert_eq!(
            room.free(s(100)),
            2,
            "one that waits for its turn takes its part"
        );
        drop(seat);
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
