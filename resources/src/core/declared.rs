//! Declared resources, for rules between a resource and those it refers to.

use std::marker::PhantomData;

use serde_json::Value;

use super::{Address, Named, Ref, ReferencedOutput, Resource, Tags, expression::references};

/// A declared resource of any type.
#[derive(Clone, Copy)]
pub struct DeclaredResource<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Its region, if the definition sets one.
    pub region: Option<&'a str>,
    /// Its spec in canonical form; strings may contain references.
    pub spec: &'a Value,
    /// Its tags, including ownership tags.
    pub tags: &'a Tags,
    /// Returns the spec of another declared resource.
    pub find: &'a dyn Fn(&Address) -> Option<&'a Value>,
    /// Returns the region of another declared resource, if the definition sets one.
    pub find_region: &'a dyn Fn(&Address) -> Option<&'a str>,
    /// Name of the stack.
    pub stack: &'a str,
    /// Name of the environment.
    pub environment: &'a str,
}

/// A declared resource of the type `R`. Nothing is parsed before it is asked for.
pub struct Declared<'a, R> {
    declared: DeclaredResource<'a>,
    resource_type: PhantomData<fn() -> R>,
}

impl<'a, R: Resource> Declared<'a, R> {
    pub(super) fn new(declared: DeclaredResource<'a>) -> Declared<'a, R> {
        Declared { declared, resource_type: PhantomData }
    }
    /// Address.
    pub fn address(&self) -> &'a Address {
        self.declared.address
    }
    /// Region of the stack, if the definition sets one.
    pub fn region(&self) -> Option<&'a str> {
        self.declared.region
    }
    /// Tags, including ownership tags.
    pub fn tags(&self) -> &'a Tags {
        self.declared.tags
    }
    /// Name of the stack.
    pub fn stack(&self) -> &'a str {
        self.declared.stack
    }
    /// Name of the environment.
    pub fn environment(&self) -> &'a str {
        self.declared.environment
    }
    /// Region of another declared resource, if the definition sets one.
    pub fn region_of(&self, address: &Address) -> Option<&'a str> {
        (self.declared.find_region)(address)
    }
    /// Spec; `None` if it has problems, which are reported elsewhere.
    pub fn spec(&self) -> Option<R> {
        R::deserialize(self.declared.spec).ok()
    }
    /// Address and spec of a resource that this one refers to; `None` for one outside the stack.
    pub fn referenced<T: Resource, B: ReferencedOutput>(&self, reference: &Ref<T, B>) -> Option<(Address, T)> {
        let target = references(reference.get()).into_iter().find(|target| target.type_name == T::NAME)?;
        let address = Address::new(target.type_name, target.name);
        let spec = T::deserialize((self.declared.find)(&address)?).ok()?;
        Some((address, spec))
    }
}
