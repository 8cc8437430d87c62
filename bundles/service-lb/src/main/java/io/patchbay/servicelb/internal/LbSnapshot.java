package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** What the kernel's service maps say, put together for display. */
final class LbSnapshot {
    /**
     * @param number its number in lb_backends
     * @param backend null: the slot names a backend that is not there
     */
    record Slot(int number, LbValue.Backend backend) {
    }

    record Row(Frontend frontend, LbValue.Service service, List<Slot> slots) {
    }

    private LbSnapshot() {
    }

    /** Sorted by number of the frontend. */
    static List<Row> read(Function<String, MapHandle> maps) {
        Map<Integer, LbValue.Backend> backends = new HashMap<>();
        maps.apply("lb_backends").entries().forEach((k, v) -> backends.put(LbTarget.BACKEND_ID.decode(k).id(), LbTarget.BACKEND.decode(v)));
        Map<LbKey.Slots, int[]> chunks = new HashMap<>();
        maps.apply("lb_slots").entries().forEach((k, v) -> chunks.put(LbTarget.SLOTS_KEY.decode(k), LbTarget.SLOTS.decode(v).backends()));
        List<Row> rows = new ArrayList<>();
        maps.apply("lb_services").entries().forEach((k, v) -> {
            LbValue.Service service = LbTarget.SERVICE.decode(v);
            List<Slot> slots = new ArrayList<>();
            for (int i = 0; i < service.total(); i++) {
                int[] chunk = chunks.get(new LbKey.Slots(service.set(), i / LbValue.Slots.SIZE));
                int number = chunk == null ? 0 : chunk[i % LbValue.Slots.SIZE];
                slots.add(new Slot(number, backends.get(number)));
            }
            rows.add(new Row(LbTarget.FRONTEND.decode(k), service, slots));
        });
        rows.sort(Comparator.comparingInt(r -> r.service().id()));
        return rows;
    }
}
