//! Cursors and pages, as the Relay cursor connections specification asks for them.

use crate::asker::{asker, coded};
use crate::loaders::Reader;
use almoner_domain::id::Id;
use almoner_domain::page::{PAGE_MAX, Page, Stretch, Take};
use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::dataloader::Loader;
use async_graphql::{Context, Error, OutputType, Result};
use std::hash::Hash;
use uuid::Uuid;

/// Entries of a page whose length nobody says.
const PAGE_DEFAULT: u16 = 20;

/// Which stretch of a list: the members of a connection field.
pub(crate) struct Asked {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

impl Asked {
    /// The page that is asked for.
    pub(crate) fn page(self) -> Result<Page> {
        let take = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(coded("INVALID_PAGE", "Ask for the first or the last entries, not for both."));
            }
            (first, None) => Take::First(count(first)?),
            (None, last) => Take::Last(count(last)?),
        };
        Ok(Page { after: cursor(self.after)?, before: cursor(self.before)?, take })
    }
}

/// What a page of a connection costs: one for each entry that is asked for.
pub(crate) fn page_cost(first: Option<i32>, last: Option<i32>) -> usize {
    usize::try_from(first.or(last).unwrap_or(i32::from(PAGE_DEFAULT))).unwrap_or(0).max(1)
}

fn count(asked: Option<i32>) -> Result<u16> {
    let Some(asked) = asked else { return Ok(PAGE_DEFAULT) };
    let fits = u16::try_from(asked).ok().filter(|count| *count <= PAGE_MAX);
    fits.ok_or_else(|| coded("INVALID_PAGE", &format!("A page has between 0 and {PAGE_MAX} entries.")))
}

fn cursor(text: Option<String>) -> Result<Option<Uuid>> {
    let read = |text: String| {
        Uuid::try_parse(&text)
            .map_err(|_| coded("INVALID_CURSOR", "This is no cursor; take it from an edge or from pageInfo."))
    };
    text.map(read).transpose()
}

/// A page of a list.
pub(crate) type Listing<N> = Connection<String, N, EmptyFields, EmptyFields>;

/// A stretch of a list below something, read in one statement with the same stretch of all beside it.
pub(crate) async fn list<L, T, I, N>(
    context: &Context<'_>,
    asked: Asked,
    of: impl FnOnce(Page) -> L,
    id: fn(&T) -> I,
    node: impl Fn(T) -> N,
) -> Result<Listing<N>>
where
    L: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    I: Id,
    N: OutputType,
    Reader: Loader<L, Value = Stretch<T>, Error = Error>,
{
    let found = asker(context)?.loader.load_one(of(asked.page()?)).await?;
    Ok(connection(found.unwrap_or(Stretch::whole(Vec::new())), id, node))
}

/// A stretch of a list as a connection.
pub(crate) fn connection<T, N: OutputType, I: Id>(
    stretch: Stretch<T>,
    id: fn(&T) -> I,
    node: impl Fn(T) -> N,
) -> Connection<String, N, EmptyFields, EmptyFields> {
    let mut connection = Connection::new(stretch.before, stretch.after);
    let edge = |entry: T| Edge::new(id(&entry).uuid().simple().to_string(), node(entry));
    connection.edges.extend(stretch.entries.into_iter().map(edge));
    connection
}
