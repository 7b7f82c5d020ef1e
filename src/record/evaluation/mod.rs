//! The initial evaluation.

mod model;

pub use model::{
    Evaluation, Problem, ProblemStatus, Substance, SubstanceUse, UseFrequency, UseRoute,
};
