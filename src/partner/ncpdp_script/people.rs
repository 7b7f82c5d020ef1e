//! The people and places of a prescription: patient, pharmacy, prescriber, supervisor, in the schema's
//! order.
//!
//! Says no more of a patient than the transaction must: no number of the clinic's, no e-mail address, no
//! diagnosis, no `SubstanceUse`, no family. What is missing is told at the order's field that leads to
//! the record that lacks it.

use crate::partner::ncpdp_script::writer::{Form, Writer};
use crate::record::client::Client;
use crate::record::party::{Address, Gender, PersonName};
use crate::record::pharmacy::Pharmacy;
use crate::record::staff::Staff;

const NAME: Form = Form::Text(35);

/// `Patient`; the address only where the transaction wants it.
pub fn patient(w: &mut Writer, client: &Client, from: &str, with_address: bool) {
    w.within("Patient", |w| {
        w.within("HumanPatient", |w| {
            name(w, &client.name, from);
            let gender = match client.gender {
                Gender::Female => "F",
                Gender::Male => "M",
                Gender::Other | Gender::Unknown => "U",
            };
            w.put("Gender", Form::Code(&["M", "F", "U"]), from, gender);
            w.within("DateOfBirth", |w| {
                w.put("Date", Form::Text(10), from, &client.birth_date.to_string());
            });
            if !with_address {
                return;
            }
            match &client.address {
                Some(at) => address(w, at, from),
                None => w.missing(
                    from,
                    "a pharmacy needs the client's address, and there is none",
                ),
            }
            if let Some(phone) = &client.phone {
                telephone(w, phone, from);
            }
        });
    });
}

/// `Pharmacy`.
pub fn pharmacy(w: &mut Writer, pharmacy: &Pharmacy) {
    const FROM: &str = "/pharmacy_id";
    w.within("Pharmacy", |w| {
        w.within("Identification", |w| {
            w.put("NCPDPID", Form::Digits(7, 7), FROM, &pharmacy.ncpdp_id);
            w.put("NPI", Form::Digits(10, 10), FROM, &pharmacy.npi);
        });
        w.put("BusinessName", Form::Text(70), FROM, &pharmacy.name);
        if let Some(at) = &pharmacy.address {
            address(w, at, FROM);
        }
        telephone(w, &pharmacy.phone, FROM);
    });
}

/// `Prescriber` or `Supervisor`. `dea`: the registration number, for a controlled drug.
pub fn prescriber(
    w: &mut Writer,
    element: &'static str,
    staff: &Staff,
    from: &str,
    dea: Option<&str>,
) {
    w.within(element, |w| {
        w.within("NonVeterinarian", |w| {
            w.within("Identification", |w| {
                let license = staff.state_license.as_deref();
                w.put_some("StateLicenseNumber", NAME, from, license);
                w.put_some("DEANumber", NAME, from, dea);
                match &staff.npi {
                    Some(npi) => w.put("NPI", Form::Digits(10, 10), from, npi),
                    None => w.missing(from, "a pharmacy needs a National Provider Identifier"),
                }
            });
            name(w, &staff.name, from);
            match &staff.address {
                Some(at) => address(w, at, from),
                None => w.missing(
                    from,
                    "a pharmacy needs an office address, and there is none",
                ),
            }
            match &staff.phone {
                Some(phone) => telephone(w, phone, from),
                None => w.missing(
                    from,
                    "a pharmacy needs a telephone number, and there is none",
                ),
            }
        });
    });
}

fn name(w: &mut Writer, name: &PersonName, from: &str) {
    w.within("Name", |w| {
        w.put("LastName", NAME, from, &name.last);
        w.put("FirstName", NAME, from, &name.first);
        w.put_some("MiddleName", NAME, from, name.middle.as_deref());
        w.put_some("Suffix", Form::Text(10), from, name.suffix.as_deref());
        w.put_some("Prefix", Form::Text(10), from, name.prefix.as_deref());
    });
}

fn address(w: &mut Writer, address: &Address, from: &str) {
    w.within("Address", |w| {
        w.put("AddressLine1", Form::Text(40), from, &address.line1);
        w.put_some(
            "AddressLine2",
            Form::Text(40),
            from,
            address.line2.as_deref(),
        );
        w.put("City", NAME, from, &address.city);
        w.put("StateProvince", Form::Text(2), from, &address.state);
        // Nine digits stand without the hyphen of ZIP+4.
        let zip = address.postal_code.replace('-', "");
        w.put("PostalCode", Form::Digits(5, 9), from, &zip);
        w.put("CountryCode", Form::Code(&["US"]), from, "US");
    });
}

fn telephone(w: &mut Writer, number: &str, from: &str) {
    w.within("CommunicationNumbers", |w| {
        w.within("PrimaryTelephone", |w| {
            w.put("Number", Form::Digits(10, 10), from, number);
        });
    });
}
