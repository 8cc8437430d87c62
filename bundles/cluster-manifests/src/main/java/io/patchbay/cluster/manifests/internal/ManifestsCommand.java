package io.patchbay.cluster.manifests.internal;

import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Texts;
import io.patchbay.cluster.manifests.ManifestsFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** {@code manifests check|apply|delete|get}: the folder's objects, as kubectl would handle a cluster's. No OSGi in here. */
public final class ManifestsCommand implements ShellCommand {
    private final ManifestsFolder folder;

    public ManifestsCommand(ManifestsFolder folder) {
        this.folder = folder;
    }

    @Override
    public String name() {
        return "manifests";
    }

    @Override
    public String summary() {
        return "Check, apply, delete or show the cluster's objects";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: manifests check|apply|delete [-f FILE|DIR]...", "       manifests get KIND [NAME] [-n NAMESPACE] [-o table|json|yaml]",
                "", "  -f, --filename FILE|DIR   on the agent's machine; - or none: standard input", "  --label NAME              how standard input is called in messages",
                "  -n, --namespace NAME      only this namespace; otherwise all", "  -o, --output FORMAT       table (default), json or yaml", "",
                "Nothing is changed if anything is wrong with any of the files. KIND is a kind, its plural or kubectl's short name.", "Examples:",
                "  manifests apply -f web.yaml", "  manifests get svc -o json", "  manifests get pods -n shop");
    }

    @Override
    public List<String> complete(List<String> words) {
        if (words.size() <= 1) return List.of("check", "apply", "delete", "get");
        if (words.size() == 2 && words.get(0).equals("get")) return ClusterDecoder.standard().kinds();
        return List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("-f|--filename", "-o|--output", "-n|--namespace", "--label"));
        if (options.words().isEmpty()) throw new UsageException("say what to do: check, apply, delete or get");
        String verb = options.words().get(0);
        try {
            switch (verb) {
                case "check", "apply", "delete" -> {
                    if (options.words().size() > 1) throw new UsageException("unexpected word " + options.words().get(1) + "; files are named with -f");
                    return change(verb, options, context);
                }
                case "get" -> {
                    return get(options, context);
                }
                default -> throw new UsageException("unknown word " + verb + "; one of check, apply, delete, get");
            }
        } catch (DecodeException e) {
            context.err().println(e.getMessage());
            return 1;
        } catch (NoSuchFileException e) {
            context.err().println(e.getMessage().endsWith("not found") ? e.getMessage() : e.getMessage() + ": no such file");
            return 1;
        }
    }

    private int change(String verb, Options options, ShellContext context) throws IOException, DecodeException {
        List<ManifestsFolder.Input> inputs = new ArrayList<>();
        List<String> names = options.values("--filename");
        if (names.isEmpty()) names = List.of("-");
        for (String name : names) {
            if (name.equals("-")) {
                inputs.add(new ManifestsFolder.Input(options.value("--label").orElse("-"), context.in().readAllBytes()));
                continue;
            }
            // the client says where it was called from
            for (Path path : files(Path.of(context.environment().getOrDefault("PWD", "/")).resolve(name))) inputs.add(new ManifestsFolder.Input(path.toString(), Files.readAllBytes(path)));
        }
        folder.create();
        List<ManifestsFolder.Outcome> outcomes = switch (verb) {
            case "check" -> folder.check(inputs);
            case "apply" -> folder.apply(inputs);
            default -> folder.delete(inputs);
        };
        if (outcomes.isEmpty()) {
            context.err().println("no objects in " + String.join(", ", inputs.stream().map(ManifestsFolder.Input::file).toList()));
            return 1;
        }
        for (ManifestsFolder.Outcome outcome : outcomes) context.out().println(outcome + (verb.equals("check") ? " (check only)" : ""));
        return 0;
    }

    private static List<Path> files(Path path) throws IOException {
        if (!Files.isDirectory(path)) return List.of(path);
        try (Stream<Path> all = Files.list(path)) {
            return all.filter(p -> p.toString().matches(".*\\.(yaml|yml|json)") && Files.isRegularFile(p)).sorted().toList();
        }
    }

    private int get(Options options, ShellContext context) throws UsageException, IOException {
        List<String> words = options.words();
        if (words.size() < 2) throw new UsageException("get needs a kind");
        if (words.size() > 3) throw new UsageException("unexpected word " + words.get(3));
        String format = options.output("table", "json", "yaml");
        Optional<String> kind = Kubernetes.kind(words.get(1), ClusterDecoder.standard().kinds());
        if (kind.isEmpty()) throw new UsageException("unknown kind " + words.get(1) + "; one of " + String.join(", ", ClusterDecoder.standard().kinds()));
        folder.create();
        ManifestsFolder.State state = folder.refresh();
        for (Problem problem : state.problems()) context.err().println("warning: " + problem);
        if (state.objects().isEmpty()) {
            context.err().println("the folder " + folder.root() + " has never been in order; mend what is named above");
            return 1;
        }
        Kubernetes.View view = new Kubernetes(state.objects().get(), folder).view(kind.get());
        Optional<String> namespace = options.value("--namespace");
        Optional<String> name = words.size() > 2 ? Optional.of(words.get(2)) : Optional.empty();
        List<Kubernetes.Item> items = view.items().stream().filter(i -> namespace.isEmpty() || i.namespace().equals(namespace.get()))
                .filter(i -> name.isEmpty() || name.get().equals(i.name()) || name.get().equals(i.namespace() + "/" + i.name())).toList();
        if (name.isPresent() && items.isEmpty()) {
            context.err().println(kind.get() + " " + name.get() + ": not found");
            return 1;
        }
        if (format.equals("table")) {
            table(view, items, context);
            return 0;
        }
        Object result;
        if (name.isPresent() && items.size() == 1) {
            result = items.get(0).object().get();
        } else {
            Map<String, Object> list = new LinkedHashMap<>();
            list.put("apiVersion", "v1");
            list.put("kind", "List");
            list.put("items", items.stream().map(i -> i.object().get()).toList());
            result = list;
        }
        context.out().print(format.equals("json") ? Texts.json(result) : Texts.yaml(result));
        return 0;
    }

    private static void table(Kubernetes.View view, List<Kubernetes.Item> items, ShellContext context) {
        if (items.isEmpty()) {
            context.err().println("No resources found");
            return;
        }
        List<List<String>> rows = new ArrayList<>();
        List<String> head = new ArrayList<>(view.namespaced() ? List.of("NAMESPACE", "NAME") : List.of("NAME"));
        head.addAll(view.columns());
        rows.add(head);
        for (Kubernetes.Item item : items) {
            List<String> row = new ArrayList<>(view.namespaced() ? List.of(item.namespace(), item.name()) : List.of(item.name()));
            row.addAll(item.cells());
            rows.add(row);
        }
        int[] widths = new int[head.size()];
        for (List<String> row : rows) for (int i = 0; i < row.size(); i++) widths[i] = Math.max(widths[i], row.get(i).length());
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < row.size(); i++) {
                line.append(row.get(i));
                if (i < row.size() - 1) line.append(" ".repeat(widths[i] - row.get(i).length() + 3));
            }
            context.out().println(line);
        }
    }
}
