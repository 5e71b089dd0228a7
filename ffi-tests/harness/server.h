/* Servers that a test may stop, restart and abuse: a real one of its own, and peers that are no Redis at all. They
 * live in the directory of the target's socket and end with this process. */
#ifndef SERVER_H
#define SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct server {
    pid_t pid; /* 0: not running */
    unsigned port;
    char socket[108];
    char name[140]; /* how error texts name it: 127.0.0.1:port or the socket's path */
    const char *option, *value;
};

/* A free port and socket for it; nothing runs yet. `option` is one more setting of redis-server (NULL: none). */
void server_prepare(struct server *server, const char *option, const char *value);
void server_start(struct server *server); /* returns when it answers */
void server_stop(struct server *server);  /* at once, as a crash would */
void server_pause(struct server *server, bool paused);
/* Its location as the target has it, over TCP or the Unix socket. */
void server_url(const struct server *server, char *url, size_t cap, const char *options);
/* One command of C strings, ended by NULL, over a connection of its own. */
void server_call(const struct server *server, ...);

enum manners {
    NEVER_ACCEPTS, /* connections wait in the queue: nothing ever answers */
    QUEUE_FULL,    /* not even that: a connect gets no answer */
    HTTP,          /* answers as a web server would */
    GARBAGE,       /* answers with bytes of no protocol */
    CLOSES,        /* closes as soon as something was sent */
    DRIPS          /* a line without end, a byte every 10 ms */
};

struct peer {
    enum manners manners;
    int listener, fillers[64], filled;
    unsigned port;
    char socket[108], name[140];
    pthread_t thread;
};

void peer_start(struct peer *peer, enum manners manners);
void peer_stop(struct peer *peer);
void peer_url(const struct peer *peer, char *url, size_t cap, const char *options);

#endif
