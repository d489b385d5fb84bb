//! The data folder: the database, the journal, and who this gate is. Nobody else's business on the machine.

use crate::config::SealKey;
use crate::seal::KEY_BYTES;
use almoner_domain::entropy::Entropy;
use almoner_domain::id::{Id, NodeId};
use almoner_domain::time::Clock;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder and what is in it.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The folder as it is, or is not.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder, made where it is missing, for its owner alone.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(|| format!("cannot make the data folder {}", root.display()))?;
        Ok(Self::at(root))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The configuration file that is taken when none is named.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("almoner.toml")
    }

    /// Where the embedded database is.
    pub fn database(&self) -> PathBuf {
        self.root.join("almoner.db")
    }

    /// The address of the embedded database, before this process opens it.
    pub fn database_url(&self) -> anyhow::Result<String> {
        // Made here, because SQLite gives its own files the mode of this one.
        let path = self.database();
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot write the database {}", path.display()))?;
        self.open_database_url()
    }

    /// The address of the embedded database that this process has open. The file is not touched: who opens and closes a file by
    /// itself ends all locks that its process has on it, those of SQLite too, and another process may then delete its log.
    pub fn open_database_url(&self) -> anyhow::Result<String> {
        let path = fs::canonicalize(self.database())?;
        let path = path.to_str().context("the path of the data folder is not UTF-8")?;
        Ok(format!("sqlite://{}", percent_encoded(path)))
    }

    /// Who the gate of this folder is: the same over restarts, so that a new life settles what an earlier one left.
    pub fn node(&self, clock: &dyn Clock, entropy: &dyn Entropy) -> anyhow::Result<NodeId> {
        let path = self.root.join("node");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().with_context(|| {
                format!("{} does not hold a gate's identity; restore it from a backup of this folder", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let node = NodeId::new(clock.now(), entropy);
                self.keep(&path, &format!("{node}\n")).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(node)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The key that secrets are sealed by, where no setting names one: made at first, the same ever after.
    pub fn seal_key(&self, entropy: &dyn Entropy) -> anyhow::Result<SealKey> {
        let path = self.root.join("seal.key");
        if !path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
            let mut key = [0u8; KEY_BYTES];
            entropy.fill(&mut key);
            let text = format!("{}\n", STANDARD.encode(key));
            self.keep(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        SealKey::read_file(&path)
    }

    /// Whole and synced, or not there: an identity lost after its first lease would leave that lease in doubt for good.
    fn keep(&self, path: &Path, text: &str) -> std::io::Result<()> {
        let draft = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(&self.root)?.sync_all()
    }
}

/// A path inside of an address: what would end it, or be read as an escape, is escaped.
fn percent_encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter {
            '%' | '?' | '#' | ' ' => text.push_str(&format!("%{:02X}", u32::from(letter))),
            plain => text.push(plain),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OsEntropy, SystemClock};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_gate_is_the_same_after_a_restart_and_its_folder_is_its_own() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("a b");
        let first = DataDir::open(&root).unwrap().node(&SystemClock, &OsEntropy).unwrap();
        let second = DataDir::open(&root).unwrap().node(&SystemClock, &OsEntropy).unwrap();
        assert_eq!(first, second);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root), mode(&root.join("node"))), (0o700, 0o600));
        assert!(DataDir::at(&root).database_url().unwrap().ends_with("/a%20b/almoner.db"));
        assert_eq!(mode(&root.join("almoner.db")), 0o600);
    }

    #[test]
    fn the_seals_key_is_the_same_after_a_restart_and_a_damaged_one_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::open(root.path()).unwrap();
        let key = || dir.seal_key(&OsEntropy).map(|key| *key.bytes());
        let first = key().unwrap();
        assert_eq!(key().unwrap(), first);
        let path = root.path().join("seal.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "c2hvcnQ=").unwrap();
        let refusal = key().unwrap_err().to_string();
        assert!(refusal.contains("seal.key") && !refusal.contains("c2hvcnQ"), "{refusal}");
    }

    #[test]
    fn a_damaged_identity_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("node"), "nod_").unwrap();
        assert!(DataDir::at(root.path()).node(&SystemClock, &OsEntropy).is_err());
    }
}
