package io.patchbay.cluster.decode;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.composer.Composer;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.parser.ParserImpl;
import org.snakeyaml.engine.v2.scanner.StreamReader;

/**
 * From text to {@link Tree}s. Takes YAML 1.2 (several documents to a file) and JSON. Refused here, for every depth: keys that aren't plain
 * scalars, a key given twice, an alias into its own ancestor, custom tags.
 */
public final class Trees {
    /** A file beyond this is refused: it is a mistake or an attack, not a manifest. */
    private static final int MAX_CODE_POINTS = 64 << 20;

    private static final Set<Tag> TAGS = Set.of(Tag.MAP, Tag.SEQ, Tag.STR, Tag.INT, Tag.FLOAT, Tag.BOOL, Tag.NULL);

    private Trees() {
    }

    /** As {@link #read(String, String, Problems)}, for bytes that must be UTF-8. */
    public static List<Tree> read(String file, byte[] utf8, Problems problems) {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT).decode(ByteBuffer.wrap(utf8)).toString();
            return read(file, text, problems);
        } catch (CharacterCodingException e) {
            problems.add(new Problem(file, 0, 0, 0, "", "not UTF-8 text"));
            return List.of();
        }
    }

    /**
     * The documents of a text; empty ones are left out, but counted.
     *
     * @param file     the name to report problems under
     * @param problems gets the problems, the tree readers' later ones included
     */
    public static List<Tree> read(String file, String text, Problems problems) {
        LoadSettings settings = LoadSettings.builder().setLabel(file).setCodePointLimit(MAX_CODE_POINTS)
                .setMaxAliasesForCollections(1000).build();
        List<Tree> documents = new ArrayList<>();
        int number = 1;
        try {
            Composer composer = new Composer(settings, new ParserImpl(settings, new StreamReader(settings, tabsToBlanksIfJson(text))));
            for (; composer.hasNext(); number++) {
                Node node = composer.next();
                Tree tree = new Tree(new Tree.Origin(file, number, problems), node, "", true);
                if (tree.isNull()) continue;
                int before = problems.size();
                validate(tree.origin(), node, "", Collections.newSetFromMap(new IdentityHashMap<>()),
                        Collections.newSetFromMap(new IdentityHashMap<>()));
                if (problems.size() == before) documents.add(tree);
            }
        } catch (MarkedYamlEngineException e) {
            Optional<Mark> mark = e.getProblemMark().or(e::getContextMark);
            String what = e.getProblem();
            if (e.getContext() != null && !e.getContext().isEmpty()) what = e.getContext() + ", " + what;
            problems.add(new Problem(file, number, mark.map(m -> m.getLine() + 1).orElse(0),
                    mark.map(m -> m.getColumn() + 1).orElse(0), "", "not valid YAML: " + what));
        } catch (YamlEngineException e) {
            problems.add(new Problem(file, number, 0, 0, "", "not valid YAML: " + e.getMessage()));
        } catch (StackOverflowError e) {
            problems.add(new Problem(file, number, 0, 0, "", "nested too deeply"));
        }
        return documents;
    }

    private static void validate(Tree.Origin origin, Node node, String path, Set<Node> above, Set<Node> done) {
        if (done.contains(node)) return;
        if (!above.add(node)) {
            origin.report(node, path, "an alias that contains itself");
            return;
        }
        if (node instanceof MappingNode map) {
            Set<String> keys = new HashSet<>();
            for (NodeTuple tuple : map.getValue()) {
                if (!(tuple.getKeyNode() instanceof ScalarNode key)) {
                    origin.report(tuple.getKeyNode(), path, "a key must be a plain string");
                    continue;
                }
                String child = Tree.join(path, key.getValue());
                if (!keys.add(key.getValue())) origin.report(key, child, "given twice");
                validate(origin, tuple.getValueNode(), child, above, done);
            }
        } else if (node instanceof SequenceNode list) {
            int i = 0;
            for (Node item : list.getValue()) validate(origin, item, path + "[" + i++ + "]", above, done);
        }
        if (!TAGS.contains(node.getTag())) {
            origin.report(node, path, "tags such as " + node.getTag().getValue() + " are not supported");
        }
        above.remove(node);
        done.add(node);
    }

    /**
     * YAML forbids tabs in places where JSON has them (indentation). Inside a JSON string a tab must be escaped, so every real tab of a JSON
     * text is white space and can be replaced one for one, which keeps the positions.
     */
    private static String tabsToBlanksIfJson(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '{' || c == '[') return text.replace('\t', ' ');
            if (!Character.isWhitespace(c)) return text;
        }
        return text;
    }
}
