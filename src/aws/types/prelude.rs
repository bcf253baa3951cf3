//! Names that nearly every resource type uses: `use super::prelude::*;`.

pub(super) use acme_macros::spec;
pub(super) use schemars::JsonSchema;
pub(super) use serde::{Deserialize, Serialize};

pub(super) use crate::{
    aws::{Aws, Cx, services},
    core::{
        ArnOutput, Cidr, Created, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Phase, Problem, RangeErrors, Ref,
        Resource, Result, Scope, Spec, TypeInfo,
    },
};
