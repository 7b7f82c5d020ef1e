//! `fhir-gateway validate`: one JSON line per resource, in order.
//!
//! Exit code 0: all valid; 1: some are not; 2: could not run.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use crate::definitions;
use crate::fhir::validate::{Read, Validator, rules};
use crate::issue::{Issue, Severity};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A FHIR package to load beside R4: a .tgz, an unpacked folder, or NAME@VERSION of those that were
    /// added or that FHIR's tools keep in ~/.fhir/packages; may be repeated.
    #[arg(long, value_name = "TGZ|FOLDER|NAME@VERSION")]
    package: Vec<PathBuf>,
    /// Loose StructureDefinitions, ValueSets and CodeSystems: a file or a folder; may be repeated.
    #[arg(long, value_name = "FILE|FOLDER")]
    definitions: Vec<PathBuf>,
    /// A profile that every resource must meet; may be repeated.
    #[arg(long, value_name = "URL")]
    profile: Vec<String>,
    /// Does not hold Observations against R4's vital-signs profiles for their LOINC code alone.
    #[arg(long)]
    no_vital_signs: bool,
    /// Extensions that nothing loaded defines are errors. Otherwise they pass.
    #[arg(long)]
    known_extensions_only: bool,
    /// Lists the rules that a config may have words on, with those that the loaded packages bring, and ends.
    #[arg(long, conflicts_with_all = ["explain", "outcome"])]
    rules: bool,
    /// Tells people what is wrong, instead of JSON lines.
    #[arg(long, conflicts_with = "outcome")]
    explain: bool,
    /// Writes an OperationOutcome a line, instead of the lines described above.
    #[arg(long)]
    outcome: bool,
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
    let mut options = definitions::read(&args.package, &args.definitions)?;
    for missing in definitions::missing(&options.packages) {
        eprintln!("fhir-gateway: not loaded: {missing}; what rests on it is not checked");
    }
    options.vital_signs = !args.no_vital_signs;
    options.known_extensions_only = args.known_extensions_only;
    options.clock = Some(Arc::new(crate::clock::System::default()));
    let validator = Validator::load(options);
    for url in validator.unusable() {
        eprintln!(
            "fhir-gateway: {url} cannot be used: what it is derived from is not loaded, or it would grow too large"
        );
    }
    if args.rules {
        super::print(&rules_of(&validator))?;
        return Ok(ExitCode::SUCCESS);
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
        form: match (args.explain, args.outcome) {
            (true, _) => Form::Explained,
            (_, true) => Form::Outcome,
            _ => Form::Lines,
        },
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

/// All rules: id, how bad they are where nobody says otherwise, what they ask for.
fn rules_of(validator: &Validator) -> String {
    let mut out = String::from("# rules; those marked form cannot be lowered\n");
    for rule in rules::ALL {
        let bad = match rule.form {
            true => "form",
            false => word(rule.severity),
        };
        out += &format!("{:<26}{bad:<9}{}\n", rule.id, rule.what);
    }
    out += "# invariants, by their keys\n";
    for (key, severity) in validator.invariants() {
        if rules::named(key).is_none() {
            out += &format!("{key:<26}{}\n", word(severity));
        }
    }
    out
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "note",
    }
}

/// How an answer is written.
enum Form {
    Lines,
    Explained,
    Outcome,
}

struct Run<'a, W> {
    validator: Validator,
    asked: Vec<&'a str>,
    form: Form,
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
        let writing = "writing the answer";
        match self.form {
            Form::Lines => {}
            Form::Outcome => {
                let outcome = crate::fhir::validate::outcome(&issues);
                return writeln!(self.out, "{outcome}").context(writing);
            }
            Form::Explained => {
                let kind = text("resourceType").unwrap_or("no resource");
                let name = text("id").map(|id| format!("/{id}")).unwrap_or_default();
                let verdict = if valid { "valid" } else { "not valid" };
                writeln!(self.out, "line {number}: {kind}{name}: {verdict}").context(writing)?;
                // The worst first; what was found before stays before.
                let mut issues = issues;
                issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
                return issues
                    .iter()
                    .try_for_each(|issue| explain(&mut self.out, issue))
                    .context(writing);
            }
        }
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

/// One issue, for people.
fn explain(out: &mut dyn Write, issue: &Issue) -> std::io::Result<()> {
    let severity = word(issue.severity);
    let place = if issue.path.is_empty() {
        "the document"
    } else {
        &issue.path
    };
    writeln!(out, "  {severity:<8}{place}")?;
    writeln!(out, "          {}", issue.message)?;
    write!(out, "          rule {}", issue.rule)?;
    match &issue.profile {
        Some(profile) => writeln!(out, " of {profile}"),
        None => writeln!(out, " of R4"),
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
