//! The option `address_map`: where the announced addresses of servers behind NAT really are. `from>to;from>to`, each a host
//! and a port.

use super::location::Address;
use super::units::Kind;
use super::url::Pieces;

/// Announced addresses, and where each is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AddressMap(Vec<(String, String)>);

/// How it is written.
pub(crate) const ADDRESS_MAP: Kind<AddressMap> = Kind {
    accepted: "a list like `10.0.0.5:6379>203.0.113.7:7001;10.0.0.6:6379>203.0.113.7:7002`, which tells of no address twice",
    read: |text| Some(AddressMap::of_text(text)),
    fits: |map| map.pairs().is_some(),
    show: |map| match map.0.is_empty() {
        true => "none".to_owned(),
        false => {
            let pair = |(from, to): &(String, String)| format!("{from}>{to}");
            map.0.iter().map(pair).collect::<Vec<_>>().join(";")
        }
    },
};

impl AddressMap {
    pub(crate) fn new(
        pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let pair = |(from, to): (_, _)| (from, to);
        let pairs = pairs.into_iter().map(pair);
        AddressMap(pairs.map(|(from, to)| (from.into(), to.into())).collect())
    }

    fn of_text(text: &str) -> Self {
        let items = text.split(';').map(str::trim);
        let pair = |item: &str| match item.split_once('>') {
            Some((from, to)) => (from.trim().to_owned(), to.trim().to_owned()),
            None => (item.to_owned(), String::new()),
        };
        AddressMap(items.filter(|item| !item.is_empty()).map(pair).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` when it is not one: something in it is no address, or an address would be in two places.
    fn pairs(&self) -> Option<Vec<(Address, Address)>> {
        let mut pairs: Vec<(Address, Address)> = Vec::with_capacity(self.0.len());
        for (from, to) in &self.0 {
            let (from, to) = (address(from)?, address(to)?);
            if pairs
                .iter()
                .any(|(known, place)| *known == from && *place != to)
            {
                return None;
            }
            pairs.push((from, to));
        }
        Some(pairs)
    }

    /// Where a server is that is announced there.
    pub(crate) fn place(&self, announced: Address) -> Address {
        if self.is_empty() {
            return announced;
        }
        let name = announced.to_string();
        let mut pairs = self.pairs().unwrap_or_default().into_iter();
        let found = pairs.find(|(from, _)| from.to_string() == name);
        found.map_or(announced, |(_, to)| to)
    }
}

fn address(text: &str) -> Option<Address> {
    let pieces = Pieces::split(text).ok()?;
    let is_bare = pieces.scheme.is_none()
        && pieces.user_info.is_none()
        && pieces.path.is_empty()
        && pieces.query.is_none();
    let (host, port) = pieces.host_and_port().ok().filter(|_| is_bare)?;
    Some(Address::Tcp { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address::Tcp { host, port }
    }

    #[test]
    fn announced_addresses_are_found_in_any_spelling() {
        let text =
            "10.0.0.5:6379>203.0.113.7:7001; [fd00::5]:6379>[2001:db8::7]:7002;Node-3:6380>edge;";
        let map = ADDRESS_MAP.value("address_map", text).unwrap();
        for (from, to) in [
            (tcp("10.0.0.5", 6379), tcp("203.0.113.7", 7001)),
            (tcp("fd00:0::5", 6379), tcp("2001:db8::7", 7002)),
            (tcp("node-3", 6380), tcp("edge", 6379)),
            (tcp("10.0.0.5", 6380), tcp("10.0.0.5", 6380)),
        ] {
            assert_eq!(map.place(from), to);
        }
        let announced = tcp("10.0.0.5", 1);
        assert_eq!(AddressMap::default().place(announced.clone()), announced);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in [
            "10.0.0.5:6379",
            "10.0.0.5:6379>",
            ">h:1",
            "a:1>b:2,c:3>d:4",
            "redis://a:1>b:2",
            "a:1>b:2;a:1>b:3",
            "a:x>b:2",
        ] {
            let fault = ADDRESS_MAP.value("address_map", text).unwrap_err();
            assert!(
                fault.contains("`address_map`") && fault.contains("203.0.113.7:7001"),
                "{fault}"
            );
        }
        assert!(ADDRESS_MAP.value("address_map", "a:1>b:2;A:1>b:2").is_ok());
    }
}
