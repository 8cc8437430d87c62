package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/** What the kernel's service maps say, put together for display, a row at a time: all rows of a large cluster at once would be too much to hold. */
final class LbSnapshot {
    /**
     * @param number its number in lb_backends
     * @param backend null: the slot names a backend that is not there
     */
    record Slot(int number, LbValue.Backend backend) {
    }

    record Row(Frontend frontend, LbValue.Service service, List<Slot> slots) {
    }

    private record Front(Frontend frontend, LbValue.Service service) {
    }

    private final Backends backends = new Backends();
    private final Map<LbKey.Slots, int[]> chunks = new HashMap<>();
    private final List<Front> fronts = new ArrayList<>();

    private LbSnapshot() {
    }

    static LbSnapshot read(Function<String, MapHandle> maps) {
        LbSnapshot all = new LbSnapshot();
        maps.apply("lb_backends").forEach((k, v) -> all.backends.add(LbTarget.BACKEND_ID.decode(k).id(), LbTarget.BACKEND.decode(v)));
        all.backends.sort();
        maps.apply("lb_slots").forEach((k, v) -> all.chunks.put(LbTarget.SLOTS_KEY.decode(k), LbTarget.SLOTS.decode(v).backends()));
        maps.apply("lb_services").forEach((k, v) -> all.fronts.add(new Front(LbTarget.FRONTEND.decode(k), LbTarget.SERVICE.decode(v))));
        all.fronts.sort(Comparator.comparingInt(f -> f.service.id()));
        return all;
    }

    /** Each row, by number of the frontend. */
    void forEach(Consumer<Row> rows) {
        for (Front front : fronts) rows.accept(row(front));
    }

    List<Row> rows() {
        return fronts.stream().map(this::row).toList();
    }

    private Row row(Front front) {
        List<Slot> slots = new ArrayList<>();
        for (int i = 0; i < front.service.total(); i++) {
            int[] chunk = chunks.get(new LbKey.Slots(front.service.set(), i / LbValue.Slots.SIZE));
            int number = chunk == null ? 0 : chunk[i % LbValue.Slots.SIZE];
            slots.add(new Slot(number, backends.get(number)));
        }
        return new Row(front.frontend, front.service, slots);
    }

    /** Backends by number, without an object for each. */
    private static final class Backends {
        private static final Protocol[] PROTOCOLS = Protocol.values();
        private static final BackendState[] STATES = BackendState.values();

        /** Number, then place in the other arrays; sorted once all are there. */
        private long[] numbers = new long[256];
        private long[] highs = new long[256];
        private long[] lows = new long[256];
        /** Port, protocol, state. */
        private int[] rest = new int[256];
        private int size;

        void add(int number, LbValue.Backend backend) {
            if (size == numbers.length) {
                numbers = Arrays.copyOf(numbers, 2 * size);
                highs = Arrays.copyOf(highs, 2 * size);
                lows = Arrays.copyOf(lows, 2 * size);
                rest = Arrays.copyOf(rest, 2 * size);
            }
            BackendAddress a = backend.address();
            numbers[size] = (long) number << 32 | size;
            highs[size] = a.high();
            lows[size] = a.low();
            rest[size++] = a.port() << 16 | a.protocol().ordinal() << 8 | backend.state().ordinal();
        }

        void sort() {
            Arrays.sort(numbers, 0, size);
        }

        /** Null: there is none. */
        LbValue.Backend get(int number) {
            int at = -Arrays.binarySearch(numbers, 0, size, (long) number << 32) - 1;
            // Found as it is only when it was the first that was read.
            if (at < 0) at = -at - 1;
            if (at == size || (int) (numbers[at] >>> 32) != number) return null;
            int i = (int) numbers[at];
            return new LbValue.Backend(new BackendAddress(highs[i], lows[i], rest[i] >>> 16, PROTOCOLS[rest[i] >>> 8 & 0xff]), STATES[rest[i] & 0xff]);
        }
    }
}
