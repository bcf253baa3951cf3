//! The tokens of the expansion, and its errors. The tests in `src/core/spec.rs` of acme compile and use it.

mod enums;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{expand, facts::Facts};

/// The expansion, without any whitespace.
fn expanded(item: TokenStream) -> String {
    compact(expand::spec(quote!(), item).expect("the expansion succeeds"))
}

/// Every error of an expansion that fails.
fn errors(item: TokenStream) -> Vec<String> {
    expand::spec(quote!(), item).expect_err("the expansion fails").into_iter().map(|error| error.to_string()).collect()
}

fn compact(tokens: TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

fn assert_has(expansion: &str, part: TokenStream) {
    let part = compact(part);
    assert!(expansion.contains(&part), "{part}\nis not in\n{expansion}");
}

fn assert_lacks(expansion: &str, part: &str) {
    assert!(!expansion.contains(part), "{part}\nis in\n{expansion}");
}

/// The expansion of a struct with one field.
fn with_field(field: TokenStream) -> String {
    expanded(quote!(pub struct Queue { #field }))
}

#[test]
fn derives_the_traits_and_takes_the_facts_off() {
    let expansion = expanded(quote! {
        /// A queue.
        pub struct Queue {
            /// Its delay.
            #[field(replaces)]
            pub delay: i32,
        }
    });
    assert_has(
        &expansion,
        quote! {
            #[derive(Clone, Debug, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            #[doc = r" A queue."]
            pub struct Queue {
                #[doc = r" Its delay."]
                #[schemars(extend("x-acme-replaces" = true))]
                pub delay: i32,
            }
        },
    );
    assert_lacks(&expansion, "#[field");
}

#[test]
fn derives_no_trait_twice() {
    let expansion = expanded(quote! {
        #[derive(Debug, PartialEq, serde::Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct Queue {}
    });
    assert_has(
        &expansion,
        quote! {
            #[derive(Clone, ::serde::Deserialize, ::schemars::JsonSchema)]
            #[derive(Debug, PartialEq, serde::Serialize)]
            #[serde(deny_unknown_fields)]
            pub struct Queue {}
        },
    );
    assert_eq!(expansion.matches("deny_unknown_fields").count(), 1);
}

#[test]
fn refuses_an_unknown_fact_and_lists_the_known_ones() {
    let errors = errors(quote! {
        pub struct Queue {
            #[field(replace)]
            pub delay: i32,
        }
    });
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.starts_with("unknown fact; the facts are default, unset, dropped, range, "), "{error}");
    for fact in Facts::KNOWN {
        assert!(error.contains(fact), "{fact} is not in {error}");
    }
}

const NAME_SYNTAX: &str = r#"expected `name(max = 64, lowercase, ignore_case, global, prefix = "alias/", suffix(".fifo", when = fifo))`, where `max` is required"#;

const DROPPED_SYNTAX: &str = r#"expected `dropped = value`, `dropped(inherited)`, `dropped(kept, "why")` or `dropped(impossible, "why")`"#;

#[test]
fn refuses_facts_of_the_wrong_shape() {
    let cases = [
        (quote!(replaces = true), "expected `replaces`"),
        (quote!(default(3)), "expected `default` or `default = value`"),
        (quote!(unset), r#"expected `unset = "text"`"#),
        (quote!(impact = 3), r#"expected `impact = "text"`"#),
        (quote!(unique), r#"expected `unique = "text"`"#),
        (quote!(range = 1..5), "expected `range = 1..=10`"),
        (quote!(range = 1..), "expected `range = 1..=10`"),
        (quote!(length = 5), "expected `length = 1..=10`"),
        (quote!(one_of = "a"), r#"expected `one_of = ["a", "b"]`"#),
        (quote!(one_of = []), r#"expected `one_of = ["a", "b"]`"#),
        (quote!(parent = "vpc"), "expected `parent` or `parent = Type`"),
        (quote!(name(lowercase)), NAME_SYNTAX),
        (quote!(name(max = 64, upper)), NAME_SYNTAX),
        (quote!(name(max = 64, suffix = ".fifo")), NAME_SYNTAX),
        (quote!(name(max = 64, suffix(".fifo", if_true = fifo))), NAME_SYNTAX),
        (quote!(one_way(Direction::Increase)), r#"expected `one_way(value, "why")`"#),
        (quote!(risky(false, reason)), r#"expected `risky(value, "why")`"#),
        (quote!(policy = "user"), "a policy is one of an `identity`, a `resource`, a `repository`, or the `trust` of a role"),
        (quote!(dropped), DROPPED_SYNTAX),
        (quote!(dropped(kept)), DROPPED_SYNTAX),
        (quote!(dropped(sometimes, "why")), DROPPED_SYNTAX),
        (quote!(replaces, replaces), "`replaces` is stated twice"),
    ];
    for (fact, message) in cases {
        assert_eq!(
            errors(quote! {
                pub struct Queue {
                    #[field(#fact)]
                    pub delay: i32,
                }
            }),
            [message],
            "{fact}"
        );
    }
}

#[test]
fn reports_the_errors_of_all_fields_at_once() {
    let errors = errors(quote! {
        pub struct Queue {
            #[field(range = 3)]
            pub delay: i32,
            #[field(identity = 1)]
            pub key: String,
        }
    });
    assert_eq!(errors, ["expected `range = 1..=10`", "expected `identity`"]);
}

#[test]
fn refuses_items_that_are_no_specs() {
    assert_eq!(
        errors(quote! {
            pub struct Queue(i32);
        }),
        ["a spec has named fields"]
    );
    assert_eq!(
        errors(quote! {
            pub struct Queue<T> {
                pub value: T,
            }
        }),
        ["a spec has no type parameters"]
    );
    assert_eq!(
        errors(quote! {
            fn queue() {}
        }),
        ["`#[spec]` is for structs with named fields, and for enums"]
    );
    let arguments = expand::spec(
        quote!(queue),
        quote! {
            pub struct Queue {}
        },
    )
    .expect_err("the expansion fails");
    assert!(arguments.to_string().starts_with("`#[spec]` takes no arguments"));
    let renamed = quote! {
        #[serde(rename_all = "kebab-case")]
        pub struct Queue { pub delay: i32 }
    };
    assert_eq!(errors(renamed), ["`rename_all` is not supported on a spec: rename its fields one by one"]);
}

#[test]
fn uses_the_default_of_the_type_for_a_bare_default() {
    let expansion = with_field(quote!(#[field(default)] pub delay: i32));
    assert_has(&expansion, quote!(#[serde(default)] pub delay: i32));
    assert_lacks(&expansion, "default_delay");
    let expansion = with_field(quote!(#[field(unset = "the account's")] pub delay: Option<i32>));
    assert_has(&expansion, quote!(#[serde(default)] #[schemars(extend("x-acme-unset" = "the account's"))]));
}

#[test]
fn literals_are_converted_to_the_type_of_the_field() {
    let cases = [
        (quote!(30), quote!(u32), quote!(30)),
        (quote!(-1), quote!(i64), quote!(-1)),
        (quote!(true), quote!(bool), quote!(true)),
        (quote!("a"), quote!(String), quote!(::std::convert::Into::into("a"))),
        (quote!(30), quote!(Option<u32>), quote!(::std::option::Option::Some(30))),
        (quote!("a"), quote!(Option<String>), quote!(::std::option::Option::Some(::std::convert::Into::into("a")))),
        (quote!(30), quote!(Seconds), quote!(::std::convert::Into::into(30))),
        (quote!(Mode::Active), quote!(Mode), quote!(Mode::Active)),
        (quote!(None), quote!(Option<u32>), quote!(None)),
    ];
    for (value, ty, converted) in cases {
        let expansion = with_field(quote!(#[field(default = #value)] pub delay: #ty));
        assert_has(&expansion, quote!(#[serde(default = "Queue::default_delay")] pub delay: #ty));
        assert_has(&expansion, quote!(impl Queue { fn default_delay() -> #ty { #converted } }));
    }
}

#[test]
fn after_create_takes_the_default_or_the_expression() {
    let expansion = expanded(quote! {
        pub struct Queue {
            #[field(after_create)]
            pub plain: bool,
            #[field(default = 30, after_create)]
            pub delay: u32,
            #[field(after_create = "none")]
            pub mode: Option<String>,
            #[field(after_create = self.policy.as_ref().map(Policy::normalized))]
            pub policy: Option<Policy>,
            pub other: bool,
        }
    });
    assert_has(
        &expansion,
        quote! {
            fn after_create(&self) -> Self {
                let mut after = ::std::clone::Clone::clone(self);
                after.plain = ::std::default::Default::default();
                after.delay = Self::default_delay();
                after.mode = ::std::option::Option::Some(::std::convert::Into::into("none"));
                after.policy = self.policy.as_ref().map(Policy::normalized);
                after
            }
        },
    );
    assert_has(&expansion, quote!(crate::core::spec::Field { after_create: true, ..crate::core::spec::Field::new("plain", "/plain") }));
    assert_has(
        &with_field(quote!(pub delay: u32)),
        quote! {
            fn after_create(&self) -> Self {
                ::std::clone::Clone::clone(self)
            }
        },
    );
}

#[test]
fn a_dropped_field_has_a_value_in_the_schema_or_one_that_is_computed() {
    let cases = [
        (quote!(dropped = 60), quote!("x-acme-dropped" = 60)),
        (quote!(dropped = None), quote!("x-acme-dropped" = null)),
        (quote!(dropped = Policy::none()), quote!("x-acme-dropped" = Policy::none())),
        (quote!(dropped(inherited)), quote!("x-acme-dropped-computed" = true)),
        (quote!(dropped(kept, "it is permanent")), quote!("x-acme-dropped-kept" = "it is permanent")),
        (quote!(dropped(impossible, "AWS keeps it")), quote!("x-acme-dropped-impossible" = "AWS keeps it")),
    ];
    for (fact, extension) in cases {
        let expansion = with_field(quote!(#[field(#fact)] pub delay: Option<u32>));
        assert_has(&expansion, quote!(#[schemars(extend(#extension))] pub delay: Option<u32>));
        assert_lacks(&expansion, "fndropped");
    }
    let expansion = with_field(quote!(#[field(dropped = Some(self.usual()))] pub delay: Option<u32>));
    assert_has(&expansion, quote!(#[schemars(extend("x-acme-dropped-computed" = true))]));
    assert_has(
        &expansion,
        quote!(
            fn dropped(&self) -> Self {
                let mut dropped = ::std::clone::Clone::clone(self);
                dropped.delay = Some(self.usual());
                dropped
            }
        ),
    );
}

#[test]
fn takes_several_unique_keys() {
    let expansion = with_field(quote!(#[field(unique = "name", unique = "range", unique_by_overlap = "ports")] pub vpc: String));
    assert_has(&expansion, quote!(unique: &["name", "range"], unique_by_overlap: &["ports"],));
    let expansion = with_field(quote!(#[field(unique = "name")] #[field(unique = "range")] pub vpc: String));
    assert_has(&expansion, quote!(unique: &["name", "range"],));
}

#[test]
fn changes_have_one_bool_per_field() {
    let expansion = expanded(quote! {
        pub(crate) struct Queue {
            pub delay: u32,
            pub r#type: String,
        }
    });
    assert_has(
        &expansion,
        quote! {
            pub(crate) struct QueueChanges {
                #[doc = "Whether `delay` differs."]
                pub delay: bool,
                #[doc = "Whether `type` differs."]
                pub r#type: bool,
            }
        },
    );
    assert_has(
        &expansion,
        quote! {
            QueueChanges {
                delay: crate::core::spec::differs(pointers, "/delay"),
                r#type: crate::core::spec::differs(pointers, "/type"),
            }
        },
    );
}

#[test]
fn uses_the_renamed_key() {
    let expansion = with_field(quote!(#[field(default = 1)] #[serde(rename = "a/b~c")] pub delay: u32));
    assert_has(&expansion, quote!(crate::core::spec::Field::new("a/b~c", "/a~1b~0c")));
    assert_has(&expansion, quote!(delay: crate::core::spec::differs(pointers, "/a~1b~0c")));
    assert_has(&expansion, quote!(#[serde(rename = "a/b~c")] #[serde(default = "Queue::default_delay")] pub delay: u32));
    let two = quote! {
        pub struct Queue {
            #[serde(rename(serialize = "a", deserialize = "b"))]
            pub delay: u32,
        }
    };
    assert_eq!(errors(two), ["a field of a spec has one name, for reading and writing"]);
}

#[test]
fn flattened_fields_are_left_out() {
    let expansion = with_field(quote!(#[serde(flatten)] pub rest: Rest));
    assert_has(
        &expansion,
        quote! {
            pub struct Queue {
                #[serde(flatten)]
                pub rest: Rest
            }
        },
    );
    assert_has(
        &expansion,
        quote! {
            pub struct QueueChanges {}
        },
    );
    assert_has(
        &expansion,
        quote! {
            const FIELDS: &'static [crate::core::spec::Field] = &[];
        },
    );
    let stated = quote! {
        pub struct Queue {
            #[serde(flatten)]
            #[field(replaces)]
            pub rest: Rest,
        }
    };
    assert_eq!(errors(stated), ["a flattened or skipped field has no key, and so no facts"]);
}

#[test]
fn facts_become_members_of_the_field() {
    let cases = [
        (quote!(parent), quote!(parent: ::std::option::Option::Some(<Ref<Vpc> as crate::core::ReferencesType>::TYPE))),
        (quote!(parent = super::Vpc), quote!(parent: ::std::option::Option::Some(<super::Vpc as crate::core::Named>::NAME))),
        (
            quote!(name(max = 32)),
            quote!(naming: ::std::option::Option::Some(crate::core::spec::Naming {
                max: 32, lowercase: false, ignore_case: false, global: false, prefix: "", suffix: ::std::option::Option::None, pattern: ::std::option::Option::None
            })),
        ),
        (
            quote!(name(max = 80, suffix(".fifo", when = fifo))),
            quote!(suffix: ::std::option::Option::Some(crate::core::spec::NameSuffix {
                text: ".fifo", when: { let _: fn(&Self) -> bool = |spec| spec.fifo; "fifo" }
            })),
        ),
        (
            quote!(name(max = 256, lowercase, ignore_case, global, prefix = "alias/"), pattern = "[a-z/]+"),
            quote!(naming: ::std::option::Option::Some(crate::core::spec::Naming {
                max: 256, lowercase: true, ignore_case: true, global: true, prefix: "alias/", suffix: ::std::option::Option::None, pattern: ::std::option::Option::Some("[a-z/]+")
            })),
        ),
        (quote!(impact = "stops it"), quote!(impact: ::std::option::Option::Some("stops it"))),
        (quote!(keeps = "vpc"), quote!(keeps: ::std::option::Option::Some("vpc"))),
        (quote!(global_region = "cloudfront"), quote!(global_region: ::std::option::Option::Some("cloudfront"))),
        (
            quote!(one_way(Direction::Increase, "it grows")),
            quote!(crate::core::spec::OneWayFact { direction: Direction::Increase, reason: "it grows" }),
        ),
        (
            quote!(risky(false, "anyone can")),
            quote!(crate::core::spec::Risk { value: || ::serde_json::json!(false), reason: "anyone can" }),
        ),
    ];
    for (fact, member) in cases {
        assert_has(&with_field(quote!(#[field(#fact)] pub vpc: Ref<Vpc>)), member);
    }
    for flag in [
        "identity",
        "bound",
        "assigned_by_aws",
        "lookup",
        "read_by_name",
        "own_read",
        "protects_deletion",
        "recovery_window",
        "apply_immediately",
        "removed_later",
        "write_only",
    ] {
        let flag: TokenStream = flag.parse().expect("an identifier");
        assert_has(&with_field(quote!(#[field(#flag)] pub vpc: String)), quote!(#flag: true, ..crate::core::spec::Field::new));
    }
}

#[test]
fn a_presumed_field_is_set_after_the_creation() {
    assert_has(&with_field(quote!(#[field(after_create, presumed)] pub zone: String)), quote!(after_create: true, presumed: true));
    let alone = quote! {
        pub struct Queue {
            #[field(presumed)]
            pub zone: String,
        }
    };
    assert_eq!(errors(alone), ["a `presumed` field is set after the creation: it has the fact `after_create`"]);
}

#[test]
fn facts_become_extensions_of_the_schema() {
    let cases = [
        (quote!(range = 0..=43200), quote!("minimum" = 0, "maximum" = 43200)),
        (quote!(length = 1..=MAX), quote!("x-acme-length" = [1, MAX])),
        (quote!(name(max = 63)), quote!("x-acme-length" = [1, 63])),
        (quote!(name(max = 63), length = 3..=63), quote!("x-acme-length" = [3, 63])),
        (quote!(prefix = 16..=28), quote!("x-acme-prefix" = [16, 28])),
        (quote!(pattern = "[a-z]+"), quote!("x-acme-pattern" = "[a-z]+")),
        (quote!(one_of = ["a", "b"]), quote!("x-acme-one-of" = ["a", "b"])),
        (quote!(impact = "stops it"), quote!("x-acme-impact" = "stops it")),
        (quote!(one_way(Direction::Increase, "it grows")), quote!("x-acme-one-way" = "it grows")),
        (quote!(risky(false, "anyone can")), quote!("x-acme-risky-value" = false, "x-acme-risky" = "anyone can")),
        (quote!(important, initial_only), quote!("x-acme-initial-only" = true, "x-acme-important" = true)),
        (quote!(write_only), quote!("x-acme-write-only" = true)),
        (quote!(replaces, length = 1..=2), quote!("x-acme-length" = [1, 2], "x-acme-replaces" = true)),
    ];
    for (fact, extension) in cases {
        assert_has(&with_field(quote!(#[field(#fact)] pub delay: u32)), quote!(#[schemars(extend(#extension))] pub delay: u32));
    }
}

#[test]
fn a_derived_default_uses_the_facts() {
    let expansion = expanded(quote! {
        #[derive(Default, PartialEq)]
        pub struct Queue {
            #[field(default = 30)]
            pub delay: u32,
            pub mode: String,
            #[serde(flatten)]
            pub rest: Rest,
        }
    });
    assert_has(&expansion, quote!(#[derive(PartialEq)] pub struct Queue));
    assert_has(
        &expansion,
        quote! {
            Self {
                delay: Self::default_delay(),
                mode: ::std::default::Default::default(),
                rest: ::std::default::Default::default(),
            }
        },
    );
}
