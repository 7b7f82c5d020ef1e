//! Client → Patient (US Core). Pure; the other way is in `from_fhir`.

use crate::record::client::Client;
use crate::record::party::{write_address, write_name, write_phone};
use crate::record::writing::{Writing, code_of};
use crate::record::{Kind, MapEnv, Mapped};

/// The Patient.
#[must_use]
pub fn to_fhir(client: &Client, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::Client, client.client_no.as_str(), "");
    let mut w = Writing::begin(&mut mapped, "Patient", env, coordinates, "/client_no");
    w.profiles(None, Some("us-core-patient"));
    w.version("/version", client.version);
    w.fixed("active", true);
    write_name(&mut w, "name[0]", "/name", &client.name);
    write_phone(&mut w, "telecom", "/phone", client.phone.as_deref());
    if let Some(email) = &client.email {
        let element = format!("telecom[{}]", w.count("telecom"));
        w.fixed(&format!("{element}.system"), "email");
        w.set(&format!("{element}.value"), "/email", email.as_str());
    }
    w.set("gender", "/gender", code_of(&client.gender));
    w.set("birthDate", "/birth_date", client.birth_date.to_string());
    if let Some(address) = &client.address {
        write_address(&mut w, "address[0]", "/address", address);
    }
    w.end();
    mapped
}
