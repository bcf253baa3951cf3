//! Common code of most services.

/// Writes `Client` and the function `connect` that makes it.
macro_rules! sdk_client {
    ($sdk:ident) => {
        pub use $sdk::Client;

        pub(super) fn connect(connector: &super::Connector) -> Client {
            Client::from_conf(client_config!($sdk, connector).build())
        }
    };
}

/// Writes the configuration of a client, to which a service may add.
macro_rules! client_config {
    ($sdk:ident, $connector:expr) => {
        $sdk::config::Builder::from(&$connector.config)
            .interceptor($connector.calls.clone())
            .interceptor($crate::aws::unanswered_calls::StopUnansweredRetries)
    };
}

/// Writes the two directions between acme's tags and the SDK's list: `to_tags` and `from_tags`. The SDKs differ in the names of the two fields
/// and in whether `build` can fail.
macro_rules! tag_conversions {
    ($tag:ty, $key:ident, $value:ident, $built:expr) => {
        /// Tags in the shape of the SDK.
        pub fn to_tags(tags: &$crate::core::Tags) -> Vec<$tag> {
            tags.iter().filter_map(|(key, value)| $built(<$tag>::builder().$key(key).$value(value).build())).collect()
        }

        /// Tags as the service reports them.
        pub fn from_tags(tags: &[$tag]) -> $crate::core::Tags {
            use $crate::aws::services::IntoOption;
            let pair = |tag: &$tag| Some((tag.$key.clone().into_option()?, tag.$value.clone().into_option().unwrap_or_default()));
            tags.iter().filter_map(pair).collect()
        }
    };
}

/// Sends one call to set tags and one to remove tags, each only when there is something to do.
macro_rules! set_and_remove {
    ($change:expr, $set:expr, $remove:expr) => {{
        if !$change.set.is_empty() {
            $set.send().await?;
        }
        if !$change.remove.is_empty() {
            $remove.send().await?;
        }
        Ok(())
    }};
}
