//! Removes `null` from the lists of an answer: the SDK rejects it there, though some services send it (DMS, for an instance without a public
//! address: <https://docs.aws.amazon.com/cli/latest/reference/dms/describe-replication-instances.html>).

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::ConnectorError};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde_json::Value;

/// Reads the body of the response, and replaces it if a list in it has a `null`.
pub(super) async fn remove(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
    let bytes = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let cleaned =
        serde_json::from_slice(&bytes).ok().and_then(|mut answer: Value| (remove_from(&mut answer) > 0).then(|| answer.to_string()));
    let body = match cleaned {
        Some(text) => {
            response.headers_mut().remove("content-length");
            SdkBody::from(text)
        }
        None => SdkBody::from(bytes),
    };
    *response.body_mut() = body;
    Ok(response)
}

/// Number of entries that were removed.
fn remove_from(value: &mut Value) -> usize {
    match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain(|item| !item.is_null());
            before - items.len() + items.iter_mut().map(remove_from).sum::<usize>()
        }
        Value::Object(fields) => fields.values_mut().map(remove_from).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn removes_null_from_lists_only() {
        for (sent, expected) in [
            (r#"{"A":[null,"x",{"B":[null]}],"C":null}"#.to_owned(), json!({ "A": ["x", { "B": [] }], "C": null }).to_string()),
            (r#"{"A": ["x"], "C": null}"#.to_owned(), r#"{"A": ["x"], "C": null}"#.to_owned()),
            ("<Error/>".to_owned(), "<Error/>".to_owned()),
            (String::new(), String::new()),
        ] {
            let response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::from(sent));
            let received = remove(response).await.expect("a response");
            assert_eq!(received.body().bytes(), Some(expected.as_bytes()));
        }
    }
}
