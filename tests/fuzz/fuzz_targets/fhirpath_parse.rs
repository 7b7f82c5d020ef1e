//! Any text as an expression: it compiles or is refused, and what is printed compiles again.

#![no_main]

use fhir_gateway::fhir::path::{ErrorKind, Expression};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(expression) = Expression::compile(text) {
        let printed = expression.to_string();
        match Expression::compile(&printed) {
            Ok(again) => assert_eq!(again.to_string(), printed),
            // Escapes make texts longer.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Limit),
        }
    }
});
