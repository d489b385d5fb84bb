//! Prepares the data folder that the load comparison serves, and the file that its load generator reads.
//!
//!     load-prepare DATA_DIR LUA_FILE

use almoner_benches::fixture::{ALLOCATIONS, FEATURE, Fixture};
use almoner_domain::feature::Durability;
use almoner_domain::id::AllocationId;
use almoner_server::DataDir;
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data_dir, lua] = arguments.as_slice() else { bail!("usage: load-prepare DATA_DIR LUA_FILE") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(prepare(data_dir, lua)))
}

async fn prepare(data_dir: &Path, lua: &Path) -> anyhow::Result<()> {
    let url = DataDir::open(data_dir)?.database_url()?;
    let fixture = Fixture::make(&url).await?;
    let mut text = format!("return {{\n  key = \"{}\",\n  feature = \"{FEATURE}\",\n", fixture.gate_key);
    for durability in [Durability::Durable, Durability::Fast] {
        let uniform = fixture.carve_many(ALLOCATIONS, durability).await?;
        let hot = fixture.carve_hot(durability).await?;
        write!(text, "  {} = {{\n    uniform = {{", durability.as_str())?;
        list(&mut text, &uniform)?;
        text.push_str("\n    },\n    hot = {");
        list(&mut text, &[hot])?;
        text.push_str("\n    },\n  },\n");
    }
    text.push_str("}\n");
    keep(lua, &text).with_context(|| format!("cannot write {}", lua.display()))
}

/// One id a line, so that a shell reads it as easily as Lua.
fn list(text: &mut String, ids: &[AllocationId]) -> std::fmt::Result {
    ids.iter().try_for_each(|id| write!(text, "\n      \"{id}\","))
}

/// It holds a key, so it is its owner's alone.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
