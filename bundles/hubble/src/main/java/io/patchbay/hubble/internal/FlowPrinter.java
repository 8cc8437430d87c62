package io.patchbay.hubble.internal;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.LostFlows;
import io.patchbay.api.shell.TextTable;

/** Writes flows as one of the hubble CLI's outputs. One use, one thread. */
interface FlowPrinter {
    /** Appends what can be shown already. */
    void print(FlowEvent event, StringBuilder to);

    /** Appends the rest. */
    default void end(StringBuilder to) {
    }

    /** @param names false: addresses; @param node shown when not null; @param policies whether verdicts name the rule's object */
    record Look(boolean names, String node, boolean policies) {
        private String verdict(Flow f) {
            return FlowText.verdict(f) + (policies ? FlowText.policies(f) : "");
        }

        private String source(Flow f) {
            return FlowText.host(f.source(), names);
        }

        private String destination(Flow f) {
            return FlowText.host(f.destination(), names);
        }
    }

    /** One line a flow; the arrow points from who opened the connection to whom. */
    static FlowPrinter compact(Look look) {
        return (event, to) -> {
            to.append(FlowText.time(event.time()));
            if (look.node() != null) to.append(" [").append(look.node()).append(']');
            if (event instanceof Flow f) {
                boolean turned = f.reply().orElse(false);
                String source = look.source(f) + " " + FlowText.identity(f.source().identity());
                String destination = look.destination(f) + " " + FlowText.identity(f.destination().identity());
                to.append(": ").append(turned ? destination : source).append(f.reply().isEmpty() ? " <> " : turned ? " <- " : " -> ")
                        .append(turned ? source : destination).append(' ').append(FlowText.type(f)).append(' ').append(look.verdict(f))
                        .append(" (").append(FlowText.summary(f)).append(")\n");
            } else if (event instanceof LostFlows l) {
                to.append(" EVENTS LOST: ").append(l.source()).append(' ').append(l.count()).append('\n');
            }
        };
    }

    /** The columns of Hubble in Cilium 1.9, aligned, so shown at the end. */
    static FlowPrinter table(Look look) {
        TextTable table = look.node() == null ? new TextTable("TIMESTAMP", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY")
                : new TextTable("TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY");
        return new FlowPrinter() {
            @Override
            public void print(FlowEvent event, StringBuilder to) {
                if (event instanceof Flow f) {
                    row(event, look.source(f), look.destination(f), FlowText.shortType(f), f.verdict().name(), FlowText.summary(f));
                } else if (event instanceof LostFlows l) {
                    row(event, l.source().name(), "-", "EVENTS LOST", "-", Long.toString(l.count()));
                }
            }

            private void row(FlowEvent e, String source, String destination, String type, String verdict, String summary) {
                String time = FlowText.time(e.time());
                if (look.node() == null) table.row(time, source, destination, type, verdict, summary);
                else table.row(time, look.node(), source, destination, type, verdict, summary);
            }

            @Override
            public void end(StringBuilder to) {
                table.lines().forEach(l -> to.append(l).append('\n'));
            }
        };
    }

    /** A line a field. */
    static FlowPrinter dict(Look look) {
        return new FlowPrinter() {
            private boolean first = true;

            @Override
            public void print(FlowEvent event, StringBuilder to) {
                if (!first) to.append("------------\n");
                first = false;
                line(to, "TIMESTAMP", FlowText.time(event.time()));
                if (look.node() != null) line(to, "NODE", look.node());
                if (event instanceof Flow f) {
                    line(to, "SOURCE", look.source(f));
                    line(to, "DESTINATION", look.destination(f));
                    line(to, "TYPE", FlowText.type(f));
                    line(to, "VERDICT", look.verdict(f));
                    line(to, "SUMMARY", FlowText.summary(f));
                } else if (event instanceof LostFlows l) {
                    line(to, "SOURCE", l.source().name());
                    line(to, "TYPE", "EVENTS LOST");
                    line(to, "VERDICT", "-");
                    line(to, "SUMMARY", Long.toString(l.count()));
                }
            }

            private void line(StringBuilder to, String label, String value) {
                to.append(" ".repeat("DESTINATION".length() - label.length())).append(label).append(": ").append(value).append('\n');
            }
        };
    }

    /** One object a line: Hubble's GetFlowsResponse. */
    static FlowPrinter json(String node) {
        FlowJson json = new FlowJson(node);
        return (event, to) -> to.append(json.response(event)).append('\n');
    }
}
