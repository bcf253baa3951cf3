//! Parts of the costs that count.

use aws_sdk_budgets::types as sdk;

use super::super::prelude::*;

/// Declares the parts, with AWS's defaults.
macro_rules! cost_types {
    ($($(#[$doc:meta])* $field:ident = $default:tt, $get:ident, $set:ident;)*) => {
        /// Parts of the costs that count.
        #[spec]
        #[derive(Default, PartialEq)]
        pub struct CostTypes {
            $($(#[$doc])* #[field(default = $default)] pub $field: bool,)*
        }

        impl CostTypes {
            pub(super) fn to_sdk(&self) -> sdk::CostTypes {
                sdk::CostTypes::builder()$(.$set(Some(self.$field)))*.build()
            }
            pub(super) fn from_sdk(types: &sdk::CostTypes) -> CostTypes {
                CostTypes { $($field: types.$get.unwrap_or($default),)* }
            }
            /// Each part, by Terraform's name.
            pub fn parts(&self) -> Vec<(&'static str, bool)> {
                vec![$((stringify!($get), self.$field),)*]
            }
        }
    };
}

cost_types! {
    /// Taxes.
    taxes = true, include_tax, set_include_tax;
    /// Subscriptions.
    subscriptions = true, include_subscription, set_include_subscription;
    /// Subscriptions other than reservations.
    other_subscriptions = true, include_other_subscription, set_include_other_subscription;
    /// Support.
    support = true, include_support, set_include_support;
    /// Upfront fees of reservations.
    upfront = true, include_upfront, set_include_upfront;
    /// Recurring fees of reservations.
    recurring = true, include_recurring, set_include_recurring;
    /// Credits, which lower the costs.
    credits = true, include_credit, set_include_credit;
    /// Discounts, which lower the costs.
    discounts = true, include_discount, set_include_discount;
    /// Refunds, which lower the costs.
    refunds = true, include_refund, set_include_refund;
    /// Average prices of an organization, instead of the account's own.
    blended = false, use_blended, set_use_blended;
    /// Spreads upfront fees over the time for which they are paid.
    amortized = false, use_amortized, set_use_amortized;
}
