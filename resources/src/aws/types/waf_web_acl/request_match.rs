//! The content of a part of a request, as a condition of rules.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::{
    primitives::Blob,
    types::{
        ByteMatchStatement, ComparisonOperator, OversizeHandling, PositionalConstraint, RegexMatchStatement,
        RegexPatternSetReferenceStatement, SensitivityLevel, SizeConstraintStatement, SqliMatchStatement, Statement, TextTransformation,
        TextTransformationType, XssMatchStatement,
    },
};

use super::{
    super::waf_regex_set::{WafRegexSet, invalid_expression},
    request_part::{can_be_oversize, read_field, to_field},
};
use crate::{
    aws::{from_aws, to_aws},
    core::{ArnRef, Result},
};

/// Content of a part of a request. It has exactly one of `equals`, `starts_with`, `ends_with`, `contains`, `contains_word`, `regex`,
/// `regex_set`, `larger_than`, `sql_injection` and `cross_site_scripting`.
#[spec]
#[derive(Default, PartialEq)]
pub struct RequestMatch {
    /// Part of the request: `path`, `method`, `query_string`, `query_arguments`, `body`, `json_body`, `header:NAME`, `cookie:NAME`,
    /// `query_argument:NAME`, or the fingerprint of the TLS client, `ja3` or `ja4`.
    #[field(pattern = "path|method|query_string|query_arguments|body|json_body|ja3|ja4|(header|cookie|query_argument):.{1,64}")]
    pub part: String,
    /// Changes to the part before it is inspected, in this order.
    #[field(default, length = 0..=10)]
    pub transform: Vec<Transform>,
    /// The part is one of these texts.
    #[field(default)]
    pub equals: BTreeSet<String>,
    /// The part starts with one of these texts.
    #[field(default)]
    pub starts_with: BTreeSet<String>,
    /// The part ends with one of these texts.
    #[field(default)]
    pub ends_with: BTreeSet<String>,
    /// The part contains one of these texts.
    #[field(default)]
    pub contains: BTreeSet<String>,
    /// The part contains one of these texts as a word.
    #[field(default)]
    pub contains_word: BTreeSet<String>,
    /// The part matches this regular expression, see `waf_regex_set`.
    #[field(default)]
    pub regex: String,
    /// The part matches an expression of this set.
    #[field(default, dropped = None)]
    pub regex_set: Option<ArnRef<WafRegexSet>>,
    /// The part has more bytes than this.
    #[field(default, range = 0..=2_147_483_647, dropped = None)]
    pub larger_than: Option<i64>,
    /// The part contains SQL code: `low` has fewer false positives, `high` finds more attacks.
    #[field(default, dropped = None)]
    pub sql_injection: Option<Sensitivity>,
    /// The part contains a script.
    #[field(default = false)]
    pub cross_site_scripting: bool,
    /// Result for a body or cookies of which WAF inspects only the beginning, because they are too large.
    #[field(default = Oversize::Continue)]
    pub oversize: Oversize,
}

/// Sensitivity of a search for SQL code.
#[spec]
#[derive(Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Sensitivity {
    Low,
    High,
}

/// Result for a part that is larger than what WAF inspects.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum Oversize {
    /// That for the inspected beginning.
    #[default]
    Continue,
    /// It matches.
    Match,
    /// It does not match.
    NoMatch,
}

/// Change to a part of a request before it is inspected.
///
/// Source: <https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-transformation.html>.
#[spec]
#[derive(Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Transform {
    Base64Decode,
    Base64DecodeExt,
    CmdLine,
    CmdLineUnix,
    CmdLineWin,
    CompressWhiteSpace,
    CssDecode,
    EscapeSeqDecode,
    HexDecode,
    HtmlEntityDecode,
    JsDecode,
    JsDecodeExt,
    Lowercase,
    Md5,
    NormalizePath,
    NormalizePathWin,
    RemoveCommentsChar,
    RemoveNulls,
    RemoveWhitespace,
    ReplaceComments,
    ReplaceNulls,
    Sha256,
    SqlHexDecode,
    Trim,
    TrimLeft,
    TrimRight,
    Uppercase,
    UrlDecode,
    UrlDecodeUni,
    Utf8ToUnicode,
}

const POSITIONS: [PositionalConstraint; 5] = [
    PositionalConstraint::Exactly,
    PositionalConstraint::StartsWith,
    PositionalConstraint::EndsWith,
    PositionalConstraint::Contains,
    PositionalConstraint::ContainsWord,
];

impl RequestMatch {
    /// The texts, in the order of [`POSITIONS`].
    fn texts(&self) -> [&BTreeSet<String>; 5] {
        [&self.equals, &self.starts_with, &self.ends_with, &self.contains, &self.contains_word]
    }

    pub(super) fn texts_mut(&mut self) -> [&mut BTreeSet<String>; 5] {
        [&mut self.equals, &mut self.starts_with, &mut self.ends_with, &mut self.contains, &mut self.contains_word]
    }

    pub(super) fn take_texts(&mut self) -> [BTreeSet<String>; 5] {
        self.texts_mut().map(std::mem::take)
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let others = [
            !self.regex.is_empty(),
            self.regex_set.is_some(),
            self.larger_than.is_some(),
            self.sql_injection.is_some(),
            self.cross_site_scripting,
        ];
        let count = self.texts().into_iter().map(|texts| !texts.is_empty()).chain(others).filter(|set| *set).count();
        let mut problems = Vec::new();
        if count != 1 {
            problems.push(
                "`request` has exactly one of `equals`, `starts_with`, `ends_with`, `contains`, `contains_word`, `regex`, `regex_set`, \
                 `larger_than`, `sql_injection` and `cross_site_scripting`"
                    .to_owned(),
            );
        }
        // https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
        let wrong = |text: &&String| (text.is_empty() || text.len() > 200) && !text.contains("${");
        let long = self.texts().into_iter().flatten().filter(wrong);
        problems.extend(long.map(|text| format!("a text has 1 to 200 bytes, not {}", text.len())));
        problems.extend(Some(&self.regex).filter(|text| !text.is_empty()).and_then(|text| invalid_expression(text)));
        if self.oversize != Oversize::Continue && !can_be_oversize(&self.part) {
            problems.push("`oversize` goes with `body`, `json_body` and cookies".to_owned());
        }
        problems
    }

    pub(super) fn statements(&self) -> Result<Vec<Statement>> {
        let oversize = match self.oversize {
            Oversize::Continue => OversizeHandling::Continue,
            Oversize::Match => OversizeHandling::Match,
            Oversize::NoMatch => OversizeHandling::NoMatch,
        };
        let (field, transformations) = (to_field(&self.part, oversize)?, transformations(&self.transform)?);
        let mut all = Vec::new();
        for (texts, position) in self.texts().into_iter().zip(POSITIONS) {
            for text in texts {
                let call = ByteMatchStatement::builder().search_string(Blob::new(text.as_bytes())).field_to_match(field.clone());
                let call = call.set_text_transformations(Some(transformations.clone())).positional_constraint(position.clone());
                all.push(Statement::builder().byte_match_statement(call.build()?).build());
            }
        }
        if !self.regex.is_empty() {
            let regex = RegexMatchStatement::builder().regex_string(&self.regex).field_to_match(field.clone());
            let regex = regex.set_text_transformations(Some(transformations.clone())).build()?;
            all.push(Statement::builder().regex_match_statement(regex).build());
        }
        if let Some(set) = &self.regex_set {
            let set = RegexPatternSetReferenceStatement::builder().arn(set.get()).field_to_match(field.clone());
            let set = set.set_text_transformations(Some(transformations.clone())).build()?;
            all.push(Statement::builder().regex_pattern_set_reference_statement(set).build());
        }
        if let Some(size) = self.larger_than {
            let size =
                SizeConstraintStatement::builder().comparison_operator(ComparisonOperator::Gt).size(size).field_to_match(field.clone());
            let size = size.set_text_transformations(Some(transformations.clone())).build()?;
            all.push(Statement::builder().size_constraint_statement(size).build());
        }
        if let Some(sensitivity) = self.sql_injection {
            let level = match sensitivity {
                Sensitivity::Low => SensitivityLevel::Low,
                Sensitivity::High => SensitivityLevel::High,
            };
            let code = SqliMatchStatement::builder().sensitivity_level(level).field_to_match(field.clone());
            let code = code.set_text_transformations(Some(transformations.clone())).build()?;
            all.push(Statement::builder().sqli_match_statement(code).build());
        }
        if self.cross_site_scripting {
            let script = XssMatchStatement::builder().field_to_match(field).set_text_transformations(Some(transformations)).build()?;
            all.push(Statement::builder().xss_match_statement(script).build());
        }
        Ok(all)
    }

    pub(super) fn read(statement: &Statement) -> Option<RequestMatch> {
        let mut read = RequestMatch::default();
        let (field, transformations) = if let Some(text) = &statement.byte_match_statement {
            let value = String::from_utf8(text.search_string.as_ref().to_vec()).ok()?;
            let at = POSITIONS.iter().position(|position| *position == text.positional_constraint)?;
            read.texts_mut().into_iter().nth(at)?.insert(value);
            (&text.field_to_match, &text.text_transformations)
        } else if let Some(regex) = &statement.regex_match_statement {
            read.regex.clone_from(&regex.regex_string);
            (&regex.field_to_match, &regex.text_transformations)
        } else if let Some(set) = &statement.regex_pattern_set_reference_statement {
            read.regex_set = Some(ArnRef::to(&set.arn));
            (&set.field_to_match, &set.text_transformations)
        } else if let Some(size) = &statement.size_constraint_statement {
            read.larger_than = (size.comparison_operator == ComparisonOperator::Gt).then_some(size.size);
            read.larger_than?;
            (&size.field_to_match, &size.text_transformations)
        } else if let Some(code) = &statement.sqli_match_statement {
            let high = code.sensitivity_level == Some(SensitivityLevel::High);
            read.sql_injection = Some(if high { Sensitivity::High } else { Sensitivity::Low });
            (&code.field_to_match, &code.text_transformations)
        } else {
            let script = statement.xss_match_statement.as_ref()?;
            read.cross_site_scripting = true;
            (&script.field_to_match, &script.text_transformations)
        };
        let (part, oversize) = read_field(field.as_ref()?)?;
        read.part = part;
        read.oversize = match oversize {
            OversizeHandling::Match => Oversize::Match,
            OversizeHandling::NoMatch => Oversize::NoMatch,
            _ => Oversize::Continue,
        };
        read.transform = read_transformations(transformations)?;
        Some(read)
    }
}

/// Transformations in WAF's format, which requires at least one.
pub(super) fn transformations(transform: &[Transform]) -> Result<Vec<TextTransformation>> {
    let kinds = transform.iter().map(|one| TextTransformationType::from(to_aws(one).to_uppercase().as_str()));
    let all = kinds.zip(0..).map(|(kind, at)| Ok(TextTransformation::builder().priority(at).r#type(kind).build()?));
    let all = all.collect::<Result<Vec<_>>>()?;
    if !all.is_empty() {
        return Ok(all);
    }
    Ok(vec![TextTransformation::builder().priority(0).r#type(TextTransformationType::None).build()?])
}

/// The inverse of [`transformations`].
pub(super) fn read_transformations(transformations: &[TextTransformation]) -> Option<Vec<Transform>> {
    let mut ordered: Vec<_> = transformations.iter().filter(|one| one.r#type != TextTransformationType::None).collect();
    ordered.sort_by_key(|one| one.priority);
    ordered.into_iter().map(|one| from_aws(&one.r#type.as_str().to_lowercase()).ok()).collect()
}
