//! Secrets in plain text, which definitions must not contain and acme does not show.

use super::expression::references;

/// Stands for a secret that AWS reports. Definitions must not contain it.
pub const HIDDEN: &str = "****";

/// Ends of the names of settings that hold passwords and the like.
const SECRET_ENDS: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "ACCESS_KEY_ID",
    "PRIVATE_KEY",
    "SECRET_KEY",
    "AUTHORIZATION",
];

/// Whether the name of a setting, such as a variable or a header, says that its value is secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_uppercase().replace(['-', '.'], "_");
    let ends = |end: &&str| name.strip_suffix(*end).is_some_and(|start| start.is_empty() || !end.contains('_') || start.ends_with('_'));
    name == "COOKIE" || SECRET_ENDS.iter().any(ends)
}

/// Whether a setting holds a secret in plain text: by its name, because it is an address with a password, or because it is a private key. The
/// ARN of a secret is not secret, nor is a reference to it or a path into an event (`$.headers.key`).
pub fn is_plain_secret(name: &str, value: &str) -> bool {
    let names_place = value.contains("arn:aws")
        || value.starts_with("$.")
        || references(value).iter().any(|reference| reference.output.to_lowercase().ends_with("arn"));
    let is_secret = is_secret_name(name) && !value.is_empty();
    !names_place && (is_secret || has_password(value) || value.contains("PRIVATE KEY-----"))
}

/// Whether a text contains an address with a password: `postgres://shop:tiger@db.example.com/shop`. Variables in its place are not passwords.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
        password.is_some_and(|password| !password.is_empty() && !password.starts_with(['$', '{', '<', '*']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_names_of_secret_settings() {
        for name in [
            "PASSWORD",
            "DB_PASSWORD",
            "DBPASSWORD",
            "GITHUB_TOKEN",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "api-key",
            "npm_token",
            "--db-password",
            "X-Api-Key",
            "Proxy-Authorization",
            "Cookie",
            "spark.hadoop.fs.s3a.secret.key",
            "javax.jdo.option.ConnectionPassword",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["STAGE", "TOKEN_URL", "SECRET_NAME", "PUBLIC_KEY", "KEY", "PASSWORD_LENGTH", "SESSION_COOKIE"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn tells_secrets_from_places_of_secrets() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf";
        for (name, value) in [
            ("DB_PASSWORD", "tiger"),
            ("DB_PASSWORD", "${secret.db.name}"),
            ("DATABASE_URL", "postgres://shop:tiger@db.example.com:5432/shop"),
            ("CERTIFICATE", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"),
        ] {
            assert!(is_plain_secret(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("DB_SECRET", secret),
            ("DB_PASSWORD", &format!("EMR.secret@{secret}")),
            ("DB_PASSWORD", "EMR.secret@${secret.db.arn}"),
            ("DB_SECRET", "${aws_resource.db.SecretArn}"),
            ("X-Api-Key", "$.headers.key"),
            ("DB_PASSWORD", ""),
            ("DATABASE_URL", "postgres://shop@db.example.com:5432/shop"),
            ("DATABASE_URL", "postgres://shop:$PASSWORD@db.example.com/shop"),
            ("DATABASE_URL", "https://example.com:8443/a:b@c"),
        ] {
            assert!(!is_plain_secret(name, value), "{name}: {value}");
        }
    }
}
