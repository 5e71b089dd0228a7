// A tour of the cache in Go, from 1.18 on, through cgo and nothing else. It runs on the embedded store unless it is given a
// location:
//
//	make && make install PREFIX=$HOME/.local
//	export CGO_CFLAGS=-I$HOME/.local/include CGO_LDFLAGS="-L$HOME/.local/lib -Wl,-rpath,$HOME/.local/lib"
//	go run examples/tour.go [redis://127.0.0.1:6379/1?prefix=tour]
//
// A call blocks its thread, and Go starts another one for the goroutines that go on: fine for some hundred at a time.
package main

/*
#cgo LDFLAGS: -lredis_cache
#include <redis_cache.h>
#include <stdlib.h>

extern int32_t compute(void *user_data, redis_cache_writer *out);
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/cgo"
	"strings"
	"time"
	"unsafe"
)

// forever is a lifetime without an end.
const forever = time.Duration(1<<63 - 1)

var (
	errNotFound = errors.New("not found")
	errBusy     = errors.New("somebody else computes it, and the wait is over")
)

// Cache may be used by any number of goroutines.
type Cache struct{ handle *C.redis_cache }

// call makes a call and, if it fails, fetches its text. The library keeps that for each thread, and Go may move a goroutine
// to another thread between any two calls of C: so it is locked to its own for both.
func call(f func() C.redis_cache_status) (C.redis_cache_status, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status := f()
	switch {
	case status < 0:
		name := C.GoString(C.redis_cache_status_name(C.int32_t(status)))
		return status, fmt.Errorf("%s: %s", name, C.GoString(C.redis_cache_last_error()))
	case status == C.REDIS_CACHE_NOT_FOUND:
		return status, errNotFound
	case status == C.REDIS_CACHE_BUSY:
		return status, errBusy
	}
	return status, nil
}

// raw is a string as the two arguments that C wants. It is borrowed for the call, so memory of Go will do.
func raw(text string) (*C.char, C.size_t) {
	bytes := []byte(text + "\x00") // never empty, so that there is a first byte to point to
	return (*C.char)(unsafe.Pointer(&bytes[0])), C.size_t(len(text))
}

func milliseconds(d time.Duration) C.int64_t {
	if d == forever {
		return C.REDIS_CACHE_TTL_FOREVER
	}
	return C.int64_t(d.Milliseconds())
}

// take copies what a call has handed out, and gives it back.
func take(bytes *C.redis_cache_bytes) string {
	defer C.redis_cache_bytes_free(bytes)
	return C.GoStringN(bytes.data, C.int(bytes.len))
}

// Open takes one location, or several.
func Open(url string) (*Cache, error) {
	location := C.CString(url)
	defer C.free(unsafe.Pointer(location))
	cache := &Cache{}
	_, err := call(func() C.redis_cache_status { return C.redis_cache_open(location, &cache.handle) })
	return cache, err
}

// Close ends this handle: the garbage collector knows nothing of it.
func (c *Cache) Close() { C.redis_cache_free(c.handle) }

// Version is a view on other keys.
func (c *Cache) Version(number uint64) *Cache {
	return &Cache{C.redis_cache_with_version(c.handle, C.uint64_t(number))}
}

// Set stores a value.
func (c *Cache) Set(key, value string, ttl time.Duration) error {
	k, n := raw(key)
	v, size := raw(value)
	_, err := call(func() C.redis_cache_status {
		return C.redis_cache_set(c.handle, k, n, unsafe.Pointer(v), size, milliseconds(ttl))
	})
	return err
}

// Get is the value, or errNotFound.
func (c *Cache) Get(key string) (string, error) {
	var out C.redis_cache_bytes
	k, n := raw(key)
	if _, err := call(func() C.redis_cache_status { return C.redis_cache_get(c.handle, k, n, &out) }); err != nil {
		return "", err
	}
	return take(&out), nil
}

// GetInt is the integer, or errNotFound.
func (c *Cache) GetInt(key string) (int64, error) {
	var out C.int64_t
	k, n := raw(key)
	_, err := call(func() C.redis_cache_status { return C.redis_cache_get_int(c.handle, k, n, &out) })
	return int64(out), err
}

// TTL is what an entry has left to live.
func (c *Cache) TTL(key string) (time.Duration, error) {
	var out C.int64_t
	k, n := raw(key)
	_, err := call(func() C.redis_cache_status { return C.redis_cache_ttl(c.handle, k, n, &out) })
	if out == C.REDIS_CACHE_TTL_FOREVER {
		return forever, err
	}
	return time.Duration(out) * time.Millisecond, err
}

// IncrVersion moves an entry to the next version.
func (c *Cache) IncrVersion(key string) error {
	var out C.uint64_t
	k, n := raw(key)
	_, err := call(func() C.redis_cache_status { return C.redis_cache_incr_version(c.handle, k, n, 1, &out) })
	return err
}

// GetMany is the values of those keys that are there. What could not be asked for (PARTIAL) is missing in this tour.
func (c *Cache) GetMany(keys ...string) (map[string]string, error) {
	// A list of pointers must not be memory of Go that points to memory of Go: cgo ends the program for it.
	list := C.malloc(C.size_t(len(keys)+1) * C.size_t(unsafe.Sizeof(C.redis_cache_slice{})))
	defer C.free(list)
	slices := unsafe.Slice((*C.redis_cache_slice)(list), len(keys))
	for i, key := range keys {
		slices[i] = C.redis_cache_slice{data: C.CString(key), len: C.size_t(len(key))}
		defer C.free(unsafe.Pointer(slices[i].data))
	}
	var results *C.redis_cache_results
	if _, err := call(func() C.redis_cache_status {
		return C.redis_cache_get_many(c.handle, (*C.redis_cache_slice)(list), C.size_t(len(keys)), &results)
	}); err != nil {
		return nil, err
	}
	defer C.redis_cache_results_free(results)
	values := make(map[string]string)
	for i, key := range keys {
		var value C.redis_cache_slice
		if C.redis_cache_results_get(results, C.size_t(i), &value) == C.REDIS_CACHE_OK {
			values[key] = C.GoStringN(value.data, C.int(value.len))
		}
	}
	return values, nil
}

// DeletePattern says how many keys it has deleted.
func (c *Cache) DeletePattern(pattern string) (uint64, error) {
	var out C.uint64_t
	p, n := raw(pattern)
	_, err := call(func() C.redis_cache_status { return C.redis_cache_delete_pattern(c.handle, p, n, nil, &out) })
	return uint64(out), err
}

// Clear deletes the keys of this cache in all versions.
func (c *Cache) Clear() (uint64, error) {
	var out C.uint64_t
	_, err := call(func() C.redis_cache_status { return C.redis_cache_clear(c.handle, nil, &out) })
	return uint64(out), err
}

// GetOrSet is the value, and where there is none what load makes: one caller of all processes computes, and no callback is
// needed. A load that panics gives the lease back too: else everybody would wait until it is over.
func (c *Cache) GetOrSet(key string, ttl time.Duration, load func() (string, error)) (string, error) {
	var out C.redis_cache_bytes
	var lease *C.redis_cache_lease
	k, n := raw(key)
	status, err := call(func() C.redis_cache_status {
		return C.redis_cache_lease_begin(c.handle, k, n, &out, &lease)
	})
	old := take(&out) // empty where there is none
	if lease == nil {
		return old, err // fresh, old while another renews it, known to be absent, or an error
	}
	defer func() { C.redis_cache_lease_abandon(lease) }() // NULL, once it is fulfilled, is fine
	value, err := load()
	if err != nil {
		if status == C.REDIS_CACHE_STALE {
			return old, nil
		}
		return "", err
	}
	// What this says is about the store: ERR_LOST, the key was written or deleted meanwhile. The value is good for us.
	v, size := raw(value)
	C.redis_cache_lease_fulfill(lease, unsafe.Pointer(v), size, milliseconds(ttl))
	lease = nil
	return value, nil
}

// A load on its way through C, which must not see a pointer of Go: it carries a handle of it.
type loading struct {
	load   func() (string, error)
	failed error
}

// A panic must not leave a function that C calls: it would skip the frames of the library. Where the program does not
// recover it ends there, and where it does the lease and the callers that wait for it are lost.
//
//export compute
func compute(userData unsafe.Pointer, out *C.redis_cache_writer) (status C.int32_t) {
	l := (*(*cgo.Handle)(userData)).Value().(*loading)
	defer func() {
		if fault := recover(); fault != nil {
			l.failed, status = fmt.Errorf("%v", fault), 1
		}
	}()
	value, err := l.load()
	if err != nil {
		l.failed = err
		return 1 // anything but 0: it has failed, and nothing is stored
	}
	v, size := raw(value)
	if C.redis_cache_writer_append(out, unsafe.Pointer(v), size) != C.REDIS_CACHE_OK {
		return 1
	}
	return 0
}

// GetOrSetByCallback is the same with a callback.
func (c *Cache) GetOrSetByCallback(key string, ttl time.Duration, load func() (string, error)) (string, error) {
	l := &loading{load: load}
	handle := cgo.NewHandle(l)
	defer handle.Delete()
	var out C.redis_cache_bytes
	k, n := raw(key)
	_, err := call(func() C.redis_cache_status {
		return C.redis_cache_get_or_set(c.handle, k, n, milliseconds(ttl),
			C.redis_cache_compute_fn(C.compute), unsafe.Pointer(&handle), &out)
	})
	if err != nil && l.failed != nil {
		return "", l.failed
	}
	return take(&out), err // an old value is served where the load has failed
}

func say(what string, text any) { fmt.Printf("%-16s%v\n", what, text) }

func need[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func (c *Cache) or(key string) string {
	value, err := c.Get(key)
	if errors.Is(err, errNotFound) {
		return "nothing"
	}
	return need(value, err)
}

func main() {
	url := "memory://?prefix=tour"
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	cache := need(Open(url))
	defer cache.Close()
	need(cache.Clear())

	need(0, cache.Set("user:7", "Ada", time.Minute))
	need(0, cache.Set("user:9", "Grace", forever))
	say("get", cache.or("user:7")+", "+cache.or("user:8"))
	left, endless := need(cache.TTL("user:7")), need(cache.TTL("user:9"))
	if left > 0 && left <= time.Minute && endless == forever {
		say("ttl", "at most a minute, for ever")
	}
	many, found := need(cache.GetMany("user:7", "user:8", "user:9")), []string{}
	for _, key := range []string{"user:7", "user:8", "user:9"} {
		if value, is := many[key]; is {
			found = append(found, value)
		} else {
			found = append(found, "nothing")
		}
	}
	say("get_many", strings.Join(found, ", "))

	second := cache.Version(2)
	need(0, cache.IncrVersion("user:7"))
	say("versions", "1: "+cache.or("user:7")+", 2: "+second.or("user:7"))
	second.Close()

	computed := 0
	page := func() (string, error) {
		computed++
		return fmt.Sprintf("<h1>%d</h1>", computed), nil
	}
	once := need(cache.GetOrSet("front", time.Minute, page))
	say("get_or_set", once+" "+need(cache.GetOrSet("front", time.Minute, page)))
	once = need(cache.GetOrSetByCallback("side", time.Minute, page))
	say("by callback", once+" "+need(cache.GetOrSetByCallback("side", time.Minute, page)))

	_, err := cache.GetOrSet("broken", time.Minute, func() (string, error) { return "", errors.New("no database") })
	say("a failed load", fmt.Sprintf("%v, and there is %s", err, cache.or("broken")))
	_, err = cache.GetOrSetByCallback("broken", time.Minute, func() (string, error) { panic("no database") })
	say("a failed load", fmt.Sprintf("%v, and there is %s", err, cache.or("broken")))

	_, err = cache.GetInt("user:9")
	say("an error", err)

	say("delete_pattern", need(cache.DeletePattern("user:*")))
	say("clear", need(cache.Clear()))
}
