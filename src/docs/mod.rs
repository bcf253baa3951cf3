//! What is known of the definition's form, for people and for editors: the JSON Schema, the reference, and what every code means.
//!
//! Everything here is made from the types themselves and is pure; nothing is written by hand that a type can tell.

pub mod codes;
mod field_facts;
mod fields;
mod plain_schema;
mod prose;
pub mod reference;
pub mod schema;
