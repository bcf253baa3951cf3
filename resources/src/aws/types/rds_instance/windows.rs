//! Backup and maintenance windows.

use crate::core::{Pointer, Problem};

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A window that repeats: its start and its length, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: u32,
    length: u32,
}

impl Window {
    /// Reads `02:00-03:00`, or with days of the week `sun:04:00-sun:05:00`. `period` is the time after which it repeats.
    fn parse(text: &str, minute: fn(&str) -> Option<u32>, period: u32) -> Option<Window> {
        let (start, end) = text.split_once('-')?;
        let (start, end) = (minute(start)?, minute(end)?);
        Some(Window { start, length: (end + period - start) % period })
    }

    /// Whether a daily window overlaps this weekly one.
    fn overlaps_daily(self, daily: Window) -> bool {
        (0..7).any(|day| {
            let offset = (day * DAY + daily.start + WEEK - self.start) % WEEK;
            offset < self.length || offset + daily.length > WEEK
        })
    }
}

/// Shortest window of RDS, in minutes: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>.
pub(in crate::aws::types) const SHORTEST: u32 = 30;

/// Both windows have the shortest length, in minutes, and they don't overlap.
pub(in crate::aws::types) fn check(
    (at_backup, backup): (Pointer, &Option<String>),
    (at_maintenance, maintenance): (Pointer, &Option<String>),
    shortest: u32,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut read = |text: &Option<String>, minute: fn(&str) -> Option<u32>, period, at: Pointer, example: &str| {
        let text = text.as_ref().filter(|text| !text.contains("${"))?;
        let window = Window::parse(text, minute, period);
        let message = match window {
            None => format!("`{text}` is not a valid window"),
            Some(window) if window.length < shortest => format!("`{text}` is shorter than {shortest} minutes"),
            _ => return window,
        };
        problems.push(Problem::new(at, message).help(format!("a window looks like `{example}`")));
        None
    };
    let backup = read(backup, minute_of_day, DAY, at_backup.clone(), "02:00-03:00");
    let maintenance = read(maintenance, minute_of_week, WEEK, at_maintenance.clone(), "sun:04:00-sun:05:00");
    if let (Some(backup), Some(maintenance)) = (backup, maintenance)
        && maintenance.overlaps_daily(backup)
    {
        let message = format!("overlaps `{}`", at_backup.as_str().trim_start_matches('/'));
        problems.push(Problem::new(at_maintenance, message).help("move one of them"));
    }
    problems
}

/// Whether two windows differ only in the case of their days: AWS reports lowercase letters.
pub(in crate::aws::types) fn same(ours: &Option<String>, theirs: &Option<String>) -> bool {
    ours.as_ref().zip(theirs.as_ref()).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
}

fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn minute_of_week(text: &str) -> Option<u32> {
    let (day, time) = text.split_once(':')?;
    let day = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(day))?;
    Some(u32::try_from(day).ok()? * DAY + minute_of_day(time)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(backup: &str, maintenance: &str) -> Option<bool> {
        let daily = Window::parse(backup, minute_of_day, DAY)?;
        Some(Window::parse(maintenance, minute_of_week, WEEK)?.overlaps_daily(daily))
    }

    #[test]
    fn finds_overlaps_across_midnight_and_weeks() {
        for (backup, maintenance, expected) in [
            ("02:00-03:00", "sun:03:00-sun:04:00", false),
            ("02:00-03:00", "Sun:02:30-sun:04:00", true),
            ("23:30-00:30", "mon:00:00-mon:01:00", true),
            ("23:30-00:30", "sun:23:00-mon:00:00", true),
            ("23:30-00:30", "sun:22:00-sun:23:30", false),
            ("05:00-06:00", "sun:04:00-sun:08:00", true),
            ("04:00-08:00", "sun:05:00-sun:06:00", true),
        ] {
            assert_eq!(overlap(backup, maintenance), Some(expected), "{backup} {maintenance}");
        }
    }

    #[test]
    fn rejects_what_is_no_time() {
        for window in ["24:00-01:00", "02:60-03:00", "02:00"] {
            assert_eq!(Window::parse(window, minute_of_day, DAY), None, "{window}");
        }
        assert_eq!(Window::parse("day:02:00-sun:03:00", minute_of_week, WEEK), None);
    }
}
