package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.btf.StructLayout;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.Map;

/** Reads what the datapath counts. All counters only grow; what happened in a window is a difference of two readings. */
final class Counters {
    static final int SLOTS = 4;
    private static final int CODES = 256;
    private static final int HOLE = 255;

    private final BpfMap in;
    private final BpfMap out;
    private final BpfMap mixed;
    private final BpfMap unprocessed;
    private final int skbs;
    private final int segments;

    /** Sums over all CPUs. */
    record Count(long skbs, long segments) {
        static final Count ZERO = new Count(0, 0);

        Count minus(Count o) {
            return new Count(skbs - o.skbs, segments - o.segments);
        }

        Count plus(Count o) {
            return new Count(skbs + o.skbs, segments + o.segments);
        }
    }

    /** @param out all verdicts, holes included */
    record HookCount(Count in, Count out, long hole, long mixed) {
        static final HookCount ZERO = new HookCount(Count.ZERO, Count.ZERO, 0, 0);

        HookCount minus(HookCount o) {
            return new HookCount(in.minus(o.in), out.minus(o.out), hole - o.hole, mixed - o.mixed);
        }
    }

    /** One slot's counters at a moment. */
    record Reading(Map<Hook, HookCount> hooks) {
        static final Reading ZERO = new Reading(Map.of());

        HookCount of(Hook hook) {
            return hooks.getOrDefault(hook, HookCount.ZERO);
        }

        JsonObject toJson() {
            JsonObjectBuilder b = Durable.JSON.createObjectBuilder();
            hooks.forEach((h, c) -> b.add(h.text(), Durable.JSON.createArrayBuilder().add(c.in.skbs).add(c.in.segments).add(c.out.skbs).add(c.out.segments)
                    .add(c.hole).add(c.mixed)));
            return b.build();
        }

        static Reading of(JsonObject json) {
            Map<Hook, HookCount> m = new EnumMap<>(Hook.class);
            json.forEach((name, v) -> {
                var a = v.asJsonArray();
                m.put(Hook.ofText(name), new HookCount(new Count(a.getJsonNumber(0).longValue(), a.getJsonNumber(1).longValue()),
                        new Count(a.getJsonNumber(2).longValue(), a.getJsonNumber(3).longValue()), a.getJsonNumber(4).longValue(),
                        a.getJsonNumber(5).longValue()));
            });
            return new Reading(m);
        }
    }

    /** The maps stay their owner's. */
    Counters(BpfMap in, BpfMap out, BpfMap mixed, BpfMap unprocessed) {
        this.in = in;
        this.out = out;
        this.mixed = mixed;
        this.unprocessed = unprocessed;
        MapSpec spec = in.spec();
        StructLayout count = spec.btf().orElseThrow().layout(spec.valueType());
        this.skbs = count.offset("skbs", 8);
        this.segments = count.offset("segments", 8);
    }

    private Count sum(BpfMap map, ByteBuffer value) {
        long s = 0;
        long g = 0;
        for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) {
            s += value.getLong(cpu * map.slotSize() + skbs);
            g += value.getLong(cpu * map.slotSize() + segments);
        }
        return new Count(s, g);
    }

    private Count at(BpfMap map, int index) {
        return sum(map, map.lookup(index));
    }

    /** What entered a slot's generation so far. */
    Map<Hook, Count> in(int slot) {
        Map<Hook, Count> m = new EnumMap<>(Hook.class);
        for (Hook h : Hook.values()) {
            m.put(h, at(in, h.number() * SLOTS + slot));
        }
        return m;
    }

    /** Completes a reading of {@link #in}: read later, so what it misses has not left yet. */
    Reading out(int slot, Map<Hook, Count> entered) {
        Map<Integer, Count> outs = new java.util.HashMap<>();
        Map<Integer, Long> holes = new java.util.HashMap<>();
        out.forEach((k, v) -> {
            int index = k.order(ByteOrder.nativeOrder()).getInt(0);
            int place = index / CODES;
            if (place % SLOTS == slot) {
                Count c = sum(out, v);
                if (c.skbs() != 0) {
                    outs.merge(place, c, Count::plus);
                    if (index % CODES == HOLE) {
                        holes.put(place, c.skbs());
                    }
                }
            }
        });
        Map<Hook, HookCount> m = new EnumMap<>(Hook.class);
        for (Hook h : Hook.values()) {
            int place = h.number() * SLOTS + slot;
            m.put(h, new HookCount(entered.getOrDefault(h, Count.ZERO), outs.getOrDefault(place, Count.ZERO), holes.getOrDefault(place, 0L),
                    at(mixed, place).skbs()));
        }
        return new Reading(m);
    }

    /** A slot that nothing writes to at the moment. */
    Reading atRest(int slot) {
        return out(slot, in(slot));
    }

    /** Packets by the verdict that they left with, since the counters were made; hooks of sockets have none. */
    Map<Hook, Map<Integer, Long>> verdicts() {
        Map<Integer, Hook> hooks = new java.util.HashMap<>();
        for (Hook h : Hook.values()) if (!h.isSocket()) hooks.put(h.number(), h);
        Map<Hook, Map<Integer, Long>> all = new EnumMap<>(Hook.class);
        out.forEach((k, v) -> {
            int index = k.order(ByteOrder.nativeOrder()).getInt(0);
            Hook hook = hooks.get(index / CODES / SLOTS);
            long packets = hook == null ? 0 : sum(out, v).segments();
            if (packets != 0) all.computeIfAbsent(hook, h -> new java.util.TreeMap<>()).merge(index % CODES, packets, Long::sum);
        });
        return all;
    }

    /** What the guards dropped. */
    Map<Hook, Long> unprocessed() {
        Map<Hook, Long> m = new EnumMap<>(Hook.class);
        for (Hook h : Hook.values()) {
            m.put(h, at(unprocessed, h.number()).skbs());
        }
        return m;
    }
}
