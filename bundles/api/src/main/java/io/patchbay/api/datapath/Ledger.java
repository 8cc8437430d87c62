package io.patchbay.api.datapath;

import java.time.Instant;
import java.util.List;

/**
 * What one change cost, from counters that the datapath kept for it. Counts are packets of closed window: all those that
 * the old epoch admitted since it took over, and those of the new one until the window was closed.
 *
 * @param switchNanos   duration of the store of the epoch
 * @param acceptedNanos from the command to accepted
 * @param carried       state carried over, one line a map: {@code ct 10,412 of 10,412}
 * @param outcome       {@code accepted}, or {@code rolled back: reason}
 */
public record Ledger(long change, String title, long fromEpoch, long toEpoch, Instant at, long switchNanos, long acceptedNanos,
                     List<Row> rows, List<String> carried, String outcome) {
    /**
     * One hook. skbs first, segments second where two are given.
     *
     * @param lost        admitted by the old epoch and never given a verdict; exact once the window is closed
     * @param hole        tail calls that found nothing
     * @param unprocessed seen by the guard without the pipeline's stamp
     * @param mixed       met a stage of another generation
     * @param deviceDrops drops of devices and queues during the change, after the verdict
     */
    public record Row(Hook hook, long in, long inSegments, long byOld, long byNew, long lost, long hole, long unprocessed, long mixed,
                      long deviceDrops) {
    }

    /** Sum of lost, hole, unprocessed and mixed over all hooks. */
    public long faults() {
        return rows.stream().mapToLong(r -> r.lost() + r.hole() + r.unprocessed() + r.mixed()).sum();
    }
}
