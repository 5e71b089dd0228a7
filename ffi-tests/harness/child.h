/* Processes of a test: children that a fork leaves behind the checks of their parent. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

#include "redis_cache.h"

/* A child that runs the function and tells by its exit code whether its checks held. */
pid_t start_child(void (*function)(const redis_cache *cache, int index), const redis_cache *cache, int index);
/* Waits for it; a check fails when one of its own did. */
void end_child(pid_t pid);
/* Ends it by SIGKILL, in the middle of whatever it does. */
void kill_child(pid_t pid);

#endif
