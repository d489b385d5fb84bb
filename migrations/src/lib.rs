//! One schema for SQLite and PostgreSQL.
