//! What every layer knows: addresses, tags, errors, the contract of a resource type, and the vocabulary of specs. No AWS SDK.

mod actions;
mod address;
mod call;
mod cidr;
mod dns_name;
mod error;
pub mod expression;
pub mod file_lock;
mod one_way;
mod policy;
mod reference;
mod resource;
mod resource_type;
mod scope;
mod service;
mod tags;

pub use actions::*;
pub use address::Address;
pub use call::Call;
pub use cidr::Cidr;
pub use dns_name::DnsName;
pub use error::{Error, Result, Sort, ok_or_not_found};
pub use one_way::{OneWay, Refused, Way};
pub use policy::Policy;
pub use reference::{Arn, ArnRef, By, Id, Ref, ids};
pub use resource::*;
pub use resource_type::*;
pub use scope::Scope;
pub use service::Service;
pub use tags::{ADDRESS, ENVIRONMENT, ON_DELETE, Retag, STACK, Tags, UNMARKED};
