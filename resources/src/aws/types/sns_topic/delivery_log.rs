//! Logs of deliveries.

use std::collections::BTreeMap;

use super::super::{iam_role::IamRole, prelude::*};
use crate::aws::to_aws;

/// Protocol whose deliveries can be logged.
#[spec]
#[derive(Copy)]
pub enum LoggedProtocol {
    /// Endpoints of mobile devices.
    Application,
    /// Firehose streams.
    Firehose,
    /// HTTP and HTTPS endpoints.
    Http,
    /// Lambda functions.
    Lambda,
    /// Queues.
    Sqs,
}

/// Logs of the deliveries by one protocol.
#[spec]
#[derive(Default, PartialEq)]
pub struct DeliveryLog {
    /// Role that SNS assumes to log successful deliveries.
    #[field(default, dropped = None)]
    pub success_role: Option<ArnRef<IamRole>>,
    /// Part of the successful deliveries that are logged, in percent.
    #[field(default = 0, range = 0..=100, requires = success_role)]
    pub success_sample_percent: u32,
    /// Role that SNS assumes to log failed deliveries.
    #[field(default, dropped = None)]
    pub failure_role: Option<ArnRef<IamRole>>,
}

impl LoggedProtocol {
    /// All protocols.
    pub(super) const ALL: [LoggedProtocol; 5] =
        [LoggedProtocol::Application, LoggedProtocol::Firehose, LoggedProtocol::Http, LoggedProtocol::Lambda, LoggedProtocol::Sqs];

    /// Name in attributes.
    fn prefix(self) -> String {
        let name = to_aws(&self);
        match self {
            LoggedProtocol::Http | LoggedProtocol::Sqs => name.to_uppercase(),
            _ => name[..1].to_uppercase() + &name[1..],
        }
    }
}

impl DeliveryLog {
    /// Attributes of a topic. An empty text removes a role.
    fn attributes(&self, protocol: LoggedProtocol) -> [(String, String); 3] {
        let [success_role, sample, failure_role] = names(protocol);
        let role = |role: &Option<ArnRef<IamRole>>| role.as_ref().map(|role| role.get().to_owned()).unwrap_or_default();
        let percent = self.success_role.as_ref().map(|_| self.success_sample_percent.to_string()).unwrap_or_default();
        [(success_role, role(&self.success_role)), (sample, percent), (failure_role, role(&self.failure_role))]
    }
}

/// Names of the attributes: role of successful deliveries, their percentage, and role of failed deliveries.
fn names(protocol: LoggedProtocol) -> [String; 3] {
    ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"].map(|name| format!("{}{name}", protocol.prefix()))
}

/// Attributes that differ.
pub(super) fn changed_attributes(
    live: &BTreeMap<LoggedProtocol, DeliveryLog>,
    wanted: &BTreeMap<LoggedProtocol, DeliveryLog>,
) -> Vec<(String, String)> {
    let of = |logs: &BTreeMap<LoggedProtocol, DeliveryLog>, protocol| logs.get(&protocol).cloned().unwrap_or_default().attributes(protocol);
    let pairs = LoggedProtocol::ALL.into_iter().flat_map(|protocol| of(live, protocol).into_iter().zip(of(wanted, protocol)));
    pairs.filter(|(live, wanted)| live != wanted).map(|(_, wanted)| wanted).collect()
}

/// The reverse: logs from the attributes of a topic.
pub(super) fn from_attributes<'a>(text: impl Fn(&str) -> Option<&'a str>) -> BTreeMap<LoggedProtocol, DeliveryLog> {
    let log = |protocol| {
        let [success_role, sample, failure_role] = names(protocol);
        let (success_role, failure_role) = (text(&success_role).map(ArnRef::to), text(&failure_role).map(ArnRef::to));
        let percent = text(&sample).filter(|_| success_role.is_some()).and_then(|text| text.parse().ok());
        DeliveryLog { success_role, success_sample_percent: percent.unwrap_or_default(), failure_role }
    };
    let logs = LoggedProtocol::ALL.into_iter().map(|protocol| (protocol, log(protocol)));
    logs.filter(|(_, log)| *log != DeliveryLog::default()).collect()
}
