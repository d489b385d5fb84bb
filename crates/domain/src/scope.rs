//! Scope: with which tools and on which resources units may be used.

use crate::text::{ResourceName, ToolName};
use std::collections::BTreeSet;

/// The most names of one kind in a scope: more is a role, not a task.
pub const SCOPE_NAMES_MAX: usize = 256;

/// What an allocation may be used for. A kind that is not restricted is `None`; a restricted kind admits just what it
/// names, and a call that does not say what it is does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Tools, as in the dimension `tool`.
    pub tools: Option<BTreeSet<ToolName>>,
    /// Resources, as in the dimension `resource`.
    pub resources: Option<BTreeSet<ResourceName>>,
}

impl Scope {
    /// May a call with this tool on this resource draw on it?
    pub fn admits(&self, tool: Option<&str>, resource: Option<&str>) -> bool {
        fits(self.tools.as_ref(), tool, ToolName::as_str)
            && fits(self.resources.as_ref(), resource, ResourceName::as_str)
    }

    /// Does this admit nothing that `parent` does not?
    pub fn within(&self, parent: &Self) -> bool {
        narrows(self.tools.as_ref(), parent.tools.as_ref())
            && narrows(self.resources.as_ref(), parent.resources.as_ref())
    }

    /// This scope where it restricts, the parent's where it does not say.
    pub fn or(self, parent: &Self) -> Self {
        Self {
            tools: self.tools.or_else(|| parent.tools.clone()),
            resources: self.resources.or_else(|| parent.resources.clone()),
        }
    }
}

fn fits<N>(names: Option<&BTreeSet<N>>, asked: Option<&str>, text: fn(&N) -> &str) -> bool {
    names.is_none_or(|names| asked.is_some_and(|asked| names.iter().any(|name| text(name) == asked)))
}

fn narrows<N: Ord>(child: Option<&BTreeSet<N>>, parent: Option<&BTreeSet<N>>) -> bool {
    match (child, parent) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(child), Some(parent)) => child.is_subset(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(names: &[&str]) -> Scope {
        Scope { tools: Some(names.iter().map(|n| ToolName::parse(n).unwrap()).collect()), resources: None }
    }

    #[test]
    fn a_restricted_scope_admits_only_calls_that_say_they_fit() {
        assert!(tools(&["render"]).admits(Some("render"), None));
        assert!(!tools(&["render"]).admits(Some("upload"), None));
        assert!(!tools(&["render"]).admits(None, None));
        assert!(Scope::default().admits(None, Some("anything")));
    }

    #[test]
    fn a_child_only_narrows() {
        assert!(tools(&["render"]).within(&tools(&["render", "upload"])));
        assert!(!tools(&["delete"]).within(&tools(&["render", "upload"])));
        assert!(!Scope::default().within(&tools(&["render"])));
        assert!(Scope::default().or(&tools(&["render"])).within(&tools(&["render"])));
    }
}
