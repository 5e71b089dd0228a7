/* Checks for the test programs. A suite is a function that RUNs tests; a test is a function that CHECKs. A failed
 * check is told at once with its place, and the test goes on; REQUIRE leaves the test. Checks may be made on any
 * thread. The program ends with the line "N passed, N failed" (tests) and exits with 1 when one failed. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "redis_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs one test in a store that holds nothing. */
void check_run(const char *name, void (*test)(void));
#define RUN(test) check_run(#test, test)

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void check_failed(const char *file, int line, const char *format, ...);
unsigned check_failures(void); /* of the running test, in this process */
int check_report(void);        /* the closing line; the exit code */

bool check_status(const char *file, int line, const char *call, int got, int want);
bool check_int(const char *file, int line, const char *what, int64_t got, int64_t want);
bool check_data(const char *file, int line, const void *got, size_t got_len, const void *want, size_t want_len);
bool check_text(const char *file, int line, const char *text, const char *part);
void check_goes(const char *file, int line, const redis_cache *cache, const char *key);
bool check_get(const char *file, int line, const redis_cache *cache, const char *key, const void *want, size_t len);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, "%s", #condition))
#define REQUIRE(condition)                                             \
    do {                                                               \
        if (!(condition)) {                                            \
            check_failed(__FILE__, __LINE__, "required: %s", #condition); \
            return;                                                    \
        }                                                              \
    } while (0)
/* STATUS(NOT_FOUND, redis_cache_get(...)); on a mismatch the error text is told too. */
#define STATUS(want, call) check_status(__FILE__, __LINE__, #call, (int)(call), (int)REDIS_CACHE_##want)
#define INT(want, got) check_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define DATA(want, want_len, got, got_len) check_data(__FILE__, __LINE__, got, got_len, want, want_len)
/* The text of the last error says this. */
#define SAYS(part) check_text(__FILE__, __LINE__, redis_cache_last_error(), part)
/* The cache has this text under this key. */
#define GETS(cache, key, text) check_get(__FILE__, __LINE__, cache, key, text, strlen(text))
/* It will miss this key before long: soft expiry is judged by a server's clock, which is only known to some ms. */
#define GOES(cache, key) check_goes(__FILE__, __LINE__, cache, key)
#define MISSES(cache, key) STATUS(NOT_FOUND, redis_cache_has_key(cache, key, strlen(key)))

/* A string as pointer and length, NULs inside included: two arguments of a call. */
#define S(text) text, sizeof(text) - 1
/* The same as an initializer of a slice. */
#define SLICE(text) { text, sizeof(text) - 1 }

/* What outputs hold before a call that fails must not survive it. */
#define DIRTY_BYTES { (char *)1, 77, 77 }
#define DIRTY_SLICE { (const char *)1, 77 }
#define DIRTY_INT 77
#define CLEAN_BYTES(bytes) CHECK((bytes).data == NULL && (bytes).len == 0)
#define CLEAN_SLICE(slice) CHECK((slice).data == NULL && (slice).len == 0)

#ifdef __cplusplus
}
#endif

#endif
