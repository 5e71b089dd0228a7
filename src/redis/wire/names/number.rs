//! Addresses that are numbers. The C library is the judge of what is one, and is told to ask nobody.

use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};

use socket2::SockAddr;

/// The address, with a port of 0; `None` when it is a name.
pub(crate) fn number(text: &str) -> Option<SocketAddr> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, 0)),
        // `127.1`, `0x7f.1` and `fe80::1%eth0`.
        Err(_) if text.starts_with(|first: char| first.is_ascii_digit()) || text.contains(':') => {
            by_libc(text)
        }
        Err(_) => None,
    }
}

fn by_libc(text: &str) -> Option<SocketAddr> {
    let text = CString::new(text).ok()?;
    // SAFETY: all zeroes is a valid value of this C struct.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_NUMERICHOST;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut found = std::ptr::null_mut();
    // SAFETY: the text ends with a NUL, and all of it outlives the call.
    if unsafe { libc::getaddrinfo(text.as_ptr(), std::ptr::null(), &hints, &mut found) } != 0 {
        return None;
    }
    // SAFETY: on success there is at least one, and its address is as long as it says, which the storage has room for.
    let address = unsafe {
        SockAddr::try_init(|storage, len| {
            let first = &*found;
            let size = first.ai_addrlen.min(*len);
            std::ptr::copy_nonoverlapping(
                first.ai_addr.cast::<u8>(),
                storage.cast::<u8>(),
                size as usize,
            );
            *len = size;
            Ok(())
        })
    };
    // SAFETY: it is what getaddrinfo gave, and it is not used any more.
    unsafe { libc::freeaddrinfo(found) };
    address.ok()?.1.as_socket()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_in_all_spellings_are_addresses_and_names_are_not() {
        let of = |text| number(text).map(|it| it.to_string());
        assert_eq!(of("10.1.2.3").unwrap(), "10.1.2.3:0");
        assert_eq!(of("::1").unwrap(), "[::1]:0");
        assert_eq!(of("127.1").unwrap(), "127.0.0.1:0");
        assert_eq!(of("0x7f.1").unwrap(), "127.0.0.1:0");
        for text in ["localhost", "10.example", "1.2.3.4.5", "", "a:b", "1\0"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
