//! `check`, `consume`, `reserve` and `batch`.

use super::case::Case;
use super::scene::{GENERATE, Scene, USED_KEY};
use serde_json::json;

/// JSON texts that are no amount.
pub(crate) const NO_AMOUNTS: [&str; 27] = [
    "-1",
    "0",
    "-0",
    "1.5",
    "1e3",
    "1E400",
    "-1e400",
    "9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
    "\"-1\"",
    "\"0\"",
    "\"0.0\"",
    "\"1.5\"",
    "\"1e3\"",
    "\"NaN\"",
    "\"Infinity\"",
    "\"\"",
    "\" 1\"",
    "\"+1\"",
    "\"0x10\"",
    "\"9223372036854775808\"",
    "\"１\"",
    "true",
    "null",
    "[1]",
    "{\"value\":1}",
];

/// Bodies of any route that are no body of it: nothing to do with what it says.
pub(crate) fn shapeless() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("is not JSON", text("uses=1")),
        ("is cut short", text("{\"uses\":[{\"feature\"")),
        ("has more after its end", text("{} {}")),
        ("is a text", text("\"image.generate\"")),
        ("is a number", text("7")),
        ("is null", text("null")),
        ("is an empty array", text("[]")),
        ("is an array of members", text("[\"a\",null,\"b\",null,null,null,[],null,{},null,null]")),
        ("has a number of two meanings", text("{\"uses\":[{\"feature\":\"image.generate\",\"amount\":NaN}]}")),
        ("has an unknown member", text("{\"colour\":\"red\"}")),
        ("is broken UTF-8 within a text", [b"{\"colour\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat()),
        ("is broken UTF-8", vec![0xc3, 0x28, 0xa0, 0xa1]),
        ("has half a surrogate", text("{\"colour\":\"\\ud800\"}")),
        ("is UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("begins with a byte order mark", [&[0xef, 0xbb, 0xbf], b"{}".as_slice()].concat()),
        ("is deeper than anybody reads", [vec![b'['; 100_000], vec![b']'; 100_000]].concat()),
        (
            "is nested deeply in an unknown member",
            text(&format!("{{\"colour\":{}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000))),
        ),
        ("has 10 MB", [b"{\"colour\":\"".as_slice(), &vec![b'x'; 10 * 1024 * 1024], b"\"}"].concat()),
    ]
}

/// All cases.
pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for path in ["/v1/check", "/v1/consume", "/v1/reserve"] {
        cases.extend(shapeless().into_iter().map(|(name, bytes)| Case::post(name, path, "").bytes(bytes)));
        cases.push(Case::post("is empty", path, "").status(400));
        cases.extend(of_call(scene, path));
    }
    let one = format!("{{\"allocation\":\"{}\",\"uses\":[{{\"feature\":\"{GENERATE}\",\"amount\":1}}]", scene.card);
    cases.extend([
        Case::post("has a key", "/v1/check", &format!("{one},\"idempotency_key\":\"a\"}}")).at("/idempotency_key"),
        Case::post("has a ttl", "/v1/consume", &format!("{one},\"ttl_s\":60}}")).at("/ttl_s"),
        Case::post(
            "has a used key",
            "/v1/consume",
            &format!("{one},\"dimensions\":{{\"a\":\"b\"}},\"idempotency_key\":\"{USED_KEY}\"}}"),
        )
        .at("/idempotency_key")
        .status(422),
        Case::post("has a key used to consume", "/v1/reserve", &format!("{one},\"idempotency_key\":\"{USED_KEY}\"}}"))
            .at("/idempotency_key")
            .status(422),
    ]);
    for ttl in ["0", "-1", "1.5", "3601", "18446744073709551615", "18446744073709551616", "\"60\"", "[]", "1e400"] {
        cases.push(
            Case::post(format!("has a ttl of {ttl}"), "/v1/reserve", &format!("{one},\"ttl_s\":{ttl}}}")).at("/ttl_s"),
        );
    }
    cases.extend(batches());
    cases
}

fn of_call(scene: &Scene, path: &'static str) -> Vec<Case> {
    let uses = format!("\"uses\":[{{\"feature\":\"{GENERATE}\",\"amount\":1}}]");
    let card = format!("\"allocation\":\"{}\"", scene.card);
    let case = |name: &str, body: String, pointer: &str| Case::post(name, path, &body).at(pointer);
    let with_use = |used: &str| format!("{{{card},\"uses\":[{used}]}}");
    let with = |member: &str| format!("{{{card},{uses},{member}}}");
    let by = |caller: &str| format!("{{{caller},{uses}}}");
    let many = |count: usize| vec![format!("{{\"feature\":\"{GENERATE}\",\"amount\":1}}"); count].join(",");
    let dimensions = (0..33).map(|at| (format!("d{at}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let long = "x".repeat(501);
    let foreign = scene.foreign_id("features", GENERATE);
    let mut cases = vec![
        case("names nobody", format!("{{{uses}}}"), ""),
        case("names two callers", by(&format!("{card},\"subject\":{{\"customer\":\"acme-shop\"}}")), ""),
        case("has no uses", format!("{{{card}}}"), "/uses"),
        case("has empty uses", with_use(""), "/uses"),
        case("has 65 uses", with_use(&many(65)), "/uses"),
        case("has 20,000 uses", with_use(&many(20_000)), "/uses"),
        Case::post("has 100,000 uses", path, &with_use(&many(100_000))).status(413),
        case("has uses that are no array", format!("{{{card},\"uses\":{{}}}}"), "/uses"),
        case("has a use that is a number", with_use("7"), "/uses/0"),
        case("has a use that is an array", with_use(&format!("[\"{GENERATE}\",1]")), "/uses/0"),
        case("has a feature that is a number", with_use("{\"feature\":7,\"amount\":1}"), "/uses/0/feature"),
        case("has a use without a feature", with_use("{\"amount\":1}"), "/uses/0/feature"),
        case("has an unknown feature", with_use("{\"feature\":\"image.nothing\",\"amount\":1}"), "/uses/0/feature"),
        case("has an empty feature", with_use("{\"feature\":\"\",\"amount\":1}"), "/uses/0/feature"),
        case(
            "has another tenant's feature",
            with_use(&format!("{{\"feature\":\"{foreign}\",\"amount\":1}}")),
            "/uses/0/feature",
        ),
        case(
            "has a customer for a feature",
            with_use(&format!("{{\"feature\":\"{}\",\"amount\":1}}", scene.id("customers", "acme-shop"))),
            "/uses/0/feature",
        ),
        case("has a feature twice", with_use(&many(2)), "/uses/1/feature"),
        case(
            "has a feature twice by key and id",
            with_use(&format!("{},{{\"feature\":\"{}\",\"amount\":1}}", many(1), scene.id("features", GENERATE))),
            "/uses/1/feature",
        ),
        case("has no amount", with_use(&format!("{{\"feature\":\"{GENERATE}\"}}")), "/uses/0/amount"),
        case(
            "has an amount of a boolean",
            with_use("{\"feature\":\"image.background_removal\",\"amount\":1}"),
            "/uses/0/amount",
        ),
        case(
            "has an amount of a value",
            with_use("{\"feature\":\"image.max_resolution\",\"amount\":1}"),
            "/uses/0/amount",
        ),
        case(
            "has an unknown member in a use",
            with_use(&format!("{{\"feature\":\"{GENERATE}\",\"amount\":1,\"colour\":1}}")),
            "/uses/0/colour",
        ),
        case(
            "has an amount twice",
            with_use(&format!("{{\"feature\":\"{GENERATE}\",\"amount\":1,\"amount\":1}}")),
            "/uses/0/amount",
        ),
        case("has a member twice", with(&card), "/allocation"),
        case("has an unknown member beside all", with("\"colour\":\"red\""), "/colour"),
        case("has an op", with("\"op\":\"consume\""), "/op"),
        case("has an allocation that is a number", by("\"allocation\":7"), "/allocation"),
        case("has an allocation of another kind", by(&format!("\"allocation\":\"{}\"", scene.hold)), "/allocation"),
        case(
            "has an allocation in capitals",
            by(&format!("\"allocation\":\"{}\"", scene.card.to_uppercase())),
            "/allocation",
        ),
        case("has an allocation with more letters", by(&format!("\"allocation\":\"{}0\"", scene.card)), "/allocation"),
        case("has an unknown allocation", by("\"allocation\":\"alc_00000000000000000000000000\""), "/allocation")
            .status(404),
        case(
            "has another tenant's allocation",
            by(&format!("\"allocation\":\"{}\"", scene.foreign_card)),
            "/allocation",
        )
        .status(404),
        case("has a subject that is a text", by("\"subject\":\"acme-shop\""), "/subject"),
        case("has a subject that is an array", by("\"subject\":[\"acme-shop\",null]"), "/subject"),
        case("has a subject without a customer", by("\"subject\":{\"user\":\"ada\"}"), "/subject/customer"),
        case("has an empty customer", by("\"subject\":{\"customer\":\"\"}"), "/subject/customer"),
        case(
            "has a customer of 129 bytes",
            by(&format!("\"subject\":{{\"customer\":\"{}\"}}", "c".repeat(129))),
            "/subject/customer",
        ),
        case(
            "has a customer with a control letter",
            by("\"subject\":{\"customer\":\"a\\u0000b\"}"),
            "/subject/customer",
        ),
        case(
            "has a customer of another kind",
            by(&format!("\"subject\":{{\"customer\":\"{}\"}}", scene.id("users", "ada"))),
            "/subject/customer",
        ),
        case(
            "has a user of another kind",
            by(&format!(
                "\"subject\":{{\"customer\":\"acme-shop\",\"user\":\"{}\"}}",
                scene.id("customers", "acme-shop")
            )),
            "/subject/user",
        ),
        case("has half a customer's id", by("\"subject\":{\"customer\":\"cus_0\"}"), "/subject/customer"),
        case(
            "has an unknown member in its subject",
            by("\"subject\":{\"customer\":\"acme-shop\",\"colour\":1}"),
            "/subject/colour",
        ),
        case("has an agent alone", by("\"subject\":{\"customer\":\"acme-shop\"},\"agent\":\"support\""), "/agent"),
        case(
            "has a session alone",
            by("\"subject\":{\"customer\":\"acme-shop\"},\"session\":{\"kind\":\"a\",\"key\":\"b\"}"),
            "/session",
        ),
        case(
            "has a session without a key",
            by("\"subject\":{\"customer\":\"acme-shop\"},\"agent\":\"support\",\"session\":{\"kind\":\"a\"}"),
            "/session/key",
        ),
        case(
            "has an agent beside an allocation",
            with("\"agent\":\"support\",\"session\":{\"kind\":\"a\",\"key\":\"b\"}"),
            "/agent",
        ),
        case("has a token that is a number", by("\"token\":7"), "/token"),
        case("has a proof without a token", with("\"dpop\":{\"proof\":\"a\",\"method\":\"b\",\"url\":\"c\"}"), "/dpop"),
        case("has half a proof", by("\"token\":\"a\",\"dpop\":{\"proof\":\"a\"}"), "/dpop/method"),
        case("has dimensions that are no object", with("\"dimensions\":[]"), "/dimensions"),
        case("has a dimension that is a number", with("\"dimensions\":{\"tool\":7}"), "/dimensions/tool"),
        case("has a dimension twice", with("\"dimensions\":{\"tool\":\"a\",\"tool\":\"a\"}"), "/dimensions/tool"),
        case(
            "has a dimension that is too long",
            with(&format!("\"dimensions\":{{\"tool\":\"{long}\"}}")),
            "/dimensions/tool",
        ),
        case("has a dimension without a name", with("\"dimensions\":{\"\":\"a\"}"), "/dimensions/"),
        case(
            "has a long dimension with a slash in its name",
            with(&format!("\"dimensions\":{{\"a/b~c\":\"{long}\"}}")),
            "/dimensions/a~1b~0c",
        ),
        case("has 33 dimensions", with(&format!("\"dimensions\":{}", json!(dimensions))), "/dimensions"),
    ];
    if path != "/v1/check" {
        let key = |key: &str| with(&format!("\"idempotency_key\":{key}"));
        cases.extend([
            case("has a key that is a number", key("7"), "/idempotency_key"),
            case("has an empty key", key("\"\""), "/idempotency_key"),
            case("has a key of 256 bytes", key(&format!("\"{}\"", "k".repeat(256))), "/idempotency_key"),
            case("has a key with a line break", key("\"a\\nb\""), "/idempotency_key"),
        ]);
    }
    let amounts = NO_AMOUNTS.iter().map(|amount| {
        let used = format!("{{\"feature\":\"{GENERATE}\",\"amount\":{amount}}}");
        case(&format!("has an amount of {amount}"), with_use(&used), "/uses/0/amount")
    });
    cases.extend(amounts);
    cases
}

fn batches() -> Vec<Case> {
    let path = "/v1/batch";
    let operations = |count: usize| vec!["{\"op\":\"check\"}"; count].join(",");
    let mut cases: Vec<_> =
        shapeless().into_iter().map(|(name, bytes)| Case::post(name, path, "").bytes(bytes)).collect();
    cases.extend([
        Case::post("is empty", path, "").status(400),
        Case::post("has no operations", path, "{}").at("/operations"),
        Case::post("has empty operations", path, "{\"operations\":[]}").at("/operations"),
        Case::post("has operations that are an object", path, "{\"operations\":{}}").at("/operations"),
        Case::post("has 1,001 operations", path, &format!("{{\"operations\":[{}]}}", operations(1_001)))
            .at("/operations"),
        Case::post("has 100,000 operations", path, &format!("{{\"operations\":[{}]}}", operations(100_000)))
            .status(413),
        Case::post("has operations twice", path, "{\"operations\":[],\"operations\":[]}").at("/operations"),
    ]);
    cases
}

/// Operations of a batch that are wrong, and the member that is.
pub(crate) fn operations(scene: &Scene) -> Vec<(String, &'static str)> {
    let uses = format!("\"uses\":[{{\"feature\":\"{GENERATE}\",\"amount\":1}}]");
    let card = format!("\"allocation\":\"{}\"", scene.card);
    vec![
        ("7".to_owned(), ""),
        ("[]".to_owned(), ""),
        ("{}".to_owned(), "/op"),
        ("{\"op\":7}".to_owned(), "/op"),
        ("{\"op\":\"spend\"}".to_owned(), "/op"),
        ("{\"op\":\"consume\",\"op\":\"consume\"}".to_owned(), "/op"),
        (format!("{{\"op\":\"consume\",{card},{uses},\"colour\":1}}"), "/colour"),
        (
            format!("{{\"op\":\"consume\",{card},\"uses\":[{{\"feature\":\"{GENERATE}\",\"amount\":-1}}]}}"),
            "/uses/0/amount",
        ),
        (format!("{{\"op\":\"consume\",{card},{uses},\"ttl_s\":1}}"), "/ttl_s"),
        (format!("{{\"op\":\"consume\",\"allocation\":\"{}\",{uses}}}", scene.foreign_card), "/allocation"),
        (format!("{{\"op\":\"reserve\",{card},{uses},\"ttl_s\":0}}"), "/ttl_s"),
        ("{\"op\":\"commit\"}".to_owned(), "/hold"),
        ("{\"op\":\"release\",\"hold\":7}".to_owned(), "/hold"),
        (format!("{{\"op\":\"commit\",\"hold\":\"{}\",\"floor\":[]}}", scene.hold), "/floor"),
        (format!("{{\"op\":\"extend\",\"hold\":\"{}\"}}", scene.hold), "/ttl_s"),
        (format!("{{\"op\":\"commit\",\"hold\":\"{}\"}}", scene.card), "/hold"),
        (format!("{{\"op\":\"commit\",\"hold\":\"{}\"}}", scene.foreign_hold), "/hold"),
        ("{\"op\":\"commit\",\"hold\":\"hld_00000000000000000000000000\"}".to_owned(), "/hold"),
    ]
}
