// A tour of the cache in Java, from 11 on, through JNA (Debian: libjna-java; Maven: net.java.dev.jna:jna) and nothing else.
// It runs on the embedded store unless it is given a location:
//
//     make && make install PREFIX=$HOME/.local
//     java -cp /usr/share/java/jna.jar -Djna.library.path=$HOME/.local/lib examples/Tour.java [redis://127.0.0.1:6379/1]

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

public class Tour {
    /** The declarations of redis_cache.h, as far as they are used here. A size_t is a long on 64-bit systems. */
    interface C extends Library {
        C LIB = Native.load("redis_cache", C.class);

        int redis_cache_open(String url, PointerByReference out);
        void redis_cache_free(Pointer cache);
        Pointer redis_cache_with_version(Pointer cache, long version);
        int redis_cache_set(Pointer cache, byte[] key, long keyLen, byte[] value, long valueLen, long ttlMs);
        int redis_cache_get(Pointer cache, byte[] key, long keyLen, Bytes out);
        int redis_cache_get_int(Pointer cache, byte[] key, long keyLen, LongByReference out);
        int redis_cache_ttl(Pointer cache, byte[] key, long keyLen, LongByReference outMs);
        int redis_cache_incr_version(Pointer cache, byte[] key, long keyLen, long delta, LongByReference outVersion);
        int redis_cache_get_many(Pointer cache, Slice[] keys, long count, PointerByReference out);
        int redis_cache_results_get(Pointer results, long index, Slice out);
        void redis_cache_results_free(Pointer results);
        int redis_cache_delete_pattern(Pointer cache, byte[] pattern, long len, Pointer sweep, LongByReference outDeleted);
        int redis_cache_clear(Pointer cache, Pointer sweep, LongByReference outDeleted);
        int redis_cache_lease_begin(Pointer cache, byte[] key, long keyLen, Bytes out, PointerByReference outLease);
        int redis_cache_lease_fulfill(Pointer lease, byte[] value, long valueLen, long ttlMs);
        void redis_cache_lease_abandon(Pointer lease);
        int redis_cache_get_or_set(
                Pointer cache, byte[] key, long keyLen, long ttlMs, Compute fn, Pointer userData, Bytes out);
        int redis_cache_writer_append(Pointer out, byte[] data, long len);
        void redis_cache_bytes_free(Bytes bytes);
        String redis_cache_last_error();
        String redis_cache_status_name(int status);
    }

    interface Compute extends Callback {
        int call(Pointer userData, Pointer out);
    }

    @Structure.FieldOrder({"data", "len", "reserved"})
    public static class Bytes extends Structure {
        public Pointer data;
        public long len;
        public long reserved;

        /** A copy; the bytes themselves are the library's, and go back to it. */
        String take() {
            String copy = text(data, len);
            C.LIB.redis_cache_bytes_free(this);
            return copy;
        }
    }

    @Structure.FieldOrder({"data", "len"})
    public static class Slice extends Structure {
        public Pointer data;
        public long len;
    }

    static final int OK = 0, NOT_FOUND = 1, STALE = 3, BUSY = 4;
    static final long FOREVER = Long.MAX_VALUE;

    static String text(Pointer data, long len) {
        return len == 0 ? "" : new String(data.getByteArray(0, (int) len), UTF_8);
    }

    static class CacheException extends RuntimeException {
        private static final long serialVersionUID = 1;

        CacheException(String text) {
            super(text);
        }
    }

    /**
     * A negative status is an error, and its text is that of the last failure on this thread of the system: it is fetched
     * at once. (Nothing that could move a virtual thread to another carrier may stand between the two.)
     */
    static int check(int status) {
        if (status < 0) {
            throw new CacheException(C.LIB.redis_cache_status_name(status) + ": " + C.LIB.redis_cache_last_error());
        }
        return status;
    }

    /** Any number of threads may use one; it is closed when none does any more. */
    static class Cache implements AutoCloseable {
        private final Pointer handle;

        Cache(String url) {
            PointerByReference out = new PointerByReference();
            check(C.LIB.redis_cache_open(url, out));
            handle = out.getValue();
        }

        private Cache(Pointer handle) {
            this.handle = handle;
        }

        @Override
        public void close() {
            C.LIB.redis_cache_free(handle);
        }

        Cache version(long number) {
            return new Cache(C.LIB.redis_cache_with_version(handle, number));
        }

        void set(String key, String value, long ms) {
            byte[] k = key.getBytes(UTF_8), v = value.getBytes(UTF_8);
            check(C.LIB.redis_cache_set(handle, k, k.length, v, v.length, ms));
        }

        Optional<String> get(String key) {
            byte[] k = key.getBytes(UTF_8);
            Bytes out = new Bytes();
            return check(C.LIB.redis_cache_get(handle, k, k.length, out)) == OK
                    ? Optional.of(out.take())
                    : Optional.empty();
        }

        Optional<Long> getInt(String key) {
            byte[] k = key.getBytes(UTF_8);
            LongByReference out = new LongByReference();
            return check(C.LIB.redis_cache_get_int(handle, k, k.length, out)) == OK
                    ? Optional.of(out.getValue())
                    : Optional.empty();
        }

        /** Milliseconds; FOREVER for an entry without an expiry. */
        Optional<Long> ttl(String key) {
            byte[] k = key.getBytes(UTF_8);
            LongByReference out = new LongByReference();
            return check(C.LIB.redis_cache_ttl(handle, k, k.length, out)) == OK
                    ? Optional.of(out.getValue())
                    : Optional.empty();
        }

        void incrVersion(String key) {
            byte[] k = key.getBytes(UTF_8);
            check(C.LIB.redis_cache_incr_version(handle, k, k.length, 1, new LongByReference()));
        }

        /** What is missing is empty; so is, in this tour, what could not be asked for (PARTIAL). */
        List<Optional<String>> getMany(String... keys) {
            Slice[] slices = (Slice[]) new Slice().toArray(keys.length); // side by side in memory, as C wants them
            for (int i = 0; i < keys.length; i++) {
                byte[] k = keys[i].getBytes(UTF_8);
                com.sun.jna.Memory memory = new com.sun.jna.Memory(Math.max(1, k.length));
                memory.write(0, k, 0, k.length);
                slices[i].data = memory; // the field keeps it from the garbage collector
                slices[i].len = k.length;
            }
            PointerByReference out = new PointerByReference();
            check(C.LIB.redis_cache_get_many(handle, slices, keys.length, out));
            try {
                List<Optional<String>> values = new ArrayList<>();
                for (int i = 0; i < keys.length; i++) {
                    Slice slice = new Slice();
                    boolean found = C.LIB.redis_cache_results_get(out.getValue(), i, slice) == OK;
                    values.add(found ? Optional.of(text(slice.data, slice.len)) : Optional.empty());
                }
                return values;
            } finally {
                C.LIB.redis_cache_results_free(out.getValue());
            }
        }

        long deletePattern(String pattern) {
            byte[] p = pattern.getBytes(UTF_8);
            LongByReference out = new LongByReference();
            check(C.LIB.redis_cache_delete_pattern(handle, p, p.length, null, out));
            return out.getValue();
        }

        long clear() {
            LongByReference out = new LongByReference();
            check(C.LIB.redis_cache_clear(handle, null, out));
            return out.getValue();
        }

        /** The value, and where there is none what {@code compute} makes: one caller of all processes computes. */
        Optional<String> getOrSet(String key, long ms, Callable<String> compute) throws Exception {
            byte[] k = key.getBytes(UTF_8);
            Bytes out = new Bytes();
            PointerByReference lease = new PointerByReference();
            int status = check(C.LIB.redis_cache_lease_begin(handle, k, k.length, out, lease));
            Optional<String> old = status == OK || status == STALE ? Optional.of(out.take()) : Optional.empty();
            if (status == BUSY) {
                throw new CacheException(key + ": somebody else computes it, and the wait is over");
            }
            if (lease.getValue() == null) {
                return old; // fresh, old while another renews it, or known to be absent
            }
            String value;
            try {
                value = compute.call();
            } catch (Throwable thrown) {
                C.LIB.redis_cache_lease_abandon(lease.getValue()); // else everybody waits for us until the lease is over
                if (old.isPresent()) {
                    return old;
                }
                throw thrown;
            }
            // What this says is about the store: ERR_LOST, the key was written or deleted meanwhile. The value is good.
            byte[] v = value.getBytes(UTF_8);
            C.LIB.redis_cache_lease_fulfill(lease.getValue(), v, v.length, ms);
            return Optional.of(value);
        }

        /**
         * The same with a callback. It must not throw into C: JNA would print that and return 0, which means that the
         * value was written, and an empty value would be stored for everybody. What it throws is kept, and thrown here.
         */
        Optional<String> getOrSetByCallback(String key, long ms, Callable<String> compute) throws Throwable {
            Throwable[] thrown = new Throwable[1];
            Compute fn = (userData, writer) -> {
                try {
                    byte[] v = compute.call().getBytes(UTF_8);
                    return C.LIB.redis_cache_writer_append(writer, v, v.length) == OK ? 0 : 1;
                } catch (Throwable fault) {
                    thrown[0] = fault;
                    return 1;
                }
            };
            byte[] k = key.getBytes(UTF_8);
            Bytes out = new Bytes();
            int status = C.LIB.redis_cache_get_or_set(handle, k, k.length, ms, fn, null, out);
            if (status == OK || status == STALE) {
                return Optional.of(out.take()); // an old value is served where the callback has failed
            }
            if (thrown[0] != null) {
                throw thrown[0];
            }
            if (check(status) == BUSY) {
                throw new CacheException(key + ": somebody else computes it, and the wait is over");
            }
            return Optional.empty();
        }
    }

    static void say(String what, Object text) {
        System.out.printf("%-16s%s%n", what, text);
    }

    static String or(Optional<String> value) {
        return value.orElse("nothing");
    }

    interface Load {
        Object get() throws Throwable;
    }

    static void fails(String what, Cache cache, Load load) {
        try {
            say(what, load.get());
        } catch (Throwable thrown) {
            say(what, thrown.getMessage() + ", and there is " + or(cache.get("broken")));
        }
    }

    public static void main(String[] args) throws Throwable {
        int[] computed = new int[1];
        Callable<String> page = () -> "<h1>" + ++computed[0] + "</h1>";
        Callable<String> broken = () -> {
            throw new IllegalStateException("no database");
        };

        try (Cache cache = new Cache(args.length > 0 ? args[0] : "memory://?prefix=tour");
                Cache second = cache.version(2)) {
            cache.clear();

            cache.set("user:7", "Ada", 60_000);
            cache.set("user:9", "Grace", FOREVER);
            say("get", or(cache.get("user:7")) + ", " + or(cache.get("user:8")));
            long left = cache.ttl("user:7").orElseThrow();
            boolean forEver = cache.ttl("user:9").orElseThrow() == FOREVER;
            say("ttl", (left > 0 && left <= 60_000 ? "at most a minute" : left) + ", " + (forEver ? "for ever" : "?"));
            say("get_many", cache.getMany("user:7", "user:8", "user:9").stream().map(Tour::or).collect(
                    Collectors.joining(", ")));

            cache.incrVersion("user:7");
            say("versions", "1: " + or(cache.get("user:7")) + ", 2: " + or(second.get("user:7")));

            String once = or(cache.getOrSet("front", 60_000, page));
            say("get_or_set", once + " " + or(cache.getOrSet("front", 60_000, page)));
            once = or(cache.getOrSetByCallback("side", 60_000, page));
            say("by callback", once + " " + or(cache.getOrSetByCallback("side", 60_000, page)));

            fails("a failed load", cache, () -> cache.getOrSet("broken", 60_000, broken));
            fails("a failed load", cache, () -> cache.getOrSetByCallback("broken", 60_000, broken));

            try {
                cache.getInt("user:9");
            } catch (CacheException fault) {
                say("an error", fault.getMessage());
            }

            say("delete_pattern", cache.deletePattern("user:*"));
            say("clear", cache.clear());
        }
    }
}
