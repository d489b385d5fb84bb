//! Answers taken apart, each looked at as strictly as a user would who relies on it.

use serde_json::Value;

/// A decision: an allow, or a denial that says why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision(pub Value);

impl Decision {
    /// Was it allowed?
    pub fn allowed(&self) -> bool {
        match self.0["decision"].as_str() {
            Some("allow") => true,
            Some("deny") => false,
            _ => panic!("neither allow nor deny: {}", self.0),
        }
    }

    /// Our id of it.
    pub fn id(&self) -> &str {
        text(&self.0["decision_id"])
    }

    /// Why not.
    pub fn reason(&self) -> &str {
        self.0["reason"].as_str().unwrap_or_default()
    }

    /// Who said no.
    pub fn level(&self) -> &str {
        self.0["level"].as_str().unwrap_or_default()
    }

    /// One sentence.
    pub fn message(&self) -> &str {
        self.0["message"].as_str().unwrap_or_default()
    }

    /// The hold that it opened or settled.
    pub fn hold(&self) -> &str {
        text(&self.0["hold"])
    }

    /// What it says of a feature.
    pub fn used(&self, feature: &str) -> &Value {
        by_feature(&self.0["uses"], feature)
    }

    /// Units granted of a feature.
    pub fn granted(&self, feature: &str) -> i64 {
        number(&self.used(feature)["granted"])
    }

    /// Units left of a feature.
    pub fn remaining(&self, feature: &str) -> i64 {
        number(&self.used(feature)["remaining"])
    }
}

/// Where the units of one feature stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Issued or carved into it.
    pub granted: i64,
    /// To be had.
    pub free: i64,
    /// Carved out of it.
    pub carved: i64,
    /// With a gate that has fallen silent.
    pub leased: i64,
    /// Set aside.
    pub held: i64,
    /// Spent.
    pub used: i64,
    /// Over.
    pub lapsed: i64,
}

impl Line {
    /// Reads a line, whose parts must sum up.
    ///
    /// # Panics
    /// Panics when they do not: that is the promise on every statement.
    pub fn read(line: &Value) -> Self {
        let part = |name: &str| number(&line[name]);
        let read = Self {
            granted: part("granted"),
            free: part("free"),
            carved: part("carved"),
            leased: part("leased"),
            held: part("held"),
            used: part("used"),
            lapsed: part("lapsed"),
        };
        let Self { granted, free, carved, leased, held, used, lapsed } = read;
        assert_eq!(granted, free + carved + leased + held + used + lapsed, "the equation does not hold: {line}");
        assert!(
            [granted, free, carved, leased, held, used, lapsed].iter().all(|part| *part >= 0),
            "below zero: {line}"
        );
        read
    }
}

/// The statement of an allocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement(pub Value);

impl Statement {
    /// Its id.
    pub fn id(&self) -> &str {
        text(&self.0["allocation"])
    }

    /// Whether it is usable, or why not any more.
    pub fn state(&self) -> &str {
        text(&self.0["state"])
    }

    /// Where the units of a feature stand.
    pub fn line(&self, feature: &str) -> Line {
        Line::read(by_feature(&self.0["lines"], feature))
    }

    /// What went back of a feature when it ended.
    pub fn returned(&self, feature: &str) -> i64 {
        number(&by_feature(&self.0["returned"], feature)["amount"])
    }
}

/// What a customer or user may use now.
#[derive(Debug, Clone, PartialEq)]
pub struct Month(pub Value);

impl Month {
    /// What it says of a feature.
    pub fn feature(&self, feature: &str) -> &Value {
        by_feature(&self.0["entitlements"], feature)
    }

    /// Where the units of a metered feature stand.
    pub fn line(&self, feature: &str) -> Line {
        Line::read(&self.feature(feature)["line"])
    }

    /// Units of a metered feature that may be used now.
    pub fn remaining(&self, feature: &str) -> i64 {
        number(&self.feature(feature)["remaining"])
    }
}

fn by_feature<'v>(list: &'v Value, feature: &str) -> &'v Value {
    let found = list.as_array().and_then(|all| all.iter().find(|one| one["feature"] == feature));
    found.unwrap_or_else(|| panic!("nothing of {feature} in {list}"))
}

/// A text that has to be there.
///
/// # Panics
/// Panics when it is not.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// An amount, which answers write as a decimal string. The shop's units are whole.
///
/// # Panics
/// Panics when it is written in another way.
pub fn number(value: &Value) -> i64 {
    let read = value.as_str().and_then(|text| text.parse().ok());
    read.unwrap_or_else(|| panic!("not an amount in a string: {value}"))
}
