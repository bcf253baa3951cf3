//! Durations as text.

/// Formats a duration: `45 s`, `3 min`, `1 h 05 min`.
pub fn format_duration(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Formats a precise duration: `3.2 s`, `3 min 20 s`, `1 h 05 min`.
pub fn format_elapsed(time: std::time::Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format_duration(time),
    }
}
