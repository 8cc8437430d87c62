package io.patchbay.identity.internal;

import io.patchbay.api.identity.Identities;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code identity get}. */
@Component(service = ShellCommand.class)
public final class IdentityGetCommand implements ShellCommand {
    private final Identities identities;

    @Activate
    public IdentityGetCommand(@Reference Identities identities) {
        this.identities = identities;
    }

    @Override
    public String name() {
        return "identity get";
    }

    @Override
    public String summary() {
        return "One identity by its number, as JSON";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: identity get NUMBER [-o json]", "", "Example: identity get 2");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? identities.all().keySet().stream().map(String::valueOf).toList() : List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("-o|--output"));
        options.output("json");
        if (options.words().size() != 1) throw new UsageException("the number of one identity is needed");
        int id;
        try {
            id = Integer.parseInt(options.words().get(0));
        } catch (NumberFormatException e) {
            throw new UsageException("'" + options.words().get(0) + "' is no number");
        }
        Optional<LabelSet> labels = identities.labels(id);
        if (labels.isEmpty()) {
            context.err().println("there is no identity " + id + "; `identity list` shows those there are");
            return 1;
        }
        context.out().println(IdentityListCommand.json(identities, id, labels.get()).build());
        return 0;
    }
}
