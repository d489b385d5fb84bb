//! The ledger and the catalogue on SQLite and PostgreSQL.
