//! Random histories against the model (see the suite's machine). `PROPTEST_RNG_SEED` and
//! `PROPTEST_CASES` replay one, or run more.

use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::{database, node};
use crate::store::suite::machine::agrees;
use crate::store::suite::steps::steps;

#[test]
fn any_history_agrees_with_the_model() {
    let Some(database) = database() else { return };
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 40;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        database.sql(
            "DO $$ DECLARE t text; BEGIN
               FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'fhir_gateway'
                 AND tablename <> 'program' LOOP EXECUTE format('DELETE FROM %I', t); END LOOP; END $$",
        );
        runtime.block_on(async { agrees(&node(&database), steps).await });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}
