//! What sentinels know of one primary and its replicas
//! (<https://redis.io/docs/latest/develop/reference/sentinel-clients/>). They are asked in turn, each within a part of
//! the budget, until one gives an answer that is not older than what is known. Who answered is asked first the next
//! time, and who did not is asked last, so a sentinel that hangs costs its part once.

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::base::budget::Budget;
use crate::config::AddressMap;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::node::Node;

use super::directory::{AskSentinel, Directory};
use super::evidence;

/// What to ask sentinels for.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// The name that they know the primary by.
    pub(crate) name: String,
    pub(crate) wants_replicas: bool,
    pub(crate) connect_timeout: Duration,
    /// Where announced addresses really are.
    pub(crate) address_map: AddressMap,
}

/// The sentinels, each list in the order in which they are to be asked.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sentinels {
    pub(crate) good: Vec<Arc<Node>>,
    /// Those that did not answer the last time. They are asked when no other does.
    pub(crate) silent: Vec<Arc<Node>>,
}

/// How sentinels were of no use.
#[derive(Default)]
struct Useless {
    outdated: Vec<Arc<Node>>,
    ignorant: Vec<Arc<Node>>,
    silent: Vec<Arc<Node>>,
    faults: Vec<Error>,
}

impl Resolver {
    /// Asks at most `most` sentinels. An answer of an epoch before `since` counts only when most sentinels are that
    /// far behind: for a moment after a failover some have not heard of it, and one that is cut off never does.
    pub(crate) fn look(
        &self,
        sentinels: &mut Sentinels,
        most: usize,
        since: u64,
        budget: Budget,
    ) -> Result<Directory> {
        let Sentinels { good, silent } = std::mem::take(sentinels);
        let total = good.len() + silent.len();
        let first_silent = good.len();
        let mut queue = good.into_iter().chain(silent).enumerate();
        let mut found: Option<Directory> = None;
        let mut useless = Useless::default();
        for to_go in (1..=most.min(total)).rev() {
            let Some(left) = budget.left() else { break };
            let Some((_, sentinel)) = queue.next() else {
                break;
            };
            // One part each, and one for what is to be done with the answer.
            let part = left / u32::try_from(to_go + 1).unwrap_or(u32::MAX);
            let answer = self.ask(&sentinel, budget.capped(part.min(self.connect_timeout)));
            // Looks are rare: a connection kept for the next one would be a stale one by then.
            sentinel.close();
            match answer {
                Err(error) => {
                    useless.faults.push(error);
                    useless.silent.push(sentinel);
                }
                Ok(None) => useless.ignorant.push(sentinel),
                Ok(Some(directory)) if directory.epoch < since => {
                    useless.outdated.push(sentinel);
                    let newest = found.take().filter(|known| known.epoch >= directory.epoch);
                    found = newest.or(Some(directory));
                }
                Ok(Some(directory)) => {
                    found = Some(directory);
                    sentinels.good.push(sentinel);
                    break;
                }
            }
        }
        let is_outdated =
            sentinels.good.is_empty() && !evidence::is_majority(useless.outdated.len(), total);
        let found = found.filter(|_| !is_outdated);
        for (place, sentinel) in queue {
            let list = match place < first_silent {
                true => &mut sentinels.good,
                false => &mut sentinels.silent,
            };
            list.push(sentinel);
        }
        let outcome = found.ok_or_else(|| self.fault(&useless, sentinels, budget));
        sentinels.good.append(&mut useless.outdated);
        sentinels.good.append(&mut useless.ignorant);
        sentinels.silent.append(&mut useless.silent);
        outcome
    }

    /// What one of them says; None when it does not know the name.
    fn ask(&self, sentinel: &Node, budget: Budget) -> Result<Option<Directory>> {
        let mut ask = AskSentinel {
            name: &self.name,
            wants_replicas: self.wants_replicas,
        };
        let answer = sentinel.run(0, budget, &mut ask);
        let found = answer.map_err(|failed| failed.error)?;
        let place = |address| self.address_map.place(address);
        Ok(found.map(|found| Directory {
            primary: place(found.primary),
            replicas: found.replicas.into_iter().map(place).collect(),
            ..found
        }))
    }

    /// Why nobody could say where the primary is.
    fn fault(&self, useless: &Useless, not_asked: &Sentinels, budget: Budget) -> Error {
        let refusal = |error: &&Error| error.kind() == ErrorKind::Auth;
        if let Some(refusal) = useless.faults.iter().find(refusal) {
            return refusal.clone();
        }
        let not_asked: Vec<_> = not_asked.good.iter().chain(&not_asked.silent).collect();
        let is_unknown =
            useless.faults.is_empty() && useless.outdated.is_empty() && not_asked.is_empty();
        if is_unknown {
            let names: Vec<_> = useless
                .ignorant
                .iter()
                .map(|sentinel| sentinel.name())
                .collect();
            let text = format!(
                "option `sentinel_name`: no primary named `{}` is known to {}",
                self.name,
                names.join(", ")
            );
            return Error::new(ErrorKind::Config, text);
        }
        let mut reasons: Vec<_> = useless.faults.iter().map(Error::to_string).collect();
        let mut add =
            |sentinel: &Arc<Node>, why| reasons.push(format!("{}: {why}", sentinel.name()));
        let Useless {
            outdated, ignorant, ..
        } = useless;
        outdated
            .iter()
            .for_each(|each| add(each, "it is cut off and knows an old one"));
        ignorant
            .iter()
            .for_each(|each| add(each, "it knows no such name"));
        not_asked
            .iter()
            .for_each(|each| add(each, "not asked, there was no time left"));
        let kind = match budget.left() {
            Some(_) => ErrorKind::Unavailable,
            None => ErrorKind::Timeout,
        };
        let (name, reasons) = (&self.name, reasons.join("; "));
        Error::new(
            kind,
            format!("no sentinel says where the primary `{name}` is: {reasons}"),
        )
    }
}
