//! Any bytes as a package, as the archive inside of one, and as a definition in it: it is read or refused, within its
//! caps, and what was read can be completed.

#![no_main]

use std::io::Write as _;

use fhir_gateway::fhir::package::{Caps, Package};
use libfuzzer_sys::fuzz_target;

const CAPS: Caps = Caps {
    entries: 200,
    file_bytes: 1 << 20,
    total_bytes: 4 << 20,
    ratio: 40,
};

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).expect("in memory");
    gz.finish().expect("in memory")
}

/// An archive with a manifest and these bytes as a definition.
fn around(definition: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("package/package.json", &br#"{"name":"a","version":"1"}"#[..]),
        ("package/StructureDefinition-a.json", definition),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).expect("in memory");
    }
    tar.into_inner().expect("in memory")
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let archive = match first % 3 {
        0 => rest.to_vec(),
        1 => gz(rest),
        _ => gz(&around(rest)),
    };
    if let Ok(mut package) = Package::read(&archive, &CAPS) {
        let _ = package.definitions.complete();
    }
});
