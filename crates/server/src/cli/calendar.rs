//! `almoner calendar`: which usage periods a subscription would have.

use super::out::{self, say};
use super::{Done, table};
use almoner_domain::calendar::{Calendar, CalendarError, Window};
use almoner_domain::period::{Alignment, PeriodError, Recurrence, UsagePeriod, Weekday};
use almoner_domain::time::Timestamp;
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `calendar`.
#[derive(Debug, Args)]
pub(super) struct CalendarArgs {
    /// hour, day, week, month, quarter, year, a number of them such as "2 weeks", or never
    #[arg(long, value_parser = period)]
    period: UsagePeriod,
    /// Where the first period starts: a local time such as 2026-01-31T09:00, or an instant such as 2026-01-31T08:00:00Z. With
    /// --aligned it is not needed
    #[arg(long, value_name = "TIME", required_unless_present = "aligned")]
    anchor: Option<String>,
    /// In whose civil time: an IANA zone
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Count periods from the calendar (months from the 1st, days from midnight) and not from the anchor
    #[arg(long)]
    aligned: bool,
    /// With --aligned: where weeks begin
    #[arg(long, value_name = "DAY", default_value = "monday", requires = "aligned", value_parser = weekday)]
    week_start: Weekday,
    /// Begin with the period that this instant falls into, or with the first after it [default: the anchor]
    #[arg(long, value_name = "INSTANT", value_parser = Timestamp::parse)]
    from: Option<Timestamp>,
    /// How many
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Print JSON: a list of objects with start and end, in UTC
    #[arg(long)]
    json: bool,
}

fn period(text: &str) -> Result<UsagePeriod, PeriodError> {
    UsagePeriod::parse(&text.replace('-', " "))
}

fn weekday(text: &str) -> Result<Weekday, String> {
    Weekday::parse(&text.to_lowercase()).ok_or_else(|| "expected monday to sunday".to_owned())
}

pub(super) fn run(args: &CalendarArgs) -> Done {
    let windows = windows(args)?;
    let end = |window: &Window| window.end.map(|end| end.to_string());
    if args.json {
        let object = |window: &Window| json!({ "start": window.start.to_string(), "end": end(window) });
        say!("{:#}", Value::Array(windows.iter().map(object).collect()));
    } else {
        let row = |window: &Window| [window.start.to_string(), end(window).unwrap_or_else(|| "never".to_owned())];
        out::text(&table::render(["start", "end"], &windows.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(ExitCode::SUCCESS)
}

fn windows(args: &CalendarArgs) -> anyhow::Result<Vec<Window>> {
    let period = aligned(args)?;
    let calendar = calendar(args)?;
    let is_aligned = matches!(period, UsagePeriod::Every(every) if every.alignment() != Alignment::Anchor);
    let from = match (args.from, is_aligned) {
        (Some(from), true) => from,
        // Nothing comes before the first period.
        (Some(from), false) => from.max(calendar.anchor()),
        (None, _) if args.anchor.is_some() => calendar.anchor(),
        (None, _) => anyhow::bail!("give --from or --anchor: the calendar has no first period"),
    };
    let windows = calendar.windows(period, from).take(args.count.into()).collect::<Result<_, CalendarError>>();
    windows.context("the years before -9999 and after 9999 have no dates: ask for fewer periods")
}

fn aligned(args: &CalendarArgs) -> anyhow::Result<UsagePeriod> {
    match args.period {
        UsagePeriod::Every(every) if args.aligned => {
            let alignment = Alignment::Calendar { week_start: args.week_start };
            let every = Recurrence::new(every.count(), every.unit(), alignment).context("--period")?;
            Ok(UsagePeriod::Every(every))
        }
        period => Ok(period),
    }
}

fn calendar(args: &CalendarArgs) -> anyhow::Result<Calendar> {
    let made = match (&args.anchor, args.from) {
        (Some(text), _) => match Timestamp::parse(text) {
            Ok(instant) => Calendar::new(instant, &args.zone),
            Err(_) => Calendar::local(text, &args.zone),
        },
        // Windows of the calendar do not depend on it.
        (None, from) => Calendar::new(from.unwrap_or(Timestamp::from_micros(0)), &args.zone),
    };
    made.map_err(|error| {
        let flag = if error == CalendarError::Zone { "--zone" } else { "--anchor" };
        anyhow::Error::new(error).context(flag)
    })
}
