//! Scopes: down the chain they only narrow.

use crate::config;
use almoner_domain::scope::Scope;
use almoner_domain::text::{ResourceName, ToolName};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMES: [&str; 4] = ["render", "upload", "describe", "delete"];

fn names() -> impl Strategy<Value = Option<BTreeSet<&'static str>>> {
    proptest::option::of(proptest::collection::btree_set(proptest::sample::select(NAMES.to_vec()), 0..4))
}

fn scope() -> impl Strategy<Value = Scope> {
    (names(), names()).prop_map(|(tools, resources)| Scope {
        tools: tools.map(|names| names.iter().map(|name| ToolName::parse(name).unwrap()).collect()),
        resources: resources.map(|names| names.iter().map(|name| ResourceName::parse(name).unwrap()).collect()),
    })
}

fn call() -> impl Strategy<Value = (Option<&'static str>, Option<&'static str>)> {
    let name = || proptest::option::of(proptest::sample::select(NAMES.to_vec()));
    (name(), name())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_scope_within_another_admits_no_call_that_the_other_does_not(
        child in scope(), parent in scope(), (tool, resource) in call(),
    ) {
        if child.within(&parent) && child.admits(tool, resource) {
            prop_assert!(parent.admits(tool, resource));
        }
    }

    #[test]
    fn within_passes_down_the_chain(a in scope(), b in scope(), c in scope()) {
        // Chains are rare among random scopes, so each link is also made by narrowing.
        let b = b.or(&c);
        let a = a.or(&b);
        if a.within(&b) && b.within(&c) {
            prop_assert!(a.within(&c));
        }
    }

    #[test]
    fn what_a_child_leaves_open_is_its_parents(child in scope(), parent in scope()) {
        let merged = child.clone().or(&parent);
        prop_assert_eq!(&merged.tools, child.tools.as_ref().map_or(&parent.tools, |_| &child.tools));
        prop_assert!(Scope::default().or(&parent).within(&parent));
        prop_assert!(parent.within(&parent));
    }
}
