/* The suites by name: suite_NAME() in test_NAME.c. */
#ifndef SUITES_H
#define SUITES_H

#define SUITES             \
    SUITE(library)         \
    SUITE(config)          \
    SUITE(arguments)       \
    SUITE(values)          \
    SUITE(keys)            \
    SUITE(expiry)          \
    SUITE(counters)        \
    SUITE(many)            \
    SUITE(versions)        \
    SUITE(groups)          \
    SUITE(sweeps)          \
    SUITE(reinsert)        \
    SUITE(compute)         \
    SUITE(compute_many)    \
    SUITE(absent)          \
    SUITE(stale)           \
    SUITE(lease)           \
    SUITE(lock)            \
    SUITE(herd)            \
    SUITE(herd_processes)  \
    SUITE(foreign)         \
    SUITE(stats)           \
    SUITE(operations)      \
    SUITE(threads)         \
    SUITE(functions)       \
    SUITE(credentials)     \
    SUITE(limits)          \
    SUITE(fork)            \
    SUITE(faults)          \
    SUITE(refusals)        \
    SUITE(on_error)        \
    SUITE(restart)         \
    SUITE(torture)         \
    SUITE(ring)

#define SUITE(name) void suite_##name(void);
SUITES
#undef SUITE

#endif
