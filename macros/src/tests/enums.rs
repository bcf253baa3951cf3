//! Enums.

use quote::quote;

use super::{assert_has, assert_lacks, compact, expanded};

#[test]
fn enums_are_compared_and_in_snake_case() {
    let expansion = expanded(quote! {
        #[derive(Copy, Default, PartialEq)]
        pub enum Mode { #[default] Active, #[serde(rename = "off")] Passive }
    });
    assert_eq!(
        expansion,
        compact(quote! {
            #[derive(Clone, Debug, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema, Eq, PartialOrd, Ord)]
            #[serde(rename_all = "snake_case")]
            #[derive(Copy, Default, PartialEq)]
            pub enum Mode { #[default] Active, #[serde(rename = "off")] Passive }
        })
    );
}

#[test]
fn enums_keep_their_own_names() {
    for serde in [quote!(rename_all = "lowercase"), quote!(untagged), quote!(tag = "type", rename_all = "kebab-case")] {
        let expansion = expanded(quote! {
            #[serde(#serde)]
            pub enum Mode {
                Active,
            }
        });
        assert_lacks(&expansion, "snake_case");
        assert_has(&expansion, quote!(#[serde(#serde)] pub enum Mode));
    }
    let expansion = expanded(quote! {
        #[serde(deny_unknown_fields)]
        pub enum Mode {
            Active,
        }
    });
    assert_has(&expansion, quote!(#[serde(rename_all = "snake_case")] #[serde(deny_unknown_fields)] pub enum Mode));
}
