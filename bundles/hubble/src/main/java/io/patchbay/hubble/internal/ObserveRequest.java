package io.patchbay.hubble.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.Flow.Peer;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.UsageException;
import io.patchbay.hubble.internal.FlowFilter.Criteria;
import io.patchbay.hubble.internal.FlowFilter.Side;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * What {@code hubble observe} was asked, by the hubble CLI's flags and rules.
 *
 * @param number how many flows; 0: no limit
 * @param first  the oldest ones instead of the newest
 * @param since  null: no limit; both ends are included
 */
record ObserveRequest(String output, boolean follow, long number, boolean first, Instant since, Instant until, FlowFilter filter, boolean names,
                      boolean printNode, boolean printPolicies) {
    static final int DEFAULT_LAST = 20;
    static final List<String> OUTPUTS = List.of("compact", "table", "tab", "dict", "json", "jsonpb");

    private static final Set<String> FLAGS = Set.of("--follow", "--all", "--all-namespaces", "--ipv4", "--ipv6", "--reply", "--numeric",
            "--print-node-name", "--print-policy-names", "--ip-translation");
    private static final Set<String> SETTINGS = Set.of("--last", "--first", "--since", "--until", "--output");
    /** Each concerns either end, and with from- and to- one of them. */
    private static final Set<String> PEER_FILTERS = Set.of("--pod", "--namespace", "--ip", "--port", "--identity", "--label", "--service", "--workload");
    private static final Set<String> FLOW_FILTERS = Set.of("--verdict", "--protocol", "--type", "--node-name", "--tcp-flags", "--traffic-direction",
            "--drop-reason-desc", "--snat-ip");
    private static final Map<String, String> SHORT = Map.ofEntries(Map.entry("-f", "--follow"), Map.entry("-n", "--namespace"),
            Map.entry("-A", "--all-namespaces"), Map.entry("-t", "--type"), Map.entry("-l", "--label"), Map.entry("-o", "--output"),
            Map.entry("-4", "--ipv4"), Map.entry("-6", "--ipv6"), Map.entry("--print-node", "--print-node-name"));
    private static final Set<String> VERDICTS = Set.of("FORWARDED", "DROPPED", "ERROR", "AUDIT", "REDIRECTED", "TRACED", "TRANSLATED");

    /** @param excludes it followed --not */
    private record Given(String option, String value, boolean excludes) {
    }

    /** @throws UsageException naming the word that is wrong and what would be right */
    static ObserveRequest parse(List<String> arguments, String node, Instant now) throws UsageException {
        return new Parser(arguments, node, now).request();
    }

    /** All options, for completion and hints. */
    static List<String> options() {
        Set<String> all = new TreeSet<>(FLAGS);
        all.addAll(SETTINGS);
        all.addAll(FLOW_FILTERS);
        for (String f : PEER_FILTERS) {
            all.add(f);
            all.add("--from-" + f.substring(2));
            all.add("--to-" + f.substring(2));
        }
        all.add("--not");
        return List.copyOf(all);
    }

    private static final class Parser {
        private final List<Given> given = new ArrayList<>();
        private final Map<String, String> settings = new LinkedHashMap<>();
        private final String node;
        private final Instant now;

        Parser(List<String> arguments, String node, Instant now) throws UsageException {
            this.node = node;
            this.now = now;
            read(arguments);
        }

        private void read(List<String> arguments) throws UsageException {
            boolean not = false;
            boolean first = true;
            for (int i = 0; i < arguments.size(); i++) {
                String word = arguments.get(i);
                if (!word.startsWith("-")) {
                    if (first && word.equals("flows")) {
                        first = false;
                        continue;
                    }
                    throw new UsageException("\"" + word + "\" is not expected here; filters are options, as in --pod default/" + word);
                }
                first = false;
                int eq = word.startsWith("--") ? word.indexOf('=') : -1;
                String typed = eq > 0 ? word.substring(0, eq) : word;
                String value = eq > 0 ? word.substring(eq + 1) : null;
                String option = SHORT.getOrDefault(typed, typed);
                if (option.equals("--not")) {
                    not = true;
                    continue;
                }
                boolean flag = FLAGS.contains(option);
                if (!flag && !SETTINGS.contains(option) && !FLOW_FILTERS.contains(option) && !PEER_FILTERS.contains(plain(option))) {
                    throw unknown(typed);
                }
                if (flag) {
                    value = value == null ? "true" : value;
                    if (!value.equals("true") && !value.equals("false")) {
                        throw new UsageException(typed + "=" + value + " is neither true nor false");
                    }
                } else if (value == null) {
                    if (i + 1 == arguments.size()) throw new UsageException(typed + " needs a value");
                    value = arguments.get(++i);
                }
                boolean filter = !SETTINGS.contains(option) && (!flag || option.equals("--reply") || option.startsWith("--ipv"));
                if (not && !filter) throw new UsageException("--not goes before a filter, and " + typed + " is none");
                if (filter) given.add(new Given(option, value, not));
                else settings.put(option, value);
                not = false;
            }
            if (not) throw new UsageException("--not needs a filter behind it, as in --not --verdict FORWARDED");
        }

        private static String plain(String option) {
            return option.startsWith("--from-") ? "--" + option.substring(7) : option.startsWith("--to-") ? "--" + option.substring(5) : option;
        }

        private static UsageException unknown(String typed) {
            String what = plain(typed);
            if (what.startsWith("--http") || what.startsWith("--dns") || what.equals("--trace-id")) {
                return new UsageException(typed + " is not built: the datapath reports layers 3 and 4, no flow has what it asks for");
            }
            if (what.equals("--fqdn")) return new UsageException(typed + " is not built: DNS answers are not recorded; use --ip");
            if (what.equals("--cluster") || what.equals("--interface") || what.equals("--node-label")) {
                return new UsageException(typed + " is not built");
            }
            String nearest = null;
            int best = Math.max(2, typed.length() / 4);
            for (String o : options()) {
                int d = distance(typed, o);
                if (d <= best && (nearest == null || d < best)) {
                    best = d;
                    nearest = o;
                }
            }
            return new UsageException("unknown option " + typed + (nearest == null ? "" : "; did you mean " + nearest + "?")
                    + " (hubble observe --help lists them)");
        }

        private static int distance(String a, String b) {
            int[] row = new int[b.length() + 1];
            for (int j = 0; j <= b.length(); j++) row[j] = j;
            for (int i = 1; i <= a.length(); i++) {
                int diagonal = row[0];
                row[0] = i;
                for (int j = 1; j <= b.length(); j++) {
                    int above = row[j];
                    row[j] = Math.min(Math.min(above, row[j - 1]) + 1, diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1));
                    diagonal = above;
                }
            }
            return row[b.length()];
        }

        private boolean is(String setting) {
            return "true".equals(settings.get(setting));
        }

        ObserveRequest request() throws UsageException {
            String output = settings.getOrDefault("--output", "compact");
            if (!OUTPUTS.contains(output)) throw new UsageException("-o " + output + " is not known; one of " + String.join(", ", OUTPUTS));
            if (output.equals("tab")) output = "table";
            if (output.equals("jsonpb")) output = "json";
            boolean follow = is("--follow");
            if (follow && output.equals("table")) {
                throw new UsageException("-o table needs all rows to line them up and can't be combined with --follow; use -o compact");
            }
            boolean first = settings.containsKey("--first");
            if (first && follow) throw new UsageException("--first can't be combined with --follow");
            if (first && settings.containsKey("--last")) throw new UsageException("--first can't be combined with --last");
            Instant since = settings.containsKey("--since") ? Times.parse("--since", settings.get("--since"), now) : null;
            Instant until = settings.containsKey("--until") && !follow ? Times.parse("--until", settings.get("--until"), now) : null;
            long number;
            if (first) number = number("--first");
            else if (settings.containsKey("--last")) number = number("--last");
            else if (is("--all")) number = Long.MAX_VALUE;
            else number = follow || since != null || until != null ? 0 : DEFAULT_LAST;
            boolean names = !is("--numeric") && !"false".equals(settings.get("--ip-translation"));
            return new ObserveRequest(output, follow, number, first, since, until, new FlowFilter(criteria(false), criteria(true)), names,
                    is("--print-node-name"), is("--print-policy-names"));
        }

        private long number(String option) throws UsageException {
            String text = settings.get(option);
            try {
                long n = Long.parseLong(text);
                if (n >= 0) return n;
            } catch (NumberFormatException e) {
                // said below
            }
            throw new UsageException(option + " " + text + " is not a number of flows");
        }

        private Criteria criteria(boolean excludes) throws UsageException {
            Criteria c = new Criteria();
            for (Given g : given) {
                if (g.excludes() != excludes) continue;
                String plain = plain(g.option());
                if (PEER_FILTERS.contains(plain)) {
                    Side side = g.option().startsWith("--from-") ? Side.SOURCE : g.option().startsWith("--to-") ? Side.DESTINATION : Side.EITHER;
                    // A value with commas is a list where no comma can be part of it.
                    List<String> values = plain.equals("--label") ? List.of(g.value()) : List.of(g.value().split(","));
                    for (String value : values) c.peer(plain, side, peer(g, plain, value));
                } else {
                    flow(c, g);
                }
            }
            return c;
        }

        private Predicate<Peer> peer(Given g, String plain, String value) throws UsageException {
            if (value.isEmpty()) throw new UsageException(g.option() + " needs a value");
            return switch (plain) {
                case "--namespace" -> p -> p.namespace().equals(value);
                case "--pod" -> {
                    Named n = named(g, value);
                    yield p -> !p.pod().isEmpty() && n.matches(p.namespace(), p.pod());
                }
                case "--service" -> {
                    Named n = named(g, value);
                    yield p -> p.service().map((ObjectKey s) -> n.matches(s.namespace(), s.name())).orElse(false);
                }
                case "--ip" -> {
                    Prefix prefix = prefix(g.option(), value);
                    yield p -> p.address() != null && prefix.contains(p.address());
                }
                case "--port" -> {
                    int port = inRange(g.option(), value, 65535);
                    yield p -> p.port() == port;
                }
                case "--identity" -> {
                    int reserved = FlowText.reserved(value);
                    int identity = reserved >= 0 ? reserved : inRange(g.option(), value, Integer.MAX_VALUE);
                    yield p -> p.identity() == identity;
                }
                case "--label" -> {
                    LabelSelector selector = selector(g.option(), value);
                    yield p -> selector.matches(p.labels());
                }
                default -> {
                    int slash = value.indexOf('/');
                    String kind = slash < 0 ? "" : value.substring(0, slash);
                    String name = value.substring(slash + 1);
                    yield p -> p.workload().map(w -> (kind.isEmpty() || w.kind().equalsIgnoreCase(kind)) && (name.isEmpty() || w.name().equals(name)))
                            .orElse(false);
                }
            };
        }

        private static LabelSelector selector(String option, String value) throws UsageException {
            try {
                return SelectorText.parse(option, value);
            } catch (IllegalArgumentException e) {
                throw new UsageException(option + " " + value + ": " + e.getMessage());
            }
        }

        /** @param namespaces empty: any */
        private record Named(Set<String> namespaces, String prefix) {
            boolean matches(String namespace, String name) {
                return (namespaces.isEmpty() || namespaces.contains(namespace)) && name.startsWith(prefix);
            }
        }

        /** {@code [namespace/]prefix}: without one it is that of --namespace, else "default"; with nothing before the slash it is any. */
        private Named named(Given g, String value) {
            int slash = value.indexOf('/');
            if (slash == 0) return new Named(Set.of(), value.substring(1));
            if (slash > 0) return new Named(Set.of(value.substring(0, slash)), value.substring(slash + 1));
            if (is("--all-namespaces")) return new Named(Set.of(), value);
            Set<String> namespaces = new TreeSet<>();
            for (Given other : given) {
                if (!other.excludes() && plain(other.option()).equals("--namespace")) namespaces.addAll(Arrays.asList(other.value().split(",")));
            }
            return new Named(namespaces.isEmpty() ? Set.of("default") : namespaces, value);
        }

        private static Prefix prefix(String option, String value) throws UsageException {
            try {
                return value.contains("/") ? Prefix.parse(value) : Prefix.of(IpAddress.parse(value));
            } catch (IllegalArgumentException e) {
                throw new UsageException(option + " " + value + " is neither an address nor a prefix");
            }
        }

        private static int inRange(String option, String value, int max) throws UsageException {
            try {
                int n = Integer.parseInt(value);
                if (n >= 0 && n <= max) return n;
            } catch (NumberFormatException e) {
                // said below
            }
            throw new UsageException(option + " " + value + " is not a number from 0 to " + max
                    + (option.endsWith("identity") ? " nor a reserved identity (host, world, ...)" : ""));
        }

        private void flow(Criteria c, Given g) throws UsageException {
            String option = g.option();
            switch (option) {
                case "--ipv4", "--ipv6" -> {
                    boolean v4 = option.equals("--ipv4") == Boolean.parseBoolean(g.value());
                    c.flow("version", f -> f.source().address() != null && f.source().address().isV4() == v4);
                }
                case "--reply" -> {
                    boolean reply = Boolean.parseBoolean(g.value());
                    // What is dropped counts as no reply; of others that don't tell, nobody knows.
                    c.flow(option, f -> f.verdict() == Flow.Verdict.DROPPED ? !reply : f.reply().map(r -> r == reply).orElse(false));
                }
                case "--tcp-flags" -> {
                    int bits = 0;
                    for (String name : g.value().split(",")) {
                        int bit = FlowText.tcpFlag(name.trim());
                        if (bit == 0) throw new UsageException(option + " " + name + " is none of " + String.join(", ", FlowText.tcpFlagNames()));
                        bits |= bit;
                    }
                    int all = bits;
                    c.flow(option, f -> f.packet().protocol() == Protocol.TCP.number() && (f.packet().tcpFlags() & all) == all);
                }
                default -> {
                    for (String value : g.value().split(",")) c.flow(option, one(option, value.trim()));
                }
            }
        }

        private Predicate<Flow> one(String option, String value) throws UsageException {
            String upper = value.toUpperCase(Locale.ROOT);
            switch (option) {
                case "--verdict" -> {
                    if (!VERDICTS.contains(upper)) throw new UsageException(option + " " + value + " is none of " + sorted(VERDICTS));
                    return f -> f.verdict().name().equals(upper);
                }
                case "--snat-ip" -> {
                    Prefix prefix = prefix(option, value);
                    return f -> f.translatedSource().map(prefix::contains).orElse(false);
                }
                case "--protocol" -> {
                    return protocol(option, value);
                }
                case "--type" -> {
                    return type(option, value);
                }
                case "--node-name" -> {
                    String name = value.startsWith("default/") ? value.substring(8) : value;
                    boolean here = name.isEmpty() || matches(name, node);
                    return f -> here;
                }
                case "--traffic-direction" -> {
                    if (!upper.equals("INGRESS") && !upper.equals("EGRESS")) {
                        throw new UsageException(option + " " + value + " is neither ingress nor egress");
                    }
                    return f -> f.direction().name().equals(upper);
                }
                default -> {
                    int code = DropReasons.code(value);
                    if (code == 0) throw new UsageException(option + " " + value + " is no drop reason of Hubble, as POLICY_DENIED is");
                    return f -> f.dropReason() == code;
                }
            }
        }

        private static boolean matches(String glob, String text) {
            String regex = Arrays.stream(glob.split("\\*", -1)).map(java.util.regex.Pattern::quote).reduce((a, b) -> a + ".*" + b).orElse("");
            return text.matches(regex);
        }

        private static Predicate<Flow> protocol(String option, String value) throws UsageException {
            String name = value.toLowerCase(Locale.ROOT);
            return switch (name) {
                case "tcp", "udp", "sctp", "icmpv6" -> {
                    int number = Protocol.ofName(name).number();
                    yield f -> f.packet().protocol() == number;
                }
                case "icmpv4" -> f -> f.packet().protocol() == Protocol.ICMP.number();
                case "icmp" -> f -> f.packet().protocol() == Protocol.ICMP.number() || f.packet().protocol() == Protocol.ICMPV6.number();
                case "http", "dns", "kafka" -> throw new UsageException(option + " " + value + " is not built: flows are of layers 3 and 4");
                default -> throw new UsageException(option + " " + value + " is none of tcp, udp, sctp, icmp, icmpv4, icmpv6");
            };
        }

        /** {@code trace}, {@code trace:to-endpoint}, {@code drop:133}, and the bare name of an observation point. */
        private static Predicate<Flow> type(String option, String value) throws UsageException {
            int colon = value.indexOf(':');
            String main = colon < 0 ? value : value.substring(0, colon);
            String sub = colon < 0 ? "" : value.substring(colon + 1);
            Flow.Type type = switch (main) {
                case "drop" -> Flow.Type.DROP;
                case "trace" -> Flow.Type.TRACE;
                case "policy-verdict" -> Flow.Type.POLICY_VERDICT;
                case "trace-sock" -> Flow.Type.SOCKET;
                case "l7", "agent", "debug", "capture" -> throw new UsageException(option + " " + value + " is not built");
                default -> null;
            };
            if (type == null) {
                for (FlowText.Point p : FlowText.Point.values()) if (p.text.equals(value)) return f -> isAt(f, p);
                throw new UsageException(option + " " + value + " is none of drop, trace, policy-verdict, trace-sock, or trace:to-endpoint and the like");
            }
            if (sub.isEmpty()) return f -> f.type() == type;
            if (type == Flow.Type.TRACE) {
                for (FlowText.Point p : FlowText.Point.values()) {
                    if (p.text.equals(sub) || Integer.toString(p.subType).equals(sub)) return f -> isAt(f, p);
                }
            } else if (type == Flow.Type.DROP && sub.matches("\\d{1,3}")) {
                int code = Integer.parseInt(sub);
                return f -> f.type() == Flow.Type.DROP && f.dropReason() == code;
            }
            throw new UsageException(option + " " + value + ": there is no " + main + " of that name");
        }

        private static boolean isAt(Flow f, FlowText.Point p) {
            return f.type() == Flow.Type.TRACE && FlowText.Point.of(f) == p;
        }

        private static String sorted(Set<String> names) {
            return String.join(", ", new TreeSet<>(names));
        }
    }
}
