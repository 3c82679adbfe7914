use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn sentence(tail: &str) -> String {
    format!(
        "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0{tail}"
    )
}

fn read(text: &str) -> Denial {
    super::read(text, &PhraseSet::scan(text))
}

fn first(text: &str) -> Denied {
    read(text).denied.into_iter().next().unwrap_or_default()
}

#[test]
fn a_denial_is_taken_apart() {
    let denial = read(&sentence(
        " because no identity-based policy allows the ssm:UpdateInstanceInformation action status code: 400, request id: x",
    ));
    assert_eq!(denial.role.as_deref(), Some("MySSMRole"));
    assert_eq!(
        denial.principal,
        Some(Principal::Role("MySSMRole".to_owned()))
    );
    assert_eq!(denial.account, AccountId::parse("123456789012"));
    assert_eq!(denial.region, Region::parse("us-east-1"));
    assert_eq!(
        denial.denied,
        [Denied {
            action: Some("ssm:UpdateInstanceInformation".to_owned()),
            resource: Some(
                "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0".to_owned()
            ),
            reason: Some(DenyReason::IdentityPolicy),
            explicit: false,
            policy: None,
        }]
    );
}

#[test]
fn the_caller_is_whom_the_denial_names() {
    for (caller, principal, account) in [
        (
            "arn:aws-cn:sts::123456789012:assumed-role/Fleet/i-0123456789abcdef0",
            Some(Principal::Role("Fleet".to_owned())),
            true,
        ),
        (
            "arn:aws:iam::123456789012:role/service-role/Fleet",
            Some(Principal::Role("Fleet".to_owned())),
            true,
        ),
        (
            "arn:aws:iam::123456789012:user/people/alice",
            Some(Principal::User("people/alice".to_owned())),
            true,
        ),
        (
            "arn:aws-us-gov:sts::123456789012:federated-user/bob",
            Some(Principal::Federated("bob".to_owned())),
            true,
        ),
        (
            "arn:aws:iam::123456789012:root",
            Some(Principal::Root),
            true,
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0",
            Some(Principal::InstanceIdentity),
            true,
        ),
        (
            "ec2.amazonaws.com",
            Some(Principal::Service("ec2.amazonaws.com".to_owned())),
            false,
        ),
        ("anonymous", None, false),
        ("arn:aws:sts::XXX:assumed-role/XXX /i-XXXXXX", None, false),
        ("arn:aws:iam::123456789012:user/a'; evil", None, true),
    ] {
        let text =
            format!("User: {caller} is not authorized to perform: kms:Decrypt on resource: x");
        let denial = read(&text);
        assert_eq!(denial.principal, principal, "{caller}");
        assert_eq!(denial.account.is_some(), account, "{caller}");
        let role = match &principal {
            Some(Principal::Role(name)) => Some(name.clone()),
            _ => None,
        };
        assert_eq!(denial.role, role, "{caller}");
    }
}

#[test]
fn the_tail_names_the_kind_of_policy() {
    use DenyReason::*;
    for (kind, reason) in [
        ("identity-based policy", IdentityPolicy),
        ("permissions boundary", PermissionsBoundary),
        ("service control policy", ServiceControlPolicy),
        ("resource control policy", ResourceControlPolicy),
        ("session policy", SessionPolicy),
        ("resource-based policy", ResourcePolicy),
        ("VPC endpoint policy", VpcEndpointPolicy),
        ("role trust policy", RoleTrustPolicy),
    ] {
        let article = match reason {
            IdentityPolicy => "an",
            RoleTrustPolicy => "the",
            _ => "a",
        };
        let deny = first(&sentence(&format!(
            " with an explicit deny in {article} {kind}"
        )));
        assert_eq!((deny.reason, deny.explicit), (Some(reason), true), "{kind}");
        let none = first(&sentence(&format!(
            " because no {kind} allows the ssm:UpdateInstanceInformation action"
        )));
        assert_eq!(
            (none.reason, none.explicit),
            (Some(reason), false),
            "{kind}"
        );
    }
    for unnamed in [
        " with an explicit deny",
        " with an explicit deny in a new kind of policy",
    ] {
        let deny = first(&sentence(unnamed));
        assert_eq!((deny.reason, deny.explicit), (Some(ExplicitDeny), true));
    }
    assert_eq!(first(&sentence("")).reason, None);
    // The tail alone, its head cut away.
    assert_eq!(
        first("with an explicit deny in a service control policy").reason,
        Some(ServiceControlPolicy)
    );
}

#[test]
fn the_services_own_forms_are_read() {
    let s3 = first(
        r#"AccessDenied: User: arn:aws:sts::123456789012:assumed-role/R/s is not authorized to perform: "s3:PutObject" on resource: "arn:aws:s3:::bucket/a key" with an explicit deny in a resource control policy: arn:aws:organizations::111122223333:policy/o-a1b2c3d4e5/resource_control_policy/p-1a2b3c4d status code: 403, request id: R, host id: H"#,
    );
    assert_eq!(s3.action.as_deref(), Some("s3:PutObject"));
    assert_eq!(s3.resource.as_deref(), Some("arn:aws:s3:::bucket/a key"));
    assert_eq!(s3.reason, Some(DenyReason::ResourceControlPolicy));
    assert!(s3.policy.is_some(), "{s3:?}");
    let kms = first(
        "User: arn:aws:sts::123456789012:assumed-role/R/s is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
    );
    assert_eq!(kms.action.as_deref(), Some("kms:Decrypt"));
    assert_eq!(kms.reason, Some(DenyReason::ResourcePolicy));
}

#[test]
fn an_action_at_the_end_of_a_text_may_be_cut() {
    for (end, action) in [
        (
            "ssm:UpdateInstanceInforma",
            Some("ssm:UpdateInstanceInformation"),
        ),
        ("ssm:PutInv \u{2026}", Some("ssm:PutInventory")),
        ("ssm:GetParameter", Some("ssm:GetParameter")),
        (
            "ssm:RegisterManagedInstance",
            Some("ssm:RegisterManagedInstance"),
        ),
        ("ssm:UpdateInstance", None),
        ("ssm:Nothing", None),
        ("s3:PutObject", Some("s3:PutObject")),
        ("", None),
        ("s3:PutObject status code: 403", Some("s3:PutObject")),
    ] {
        let text = format!(
            "User: arn:aws:sts::123456789012:assumed-role/R/s is not authorized to perform: {end}"
        );
        assert_eq!(first(&text).action.as_deref(), action, "{end}");
    }
}

#[test]
fn masked_samples_name_nothing() {
    let denial = read(
        "User: arn:aws:sts::XXX:assumed-role/XXX /i-XXXXXX is not authorized to perform: ssm:UpdateInstanceInformation on resource: x",
    );
    assert_eq!((denial.role, denial.account), (None, None));
    assert_eq!(
        denial.denied[0].action.as_deref(),
        Some("ssm:UpdateInstanceInformation")
    );
    assert_eq!(
        unassumable_role("EC2 cannot assume the role MySSMRole. Please see"),
        Some("MySSMRole".to_owned())
    );
}

/// The ARN of a policy, and the words of its kind.
fn policy() -> impl Strategy<Value = (&'static str, String)> {
    let partition = select(vec!["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"]);
    let organization =
        |words: &'static str, kind: &'static str| {
            (partition.clone(), "[0-9]{12}", "o-[a-z0-9]{10,32}", "p-[a-z0-9]{8}").prop_map(
            move |(partition, account, organization, id)| {
                (
                    words,
                    format!(
                        "arn:{partition}:organizations::{account}:policy/{organization}/{kind}/{id}"
                    ),
                )
            },
        )
        };
    let of_iam = |words: &'static str| {
        (
            partition.clone(),
            "[0-9]{12}|aws",
            "([a-z0-9+=@_-]{1,9}/){0,2}",
            "[A-Za-z0-9_+=.@-]{0,40}[A-Za-z0-9]",
        )
            .prop_map(move |(partition, account, path, name)| {
                (
                    words,
                    format!("arn:{partition}:iam::{account}:policy/{path}{name}"),
                )
            })
    };
    prop_oneof![
        organization("a service control policy", "service_control_policy"),
        organization("a resource control policy", "resource_control_policy"),
        of_iam("a permissions boundary"),
        of_iam("a session policy"),
        of_iam("an identity-based policy"),
    ]
}

/// An ARN that is no denying policy, wherever it stands.
fn other_arn() -> impl Strategy<Value = String> {
    prop_oneof![
        policy().prop_map(|(_, arn)| arn),
        "[0-9]{12}".prop_map(|account| format!("arn:aws:iam::{account}:role/Other")),
        Just("arn:aws:s3:::bucket/logs".to_owned()),
        Just("*".to_owned()),
    ]
}

/// One denial as AWS writes it, and the ARN that it names.
fn denial() -> impl Strategy<Value = (String, Option<String>)> {
    let caller = select(vec![
        "arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0",
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:sts::123456789012:federated-user/bob",
        "ec2.amazonaws.com",
    ]);
    let action = select(vec![
        "ssm:UpdateInstanceInformation",
        "kms:Decrypt",
        "\"s3:PutObject\"",
    ]);
    let tail = prop_oneof![
        4 => policy().prop_map(|(words, arn)| {
            (format!(" with an explicit deny in {words}: {arn}"), Some(arn))
        }),
        1 => policy().prop_map(|(words, _)| (format!(" with an explicit deny in {words}"), None)),
        1 => Just((" with an explicit deny in the role trust policy".to_owned(), None)),
        1 => Just((" with an explicit deny".to_owned(), None)),
        1 => Just((String::new(), None)),
        1 => select(vec![
            "identity-based policy", "permissions boundary", "service control policy",
            "session policy", "VPC endpoint policy", "role trust policy",
        ]).prop_map(|kind| (format!(" because no {kind} allows the ssm:X action"), None)),
        // Words and ARN that do not belong together.
        1 => (policy(), policy()).prop_filter_map("of two kinds", |((words, _), (other, arn))| {
            let of_iam = |words: &str| !words.ends_with("control policy");
            (words != other && !(of_iam(words) && of_iam(other)))
                .then(|| (format!(" with an explicit deny in {words}: {arn}"), None))
        }),
    ];
    (caller, action, proptest::option::of(other_arn()), tail).prop_map(
        |(caller, action, resource, (tail, arn))| {
            let resource = resource.map_or(String::new(), |arn| format!(" on resource: {arn}"));
            (
                format!("User: {caller} is not authorized to perform: {action}{resource}{tail}"),
                arn,
            )
        },
    )
}

/// What stands before and behind a denial in the agent's log.
fn around() -> impl Strategy<Value = (String, &'static str)> {
    let before = prop_oneof![
        Just("AccessDeniedException: ".to_owned()),
        Just("operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: c7a8114f, api error AccessDeniedException: ".to_owned()),
        Just("unexpected response from the service <AccessDeniedException><Message>".to_owned()),
        Just("GetMessages Error: HTTP 400: {\"__type\":\"AccessDeniedException\",\"message\":\"".to_owned()),
        other_arn().prop_map(|arn| format!("policy: {arn} with an explicit deny in a service control policy: {arn} ")),
        other_arn().prop_map(|arn| format!("could not read {arn}: ")),
    ];
    let behind = select(vec![
        "",
        ".",
        ",",
        ". ",
        ", Will retry",
        " status code: 400, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a",
        "</Message></AccessDeniedException>",
        "\"}",
        ", RequestID: c7a8114f",
        ". policy: arn:aws:iam::123456789012:policy/NotThisOne",
        " caused by: arn:aws:iam::123456789012:policy/NotThisOne",
    ]);
    (before, behind)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_arn_read_is_the_denying_policys_own(
        (text, arn) in denial(), (before, behind) in around(),
    ) {
        let read = read(&format!("{before}{text}{behind}"));
        prop_assert_eq!(&first_policy(&read), &arn, "{}", text);
    }

    /// However the text goes on or ends: the ARN, or none.
    #[test]
    fn no_other_arn_is_ever_read(
        (text, arn) in denial(),
        (before, _) in around(),
        behind in prop_oneof![
            "\\PC{0,40}".prop_filter("joined to the ARN", |text| {
                let joins = |c: char| c.is_ascii_alphanumeric() || "_+=@-/".contains(c);
                !(text.starts_with(joins) || text.starts_with('.') && text.len() > 1)
            }),
            other_arn().prop_map(|arn| format!(" {arn}")),
            other_arn().prop_map(|arn| format!(" and with an explicit deny in a session policy: {arn}")),
        ],
    ) {
        let read = read(&format!("{before}{text}{behind}"));
        for policy in policies(&read) {
            prop_assert_eq!(Some(&policy), arn.as_ref());
        }
    }

    #[test]
    fn of_two_denials_each_keeps_its_own(
        one in denial(), two in denial(),
        (before, _) in around(), between in select(vec![" ", ". ", "; ", " caused by: AccessDeniedException: "]),
    ) {
        let own: Vec<String> = [&one.1, &two.1].into_iter().flatten().cloned().collect();
        let read = read(&format!("{before}{}{between}{}", one.0, two.0));
        for denied in &read.denied {
            prop_assert!(denied.policy.as_ref().is_none_or(|policy| own.contains(policy)));
        }
        prop_assert_eq!(&read.denied[0].policy, &one.1);
    }

    /// A line that was cut, with a mark of the cut or without, or wrapped by a terminal. Only a
    /// cut without a mark within path or name of an IAM policy looks like a shorter name.
    #[test]
    fn of_a_cut_arn_nothing_is_read(
        (text, arn) in denial().prop_filter("with an ARN", |(_, arn)| arn.is_some()),
        cut in any::<prop::sample::Index>(),
        mark in select(vec!["", "...", "…", " [truncated]", "... [12 more bytes cut]", " wrap", "\n"]),
    ) {
        let arn = arn.unwrap_or_default();
        let start = text.len() - arn.len();
        let at = start + cut.index(arn.len());
        let rest = if matches!(mark, " wrap" | "\n") { &text[at..] } else { "" };
        let mark = if mark == " wrap" { " " } else { mark };
        let name = text.rfind(":policy/").map_or(start, |at| at + ":policy/".len());
        let unmarked = mark.is_empty() && arn.contains(":iam:") && at > name;
        prop_assume!(!unmarked);
        let read = read(&format!("{}{mark}{rest}", &text[..at]));
        let policies = policies(&read);
        prop_assert!(policies.is_empty(), "{policies:?} of {arn}");
    }

    #[test]
    fn any_text_is_read(text in "(User: |arn:aws:iam::123456789012:user/a|is not authorized to perform: |ssm:X| on resource: | with an explicit deny in a service control policy: |\"|\\\\\"|\\PC){0,24}") {
        for policy in policies(&read(&text)) {
            prop_assert!(text.contains(&policy));
        }
    }
}

fn policies(denial: &Denial) -> Vec<String> {
    let denied = denial.denied.iter();
    denied.filter_map(|one| one.policy.clone()).collect()
}

fn first_policy(denial: &Denial) -> Option<String> {
    denial.denied.first()?.policy.clone()
}
