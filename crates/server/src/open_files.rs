//! How many files and connections the operating system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes all that is permitted: every connection is an open file, and the usual first limit of 1,024 would be reached long
/// before `http.connections_max`.
pub(crate) fn permit_all() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(why) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%why, current = limit.current, "cannot raise the limit of open files");
    }
}
