//! What to do about an error, in one line.

use crate::{
    core::{Address, Error, ErrorKind},
    docs::codes,
};

/// What to do about an error of a step on `address`; `command` gives the command line of a command on the same stack.
pub fn remedy(error: &Error, address: &Address, command: &dyn Fn(&str) -> String) -> Option<String> {
    let text = match error.code.as_str() {
        "DBSubnetGroupDoesNotCoverEnoughAZs" => "use subnets of at least two availability zones".to_owned(),
        "InsufficientFreeAddressesInSubnet" => "use a larger subnet, or free addresses in this one".to_owned(),
        "UnsupportedAvailabilityZoneException" => "use subnets in other availability zones: AWS lists those it takes".to_owned(),
        "InsufficientInstanceCapacity" | "InsufficientDBInstanceCapacity" => {
            "take another class or another availability zone, or try later: AWS has none left there".to_owned()
        }
        "BucketAlreadyExists" => format!("give `{address}` another name: those of buckets are unique in all of AWS"),
        "DBSnapshotNotFound" => "name one that is there: `aws rds describe-db-snapshots` lists them".to_owned(),
        "Failed" => format!("AWS's console says more: look for the events of `{address}`"),
        "NotKept" => "set it to what AWS shows, or find out who else changes it".to_owned(),
        "TimedOut" => format!("see in AWS's console what it waits for; the next `{}` goes on waiting", command("apply")),
        code if error.is_credential_error() || is_quota(code) => return general_remedy(error),
        _ => match error.kind {
            ErrorKind::AccessDenied => format!("allow it: `{}` prints what this stack needs", command("policy")),
            ErrorKind::AlreadyExists => {
                format!("give `{address}` another name, or adopt what is there: `{} {address} ID`", command("import"))
            }
            ErrorKind::Conflict => "remove what uses it, or wait until that is done, then try again".to_owned(),
            ErrorKind::NotYetVisible => "see whether its role has the trust and the permissions that AWS misses".to_owned(),
            ErrorKind::NotFound => format!("it was deleted meanwhile: `{}` shows what is there now", command("plan")),
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Rejected => return general_remedy(error),
        },
    };
    Some(text)
}

/// What to do about an error whatever was asked.
pub fn general_remedy(error: &Error) -> Option<String> {
    let code = error.code.as_str();
    let text = match error.kind {
        _ if code == "NoCredentials" => {
            "sign in with `aws login`, `aws sso login` or `aws configure`, or name a profile by `--profile`".to_owned()
        }
        _ if error.is_credential_error() => "renew the credentials".to_owned(),
        _ if is_quota(code) => "ask AWS for a higher quota (Service Quotas), or do with fewer".to_owned(),
        ErrorKind::AccessDenied => "allow it: `acme policy STACK.yaml` prints what a stack needs".to_owned(),
        ErrorKind::Throttled => "others use up the account's rate of calls: try again later".to_owned(),
        ErrorKind::Unavailable => "see to network, proxy and endpoint, then try again".to_owned(),
        _ if codes::all_codes().any(|(known, _)| known == code) => format!("`acme explain {code}` tells more"),
        _ => return None,
    };
    Some(text)
}

/// Every service has its own name for "too many of these".
fn is_quota(code: &str) -> bool {
    ["LimitExceeded", "LimitsExceeded", "QuotaExceeded", "TooMany"].iter().any(|part| code.contains(part))
        && !code.ends_with(".Rate")
        && !code.contains("Request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_errors_have_a_remedy() {
        let command = |command: &str| format!("acme {command} shop.yaml");
        let codes = [
            "AddressLimitExceeded",
            "VpcLimitExceeded",
            "ResourceLimitExceededException",
            "InstanceQuotaExceeded",
            "TooManyBuckets",
            "RequestLimitExceeded",
            "TooManyRequestsException",
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "DBSnapshotNotFound",
            "UnauthorizedOperation",
            "AccessDeniedException",
            "ExpiredToken",
            "BucketAlreadyExists",
            "DependencyViolation",
            "PrincipalNotFound",
            "InvalidVpcID.NotFound",
            "NotKept",
            "NotVisible",
            "InvalidParameterValue",
        ];
        let lines = codes.map(|code| {
            let remedy = remedy(&Error::from_code(code, ""), &Address::new("vpc", "main"), &command);
            format!("{code}: {}", remedy.as_deref().unwrap_or("none"))
        });
        insta::assert_snapshot!(lines.join("\n"));
    }
}
