package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.reconcile.Codec;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.api.reconcile.Target;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The service maps as one target, so that their order is kept: backends, what sets remember, slots, tables, source ranges, frontends; deletions the other way
 * round. At no moment does an entry name one that is not there yet.
 */
final class LbTarget implements Target<LbKey, LbValue> {
    static final Codec<Frontend> FRONTEND = codec(
            (f, s) -> s.set("addr", f.address()).setPort("port", f.port()).set("proto", f.protocol().number()).set("scope", f.inside() ? 1 : 0),
            s -> new Frontend(s.address("addr"), s.port("port"), protocol(s), s.get("scope") != 0));
    static final Codec<LbValue.Service> SERVICE = codec(
            (v, s) -> s.set("id", v.id()).set("set", v.set()).set("count", v.count()).set("total", v.total()).set("flags", v.flags())
                    .set("kind", v.kind()).set("algorithm", v.algorithm()).set("affinity_seconds", v.affinitySeconds()).set("table", v.table()),
            s -> new LbValue.Service((int) s.get("id"), (int) s.get("set"), (int) s.get("count"), (int) s.get("total"), (int) s.get("flags"),
                    (int) s.get("kind"), (int) s.get("algorithm"), (int) s.get("affinity_seconds"), (int) s.get("table")));
    static final Codec<LbKey.Backend> BACKEND_ID = codec((k, s) -> s.set("", k.id()), s -> new LbKey.Backend((int) s.get("")));
    static final Codec<LbValue.Backend> BACKEND = codec(
            (v, s) -> s.set("addr", v.address().address()).setPort("port", v.address().port()).set("proto", v.address().protocol().number())
                    .set("state", v.state().number()),
            s -> new LbValue.Backend(new BackendAddress(s.address("addr"), s.port("port"), protocol(s)), BackendState.of(s.get("state"))));
    static final Codec<LbKey.Slots> SLOTS_KEY = codec((k, s) -> s.set("set", k.set()).set("chunk", k.chunk()),
            s -> new LbKey.Slots((int) s.get("set"), (int) s.get("chunk")));
    static final Codec<LbValue.Slots> SLOTS = codec((v, s) -> numbers(v.backends(), s), s -> new LbValue.Slots(numbers(s, LbValue.Slots.SIZE)));
    static final Codec<LbKey.Maglev> MAGLEV_KEY = codec((k, s) -> s.set("set", k.set()).set("chunk", k.part()),
            s -> new LbKey.Maglev((int) s.get("set"), (int) s.get("chunk")));
    static final Codec<LbValue.Maglev> MAGLEV = codec((v, s) -> numbers(v.backends(), s), s -> new LbValue.Maglev(numbers(s, LbValue.Maglev.SIZE)));
    /** Bits in front of the address in the key of lb_ranges: the frontend's number. */
    private static final int RANGE_FRONT = 32;
    static final Codec<LbKey.Range> RANGE = codec(
            (k, s) -> s.set("prefixlen", RANGE_FRONT + k.clients().mappedLength()).set("frontend", k.frontend()).set("addr", k.clients().address()),
            s -> range((int) s.get("frontend"), s.address("addr"), (int) s.get("prefixlen") - RANGE_FRONT));
    static final Codec<LbValue.Allowed> ALLOWED = codec((v, s) -> s.set("", 1), s -> LbValue.Allowed.YES);
    static final Codec<LbKey.MemberOf> MEMBER = codec((k, s) -> s.set("set", k.set()).set("backend", k.backend()),
            s -> new LbKey.MemberOf((int) s.get("set"), (int) s.get("backend")));
    static final Codec<LbValue.Membership> MEMBERSHIP = codec((v, s) -> s.set("", v.number()),
            s -> s.get("") == LbValue.Membership.NEW.number() ? LbValue.Membership.NEW : LbValue.Membership.KEEP);

    private static void numbers(int[] backends, Struct into) {
        ByteBuffer b = ByteBuffer.allocate(4 * backends.length).order(ByteOrder.nativeOrder());
        b.asIntBuffer().put(backends);
        into.set("backend", b.array());
    }

    private static int[] numbers(Struct from, int count) {
        int[] numbers = new int[count];
        ByteBuffer.wrap(from.get("backend", 4 * count)).order(ByteOrder.nativeOrder()).asIntBuffer().get(numbers);
        return numbers;
    }

    private static LbKey.Range range(int frontend, IpAddress address, int mappedLength) {
        return new LbKey.Range(frontend, new Prefix(address, address.isV4() ? mappedLength - (128 - 32) : mappedLength));
    }

    /** One of the maps. */
    private record Part<K extends LbKey, V extends LbValue>(Class<K> keys, Class<V> values, Target<K, V> target) {
        void actual(Map<LbKey, LbValue> into) throws Exception {
            into.putAll(target.actual());
        }

        /** What is this map's among all that is to be written. */
        Entries<K, V> mine(Map<LbKey, LbValue> puts) {
            Entries<K, V> mine = new Entries<>();
            puts.forEach((k, v) -> {
                if (k.getClass() == keys) mine.add(keys.cast(k), values.cast(v));
            });
            return mine;
        }

        Map<K, String> put(Map<LbKey, LbValue> puts) throws Exception {
            Entries<K, V> mine = mine(puts);
            return mine.isEmpty() ? Map.of() : target.apply(mine, Set.of());
        }

        Map<K, String> delete(Set<LbKey> deletes) throws Exception {
            if (deletes.isEmpty()) return Map.of();
            Set<K> mine = new LinkedHashSet<>();
            deletes.forEach(k -> {
                if (keys.isInstance(k)) mine.add(keys.cast(k));
            });
            return mine.isEmpty() ? Map.of() : target.apply(Map.of(), mine);
        }
    }

    /** Entries of one map, whose keys differ, to go through: another hash of three hundred thousand would be thrown away at once. */
    private static final class Entries<K, V> extends AbstractMap<K, V> {
        private final List<K> keys = new ArrayList<>();
        private final List<V> values = new ArrayList<>();

        void add(K key, V value) {
            keys.add(key);
            values.add(value);
        }

        @Override
        public void forEach(BiConsumer<? super K, ? super V> action) {
            for (int i = 0; i < keys.size(); i++) action.accept(keys.get(i), values.get(i));
        }

        @Override
        public Set<Map.Entry<K, V>> entrySet() {
            return new AbstractSet<>() {
                @Override
                public Iterator<Map.Entry<K, V>> iterator() {
                    return IntStream.range(0, keys.size()).mapToObj(i -> Map.entry(keys.get(i), values.get(i))).iterator();
                }

                @Override
                public int size() {
                    return keys.size();
                }
            };
        }
    }

    private final List<Part<?, ?>> parts;

    /** @param maps by name */
    LbTarget(Reconcilers reconcilers, Function<String, MapHandle> maps) {
        parts = List.of(
                new Part<>(LbKey.Backend.class, LbValue.Backend.class, reconcilers.mapTarget(maps.apply("lb_backends"), BACKEND_ID, BACKEND)),
                new Part<>(LbKey.MemberOf.class, LbValue.Membership.class, reconcilers.mapTarget(maps.apply("lb_members"), MEMBER, MEMBERSHIP)),
                new Part<>(LbKey.Slots.class, LbValue.Slots.class, reconcilers.mapTarget(maps.apply("lb_slots"), SLOTS_KEY, SLOTS)),
                new Part<>(LbKey.Maglev.class, LbValue.Maglev.class, reconcilers.mapTarget(maps.apply("lb_maglev"), MAGLEV_KEY, MAGLEV)),
                new Part<>(LbKey.Range.class, LbValue.Allowed.class, reconcilers.mapTarget(maps.apply("lb_ranges"), RANGE, ALLOWED)),
                new Part<>(Frontend.class, LbValue.Service.class, reconcilers.mapTarget(maps.apply("lb_services"), FRONTEND, SERVICE)));
    }

    @Override
    public Map<LbKey, LbValue> actual() throws Exception {
        Map<LbKey, LbValue> all = new HashMap<>();
        for (Part<?, ?> p : parts) p.actual(all);
        return all;
    }

    @Override
    public Map<LbKey, String> apply(Map<LbKey, LbValue> puts, Set<LbKey> deletes) throws Exception {
        Map<LbKey, String> failed = new HashMap<>();
        for (Part<?, ?> p : parts) failed.putAll(p.put(puts));
        List<Part<?, ?>> back = new ArrayList<>(parts);
        java.util.Collections.reverse(back);
        for (Part<?, ?> p : back) failed.putAll(p.delete(deletes));
        return failed;
    }

    private static Protocol protocol(Struct s) {
        Protocol p = Protocol.ofNumber((int) s.get("proto"));
        if (p == null) throw new IllegalArgumentException("protocol " + s.get("proto") + " is none that services have");
        return p;
    }

    private interface Encode<T> {
        void encode(T value, Struct into);
    }

    private static <T> Codec<T> codec(Encode<T> encode, Function<Struct, T> decode) {
        return new Codec<>() {
            @Override
            public void encode(T value, Struct into) {
                encode.encode(value, into);
            }

            @Override
            public T decode(Struct from) {
                return decode.apply(from);
            }
        };
    }
}
