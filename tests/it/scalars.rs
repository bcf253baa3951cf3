//! Scalars of a definition keep their written text where text is wanted, and templates have limits.

use acme::definition::{LoadOptions, Source, Stack, load};
use serde_json::{Value, json};

fn compile_with(text: &str, set: &[(&str, &str)]) -> Stack {
    let source = Source::new("stack.yaml", text);
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    load(&source, &LoadOptions { set, ..LoadOptions::default() }).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| problem.render(&source, false)).collect::<Vec<_>>().join("\n"));
    })
}

fn compile(text: &str) -> Stack {
    compile_with(text, &[])
}

fn spec<'a>(stack: &'a Stack, address: &str) -> &'a Value {
    &stack.resources.iter().find(|(known, _)| known.to_string() == address).expect("a resource").1.spec
}

fn tags(stack: &Stack, address: &str) -> Value {
    json!(stack.resources.iter().find(|(known, _)| known.to_string() == address).expect("a resource").1.tags)
}

#[test]
fn scalars_keep_their_text_in_policies_tags_and_parameters() {
    let stack = compile(
        "
stack: shop
region: eu-west-1
account: 012345678901
tags: { country: NO, version: 1.10, paging: off, commit: 12e4567, big: 123456789012345678901234567890, plain: true, count: 5 }
resources:
  iam_role:
    other:
      trust:
        Statement:
          - Effect: Allow
            Principal: { AWS: 012345678901 }
            Action: sts:AssumeRole
            Condition: { StringEquals: { 'aws:PrincipalTag/country': [NO, yes, 1.10] } }
  rds_parameter_group:
    tuned: { family: mysql8.0, parameters: { autocommit: off, long_query_time: 1.10, sql_mode: NO, max_connections: 100 } }
  secret:
    a: { description: 1.10 }
    b: { description: &alias NO }
    c: { description: *alias }
    d: { description: 'off' }
outputs: { version: 1.10, list: [NO, 007, 7] }
",
    );
    assert_eq!(stack.account.as_deref(), Some("012345678901"));
    let tagged = tags(&stack, "secret.a");
    let expected = [
        ("country", "NO"),
        ("version", "1.10"),
        ("paging", "off"),
        ("commit", "12e4567"),
        ("big", "123456789012345678901234567890"),
        ("plain", "true"),
        ("count", "5"),
    ];
    for (key, value) in expected {
        assert_eq!(tagged[key], value, "{tagged}");
    }
    let trust = spec(&stack, "iam_role.other")["trust"]["Statement"][0].clone();
    assert_eq!(trust["Principal"]["AWS"], json!(["012345678901"]));
    assert_eq!(trust["Condition"]["StringEquals"]["aws:PrincipalTag/country"], json!(["1.10", "NO", "yes"]));
    assert_eq!(
        spec(&stack, "rds_parameter_group.tuned")["parameters"],
        json!({ "autocommit": "off", "long_query_time": "1.10", "sql_mode": "NO", "max_connections": "100" })
    );
    for (address, text) in [("secret.a", "1.10"), ("secret.b", "NO"), ("secret.c", "NO"), ("secret.d", "off")] {
        assert_eq!(spec(&stack, address)["description"], text, "{address}");
    }
    assert_eq!(json!(stack.outputs), json!({ "version": "1.10", "list": ["NO", "007", 7] }));
}

#[test]
fn scalars_are_numbers_and_switches_where_these_are_wanted() {
    let stack = compile(
        "
stack: shop
region: eu-west-1
values: { enabled: off, ratio: 1.10, country: NO, version: 1.30, nested: { flag: yes } }
resources:
  vpc: { main: { cidr: 10.0.0.0/16, dns_hostnames: yes } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a, public_ip_on_launch: ON } }
  ecr_repository:
    never: { when: off }
    neither: { when: enabled or country }
    nested: { when: nested.flag }
    each-{{ each.key }}: { for_each: [NO, 1.10], tags: { own: '{{ each.value }}', text: 'is {{ each.value }}' } }
  secret:
    a: { description: 'v{{ version }} {{ country | lower }} {{ country ~ version }}', tags: { sum: '{{ ratio * 10 }}', alone: '{{ ratio }}' } }
",
    );
    assert_eq!(spec(&stack, "vpc.main")["dns_hostnames"], true);
    assert_eq!(spec(&stack, "subnet.a")["public_ip_on_launch"], true);
    let names: Vec<String> = stack.resources.keys().map(ToString::to_string).collect();
    let expected = ["ecr_repository.each-1.10", "ecr_repository.each-NO", "ecr_repository.nested", "secret.a", "subnet.a", "vpc.main"];
    assert_eq!(names, expected);
    assert_eq!(spec(&stack, "secret.a")["description"], "v1.30 no NO1.30");
    let tagged = tags(&stack, "secret.a");
    assert_eq!((&tagged["sum"], &tagged["alone"]), (&json!("11.0"), &json!("1.10")));
    let tagged = tags(&stack, "ecr_repository.each-NO");
    assert_eq!((&tagged["own"], &tagged["text"]), (&json!("NO"), &json!("is NO")));
}

#[test]
fn values_of_the_command_line_follow_the_same_rules_and_are_no_templates() {
    let text = "
stack: shop
region: eu-west-1
values: { version: 1, country: DE, enabled: true, zones: [a], note: none }
resources:
  ecr_repository: { a: { when: enabled } }
  secret: { a: { description: '{{ note }}', tags: { version: '{{ version }}', country: 'in {{ country }}', zones: '{{ zones | join(sep=\"+\") }}' } } }
outputs: { note: '{{ note }}', also: '{{ note ~ note }}' }
";
    let set = [("version", "1.10"), ("country", "NO"), ("enabled", "off"), ("zones", "[b, 010]"), ("note", "{{ 7 * 7 }} #1")];
    let stack = compile_with(text, &set);
    let tagged = tags(&stack, "secret.a");
    assert_eq!((&tagged["version"], &tagged["country"], &tagged["zones"]), (&json!("1.10"), &json!("in NO"), &json!("b+010")));
    assert!(!stack.resources.keys().any(|address| address.type_name == "ecr_repository"), "it is off");
    assert_eq!(spec(&stack, "secret.a")["description"], "{{ 7 * 7 }} #1");
    assert_eq!(json!(stack.outputs), json!({ "note": "{{ 7 * 7 }} #1", "also": "{{ 7 * 7 }} #1{{ 7 * 7 }} #1" }));
    // The same in the file.
    let written = compile(&text.replace("version: 1,", "version: 1.10,").replace("country: DE", "country: NO").replace("[a]", "[b, 010]"));
    assert_eq!(tags(&written, "secret.a"), tagged);
}

#[test]
fn templates_have_loops_conditions_and_values() {
    let text = "
stack: shop
values: { names: [a, b], n: 2 }
outputs:
  loop: \"{% for name in names %}{{ name }}{% if not loop.last %}, {% endif %}{% endfor %}\"
  set: \"{% set x = n * 3 %}{{ x }}\"
  count: \"{{ range(start=3, end=9, step_by=2) | join(sep='-') }} {{ 'a-b' | split(pat='-') | length }}\"
  text: \"{{ 'a b' | replace(from=' ', to='_') }} {{ 'x' | indent(first=true, width=2) }} {{ 5 | str }}\"
  raw: \"{% raw %}{{ kept }}{% endraw %}\"
";
    let expected = json!({ "loop": "a, b", "set": "6", "count": "3-5-7 2", "text": "a_b   x 5", "raw": "{{ kept }}" });
    assert_eq!(json!(compile(text).outputs), expected);
}
