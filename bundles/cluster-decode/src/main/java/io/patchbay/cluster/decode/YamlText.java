package io.patchbay.cluster.decode;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.common.Anchor;
import org.snakeyaml.engine.v2.common.ScalarStyle;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.MappingStartEvent;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.events.SequenceStartEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.ParserException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.parser.ParserImpl;
import org.snakeyaml.engine.v2.resolver.ScalarResolver;
import org.snakeyaml.engine.v2.scanner.StreamReader;

/**
 * YAML 1.2 (several documents to a file), value by value from the parser's events: what has been read of a long list need not be kept. Refused,
 * for every depth: keys that aren't plain scalars, a key given twice, an alias into its own ancestor, custom tags; and a document that is nested
 * deeper than any manifest, or that aliases make far larger than its text.
 */
final class YamlText<T> {
    /** A file beyond this is refused: it is a mistake or an attack, not a manifest. */
    static final int MAX_CODE_POINTS = 64 << 20;
    private static final int MAX_ALIASES = 1000;
    /** Objects and lists within one another. */
    static final int MAX_DEPTH = 100;
    /** Values that a document may have beyond those in its text, through aliases. */
    private static final int MAX_BY_ALIASES = 100_000;
    /** What the scanner reads at a time: a long string costs the square of how often it must read on. */
    private static final int MAX_BUFFER = 1 << 20;
    private static final Map<Tag, Parsed.Type> SCALARS = Map.of(Tag.STR, Parsed.Type.STRING, Tag.INT, Parsed.Type.INTEGER, Tag.FLOAT, Parsed.Type.FLOAT,
            Tag.BOOL, Parsed.Type.BOOLEAN, Tag.NULL, Parsed.Type.NULL);
    /** Stands for a value that is being read: an alias of it contains itself. */
    private static final Parsed UNFINISHED = new Parsed.Scalar(Parsed.Type.NULL, "", true, 0, 0);

    private final String file;
    private final Problems problems;
    private final Trees.Reader<T> reader;
    private final List<T> into;
    private final ParserImpl parser;
    private final ScalarResolver resolver;
    private final Map<Anchor, Parsed> anchors = new HashMap<>();
    /** How many values each anchored one is, with its own aliases written out. */
    private final Map<Anchor, Integer> sizes = new HashMap<>();
    private Tree.Origin origin;
    private int aliases;
    private int byAliases;
    private int values;
    private int depth;

    private YamlText(String file, String text, Problems problems, Trees.Reader<T> reader, List<T> into) {
        this.file = file;
        this.problems = problems;
        this.reader = reader;
        this.into = into;
        LoadSettings settings = LoadSettings.builder().setLabel(file).setCodePointLimit(MAX_CODE_POINTS)
                .setBufferSize(Math.max(1024, Math.min(text.length(), MAX_BUFFER))).build();
        StreamReader characters = new StreamReader(settings, tabsToBlanksIfJson(text));
        parser = new ParserImpl(settings, characters) {
            @Override
            public Event peekEvent() {
                try {
                    return super.peekEvent();
                } catch (IllegalArgumentException e) { // the library leaves it to Integer and Character what an escape's digits mean
                    throw new ParserException("an escape in a quoted text names no character (" + e.getMessage() + ")", characters.getMark());
                }
            }
        };
        resolver = settings.getSchema().getScalarResolver();
    }

    static <T> void read(String file, String text, Problems problems, Trees.Reader<T> reader, List<T> into) {
        new YamlText<>(file, text, problems, reader, into).documents();
    }

    private void documents() {
        int number = 1;
        try {
            parser.next();
            for (; !parser.checkEvent(Event.ID.StreamEnd); number++) {
                origin = new Tree.Origin(file, number, problems);
                anchors.clear();
                sizes.clear();
                aliases = 0;
                byAliases = 0;
                values = 0;
                depth = 0;
                parser.next();
                int before = problems.size();
                Parsed value = parser.checkEvent(Event.ID.MappingStart) && reader.takesItems() ? document() : value(Step.ROOT);
                parser.next();
                Tree tree = new Tree(origin, value, Step.ROOT, true);
                if (!tree.isNull() && problems.size() == before) reader.document(tree, into);
            }
        } catch (MarkedYamlEngineException e) {
            Optional<Mark> mark = e.getProblemMark().or(e::getContextMark);
            String what = e.getProblem();
            if (e.getContext() != null && !e.getContext().isEmpty()) what = e.getContext() + ", " + what;
            problems.add(new Problem(file, number, line(mark), column(mark), "", "not valid YAML: " + what));
        } catch (YamlEngineException e) {
            problems.add(new Problem(file, number, 0, 0, "", "not valid YAML: " + e.getMessage()));
        } catch (StackOverflowError e) {
            problems.add(new Problem(file, number, 0, 0, "", "nested too deeply"));
        }
    }

    /** A document's outermost object, whose {@code items} are handed over one by one. */
    private Parsed document() {
        MappingStartEvent start = (MappingStartEvent) parser.next();
        List<Parsed.Member> members = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        while (!parser.checkEvent(Event.ID.MappingEnd)) {
            ScalarEvent key = key(Step.ROOT);
            if (key != null && key.getValue().equals("items") && parser.checkEvent(Event.ID.SequenceStart)) items(key, keys, members);
            else member(key, Step.ROOT, keys, members);
        }
        parser.next();
        checkTag(start.getTag(), Tag.MAP, start, Step.ROOT);
        return new Parsed.Mapping(members, line(start.getStartMark()), column(start.getStartMark()));
    }

    private void items(ScalarEvent key, Set<String> keys, List<Parsed.Member> members) {
        Step step = Step.ROOT.key("items");
        if (!keys.add("items")) report(key, step, "given twice");
        SequenceStartEvent start = (SequenceStartEvent) parser.next();
        start.getAnchor().ifPresent(a -> anchors.put(a, UNFINISHED));
        for (int i = 0; !parser.checkEvent(Event.ID.SequenceEnd); i++) {
            int before = problems.size();
            Step at = step.item(i);
            Parsed item = value(at);
            if (problems.size() == before) reader.item(new Tree(origin, item, at, true), into);
        }
        parser.next();
        checkTag(start.getTag(), Tag.SEQ, start, step);
        members.add(new Parsed.Member("items", new Parsed.Sequence(List.of(), line(start.getStartMark()), column(start.getStartMark())),
                line(key.getStartMark()), column(key.getStartMark())));
    }

    private Parsed value(Step at) {
        Event event = parser.peekEvent();
        if (event instanceof AliasEvent) return alias(at);
        Optional<Anchor> anchor = ((NodeEvent) event).getAnchor();
        anchor.ifPresent(a -> anchors.put(a, UNFINISHED));
        if (depth > MAX_DEPTH) throw new YamlEngineException("nested deeper than " + MAX_DEPTH + " objects and lists");
        int before = values++;
        depth++;
        Parsed value = event instanceof ScalarEvent ? scalar(at) : event instanceof SequenceStartEvent ? sequence(at) : mapping(at);
        depth--;
        anchor.ifPresent(a -> {
            anchors.put(a, value);
            sizes.put(a, values - before);
        });
        return value;
    }

    private Parsed alias(Step at) {
        AliasEvent event = (AliasEvent) parser.next();
        Parsed value = anchors.get(event.getAlias());
        if (value == null) report(event, at, "not valid YAML: found undefined alias " + event.getAlias());
        else if (value == UNFINISHED) report(event, at, "an alias that contains itself");
        else if (!(value instanceof Parsed.Scalar) && ++aliases > MAX_ALIASES) {
            throw new YamlEngineException("more than " + MAX_ALIASES + " aliases of objects and lists");
        }
        int size = sizes.getOrDefault(event.getAlias(), 1);
        values += size;
        byAliases += size;
        if (byAliases > MAX_BY_ALIASES) {
            throw new YamlEngineException("aliases make more than " + MAX_BY_ALIASES + " values of the text; write it out");
        }
        return value == null ? UNFINISHED : value;
    }

    private Parsed scalar(Step at) {
        ScalarEvent event = (ScalarEvent) parser.next();
        Optional<String> given = event.getTag().filter(t -> !t.equals("!"));
        Tag tag = given.isPresent() ? new Tag(given.get()) : resolver.resolve(event.getValue(), event.getImplicit().canOmitTagInPlainScalar());
        Parsed.Type type = SCALARS.get(tag);
        if (type == null) unsupported(tag, event, at);
        return new Parsed.Scalar(type == null ? Parsed.Type.STRING : type, event.getValue(), event.getScalarStyle() == ScalarStyle.PLAIN,
                line(event.getStartMark()), column(event.getStartMark()));
    }

    private Parsed sequence(Step at) {
        SequenceStartEvent start = (SequenceStartEvent) parser.next();
        List<Parsed> items = new ArrayList<>();
        while (!parser.checkEvent(Event.ID.SequenceEnd)) items.add(value(at.item(items.size())));
        parser.next();
        checkTag(start.getTag(), Tag.SEQ, start, at);
        return new Parsed.Sequence(items, line(start.getStartMark()), column(start.getStartMark()));
    }

    private Parsed mapping(Step at) {
        MappingStartEvent start = (MappingStartEvent) parser.next();
        List<Parsed.Member> members = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        while (!parser.checkEvent(Event.ID.MappingEnd)) member(key(at), at, keys, members);
        parser.next();
        checkTag(start.getTag(), Tag.MAP, start, at);
        return new Parsed.Mapping(members, line(start.getStartMark()), column(start.getStartMark()));
    }

    /** The next key; null, and reported, if it is none. */
    private ScalarEvent key(Step at) {
        Event event = parser.peekEvent();
        if (event instanceof ScalarEvent key) {
            parser.next();
            key.getAnchor().ifPresent(a -> anchors.put(a, new Parsed.Scalar(Parsed.Type.STRING, key.getValue(), false, 0, 0)));
            return key;
        }
        report(event, at, "not valid YAML: Non scalar key: a key must be a plain string");
        value(at);
        return null;
    }

    private void member(ScalarEvent key, Step at, Set<String> keys, List<Parsed.Member> members) {
        if (key == null) {
            value(at);
            return;
        }
        Step child = at.key(key.getValue());
        if (!keys.add(key.getValue())) report(key, child, "given twice");
        members.add(new Parsed.Member(key.getValue(), value(child), line(key.getStartMark()), column(key.getStartMark())));
    }

    private void checkTag(Optional<String> given, Tag wanted, Event at, Step path) {
        if (given.isPresent() && !given.get().equals("!") && !given.get().equals(wanted.getValue())) unsupported(new Tag(given.get()), at, path);
    }

    private void unsupported(Tag tag, Event at, Step path) {
        report(at, path, "tags such as " + tag.getValue() + " are not supported");
    }

    private void report(Event at, Step path, String message) {
        problems.add(new Problem(origin.file(), origin.document(), line(at.getStartMark()), column(at.getStartMark()), path.toString(), message));
    }

    private static int line(Optional<Mark> mark) {
        return mark.isPresent() ? mark.get().getLine() + 1 : 0;
    }

    private static int column(Optional<Mark> mark) {
        return mark.isPresent() ? mark.get().getColumn() + 1 : 0;
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
