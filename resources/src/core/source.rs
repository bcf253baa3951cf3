//! Where facts come from: the back end, or the simulated cloud.

/// Source of facts about a resource.
pub enum Source<'a, A: ?Sized, S> {
    /// The back end.
    Api(&'a A),
    /// The simulated cloud, with what it knows.
    Simulated(S),
}
