//! The guide: what this cache is for, how it thinks, and how it is run. Read it in order, or open what you need.
//!
//! 1. [`why`]: what is missing when a program has a Redis client only.
//! 2. [`model`]: keys, versions, values, times, and what the words mean.
//! 3. [`topologies`]: one server, several, and how a program moves from one to the other.
//! 4. [`herds`]: computing what is missing once, with a drawing of who waits for whom.
//! 5. [`near_cache`]: reads without a command, and what they promise.
//! 6. [`faults`]: budgets, retries, the breaker, and what a program does about an error.
//! 7. [`performance`]: what an operation costs, and how to make a program fast.
//! 8. [`untrusted_input`]: keys, values and servers that nobody vouches for.
//! 9. [`sharing`]: one Redis for Python, C and Rust.
//! 10. [`operating`]: servers, rights, figures, deployments.
//! 11. [`migration`]: from django-redis-cache, setting by setting and method by method.
//!
//! All options stand in one table in the README, and as methods of [`Config`](crate::Config). The C API has its rules at
//! the top of `redis_cache.h`. What is said here is the same for Rust, C and C++: examples are in Rust, and the functions
//! of C have the same names behind `redis_cache_`.

/// A chapter: its summary, and its text, behind a drawing if it has one.
macro_rules! chapter {
    ($(#[$about:meta])* $name:ident $(, $drawing:literal)?) => {
        $(#[$about])*
        #[doc = ""]
        $(
            #[doc = concat!("<div>\n", include_str!(concat!("../../docs/", $drawing)), "</div>\n")]
            #[doc = ""]
        )?
        #[doc = include_str!(concat!(stringify!($name), ".md"))]
        pub mod $name {}
    };
}

chapter! {
    /// What is missing when a program has a Redis client only.
    why
}
chapter! {
    /// Keys, versions, values, times, and what the words mean.
    model
}
chapter! {
    /// One server, several, and how a program moves from one to the other.
    topologies, "topologies.svg"
}
chapter! {
    /// Computing what is missing, once.
    herds, "herd.svg"
}
chapter! {
    /// Reads without a command, and what they promise.
    near_cache, "near.svg"
}
chapter! {
    /// Budgets, retries, the breaker, and what a program does about an error.
    faults
}
chapter! {
    /// What an operation costs, and how to make a program fast.
    performance
}
chapter! {
    /// Keys, values and servers that nobody vouches for.
    untrusted_input
}
chapter! {
    /// One Redis for Python, C and Rust.
    sharing, "site.svg"
}
chapter! {
    /// Servers, rights, figures, deployments.
    operating
}
chapter! {
    /// From django-redis-cache, setting by setting and method by method.
    migration
}
