/* A minimal RESP2 client; see raw.h. */
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"

static void send_all(struct raw *raw, const void *data, size_t len)
{
    const char *bytes = data;

    while (len > 0) {
        ssize_t sent = send(raw->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            fixture_die("the raw client cannot send");
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void receive(struct raw *raw, void *data, size_t len)
{
    char *bytes = data;

    while (len > 0) {
        ssize_t got = recv(raw->fd, bytes, len, 0);
        if (got <= 0)
            fixture_die("the raw client got no reply");
        bytes += got;
        len -= (size_t)got;
    }
}

static void send_argument(struct raw *raw, const void *data, size_t len)
{
    char head[32];

    send_all(raw, head, (size_t)snprintf(head, sizeof head, "$%lu\r\n", (unsigned long)len));
    send_all(raw, data, len);
    send_all(raw, "\r\n", 2);
}

static void read_reply(struct raw *raw)
{
    char line[512], end[2];
    size_t used = 0;

    do {
        if (used == sizeof line - 1)
            fixture_die("the raw client got too long a line");
        receive(raw, &line[used++], 1);
    } while (line[used - 1] != '\n');
    line[used - 2] = '\0';
    free(raw->reply);
    raw->kind = line[0];
    if (line[0] != '$') {
        raw->len = used - 3;
        raw->reply = must_alloc(used);
        memcpy(raw->reply, line + 1, raw->len + 1);
    } else if (line[1] == '-') {
        raw->kind = '_';
        raw->len = 0;
        raw->reply = NULL;
    } else {
        raw->len = strtoul(line + 1, NULL, 10);
        raw->reply = must_alloc(raw->len + 1);
        receive(raw, raw->reply, raw->len);
        raw->reply[raw->len] = '\0';
        receive(raw, end, sizeof end);
    }
}

void raw_call_list(struct raw *raw, va_list arguments)
{
    const char *argument;
    char head[32];
    va_list again;
    int count = 0;

    va_copy(again, arguments);
    while (va_arg(again, const char *) != NULL)
        count++;
    va_end(again);
    send_all(raw, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", count));
    while ((argument = va_arg(arguments, const char *)) != NULL)
        send_argument(raw, argument, strlen(argument));
    read_reply(raw);
}

void raw_call(struct raw *raw, ...)
{
    va_list arguments;

    va_start(arguments, raw);
    raw_call_list(raw, arguments);
    va_end(arguments);
}

void raw_store(struct raw *raw, const char *command, const char *key, const void *data, size_t len)
{
    send_all(raw, "*3\r\n", 4);
    send_argument(raw, command, strlen(command));
    send_argument(raw, key, strlen(key));
    send_argument(raw, data, len);
    read_reply(raw);
}

bool raw_try_open(struct raw *raw, const char *path, int db)
{
    struct sockaddr_un address;
    char number[16];

    memset(raw, 0, sizeof *raw);
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address.sun_path)
        fixture_die("too long a socket path: %s", path);
    memcpy(address.sun_path, path, strlen(path));
    raw->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (raw->fd < 0)
        fixture_die("cannot make a socket");
    if (connect(raw->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(raw->fd);
        return false;
    }
    if (db != 0) {
        snprintf(number, sizeof number, "%d", db);
        raw_call(raw, "SELECT", number, NULL);
        if (raw->kind != '+')
            fixture_die("SELECT %d: %s", db, raw->reply);
    }
    return true;
}

void raw_open(struct raw *raw, const char *path, int db)
{
    if (!raw_try_open(raw, path, db))
        fixture_die("no server at %s", path);
}

void raw_close(struct raw *raw)
{
    close(raw->fd);
    free(raw->reply);
    raw->reply = NULL;
}

int64_t raw_int(const struct raw *raw)
{
    return raw->kind == ':' ? strtoll(raw->reply, NULL, 10) : -1;
}

bool raw_is(const struct raw *raw, const char *text)
{
    return raw->reply != NULL && raw->len == strlen(text) && memcmp(raw->reply, text, raw->len) == 0;
}

int64_t server_number(const char *command, const char *argument)
{
    struct raw raw;
    int64_t number;

    raw_open(&raw, target_socket(), target_db());
    raw_call(&raw, command, argument, NULL);
    number = raw_int(&raw);
    raw_close(&raw);
    return number;
}
