//! Names that nearly every resource type uses: `use super::prelude::*;`.

pub(super) use acme_macros::spec;
pub(super) use schemars::JsonSchema;
pub(super) use serde::{Deserialize, Serialize};

pub(super) use crate::{
    aws::{Aws, Cx, for_each_concurrent, partition, services},
    core::{
        ArnOutput, ArnRef, Cidr, Created, DataProtection, Declared, Deletion, Document, Error, Existing, GrantTarget, IamActions, IamGrant,
        Observed, Phase, Policy, PriceContext, Pricing, Problem, Product, Questions, RangeErrors, Ref, Resource, Result, Scope, Spec,
        TypeInfo, UsageKey, ok_or_not_found,
    },
};
