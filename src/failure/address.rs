//! Hosts, services and addresses named in error text.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::Kind;
use crate::cause::closed_names;
use crate::node::{Partition, Region};

closed_names! {
    /// What the agent talks to, by its endpoint prefix: `ssm` of `ssm.REGION.amazonaws.com`.
    pub Service {
        /// The instance metadata service.
        Metadata = "imds",
        /// Azure's metadata service, at the same address.
        AzureMetadata = "azure-imds",
        Ssm = "ssm",
        SsmMessages = "ssmmessages",
        Ec2Messages = "ec2messages",
        S3 = "s3",
        Kms = "kms",
        Logs = "logs",
        Sts = "sts",
        Other = "other",
    }
}

impl Service {
    fn of_prefix(prefix: &str) -> Option<Self> {
        let known = Self::parse(prefix.strip_suffix("-fips").unwrap_or(prefix));
        known.filter(|one| !matches!(one, Self::Metadata | Self::AzureMetadata | Self::Other))
    }

    /// `ssm:UpdateInstanceInformation` → ssm.
    pub fn of_action(action: &str) -> Option<Self> {
        action
            .split_once(':')
            .and_then(|(prefix, _)| Self::of_prefix(prefix))
    }

    /// The services whose loss hurts only what a command or session writes out.
    pub fn is_output(self) -> bool {
        matches!(self, Self::S3 | Self::Kms | Self::Logs)
    }
}

/// A URL that a request was sent to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Address {
    pub host: String,
    pub service: Option<Service>,
    pub region: Option<Region>,
    /// Where the URL ends in the text.
    pub end: usize,
}

/// The metadata service's address, on EC2 and on Azure.
const METADATA: &str = "169.254.169.254";

const VERBS: [&str; 7] = ["Post ", "Get ", "Put ", "Head ", "Delete ", "POST ", "GET "];

/// The last URL that follows an HTTP verb, quoted or not (Go 1.14 began to
/// quote): the deepest request of the chain. Without one, the last websocket URL.
pub(super) fn last_address(text: &str) -> Option<Address> {
    let schemes = memchr::memrchr_iter(b':', text.as_bytes());
    for scheme in schemes.filter(|at| text[*at..].starts_with("://")) {
        let start = ["https", "http", "wss", "ws"]
            .iter()
            .find(|name| text[..scheme].ends_with(**name))
            .map(|name| scheme - name.len());
        if let Some(start) = start {
            let before = text[..start].trim_end_matches(['"', '\'']);
            if VERBS.iter().any(|verb| before.ends_with(verb)) || text[start..].starts_with("wss") {
                let url = &text[scheme + 3..];
                let length = url
                    .find(|c: char| c == '"' || c == '\'' || c.is_whitespace())
                    .unwrap_or(url.len());
                let host = url[..length].split(['/', '?']).next().unwrap_or_default();
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                let host = without_port(host).to_ascii_lowercase();
                let (service, region) = match url[..length].split_once('/') {
                    // EC2's paths begin with `latest` or a date.
                    Some((_, path)) if host == METADATA && path.starts_with("metadata/") => {
                        (Some(Service::AzureMetadata), None)
                    }
                    _ => service_of(&host),
                };
                return Some(Address {
                    host,
                    service,
                    region,
                    end: scheme + 3 + length,
                });
            }
        }
    }
    None
}

/// The host of the last `lookup HOST`, where an error names no URL.
pub(super) fn looked_up(text: &str) -> Option<Address> {
    const WORDS: &str = "lookup ";
    let start = text.rfind(WORDS)? + WORDS.len();
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let length = text[start..].find(|c| !named(c)).unwrap_or_default();
    let host = text[start..start + length].trim_end_matches('.');
    let (service, region) = service_of(host);
    (!host.is_empty()).then(|| Address {
        host: host.to_ascii_lowercase(),
        service,
        region,
        end: start + length,
    })
}

/// Whether an error without a URL is of a port on which the agent calls nothing: neither AWS,
/// nor the metadata service, a resolver, or a port that proxies have.
pub(super) fn is_other_port(text: &str) -> bool {
    let of_proxies = |port| matches!(port, 1080 | 3128 | 3129 | 8000 | 8080 | 8443 | 8888);
    remote(text).is_some_and(|(_, port)| !(matches!(port, 443 | 80 | 53) || of_proxies(port)))
}

fn without_port(host: &str) -> &str {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.split(']').next().unwrap_or(inner);
    }
    host.split(':').next().unwrap_or(host)
}

/// The service and Region a host name stands for: public, dual-stack, FIPS,
/// China and interface-endpoint names.
fn service_of(host: &str) -> (Option<Service>, Option<Region>) {
    if matches!(host, METADATA | "fd00:ec2::254") {
        return (Some(Service::Metadata), None);
    }
    let labels: Vec<&str> = host.split('.').collect();
    let region = labels.iter().find_map(|label| Region::parse(label));
    let aws = Partition::ALL.iter().any(|partition| {
        let suffixes = [partition.dns_suffix(), partition.dual_stack_suffix()];
        suffixes.into_iter().flatten().any(|suffix| {
            let before = host.strip_suffix(suffix);
            before.is_some_and(|before| before.ends_with('.'))
        })
    });
    if !aws {
        return (None, region);
    }
    let service = labels.iter().find_map(|label| {
        Service::of_prefix(label).or_else(|| label.starts_with("s3-").then_some(Service::S3))
    });
    (service.or(Some(Service::Other)), region)
}

/// What failed at a host where credentials are handed out on the node itself: to an ECS
/// task (169.254.170.2), to an EKS pod (169.254.170.23, fd00:ec2::23), or by a helper
/// that serves them on the loopback.
pub(super) fn credential_source(host: &str) -> Option<Kind> {
    let (container, loopback) = match host.parse() {
        Ok(IpAddr::V4(address)) => (
            address.octets().starts_with(&[169, 254, 170]),
            address.is_loopback(),
        ),
        Ok(IpAddr::V6(address)) => (
            address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
            address.is_loopback(),
        ),
        Err(_) => (false, host == "localhost"),
    };
    if container {
        return Some(Kind::ContainerCredentials);
    }
    loopback.then_some(Kind::CredentialSource)
}

/// The address after `dial tcp`, or the far end of `read tcp A->B`.
pub(super) fn remote_ip(text: &str) -> Option<IpAddr> {
    Some(remote(text)?.0)
}

static DIAL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("dial tcp "));

fn remote(text: &str) -> Option<(IpAddr, u16)> {
    let socket = if let Some(at) = DIAL.find_iter(text.as_bytes()).last() {
        text[at + "dial tcp ".len()..]
            .split(|c: char| c.is_whitespace())
            .next()?
    } else {
        let mut arrows = memchr::memrchr_iter(b'>', text.as_bytes());
        let at = arrows.find_map(|end| text[..end].strip_suffix('-'))?.len();
        text[at + 2..].split(|c: char| c.is_whitespace()).next()?
    };
    let (host, port) = socket.trim_end_matches([':', ',']).rsplit_once(':')?;
    let ip = host.trim_matches(['[', ']']).parse().ok()?;
    Some((ip, port.parse().ok()?))
}

/// The status texts of HTTP that stand for a refusal (IANA's registry), and the last three as
/// widespread proxies word them. Go gives a proxy's answer to CONNECT by its status text alone.
const REFUSALS: &str = "\
Bad Request|Unauthorized|Payment Required|Forbidden|Not Found|Method Not Allowed|Not Acceptable|\
Proxy Authentication Required|Request Timeout|Conflict|Gone|Length Required|Precondition Failed|\
Expectation Failed|Misdirected Request|Upgrade Required|Precondition Required|Too Many Requests|\
Request Header Fields Too Large|Unavailable For Legal Reasons|Internal Server Error|\
Not Implemented|Bad Gateway|Service Unavailable|Gateway Timeout|HTTP Version Not Supported|\
Network Authentication Required|Gateway Time-out|Proxy Authorization Required|Access Denied";

/// Whether what follows a URL is nothing but an HTTP status text: a proxy's own answer.
pub(super) fn is_bare_status(tail: &str) -> bool {
    let tail = tail.trim_start_matches(['"', ':', ' ']);
    static STATUSES: LazyLock<Vec<&str>> = LazyLock::new(|| REFUSALS.split('|').collect());
    STATUSES.iter().any(|status| {
        tail.get(..status.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(status))
            && (tail.len() == status.len()
                || tail[status.len()..].starts_with([' ', ',', '.', '"', ';', '<']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_request_of_a_chain_is_the_address() {
        for (text, host, service, region) in [
            (
                "Post \"https://ssm.us-east-1.amazonaws.com/\": EOF",
                "ssm.us-east-1.amazonaws.com",
                Some(Service::Ssm),
                Some("us-east-1"),
            ),
            (
                "Post https://ec2messages.ap-southeast-2.amazonaws.com/: x",
                "ec2messages.ap-southeast-2.amazonaws.com",
                Some(Service::Ec2Messages),
                Some("ap-southeast-2"),
            ),
            (
                "Put \"http://169.254.169.254/latest/api/token\": x",
                "169.254.169.254",
                Some(Service::Metadata),
                None,
            ),
            (
                "Get http://[fd00:ec2::254]/latest: x",
                "fd00:ec2::254",
                Some(Service::Metadata),
                None,
            ),
            (
                "Post \"https://ssm.cn-north-1.amazonaws.com.cn/\": x",
                "ssm.cn-north-1.amazonaws.com.cn",
                Some(Service::Ssm),
                Some("cn-north-1"),
            ),
            (
                "Post \"https://ssm.eu-west-1.api.aws/\": x",
                "ssm.eu-west-1.api.aws",
                Some(Service::Ssm),
                Some("eu-west-1"),
            ),
            (
                "Post \"https://vpce-0a.ssmmessages.eu-west-1.vpce.amazonaws.com/v1\": x",
                "vpce-0a.ssmmessages.eu-west-1.vpce.amazonaws.com",
                Some(Service::SsmMessages),
                Some("eu-west-1"),
            ),
            (
                "Post \"https://ssm-fips.us-gov-west-1.amazonaws.com/\": x",
                "ssm-fips.us-gov-west-1.amazonaws.com",
                Some(Service::Ssm),
                Some("us-gov-west-1"),
            ),
            (
                "Put \"https://my-bucket.s3.us-east-1.amazonaws.com/out\": x",
                "my-bucket.s3.us-east-1.amazonaws.com",
                Some(Service::S3),
                Some("us-east-1"),
            ),
            (
                "Post \"https://ssm.eusc-de-east-1.amazonaws.eu/\": x",
                "ssm.eusc-de-east-1.amazonaws.eu",
                Some(Service::Ssm),
                Some("eusc-de-east-1"),
            ),
            (
                "Post \"https://ssmmessages.eusc-de-east-1.api.amazonwebservices.eu/\": x",
                "ssmmessages.eusc-de-east-1.api.amazonwebservices.eu",
                Some(Service::SsmMessages),
                Some("eusc-de-east-1"),
            ),
            (
                "Post \"https://ssm.us-iso-east-1.c2s.ic.gov/\": x",
                "ssm.us-iso-east-1.c2s.ic.gov",
                Some(Service::Ssm),
                Some("us-iso-east-1"),
            ),
            (
                "Post \"https://ssm.eu-west-1.notamazonaws.eu/\": x",
                "ssm.eu-west-1.notamazonaws.eu",
                None,
                Some("eu-west-1"),
            ),
            (
                "Post \"https://proxy.corp.example/\": x",
                "proxy.corp.example",
                None,
                None,
            ),
        ] {
            let address = last_address(text).unwrap_or_else(|| panic!("no address: {text}"));
            assert_eq!(
                (address.host.as_str(), address.service),
                (host, service),
                "{text}"
            );
            assert_eq!(
                address.region.as_ref().map(Region::as_str),
                region,
                "{text}"
            );
        }
        assert_eq!(
            last_address("Please see documentation at https://docs.aws.amazon.com/IAM/x"),
            None
        );
    }

    #[test]
    fn the_dialled_address_is_read() {
        for (text, address) in [
            (
                "dial tcp 172.31.24.65:443: i/o timeout",
                Some("172.31.24.65"),
            ),
            (
                "dial tcp [2600:1f18::1]:443: connect: network is unreachable",
                Some("2600:1f18::1"),
            ),
            (
                "read tcp 10.0.1.20:41732->10.0.1.5:443: read: connection reset by peer",
                Some("10.0.1.5"),
            ),
            (
                "dial tcp: lookup ssm.us-east-1.amazonaws.com: no such host",
                None,
            ),
        ] {
            assert_eq!(
                remote_ip(text).map(|a| a.to_string()).as_deref(),
                address,
                "{text}"
            );
        }
    }
}
