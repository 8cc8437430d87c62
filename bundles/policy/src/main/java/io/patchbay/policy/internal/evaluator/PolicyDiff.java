package io.patchbay.policy.internal.evaluator;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;

/** Which connections would be judged differently under other policies: what {@code policy diff} prints. Nothing is applied. */
public final class PolicyDiff {
    /** A connection whose verdict differs. */
    public record Changed(TraceResult before, TraceResult after) {
    }

    private PolicyDiff() {
    }

    /** The given connections, each looked at once, in their order. */
    public static List<Changed> of(Evaluator before, Evaluator after, Collection<Connection> connections) {
        List<Changed> changed = new ArrayList<>();
        for (Connection connection : new LinkedHashSet<>(connections)) {
            TraceResult b = before.evaluate(connection);
            TraceResult a = after.evaluate(connection);
            if (b.reason() != a.reason()) changed.add(new Changed(b, a));
        }
        return changed;
    }
}
