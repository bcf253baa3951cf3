//! Command lines of acme's commands on the same stack, for remedies: they can be pasted into a shell.

use std::borrow::Cow;

use super::{Connection, Session, SessionOptions};

/// Commands that make no calls, and have no options for them.
const OFFLINE: [&str; 2] = ["policy", "validate"];

impl Session {
    /// Command line of one of acme's commands on the same stack, with all options that select it.
    pub fn command_line(&self, command: &str) -> String {
        self.options.command_line(command, &self.source.path)
    }
}

impl SessionOptions {
    /// Command line of one of acme's commands on the definition in `file`, with those of these options that it has.
    pub fn command_line(&self, command: &str, file: &str) -> String {
        let mut line = command_line(command, file, self.definition.environment.as_deref());
        let mut push = |option: &str, value: &str| line.push_str(&format!(" {option}{}", shell_quoted(value)));
        for (key, value) in &self.definition.set {
            push("--set ", &format!("{key}={value}"));
        }
        self.values.iter().for_each(|file| push("--values ", file));
        match &self.connection {
            _ if OFFLINE.contains(&command) => {}
            Connection::Simulated(folder) => push("--local=", &folder.display().to_string()),
            Connection::Aws { profile, endpoint_url, kube_proxy_url } => {
                let remote = self.remote_user.as_ref().and_then(|user| user.profile.as_ref());
                profile.iter().chain(remote).for_each(|profile| push("--profile ", profile));
                endpoint_url.iter().for_each(|url| push("--endpoint-url ", url));
                kube_proxy_url.iter().for_each(|url| push("--kube-proxy-url ", url));
            }
        }
        self.role.iter().filter(|_| !OFFLINE.contains(&command)).for_each(|role| push("--role ", role));
        self.region.iter().filter(|_| command != "validate").for_each(|region| push("--region ", region));
        self.backend.iter().filter(|_| !OFFLINE.contains(&command)).for_each(|backend| push("--backend ", &backend.to_string()));
        line
    }
}

/// Command line of one of acme's commands on the definition in `file`.
pub(super) fn command_line(command: &str, file: &str, environment: Option<&str>) -> String {
    let environment = environment.map(|name| format!(" --env {}", shell_quoted(name))).unwrap_or_default();
    format!("acme {command} {}{environment}", shell_quoted(file))
}

/// Text as one word of a POSIX shell.
pub fn shell_quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/:=@%+,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_shell_would_change() {
        for (text, quoted) in [
            ("stacks/shop.yaml", "stacks/shop.yaml"),
            ("my shop.yaml", "'my shop.yaml'"),
            ("a'b", r"'a'\''b'"),
            ("", "''"),
            ("$(rm -r .)", "'$(rm -r .)'"),
        ] {
            assert_eq!(shell_quoted(text), quoted);
        }
        assert_eq!(command_line("apply", "my shop.yaml", Some("staging")), "acme apply 'my shop.yaml' --env staging");
    }

    #[test]
    fn a_command_line_has_the_options_of_the_command() {
        let options = SessionOptions {
            connection: Connection::Simulated("my cloud".into()),
            region: Some("eu-west-1".into()),
            definition: crate::definition::LoadOptions { set: vec![("size".into(), "a b".into())], ..Default::default() },
            ..SessionOptions::default()
        };
        let line = |command: &str| options.command_line(command, "shop.yaml");
        assert_eq!(line("apply"), "acme apply shop.yaml --set 'size=a b' --local='my cloud' --region eu-west-1");
        assert_eq!(line("policy"), "acme policy shop.yaml --set 'size=a b' --region eu-west-1");
        assert_eq!(line("validate"), "acme validate shop.yaml --set 'size=a b'");
    }
}
