package io.patchbay.bpf.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.SkbContext;
import io.patchbay.bpf.TestObjects;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("root")
@Timeout(60)
class RingReaderTest {
    private static final int RECORD = 24;
    private BpfObject object;
    private RingReader reader;

    @BeforeEach
    void load() {
        object = BpfObject.load(TestObjects.basic(), LoadOptions.NONE);
        reader = new RingReader(object.map("events"));
    }

    @AfterEach
    void close() {
        reader.close();
        object.close();
    }

    /** The verdict of the last run: 2, a drop, when the ring had no room. */
    private int produce(int mark, int times) {
        return object.program("emit").testRun(new byte[64], SkbContext.EMPTY.withMark(mark), times).verdict();
    }

    private List<Long> drain(int max) {
        List<Long> marks = new ArrayList<>();
        reader.drain((ring, offset, length) -> {
            assertEquals(16, length);
            assertEquals(64, ring.getLong(offset));
            marks.add(ring.getLong(offset + 8));
        }, max);
        return marks;
    }

    @Test
    void recordsComeInOrderAndDiscardedOnesAreSkipped() {
        assertEquals(List.of(), drain(10));
        produce(1, 1);
        produce(0xdead, 3);
        produce(2, 1);
        produce(3, 1);
        assertEquals(List.of(1L, 2L), drain(2));
        assertEquals(List.of(3L), drain(10));
        assertEquals(0, reader.backlog());
    }

    @Test
    void wrapsAroundManyTimes() {
        int perRound = 1000;
        for (int round = 0; round < 50; round++) {
            assertEquals(0, produce(round, perRound));
            int count = reader.drain((ring, offset, length) -> { }, Integer.MAX_VALUE);
            assertEquals(perRound, count);
        }
    }

    @Test
    void fullRingRefusesProducersUntilItIsRead() {
        int room = reader.capacity() / RECORD;
        produce(5, room + 100);
        assertEquals(2, object.program("emit").testRun(new byte[64]).verdict(), "no room left");
        int count = reader.drain((ring, offset, length) -> { }, Integer.MAX_VALUE);
        assertEquals(reader.capacity() / RECORD, count, 1);
        assertEquals(0, object.program("emit").testRun(new byte[64]).verdict());
    }

    @Test
    void consumerThatThrowsHasHadItsRecord() {
        produce(1, 1);
        produce(2, 1);
        assertThrows(IllegalStateException.class, () -> reader.drain((ring, offset, length) -> {
            throw new IllegalStateException("sink");
        }, 10));
        assertEquals(List.of(2L), drain(10));
    }

    @Test
    void readerThatStartsLaterGoesOnWhereTheLastOneStopped() {
        produce(1, 1);
        assertEquals(List.of(1L), drain(10));
        produce(2, 1);
        reader.close();
        assertThrows(IllegalStateException.class, () -> drain(1));
        reader = new RingReader(object.map("events"));
        assertEquals(List.of(2L), drain(10));
    }

    @Test
    void nothingIsLostOrTornWhileProducerAndConsumerRunTogether() {
        int batch = 500;
        int rounds = 400;
        BpfProgram emit = object.program("emit");
        CompletableFuture<Void> producer = CompletableFuture.runAsync(() -> {
            for (int i = 0; i < rounds; i++) {
                while (reader.backlog() > reader.capacity() - batch * RECORD) {
                    Thread.onSpinWait();
                }
                emit.testRun(new byte[64], SkbContext.EMPTY.withMark(i + 1), batch);
            }
        });
        long[] sum = {0};
        int count = 0;
        while (true) {
            boolean finished = producer.isDone();
            count += reader.drain((ring, offset, length) -> {
                assertEquals(64, ring.getLong(offset));
                sum[0] += ring.getLong(offset + 8);
            }, 256);
            if (finished && reader.backlog() == 0) {
                break;
            }
        }
        producer.join();
        assertEquals(batch * rounds, count);
        assertEquals((long) batch * rounds * (rounds + 1) / 2, sum[0]);
    }
}
