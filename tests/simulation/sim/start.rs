//! How a run begins: the store that all of them begin with, and what the seed draws before the first step.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fhir_gateway::store::sqlite::Sqlite;

use super::base::{Shared, StoreFaults};
use super::ehr::Ehr;
use super::mutant::{Mutant, Sabotage};
use super::network::Network;
use super::node::{self, Node};
use super::pharmacy::Pharmacy;
use super::records;
use super::turns::{Hands, Tasks};
use super::watch::Watch;
use super::world::{Line, World, hand_in};
use super::{BEGIN, CLIENTS, Kit, PARTNERS, Tally};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

fn shared(path: &Path, seed: u64, mutant: Option<Mutant>) -> Arc<Shared> {
    let store = Arc::new(Sqlite::open(path).expect("a store"));
    Arc::new(Shared {
        store,
        turns: Arc::default(),
        hands: Arc::new(Hands::at(BEGIN)),
        watch: Arc::new(Watch::new(path)),
        faults: Mutex::default(),
        rng: Mutex::new(fastrand::Rng::with_seed(seed ^ 0x57)),
        sabotage: Sabotage::of(mutant),
        makes_patients: seed.is_multiple_of(2),
        by_patient: seed.is_multiple_of(3),
        transactions: !seed.is_multiple_of(5),
        chains: seed % 7 < 4,
    })
}

/// A store in which what everything leans on was handed in, at peace.
pub(crate) fn template(kit: &Kit) -> PathBuf {
    fastrand::seed(1);
    let path = kit.folder.join("template.db");
    let shared = shared(&path, 1, None);
    let (hands, watch) = (Arc::clone(&shared.hands), Arc::clone(&shared.watch));
    let network = Arc::new(Network::new(1, 0, hands, watch));
    let alive = node::start(kit, 0, 0, &shared, &network);
    runtime().block_on(async {
        for version in records::setup() {
            let mut tasks = Tasks::default();
            let alive = alive.clone();
            tasks.spawn(Some(0), "submit", async move {
                let outcome = hand_in(&alive, &version).await;
                let why = String::from_utf8_lossy(&outcome.body).into_owned();
                assert_eq!(outcome.status, 202, "{}: {why}", version.id);
            });
            while tasks.len() > 0 {
                tasks.run();
                for id in shared.turns.waiting() {
                    shared.turns.grant(id);
                }
            }
        }
    });
    assert_eq!(shared.watch.failure(), None);
    path
}

/// Runs a seed, and tells its steps.
pub(crate) fn traced(
    kit: &Kit,
    seed: u64,
    mutant: Option<Mutant>,
    trace: &mut Vec<String>,
) -> Result<Tally, String> {
    begin(kit, seed, mutant, Some(trace))
}

/// Runs a seed.
pub(crate) fn run(kit: &Kit, seed: u64, mutant: Option<Mutant>) -> Result<Tally, String> {
    begin(kit, seed, mutant, None)
}

fn begin(
    kit: &Kit,
    seed: u64,
    mutant: Option<Mutant>,
    trace: Option<&mut Vec<String>>,
) -> Result<Tally, String> {
    fastrand::seed(seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    let path = kit.folder.join(format!("run-{seed}.db"));
    std::fs::copy(&kit.template, &path).expect("room for a store");
    let shared = shared(&path, seed, mutant);
    shared.watch.start();
    // Some seeds are calm, some are mad.
    let wrong = [0, 10, 25, 50][rng.usize(..4)];
    let (hands, watch) = (Arc::clone(&shared.hands), Arc::clone(&shared.watch));
    let network = Arc::new(Network::new(seed ^ 0x4e, wrong, hands, watch));
    let failing = rng.u32(..3) == 0;
    *shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = StoreFaults {
        before: if failing { 5 } else { 0 },
        after: if failing { 10 } else { 0 },
    };
    let nodes = (0..rng.usize(1..4)).map(|_| Node {
        ahead: rng.i64(-3_000_000..3_000_000),
        alive: None,
    });
    let nodes = nodes.collect();
    let lines = records::histories(&mut rng).into_iter().map(|left| Line {
        left,
        busy: None,
        known: Vec::new(),
    });
    let mut world = World {
        kit,
        lines: lines.collect(),
        ehrs: [
            Ehr::new("ehr-strict", true, true, shared.chains),
            Ehr::new("ehr-plain", false, true, false),
        ],
        pharmacies: [
            Pharmacy::new(PARTNERS[2].id, PARTNERS[2].ncpdp_id, true, seed ^ 0x70),
            Pharmacy::new(PARTNERS[3].id, PARTNERS[3].ncpdp_id, false, seed ^ 0x71),
        ],
        rng,
        shared,
        network,
        tasks: Tasks::default(),
        nodes,
        hook: BTreeSet::new(),
        inbox: Arc::default(),
        tally: Tally::default(),
        trace,
    };
    if !world.shared.makes_patients {
        for client in CLIENTS {
            world.ehrs[1].register(client);
        }
    }
    let done = runtime().block_on(tokio::task::unconstrained(world.live()));
    drop(world);
    for end in ["db", "lock", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(path.with_extension(end));
    }
    done
}
