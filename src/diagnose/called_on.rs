//! On which ARNs the agent's actions are checked.
//!
//! A policy that names resources lets an action pass only where it names the
//! one that the service checks. Which that is, the log says ("on resource: …");
//! else the Service Authorization Reference, as far as it names one, and the
//! denials that agents have logged.

/// Where a node is, for the ARNs that are named after it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The second field of its ARNs.
    pub partition: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    /// Its id; `*` for any instance.
    pub instance: &'a str,
}

/// The ARNs that one action is checked on; `*` stands in them for any text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CalledOn {
    /// On each of these.
    pub all: Vec<String>,
    /// Perhaps on these too.
    pub perhaps: Vec<String>,
    /// On one of these; which one is not documented.
    pub one_of: Vec<String>,
}

impl CalledOn {
    pub fn arns(&self) -> impl Iterator<Item = &String> {
        let Self {
            all,
            perhaps,
            one_of,
        } = self;
        all.iter().chain(perhaps).chain(one_of)
    }
}

impl Place<'_> {
    fn arn(&self, service: &str, account: &str, resource: &str) -> String {
        let (partition, region) = (self.partition, self.region);
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    pub fn instance_arn(&self) -> String {
        let resource = format!("instance/{}", self.instance);
        self.arn("ec2", self.account, &resource)
    }

    /// The ARNs that `action` is checked on, `logged` being the one that a
    /// denial of it names. `None` for an action that is not known here.
    pub fn called_on(&self, action: &str, logged: Option<&str>) -> Option<CalledOn> {
        let own = |service, resource| self.arn(service, self.account, resource);
        let mut on = CalledOn::default();
        match action {
            "ssm:UpdateInstanceInformation"
            | "ssm:ListInstanceAssociations"
            | "ssm:PutComplianceItems"
            | "ssm:PutInventory" => on.all = vec![self.instance_arn()],
            "ssm:PutConfigurePackageResult" => {
                on.one_of = vec![self.instance_arn(), own("ssm", "*")];
            }
            "ssm:UpdateInstanceAssociationStatus" => {
                on.all = vec![own("ssm", "association/*")];
                on.perhaps = vec![self.instance_arn()];
            }
            "ssm:UpdateAssociationStatus" => {
                // AWS's own documents have no account in their ARN.
                on.all = vec![self.arn("ssm", "*", "document/*")];
                on.perhaps = vec![self.instance_arn()];
            }
            "ssm:ListAssociations" => on.all = vec![own("ssm", "*")],
            _ if action.starts_with("ssmmessages:") => on.all = vec![own("ssmmessages", "*")],
            _ if action.starts_with("ec2messages:") => {
                let services = ["ec2messages", "ec2", "ssm"];
                on.one_of = services.map(|service| own(service, "*")).to_vec();
            }
            _ => return None,
        }
        if let Some(logged) = logged.filter(|logged| self.is_own(logged)) {
            on.take(logged);
        }
        Some(on)
    }

    /// Whether the ARN can be one that this node's calls are checked on: log
    /// text may name anything.
    fn is_own(&self, arn: &str) -> bool {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let [scheme, partition, _, region, account, resource] = fields[..] else {
            return false;
        };
        let instance = resource.strip_prefix("instance/");
        scheme == "arn"
            && partition == self.partition
            && (region.is_empty() || region == self.region)
            && (account.is_empty() || account == self.account)
            && instance.is_none_or(|id| id == self.instance)
            && arn.bytes().all(|b| b.is_ascii_graphic() && b != b'?')
    }
}

impl CalledOn {
    /// The log names the ARN: what it is an example of is known better now.
    fn take(&mut self, logged: &str) {
        let stands_for = |known: &String| match known.split_once('*') {
            Some((start, _)) => logged.starts_with(start),
            None => known == logged,
        };
        self.perhaps.retain(|known| !stands_for(known));
        self.one_of.clear();
        self.all.retain(|known| !stands_for(known));
        self.all.push(logged.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        partition: "aws",
        region: "eu-central-1",
        account: "111122223333",
        instance: "i-0123456789abcdef0",
    };

    fn on(action: &str, logged: Option<&str>) -> String {
        let on = PLACE.called_on(action, logged).expect("a known action");
        format!(
            "{} ? {} | {}",
            on.all.join(" "),
            on.perhaps.join(" "),
            on.one_of.join(" ")
        )
        .replace(":eu-central-1:111122223333:", "::")
        .replace("arn:aws:", "")
    }

    #[test]
    fn an_action_is_checked_on_what_is_documented_or_logged() {
        for (action, logged, expected) in [
            (
                "ssm:UpdateInstanceInformation",
                None,
                "ec2::instance/i-0123456789abcdef0 ?  | ",
            ),
            ("ssm:ListAssociations", None, "ssm::* ?  | "),
            ("ssmmessages:OpenDataChannel", None, "ssmmessages::* ?  | "),
            (
                "ssmmessages:OpenDataChannel",
                Some("arn:aws:ssmmessages:eu-central-1:111122223333:control-channel/x"),
                "ssmmessages::control-channel/x ?  | ",
            ),
            (
                "ec2messages:GetMessages",
                None,
                " ?  | ec2messages::* ec2::* ssm::*",
            ),
            (
                "ec2messages:GetMessages",
                Some("arn:aws:ec2:eu-central-1:111122223333:*"),
                "ec2::* ?  | ",
            ),
            (
                "ssm:UpdateInstanceAssociationStatus",
                None,
                "ssm::association/* ? ec2::instance/i-0123456789abcdef0 | ",
            ),
            (
                "ssm:UpdateInstanceAssociationStatus",
                Some("arn:aws:ssm:eu-central-1:111122223333:association/a-1"),
                "ssm::association/a-1 ? ec2::instance/i-0123456789abcdef0 | ",
            ),
            (
                "ssm:UpdateInstanceAssociationStatus",
                Some("arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0"),
                "ssm::association/* ec2::instance/i-0123456789abcdef0 ?  | ",
            ),
        ] {
            assert_eq!(on(action, logged), expected, "{action} {logged:?}");
        }
        assert_eq!(PLACE.called_on("s3:GetObject", None), None);
    }

    #[test]
    fn an_arn_that_the_node_cannot_have_is_not_taken_from_the_log() {
        let documented = on("ssmmessages:OpenDataChannel", None);
        for logged in [
            "*",
            "x",
            "arn:aws:ssmmessages:us-east-1:111122223333:*",
            "arn:aws:ssmmessages:eu-central-1:444455556666:*",
            "arn:aws-cn:ssmmessages:eu-central-1:111122223333:*",
            "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef1",
        ] {
            assert_eq!(
                on("ssmmessages:OpenDataChannel", Some(logged)),
                documented,
                "{logged}"
            );
        }
    }
}
