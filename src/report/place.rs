//! The account and region that a text is about. The simulated cloud looks different from AWS.

use super::{Style, printer};

/// Account and region.
pub struct Place<'a> {
    /// Region.
    pub region: &'a str,
    /// Account.
    pub account: &'a str,
    /// Whether it is the simulated cloud.
    pub is_simulated: bool,
}

impl Place<'_> {
    /// Title of a text about a stack.
    pub fn title(&self, stack: &str, environment: &str) -> String {
        self.heading(&format!("{stack} ({environment}) in {}, account {}", self.region, self.account))
    }

    /// A heading that names this place.
    pub fn heading(&self, text: &str) -> String {
        match self.is_simulated {
            true => Style::Simulated.paint(format!("{text}, simulated cloud")).to_string(),
            false => Style::Heading.paint(text).to_string(),
        }
    }
}

/// Says on stderr that a command works on the simulated cloud.
pub fn announce_simulated() {
    printer::eprint(&format!("{}Nothing in AWS is read or changed.", simulated_prefix()));
}

/// Words before a question or a heading of a process that works on the simulated cloud; empty otherwise.
pub(super) fn simulated_prefix() -> String {
    if printer::is_simulated() { format!("{} ", Style::Simulated.paint("[simulated cloud]")) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_cloud_does_not_look_like_aws() {
        let title = |is_simulated| Place { region: "eu-west-1", account: "123456789012", is_simulated }.title("shop", "production");
        assert_eq!(printer::rendered(&title(false), false), "shop (production) in eu-west-1, account 123456789012");
        assert_eq!(printer::rendered(&title(true), false), "shop (production) in eu-west-1, account 123456789012, simulated cloud");
        assert_ne!(printer::rendered(&title(true), true).replace(", simulated cloud", ""), printer::rendered(&title(false), true));
    }
}
