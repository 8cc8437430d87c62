package io.patchbay.policy.internal;

import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.policy.internal.control.PolicyControl.InForce;
import jakarta.json.Json;
import jakarta.json.JsonValue;
import jakarta.json.JsonWriter;
import jakarta.json.stream.JsonGenerator;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code policy get}: the rules whose tables are in force in the kernel. */
@Component(service = ShellCommand.class)
public final class PolicyGetCommand implements ShellCommand {
    private final PolicyFeature policy;

    @Activate
    public PolicyGetCommand(@Reference PolicyFeature policy) {
        this.policy = policy;
    }

    @Override
    public String name() {
        return "policy get";
    }

    @Override
    public String summary() {
        return "The policy rules in force";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: policy get [-o json]", "", "A JSON array of rules, then the revision. The revision grows when new tables are in force in the kernel,",
                "not when a policy is read. Behind it the objects of the cluster that are not in force as they are now, if any, and why.",
                "With -o json: {\"policy\": [...], \"revision\": N, \"notInForce\": [...], \"problem\": \"\"}.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        InForce now = policy.inForce();
        if (json) {
            context.out().println(pretty(Json.createObjectBuilder().add("policy", RuleJson.of(now.policies())).add("revision", now.revision())
                    .add("notInForce", Json.createArrayBuilder(policy.notInForce())).add("problem", policy.problem()).build()));
        } else {
            context.out().println(pretty(RuleJson.of(now.policies())));
            context.out().println("Revision: " + now.revision());
            for (String object : policy.notInForce()) {
                context.out().println("Not in force: " + object + (policy.problem().isEmpty() ? "" : ": " + policy.problem()));
            }
        }
        return 0;
    }

    static String pretty(JsonValue value) {
        StringWriter text = new StringWriter();
        try (JsonWriter writer = Json.createWriterFactory(Map.of(JsonGenerator.PRETTY_PRINTING, true)).createWriter(text)) {
            writer.write(value);
        }
        return text.toString().strip();
    }
}
