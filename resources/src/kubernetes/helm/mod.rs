//! Helm: the program that installs charts, and the releases it keeps in a cluster.

mod embedded;
mod objects;
mod program;
mod release;
mod values;

pub use embedded::{EMBEDDED_PREFIX, EmbeddedChart, SERVICE_CHART};
pub(super) use objects::changed_objects;
pub(super) use program::{Chart, Helm, find_program, missing_program};
pub(super) use release::{Release, Status, release_of_secret};
pub use values::Values;
