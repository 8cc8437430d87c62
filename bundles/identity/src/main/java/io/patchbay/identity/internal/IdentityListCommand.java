package io.patchbay.identity.internal;

import io.patchbay.api.identity.Identities;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code identity list}. */
@Component(service = ShellCommand.class)
public final class IdentityListCommand implements ShellCommand {
    private final Identities identities;

    @Activate
    public IdentityListCommand(@Reference Identities identities) {
        this.identities = identities;
    }

    @Override
    public String name() {
        return "identity list";
    }

    @Override
    public String summary() {
        return "Identities that this node knows, with their labels";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: identity list [-o json]", "", "REFCOUNT counts the users on this node.");
    }

    static JsonObjectBuilder json(Identities identities, int id, LabelSet labels) {
        JsonArrayBuilder list = Json.createArrayBuilder();
        labels.forEach(l -> list.add(l.toString()));
        return Json.createObjectBuilder().add("id", id).add("labels", list).add("refcount", identities.references(id));
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        Map<Integer, LabelSet> all = identities.all();
        if (options.output("text", "json").equals("json")) {
            JsonArrayBuilder list = Json.createArrayBuilder();
            all.forEach((id, labels) -> list.add(json(identities, id, labels)));
            context.out().println(list.build());
            return 0;
        }
        TextTable table = new TextTable("ID", "LABELS", "REFCOUNT");
        all.forEach((id, labels) -> {
            String first = labels.isEmpty() ? "" : labels.labels().get(0).toString();
            table.row(id.toString(), first, Integer.toString(identities.references(id)));
            labels.labels().stream().skip(1).forEach(l -> table.row("", l.toString()));
        });
        table.print(context.out());
        return 0;
    }
}
