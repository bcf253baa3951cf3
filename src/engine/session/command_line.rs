//! Command lines of acme's commands on the same stack, for remedies: they can be pasted into a shell.

use std::borrow::Cow;

use super::{Connection, Session};

impl Session {
    /// Command line of one of acme's commands on the same stack, with all options that select it.
    pub fn command_line(&self, command: &str) -> String {
        let mut line = command_line(command, &self.source.path, self.options.definition.environment.as_deref());
        let mut push = |option: &str, value: &str| line.push_str(&format!(" {option}{}", shell_quoted(value)));
        for (key, value) in &self.options.definition.set {
            push("--set ", &format!("{key}={value}"));
        }
        self.source.values_files().for_each(|file| push("--values ", file));
        match &self.options.connection {
            Connection::Simulated(folder) => push("--local=", &folder.display().to_string()),
            Connection::Aws { profile, endpoint_url, kube_proxy_url } => {
                profile.iter().for_each(|profile| push("--profile ", profile));
                endpoint_url.iter().for_each(|url| push("--endpoint-url ", url));
                kube_proxy_url.iter().for_each(|url| push("--kube-proxy-url ", url));
            }
        }
        self.options.region.iter().for_each(|region| push("--region ", region));
        self.options.backend.iter().for_each(|backend| push("--backend ", &backend.to_string()));
        line
    }
}

/// Command line of one of acme's commands on the definition in `file`.
pub(super) fn command_line(command: &str, file: &str, environment: Option<&str>) -> String {
    let environment = environment.map(|name| format!(" --env {}", shell_quoted(name))).unwrap_or_default();
    format!("acme {command} {}{environment}", shell_quoted(file))
}

/// Text as one word of a POSIX shell.
pub(super) fn shell_quoted(text: &str) -> Cow<'_, str> {
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
}
