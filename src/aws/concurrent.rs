//! Reading what AWS tells only one by one.

use std::future::{Future, ready};

use futures::{StreamExt, TryStreamExt, stream};

use crate::core::Result;

/// Reads each of these with calls of its own, eight at a time. `None`: it is gone by now, or not of the stack.
///
/// # Errors
/// The first error of any.
pub async fn for_each_concurrent<T, R, F>(all: impl IntoIterator<Item = T>, read: impl FnMut(T) -> F) -> Result<Vec<R>>
where
    F: Future<Output = Result<Option<R>>>,
{
    stream::iter(all).map(read).buffer_unordered(8).try_filter_map(|read| ready(Ok(read))).try_collect().await
}
