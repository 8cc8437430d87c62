package io.patchbay.cluster.decode;

import java.util.Collection;
import java.util.Iterator;
import java.util.Map;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.common.FlowStyle;
import org.snakeyaml.engine.v2.common.ScalarStyle;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.representer.StandardRepresenter;

/** From plain Java values (Map, Collection, String, Number, Boolean, null; see {@link Tree#value()}) to text. */
public final class Texts {
    private Texts() {
    }

    /** A YAML document in block style, ending in a newline, without a document marker. */
    public static String yaml(Object value) {
        DumpSettings settings = DumpSettings.builder().setDefaultFlowStyle(FlowStyle.BLOCK).setSplitLines(false).build();
        return new Dump(settings, new Quoting(settings)).dumpToString(value);
    }

    /** Quotes strings that Kubernetes would read as booleans: what is written here has to be accepted when it is read again. */
    private static final class Quoting extends StandardRepresenter {
        Quoting(DumpSettings settings) {
            super(settings);
        }

        @Override
        protected Node representScalar(Tag tag, String value, ScalarStyle style) {
            return super.representScalar(tag, value, tag.equals(Tag.STR) && Tree.YAML11_BOOLEANS.contains(value) ? ScalarStyle.DOUBLE_QUOTED : style);
        }
    }

    /** JSON, two blanks an indentation level, ending in a newline. */
    public static String json(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, "\n");
        return out.append('\n').toString();
    }

    /** JSON in one line, without a blank that isn't needed and without a newline. */
    public static String compactJson(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, "");
        return out.toString();
    }

    private static void write(Object value, StringBuilder out, String indent) {
        if (value instanceof Map<?, ?> map) {
            writeAll(map.entrySet().iterator(), out, indent, '{', '}');
        } else if (value instanceof Collection<?> list) {
            writeAll(list.iterator(), out, indent, '[', ']');
        } else if (value instanceof Map.Entry<?, ?> entry) {
            string(String.valueOf(entry.getKey()), out);
            out.append(indent.isEmpty() ? ":" : ": ");
            write(entry.getValue(), out, indent);
        } else if (value == null || value instanceof Number || value instanceof Boolean) {
            out.append(value);
        } else {
            string(value.toString(), out);
        }
    }

    private static void writeAll(Iterator<?> items, StringBuilder out, String indent, char open, char close) {
        out.append(open);
        if (!items.hasNext()) {
            out.append(close);
            return;
        }
        String deeper = indent.isEmpty() ? "" : indent + "  ";
        while (items.hasNext()) {
            out.append(deeper);
            write(items.next(), out, deeper);
            if (items.hasNext()) out.append(',');
        }
        out.append(indent).append(close);
    }

    private static void string(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\t' -> out.append("\\t");
                case '\r' -> out.append("\\r");
                default -> {
                    if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029) out.append(String.format("\\u%04x", (int) c));
                    else out.append(c);
                }
            }
        }
        out.append('"');
    }
}
