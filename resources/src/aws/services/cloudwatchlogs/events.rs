//! Events of a log stream.

use crate::{
    aws::Aws,
    core::{Result, ok_or_not_found},
};

/// Events that follow a position in a log stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Messages, in the order of the stream.
    pub messages: Vec<String>,
    /// Position after them; `None` before the stream exists.
    pub position: Option<String>,
    /// Whether the stream has no further events at present.
    pub is_end: bool,
}

/// Reads the events after a position, from the beginning of the stream without one. A page may be empty although more events follow: the stream
/// has ended for now only when the returned position is the given one. A missing log group or stream is an empty stream.
///
/// # Errors
/// Returns errors of the service.
pub async fn read_events(aws: &Aws, group: &str, stream: &str, position: Option<&str>) -> Result<LogPage> {
    let call = aws.cloudwatchlogs.get_log_events().log_group_name(group).log_stream_name(stream).start_from_head(true);
    let Some(reply) = ok_or_not_found(call.set_next_token(position.map(str::to_owned)).send().await)? else {
        return Ok(LogPage { is_end: true, ..LogPage::default() });
    };
    let messages = reply.events.unwrap_or_default().into_iter().filter_map(|event| event.message).collect();
    let next = reply.next_forward_token;
    let is_end = next.is_none() || next.as_deref() == position;
    Ok(LogPage { messages, position: next.or_else(|| position.map(str::to_owned)), is_end })
}
