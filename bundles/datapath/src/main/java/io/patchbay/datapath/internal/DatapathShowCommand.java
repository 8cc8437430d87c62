package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code datapath show}: the generation in charge and where it is attached. */
@Component
public final class DatapathShowCommand implements ShellCommand {
    private final Pipeline pipeline;
    private final Attachments attachments;

    @Activate
    public DatapathShowCommand(@Reference Pipeline pipeline, @Reference Attachments attachments) {
        this.pipeline = pipeline;
        this.attachments = attachments;
    }

    @Override
    public String name() {
        return "datapath show";
    }

    @Override
    public String summary() {
        return "The generation in charge: stages with order, place and program; attachments, ours and those of others";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: datapath show [-o json]", "", "  -o json   for tools");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parseOnly(c.arguments(), Set.of(), Set.of("-o|--output"));
        Optional<Pipeline.Generation> g = pipeline.current();
        List<Attachments.Attachment> at = attachments.list();
        List<Attachments.Other> others = attachments.others();
        if (o.output("text", "json").equals("json")) {
            JsonObjectBuilder b = Json.createObjectBuilder();
            JsonArrayBuilder features = Json.createArrayBuilder();
            JsonArrayBuilder stages = Json.createArrayBuilder();
            g.ifPresent(x -> {
                b.add("epoch", x.epoch());
                x.features().forEach(f -> features.add(Json.createObjectBuilder().add("name", f.name()).add("version", f.version()).add("digest", f.digest())));
                x.stages().forEach(s -> stages.add(Json.createObjectBuilder().add("hook", s.hook().text()).add("order", s.order()).add("feature", s.feature())
                        .add("program", s.program()).add("index", s.index()).add("program-id", s.programId())));
            });
            JsonArrayBuilder places = Json.createArrayBuilder();
            at.forEach(a -> places.add(Json.createObjectBuilder().add("hook", a.hook().text()).add("mode", a.mode()).add("where", a.where())
                    .add("ifindex", a.ifindex()).add("present", a.present()).add("restored", a.restored())));
            JsonArrayBuilder foreign = Json.createArrayBuilder();
            others.forEach(x -> foreign.add(Json.createObjectBuilder().add("hook", x.hook().text()).add("mode", x.mode()).add("where", x.where())
                    .add("ifindex", x.ifindex()).add("name", x.name()).add("program-id", x.programId()).add("first", x.first())));
            c.out().println(b.add("features", features).add("stages", stages).add("attachments", places).add("others", foreign).build());
            return 0;
        }
        if (g.isEmpty()) {
            c.out().println("No generation yet: pods send and receive nothing, the node's own traffic passes.");
        } else {
            c.out().println("Generation " + g.get().epoch());
            Columns t = new Columns().row("Hook", "Order", "Feature", "Program", "Index", "Program ID");
            g.get().stages().forEach(s -> t.row(s.hook().text(), s.order(), s.feature(), s.program(), s.index() < 0 ? "-" : s.index(), s.programId()));
            t.print(c.out(), "", false);
        }
        c.out().println();
        Columns t = new Columns().row("Attached at", "Hook", "Mode", "Present", "Put back");
        at.forEach(a -> t.row(a.where(), a.hook().text(), a.mode(), a.present() ? "yes" : "MISSING", a.restored()));
        t.print(c.out(), "", false);
        if (!others.isEmpty()) {
            c.out().println();
            c.out().println("Attached by others, and left alone");
            Columns f = new Columns().row("At", "Hook", "Mode", "Program", "Program ID", "Runs");
            others.forEach(x -> f.row(x.where(), x.hook().text(), x.mode(), x.name(), x.programId() == 0 ? "-" : x.programId(), x.first() ? "before ours" : "after ours"));
            f.print(c.out(), "", false);
        }
        return 0;
    }
}
