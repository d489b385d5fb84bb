//! Documents that cost more to answer than to send: each is refused before it is run.

/// What each is, and the document.
pub fn documents() -> Vec<(&'static str, String)> {
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    vec![
        ("a thousand aliases", format!("{{ {} }}", many(1_000, &|n| format!("a{n}: node(id: \"alc_1\") {{ id }} ")))),
        ("forty aliases", format!("{{ {} }}", many(40, &|n| format!("a{n}: feature(key: \"x\") {{ id }} ")))),
        (
            "a thousand directives",
            format!("{{ plans {} {{ edges {{ cursor }} }} }}", many(1_000, &|_| "@a ".to_owned())),
        ),
        (
            "ten directives",
            format!("{{ plans {} {{ edges {{ cursor }} }} }}", many(10, &|_| "@skip(if: false) ".to_owned())),
        ),
        (
            "depth 100",
            format!("{{ node(id: \"x\") {{ ... on Allocation {}id{} }} }}", "{ parent ".repeat(100), " }".repeat(100)),
        ),
        (
            "depth 20",
            format!("{{ allocations {{ edges {{ node {}id{} }} }} }}", "{ parent ".repeat(20), " }".repeat(20)),
        ),
        (
            "circular fragments",
            "{ plans { edges { node { ...A } } } } fragment A on Plan { ...B } fragment B on Plan { ...A }".to_owned(),
        ),
        ("field duplication", format!("{{ plans {{ edges {{ node {{ {} }} }} }} }}", "name ".repeat(5_000))),
        (
            "pages within pages",
            "{ customers(first: 100) { edges { node { users(first: 100) { edges { node { id } } } } } } }".to_owned(),
        ),
        ("a page of a million", "{ customers(first: 1000000) { edges { node { id } } } }".to_owned()),
        ("a page of less than nothing", "{ customers(first: -1) { edges { node { id } } } }".to_owned()),
        ("nested lists", format!("{{ plan(externalId: {}1{}) {{ id }} }}", "[".repeat(500), "]".repeat(500))),
        ("no document", String::new()),
        ("a megabyte", format!("{{ plan(externalId: \"{}\") {{ id }} }}", "x".repeat(1024 * 1024))),
    ]
}
