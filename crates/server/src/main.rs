//! The `almoner` binary. Everything it does stands in the library beside it.

use std::process::ExitCode;

/// Each call allocates a few short-lived pieces (body, answer, ids) on a worker thread and frees some of them on others.
/// glibc's allocator takes a lock there and gives memory back late; mimalloc does neither.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    almoner_server::main()
}
