//! Another Rust archive in the same program: it has all of Rust's own library once more, panics included.

/// Whether a panic is caught where it should be.
#[unsafe(no_mangle)]
pub extern "C" fn second_catches() -> bool {
    std::panic::set_hook(Box::new(|_| {}));
    std::panic::catch_unwind(|| std::hint::black_box(Vec::<u8>::new())[0]).is_err()
}
