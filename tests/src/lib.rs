//! Suites that need more than one crate: end to end, crash, simulation, isolation, tidy.
