//! What is known of a cluster: its nodes, and which of them has which slot. A look around replaces all of it, a
//! redirection corrects one slot. Nodes that stay keep their connections; those that left are dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::moment::Moment;
use crate::base::random::draw;
use crate::config::{Address, AddressMap, ReadFrom};
use crate::error::Error;
use crate::store::Access;

use super::super::super::node::Node;
use super::super::slots::{Place, Range, SLOTS};
use super::maker::Maker;
use super::member::{Member, Role};

/// Stands for the shard of a slot that nobody has.
const NOBODY: u16 = u16::MAX;

/// Nodes by their address and what they are for.
type Members = BTreeMap<(String, Role), Arc<Member>>;

/// Who shares the same slots.
#[derive(Debug, Clone)]
struct Shard {
    primary: Arc<Member>,
    replicas: Vec<Arc<Member>>,
}

/// The nodes, and who has which slot.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    seeds: Vec<Arc<Member>>,
    members: Members,
    /// Nodes that a redirection has named since the last look around, which may not show them yet.
    named: Members,
    shards: Vec<Shard>,
    /// The shard of every slot, or `NOBODY`; empty before the first look around.
    of_slot: Vec<u16>,
}

impl Known {
    /// Nothing but where to ask.
    pub(crate) fn new(seeds: &[Arc<Member>]) -> Self {
        Known {
            seeds: seeds.to_vec(),
            members: Members::new(),
            named: Members::new(),
            shards: Vec::new(),
            of_slot: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// The node to ask. Where nobody is known to have the slot it is any node: that one will say who has it, or that
    /// nobody does.
    pub(crate) fn pick(
        &self,
        slot: usize,
        access: Access,
        from: ReadFrom,
        turn: Moment,
    ) -> Option<&Arc<Member>> {
        let shard = self.of_slot.get(slot);
        let shard = shard.and_then(|shard| self.shards.get(usize::from(*shard)));
        let Some(shard) = shard else {
            let able = self.shards.iter().map(|shard| &shard.primary);
            let mut able = able.filter(|member| !member.node.is_out_of_reach());
            let any = draw(|rng| rng.usize(..able.clone().count().max(1)));
            return able.nth(any);
        };
        Some(match (access, from) {
            (Access::Write, _) | (_, ReadFrom::Primary) => &shard.primary,
            (Access::Read, from) => shard.reader(from, turn),
        })
    }

    /// Whether a read could turn to another node when this one does not answer.
    pub(crate) fn has_alternative(&self, node: &Arc<Node>, from: ReadFrom) -> bool {
        let is_same = |member: &Arc<Member>| Arc::ptr_eq(&member.node, node);
        let serves = |shard: &&Shard| is_same(&shard.primary) || shard.replicas.iter().any(is_same);
        let shard = self.shards.iter().find(serves);
        let mut others = shard.into_iter().flat_map(Shard::all);
        from != ReadFrom::Primary && others.any(|member| !is_same(member) && member.alone() == 0)
    }

    /// The nodes that have slots, in the order of their first ones: a replica that is promoted stands where its
    /// primary stood.
    pub(crate) fn owners(&self) -> Vec<Arc<Node>> {
        let mut seen = vec![false; self.shards.len()];
        let mut owners = Vec::new();
        for shard in self.of_slot.iter().map(|shard| usize::from(*shard)) {
            if let (Some(seen), Some(shard)) = (seen.get_mut(shard), self.shards.get(shard))
                && !std::mem::replace(seen, true)
            {
                owners.push(Arc::clone(&shard.primary.node));
            }
        }
        owners
    }

    /// Every node, those that are only configured too.
    pub(crate) fn all(&self) -> Vec<Arc<Member>> {
        let mut all: Vec<_> = self.members.values().map(Arc::clone).collect();
        let others = self.named.values().chain(&self.seeds);
        for member in others {
            if !all.iter().any(|known| Arc::ptr_eq(known, member)) {
                all.push(Arc::clone(member));
            }
        }
        all
    }

    /// Takes over what the node at `asked` says of the cluster. Nobody is left out: who cannot be reached owns slots all
    /// the same.
    pub(crate) fn learn(&mut self, ranges: &[Range], asked: &Address, maker: &Maker) {
        let mut members = Members::new();
        let mut shards: Vec<Shard> = Vec::new();
        let mut of_slot = vec![NOBODY; SLOTS];
        let mut numbers: HashMap<String, u16> = HashMap::new();
        let atlas = Atlas::new(ranges, asked, maker.address_map());
        for range in ranges {
            let mut member = |place: &Place, role| {
                let address = atlas.address(place)?;
                let key = (address.to_string(), role);
                let made = || maker.make(&address, role);
                let known = self.find(&key).map_or_else(made, Ok);
                let member = known.map_err(|error| error.to_string())?;
                members.insert(key, Arc::clone(&member));
                Ok::<_, String>(member)
            };
            let replicas = range.replicas.iter();
            let replicas = replicas.filter_map(|place| member(place, Role::Replica).ok());
            let replicas: Vec<_> = replicas.collect();
            let primary = member(&range.primary, Role::Primary).or_else(|why| {
                // Under a name that no address has: what is wrong may be over with the next look.
                let key = (format!("{} {why}", range.primary.shown()), Role::Primary);
                let slots = (range.first, range.last);
                let made = || maker.out_of_reach(&range.primary, slots, &why);
                let member = self.find(&key).map_or_else(made, Ok)?;
                members.insert(key, Arc::clone(&member));
                Ok::<_, Error>(member)
            });
            let Ok(primary) = primary else { continue };
            let name = primary.node.name().to_owned();
            let number = *numbers.entry(name).or_insert_with(|| {
                shards.push(Shard { primary, replicas });
                (shards.len() - 1) as u16
            });
            if let Some(slots) = of_slot.get_mut(range.first..=range.last) {
                slots.fill(number);
            }
        }
        // A node that is being filled has no slot yet: it is kept for one more time.
        for (key, member) in std::mem::take(&mut self.named) {
            members.entry(key).or_insert(member);
        }
        (self.members, self.shards, self.of_slot) = (members, shards, of_slot);
    }

    /// The node that a redirection from `asked` names; None when it cannot be reached, which the next look around will
    /// find out as well, and say why.
    pub(crate) fn redirected(
        &mut self,
        place: &Place,
        asked: &Address,
        maker: &Maker,
    ) -> Option<Arc<Member>> {
        let address = place.address(asked, maker.address_map()).ok()?;
        let key = (address.to_string(), Role::Primary);
        let make = || maker.make(&address, Role::Primary).ok();
        let member = self.find(&key).or_else(make)?;
        self.named.insert(key, Arc::clone(&member));
        Some(member)
    }

    /// Takes over that `to` has the slot.
    pub(crate) fn moved(&mut self, slot: usize, to: &Arc<Member>) {
        let same = |shard: &Shard| Arc::ptr_eq(&shard.primary, to);
        let number = self.shards.iter().position(same).unwrap_or_else(|| {
            self.shards.push(Shard {
                primary: Arc::clone(to),
                replicas: Vec::new(),
            });
            self.shards.len() - 1
        });
        self.of_slot.resize(SLOTS, NOBODY);
        if let (Some(place), Ok(number)) = (self.of_slot.get_mut(slot), u16::try_from(number)) {
            *place = number;
        }
    }

    /// Whether `node` has slots.
    pub(crate) fn owns(&self, node: &Arc<Node>) -> bool {
        self.shard_of(node).is_some()
    }

    /// Whether there is a node that may yet be promoted in its place.
    pub(crate) fn has_heir(&self, node: &Arc<Node>) -> bool {
        let shard = self.shard_of(node);
        shard.is_some_and(|shard| !shard.replicas.is_empty())
    }

    fn shard_of(&self, node: &Arc<Node>) -> Option<&Shard> {
        let is_primary = |shard: &&Shard| Arc::ptr_eq(&shard.primary.node, node);
        self.shards.iter().find(is_primary)
    }

    /// What is known of a node that was asked.
    pub(crate) fn member(&self, node: &Arc<Node>) -> Option<Arc<Member>> {
        self.all()
            .into_iter()
            .find(|member| Arc::ptr_eq(&member.node, node))
    }

    /// Whom to ask about the cluster: nodes that have slots, in any order, then the others, then those that failed.
    pub(crate) fn advisers(&self) -> Vec<Arc<Member>> {
        let mut advisers = self.all();
        advisers.retain(|member| !member.node.is_out_of_reach());
        draw(|rng| rng.shuffle(&mut advisers));
        let is_owner = |member: &Member| self.owns(&member.node);
        advisers.sort_by_cached_key(|member| {
            let fails = member.node.is_failing();
            (fails, member.alone(), !is_owner(member), member.role)
        });
        advisers
    }

    fn find(&self, key: &(String, Role)) -> Option<Arc<Member>> {
        let known = self.members.get(key).or_else(|| self.named.get(key));
        let seed = || {
            let same = |seed: &&Arc<Member>| {
                seed.role == key.1 && seed.node.address().to_string() == key.0
            };
            self.seeds.iter().find(same)
        };
        known.or_else(seed).map(Arc::clone)
    }
}

impl Shard {
    /// A node to read from: one that did not fail lately, or else the primary, or else the one that failed first. It
    /// is the same for all keys of a call, which began at `turn`.
    fn reader(&self, from: ReadFrom, turn: Moment) -> &Arc<Member> {
        let primary = std::iter::once(&self.primary).filter(|_| from == ReadFrom::Any);
        let sound = |member: &&Arc<Member>| member.alone() == 0;
        let readers = primary.chain(&self.replicas).filter(sound);
        let count = readers.clone().count();
        let turn = turn.since(self.primary.born).as_nanos() as u64;
        // Calls may come in any rhythm: this takes it out (Knuth's multiplicative hashing).
        let turn = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let mut chosen = readers.skip(turn as usize % count.max(1));
        chosen.next().unwrap_or_else(|| {
            let first = self.all().min_by_key(|member| member.alone());
            first.unwrap_or(&self.primary)
        })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Member>> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }
}

/// The addresses of all nodes, as the node at `asked` told them.
struct Atlas<'a> {
    asked: &'a Address,
    map: &'a AddressMap,
    /// Those that were told, and whose they are. A node without a port that comes out at the address of another one has
    /// been mistaken for it.
    owners: HashMap<String, &'a str>,
}

impl<'a> Atlas<'a> {
    fn new(ranges: &'a [Range], asked: &'a Address, map: &'a AddressMap) -> Self {
        let mut owners = HashMap::new();
        let places = ranges
            .iter()
            .flat_map(|range| std::iter::once(&range.primary).chain(&range.replicas));
        let (told, guessed): (Vec<_>, Vec<_>) = places.partition(|place| place.port != 0);
        for place in told.into_iter().chain(guessed) {
            if let Ok(address) = place.address(asked, map) {
                owners.entry(address.to_string()).or_insert(&*place.id);
            }
        }
        Atlas { asked, map, owners }
    }

    fn address(&self, place: &Place) -> Result<Address, String> {
        let address = place.address(self.asked, self.map)?;
        let owner = self.owners.get(&address.to_string());
        if place.port == 0 && owner.is_some_and(|owner| *owner != place.id) {
            return Err(format!(
                "the cluster gives its port as 0, and {address} is another node: does one serve TLS only, and the other \
                 one plain connections?"
            ));
        }
        Ok(address)
    }
}
