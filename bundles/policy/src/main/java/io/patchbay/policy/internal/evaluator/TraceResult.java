package io.patchbay.policy.internal.evaluator;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.policy.internal.model.RuleOrigin;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A verdict and how it came about.
 *
 * @param reason drop reason as events have it (133 policy denied, 181 denied by policy, 137 unknown protocol); 0 if allowed
 * @param skip   why policy wasn't asked, empty if it was
 * @param source the egress side, if the source is a subject
 * @param target the ingress side, if the destination is a subject
 */
public record TraceResult(Connection connection, boolean allowed, int reason, String skip, Optional<Side> source, Optional<Side> target) {
    /**
     * One direction of one subject.
     *
     * @param subject   its name
     * @param peer      the peer's labels
     * @param selecting rules that select the subject, in order, each with whether it closes the direction
     * @param closed    whether what no rule allows is denied
     * @param matches   elements that match the connection, denies first
     * @param deciding  what decided; absent if the default did
     */
    public record Side(Direction direction, String subject, String peer, List<Selecting> selecting, boolean closed, List<RuleOrigin> matches,
            Optional<RuleOrigin> deciding, boolean allowed, int reason) {
        public Side {
            selecting = List.copyOf(selecting);
            matches = List.copyOf(matches);
        }
    }

    /** A rule that selects the subject. */
    public record Selecting(String object, int rule, boolean closes) {
    }

    /** One line: the verdict and what decided. */
    public String summary() {
        if (!skip.isEmpty()) return (allowed ? "ALLOWED" : "DENIED " + reason) + " (" + skip + ")";
        List<String> parts = new ArrayList<>();
        for (Side side : sides()) parts.add(side.direction().text() + ": " + why(side));
        return (allowed ? "ALLOWED" : "DENIED " + reason) + " (" + String.join("; ", parts) + ")";
    }

    private static String why(Side side) {
        if (side.deciding().isPresent()) return (side.allowed() ? "allowed by " : "denied by ") + side.deciding().get();
        if (!side.closed()) return "no rule closes it";
        return side.selecting().isEmpty() ? "closed by the enforcement mode" : "no rule allows it";
    }

    private List<Side> sides() {
        List<Side> sides = new ArrayList<>();
        source.ifPresent(sides::add);
        target.ifPresent(sides::add);
        return sides;
    }

    /** Text for a terminal, in the manner of {@code cilium policy trace}. */
    public String render() {
        StringBuilder text = new StringBuilder();
        text.append("Tracing ").append(connection).append('\n');
        if (!skip.isEmpty()) text.append('\n').append(skip).append('\n');
        for (Side side : sides()) {
            boolean in = side.direction() == Direction.INGRESS;
            text.append('\n').append("Resolving ").append(side.direction().text()).append(" policy for ").append(side.subject()).append('\n');
            text.append("  ").append(in ? "From: " : "To: ").append(side.peer()).append('\n');
            for (Selecting s : side.selecting()) {
                text.append("* ").append(s.object()).append(" rule ").append(s.rule()).append(": selected")
                        .append(s.closes() ? ", default deny" : "").append('\n');
            }
            for (RuleOrigin match : side.matches()) text.append("    ").append(match.deny() ? "Denies: " : "Allows: ").append(match).append('\n');
            text.append(side.selecting().size()).append(side.selecting().size() == 1 ? " rule" : " rules").append(" selected\n");
            String direction = in ? "Ingress" : "Egress";
            text.append(direction).append(" verdict: ").append(side.allowed() ? "allowed" : "denied").append(" (").append(why(side)).append(")\n");
        }
        text.append("\nFinal verdict: ").append(allowed ? "ALLOWED" : "DENIED").append(reason == 0 ? "" : " (reason " + reason + ")").append('\n');
        return text.toString();
    }
}
