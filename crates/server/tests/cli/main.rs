//! The program as a person at a terminal, or a supervisor, meets it. Stories of the gate are in the package `tests`.

mod program;

mod calendar;
mod config;
mod demo;
mod keys;
mod seed;
mod serve;
mod statement;
mod webhook;
