package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.Ledger;
import java.io.PrintStream;
import java.util.Locale;

/** A ledger as a change prints it. */
final class LedgerText {
    private static final String FORM = "  %-16s %26s %12s %12s %6s %6s %12s %6s %13s%n";

    private LedgerText() {
    }

    static void print(Ledger l, PrintStream out) {
        out.printf(Locale.ROOT, "change %d: %s   epoch %d -> %d   switch %.1f us   %s after %.1f s%n", l.change(), l.title(), l.fromEpoch(), l.toEpoch(),
                l.switchNanos() / 1e3, l.outcome(), l.acceptedNanos() / 1e9);
        boolean any = false;
        for (Ledger.Row r : l.rows()) {
            if (r.in() + r.byOld() + r.byNew() + r.lost() + r.hole() + r.unprocessed() + r.mixed() + r.deviceDrops() == 0) {
                continue;
            }
            if (!any) {
                out.printf(Locale.ROOT, FORM, "hook", "in (skbs/segments)", "by " + l.fromEpoch(), "by " + l.toEpoch(), "lost", "hole", "unprocessed",
                        "mixed", "device drops");
            }
            any = true;
            out.printf(Locale.ROOT, FORM, r.hook().text(), n(r.in()) + " / " + n(r.inSegments()), n(r.byOld()), n(r.byNew()), n(r.lost()), n(r.hole()),
                    n(r.unprocessed()), n(r.mixed()), n(r.deviceDrops()));
        }
        if (!any) {
            out.println("  no hook saw a packet meanwhile");
        }
        if (!l.carried().isEmpty()) {
            out.println("  state carried over: " + String.join("; ", l.carried()));
        }
    }

    private static String n(long v) {
        return String.format(Locale.ROOT, "%,d", v);
    }
}
