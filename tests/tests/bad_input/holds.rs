//! `commit`, `release` and `extend`.

use super::calls::{NO_AMOUNTS, shapeless};
use super::case::Case;
use super::scene::{GENERATE, Scene, USED_KEY};

/// All cases.
pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for act in ["commit", "release", "extend"] {
        let on = |hold: &str| format!("/v1/holds/{hold}/{act}");
        let body = if act == "extend" { "{\"ttl_s\":60}" } else { "{}" };
        for (name, hold) in [
            ("of an unknown hold", "hld_00000000000000000000000000"),
            ("of a hold that is none", "nothing"),
            ("of a hold with more letters", &format!("{}0", scene.hold)),
            ("of a hold of another kind", &scene.card),
            ("of another tenant's hold", &scene.foreign_hold),
            ("of a hold in broken UTF-8", "%ff%fe"),
            ("of a hold with a slash", "hld_%2F"),
            ("of a hold of a thousand letters", &"h".repeat(1_000)),
        ] {
            cases.push(Case::post(name, on(hold), body).status(404));
        }
        cases.extend(shapeless().into_iter().map(|(name, bytes)| Case::post(name, on(&scene.hold), "").bytes(bytes)));
    }
    cases.extend(settling(scene, "commit", "uses", "floor"));
    cases.extend(settling(scene, "release", "floor", "uses"));
    cases.extend(extending(scene));
    cases
}

fn settling(scene: &Scene, act: &'static str, member: &'static str, foreign: &'static str) -> Vec<Case> {
    let path = format!("/v1/holds/{}/{act}", scene.hold);
    let case = |name: &str, body: String, pointer: String| Case::post(name, path.clone(), &body).at(pointer);
    let with = |uses: &str| format!("{{\"{member}\":[{uses}]}}");
    let used = |feature: &str| format!("{{\"feature\":\"{feature}\",\"amount\":1}}");
    let mut cases = vec![
        case("names the other's amounts", format!("{{\"{foreign}\":[]}}"), format!("/{foreign}")),
        case("has amounts that are no array", format!("{{\"{member}\":{{}}}}"), format!("/{member}")),
        case("has an amount that is an array", with(&format!("[\"{GENERATE}\",1]")), format!("/{member}/0")),
        case("has an unknown member", "{\"colour\":1}".to_owned(), "/colour".to_owned()),
        case("has a hold", format!("{{\"hold\":\"{}\"}}", scene.hold), "/hold".to_owned()),
        case("has an op", format!("{{\"op\":\"{act}\"}}"), "/op".to_owned()),
        case("has 65 amounts", with(&vec![used(GENERATE); 65].join(",")), format!("/{member}")),
        case("has a feature twice", with(&vec![used(GENERATE); 2].join(",")), format!("/{member}/1/feature")),
        case("has a feature that is not held", with(&used("image.upload")), format!("/{member}/0/feature")),
        case("has an unknown feature", with(&used("image.nothing")), format!("/{member}/0/feature")),
        case(
            "has another tenant's feature",
            with(&used(&scene.foreign_id("features", GENERATE))),
            format!("/{member}/0/feature"),
        ),
        case("has a used key", format!("{{\"idempotency_key\":\"{USED_KEY}\"}}"), "/idempotency_key".to_owned())
            .status(422),
        case("has an empty key", "{\"idempotency_key\":\"\"}".to_owned(), "/idempotency_key".to_owned()),
        case("has a member twice", format!("{{\"{member}\":[],\"{member}\":[]}}"), format!("/{member}")),
    ];
    // Nothing at all is an amount that a call may have cost, and a missing one says so.
    let amounts = NO_AMOUNTS.iter().filter(|amount| !["0", "-0", "\"0\"", "\"0.0\""].contains(*amount));
    cases.extend(amounts.map(|amount| {
        let used = format!("{{\"feature\":\"{GENERATE}\",\"amount\":{amount}}}");
        case(&format!("has an amount of {amount}"), with(&used), format!("/{member}/0/amount"))
    }));
    cases
}

fn extending(scene: &Scene) -> Vec<Case> {
    let path = format!("/v1/holds/{}/extend", scene.hold);
    let mut cases = vec![
        Case::post("is empty", path.clone(), "").status(400),
        Case::post("has no ttl", path.clone(), "{}").at("/ttl_s"),
        Case::post("has an unknown member", path.clone(), "{\"ttl_s\":60,\"colour\":1}").at("/colour"),
        Case::post("has an op", path.clone(), "{\"ttl_s\":60,\"op\":\"extend\"}").at("/op"),
        Case::post("has a ttl twice", path.clone(), "{\"ttl_s\":60,\"ttl_s\":60}").at("/ttl_s"),
    ];
    for ttl in ["0", "-1", "1.5", "3601", "18446744073709551615", "1e400", "\"60\"", "null"] {
        cases.push(
            Case::post(format!("has a ttl of {ttl}"), path.clone(), &format!("{{\"ttl_s\":{ttl}}}")).at("/ttl_s"),
        );
    }
    cases
}
