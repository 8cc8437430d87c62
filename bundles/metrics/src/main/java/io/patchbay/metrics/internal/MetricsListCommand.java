package io.patchbay.metrics.internal;

import io.patchbay.api.metrics.Metric;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import io.patchbay.api.shell.UsageException;
import java.math.BigDecimal;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code metrics list}: what {@code GET /metrics} would say now, for people; it needs no port. */
@Component
public final class MetricsListCommand implements ShellCommand {
    private record Row(String name, String labels, String value) {
    }

    private final MetricsComponent metrics;

    @Activate
    public MetricsListCommand(@Reference MetricsComponent metrics) {
        this.metrics = metrics;
    }

    @Override
    public String name() {
        return "metrics list";
    }

    @Override
    public String summary() {
        return "Figures of this node, as Prometheus would read them";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: metrics list [-p PATTERN] [-o text|prometheus]",
                "  -p PATTERN, --match-pattern   only names that the regular expression is found in",
                "  -o prometheus                 the text that GET /metrics answers with");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parseOnly(c.arguments(), Set.of(), Set.of("-p|--match-pattern", "-o|--output"));
        String output = o.output("text", "prometheus");
        Pattern wanted;
        try {
            wanted = Pattern.compile(o.value("--match-pattern").orElse(""));
        } catch (PatternSyntaxException e) {
            throw new UsageException("-p: " + e.getMessage());
        }
        List<Metric> all = metrics.metrics().stream().filter(m -> wanted.matcher(m.name()).find()).toList();
        if (output.equals("prometheus")) {
            c.out().write(PrometheusText.of(all));
            return 0;
        }
        TextTable t = new TextTable("Metric", "Labels", "Value");
        all.stream().flatMap(m -> m.samples().stream().map(s -> new Row(m.name(), labels(s.labels()), number(s.value()))))
                .sorted(Comparator.comparing(Row::name).thenComparing(Row::labels)).forEach(r -> t.row(r.name, r.labels, r.value));
        t.print(c.out());
        return 0;
    }

    private static String labels(Map<String, String> labels) {
        return new TreeMap<>(labels).entrySet().stream().map(e -> e.getKey() + "=\"" + e.getValue() + "\"").collect(Collectors.joining(" "));
    }

    private static String number(double value) {
        return Double.isFinite(value) ? new BigDecimal(value).setScale(6, java.math.RoundingMode.HALF_UP).stripTrailingZeros().toPlainString() : String.valueOf(value);
    }
}
