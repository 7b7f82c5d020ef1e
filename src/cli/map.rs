//! `fhir-gateway map`: one record between the clinic's shape, FHIR and SCRIPT (contracts section 11).
//!
//! Pure mapping: no store, no network. Issues go to standard error as JSON, warnings too; it never
//! prints a value there.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::clock::{Clock, System};
use crate::ids::{Key, MessageId};
use crate::issue::{Issue, any_error};
use crate::json::{Limits, read};
use crate::partner::ncpdp_script::{Letter, from_script, to_script};
use crate::record::{Context, Kind, MapEnv, Record, exchange, kind_of};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is read.
    #[arg(long)]
    from: Side,
    /// What is written.
    #[arg(long)]
    to: Side,
    /// Kind of record: medication-request, observation, care-plan, client… FHIR may leave it out.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// The tenant's base address: identifier systems and local codes begin with it.
    #[arg(long, default_value = "https://clinic.example")]
    base: String,
    /// The tenant's IANA time zone.
    #[arg(long, default_value = "America/New_York")]
    zone: String,
    /// The tenant's key, as text: resource ids are made with it.
    #[arg(long, default_value = "example")]
    key: String,
    /// To SCRIPT: the MessageID; a new one where it is left out.
    #[arg(long)]
    message: Option<String>,
    /// To a CancelRx: the MessageID of the NewRx that it takes back.
    #[arg(long)]
    relates_to: Option<String>,
    /// Also asks the clinical rules; a broken one is a failure.
    #[arg(long)]
    check: bool,
    /// What to read; `-` or nothing is standard input.
    file: Option<PathBuf>,
}

/// A shape of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// `{"record":…, "context":…}` in the served schemas.
    Record,
    /// A collection Bundle, principal resource first, or a bare resource.
    Fhir,
    /// An NCPDP SCRIPT 2017071 message.
    Script,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::parse(name).ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL.iter().map(|k| k.as_str()).collect();
        format!("one of {}", all.join(", "))
    })
}

/// Exit code of a failure.
const FAILED: u8 = 2;

/// Maps one record.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let zone = jiff::tz::TimeZone::get(&args.zone).context("--zone is no IANA time zone")?;
    let env = MapEnv {
        base: args.base.trim_end_matches('/').to_owned(),
        zone,
        key: Key::new(args.key.as_bytes()),
        now: System::default().now(),
    };
    let bytes = input(args.file.as_deref())?;
    let result = source(&args, &bytes, &env).and_then(|(record, context, mut warnings)| {
        if args.check {
            let broken = record.rules(&context, &env);
            if any_error(&broken) {
                return Err(broken);
            }
            warnings.extend(broken);
        }
        let text = written(&args, &record, &context, &env, &mut warnings)?;
        Ok((text, warnings))
    });
    match result {
        Ok((text, warnings)) => {
            if !warnings.is_empty() {
                tell(&warnings)?;
            }
            super::print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(issues) => {
            tell(&issues)?;
            Ok(ExitCode::from(FAILED))
        }
    }
}

fn input(file: Option<&std::path::Path>) -> anyhow::Result<Vec<u8>> {
    match file.filter(|f| f.as_os_str() != "-") {
        Some(file) => {
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
        }
        None => {
            let mut bytes = Vec::new();
            let limit = u64::try_from(Limits::default().bytes_max).unwrap_or(u64::MAX);
            std::io::stdin().take(limit + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

/// A record with its context, and warnings.
type Found = (Record, Context, Vec<Issue>);

fn source(args: &Args, bytes: &[u8], env: &MapEnv) -> Result<Found, Vec<Issue>> {
    if args.from == Side::Script {
        let (record, warnings) = from_script(bytes, env)?;
        if args.kind.is_some_and(|kind| kind != record.kind()) {
            return Err(vec![Issue::error(
                "business-rule",
                "kind-other",
                "",
                "the message becomes another kind of record than --kind says",
            )]);
        }
        return Ok((record, Context::default(), warnings));
    }
    let document = read(bytes, &Limits::default()).map_err(|issue| vec![issue])?;
    if let Some(twice) = document.duplicates.first() {
        return Err(vec![Issue::error(
            "structure",
            "json-duplicate-key",
            twice.rsplit_once('/').map_or("", |(parent, _)| parent),
            "a field stands more than once here",
        )]);
    }
    let value = document.value;
    if args.from == Side::Record {
        let kind = args.kind.ok_or_else(unkind)?;
        let (record, context) = exchange::read(kind, &value)?;
        return Ok((record, context, Vec::new()));
    }
    let resources = exchange::resources(&value);
    let first = resources.first().and_then(|r| r["resourceType"].as_str());
    let kind = args.kind.or_else(|| kind_of(first?)).ok_or_else(unkind)?;
    exchange::from_bundle(kind, &resources, env)
}

fn written(
    args: &Args,
    record: &Record,
    context: &Context,
    env: &MapEnv,
    warnings: &mut Vec<Issue>,
) -> Result<String, Vec<Issue>> {
    let value = match args.to {
        Side::Script => {
            let fresh = MessageId::fresh(env.now);
            let letter = Letter {
                env,
                context,
                message: args.message.as_deref().unwrap_or(fresh.as_str()),
                now: env.now,
                relates_to: args.relates_to.as_deref(),
                notice: None,
            };
            let (bytes, issues) = to_script(record, &letter)?;
            warnings.extend(issues);
            return Ok(String::from_utf8_lossy(&bytes).into_owned() + "\n");
        }
        Side::Record => {
            let context = serde_json::to_value(context).unwrap_or(Value::Null);
            json!({"record": record.to_json(), "context": context})
        }
        Side::Fhir => {
            let mapped = record.to_fhir(context, env);
            if any_error(&mapped.issues) {
                return Err(mapped.issues);
            }
            warnings.extend(mapped.issues.iter().cloned());
            warnings.extend(mapped.not_carried.iter().map(|lost| {
                Issue::warning(
                    "not-supported",
                    "not-carried",
                    lost.pointer.clone(),
                    lost.reason,
                )
            }));
            exchange::to_bundle_with(&mapped, context, env)
        }
    };
    Ok(format!("{value:#}\n"))
}

fn unkind() -> Vec<Issue> {
    vec![Issue::error(
        "required",
        "kind-missing",
        "",
        "say which kind of record it is: --kind",
    )]
}

fn tell(issues: &[Issue]) -> anyhow::Result<()> {
    use std::io::Write;
    let text = serde_json::to_string_pretty(issues)?;
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}
