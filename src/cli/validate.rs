//! `fhir-gateway validate`: one JSON line per resource, in order.
//!
//! Exit code 0: all valid; 1: some are not; 2: could not run.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::definitions;
use crate::fhir::validate::{Read, Validator};
use crate::issue::{Issue, Severity};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A FHIR package to load beside R4; may be repeated.
    #[arg(long, value_name = "TGZ")]
    package: Vec<PathBuf>,
    /// Loose StructureDefinitions, ValueSets and CodeSystems: a file or a folder; may be repeated.
    #[arg(long, value_name = "FILE|FOLDER")]
    definitions: Vec<PathBuf>,
    /// A profile that every resource must meet; may be repeated.
    #[arg(long, value_name = "URL")]
    profile: Vec<String>,
    /// A resource (.json), a resource a line (.ndjson), or - for lines from standard input.
    #[arg(value_name = "FILE.json|FILE.ndjson|-", default_value = "-")]
    file: PathBuf,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    line: usize,
    resource_type: Option<&'a str>,
    id: Option<&'a str>,
    valid: bool,
    issues: Vec<Shown<'a>>,
}

/// An issue, with its keys in a fixed order.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    severity: Severity,
    code: &'a str,
    rule: &'a str,
    path: &'a str,
    profile: Option<&'a str>,
    message: &'a str,
}

/// Validates resources.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let validator = Validator::load(definitions::read(&args.package, &args.definitions)?);
    for url in validator.unusable() {
        eprintln!("fhir-gateway: {url} cannot be used: what it is derived from is not loaded");
    }
    for url in &args.profile {
        anyhow::ensure!(
            validator.knows(url),
            "the profile {url} is in nothing that was loaded"
        );
    }
    let asked: Vec<&str> = args.profile.iter().map(String::as_str).collect();
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut run = Run {
        validator,
        asked,
        out,
        all_valid: true,
    };
    if args.file.as_os_str() == "-" {
        run.lines(&mut std::io::stdin().lock())?;
    } else {
        let name = args.file.display();
        let mut file =
            std::fs::File::open(&args.file).with_context(|| format!("opening {name}"))?;
        if args.file.extension().is_some_and(|end| end == "ndjson") {
            run.lines(&mut BufReader::new(file))?;
        } else {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)
                .with_context(|| format!("reading {name}"))?;
            run.one(1, &bytes)?;
        }
    }
    run.out.flush().context("writing the answer")?;
    Ok(ExitCode::from(u8::from(!run.all_valid)))
}

struct Run<'a, W> {
    validator: Validator,
    asked: Vec<&'a str>,
    out: W,
    all_valid: bool,
}

impl<W: Write> Run<'_, W> {
    /// A resource a line; empty lines are passed over, but counted.
    fn lines(&mut self, input: &mut dyn BufRead) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            if input
                .read_until(b'\n', &mut bytes)
                .context("reading a line")?
                == 0
            {
                break;
            }
            if !bytes.iter().all(u8::is_ascii_whitespace) {
                self.one(number, &bytes)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, number: usize, bytes: &[u8]) -> anyhow::Result<()> {
        let Read { value, issues } = self.validator.check_text(bytes, &self.asked);
        let valid = !crate::issue::any_error(&issues);
        self.all_valid &= valid;
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let line = Line {
            line: number,
            resource_type: text("resourceType"),
            id: text("id"),
            valid,
            issues: issues.iter().map(shown).collect(),
        };
        serde_json::to_writer(&mut self.out, &line).context("writing the answer")?;
        self.out.write_all(b"\n").context("writing the answer")
    }
}

fn shown(issue: &Issue) -> Shown<'_> {
    Shown {
        severity: issue.severity,
        code: issue.code,
        rule: &issue.rule,
        path: &issue.path,
        profile: issue.profile.as_deref(),
        message: &issue.message,
    }
}
