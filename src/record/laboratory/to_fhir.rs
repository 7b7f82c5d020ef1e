//! Laboratory → Organization (US Core). Pure; the other way is in `from_fhir`.

use crate::fhir::system::NPI;
use crate::record::laboratory::Laboratory;
use crate::record::party::{CLIA, write_address, write_identifier, write_phone};
use crate::record::writing::{Writing, local};
use crate::record::{Kind, MapEnv, Mapped};

/// The Organization.
#[must_use]
pub fn to_fhir(laboratory: &Laboratory, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::Laboratory, laboratory.lab_id.as_str(), "");
    let mut w = Writing::begin(&mut mapped, "Organization", env, coordinates, "/lab_id");
    w.profiles(None, Some("us-core-organization"));
    w.version("/version", laboratory.version);
    write_identifier(&mut w, CLIA, "/clia", laboratory.clia.as_deref());
    write_identifier(&mut w, NPI, "/npi", laboratory.npi.as_deref());
    w.fixed("active", true);
    w.fixed(
        "type[0]",
        local(env, "organization-type", "laboratory", "Laboratory"),
    );
    w.set("name", "/name", laboratory.name.as_str());
    write_phone(&mut w, "telecom", "/phone", laboratory.phone.as_deref());
    if let Some(address) = &laboratory.address {
        write_address(&mut w, "address[0]", "/address", address);
    }
    w.end();
    mapped
}
