//! The number of a question. A stranger who does not see it must not be able to guess it, so the system draws it; after a
//! fork, parent and child would draw the same from a generator of their own.

use crate::base::random;

pub(super) fn random() -> u16 {
    let mut bytes = [0; 2];
    // SAFETY: the two bytes may be written.
    let drawn =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    match drawn {
        2 => u16::from_ne_bytes(bytes),
        _ => random::draw(|rng| rng.u16(..)),
    }
}
