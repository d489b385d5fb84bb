//! Amounts: what is written reads back, and reading never guesses.

use crate::config;
use almoner_domain::units::{Scale, Units, UnitsError};
use proptest::prelude::*;

fn scale() -> impl Strategy<Value = Scale> {
    (0..=Scale::MAX).prop_map(|places| Scale::new(places).unwrap())
}

fn any_units() -> impl Strategy<Value = Units> {
    prop_oneof![0..1_000_i64, 0..=i64::MAX].prop_map(|count| Units::new(count).unwrap())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_amount_reads_back_as_it_was_written(amount in any_units(), scale in scale()) {
        prop_assert_eq!(Units::parse(&amount.display(scale), scale), Ok(amount));
    }

    #[test]
    fn no_shorter_text_reads_back_as_the_same_amount(amount in any_units(), scale in scale()) {
        let text = amount.display(scale);
        prop_assert!(!text.contains('.') || !text.ends_with('0'), "{text}");
        prop_assert!(text == "0" || !text.starts_with('0') || text.starts_with("0."), "{text}");
    }

    #[test]
    fn zeros_that_say_nothing_change_nothing(amount in any_units(), scale in scale(), zeros in 1..4_usize) {
        let text = amount.display(scale);
        let dot = if text.contains('.') { "" } else { "." };
        let padded = format!("00{text}{dot}{}", "0".repeat(zeros));
        prop_assert_eq!(Units::parse(&padded, scale), Ok(amount));
    }

    #[test]
    fn a_finer_amount_than_the_unit_is_refused_not_rounded(whole in 0..1_000_i64, scale in 0..Scale::MAX) {
        let text = format!("{whole}.{}1", "0".repeat(usize::from(scale)));
        prop_assert_eq!(Units::parse(&text, Scale::new(scale).unwrap()), Err(UnitsError::BeyondScale(scale)));
    }

    #[test]
    fn reading_any_text_gives_an_amount_or_a_reason(text in "[-+0-9. eE]{0,24}", scale in scale()) {
        if let Ok(amount) = Units::parse(&text, scale) {
            prop_assert_eq!(Units::parse(&amount.display(scale), scale), Ok(amount));
        }
    }

    #[test]
    fn whole_units_are_written_without_a_dot(count in 0..1_000_000_000_i64, scale in scale()) {
        prop_assert_eq!(Units::whole(count, scale).unwrap().display(scale), count.to_string());
    }
}
