//! `demo`: the story that must always work, as a person sees it.

use crate::program::{Serving, almoner, object, printed, said};

#[test]
fn the_story_holds_with_a_key_of_its_own_and_with_one_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let seeded = object(folder.path(), &["seed", "image-shop", "--json", "--data-dir", "data"]);
    let serving = Serving::start(folder.path());
    let told = printed(folder.path(), &["demo", "--url", &serving.url, "--data-dir", "data"]);
    assert!(told.contains("26 calls, 10 allowed.") && told.contains("The story holds."), "{told}");
    assert!(told.contains("10 by catalogue with render, on behalf of ada"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour where nobody looks");
    // Somewhere else, by the network alone.
    let elsewhere = tempfile::tempdir().unwrap();
    let key =
        [("ALMONER_OPERATOR_KEY", seeded["operator_key"].as_str().unwrap()), ("ALMONER_URL", serving.url.as_str())];
    let output = almoner(elsewhere.path(), &key, &["demo", "--workers", "3"]);
    assert!(output.status.success() && said(&output).contains("13 calls, 10 allowed."), "{}", said(&output));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn what_stands_in_its_way_is_said_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let unseeded = almoner(folder.path(), &[], &["demo", "--data-dir", "data"]);
    assert!(said(&unseeded).contains("run `almoner seed image-shop` first"), "{}", said(&unseeded));
    let nobody = almoner(folder.path(), &[], &["demo", "--operator-key", "x", "--url", "http://127.0.0.1:9"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said(&nobody).contains("nothing answers at http://127.0.0.1:9"), "{}", said(&nobody));
    let serving = Serving::start(folder.path());
    let wrong = almoner(folder.path(), &[], &["demo", "--operator-key", "x", "--url", &serving.url]);
    assert!(said(&wrong).contains("does not know this key"), "{}", said(&wrong));
}
