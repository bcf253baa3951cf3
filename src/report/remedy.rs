//! Remedies for errors, one line each.

use crate::{
    core::{Address, Error, ErrorKind},
    docs::codes,
};

/// Remedy for an error of a step on `address`; `command` returns the command line of a command on the same stack.
pub fn remedy(error: &Error, address: &Address, command: &dyn Fn(&str) -> String) -> Option<String> {
    let text = match error.code.as_str() {
        "DBSubnetGroupDoesNotCoverEnoughAZs" => "use subnets of at least two availability zones".to_owned(),
        "InsufficientFreeAddressesInSubnet" => "use a larger subnet, or free addresses in this one".to_owned(),
        "UnsupportedAvailabilityZoneException" => "use subnets in other availability zones: the message lists supported ones".to_owned(),
        "InsufficientInstanceCapacity" | "InsufficientDBInstanceCapacity" => {
            "use another class or availability zone, or try later: AWS has no capacity left there".to_owned()
        }
        "BucketAlreadyExists" => format!("give `{address}` another name: bucket names are unique across all of AWS"),
        // The code is not documented, the sentence is CodeBuild's.
        _ if error.message.contains("concurrent build limit cannot exceed") => {
            format!(
                "remove `concurrent_builds` from `{address}`, set it to at most the account's quota, or request a higher quota in Service Quotas"
            )
        }
        "DBSnapshotNotFound" => "choose an existing snapshot: `aws rds describe-db-snapshots` lists them".to_owned(),
        "Failed" => format!("check the events of `{address}` in the AWS console"),
        "DeletedOutside" => format!("find out who deletes it; `{}` then creates it again", command("apply")),
        "NotKept" => "set the field to the value AWS returns, or find out what else changes it".to_owned(),
        "TimedOut" => {
            format!("check its status in the AWS console; the next `{}` continues to wait, `timeouts` sets a longer time", command("apply"))
        }
        "SignatureDoesNotMatch" | "OptInRequired" => return general_remedy(error),
        code if error.is_credential_error() || is_quota(code) || is_clock_error(error) => return general_remedy(error),
        _ => match error.kind {
            ErrorKind::AccessDenied => format!("grant the permission: `{}` prints the policies this stack needs", command("policy")),
            ErrorKind::AlreadyExists => {
                format!("give `{address}` another name, or adopt the existing resource: `{} {address} ID`", command("import"))
            }
            ErrorKind::Conflict => "remove the resource that uses it, or wait until it is done, then try again".to_owned(),
            ErrorKind::NotYetVisible => "check that its role has the trust policy and the permissions AWS requires".to_owned(),
            ErrorKind::NotFound => format!("it was deleted in the meantime: `{}` shows the current state", command("plan")),
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Rejected => return general_remedy(error),
        },
    };
    Some(text)
}

/// Remedy for an error outside a step.
pub fn general_remedy(error: &Error) -> Option<String> {
    let code = error.code.as_str();
    let text = match error.kind {
        _ if code == "NoCredentials" && error.message.contains("can't assume the role") => {
            let external_id = if error.message.contains("with an external id") { " with this external id" } else { "" };
            format!("its trust policy must allow the caller `sts:AssumeRole`{external_id}, and the caller's policy this role")
        }
        _ if is_clock_error(error) => {
            "set the clock of this machine: AWS accepts requests of the last few minutes only; or renew the credentials".to_owned()
        }
        _ if code == "SignatureDoesNotMatch" => "check the secret access key: it does not belong to the access key".to_owned(),
        _ if code == "OptInRequired" => "activate the service for the account in the AWS console".to_owned(),
        _ if code == "NoCredentials" => {
            "sign in with `aws login`, `aws sso login` or `aws configure`, or choose a profile with `--profile`".to_owned()
        }
        _ if error.is_credential_error() => "renew the credentials".to_owned(),
        _ if is_quota(code) => "request a quota increase in Service Quotas, or use fewer".to_owned(),
        ErrorKind::AccessDenied => "grant the permission: `acme policy` prints the policies a stack needs".to_owned(),
        ErrorKind::Throttled => "other clients use up the account's request rate: try again later".to_owned(),
        ErrorKind::Unavailable => "check network, proxy and endpoint, then try again".to_owned(),
        _ if codes::all_codes().any(|(known, _)| known == code) => format!("run `acme explain {code}` for details"),
        _ => return None,
    };
    Some(text)
}

/// Whether AWS rejected a request because of its time, which services report by different codes.
fn is_clock_error(error: &Error) -> bool {
    let says_time = ["Signature expired", "Signature not yet current", "not yet current"].iter().any(|words| error.message.contains(words));
    says_time || matches!(error.code.as_str(), "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture")
}

/// Whether a code reports an exceeded quota: every service has its own name for it.
fn is_quota(code: &str) -> bool {
    ["LimitExceeded", "LimitsExceeded", "QuotaExceeded", "TooMany"].iter().any(|part| code.contains(part))
        && !code.ends_with(".Rate")
        && !code.contains("Request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_credentials_have_their_own_remedies() {
        for (code, message, expected) in [
            ("RequestTimeTooSkewed", "The difference is too large.", "set the clock"),
            ("SignatureDoesNotMatch", "Signature expired: 20261201T000000Z is now earlier than 20261201T031000Z", "set the clock"),
            ("SignatureDoesNotMatch", "The request signature we calculated does not match", "check the secret access key"),
            ("OptInRequired", "The AWS Access Key Id needs a subscription for the service", "activate the service"),
            ("ExpiredToken", "The security token included in the request is expired", "renew the credentials"),
        ] {
            let remedy = general_remedy(&Error::from_code(code, message)).unwrap_or_default();
            assert!(remedy.starts_with(expected), "{code}: {remedy}");
        }
        let role = Error::new(
            ErrorKind::AccessDenied,
            "NoCredentials",
            "no credentials: can't assume the role arn:aws:iam::1:role/a: AccessDenied",
        );
        assert!(general_remedy(&role).is_some_and(|remedy| remedy.starts_with("its trust policy")));
    }

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
        let limit = Error::from_code(
            "InvalidInputException",
            "Project-level concurrent build limit cannot exceed the account-level concurrent build limit of 1",
        );
        let shown = remedy(&limit, &Address::new("codebuild_project", "main"), &command);
        assert!(shown.is_some_and(|text| text.contains("remove `concurrent_builds` from `codebuild_project.main`")));
        let lines = codes.map(|code| {
            let remedy = remedy(&Error::from_code(code, ""), &Address::new("vpc", "main"), &command);
            format!("{code}: {}", remedy.as_deref().unwrap_or("none"))
        });
        insta::assert_snapshot!(lines.join("\n"));
    }
}
