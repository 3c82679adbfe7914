//! The proxy that the agent's own log names at its start, and whether calls to the
//! metadata service go through it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::record::NormalizedRecord;

/// Where the metadata service is reached.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The proxy environment as the agent last listed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Proxy {
    /// Any proxy is set.
    pub set: bool,
    listed: bool,
    http: bool,
    spares_metadata: bool,
}

impl Proxy {
    /// The agent begins to list its proxy environment.
    pub(super) fn listing(&mut self) {
        *self = Self {
            listed: true,
            ..Self::default()
        };
    }

    /// One variable: `https_proxy`, `http_proxy` or `no_proxy`, possibly empty: what
    /// stands below an empty one was lost by another record.
    pub(super) fn variable(&mut self, record: &NormalizedRecord<'_, '_>) {
        let Some((name, value)) = record.flat().split_once(':') else {
            return;
        };
        let is_empty = |(_, value): (&str, &str)| value.trim().is_empty();
        let empty = record.message.split_once(':').is_some_and(is_empty);
        let value = if empty { "" } else { value.trim() };
        // A mark that copying left at the end of the line is no address.
        let set = value.starts_with(char::is_alphanumeric);
        match name.to_ascii_lowercase().as_str() {
            "http_proxy" => {
                self.http = set;
                self.set |= set;
                self.listed = true;
            }
            "https_proxy" => self.set |= set,
            "no_proxy" => self.spares_metadata = spares_metadata(value),
            _ => {}
        }
    }

    /// Whether calls to the metadata service go to the proxy: they are plain HTTP,
    /// for which Go heeds `http_proxy` alone. `None` while the log does not tell.
    pub(super) fn catches_metadata(&self) -> Option<bool> {
        self.listed.then_some(self.http && !self.spares_metadata)
    }
}

/// Whether `no_proxy` holds the metadata service's address in a form that Go heeds:
/// the address, with its port or without, a range in CIDR notation, or `*`; entries
/// are parted by commas (package golang.org/x/net/http/httpproxy).
fn spares_metadata(no_proxy: &str) -> bool {
    no_proxy.split(',').map(str::trim).any(|entry| {
        entry == "*"
            || entry
                .strip_suffix(":80")
                .unwrap_or(entry)
                .parse()
                .is_ok_and(|address: Ipv4Addr| address == METADATA)
            || entry
                .parse()
                .is_ok_and(|range: Ipv4Net| range.contains(&METADATA))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        for (no_proxy, spares) in [
            ("", false),
            ("169.254.169.254", true),
            ("localhost, 169.254.169.254 ,.internal", true),
            ("169.254.169.254:80", true),
            ("169.254.169.254:8080", false),
            ("169.254.0.0/16", true),
            ("169.254.169.0/24,10.0.0.0/8", true),
            ("0.0.0.0/0", true),
            ("10.0.0.0/8", false),
            ("169.254.170.0/24", false),
            ("169.254.0.0/33", false),
            ("*", true),
            ("localhost,*.internal", false),
            ("localhost 169.254.169.254", false),
            ("169.254.170.2", false),
            ("169.254.*", false),
        ] {
            assert_eq!(spares_metadata(no_proxy), spares, "{no_proxy}");
        }
    }
}
