//! The nodes one by one, for whoever looks after them. Nothing here is hidden by `on_error`.

use crate::cache::Cache;
use crate::error::Result;
use crate::store::{Answer, NodeState};

impl Cache {
    /// Every node of this cache, those that own keys first, and then their replicas as far as they are known. No network, but
    /// for the first look at a cluster or at sentinels.
    pub fn nodes(&self) -> Result<Vec<NodeState>> {
        self.report(self.shared.store.members(self.budget()))
    }

    /// Commands of one's own to the node of that name (as [`nodes`](Cache::nodes) tells it), and an [`Answer`] to each: a
    /// door for what the cache has no method for. Words and keys go out as they are ([`make_key`](Cache::make_key)). One
    /// round trip for all of them together, never repeated.
    ///
    /// ```no_run
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = redis_cache::Cache::open("redis://127.0.0.1")?;
    /// for node in cache.nodes()? {
    ///     let answers = cache.ask_node(&node.name, [["INFO", "memory"]])?;
    ///     println!("{}", answers[0].text().unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for commands that would change the connection, which is one of the
    /// pool's: SELECT, MULTI, SUBSCRIBE and their like. [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when no node has that name;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for `memory://`. What the server refuses is an
    /// [`Answer::Refused`].
    pub fn ask_node<Words, Word>(
        &self,
        node: &str,
        commands: impl IntoIterator<Item = Words>,
    ) -> Result<Vec<Answer>>
    where
        Words: IntoIterator<Item = Word>,
        Word: AsRef<[u8]>,
    {
        let words = |words: Words| {
            words
                .into_iter()
                .map(|word| word.as_ref().to_vec())
                .collect()
        };
        let commands: Vec<_> = commands.into_iter().map(words).collect();
        self.report(self.shared.store.ask_member(node, &commands, self.budget()))
    }

    /// The certificate, in DER, that the node of that name shows to a new connection; `None` where it speaks no TLS. It has
    /// been verified as the `tls_` options say. One connection of its own.
    pub fn node_certificate(&self, node: &str) -> Result<Option<Vec<u8>>> {
        self.report(self.shared.store.certificate(node, self.budget()))
    }
}
