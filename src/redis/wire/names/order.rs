//! In which order addresses are tried: the rules of RFC 6724 that matter to a client. What cannot be reached comes last;
//! then IPv6 comes before IPv4, and that before the private addresses of IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Sorts them; those of the same kind stay in the order of the server, which spreads load by it.
pub(super) fn sort(addresses: &mut [SocketAddr]) {
    let is_mixed =
        addresses.iter().any(SocketAddr::is_ipv4) && addresses.iter().any(SocketAddr::is_ipv6);
    if is_mixed {
        addresses.sort_by_cached_key(|address| (!has_route(address), rank(address.ip())));
    }
}

fn rank(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 1,
        IpAddr::V6(ip) if ip.is_unique_local() => 2,
        IpAddr::V6(_) => 0,
    }
}

/// Nothing is sent: a datagram that may be sent there would have a route.
fn has_route(address: &SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut address = *address;
    address.set_port(53);
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_reached_comes_last_and_equals_keep_their_order() {
        let of = |texts: &[&str]| {
            let parsed = texts
                .iter()
                .map(|text| SocketAddr::new(text.parse().unwrap(), 0));
            let mut addresses: Vec<_> = parsed.collect();
            sort(&mut addresses);
            let shown = addresses.iter().map(|address| address.ip().to_string());
            shown.collect::<Vec<_>>()
        };
        assert_eq!(of(&["10.0.0.2", "10.0.0.1"]), ["10.0.0.2", "10.0.0.1"]);
        let sorted = of(&["127.0.0.2", "fd00::1", "127.0.0.1"]);
        let v4: Vec<_> = sorted.iter().filter(|it| it.contains('.')).collect();
        assert_eq!(v4, ["127.0.0.2", "127.0.0.1"]);
        assert_eq!(sorted.last().unwrap(), "fd00::1");
    }
}
