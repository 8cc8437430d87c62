package io.patchbay.bandwidth.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Departure times, in the kernel, packet by packet; what keeps them, fq, is not there in every kernel. */
@Tag("root")
class PaceStageTest {
    private static final byte[] PACKET = Packet.udp("10.0.1.5", 1, "1.1.1.1", 2, 958).frame();

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/bandwidth.o");
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private ByteBuffer key() {
        return ByteBuffer.allocate(4).order(ByteOrder.nativeOrder()).putInt(0, 66);
    }

    private StageBench.Outcome run() {
        return bench.run("pace_pod_egress", StageBench.POD_EGRESS, 0, PACKET, s -> s.endpoint(66));
    }

    private Fields state() {
        return new Fields(bench.layout("throttle"), bench.map("throttle").lookup(key()).orElseThrow());
    }

    @Test
    void packetsOfOnePodLeaveAtItsRate() {
        assertEquals(1000, PACKET.length);
        bench.map("throttle").update(key(), bench.struct("throttle").set("bytes_per_second", 1_000).bytes());
        assertEquals(StageBench.NEXT, run().verdict());
        long first = state().get("last");
        assertEquals(StageBench.NEXT, run().verdict());
        assertEquals(first + 1_000_000_000, state().get("last"), "1000 bytes at 1000 a second");
    }

    @Test
    void whatWouldLeaveBeyondTheHorizonIsDropped() {
        bench.map("throttle").update(key(), bench.struct("throttle").set("bytes_per_second", 1_000).bytes());
        for (int second = 0; second < 3; second++) assertEquals(StageBench.NEXT, run().verdict(), "leaves in " + second + " s");
        StageBench.Outcome late = run();
        assertEquals(StageBench.TC_SHOT, late.verdict());
        assertEquals(162, late.code());
        assertTrue(state().get("horizon_drops") >= 1);
    }

    @Test
    void othersAreNotTouched() {
        assertEquals(StageBench.NEXT, run().verdict());
        assertEquals(0, bench.map("throttle").count());
    }
}
