// A tour of the cache in Node.js, through koffi (`npm install koffi`) and nothing else. It runs on the embedded store
// unless it is given a location:
//
//     make && make install PREFIX=$HOME/.local
//     LD_LIBRARY_PATH=$HOME/.local/lib node examples/tour.js [redis://127.0.0.1:6379/1?prefix=tour]
//
// Every call blocks the event loop for as long as it takes: a fraction of a millisecond, or `timeout` at worst. That is
// what workers, scripts and build tools want. A server that cannot have it calls from a worker_thread.
'use strict';
const koffi = require('koffi');

const library = koffi.load(process.env.REDIS_CACHE_LIBRARY || 'libredis_cache.so.0');
koffi.struct('redis_cache_bytes', { data: 'void *', len: 'size_t', reserved: 'size_t' });
koffi.struct('redis_cache_slice', { data: 'void *', len: 'size_t' });
koffi.proto('int32_t redis_cache_compute_fn(void *user_data, void *out)');

// The declarations are those of redis_cache.h; handles are plain pointers here, and a status is its number.
const declare = (result, name, parameters) => library.func(`${result} redis_cache_${name}(${parameters})`);
const KEY = 'void *cache, const void *key, size_t key_len';
const c = {
    open: declare('int', 'open', 'const char *url, _Out_ void **out'),
    free: declare('void', 'free', 'void *cache'),
    version: declare('void *', 'with_version', 'void *cache, uint64_t version'),
    set: declare('int', 'set', `${KEY}, const void *value, size_t value_len, int64_t ttl_ms`),
    get: declare('int', 'get', `${KEY}, _Out_ redis_cache_bytes *out`),
    get_int: declare('int', 'get_int', `${KEY}, _Out_ int64_t *out`),
    ttl: declare('int', 'ttl', `${KEY}, _Out_ int64_t *out_ms`),
    incr_version: declare('int', 'incr_version', `${KEY}, int64_t delta, _Out_ uint64_t *out_version`),
    get_many: declare('int', 'get_many', 'void *cache, const redis_cache_slice *keys, size_t count, _Out_ void **out'),
    results_get: declare('int', 'results_get', 'void *results, size_t index, _Out_ redis_cache_slice *out'),
    results_free: declare('void', 'results_free', 'void *results'),
    delete_pattern: declare('int', 'delete_pattern', `${KEY}, void *sweep, _Out_ uint64_t *out_deleted`),
    clear: declare('int', 'clear', 'void *cache, void *sweep, _Out_ uint64_t *out_deleted'),
    lease_begin: declare('int', 'lease_begin', `${KEY}, _Out_ redis_cache_bytes *out, _Out_ void **out_lease`),
    lease_fulfill: declare('int', 'lease_fulfill', 'void *lease, const void *value, size_t value_len, int64_t ttl_ms'),
    lease_abandon: declare('void', 'lease_abandon', 'void *lease'),
    get_or_set: declare('int', 'get_or_set',
        `${KEY}, int64_t ttl_ms, redis_cache_compute_fn *fn, void *user_data, _Out_ redis_cache_bytes *out`),
    writer_append: declare('int', 'writer_append', 'void *out, const void *data, size_t len'),
    bytes_free: declare('void', 'bytes_free', '_Inout_ redis_cache_bytes *bytes'),
    last_error: declare('const char *', 'last_error', ''),
    status_name: declare('const char *', 'status_name', 'int32_t status'),
};
const OK = 0, NOT_FOUND = 1, STALE = 3, BUSY = 4;
const FOREVER = 2n ** 63n - 1n; // INT64_MAX, which no Number holds

// Bytes and their length. The length of a string counts UTF-16 units: never pass that.
function bytes(text) {
    const buffer = Buffer.from(text);
    return [buffer, buffer.length];
}

// A negative status is an error, and its text is that of the last failure on this thread: it is fetched at once. With
// koffi's .async() the call runs on another thread, and its text cannot be had here.
function check(status) {
    if (status < 0) throw new Error(`${c.status_name(status)}: ${c.last_error()}`);
    return status;
}

// A copy of bytes that belong to the library.
const copy = ({ data, len }) => (len ? Buffer.from(koffi.view(data, len)).toString() : '');

// A copy of what a call has handed out, which is then freed.
function take(out) {
    const text = copy(out);
    c.bytes_free(out);
    return text;
}

class Cache {
    constructor(handle) {
        this.handle = handle;
    }

    static open(url) {
        const out = [null];
        check(c.open(url, out));
        return new Cache(out[0]);
    }

    // Handles belong to whoever made them: the garbage collector knows nothing of them.
    close() {
        c.free(this.handle);
        this.handle = null;
    }

    version(number) {
        return new Cache(c.version(this.handle, number));
    }

    set(key, value, ms) {
        check(c.set(this.handle, ...bytes(key), ...bytes(value), ms));
    }

    get(key) {
        const out = {};
        return check(c.get(this.handle, ...bytes(key), out)) === OK ? take(out) : undefined;
    }

    getInt(key) {
        const out = [0];
        return check(c.get_int(this.handle, ...bytes(key), out)) === OK ? out[0] : undefined;
    }

    // Milliseconds, Infinity for an entry without an expiry.
    ttl(key) {
        const out = [0];
        if (check(c.ttl(this.handle, ...bytes(key), out)) === NOT_FOUND) return undefined;
        return BigInt(out[0]) === FOREVER ? Infinity : Number(out[0]);
    }

    incrVersion(key) {
        const out = [0];
        return check(c.incr_version(this.handle, ...bytes(key), 1, out)) === OK ? out[0] : undefined;
    }

    // An item is a value, undefined, or the Error of its key: the others are good all the same (PARTIAL).
    getMany(keys) {
        const slices = keys.map((key) => Buffer.from(key)).map((data) => ({ data, len: data.length }));
        const out = [null];
        check(c.get_many(this.handle, slices, slices.length, out));
        try {
            return keys.map((_, index) => {
                const slice = {};
                const status = c.results_get(out[0], index, slice);
                if (status < 0) return new Error(c.status_name(status));
                return status === OK ? copy(slice) : undefined; // the slice lives only as long as the results
            });
        } finally {
            c.results_free(out[0]);
        }
    }

    deletePattern(pattern) {
        const out = [0];
        check(c.delete_pattern(this.handle, ...bytes(pattern), null, out));
        return out[0];
    }

    clear() {
        const out = [0];
        check(c.clear(this.handle, null, out));
        return out[0];
    }

    // The value, and where there is none what `compute` makes: one caller of all processes computes. No callback is needed,
    // so an async `compute` can be awaited between the two calls, for as long as the option `lease` says.
    getOrSet(key, ms, compute) {
        const out = {}, lease = [null];
        const status = check(c.lease_begin(this.handle, ...bytes(key), out, lease));
        const old = status === OK || status === STALE ? take(out) : undefined;
        if (status === BUSY) throw new Error(`${key}: somebody else computes it, and the wait is over`);
        if (!lease[0]) return old; // fresh, old while another renews it, or known to be absent
        let value;
        try {
            value = compute();
        } catch (error) {
            c.lease_abandon(lease[0]); // else everybody waits for us until the lease is over
            if (old !== undefined) return old;
            throw error;
        }
        // What this says is about the store: ERR_LOST, the key was written or deleted meanwhile. The value is good for us.
        c.lease_fulfill(lease[0], ...bytes(value), ms);
        return value;
    }

    // The same with a callback. It must not throw into C, which would take whatever koffi leaves for an answer: 0 by its
    // manual, which says that the value was written, and an empty value is stored for everybody. What it throws is kept,
    // and thrown here.
    getOrSetByCallback(key, ms, compute) {
        const out = {};
        let thrown;
        const fn = (_, writer) => {
            try {
                return c.writer_append(writer, ...bytes(compute())) === OK ? 0 : 1;
            } catch (error) {
                thrown = error;
                return 1;
            }
        };
        const status = c.get_or_set(this.handle, ...bytes(key), ms, fn, null, out);
        if (status === OK || status === STALE) return take(out); // an old value is served where the callback has failed
        if (thrown) throw thrown;
        if (check(status) === BUSY) throw new Error(`${key}: somebody else computes it, and the wait is over`);
        return undefined;
    }
}

const say = (what, text) => console.log(what.padEnd(16) + text);
const or = (value) => value ?? 'nothing';

const cache = Cache.open(process.argv[2] || 'memory://?prefix=tour');
cache.clear();

cache.set('user:7', 'Ada', 60_000);
cache.set('user:9', 'Grace', FOREVER);
say('get', `${or(cache.get('user:7'))}, ${or(cache.get('user:8'))}`);
const left = cache.ttl('user:7');
say('ttl', `${left > 0 && left <= 60_000 ? 'at most a minute' : left}, ${cache.ttl('user:9') === Infinity ? 'for ever' : '?'}`);
say('get_many', cache.getMany(['user:7', 'user:8', 'user:9']).map(or).join(', '));

const second = cache.version(2);
cache.incrVersion('user:7');
say('versions', `1: ${or(cache.get('user:7'))}, 2: ${or(second.get('user:7'))}`);
second.close();

let computed = 0;
const page = () => `<h1>${++computed}</h1>`;
say('get_or_set', `${cache.getOrSet('front', 60_000, page)} ${cache.getOrSet('front', 60_000, page)}`);
say('by callback', `${cache.getOrSetByCallback('side', 60_000, page)} ${cache.getOrSetByCallback('side', 60_000, page)}`);

for (const getOrSet of ['getOrSet', 'getOrSetByCallback']) {
    try {
        cache[getOrSet]('broken', 60_000, () => { throw new Error('no database'); });
    } catch (error) {
        say('a failed load', `${error.message}, and there is ${or(cache.get('broken'))}`);
    }
}

try {
    cache.getInt('user:9');
} catch (error) {
    say('an error', error.message);
}

say('delete_pattern', cache.deletePattern('user:*'));
say('clear', cache.clear());
cache.close();
