package io.patchbay.masquerade.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * The two maps of mappings and their collection: snat4_in has the state, snat4_out leads to it. The datapath honours expiry by itself;
 * collecting makes room. Called by one thread at a time.
 */
final class Mappings {
    /** @param pod and the others as text with port */
    record Mapping(int protocol, String pod, String node, String remote, long created, long expires) {
    }

    /** @param live mappings left @param collected by this run */
    record Result(int live, int collected) {
    }

    private final MapHandle out;
    private final MapHandle in;
    private final LongSupplier clock;

    /** @param clock CLOCK_MONOTONIC in ns */
    Mappings(MapHandle out, MapHandle in, LongSupplier clock) {
        this.out = out;
        this.in = in;
        this.clock = clock;
    }

    Result collect() {
        int live = 0;
        int collected = 0;
        for (Map.Entry<Struct, Struct> e : in.entries().entrySet()) {
            long now = clock.getAsLong();
            if (e.getValue().get("expires") - now > 0) {
                live++;
                continue;
            }
            // again, right before: the datapath takes expired mappings for new connections
            Optional<Struct> again = in.lookup(e.getKey()).filter(v -> v.get("expires") - clock.getAsLong() <= 0);
            if (again.isEmpty()) {
                live++;
                continue;
            }
            // the way to it first: without it nobody can find what is left
            Struct way = outKey(e.getKey(), again.get());
            if (out.lookup(way).filter(o -> leadsTo(o, e.getKey())).isPresent()) out.delete(way);
            if (in.delete(e.getKey())) collected++;
        }
        // ways whose mapping another connection has taken over
        for (Map.Entry<Struct, Struct> e : out.entries().entrySet()) {
            Struct key = inKey(e.getKey(), e.getValue());
            if (in.lookup(key).filter(m -> isOf(m, e.getKey())).isEmpty() && out.lookup(e.getKey()).filter(e.getValue()::equals).isPresent()
                    && in.lookup(key).filter(m -> isOf(m, e.getKey())).isEmpty()) {
                out.delete(e.getKey());
            }
        }
        return new Result(live, collected);
    }

    List<Mapping> list() {
        List<Mapping> all = new ArrayList<>();
        long now = clock.getAsLong();
        in.entries().forEach((k, v) -> {
            if (v.get("expires") - now > 0) {
                all.add(new Mapping((int) k.get("proto"), end(v, "addr", "port"), end(k, "local", "lport"), end(k, "remote", "rport"),
                        v.get("created"), v.get("expires")));
            }
        });
        return all;
    }

    /** Mappings by how many collisions they met when they were made; the last two are failures: no port, map full. */
    static Map<Integer, Long> probes(MapHandle counters) {
        Map<Integer, Long> all = new HashMap<>();
        for (int i = 0; i < counters.maxEntries(); i++) {
            long sum = 0;
            for (Struct cpu : counters.lookupAll(new Struct(counters.key()).set("", i))) sum += cpu.get("skbs");
            if (sum > 0) all.put(i, sum);
        }
        return all;
    }

    private Struct outKey(Struct inKey, Struct value) {
        return new Struct(out.key()).set("local", value.get("addr")).set("remote", inKey.get("remote")).set("lport", value.get("port"))
                .set("rport", inKey.get("rport")).set("proto", inKey.get("proto"));
    }

    private Struct inKey(Struct outKey, Struct value) {
        return new Struct(in.key()).set("local", value.get("addr")).set("remote", outKey.get("remote")).set("lport", value.get("port"))
                .set("rport", outKey.get("rport")).set("proto", outKey.get("proto"));
    }

    private static boolean leadsTo(Struct outValue, Struct inKey) {
        return outValue.get("addr") == inKey.get("local") && outValue.get("port") == inKey.get("lport");
    }

    private static boolean isOf(Struct inValue, Struct outKey) {
        return inValue.get("addr") == outKey.get("local") && inValue.get("port") == outKey.get("lport");
    }

    private static String end(Struct s, String address, String port) {
        byte[] b = s.get(address, 4);
        return IpAddress.ofV4((b[0] & 0xff) << 24 | (b[1] & 0xff) << 16 | (b[2] & 0xff) << 8 | b[3] & 0xff) + ":" + s.port(port);
    }
}
