//! Who goes next: the seams at which a task gives way, and the clocks that move only when they are told to.
//!
//! A task asks for a [`turn`](Turns::turn) before each call of the store and after each write. Nobody goes
//! on before the scheduler grants it: so the seed, and nothing else, decides the order of everything, and
//! a task can be dropped (its node dies) between any two calls.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use fhir_gateway::clock::{Clock, Time};

/// What a task that waits is about to do, for the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    /// Whose node.
    pub(crate) node: usize,
    /// The call.
    pub(crate) call: &'static str,
    /// Before it, or after its commit.
    pub(crate) after: bool,
}

/// The tasks that wait for their turn.
#[derive(Default)]
pub(crate) struct Turns {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    waiting: BTreeMap<u64, (What, Option<Waker>)>,
}

impl Turns {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be granted a turn.
    pub(crate) fn turn(self: &Arc<Self>, what: What) -> Turn {
        let mut inner = self.inner();
        let id = inner.next;
        inner.next += 1;
        inner.waiting.insert(id, (what, None));
        Turn {
            id,
            turns: Arc::clone(self),
        }
    }

    /// Who waits, in the order in which they came.
    pub(crate) fn waiting(&self) -> Vec<u64> {
        self.inner().waiting.keys().copied().collect()
    }

    /// Lets one go on: what it was about to do.
    pub(crate) fn grant(&self, id: u64) -> Option<What> {
        let (what, waker) = self.inner().waiting.remove(&id)?;
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(what)
    }
}

/// A turn that is waited for; whoever drops it does not want it any more.
pub(crate) struct Turn {
    id: u64,
    turns: Arc<Turns>,
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.turns.inner().waiting.get_mut(&self.id) {
            Some((_, waker)) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.inner().waiting.remove(&self.id);
    }
}

/// The one true time, and how long it has run.
pub(crate) struct Hands {
    now: AtomicI64,
    begin: Time,
}

impl Hands {
    pub(crate) fn at(begin: Time) -> Self {
        Hands {
            now: AtomicI64::new(begin.micros()),
            begin,
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_micros(self.now.load(Ordering::Relaxed))
    }

    /// Moves on, together with the runtime's own timers.
    pub(crate) async fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap_or(0);
        self.now.fetch_add(micros, Ordering::Relaxed);
        tokio::time::advance(span).await;
    }
}

/// A node's clock: the true time, off by so much.
pub(crate) struct NodeClock {
    pub(crate) hands: Arc<Hands>,
    pub(crate) ahead: i64,
}

impl Clock for NodeClock {
    fn now(&self) -> Time {
        Time::from_micros(self.hands.now().micros() + self.ahead)
    }

    fn monotonic(&self) -> Duration {
        self.hands.now().since(self.hands.begin)
    }
}

/// A task of a node, or of somebody outside.
struct Task {
    node: Option<usize>,
    name: &'static str,
    flag: Arc<Flag>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// All tasks; run one after the other on this thread.
#[derive(Default)]
pub(crate) struct Tasks {
    next: u64,
    all: BTreeMap<u64, Task>,
}

impl Tasks {
    pub(crate) fn spawn(
        &mut self,
        node: Option<usize>,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) {
        let task = Task {
            node,
            name,
            flag: Arc::new(Flag(AtomicBool::new(true))),
            future: Box::pin(future),
        };
        self.all.insert(self.next, task);
        self.next += 1;
    }

    /// Runs whoever was woken, until nobody is.
    pub(crate) fn run(&mut self) {
        loop {
            let woken: Vec<u64> = self
                .all
                .iter()
                .filter(|(_, t)| t.flag.0.load(Ordering::Relaxed))
                .map(|(id, _)| *id)
                .collect();
            if woken.is_empty() {
                return;
            }
            for id in woken {
                let Some(task) = self.all.get_mut(&id) else {
                    continue;
                };
                task.flag.0.store(false, Ordering::Relaxed);
                let waker = Waker::from(Arc::clone(&task.flag));
                let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
                if polled.is_ready() {
                    self.all.remove(&id);
                }
            }
        }
    }

    /// Drops what a node had in hand. How much that was.
    pub(crate) fn kill(&mut self, node: usize) -> usize {
        let before = self.all.len();
        self.all.retain(|_, t| t.node != Some(node));
        before - self.all.len()
    }

    /// How many tasks of a name a node has.
    pub(crate) fn count(&self, node: Option<usize>, name: &str) -> usize {
        let of = |t: &&Task| t.node == node && t.name == name;
        self.all.values().filter(of).count()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

/// Runs a future of the store to its end, here and now: its writer answers by a thread of its own, and
/// nobody else gets a turn meanwhile.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
