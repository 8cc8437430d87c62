package io.patchbay.stagekit;

import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import io.patchbay.bpf.SkbContext;
import io.patchbay.bpf.TestRun;
import io.patchbay.bpf.btf.StructLayout;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * One object of the datapath in the kernel, whose stages are run on packets one at a time (BPF_PROG_TEST_RUN): the packet goes through the
 * core's parse first, then the test may say what earlier stages would have left, then the stage runs. Needs root. Not thread-safe.
 */
public final class StageBench implements AutoCloseable {
    /** The stage went on to its successor. */
    public static final int NEXT = 100;
    /** The stage went on to pod-ingress. */
    public static final int POD_INGRESS = 101;
    public static final int TC_OK = 0;
    public static final int TC_SHOT = 2;
    public static final int TC_REDIRECT = 7;

    public static final int POD_EGRESS = 0;
    public static final int OVERLAY_INGRESS = 2;
    public static final int NETDEV_INGRESS = 3;
    public static final int HOST_EGRESS = 5;

    private static final int EPOCH = 1;
    private static final int NEXT_SLOT = 1;
    private static final int POD_SLOT = 2;
    private static final int STAGE_SLOT = 3;
    /** Second parts of stages, each followed by a way on: see pb_skip in stage.h. */
    private static final int ASIDE_SLOT = 4;
    private static final String ASIDE = "_aside";
    private static final int CODES = 256;
    /** What a stage may cost the verifier, in instructions walked: each change of the node's features loads all stages again. */
    private static final int MOST_VERIFIED = 50_000;

    private final Map<String, BpfMap> maps = new LinkedHashMap<>();
    private final List<BpfObject> objects = new ArrayList<>();
    private final Map<String, Integer> asides = new LinkedHashMap<>();
    private final BpfObject parse;
    private final BpfObject stages;
    private final BpfObject kit;
    private final ObjectSpec spec;
    private final StructLayout scratch;
    private final Map<String, Integer> sizes;

    /**
     * @param object the ELF object, as the build made it
     * @param constants of the object, such as {@code pb_draining}
     * @param sizes     maps that get another size
     */
    public StageBench(byte[] object, Map<String, Long> constants, Map<String, Integer> sizes) {
        this.sizes = sizes;
        this.spec = ObjectSpec.parse(object);
        this.parse = load(ObjectSpec.parse(resource("stagekit/core/parse.o")), Map.of());
        this.stages = load(spec, constants);
        stages.programs().forEach((name, program) -> {
            int verified = program.info().verifiedInstructions();
            if (verified > MOST_VERIFIED) throw new IllegalStateException("the verifier walked " + verified + " instructions of " + name + ", and at most " + MOST_VERIFIED
                    + " are allowed: make its loops and long parts PB_FUNCTIONs (stage.h)");
        });
        this.kit = load(ObjectSpec.parse(resource("bpf/caught.o")), Map.of());
        maps.get("pb_chain").setProgram(NEXT_SLOT, kit.program("caught_next"));
        maps.get("pb_chain").setProgram(POD_SLOT, kit.program("caught_pod_ingress"));
        asides.forEach((program, slot) -> {
            maps.get("pb_chain").setProgram(slot, stages.program(program));
            maps.get("pb_chain").setProgram(slot + 1, kit.program("caught_next"));
        });
        this.scratch = layout("pb_scratch");
    }

    /** The object of the build under test, from the class path: {@code bpf/conntrack.o}. */
    public static StageBench of(String resource) {
        return new StageBench(resource(resource), Map.of(), Map.of());
    }

    public static StageBench of(String resource, Map<String, Long> constants, Map<String, Integer> sizes) {
        return new StageBench(resource(resource), constants, sizes);
    }

    private static byte[] resource(String name) {
        try (InputStream in = Thread.currentThread().getContextClassLoader().getResourceAsStream(name)) {
            if (in == null) throw new IllegalStateException("no " + name + " on the class path");
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private BpfObject load(ObjectSpec o, Map<String, Long> constants) {
        LoadOptions.Builder options = LoadOptions.builder();
        for (MapSpec map : o.maps().values()) {
            if (sizes.containsKey(map.name())) options.maxEntries(map.name(), sizes.get(map.name()));
            else options.map(map.name(), maps.computeIfAbsent(map.name(), n -> BpfMap.create(map)));
        }
        for (String program : o.programs().keySet()) {
            String cfg = "pb_cfg_" + program;
            if (o.constants().containsKey(cfg)) {
                int next = o.programs().containsKey(program + ASIDE) ? asides.computeIfAbsent(program + ASIDE, a -> ASIDE_SLOT + 2 * asides.size()) : NEXT_SLOT;
                options.constant(cfg + ".epoch", EPOCH).constant(cfg + ".next", next).constant(cfg + ".pod_ingress", POD_SLOT);
                options.constant(cfg + ".hook", program.endsWith("pod_ingress") || program.equals("deliver") ? 1 : 0);
            }
        }
        constants.forEach(options::constant);
        BpfObject loaded = BpfObject.load(o, options.build());
        objects.add(loaded);
        sizes.keySet().stream().filter(loaded.maps()::containsKey).forEach(n -> maps.put(n, loaded.map(n).duplicate()));
        return loaded;
    }

    /** How C lays out a struct of the object. */
    public StructLayout layout(String struct) {
        return spec.btf().layout(struct);
    }

    public BpfMap map(String name) {
        BpfMap map = maps.get(name);
        if (map == null) throw new IllegalArgumentException("no map " + name + " among " + maps.keySet());
        return map;
    }

    /** A zeroed struct of the object. */
    public Fields struct(String name) {
        StructLayout layout = layout(name);
        return new Fields(layout, ByteBuffer.allocate(layout.size()).order(ByteOrder.nativeOrder()));
    }

    /** Writes an entry. */
    public void put(String map, Fields key, Fields value) {
        map(map).update(key.bytes(), value.bytes());
    }

    /** Writes the entry 0 of an array. */
    public void putConfig(String map, Fields value) {
        map(map).update(BpfMap.intKey(0), value.bytes());
    }

    /**
     * @param stage a program of the object
     * @param hook  number of the hook that the packet entered
     * @param flags further PB_F_* bits
     * @param edit  what earlier stages left; null: nothing
     */
    public Outcome run(String stage, int hook, int flags, byte[] packet, Consumer<State> edit) {
        return run(stage, hook, flags, packet, edit, SkbContext.EMPTY);
    }

    public Outcome run(String stage, int hook, int flags, byte[] packet, Consumer<State> edit, SkbContext context) {
        return run(stages.program(stage), hook, flags, packet, edit, context);
    }

    /** Runs a stage of overlay-ingress on a packet that came out of a tunnel. @param sender IPv4 address of the node that sent it */
    public Outcome runFromTunnel(String stage, int vni, String sender, byte[] packet) {
        ByteBuffer key = ByteBuffer.wrap(Fields.parse(sender));
        map("kit_tunnel").update(BpfMap.intKey(0), ByteBuffer.allocate(8).order(ByteOrder.nativeOrder()).putInt(0, vni).putInt(4, key.getInt(0)));
        map("pb_chain").setProgram(STAGE_SLOT, stages.program(stage));
        return run(kit.program("from_tunnel"), OVERLAY_INGRESS, 0, packet, null, SkbContext.EMPTY);
    }

    private Outcome run(BpfProgram program, int hook, int flags, byte[] packet, Consumer<State> edit, SkbContext context) {
        BpfMap perCpu = map("pb_scratch_map");
        ByteBuffer zero = ByteBuffer.allocate(perCpu.valueBytes()).order(ByteOrder.nativeOrder());
        perCpu.update(BpfMap.intKey(0), zero);
        SkbContext first = context.withCb(List.of(EPOCH | hook << 8 | flags, 0, 0, 0, 0));
        TestRun parsed = parse.program("parse_pod_egress").testRun(packet, first, 1);
        if (parsed.verdict() != NEXT) throw new IllegalArgumentException("parse refuses the packet: verdict " + parsed.verdict());
        State state = new State(new Fields(scratch, slot(perCpu, null)), new ArrayList<>(parsed.context().cb()));
        if (edit != null) edit.accept(state);
        ByteBuffer all = ByteBuffer.allocate(perCpu.valueBytes()).order(ByteOrder.nativeOrder());
        for (int i = 0; i < all.capacity(); i += perCpu.slotSize()) all.put(i, state.scratch().bytes(), 0, scratch.size());
        perCpu.update(BpfMap.intKey(0), all);
        long[] before = codes(hook);
        byte[] given = state.scratch().bytes().array().clone();
        TestRun run = program.testRun(parsed.packet(), context.withCb(state.cb()), 1);
        long[] after = codes(hook);
        int code = 0;
        for (int i = 0; i < CODES; i++) {
            if (after[i] != before[i]) code = i;
        }
        return new Outcome(run.verdict(), code, run.packet(), new State(new Fields(scratch, slot(perCpu, given)), run.context().cb()), run.context().mark());
    }

    /** The slot of the CPU that ran: the one that differs from {@code given}, or from zero. */
    private ByteBuffer slot(BpfMap perCpu, byte[] given) {
        ByteBuffer all = perCpu.lookup(0);
        byte[] reference = given == null ? new byte[scratch.size()] : given;
        byte[] found = reference;
        for (int i = 0; i < all.capacity(); i += perCpu.slotSize()) {
            byte[] one = new byte[scratch.size()];
            all.get(i, one);
            if (!java.util.Arrays.equals(one, reference)) found = one;
        }
        return ByteBuffer.wrap(found.clone()).order(ByteOrder.nativeOrder());
    }

    private long[] codes(int hook) {
        BpfMap out = map("pb_out");
        long[] sums = new long[CODES];
        for (int code = 0; code < CODES; code++) {
            ByteBuffer v = out.lookup((hook * 4 + EPOCH) * CODES + code);
            for (int i = 0; i < v.capacity(); i += out.slotSize()) sums[code] += v.getLong(i);
        }
        return sums;
    }

    /** Context words and scratch between two stages. */
    public record State(Fields scratch, List<Integer> cb) {
        public int flags() {
            return cb.get(0);
        }

        public State source(int identity) {
            cb.set(1, identity);
            return this;
        }

        public State destination(int identity) {
            cb.set(2, identity);
            return this;
        }

        public int sourceIdentity() {
            return cb.get(1);
        }

        public int endpoint() {
            return cb.get(4) & 0xffff;
        }

        public State endpoint(int id) {
            cb.set(4, cb.get(4) & 0xffff0000 | id);
            return this;
        }

        public int ctState() {
            return cb.get(4) >>> 16 & 0xff;
        }

        public State ctState(int s) {
            cb.set(4, cb.get(4) & 0xff00ffff | s << 16);
            return this;
        }

        public int route() {
            return cb.get(4) >>> 24;
        }

        public State route(int r) {
            cb.set(4, cb.get(4) & 0x00ffffff | r << 24);
            return this;
        }
    }

    /**
     * @param verdict TC action, {@link #NEXT} or {@link #POD_INGRESS}
     * @param code    what the ledger counted, 0 for nothing
     */
    public record Outcome(int verdict, int code, byte[] packet, State state, int mark) {
    }

    @Override
    public void close() {
        objects.forEach(BpfObject::close);
        maps.values().forEach(BpfMap::close);
    }
}
