package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import java.nio.file.Path;

/**
 * An agent that does nothing but change, in a process of its own, until it is killed. Says {@code opened EPOCH}, {@code prepare},
 * {@code commit} and {@code accepted EPOCH FAULTS CARRIED} as it goes.
 */
final class Switcher {
    private Switcher() {
    }

    /** Pins, state, namespace, compiled parts. */
    public static void main(String[] args) {
        Connected.Parts parts = new Connected.Parts(Path.of(args[3]));
        try (Node node = Node.open(Path.of(args[0]), Path.of(args[1]), Path.of(args[2]))) {
            long epoch = node.pipeline().current().orElseThrow().epoch();
            System.out.println("opened " + epoch + " " + node.reconcile());
            boolean other = !node.pipeline().map("ct4").value().has("asked");
            while (true) {
                System.out.println("prepare");
                Pipeline.Prepared p = node.pipeline().prepare(parts.spec(other));
                System.out.println("commit");
                Ledger l = p.commit();
                System.out.println(l.outcome() + " " + l.toEpoch() + " " + l.faults() + " " + l.carried());
                other = !other;
            }
        }
    }
}
