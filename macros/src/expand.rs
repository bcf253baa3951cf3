//! The expansion of `#[spec]`.

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::{
    Error, Expr, ExprLit, ExprUnary, Fields, GenericArgument, Ident, Item, ItemEnum, ItemStruct, Lit, LitStr, Meta, PathArguments, Result,
    Token, Type, UnOp, parse_quote, punctuated::Punctuated,
};

use crate::{
    attributes::{contains_any, derive_missing, serde_items, take_default},
    facts::Facts,
    shape::{Bounds, Dropped, FactValue, OtherField, Parent},
};

/// Traits derived for every spec.
const TRAITS: &[&str] = &["Clone", "Debug", "::serde::Serialize", "::serde::Deserialize", "::schemars::JsonSchema"];
/// Traits derived for enums as well: specs compare them and keep them in sets.
const COMPARISONS: &[&str] = &["PartialEq", "Eq", "PartialOrd", "Ord"];

/// Expands the attribute.
pub fn spec(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`#[spec]` takes no arguments; state facts at the fields, in `#[field(…)]`"));
    }
    match syn::parse2(item)? {
        Item::Struct(item) => expand_struct(item),
        Item::Enum(item) => expand_enum(item),
        other => Err(Error::new_spanned(other, "`#[spec]` is for structs with named fields, and for enums")),
    }
}

fn expand_enum(item: ItemEnum) -> Result<TokenStream> {
    let derive = derive_missing(&item.attrs, &[TRAITS, COMPARISONS].concat())?;
    let named = contains_any(&serde_items(&item.attrs)?, &["rename", "rename_all", "untagged", "tag"]);
    let rename = (!named).then(|| quote!(#[serde(rename_all = "snake_case")]));
    Ok(quote!(#derive #rename #item))
}

fn expand_struct(mut item: ItemStruct) -> Result<TokenStream> {
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(item.generics, "a spec has no type parameters"));
    }
    let container = serde_items(&item.attrs)?;
    if contains_any(&container, &["rename_all"]) {
        return Err(Error::new_spanned(item.ident, "`rename_all` is not supported on a spec: rename its fields one by one"));
    }
    let default = take_default(&mut item.attrs)?;
    let derive = derive_missing(&item.attrs, TRAITS)?;
    let deny = (!contains_any(&container, &["deny_unknown_fields"])).then(|| quote!(#[serde(deny_unknown_fields)]));

    let Fields::Named(fields) = &mut item.fields else {
        return Err(Error::new_spanned(item.ident, "a spec has named fields"));
    };
    let mut keyed = Vec::new();
    let mut unkeyed = Vec::new();
    let mut errors: Option<Error> = None;
    for field in &mut fields.named {
        match SpecField::take(&item.ident, field) {
            Ok(Some(field)) => keyed.push(field),
            Ok(None) => unkeyed.push(field.ident.clone()),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    add_relations(&mut fields.named, &keyed)?;

    let (name, visibility) = (&item.ident, &item.vis);
    let changes = format_ident!("{name}Changes");
    let about = format!("Which fields of [`{name}`] differ.");
    let struct_of_pointers = format_ident!("{name}Pointers");
    let about_pointers = format!("Where the fields of [`{name}`] are.");
    let default = default.then(|| {
        let standard = keyed.iter().map(SpecField::initializer);
        quote! {
            impl ::std::default::Default for #name {
                fn default() -> Self {
                    Self { #(#standard,)* #(#unkeyed: ::std::default::Default::default(),)* }
                }
            }
        }
    });
    let functions: Vec<_> = keyed.iter().filter_map(SpecField::default_function).collect();
    let functions = (!functions.is_empty()).then(|| quote!(impl #name { #(#functions)* }));
    let entries = keyed.iter().map(SpecField::field_constructor);
    let after_create: Vec<_> = keyed.iter().filter_map(SpecField::after_create).collect();
    let after_create = match after_create.as_slice() {
        [] => quote!(::std::clone::Clone::clone(self)),
        statements => quote!(let mut after = ::std::clone::Clone::clone(self); #(#statements)* after),
    };
    let dropped: Vec<_> = keyed.iter().filter_map(SpecField::computed_drop).collect();
    let dropped = (!dropped.is_empty()).then(|| {
        quote! {
            fn dropped(&self) -> Self { let mut dropped = ::std::clone::Clone::clone(self); #(#dropped)* dropped }
        }
    });
    let idents: Vec<_> = keyed.iter().map(|field| &field.ident).collect();
    let pointers: Vec<_> = keyed.iter().map(SpecField::pointer).collect();
    let differs = keyed.iter().map(|field| format!("Whether `{}` differs.", field.key));
    let places = keyed.iter().map(|field| format!("`{}`.", field.key));
    Ok(quote! {
        #derive
        #deny
        #item

        #functions
        #default

        #[doc = #about]
        #[derive(Clone, Copy, Debug, Default)]
        #[allow(dead_code)]
        #visibility struct #changes { #(#[doc = #differs] pub #idents: bool,)* }

        #[doc = #about_pointers]
        #[allow(dead_code)]
        #visibility struct #struct_of_pointers { #(#[doc = #places] pub #idents: crate::core::Pointer,)* }

        #[allow(dead_code)]
        impl #name {
            /// A JSON pointer to each field.
            #visibility const POINTERS: #struct_of_pointers = #struct_of_pointers {
                #(#idents: crate::core::Pointer::new(#pointers),)*
            };
        }

        impl crate::core::spec::Spec for #name {
            type Changes = #changes;
            const FIELDS: &'static [crate::core::spec::Field] = &[#(#entries),*];
            fn changes(pointers: &[::std::string::String]) -> #changes {
                #changes { #(#idents: crate::core::spec::differs(pointers, #pointers),)* }
            }
            fn pointers(changes: &#changes) -> ::std::vec::Vec<&'static str> {
                let all: &[(bool, &'static str)] = &[#((changes.#idents, #pointers)),*];
                all.iter().filter(|(differs, _)| *differs).map(|(_, pointer)| *pointer).collect()
            }
            fn after_create(&self) -> Self { #after_create }
            #dropped
        }
    })
}

/// Adds the relations between fields to their schemas. The other field must exist.
fn add_relations(fields: &mut Punctuated<syn::Field, Token![,]>, keyed: &[SpecField]) -> Result<()> {
    for field in keyed {
        for (keyword, others) in [("x-acme-requires", &field.facts.requires), ("x-acme-conflicts-with", &field.facts.conflicts_with)] {
            let mut keys = Vec::new();
            for OtherField(ident) in others {
                match keyed.iter().find(|other| other.ident == *ident) {
                    Some(other) => keys.push(&other.key),
                    None => return Err(Error::new_spanned(ident, format!("there is no field `{ident}`"))),
                }
            }
            if let (false, Some(field)) = (keys.is_empty(), fields.iter_mut().find(|one| one.ident.as_ref() == Some(&field.ident))) {
                field.attrs.push(parse_quote!(#[schemars(extend(#keyword = [#(#keys),*]))]));
            }
        }
    }
    Ok(())
}

/// A field with a key of its own.
struct SpecField {
    ident: Ident,
    ty: Type,
    /// Its name in YAML.
    key: String,
    facts: Facts,
}

impl SpecField {
    /// Removes the facts from a field and adds the attributes for serde and schemars. `None` for a field without a key of its own.
    fn take(spec: &Ident, field: &mut syn::Field) -> Result<Option<SpecField>> {
        let facts = Facts::take(&mut field.attrs)?;
        let serde = serde_items(&field.attrs)?;
        let Some(ident) = field.ident.clone() else { return Err(Error::new_spanned(field, "a spec has named fields")) };
        if contains_any(&serde, &["flatten", "skip"]) {
            return match facts {
                None => Ok(None),
                Some(_) => Err(Error::new_spanned(ident, "a flattened or skipped field has no key, and so no facts")),
            };
        }
        let key = yaml_name(&ident, &serde)?;
        let this = SpecField { ident, ty: field.ty.clone(), key, facts: facts.unwrap_or_default() };
        if this.facts.presumed.is_some() && this.facts.after_create.is_none() {
            return Err(Error::new_spanned(&this.ident, "a `presumed` field is set after the creation: it has the fact `after_create`"));
        }
        if this.default_function().is_some() {
            let path = format!("{spec}::{}", this.default_name());
            field.attrs.push(parse_quote!(#[serde(default = #path)]));
        } else if this.facts.default.is_some() || this.facts.unset.is_some() {
            field.attrs.push(parse_quote!(#[serde(default)]));
        }
        let extensions = this.schema_extensions();
        if !extensions.is_empty() {
            field.attrs.push(parse_quote!(#[schemars(extend(#(#extensions),*))]));
        }
        Ok(Some(this))
    }

    fn default_name(&self) -> Ident {
        format_ident!("default_{}", self.ident)
    }

    /// The function that returns the default, if an expression is given.
    fn default_function(&self) -> Option<TokenStream> {
        let Some(FactValue::Given(value)) = &self.facts.default else { return None };
        let (name, ty, value) = (self.default_name(), &self.ty, convert_literal(value, &self.ty));
        Some(quote!(fn #name() -> #ty { #value }))
    }

    /// The value of an unset field.
    fn default_value(&self) -> TokenStream {
        match &self.facts.default {
            Some(FactValue::Given(_)) => {
                let name = self.default_name();
                quote!(Self::#name())
            }
            _ => quote!(::std::default::Default::default()),
        }
    }

    fn initializer(&self) -> TokenStream {
        let (ident, value) = (&self.ident, self.default_value());
        quote!(#ident: #value)
    }

    /// The statement that sets it to its value after the create call.
    fn after_create(&self) -> Option<TokenStream> {
        let ident = &self.ident;
        let value = match self.facts.after_create.as_ref()? {
            FactValue::Implied => self.default_value(),
            FactValue::Given(value) => convert_literal(value, &self.ty),
        };
        Some(quote!(after.#ident = #value;))
    }

    /// The statement that sets it to the value of a dropped field, if that depends on other fields.
    fn computed_drop(&self) -> Option<TokenStream> {
        let ident = &self.ident;
        match &self.facts.dropped {
            Some(Dropped::Value(value)) if mentions_self(quote!(#value)) => Some(quote!(dropped.#ident = #value;)),
            _ => None,
        }
    }

    /// Its JSON pointer below the spec.
    fn pointer(&self) -> String {
        format!("/{}", self.key.replace('~', "~0").replace('/', "~1"))
    }

    /// Its keywords in the JSON schema.
    fn schema_extensions(&self) -> Vec<TokenStream> {
        let facts = &self.facts;
        let mut all = Vec::new();
        if let Some(Bounds { min, max }) = &facts.range {
            all.push(quote!("minimum" = #min, "maximum" = #max));
        }
        for (name, bounds) in [("x-acme-length", &facts.length), ("x-acme-prefix", &facts.prefix)] {
            all.extend(bounds.as_ref().map(|Bounds { min, max }| quote!(#name = [#min, #max])));
        }
        if let (None, Some(name)) = (&facts.length, &facts.name) {
            let max = &name.max;
            all.push(quote!("x-acme-length" = [1, #max]));
        }
        if let Some(choices) = &facts.one_of {
            let choices = &choices.0;
            all.push(quote!("x-acme-one-of" = [#(#choices),*]));
        }
        if facts.replaces.is_some() {
            all.push(quote!("x-acme-replaces" = true));
        }
        if facts.initial_only.is_some() {
            all.push(quote!("x-acme-initial-only" = true));
        }
        if facts.write_only.is_some() {
            all.push(quote!("x-acme-write-only" = true));
        }
        if facts.important.is_some() {
            all.push(quote!("x-acme-important" = true));
        }
        if let Some(risky) = &facts.risky {
            let value = &risky.value;
            all.push(quote!("x-acme-risky-value" = #value));
        }
        match &facts.dropped {
            None => {}
            Some(Dropped::Value(value)) if mentions_self(quote!(#value)) => all.push(quote!("x-acme-dropped-computed" = true)),
            Some(Dropped::Value(Expr::Path(path))) if path.path.is_ident("None") => all.push(quote!("x-acme-dropped" = null)),
            Some(Dropped::Value(value)) => all.push(quote!("x-acme-dropped" = #value)),
            Some(Dropped::Inherited) => all.push(quote!("x-acme-dropped-computed" = true)),
            Some(Dropped::Kept(why)) => all.push(quote!("x-acme-dropped-kept" = #why)),
            Some(Dropped::Impossible(why)) => all.push(quote!("x-acme-dropped-impossible" = #why)),
        }
        let texts = [
            ("x-acme-unset", facts.unset.as_ref()),
            ("x-acme-pattern", facts.pattern.as_ref()),
            ("x-acme-policy-kind", facts.policy.as_ref()),
            ("x-acme-impact", facts.impact.as_ref()),
            ("x-acme-one-way", facts.one_way.as_ref().map(|because| &because.reason)),
            ("x-acme-risky", facts.risky.as_ref().map(|because| &because.reason)),
        ];
        all.extend(texts.into_iter().filter_map(|(name, text)| text.map(|text| quote!(#name = #text))));
        all
    }

    /// Its entry in `Spec::FIELDS`.
    fn field_constructor(&self) -> TokenStream {
        let facts = &self.facts;
        let mut set = Vec::new();
        macro_rules! flags {
            ($($fact:ident)*) => { $(if facts.$fact.is_some() { set.push(quote!($fact: true)); })* };
        }
        flags! {
            replaces after_create identity bound assigned_by_aws lookup read_by_name own_read protects_deletion apply_immediately important
            initial_only write_only presumed removed_later recovery_window
        }
        let keys = [
            (quote!(unique), &facts.unique),
            (quote!(unique_by_overlap), &facts.unique_by_overlap),
            (quote!(unique_entries), &facts.unique_entries),
        ];
        for (fact, keys) in keys {
            if !keys.is_empty() {
                set.push(quote!(#fact: &[#(#keys),*]));
            }
        }
        if let Some(parent) = &facts.parent {
            let ty = &self.ty;
            let parent = match parent {
                Parent::OfField => quote!(<#ty as crate::core::ReferencesType>::TYPE),
                Parent::Given(ty) => quote!(<#ty as crate::core::Named>::NAME),
            };
            set.push(quote!(parent: ::std::option::Option::Some(#parent)));
        }
        if let Some(name) = &facts.name {
            let (max, lowercase, ignore_case, global) = (&name.max, name.lowercase, name.ignore_case, name.global);
            let prefix = name.prefix.as_ref().map_or_else(String::new, LitStr::value);
            let pattern = match &facts.pattern {
                Some(pattern) => quote!(::std::option::Option::Some(#pattern)),
                None => quote!(::std::option::Option::None),
            };
            let suffix = match &name.suffix {
                Some((text, when)) => {
                    let key = when.to_string();
                    // A field of another name or type is a compile error.
                    let when = quote!({ let _: fn(&Self) -> bool = |spec| spec.#when; #key });
                    quote!(::std::option::Option::Some(crate::core::spec::NameSuffix { text: #text, when: #when }))
                }
                None => quote!(::std::option::Option::None),
            };
            set.push(quote! {
                naming: ::std::option::Option::Some(crate::core::spec::Naming {
                    max: #max, lowercase: #lowercase, ignore_case: #ignore_case, global: #global, prefix: #prefix, suffix: #suffix, pattern: #pattern
                })
            });
        }
        let texts = [
            (quote!(impact), &facts.impact),
            (quote!(attribute), &facts.attribute),
            (quote!(global_region), &facts.global_region),
            (quote!(keeps), &facts.keeps),
        ];
        for (fact, text) in texts {
            set.extend(text.as_ref().map(|text| quote!(#fact: ::std::option::Option::Some(#text))));
        }
        if let Some(FactValue::Given(quota)) = &facts.entry_quota {
            set.push(quote!(entry_quota: ::std::option::Option::Some(#quota)));
        }
        if let Some(one_way) = &facts.one_way {
            let (direction, reason) = (&one_way.value, &one_way.reason);
            set.push(quote! {
                one_way: ::std::option::Option::Some({
                    #[allow(unused_imports)]
                    use crate::core::spec::Direction;
                    crate::core::spec::OneWayFact { direction: #direction, reason: #reason }
                })
            });
        }
        if let Some(risky) = &facts.risky {
            let (value, reason) = (&risky.value, &risky.reason);
            set.push(quote! {
                risky: ::std::option::Option::Some(crate::core::spec::Risk { value: || ::serde_json::json!(#value), reason: #reason })
            });
        }
        let (key, pointer) = (&self.key, self.pointer());
        let plain = quote!(crate::core::spec::Field::new(#key, #pointer));
        if set.is_empty() { plain } else { quote!(crate::core::spec::Field { #(#set,)* ..#plain }) }
    }
}

/// Whether an expression uses `self`.
fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "self",
        TokenTree::Group(group) => mentions_self(group.stream()),
        _ => false,
    })
}

/// The name of a field in YAML.
fn yaml_name(ident: &Ident, serde: &[Meta]) -> Result<String> {
    let Some(rename) = serde.iter().find(|meta| meta.path().is_ident("rename")) else {
        return Ok(ident.to_string().trim_start_matches("r#").to_owned());
    };
    match rename {
        Meta::NameValue(syn::MetaNameValue { value: Expr::Lit(ExprLit { lit: Lit::Str(name), .. }), .. }) => Ok(name.value()),
        _ => Err(Error::new_spanned(rename, "a field of a spec has one name, for reading and writing")),
    }
}

/// A literal as a value of the type; any other expression as it is.
fn convert_literal(value: &Expr, ty: &Type) -> TokenStream {
    match literal(value) {
        None => quote!(#value),
        Some(lit) => match (argument_of_option(ty), lit) {
            (Some(inner), _) => {
                let inner = convert_literal(value, inner);
                quote!(::std::option::Option::Some(#inner))
            }
            (None, Lit::Bool(_) | Lit::Int(_) | Lit::Float(_)) if is_primitive(ty) => quote!(#value),
            _ => quote!(::std::convert::Into::into(#value)),
        },
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr),
        _ => None,
    }
}

fn argument_of_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}

/// Whether literals of numbers and booleans have this type without a conversion.
fn is_primitive(ty: &Type) -> bool {
    const PRIMITIVES: &[&str] =
        &["bool", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];
    matches!(ty, Type::Path(path) if path.path.get_ident().is_some_and(|ident| PRIMITIVES.iter().any(|name| ident == name)))
}
