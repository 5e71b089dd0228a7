/* Calls on a server that cannot serve: each must say so, name the server, and be back in time. */
#ifndef CALLS_H
#define CALLS_H

#include "check.h"
#include "fixture.h"

/* Runs the call and checks its status, how long it took, and that its text names server and command. */
#define FAULT(want, budget_ms, name, command, call) \
    CALL_FAULT((int)REDIS_CACHE_##want, budget_ms, name, command, call)
#define CALL_FAULT(want, budget_ms, name, command, call)                                                      \
    do {                                                                                                      \
        int64_t begun = now_ms();                                                                             \
        int status = (int)(call);                                                                             \
        check_fault(__FILE__, __LINE__, #call, status, want, now_ms() - begun, budget_ms, name, command);     \
    } while (0)

void check_fault(const char *file, int line, const char *call, int status, int want, int64_t took_ms,
                 int64_t budget_ms, const char *name, const char *command);

/* Every kind of call says the same status within the budget, and leaves its outputs zero. */
void every_call(int want, const redis_cache *cache, const char *name, int64_t budget_ms);

#endif
