//! Parts of a request that a rule inspects.

use aws_sdk_wafv2::types::{
    AllQueryArguments, Body, CookieMatchPattern, Cookies, FallbackBehavior, FieldToMatch, Ja3Fingerprint, Ja4Fingerprint, JsonBody,
    JsonMatchPattern, JsonMatchScope, MapMatchScope, Method, OversizeHandling, QueryString, SingleHeader, SingleQueryArgument, UriPath,
};

use crate::core::{Error, Result};

/// The largest inspected part of a body or of cookies depends on the protected resource, so WAF must know what to do beyond it.
pub(super) fn can_be_oversize(part: &str) -> bool {
    matches!(part, "body" | "json_body") || part.starts_with("cookie:")
}

/// A part in WAF's format. `oversize`: what WAF does if the part is larger than what it inspects.
pub(super) fn to_field(part: &str, oversize: OversizeHandling) -> Result<FieldToMatch> {
    let field = FieldToMatch::builder();
    let (kind, name) = part.split_once(':').unwrap_or((part, ""));
    let field = match kind {
        "path" => field.uri_path(UriPath::builder().build()),
        "method" => field.method(Method::builder().build()),
        "query_string" => field.query_string(QueryString::builder().build()),
        "query_arguments" => field.all_query_arguments(AllQueryArguments::builder().build()),
        "body" => field.body(Body::builder().oversize_handling(oversize).build()),
        "json_body" => {
            let all = JsonMatchPattern::builder().all(aws_sdk_wafv2::types::All::builder().build()).build();
            let body = JsonBody::builder().match_pattern(all).match_scope(JsonMatchScope::All).oversize_handling(oversize);
            field.json_body(body.build()?)
        }
        // A request without a fingerprint does not match.
        "ja3" => field.ja3_fingerprint(Ja3Fingerprint::builder().fallback_behavior(FallbackBehavior::NoMatch).build()?),
        "ja4" => field.ja4_fingerprint(Ja4Fingerprint::builder().fallback_behavior(FallbackBehavior::NoMatch).build()?),
        "header" => field.single_header(SingleHeader::builder().name(name).build()?),
        "query_argument" => field.single_query_argument(SingleQueryArgument::builder().name(name).build()?),
        "cookie" => {
            let one = CookieMatchPattern::builder().included_cookies(name).build();
            let cookies = Cookies::builder().match_pattern(one).match_scope(MapMatchScope::Value).oversize_handling(oversize);
            field.cookies(cookies.build()?)
        }
        _ => return Err(Error::missing_field("FieldToMatch")),
    };
    Ok(field.build())
}

/// The inverse of [`to_field`]; `None` for a part that acme does not manage.
pub(super) fn read_field(field: &FieldToMatch) -> Option<(String, OversizeHandling)> {
    let default = OversizeHandling::Continue;
    let oversize = |handling: &Option<OversizeHandling>| handling.clone().unwrap_or(OversizeHandling::Continue);
    let part = if field.uri_path.is_some() {
        "path".to_owned()
    } else if field.method.is_some() {
        "method".to_owned()
    } else if field.query_string.is_some() {
        "query_string".to_owned()
    } else if field.all_query_arguments.is_some() {
        "query_arguments".to_owned()
    } else if let Some(body) = &field.body {
        return Some(("body".to_owned(), oversize(&body.oversize_handling)));
    } else if let Some(body) = &field.json_body {
        let all = body.match_pattern.as_ref().is_some_and(|pattern| pattern.all.is_some()) && body.match_scope == JsonMatchScope::All;
        return (all && body.invalid_fallback_behavior.is_none()).then(|| ("json_body".to_owned(), oversize(&body.oversize_handling)));
    } else if let Some(print) = &field.ja3_fingerprint {
        return (print.fallback_behavior == FallbackBehavior::NoMatch).then(|| ("ja3".to_owned(), default));
    } else if let Some(print) = &field.ja4_fingerprint {
        return (print.fallback_behavior == FallbackBehavior::NoMatch).then(|| ("ja4".to_owned(), default));
    } else if let Some(header) = &field.single_header {
        format!("header:{}", header.name)
    } else if let Some(argument) = &field.single_query_argument {
        format!("query_argument:{}", argument.name)
    } else {
        let cookies = field.cookies.as_ref().filter(|cookies| cookies.match_scope == MapMatchScope::Value)?;
        let [name] = cookies.match_pattern.as_ref()?.included_cookies() else { return None };
        return Some((format!("cookie:{name}"), cookies.oversize_handling.clone()));
    };
    Some((part, default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_reads_back_as_it_was_written() {
        let parts = ["path", "method", "query_string", "query_arguments", "body", "json_body", "ja3", "ja4"];
        for part in parts.into_iter().chain(["header:user-agent", "cookie:session", "query_argument:id"]) {
            let oversize = if can_be_oversize(part) { OversizeHandling::Match } else { OversizeHandling::Continue };
            let field = to_field(part, oversize.clone()).expect("a field");
            assert_eq!(read_field(&field), Some((part.to_owned(), oversize)), "{part}");
        }
        assert_eq!(read_field(&FieldToMatch::builder().build()), None);
    }
}
