//! What the whole process logs, captured: the tests look for names that must not stand in it.

use std::io;
use std::sync::{Mutex, PoisonError};

use fhir_gateway::telemetry;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to capture, everything down to traces of our own.
pub(super) fn capture() {
    telemetry::start_log(true, "info,fhir_gateway=trace", || Sink);
}

/// What was logged so far, by all tests.
pub(super) fn captured() -> String {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&log).into_owned()
}
