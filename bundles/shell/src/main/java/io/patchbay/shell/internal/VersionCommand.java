package io.patchbay.shell.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code version}. */
@Component
public final class VersionCommand implements ShellCommand {
    @Activate
    public VersionCommand(@Reference(target = "(" + FeatureRuntime.FEATURE + "=shell)") FeatureRuntime runtime) {
    }

    @Override
    public String name() {
        return "version";
    }

    @Override
    public String summary() {
        return "Version of the agent, its JVM and its kernel";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: version [-o json]");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        String output = Options.parseOnly(c.arguments(), Set.of(), Set.of("-o|--output")).output("text", "json");
        String java = Runtime.version().toString();
        String kernel = System.getProperty("os.version");
        if (output.equals("json")) {
            c.out().println(Json.text(Map.of("version", Version.text(), "java", java, "kernel", kernel)));
        } else {
            c.out().println("Patchbay " + Version.text() + " (Java " + java + ", Linux " + kernel + ")");
        }
        return 0;
    }
}
