//! Parallel reads of resources that AWS returns one at a time.

use std::future::{Future, ready};

use futures::{StreamExt, TryStreamExt, stream};

use crate::core::Result;

/// Reads each item with its own calls, eight in parallel. `None`: it no longer exists, or is not part of the stack.
///
/// # Errors
/// Returns the first error.
pub async fn for_each_concurrent<T, R, F>(all: impl IntoIterator<Item = T>, read: impl FnMut(T) -> F) -> Result<Vec<R>>
where
    F: Future<Output = Result<Option<R>>>,
{
    stream::iter(all).map(read).buffer_unordered(8).try_filter_map(|read| ready(Ok(read))).try_collect().await
}
