package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code endpoint log}. */
@Component(service = ShellCommand.class)
public final class EndpointLogCommand implements ShellCommand {
    private final EndpointComponent endpoints;

    @Activate
    public EndpointLogCommand(@Reference EndpointComponent endpoints) {
        this.endpoints = endpoints;
    }

    @Override
    public String name() {
        return "endpoint log";
    }

    @Override
    public String summary() {
        return "What happened to an endpoint since the agent started, newest first";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: endpoint log ID|NAMESPACE/POD");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? endpoints.list().stream().map(Endpoint::name).toList() : List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of());
        Optional<Endpoint> found = EndpointGetCommand.find(endpoints, options.words());
        if (found.isEmpty()) {
            context.err().println("there is no endpoint " + options.words().get(0) + " on this node; `endpoint list` shows those there are");
            return 1;
        }
        TextTable table = new TextTable("Timestamp", "Status", "State", "Message");
        for (EndpointLog.Line l : endpoints.log(found.get().id())) {
            table.row(l.at().truncatedTo(ChronoUnit.SECONDS).toString(), l.ok() ? "OK" : "Failure", l.state().text(), l.message());
        }
        table.print(context.out());
        return 0;
    }
}
