package io.patchbay.servicelb.internal;

import io.patchbay.bpf.BpfMap;
import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** What the agent would have written for the stages under test. */
final class StageTables {
    private StageTables() {
    }

    /** An entry of a map whose key is an address. */
    static void at(StageBench bench, String map, String address, Fields value) {
        bench.map(map).update(bench.struct("pb_addr").address("", address).bytes(), value.bytes());
    }

    /** A service with the number 7, and backends at their port 8080 with numbers from 1 on. */
    static void service(StageBench bench, String address, int port, int kind, int proto, int flags, String... backends) {
        Fields key = bench.struct("lb_service_key").address("addr", address).port("port", port).set("proto", proto);
        bench.put("lb_services", key, bench.struct("lb_service").set("id", 7).set("set", 3).set("count", backends.length).set("total", backends.length)
                .set("flags", flags).set("kind", kind).set("affinity_seconds", 100));
        ByteBuffer ids = ByteBuffer.allocate(64).order(ByteOrder.nativeOrder());
        for (int i = 0; i < backends.length; i++) {
            ids.putInt(4 * i, i + 1);
            bench.map("lb_backends").update(BpfMap.intKey(i + 1), bench.struct("lb_backend").address("addr", backends[i]).port("port", 8080)
                    .set("proto", proto).bytes());
            bench.map("lb_members").update(bench.struct("lb_member").set("set", 3).set("backend", i + 1).bytes(), BpfMap.intKey(1));
        }
        bench.put("lb_slots", bench.struct("lb_slots_key").set("set", 3), bench.struct("lb_slots").set("backend", ids.array()));
    }
}
