package io.patchbay.cluster.manifests.internal;

import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Publishes the command. */
@Component(service = ShellCommand.class)
public final class ManifestsCommandComponent implements ShellCommand {
    private final ManifestsCommand command;

    /** The command shares what the watch has read: a second copy of a large cluster is what a node has no room for. */
    @Activate
    public ManifestsCommandComponent(@Reference ManifestsSource source) {
        command = new ManifestsCommand(source.folder());
    }

    @Override
    public String name() {
        return command.name();
    }

    @Override
    public String summary() {
        return command.summary();
    }

    @Override
    public List<String> help() {
        return command.help();
    }

    @Override
    public List<String> complete(List<String> words) {
        return command.complete(words);
    }

    @Override
    public int run(ShellContext context) throws Exception {
        return command.run(context);
    }
}
