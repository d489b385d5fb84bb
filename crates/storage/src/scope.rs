//! Scopes as they are stored: JSON, since they are read and written whole.

use crate::stored::parsed;
use crate::trouble::Trouble;
use almoner_domain::scope::Scope;
use almoner_domain::text::{ResourceName, TextError, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<String>>,
}

/// Writes a scope.
pub(crate) fn text(scope: &Scope) -> Result<String, Trouble> {
    let stored = Stored {
        tools: scope.tools.as_ref().map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
        resources: scope.resources.as_ref().map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
    };
    parsed("scope", serde_json::to_string(&stored))
}

/// Reads a scope.
pub(crate) fn read(text: &str) -> Result<Scope, Trouble> {
    let stored: Stored = parsed("scope", serde_json::from_str(text))?;
    Ok(Scope {
        tools: stored.tools.map(|names| set(&names, ToolName::parse)).transpose()?,
        resources: stored.resources.map(|names| set(&names, ResourceName::parse)).transpose()?,
    })
}

fn set<N: Ord>(names: &[String], parse: fn(&str) -> Result<N, TextError>) -> Result<BTreeSet<N>, Trouble> {
    names.iter().map(|name| parsed("scope", parse(name))).collect()
}
