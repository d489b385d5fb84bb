//! What tests stand on: a clock that stands still, chance from a seed, the store in memory, the contract of the ports,
//! the image shop to try things in, and databases of one's own.
//!
//! Promise: the store in memory runs the domain's laws and nothing of its own, so what passes here can only fail elsewhere
//! for reasons of the elsewhere. It will never be part of a server.

pub mod clock;
pub mod entropy;
mod author;
pub mod books;
pub mod memory;
pub mod image_shop;
pub mod contract;
pub mod postgres;
pub mod sqlite;

pub use author::author;
pub use books::{BookRows, check_books};
pub use clock::MockClock;
pub use entropy::{Dice, SeededEntropy};
pub use image_shop::ImageShop;
pub use memory::MemoryStore;
