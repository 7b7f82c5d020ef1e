//! Drugs: RxCUI → ingredient → schedule (domain.md sections 4.1 and 5.1), units, routes.
