//! Stored values read back: a row that a newer or broken program wrote is a fault, never a guess.

use crate::trouble::Trouble;
use almoner_domain::calendar::Calendar;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;

/// A value that must parse.
pub(crate) fn parsed<T, E: std::fmt::Display>(noun: &'static str, result: Result<T, E>) -> Result<T, Trouble> {
    result.map_err(|error| Trouble::row(noun, error))
}

/// A calendar. Those that were written before local anchors were kept have the instant alone.
pub(crate) fn calendar(noun: &'static str, anchor: i64, local: Option<&str>, zone: &str) -> Result<Calendar, Trouble> {
    parsed(
        noun,
        match local {
            Some(local) => Calendar::local(local, zone),
            None => Calendar::new(Timestamp::from_micros(anchor), zone),
        },
    )
}

/// A word of a closed list.
pub(crate) fn word<T>(noun: &'static str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Trouble> {
    parse(text).ok_or_else(|| Trouble::row(noun, format!("the word {text:?}")))
}

/// Units.
pub(crate) fn units(noun: &'static str, count: i64) -> Result<Units, Trouble> {
    parsed(noun, Units::new(count))
}

/// A hash of 16 bytes.
pub(crate) fn hash16(noun: &'static str, bytes: &[u8]) -> Result<[u8; 16], Trouble> {
    bytes.try_into().map_err(|_| Trouble::row(noun, format!("a hash of {} bytes", bytes.len())))
}

/// A whole number in another width.
pub(crate) fn number<N, M: TryFrom<N>>(noun: &'static str, number: N) -> Result<M, Trouble>
where
    N: Copy + std::fmt::Display,
{
    M::try_from(number).map_err(|_| Trouble::row(noun, format!("the number {number}")))
}
