//! The shapes in which facts are written.

use syn::{
    Error, Expr, ExprLit, ExprPath, ExprRange, Ident, Lit, LitInt, LitStr, Meta, MetaList, RangeLimits, Result, Token, parse::Parser,
    punctuated::Punctuated,
};

/// A fact of one shape.
trait Shape: Sized {
    /// How the fact called `name` is written.
    fn syntax(name: &str) -> String;
    /// Its value; `None` if it has another shape.
    fn from_meta(meta: &Meta) -> Option<Self>;
}

/// A place for a fact: `Option` takes it once, `Vec` repeatedly.
pub trait FactSlot {
    /// Reads one occurrence of the fact called `name`.
    fn read(&mut self, name: &str, meta: &Meta) -> Result<()>;
}

fn parse<S: Shape>(name: &str, meta: &Meta) -> Result<S> {
    S::from_meta(meta).ok_or_else(|| Error::new_spanned(meta, format!("expected {}", S::syntax(name))))
}

impl<S: Shape> FactSlot for Option<S> {
    fn read(&mut self, name: &str, meta: &Meta) -> Result<()> {
        match self.replace(parse(name, meta)?) {
            None => Ok(()),
            Some(_) => Err(Error::new_spanned(meta, format!("`{name}` is stated twice"))),
        }
    }
}

impl<S: Shape> FactSlot for Vec<S> {
    fn read(&mut self, name: &str, meta: &Meta) -> Result<()> {
        self.push(parse(name, meta)?);
        Ok(())
    }
}

/// A fact without a value.
pub struct Flag;

impl Shape for Flag {
    fn syntax(name: &str) -> String {
        format!("`{name}`")
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        matches!(meta, Meta::Path(_)).then_some(Flag)
    }
}

impl Shape for LitStr {
    fn syntax(name: &str) -> String {
        format!(r#"`{name} = "text"`"#)
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        text(value(meta)?)
    }
}

/// A fact with a value or without.
pub enum FactValue {
    /// No value: `Default::default()`, or the one of another fact.
    Implied,
    /// The value of an expression.
    Given(Expr),
}

impl Shape for FactValue {
    fn syntax(name: &str) -> String {
        format!("`{name}` or `{name} = value`")
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        match meta {
            Meta::Path(_) => Some(FactValue::Implied),
            Meta::NameValue(pair) => Some(FactValue::Given(pair.value.clone())),
            Meta::List(_) => None,
        }
    }
}

/// Inclusive limits.
pub struct Bounds {
    /// The smallest value.
    pub min: Expr,
    /// The largest value.
    pub max: Expr,
}

impl Shape for Bounds {
    fn syntax(name: &str) -> String {
        format!("`{name} = 1..=10`")
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        match value(meta)? {
            Expr::Range(ExprRange { start: Some(min), limits: RangeLimits::Closed(_), end: Some(max), .. }) => {
                Some(Bounds { min: (**min).clone(), max: (**max).clone() })
            }
            _ => None,
        }
    }
}

/// A closed list of texts or numbers.
pub struct Choices(pub Vec<Lit>);

impl Shape for Choices {
    fn syntax(name: &str) -> String {
        format!(r#"`{name} = ["a", "b"]`"#)
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        let Expr::Array(array) = value(meta)? else { return None };
        let choice = |value: &Expr| text(value).map(Lit::Str).or_else(|| integer(value).map(Lit::Int));
        array.elems.iter().map(choice).collect::<Option<Vec<_>>>().filter(|choices| !choices.is_empty()).map(Choices)
    }
}

/// Another field of the same struct.
pub struct OtherField(pub Ident);

impl Shape for OtherField {
    fn syntax(name: &str) -> String {
        format!("`{name} = field`")
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        let Expr::Path(path) = value(meta)? else { return None };
        path.path.get_ident().cloned().map(OtherField)
    }
}

/// The type of the resource that a field refers to.
pub enum Parent {
    /// That of the field.
    OfField,
    /// This one.
    Given(ExprPath),
}

impl Shape for Parent {
    fn syntax(name: &str) -> String {
        format!("`{name}` or `{name} = Type`")
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        match FactValue::from_meta(meta)? {
            FactValue::Implied => Some(Parent::OfField),
            FactValue::Given(Expr::Path(path)) => Some(Parent::Given(path)),
            FactValue::Given(_) => None,
        }
    }
}

/// Rules for a physical name.
pub struct Name {
    /// The longest name, in characters.
    pub max: LitInt,
    /// Whether it is in lowercase letters.
    pub lowercase: bool,
    /// Whether names that differ only in case are the same.
    pub ignore_case: bool,
    pub global: bool,
    /// The text with which it begins.
    pub prefix: Option<LitStr>,
    /// The text with which some names end, and the field that says which.
    pub suffix: Option<(LitStr, Ident)>,
}

impl Shape for Name {
    fn syntax(name: &str) -> String {
        format!(
            r#"`{name}(max = 64, lowercase, ignore_case, global, prefix = "alias/", suffix(".fifo", when = fifo))`, where `max` is required"#
        )
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        let Meta::List(list) = meta else { return None };
        let (mut max, mut lowercase, mut ignore_case, mut global, mut prefix, mut suffix) = (None, false, false, false, None, None);
        for rule in list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()? {
            match (rule.path().get_ident()?.to_string().as_str(), &rule) {
                ("lowercase", Meta::Path(_)) => lowercase = true,
                ("ignore_case", Meta::Path(_)) => ignore_case = true,
                ("global", Meta::Path(_)) => global = true,
                ("max", Meta::NameValue(_)) => max = Some(integer(value(&rule)?)?),
                ("prefix", Meta::NameValue(_)) => prefix = Some(text(value(&rule)?)?),
                ("suffix", Meta::List(list)) => suffix = Some(conditional_suffix(list)?),
                _ => return None,
            }
        }
        Some(Name { max: max?, lowercase, ignore_case, global, prefix, suffix })
    }
}

/// Reads `".fifo", when = fifo`.
fn conditional_suffix(list: &MetaList) -> Option<(LitStr, Ident)> {
    let parts = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(list.tokens.clone()).ok()?;
    let mut parts = parts.into_iter();
    let (suffix, condition) = (text(&parts.next()?)?, parts.next()?);
    let Expr::Assign(condition) = condition else { return None };
    let (Expr::Path(when), Expr::Path(field)) = (*condition.left, *condition.right) else { return None };
    (when.path.is_ident("when") && parts.next().is_none()).then_some((suffix, field.path.get_ident()?.clone()))
}

/// A value and the reason that is shown with it.
pub struct WithReason {
    /// The value.
    pub value: Expr,
    /// The reason.
    pub reason: LitStr,
}

impl Shape for WithReason {
    fn syntax(name: &str) -> String {
        format!(r#"`{name}(value, "why")`"#)
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        let Meta::List(list) = meta else { return None };
        let pair = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(list.tokens.clone()).ok()?;
        let mut pair = pair.into_iter();
        match (pair.next(), pair.next(), pair.next()) {
            (Some(value), Some(why), None) => Some(WithReason { value, reason: text(&why)? }),
            _ => None,
        }
    }
}

/// What becomes of a field that is no longer set.
pub enum Dropped {
    /// It gets this value.
    Value(Expr),
    /// It gets the value it has in that of the field it is part of.
    Inherited,
    /// It stays, with the reason.
    Kept(LitStr),
    /// AWS can't change it back, with the reason.
    Impossible(LitStr),
}

impl Shape for Dropped {
    fn syntax(name: &str) -> String {
        format!(r#"`{name} = value`, `{name}(inherited)`, `{name}(kept, "why")` or `{name}(impossible, "why")`"#)
    }
    fn from_meta(meta: &Meta) -> Option<Self> {
        let Meta::List(list) = meta else { return value(meta).cloned().map(Dropped::Value) };
        let parts = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(list.tokens.clone()).ok()?;
        let parts: Vec<&Expr> = parts.iter().collect();
        let is = |expr: &Expr, name: &str| matches!(expr, Expr::Path(path) if path.path.is_ident(name));
        match parts.as_slice() {
            [word] if is(word, "inherited") => Some(Dropped::Inherited),
            [word, why] if is(word, "kept") => Some(Dropped::Kept(text(why)?)),
            [word, why] if is(word, "impossible") => Some(Dropped::Impossible(text(why)?)),
            _ => None,
        }
    }
}

fn value(meta: &Meta) -> Option<&Expr> {
    match meta {
        Meta::NameValue(pair) => Some(&pair.value),
        _ => None,
    }
}

fn text(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        _ => None,
    }
}

fn integer(value: &Expr) -> Option<LitInt> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => Some(number.clone()),
        _ => None,
    }
}
