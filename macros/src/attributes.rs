//! The attributes already on an item or a field: derives and serde's.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Meta, Path, Result, Token, punctuated::Punctuated};

fn parse_list<T: syn::parse::Parse>(attribute: &Attribute) -> Result<Punctuated<T, Token![,]>> {
    attribute.parse_args_with(Punctuated::parse_terminated)
}

fn attributes_named<'a>(attributes: &'a [Attribute], name: &'static str) -> impl Iterator<Item = &'a Attribute> {
    attributes.iter().filter(move |attribute| attribute.path().is_ident(name))
}

/// `#[derive(…)]` with the traits that the attributes do not derive yet.
pub fn derive_missing(attributes: &[Attribute], traits: &[&str]) -> Result<TokenStream> {
    let mut derived = BTreeSet::new();
    for attribute in attributes_named(attributes, "derive") {
        derived.extend(parse_list::<Path>(attribute)?.iter().filter_map(|path| Some(path.segments.last()?.ident.to_string())));
    }
    let missing = traits.iter().filter(|path| !derived.contains(path.rsplit("::").next().unwrap_or(path)));
    let missing = missing.map(|path| syn::parse_str::<Path>(path)).collect::<Result<Vec<_>>>()?;
    Ok(quote!(#[derive(#(#missing),*)]))
}

/// Removes `Default` from the derives and returns whether it was there.
pub fn take_default(attributes: &mut [Attribute]) -> Result<bool> {
    let mut found = false;
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("derive")) {
        let (default, rest): (Vec<_>, Vec<_>) = parse_list::<Path>(attribute)?.into_iter().partition(|path| path.is_ident("Default"));
        if !default.is_empty() {
            found = true;
            *attribute = syn::parse_quote!(#[derive(#(#rest),*)]);
        }
    }
    Ok(found)
}

/// The items of the serde attributes.
pub fn serde_items(attributes: &[Attribute]) -> Result<Vec<Meta>> {
    let mut all = Vec::new();
    for attribute in attributes_named(attributes, "serde") {
        all.extend(parse_list::<Meta>(attribute)?);
    }
    Ok(all)
}

/// Whether one of these items is among them.
pub fn contains_any(serde: &[Meta], names: &[&str]) -> bool {
    serde.iter().any(|meta| names.iter().any(|name| meta.path().is_ident(name)))
}
