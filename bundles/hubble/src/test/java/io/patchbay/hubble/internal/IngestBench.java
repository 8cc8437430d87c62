package io.patchbay.hubble.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.net.Protocol;
import java.util.Iterator;

/** By hand: events per second into the ring on one thread, and flows per second out of it with names. */
final class IngestBench {
    private static final int EVENTS = 5_000_000;

    private IngestBench() {
    }

    public static void main(String[] args) {
        FlowStore store = new FlowStore("n", 4095, () -> 0, a -> 0, c -> java.util.Optional.empty(), 1);
        store.names().endpoints().put(Events.endpoint(7, "default", "web", "10.0.0.7", 700, "k8s:app=web"));
        Struct event = Events.trace(Events.TO_OVERLAY, Events.NEW, "10.0.0.7", 49600, "10.0.1.9", 8080, Protocol.TCP);
        for (int round = 0; round < 5; round++) {
            long begin = System.nanoTime();
            for (int i = 0; i < EVENTS; i++) {
                event.set("ts", begin + i);
                store.event(event);
            }
            double in = EVENTS / ((System.nanoTime() - begin) / 1e9);
            begin = System.nanoTime();
            int read = 0;
            for (int i = 0; i < 100; i++) {
                for (Iterator<FlowEvent> it = store.backwards(store.next()); it.hasNext(); it.next()) read++;
            }
            double out = read / ((System.nanoTime() - begin) / 1e9);
            System.out.printf("in %,.0f events/s, out %,.0f flows/s%n", in, out);
        }
    }
}
