//! `fhir-gateway fhirpath`: one expression on a file, or a batch of lines.
//!
//! Exit code 0: all were evaluated; 1: some were not; 2: could not run. In a batch each line has its
//! own answer, so that exit code 1 says no more than that there are errors among them.

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::clock::{Clock, System};
use crate::definitions;
use crate::fhir::path::{Env, Expression, Host, Item, Node, PathError, Types};
use crate::fhir::validate::Validator;
use crate::issue::any_error;
use crate::json::{self, Limits};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Reads lines `{"id":…,"expression":"…","resource":{…}}` from standard input and writes a line
    /// `{"id":…,"result":[{"type":"…","value":…}]}` or `{"id":…,"error":"…"}` for each.
    #[arg(long, conflicts_with_all = ["expression", "file"])]
    batch: bool,
    /// The expression.
    #[arg(required_unless_present = "batch")]
    expression: Option<String>,
    /// The resource (.json); - for standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// A FHIR package whose profiles `conformsTo()` and value sets `memberOf()` know beside R4's: a .tgz, a folder, or
    /// NAME@VERSION; may be repeated.
    #[arg(long, value_name = "TGZ|FOLDER|NAME@VERSION")]
    package: Vec<PathBuf>,
    /// Lets elements pass that the resource's type does not have: they are empty.
    #[arg(long)]
    lenient: bool,
}

/// Answers `conformsTo()` and `memberOf()` with the validator, which is made at first use unless packages were named.
#[derive(Default)]
struct Profiles {
    validator: OnceLock<Validator>,
}

impl Profiles {
    fn of(packages: &[PathBuf]) -> anyhow::Result<Profiles> {
        let validator = OnceLock::new();
        if !packages.is_empty() {
            let options = definitions::read(packages, &[])?;
            let _ = validator.set(Validator::load(options));
        }
        Ok(Profiles { validator })
    }

    fn validator(&self) -> &Validator {
        self.validator.get_or_init(Validator::standard)
    }
}

const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

impl Host for Profiles {
    fn conforms(&self, node: &Node<'_>, profile: &str) -> Result<bool, PathError> {
        let types = Types::r4();
        let Some(resource) = node
            .value()
            .filter(|value| value.get("resourceType").is_some())
        else {
            return Err(PathError::not_checked("only resources are checked here"));
        };
        let validator = self.validator();
        let base = profile.strip_prefix(CORE).and_then(|name| types.id(name));
        let asked = match base {
            Some(base) if !types.is_a(node.kind(), base) => return Ok(false),
            Some(_) => Vec::new(),
            None if validator.knows(profile) => vec![profile],
            None => return Err(PathError::not_checked("the profile is not loaded")),
        };
        Ok(!any_error(&validator.check(resource, &asked)))
    }

    fn member(&self, node: &Node<'_>, set: &str) -> Result<bool, PathError> {
        let Some(value) = node.value() else {
            return Ok(false);
        };
        self.validator()
            .member_of(value, set)
            .ok_or_else(|| PathError::not_checked("the value set is not here, or not all of it"))
    }
}

/// Evaluates.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let host = Profiles::of(&args.package)?;
    if args.batch {
        let input = std::io::stdin().lock();
        return batch(&host, args.lenient, input);
    }
    let text = args.expression.as_deref().unwrap_or_default();
    let mut bytes = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(&args.file).and_then(|mut file| file.read_to_end(&mut bytes))
    }
    .with_context(|| format!("reading {}", args.file.display()))?;
    let resource = read(&bytes)?;
    match evaluate(&host, args.lenient, text, &resource) {
        Ok(result) => {
            let mut out = String::new();
            for item in result {
                let name = item.get("type").and_then(Value::as_str).unwrap_or_default();
                let value = item.get("value").unwrap_or(&Value::Null);
                out.push_str(&format!("{name}\t{value}\n"));
            }
            super::print(&out)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("fhir-gateway: {error}");
            Ok(ExitCode::from(1))
        }
    }
}

fn read(bytes: &[u8]) -> anyhow::Result<Value> {
    let limits = Limits {
        bytes_max: 64 << 20,
        ..Limits::default()
    };
    json::read(bytes, &limits)
        .map(|document| document.value)
        .map_err(|issue| anyhow::anyhow!("{}: {}", issue.rule, issue.message))
}

fn batch(host: &Profiles, lenient: bool, mut input: impl BufRead) -> anyhow::Result<ExitCode> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut all = true;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input
            .read_until(b'\n', &mut bytes)
            .context("reading a line")?
            == 0
        {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line = one(host, lenient, &bytes);
        all &= line.get("error").is_none();
        serde_json::to_writer(&mut out, &line).context("writing the answer")?;
        out.write_all(b"\n").context("writing the answer")?;
        // Whoever asks line by line gets its answer before it asks again.
        out.flush().context("writing the answer")?;
    }
    Ok(ExitCode::from(u8::from(!all)))
}

fn one(host: &Profiles, lenient: bool, bytes: &[u8]) -> Value {
    let request = match read(bytes) {
        Ok(request) => request,
        Err(error) => return json!({"id": null, "error": format!("{error:#}")}),
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let Some(text) = request.get("expression").and_then(Value::as_str) else {
        return json!({"id": id, "error": "the line has no expression"});
    };
    let resource = request.get("resource").unwrap_or(&Value::Null);
    match evaluate(host, lenient, text, resource) {
        Ok(result) => json!({"id": id, "result": result}),
        Err(error) => json!({"id": id, "error": error.to_string()}),
    }
}

/// The result as JSON: type and value of each item.
fn evaluate(
    host: &Profiles,
    lenient: bool,
    text: &str,
    resource: &Value,
) -> Result<Vec<Value>, PathError> {
    let types = Types::r4();
    let expression = Expression::compile(text)?;
    let node = Node::resource(types, resource);
    if !lenient {
        expression.check(types, node.kind())?;
    }
    let env = Env::new(types)
        .resource(resource)
        .host(host)
        .now(System::default().now());
    let items = expression.evaluate(&env, node)?;
    Ok(items.iter().map(|item| shown(types, item)).collect())
}

fn shown(types: &Types, item: &Item<'_>) -> Value {
    json!({"type": item.type_name(types), "value": item.to_json()})
}
