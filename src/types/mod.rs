//! The vocabulary of specs: values that are canonical by construction, so that `==` is the whole differ.

mod cidr;
mod dns_name;
pub mod expression;
mod one_way;
mod policy;
mod reference;

pub use cidr::Cidr;
pub use dns_name::DnsName;
pub use one_way::{OneWay, Refused, Way};
pub use policy::Policy;
pub use reference::{Arn, ArnRef, By, Id, Ref, ids};
