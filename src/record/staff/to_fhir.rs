//! Staff → Practitioner and PractitionerRole (US Core). Pure; the other way is in `from_fhir`.

use crate::fhir::system::NPI;
use crate::record::party::{DEA, write_address, write_identifier, write_name, write_phone};
use crate::record::staff::Staff;
use crate::record::writing::{Writing, code_of, local};
use crate::record::{Kind, MapEnv, Mapped};

/// The Practitioner, and the role as `role`.
#[must_use]
pub fn to_fhir(staff: &Staff, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let id = staff.staff_id.as_str();
    let coordinates = (Kind::Staff, id, "");
    let mut w = Writing::begin(&mut mapped, "Practitioner", env, coordinates, "/staff_id");
    w.profiles(None, Some("us-core-practitioner"));
    w.version("/version", staff.version);
    write_identifier(&mut w, NPI, "/npi", staff.npi.as_deref());
    write_identifier(&mut w, DEA, "/dea_no", staff.dea_no.as_deref());
    let license = format!("{}/id/state-license", env.base);
    let number = staff.state_license.as_deref();
    write_identifier(&mut w, &license, "/state_license", number);
    w.fixed("active", true);
    write_name(&mut w, "name[0]", "/name", &staff.name);
    write_phone(&mut w, "telecom", "/phone", staff.phone.as_deref());
    if let Some(address) = &staff.address {
        write_address(&mut w, "address[0]", "/address", address);
    }
    w.end();

    let coordinates = (Kind::Staff, id, "role");
    let mut w = Writing::begin(
        &mut mapped,
        "PractitionerRole",
        env,
        coordinates,
        "/staff_id",
    );
    // US Core wants a way to reach whoever has the role.
    w.profiles(
        None,
        staff.phone.is_some().then_some("us-core-practitionerrole"),
    );
    w.fixed("active", true);
    let practitioner = env.reference("Practitioner", Kind::Staff, id, "");
    w.set("practitioner", "/staff_id", practitioner);
    let role = local(env, "staff-role", &code_of(&staff.role), staff.role.words());
    w.set("code[0]", "/role", role);
    write_phone(&mut w, "telecom", "/phone", staff.phone.as_deref());
    w.end();
    mapped
}
