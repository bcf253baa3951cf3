//! Documentation of definitions, for people and editors: the JSON Schema, the reference, and the explanation of every code.
//!
//! Everything here is generated from the types by pure functions, so that no fact of a type is written down twice.

pub mod codes;
mod field_facts;
mod fields;
mod plain_schema;
mod prose;
pub mod reference;
pub mod schema;
#[cfg(test)]
mod tests;
