//! Amounts: non-negative integers of a feature's smallest unit, and how they are written.

use thiserror::Error;

/// An amount of a metered feature in its smallest unit (for a scale of 2, `125` is 1.25). Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Units(i64);

/// Decimal places of a feature's unit: 0 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u8);

/// Why a value is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitsError {
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Zero where something must be asked for.
    #[error("must be greater than zero")]
    Zero,
    /// Not a plain decimal number.
    #[error("must be an integer or a decimal string such as \"1.25\"")]
    NotDecimal,
    /// More decimal places than the feature's unit has.
    #[error("has more than {0} decimal places, the scale of this feature's unit")]
    BeyondScale(u8),
    /// Larger than the ledger can hold.
    #[error("is larger than 9223372036854775807 of the smallest unit")]
    TooLarge,
    /// A scale above 9.
    #[error("a scale is between 0 and 9")]
    Scale,
}

impl Scale {
    /// Whole units only.
    pub const WHOLE: Self = Self(0);
    /// The finest: a billionth.
    pub const MAX: u8 = 9;

    /// A scale of `places` decimal places, 0 to 9.
    pub fn new(places: u8) -> Result<Self, UnitsError> {
        if places > Self::MAX { Err(UnitsError::Scale) } else { Ok(Self(places)) }
    }

    /// Decimal places.
    pub const fn places(self) -> u8 {
        self.0
    }
}

impl Units {
    /// None at all.
    pub const ZERO: Self = Self(0);
    /// As many as the ledger can hold.
    pub const MAX: Self = Self(i64::MAX);

    /// `count` of the smallest unit; refused below zero.
    pub fn new(count: i64) -> Result<Self, UnitsError> {
        if count < 0 { Err(UnitsError::Negative) } else { Ok(Self(count)) }
    }

    /// How many of the smallest unit.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// None at all?
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, unless it is larger than the ledger can hold.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it is below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        if other.0 > self.0 { None } else { Some(Self(self.0 - other.0)) }
    }

    /// The difference, or zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        self.checked_sub(other).unwrap_or(Self::ZERO)
    }

    /// The sum, or the most the ledger can hold.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Whole units of a feature with this scale, as a customer writes them: 5 at scale 2 is 500.
    pub fn whole(count: i64, scale: Scale) -> Result<Self, UnitsError> {
        if count < 0 {
            return Err(UnitsError::Negative);
        }
        count.checked_mul(10_i64.pow(u32::from(scale.0))).map(Self).ok_or(UnitsError::TooLarge)
    }

    /// Reads a plain decimal (`12`, `1.25`; no sign, exponent, space or leading dot) at the given scale.
    pub fn parse(text: &str, scale: Scale) -> Result<Self, UnitsError> {
        if let Some(rest) = text.strip_prefix('-') {
            return Err(if is_plain(rest) { UnitsError::Negative } else { UnitsError::NotDecimal });
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let places = usize::from(scale.0);
        if !is_plain(text) {
            return Err(UnitsError::NotDecimal);
        }
        if fraction.trim_end_matches('0').len() > places {
            return Err(UnitsError::BeyondScale(scale.0));
        }
        let mut value = 0_i64;
        let digits = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(places));
        for digit in digits {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(i64::from(digit - b'0')))
                .ok_or(UnitsError::TooLarge)?;
        }
        Ok(Self(value))
    }

    /// Writes the shortest plain decimal that reads back as this amount at the given scale.
    pub fn display(self, scale: Scale) -> String {
        if scale.0 == 0 {
            return self.0.to_string();
        }
        let one = 10_i64.pow(u32::from(scale.0));
        let fraction = format!("{:0width$}", self.0 % one, width = usize::from(scale.0));
        match fraction.trim_end_matches('0') {
            "" => (self.0 / one).to_string(),
            fraction => format!("{}.{fraction}", self.0 / one),
        }
    }
}

/// Digits, perhaps with one dot that has digits on both sides. At most 40 letters: nothing longer is an amount.
fn is_plain(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 40
        && match text.split_once('.') {
            None => digits(text),
            Some((whole, fraction)) => digits(whole) && digits(fraction),
        }
}

impl std::iter::Sum for Units {
    /// Saturating: a sum that reaches [`Units::MAX`] fails whatever comparison it is used in.
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        let two = Scale(2);
        assert_eq!(Units::parse("1.25", two), Ok(Units(125)));
        assert_eq!(Units::parse("1.250", two), Ok(Units(125)));
        assert_eq!(Units::parse("7", two), Ok(Units(700)));
        assert_eq!(Units::parse("1.255", two), Err(UnitsError::BeyondScale(2)));
        assert_eq!(Units::parse("-1", two), Err(UnitsError::Negative));
        assert_eq!(Units::parse("9223372036854775808", Scale(0)), Err(UnitsError::TooLarge));
        assert_eq!(Units::parse("92233720368547758.08", two), Err(UnitsError::TooLarge));
        for text in ["", ".", "1.", ".5", "1e3", "+1", " 1", "NaN", "0x10", "1,5", "--1", "1.2.3"] {
            assert_eq!(Units::parse(text, two), Err(UnitsError::NotDecimal), "{text:?}");
        }
    }

    #[test]
    fn amounts_are_written_as_short_as_they_read_back() {
        assert_eq!(Units(125).display(Scale(2)), "1.25");
        assert_eq!(Units(120).display(Scale(2)), "1.2");
        assert_eq!(Units(100).display(Scale(2)), "1");
        assert_eq!(Units(5).display(Scale(3)), "0.005");
        assert_eq!(Units(5).display(Scale::WHOLE), "5");
    }
}
