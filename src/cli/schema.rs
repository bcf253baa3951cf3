//! `acme schema`.

use super::DONE;
use crate::{docs::schema, report};

pub fn run() -> u8 {
    report::print(&schema::definition_json());
    DONE
}
