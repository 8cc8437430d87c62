package io.patchbay.shell.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Commands;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import java.io.InputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Dictionary;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import org.apache.felix.service.command.CommandProcessor;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Function;
import org.apache.felix.service.command.Process;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/** Every command is a Gogo function too, by its first word in the scope {@code patchbay}. */
@Component(immediate = true, service = GogoCommands.class)
public final class GogoCommands {
    /** Variable of a session with the exit status of the last of these commands. */
    static final String EXIT = "patchbay.exit";

    private final BundleContext bundle;
    private final Commands commands;
    private final Map<String, Integer> users = new HashMap<>();
    private final Map<String, ServiceRegistration<Function>> functions = new HashMap<>();

    @Activate
    public GogoCommands(BundleContext bundle, @Reference(target = "(" + FeatureRuntime.FEATURE + "=shell)") FeatureRuntime runtime,
                        @Reference Commands commands) {
        this.bundle = bundle;
        this.commands = commands;
        runtime.ready();
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    synchronized void addCommand(ShellCommand command) {
        String word = command.name().split(" ")[0];
        if (users.merge(word, 1, Integer::sum) == 1) {
            Dictionary<String, Object> p = new Hashtable<>();
            p.put(CommandProcessor.COMMAND_SCOPE, "patchbay");
            p.put(CommandProcessor.COMMAND_FUNCTION, word);
            functions.put(word, bundle.registerService(Function.class, (session, arguments) -> call(session, word, arguments), p));
        }
    }

    synchronized void removeCommand(ShellCommand command) {
        String word = command.name().split(" ")[0];
        if (users.merge(word, -1, Integer::sum) == 0) {
            users.remove(word);
            ServiceRegistration<Function> r = functions.remove(word);
            if (r != null) {
                r.unregister();
            }
        }
    }

    private Object call(CommandSession session, String word, List<Object> arguments) {
        List<String> words = new ArrayList<>(List.of(word));
        arguments.forEach(a -> words.add(String.valueOf(a)));
        // The place in a pipe that this call has, which need not be the session's own streams.
        Process p = Process.Utils.current();
        session.put(EXIT, commands.run(new SessionContext(words, p.in(), p.out(), p.err())));
        p.out().flush();
        p.err().flush();
        return null;
    }

    @Deactivate
    synchronized void close() {
        functions.values().forEach(ServiceRegistration::unregister);
        functions.clear();
        users.clear();
    }

    private record SessionContext(List<String> arguments, InputStream in, PrintStream out, PrintStream err) implements ShellContext {
        @Override
        public Map<String, String> environment() {
            return Map.of();
        }

        @Override
        public boolean cancelled() {
            return Thread.currentThread().isInterrupted();
        }

        @Override
        public void onCancel(Runnable action) {
            // Gogo interrupts the thread instead.
        }
    }
}
