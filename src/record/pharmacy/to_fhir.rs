//! Pharmacy → Organization (US Core). Pure; the other way is in `from_fhir`.

use crate::fhir::system::NPI;
use crate::record::party::{DEA, NCPDP, write_address, write_identifier, write_phone};
use crate::record::pharmacy::Pharmacy;
use crate::record::writing::{Writing, local};
use crate::record::{Kind, MapEnv, Mapped};

/// The Organization.
#[must_use]
pub fn to_fhir(pharmacy: &Pharmacy, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::Pharmacy, pharmacy.pharmacy_id.as_str(), "");
    let mut w = Writing::begin(
        &mut mapped,
        "Organization",
        env,
        coordinates,
        "/pharmacy_id",
    );
    w.profiles(None, Some("us-core-organization"));
    w.version("/version", pharmacy.version);
    write_identifier(&mut w, NCPDP, "/ncpdp_id", Some(&pharmacy.ncpdp_id));
    write_identifier(&mut w, NPI, "/npi", Some(&pharmacy.npi));
    write_identifier(&mut w, DEA, "/dea_no", pharmacy.dea_no.as_deref());
    w.fixed("active", true);
    w.fixed(
        "type[0]",
        local(env, "organization-type", "pharmacy", "Pharmacy"),
    );
    w.set("name", "/name", pharmacy.name.as_str());
    write_phone(&mut w, "telecom", "/phone", Some(&pharmacy.phone));
    if let Some(address) = &pharmacy.address {
        write_address(&mut w, "address[0]", "/address", address);
    }
    w.end();
    mapped
}
