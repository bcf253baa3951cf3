//! Tests of discovery.

mod outside;

use super::*;

#[test]
fn reads_the_account_from_the_index_when_all_arns_agree() {
    let account = |arns: &[&str]| {
        let index = arns.iter().map(|arn| ((*arn).to_owned(), Tags::new())).collect::<BTreeMap<_, _>>().into();
        let index = Some([(None, index)].into());
        let indexed = TagIndex { index, warning: None, queried_at: SystemTime::UNIX_EPOCH };
        indexed.account().map(str::to_owned)
    };
    let (bucket, zone) = ("arn:aws:s3:::uploads", "arn:aws:route53:::hostedzone/Z1");
    let (vpc, other) = ("arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1", "arn:aws:ec2:eu-west-1:210987654321:vpc/vpc-2");
    assert_eq!(account(&[bucket, vpc, zone]), Some("123456789012".to_owned()));
    assert_eq!(account(&[bucket, zone]), None);
    assert_eq!(account(&[vpc, other]), None);
    assert_eq!(account(&[]), None);
}

#[test]
fn recognizes_possible_ids() {
    for (pattern, text, is_possible) in [
        ("{arn}", "arn:aws:sns:eu-west-1:123456789012:a", true),
        ("{arn}", "a", false),
        ("vpc-{hex17}", "vpc-1", true),
        ("vpc-{hex17}", "subnet-1", false),
        ("https://{host}/{account}/{name}", "http://127.0.0.1:5000/123456789012/orders", true),
        ("https://{host}/{account}/{name}", "orders", false),
        ("{resource}", "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", true),
        ("{name}", "shop/users", true),
        ("{name}", "", false),
        ("{name}", "arn:aws:s3:::shop", false),
        ("{cluster}/{name}", "main/web", true),
        ("{cluster}/{name}", "main:web", false),
        ("{zone}/{domain}/{type}/{set_identifier}", "Z1/www.example.com/A/", true),
    ] {
        assert_eq!(super::may_be_id(pattern, text), is_possible, "{pattern} {text}");
    }
}
