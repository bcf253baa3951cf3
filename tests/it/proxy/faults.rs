//! Failures that the proxy injects.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::wire::Response;

/// Injected failures.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Every n-th call is rejected with the service's throttling code.
    pub throttle_every: Option<usize>,
    /// Every n-th call, if it is a read, gets an internal error or no response, alternately, and at most twice per call.
    pub fail_read_every: Option<usize>,
    /// From the n-th call on, the credentials are expired.
    pub expire_credentials_from: Option<usize>,
    /// Time after a write for which the service's reads return the old state, and new resources are unknown.
    pub read_lag: BTreeMap<&'static str, Duration>,
    /// Happens before the n-th write that is not to S3, counted from 1, reaches the stand-in.
    pub before_change: Option<(usize, Kill)>,
    /// Failure of one write, counted from 1, without throttled ones.
    pub at_write: Option<(usize, WriteFault)>,
    /// Time by which responses to writes, except for those to S3, are late.
    pub delay_writes: Duration,
    /// The connection of one write to S3, counted from 1, is dropped after the write has taken effect.
    pub at_backend_write: Option<usize>,
}

/// Failure of a write.
#[derive(Clone, Debug)]
pub enum WriteFault {
    /// It is rejected for lack of permission, and does not reach the stand-in.
    Refuse,
    /// Same for it and every later write.
    RefuseFromHere,
    /// It takes effect, but the response is lost.
    LoseResponse,
    /// It takes effect, but its response is changed on the way.
    SpoilResponse(Spoiled),
    /// Something happens, and it is rejected.
    RefuseAfter(Kill),
    /// Something happens before it reaches the stand-in.
    Before(Kill),
    /// The caller is killed before the write reaches the stand-in.
    KillBefore(Kill),
    /// The caller is killed after the write, before it receives the response.
    KillAfter(Kill),
}

/// A response that was changed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// The body is garbage.
    Garbled,
    /// Half of the body is missing.
    Cut,
    /// The body is missing.
    Empty,
    /// A load balancer in between answers that the service is unavailable.
    Unavailable,
}

impl Spoiled {
    pub const ALL: [Spoiled; 4] = [Spoiled::Garbled, Spoiled::Cut, Spoiled::Empty, Spoiled::Unavailable];

    pub fn spoil(self, response: Response) -> Response {
        let Response { status, mut headers, mut body } = response;
        headers.retain(|(name, _)| name != "content-length");
        match self {
            Spoiled::Garbled => body = b"\x00<}{\xff garbage".to_vec(),
            Spoiled::Cut => body.truncate(body.len() / 2),
            Spoiled::Empty => body.clear(),
            Spoiled::Unavailable => {
                let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
                return Response { status: 503, headers, body: b"<html>503 Service Unavailable</html>".to_vec() };
            }
        }
        Response { status, headers, body }
    }
}

/// Kills the caller.
#[derive(Clone)]
pub struct Kill(pub Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kill")
    }
}
