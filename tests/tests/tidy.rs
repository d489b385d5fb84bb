//! The house as a test: who may import whom, what a file is called, how long it is, what it may not contain.
//!
//! Each failure says what to do. The map behind it is `crates/README.md`; a law that proves wrong is changed there and
//! here in one commit that says why. This suite reads files and `cargo metadata`, and runs none of our code.

use almoner_tests::seeds::SEEDS;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates a crate may import, floor by floor. The server wires all that ship.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("app", &["domain"]),
    ("storage", &["domain", "migrations"]),
    ("migrations", &[]),
    ("api", &["domain", "app"]),
    ("gate", &["domain"]),
    ("worker", &["domain", "app"]),
    ("server", &["domain", "app", "storage", "migrations", "api", "gate", "worker"]),
    ("testkit", &["domain", "storage"]),
];

/// Packages that hold tests and measurements: they may import whatever they look at, and are not on the map.
const ONLOOKERS: &[&str] = &["tests", "benches"];

/// What the data plane must compile without, so that it can ship and scale alone.
const NOT_IN_GATE: &[&str] = &[
    "almoner-app",
    "almoner-storage",
    "almoner-migrations",
    "sea-orm",
    "sea-orm-migration",
    "sqlx",
    "async-graphql",
    "apalis",
];

/// Rooms without a name: whatever is put into them has a better one.
const NAMELESS: &[&str] = &["util", "utils", "helper", "helpers", "common", "types", "manager", "managers", "misc"];

/// Test files that may wait for time to pass, and why nothing better is to be had. A test that sleeps is slow on a fast
/// machine and wrong on a slow one.
const MAY_SLEEP: &[(&str, &str)] =
    &[("crates/server/src/system_clock.rs", "the machine's own clock is what is tested, and only time moves it")];

/// Lines of a source file: none may have more than this, tests apart.
const LINES_MAX: usize = 700;
/// Lines of a source file: nine of ten stay below this, tests apart.
const LINES_P90_MAX: usize = 450;

// Written in halves, so that this file does not find itself.
const MARKS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
const IGNORED: &str = concat!("#[ig", "nore");
const SLEEPS: &[&str] = &[concat!("sle", "ep("), concat!("sle", "ep_until(")];

/// `cargo run --bin seeds` takes too long to be run with every change, so this sees that it could be.
#[test]
fn each_seeded_bug_can_still_be_planted() {
    let mut faults = Vec::new();
    for seed in SEEDS {
        let count = read(seed.file).matches(seed.before).count();
        if count != 1 {
            faults.push(format!("{}: what is replaced in {} stands there {count} times", seed.says, seed.file));
        }
        let homes = ["tests/tests", "crates/storage/tests", "crates/domain/tests"];
        let mut suites: Vec<String> = homes.iter().map(|home| format!("{home}/{}", seed.suite)).collect();
        // The adapters' suite keeps the contract, whose promises are there.
        suites.extend((seed.suite == "store").then(|| "crates/testkit/src/contract".to_owned()));
        let test = format!("fn {}(", seed.test.rsplit("::").next().unwrap_or_default());
        let is_there = suites.iter().any(|suite| {
            let folder = root().join(suite);
            let inside = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
            inside
                .chain([folder.with_extension("rs")])
                .any(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains(&test)))
        });
        if !is_there {
            faults.push(format!("{}: no test `{}` in suite `{}`", seed.says, seed.test, seed.suite));
        }
    }
    report(
        &faults,
        "The code or the test has moved on: seed the bug where the promise is kept now, in tests/src/seeds.rs.",
    );
}

#[test]
fn imports_only_go_down() {
    let metadata = metadata();
    let law: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        let importer = short_name(package);
        if ONLOOKERS.contains(&importer) {
            continue;
        }
        let Some(may) = law.get(importer) else {
            faults.push(format!("`{importer}` has no row"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(imported) = dependency.name.strip_prefix("almoner-") else { continue };
            let in_tests = dependency.kind == DependencyKind::Development && imported == "testkit";
            if !may.contains(&imported) && !in_tests {
                faults.push(format!(
                    "`{importer}` imports `{imported}`, and may import {may:?} (in tests `testkit` too)"
                ));
            }
        }
    }
    report(
        &faults,
        "Move the code to the floor it belongs to, or reach it through a port in `domain`. A new crate gets its row in \
         MAY_IMPORT and in crates/README.md.",
    );
}

#[test]
fn the_gate_compiles_without_the_control_plane() {
    let metadata = metadata();
    let inside = normal_closure(&metadata, "almoner-gate");
    let faults: Vec<String> = NOT_IN_GATE
        .iter()
        .filter(|name| inside.contains(**name))
        .map(|name| format!("`{name}`; see `cargo tree -p almoner-gate -e normal -i {name}`"))
        .collect();
    report(
        &faults,
        "The gate must compile without the control plane and the database. Ask for it through a port in `domain`.",
    );
}

#[test]
fn fences_hold() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    let fences = fences(&read(".deny.toml"));
    assert!(
        fences.len() > 5,
        "Found only {} fences in .deny.toml: keep one a line, `{{ crate = \"...\", ... }}`.",
        fences.len()
    );

    let mut faults = Vec::new();
    for fence in &fences {
        match &fence.wrappers {
            None if metadata.packages.iter().any(|p| p.name.as_str() == fence.banned) => {
                faults.push(format!("`{0}` is refused outright; see `cargo tree --workspace -i {0}`", fence.banned));
            }
            None => {}
            Some(wrappers) => {
                for package in metadata.workspace_packages() {
                    let uses = package.dependencies.iter().any(|d| d.name == fence.banned);
                    if uses && !wrappers.contains(package.name.as_str()) {
                        faults.push(format!("`{}` depends on `{}`; only {wrappers:?} may", package.name, fence.banned));
                    }
                }
                for gone in wrappers.iter().filter(|w| w.starts_with("almoner-") && !ours.contains(w.as_str())) {
                    faults.push(format!("`{gone}` may wrap `{}`, but there is no such crate", fence.banned));
                }
            }
        }
    }
    report(&faults, "Use the crate behind the fence through its owner. The fences stand in .deny.toml.");
}

#[test]
fn the_manifest_is_the_map() {
    let mut members = members(&read("Cargo.toml"));
    members.retain(|name| !ONLOOKERS.contains(&name.as_str()));
    let rows = map_rows(&read("crates/README.md"));
    let mapped: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        members, mapped,
        "Left: `members` in Cargo.toml, without {ONLOOKERS:?}. Right: the table in crates/README.md whose first column is \
         `crate`. Both list the crates floor by floor, in the same order."
    );

    let law: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let faults: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let may: BTreeSet<&str> = law.get(row.name.as_str())?.iter().copied().collect();
            let all = || law.keys().copied().filter(|name| *name != row.name && *name != "testkit").collect();
            let told: BTreeSet<&str> =
                if row.imports == "all" { all() } else { between(&row.imports, '`').into_iter().collect() };
            (may != told).then(|| format!("`{}`: the map says {told:?}, this test {may:?}", row.name))
        })
        .collect();
    report(
        &faults,
        "The last column of the map in crates/README.md names in backticks what MAY_IMPORT allows, or says `all`.",
    );
}

#[test]
fn every_file_says_what_it_is() {
    let faults: Vec<String> = sources("rs")
        .into_iter()
        .filter(|file| {
            !file.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > "//! ".len())
        })
        .map(|file| file.path)
        .collect();
    report(&faults, "Begin the file with `//!` and a sentence on what it is for.");
}

#[test]
fn no_room_without_a_name() {
    let mut faults = BTreeSet::new();
    for path in paths() {
        for part in Path::new(&path).iter().filter_map(|part| part.to_str()) {
            if part.split(['_', '-', '.']).any(|word| NAMELESS.contains(&word)) {
                faults.insert(format!("{path}: `{part}`"));
            }
        }
    }
    report(&Vec::from_iter(faults), "Name the file or folder after the noun or the act that lives in it.");
}

#[test]
fn nothing_is_left_undone_without_a_reason() {
    let faults = lines_where(|_, line| {
        MARKS.iter().any(|mark| {
            line.match_indices(mark).any(|(at, _)| {
                let alone = !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
                let rest = line[at + mark.len()..].trim_start();
                let reason = if mark.ends_with('(') { rest.starts_with('"') } else { rest.starts_with("(#") };
                alone && !reason
            })
        })
    });
    report(
        &faults,
        "Finish it, or say what it waits for: the mark with an issue's number, `(#12): why`; the macro with a sentence.",
    );
}

#[test]
fn no_test_is_ignored() {
    let faults = lines_where(|path, line| path.ends_with(".rs") && line.trim_start().starts_with(IGNORED));
    report(&faults, "A test that does not run protects nothing. Make it pass, make it faster, or remove it.");
}

#[test]
fn no_test_sleeps() {
    let mut faults = Vec::new();
    for file in sources("rs") {
        if MAY_SLEEP.iter().any(|(path, _)| *path == file.path) {
            continue;
        }
        let from =
            if file.is_test() { Some(0) } else { file.text.lines().position(|line| line.trim() == "#[cfg(test)]") };
        let Some(from) = from else { continue };
        for (at, line) in file.text.lines().enumerate().skip(from) {
            if !line.trim_start().starts_with("//") && SLEEPS.iter().any(|call| line.contains(call)) {
                faults.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    report(
        &faults,
        "Wait for the thing itself: a channel, a readiness answer, the mock clock. Where nothing can be waited for, add \
         the file and the reason to MAY_SLEEP.",
    );
}

#[test]
fn files_stay_small() {
    let mut sizes: Vec<(usize, String)> = sources("rs")
        .into_iter()
        .filter(|file| !file.is_test())
        .map(|file| (file.text.lines().count(), file.path))
        .collect();
    sizes.sort();
    let percentile = |percent: usize| sizes[(sizes.len() - 1) * percent / 100].0;
    let (p50, p90) = (percentile(50), percentile(90));
    println!("{} source files; lines: p50 {p50}, p90 {p90}, longest {:?}", sizes.len(), sizes.last());

    let faults: Vec<String> = sizes
        .iter()
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    report(&faults, &format!("Split the file by its nouns: no source file has more than {LINES_MAX} lines."));
    assert!(
        p90 <= LINES_P90_MAX,
        "One file in ten has more than {p90} lines, and {LINES_P90_MAX} is the limit (median {p50}). Split the longest: {:?}",
        sizes.iter().rev().take(5).collect::<Vec<_>>()
    );
}

#[test]
fn no_path_of_a_machine() {
    let faults = lines_where(|_, line| {
        MACHINE_PATHS.iter().any(|path| {
            // Within a longer path or an address it is somebody else's folder.
            line.match_indices(path).any(|(at, _)| {
                !line[..at]
                    .ends_with(|before: char| before.is_alphanumeric() || matches!(before, '.' | '_' | '-' | '}'))
            })
        })
    });
    report(&faults, "Say it relative to the project, or by a variable: the path exists on one machine alone.");
}

// ---- what the tests read

#[track_caller]
fn report(faults: &[String], what_to_do: &str) {
    assert!(faults.is_empty(), "{what_to_do}\n  {}\n", faults.join("\n  "));
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests are a folder of the workspace").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("cannot read {path}: {e}"))
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|e| panic!("cannot run {program}, which this suite needs: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// For this platform alone: metadata of all would fetch crates that are never built here.
fn metadata() -> Metadata {
    let version = output_of("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    MetadataCommand::new()
        .current_dir(root())
        .other_options(vec!["--locked".to_owned(), "--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .expect("cargo metadata")
}

fn short_name(package: &Package) -> &str {
    package.name.strip_prefix("almoner-").unwrap_or(&package.name)
}

/// Names of all that is compiled into `of`, build scripts and tests apart.
fn normal_closure(metadata: &Metadata, of: &str) -> BTreeSet<String> {
    let nodes = &metadata.resolve.as_ref().expect("a resolved graph").nodes;
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = nodes
        .iter()
        .map(|node| {
            let normal =
                |d: &&cargo_metadata::NodeDep| d.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            (&node.id, node.deps.iter().filter(normal).map(|dependency| &dependency.pkg).collect())
        })
        .collect();
    let start = metadata.packages.iter().find(|p| p.name.as_str() == of).expect("a crate of the workspace");
    let (mut found, mut ahead) = (BTreeSet::from([&start.id]), vec![&start.id]);
    while let Some(id) = ahead.pop() {
        ahead.extend(edges[id].iter().copied().filter(|next| found.insert(next)));
    }
    found.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

/// A line of `deny` in .deny.toml: who may depend on a crate directly; `None` is nobody at all.
struct Fence {
    banned: String,
    wrappers: Option<BTreeSet<String>>,
}

fn fences(deny_toml: &str) -> Vec<Fence> {
    let lines = deny_toml.lines().map(str::trim).filter(|line| line.starts_with("{ crate = \""));
    lines
        .map(|line| {
            let wrappers = line.split_once("wrappers = [").map(|(_, list)| list.split(']').next().unwrap_or(list));
            Fence {
                banned: between(line, '"').first().map_or_else(String::new, |name| (*name).to_owned()),
                wrappers: wrappers.map(|list| between(list, '"').into_iter().map(str::to_owned).collect()),
            }
        })
        .collect()
}

/// What stands between pairs of `mark`.
fn between(text: &str, mark: char) -> Vec<&str> {
    text.split(mark).skip(1).step_by(2).collect()
}

/// Members of the workspace by their last folder, in the manifest's order.
fn members(manifest: &str) -> Vec<String> {
    let list =
        manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once("\n]")).expect("a list of members").0;
    let paths = list.lines().map(str::trim).filter(|line| line.starts_with('"')).flat_map(|line| between(line, '"'));
    paths.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect()
}

/// A row of the map: a crate, and the cell on what it may import.
struct MapRow {
    name: String,
    imports: String,
}

fn map_rows(readme: &str) -> Vec<MapRow> {
    let mut rows = Vec::new();
    let mut in_map = false;
    for line in readme.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        in_map = line.starts_with('|') && (in_map || cells[0] == "crate");
        if let (true, [name, .., imports]) = (in_map, &cells[..])
            && let [name] = between(name, '`')[..]
        {
            rows.push(MapRow { name: name.to_owned(), imports: (*imports).to_owned() });
        }
    }
    rows
}

struct SourceFile {
    path: String,
    text: String,
}

impl SourceFile {
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.starts_with("crates/testkit/")
    }
}

/// What is committed or would be, relative to the project's root.
fn paths() -> Vec<String> {
    let listed = output_of("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    listed.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file()).map(str::to_owned).collect()
}

fn sources(extension: &str) -> Vec<SourceFile> {
    let of_kind = |path: &String| Path::new(path).extension().is_some_and(|e| e == extension);
    paths().into_iter().filter(of_kind).map(|path| SourceFile { text: read(&path), path }).collect()
}

/// `path:line: text` of each line in a text file that is `wrong`. A licence or a lock file is nobody's prose.
fn lines_where(wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths().into_iter().filter(|path| path != "LICENSE" && !path.ends_with(".lock")) {
        let Ok(text) = String::from_utf8(std::fs::read(root().join(&path)).unwrap_or_default()) else { continue };
        let lines = text.lines().enumerate().filter(|(_, line)| wrong(&path, line));
        found.extend(lines.map(|(at, line)| format!("{path}:{}: {}", at + 1, line.trim())));
    }
    found
}
