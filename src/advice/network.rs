//! The way from the node to the services on port 443: security groups, routes,
//! endpoints, names, proxies, certificates.

use super::Step;
use super::case::Case;
use super::identity::no_proxy;
use super::permission::describe_endpoints;
use crate::command::{ArgKind, Command};

pub(super) fn endpoint_unreachable(case: &Case) -> Vec<Step> {
    let mut steps = vec![connect(case), connect_on_windows(case)];
    if case.is_hybrid() {
        steps.push(Step::say(
            "The node is outside EC2: let it out on 443 to the hosts ssm, ssmmessages and \
             ec2messages of its Region, in the site's firewall or proxy, or through VPC \
             endpoints over a private line.",
        ));
        return steps;
    }
    match case.dialled_private() {
        Some(true) => {
            steps.push(Step::say(
                "The address that was dialled is private: an interface endpoint answers for the \
                 name. Its security group comes first, then the instance's.",
            ));
            steps.extend(interface_endpoint(case));
            steps.extend(instance_egress(case));
            steps.push(network_acl(case));
        }
        Some(false) => {
            match case.bypassed_endpoint() {
                Some(endpoint) => {
                    steps.push(Step::say(format!(
                        "The address that was dialled is public, although the private DNS of \
                         {endpoint} answers for the name: the node asks another resolver than \
                         the VPC's, or the endpoint is newer than the log. The resolver comes \
                         first."
                    )));
                    steps.extend(resolver(case));
                }
                None => steps.push(Step::say(
                    "The address that was dialled is public: the name did not lead to an \
                     interface endpoint. Where the VPC has one for it with private DNS, look at \
                     the node's resolver first; else the instance's security group and the \
                     subnet's route come first.",
                )),
            }
            steps.extend(instance_egress(case));
            steps.extend(routes(case));
            steps.push(network_acl(case));
            steps.extend(create_endpoint(case));
        }
        None => {
            steps.extend(instance_egress(case));
            steps.extend(interface_endpoint(case));
            steps.extend(routes(case));
            steps.push(network_acl(case));
            steps.extend(create_endpoint(case));
        }
    }
    if !case.error_details.proxied {
        steps.push(Step::say(
            "Does all traffic of this network go out through a proxy? Then the agent must be \
             told: http_proxy, https_proxy and no_proxy=169.254.169.254 in the environment of \
             its service.",
        ));
    }
    if case.service() == "ec2messages" {
        steps.push(Step::say(
            "ec2messages is only needed by agents older than 3.3.40.0, or as the fallback while \
             ssmmessages does not work: where ssmmessages works this is harmless.",
        ));
    }
    steps
}

/// What the node is told for the name, and by whom.
pub(super) fn resolver(case: &Case) -> Vec<Step> {
    let mut steps = ask_for_the_name(case);
    steps.push(Step::run(
        "Which resolver does the host ask? The VPC's own is 169.254.169.253, or the second \
         address of the VPC's range (Windows: Get-DnsClientServerAddress):",
        "cat /etc/resolv.conf; resolvectl status 2>/dev/null",
    ));
    steps.push(dhcp_options(case));
    steps
}

fn ask_for_the_name(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "Ask for the name on the host; a private address comes from an interface endpoint, \
             a public one from the internet's DNS:",
            Command::new("getent hosts").value(ArgKind::Host, &case.host()),
        ),
        Step::run(
            "The same on Windows:",
            Command::new("Resolve-DnsName").value(ArgKind::Host, &case.host()),
        ),
    ]
}

fn dhcp_options(case: &Case) -> Step {
    Step::run(
        "Does the VPC hand out resolvers of its own, which do not know the name?",
        case.aws("aws ec2 describe-dhcp-options")
            .text("--query 'DhcpOptions[].DhcpConfigurations'"),
    )
}

pub(super) fn dns_failure(case: &Case) -> Vec<Step> {
    let mut steps = ask_for_the_name(case);
    if case.is_hybrid() {
        steps.push(Step::say(
            "The node is outside EC2: its own resolver must know the name.",
        ));
        return steps;
    }
    steps.extend([
        Step::run(
            "Does the VPC answer for names?",
            case.with_vpc(case.aws("aws ec2 describe-vpc-attribute"))
                .text("--attribute enableDnsSupport"),
        ),
        Step::run(
            "If not, turn it on (private DNS of endpoints also needs --enable-dns-hostnames):",
            case.with_vpc(case.aws("aws ec2 modify-vpc-attribute"))
                .text("--enable-dns-support"),
        ),
        dhcp_options(case),
        Step::run(
            "Is there an endpoint for the service, and is its private DNS on?",
            describe_endpoints(case).text(
                "--query 'VpcEndpoints[].[VpcEndpointId,ServiceName,State,PrivateDnsEnabled]' \
                 --output text",
            ),
        ),
    ]);
    steps
}

pub(super) fn proxy_failure(case: &Case) -> Vec<Step> {
    let mut steps = Vec::new();
    if case.concerns_metadata() {
        steps.push(Step::say(
            "The agent asks the proxy for the metadata address, which only the instance itself \
             can reach.",
        ));
        steps.extend(no_proxy());
    }
    steps.extend([
        Step::run(
            "Show which proxy the agent's service is given (Linux):",
            "systemctl show amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent -p Environment",
        ),
        Step::run(
            "The same on Windows (PowerShell):",
            "(Get-Item 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent')\
             .GetValue('Environment'); netsh winhttp show proxy",
        ),
        Step::run(
            "Go through that proxy by hand. 407: it wants a user and password. 403 or a page of \
             its own: the host must be allowed there. Refused: wrong address, or it is down.",
            Command::new("curl -sS -o /dev/null -w '%{http_connect} %{http_code}\\n' -m 10")
                .text("-x http://PROXY_HOST:PROXY_PORT")
                .value_within("https://", ArgKind::Host, &case.host(), "/"),
        ),
        Step::say(
            "Have the proxy allow the hosts ssm, ssmmessages and ec2messages of the Region, \
             without opening TLS, and WebSocket for ssmmessages. Interface endpoints in the VPC \
             make the proxy needless.",
        ),
        Step::run(
            "Or give the agent another proxy (Linux; under snap the folder is \
             snap.amazon-ssm-agent.amazon-ssm-agent.service.d):",
            "sudo mkdir -p /etc/systemd/system/amazon-ssm-agent.service.d && \
             printf '[Service]\\nEnvironment=\"http_proxy=http://PROXY_HOST:PROXY_PORT\"\\n\
             Environment=\"https_proxy=http://PROXY_HOST:PROXY_PORT\"\\n\
             Environment=\"no_proxy=169.254.169.254\"\\n' | \
             sudo tee /etc/systemd/system/amazon-ssm-agent.service.d/proxy.conf && \
             sudo systemctl daemon-reload && sudo systemctl restart amazon-ssm-agent",
        ),
        Step::run(
            "The same on Windows (PowerShell as Administrator; writes the whole value, so add \
             what else was shown above):",
            "New-ItemProperty 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent' \
             -Name Environment -PropertyType MultiString -Force -Value @(\
             'http_proxy=PROXY_HOST:PROXY_PORT', 'https_proxy=PROXY_HOST:PROXY_PORT', \
             'no_proxy=169.254.169.254'); Restart-Service AmazonSSMAgent",
        ),
    ]);
    steps
}

pub(super) fn tls_failure(case: &Case) -> Vec<Step> {
    let host = case.host();
    vec![
        Step::run(
            "Look who signed what the node is shown. Amazon: the node lacks the root or its \
             clock is wrong. Anyone else: something on the way opens TLS.",
            Command::new("openssl s_client -connect")
                .value_within("", ArgKind::Host, &host, ":443")
                .option("-servername", ArgKind::Host, &host)
                .text("</dev/null 2>/dev/null | openssl x509 -noout -issuer -subject -dates"),
        ),
        Step::say(
            "Where a proxy or firewall opens TLS: exempt the hosts ssm, ssmmessages and \
             ec2messages of the Region, or add its certificate authority to the host's own \
             trust store.",
        ),
        Step::run(
            "Where the roots are old, bring them up to date (Debian and Ubuntu: apt-get install \
             --only-upgrade ca-certificates):",
            "sudo yum update -y ca-certificates && sudo update-ca-trust",
        ),
        Step::run(
            "A wrong clock makes good certificates look expired:",
            "date -u",
        ),
        Step::run(
            "The agent reads the roots when it starts. Restart it (Windows: Restart-Service \
             AmazonSSMAgent):",
            "sudo systemctl restart amazon-ssm-agent || sudo snap restart amazon-ssm-agent",
        ),
    ]
}

pub(super) fn channel_failure(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        case.connection_status(),
        Step::run(
            "Sessions and commands come through ssmmessages. Connect to it on the host:",
            Command::new("curl -sS -o /dev/null -w '%{http_code} from %{remote_ip}\\n' -m 10")
                .value_within("https://", ArgKind::Host, &case.host_of("ssmmessages"), "/"),
        ),
        Step::say(
            "It is a WebSocket that stays open: a proxy or firewall must let it be upgraded and \
             must not cut it while it is idle.",
        ),
    ];
    steps.push(case.diagnostics());
    steps.extend(case.restart());
    steps
}

fn connect(case: &Case) -> Step {
    Step::run(
        "Connect from the host. Any HTTP status means that the way is open; a time-out points \
         at a security group, network ACL or route; a refusal at a firewall that says no.",
        Command::new("curl -sS -o /dev/null -w '%{http_code} from %{remote_ip}\\n' -m 10")
            .value_within("https://", ArgKind::Host, &case.host(), "/"),
    )
}

fn connect_on_windows(case: &Case) -> Step {
    Step::run(
        "The same on Windows (PowerShell):",
        Command::new("Test-NetConnection")
            .value(ArgKind::Host, &case.host())
            .text("-Port 443"),
    )
}

/// The instance's own security groups.
fn instance_egress(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "Show the instance's subnet, addresses and security groups:",
            case.with_instance(case.aws("aws ec2 describe-instances")).text(
                "--query 'Reservations[].Instances[].{Vpc:VpcId,Subnet:SubnetId,Private:PrivateIpAddress,Public:PublicIpAddress,Groups:SecurityGroups[].GroupId}'",
            ),
        ),
        Step::run(
            "Does one of these groups let 443 out?",
            case.aws("aws ec2 describe-security-groups")
                .option("--group-ids", ArgKind::SecurityGroupId, "")
                .text("--query 'SecurityGroups[].IpPermissionsEgress'"),
        ),
        Step::run(
            "If none does, open it (revoke-security-group-egress with the same words undoes it):",
            case.aws("aws ec2 authorize-security-group-egress")
                .option("--group-id", ArgKind::SecurityGroupId, "")
                .text(
                    "--ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=0.0.0.0/0}]'",
                ),
        ),
    ]
}

/// The endpoint's security group, state and subnets.
fn interface_endpoint(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "Show the endpoint: it must be available, with private DNS, in a subnet of the \
             instance's zone:",
            describe_endpoints(case).text(
                "--query 'VpcEndpoints[].{Id:VpcEndpointId,State:State,PrivateDns:PrivateDnsEnabled,Subnets:SubnetIds,Groups:Groups[].GroupId}'",
            ),
        ),
        Step::run(
            "The endpoint's security group must let 443 in from the instances (revoke-security-\
             group-ingress with the same words undoes it):",
            case.aws("aws ec2 authorize-security-group-ingress").text(
                "--group-id ENDPOINT_SECURITY_GROUP_ID --protocol tcp --port 443 \
                 --source-group INSTANCE_SECURITY_GROUP_ID",
            ),
        ),
    ]
}

fn routes(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "Show the subnet's routes. 0.0.0.0/0 must lead to an internet gateway (igw-, for an \
             instance with a public address), a NAT gateway (nat-) or transit (tgw-). No answer: \
             the VPC's main route table applies.",
            case.in_subnet(
                case.aws("aws ec2 describe-route-tables"),
                "Name=association.subnet-id,Values=",
            )
            .text("--query 'RouteTables[].{Id:RouteTableId,Routes:Routes}'"),
        ),
        Step::run(
            "A private subnet with a NAT gateway lacks the route? Add it (in a public subnet \
             with --gateway-id and the internet gateway's id; delete-route undoes it):",
            case.aws("aws ec2 create-route")
                .option("--route-table-id", ArgKind::RouteTableId, "")
                .text("--destination-cidr-block 0.0.0.0/0 --nat-gateway-id NAT_GATEWAY_ID"),
        ),
    ]
}

fn network_acl(case: &Case) -> Step {
    Step::run(
        "The network ACL must let 443 out and ports 1024-65535 back in:",
        case.in_subnet(
            case.aws("aws ec2 describe-network-acls"),
            "Name=association.subnet-id,Values=",
        )
        .text("--query 'NetworkAcls[].Entries'"),
    )
}

/// For a subnet that shall have no way out: interface endpoints.
fn create_endpoint(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "A private subnet without NAT needs interface endpoints for ssm and ssmmessages \
             (older agents also ec2messages). Find the service's full name …",
            case.aws("aws ec2 describe-vpc-endpoint-services")
                .text("--filters")
                .value_within(
                    "Name=service-name,Values=*.",
                    ArgKind::Service,
                    case.service(),
                    "",
                )
                .text("--query ServiceNames --output text"),
        ),
        Step::run(
            "… and make the endpoint, with a security group that lets 443 in from the instances \
             (delete-vpc-endpoints undoes it; an endpoint costs by the hour):",
            case.with_subnet(case.with_vpc(case.aws("aws ec2 create-vpc-endpoint")))
                .text(
                    "--vpc-endpoint-type Interface --service-name SERVICE_NAME \
                     --security-group-ids ENDPOINT_SECURITY_GROUP_ID --private-dns-enabled",
                ),
        ),
    ]
}
