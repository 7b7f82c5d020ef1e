//! The steps of an acceptance, timed one by one, one thread, warm: CPU, not the clock.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use fhir_gateway::clock::{Clock, System};
use fhir_gateway::config::{Config, partners};
use fhir_gateway::fhir::validate::Validator;
use fhir_gateway::ids::MessageId;
use fhir_gateway::json::{self, Limits};
use fhir_gateway::record::{Context, Kind, MapEnv, Record, contract};
use fhir_gateway::sync::job::Purpose;
use fhir_gateway::sync::judge::{Judge, Rulings};
use fhir_gateway::sync::ports::{CheckedPart, Outgoing, Partner};
use fhir_gateway::sync::prepare::prepare;
use fhir_gateway::web::TokenHash;

use crate::mix::twenty;

const ROUNDS: usize = 9;
const REPEATS: usize = 50;

/// Microseconds of one record, on average.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// Bytes to JSON.
    pub(crate) read: f64,
    /// The contract: schema and typed record.
    pub(crate) contract: f64,
    /// The clinical rules.
    pub(crate) rules: f64,
    /// Record to FHIR.
    pub(crate) map: f64,
    /// FHIR against its profiles, both forms.
    pub(crate) check: f64,
    /// Effects for one EHR.
    pub(crate) encode: f64,
}

/// One record, ready for every step.
struct Case {
    kind: Kind,
    bytes: Vec<u8>,
    record: Record,
    context: Context,
    parts: Vec<CheckedPart>,
}

/// The mix, ready to be timed.
pub(crate) struct Bench {
    validator: Validator,
    env: MapEnv,
    ehr: Arc<dyn Partner>,
    cases: Vec<Case>,
    /// How long compiling the profiles took.
    pub(crate) compiled_ms: f64,
}

impl Bench {
    /// Makes everything ready; `folder` gets a key file.
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::write(folder.join("steps.key"), [7; 32]).expect("a key");
        let hash = TokenHash::of("nobody").hex();
        let text = format!(
            "[store]\npath = \"x.db\"\n[[tenants]]\nid = \"clinic\"\nzone = \"America/New_York\"\n\
            base = \"https://clinic.example\"\nkey_file = \"steps.key\"\n[[partners]]\nid = \"ehr\"\n\
            kind = \"ehr-fhir\"\nurl = \"http://127.0.0.1:9/fhir\"\npatients = \"created\"\n\
            create = \"conditional\"\n[[tokens]]\nname = \"x\"\nsha256 = \"{hash}\"\nrights = [\"submit\"]\n"
        );
        let config = Config::parse(&text, folder).expect("a config");
        let tenant = &config.tenants[0];
        let clock = System::default();
        let begun = clock.monotonic();
        let validator = Validator::standard();
        let compiled_ms = (clock.monotonic() - begun).as_secs_f64() * 1e3;
        let env = tenant.env(clock.now());
        let rulings = Rulings::house();
        let judge = Judge {
            house: &rulings,
            receivers: Vec::new(),
        };
        let cases = twenty()
            .iter()
            .map(|(kind, whole)| {
                let record = contract::parse(*kind, &whole["record"]).expect("a record");
                let context = contract::parse_context(&whole["context"]).expect("a context");
                let prepared = prepare(&validator, &record, &context, &env, &judge);
                let prepared = prepared.expect("checked");
                Case {
                    kind: *kind,
                    bytes: serde_json::to_vec(&whole["record"]).expect("JSON"),
                    parts: prepared.parts,
                    record,
                    context,
                }
            })
            .collect();
        Bench {
            ehr: partners::build(&config.partners[0], tenant).expect("a partner"),
            validator,
            env,
            cases,
            compiled_ms,
        }
    }

    /// The steps of the mix, or of one kind in it.
    pub(crate) fn steps(&self, kind: Option<Kind>) -> Steps {
        let limits = Limits::default();
        let time = |work: &dyn Fn(&Case)| self.median(kind, work);
        let read = time(&|c| {
            black_box(json::read(&c.bytes, &limits).expect("JSON"));
        });
        let both = time(&|c| {
            let document = json::read(&c.bytes, &limits).expect("JSON");
            black_box(contract::parse_document(c.kind, &document).expect("a record"));
        });
        let rules = time(&|c| {
            black_box(c.record.rules(&c.context, &self.env));
        });
        let map = time(&|c| {
            black_box(c.record.to_fhir(&c.context, &self.env));
        });
        let rulings = Rulings::house();
        let judge = Judge {
            house: &rulings,
            receivers: Vec::new(),
        };
        let prepared = time(&|c| {
            let done = prepare(&self.validator, &c.record, &c.context, &self.env, &judge);
            black_box(done.expect("checked"));
        });
        let message = MessageId::fresh(self.env.now);
        let encode = time(&|c| {
            let out = Outgoing {
                env: &self.env,
                record: Some(&c.record),
                context: &c.context,
                parts: &c.parts,
                patient: None,
                purpose: Purpose::Copy,
                message: &message,
                now: self.env.now,
                relates_to: None,
                cause: None,
                retracted: &[],
                notice: None,
            };
            black_box(self.ehr.encode(&out).expect("effects"));
        });
        Steps {
            read,
            contract: both - read,
            rules,
            map,
            check: prepared - map,
            encode,
        }
    }

    /// Median microseconds of one call.
    fn median(&self, kind: Option<Kind>, work: &dyn Fn(&Case)) -> f64 {
        let of = |c: &&Case| kind.is_none_or(|k| c.kind == k);
        let some: Vec<&Case> = self.cases.iter().filter(of).collect();
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begun = cpu();
                for _ in 0..REPEATS {
                    some.iter().for_each(|c| work(c));
                }
                (cpu() - begun) * 1e6 / (REPEATS * some.len()) as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    }
}

/// Seconds of CPU that this thread has used: what others do on the machine does not count.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanos.expect("nanoseconds") / 1e9
}
