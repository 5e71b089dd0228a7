/* A Redis client that shares nothing with the library: it makes what the library never would (lists, foreign bytes)
 * and looks at what is really stored. It lives on the Unix socket and ends the program on any fault. */
#ifndef RAW_H
#define RAW_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw {
    int fd;
    char kind;   /* of the last reply: + - : $ or _ for nil */
    char *reply; /* its text, a NUL behind it */
    size_t len;
};

bool raw_try_open(struct raw *raw, const char *path, int db);
void raw_open(struct raw *raw, const char *path, int db);
void raw_close(struct raw *raw);

/* Sends a command of C strings, ended by NULL, and reads its reply (no arrays). */
void raw_call(struct raw *raw, ...);
void raw_call_list(struct raw *raw, va_list arguments);
/* The same with a last argument that may hold NULs: raw_store(&raw, "SET", key, data, len). */
void raw_store(struct raw *raw, const char *command, const char *key, const void *data, size_t len);
int64_t raw_int(const struct raw *raw);
bool raw_is(const struct raw *raw, const char *text);

/* One command in the database of this process; the reply's number, or -1. */
int64_t server_number(const char *command, const char *argument);

#endif
