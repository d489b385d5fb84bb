//! Mock clock, seeded chance, in-memory ledger, contract suites, test servers.
