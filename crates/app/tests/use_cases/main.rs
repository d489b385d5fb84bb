//! Use cases over the store in memory: what each does, what each refuses, and whom each obeys.

mod house;

mod catalogue;
mod keys;
mod people;
mod seeding;
mod subscribing;
