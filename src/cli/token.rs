//! `fhir-gateway token`: a new token and its hash.

use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::web::TokenHash;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prints one JSON object instead of two lines.
    #[arg(long)]
    json: bool,
}

/// Makes a token of 32 random bytes. It is shown once; the config gets its hash.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| anyhow::anyhow!("{e}"))
        .context("no random bytes were to be had")?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let hash = TokenHash::of(&token).hex();
    super::print(&if args.json {
        format!("{}\n", serde_json::json!({"token": token, "sha256": hash}))
    } else {
        format!(
            "token   {token}\nsha256  {hash}\n\nGive the token to the caller; put the hash into a [[tokens]] block.\n"
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
