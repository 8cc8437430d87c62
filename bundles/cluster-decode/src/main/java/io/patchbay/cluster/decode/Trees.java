package io.patchbay.cluster.decode;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * From text to {@link Tree}s. Takes YAML 1.2 (several documents to a file) and JSON. Refused here, for every depth: keys that aren't plain
 * scalars, a key given twice, an alias into its own ancestor, custom tags.
 */
public final class Trees {
    /**
     * Makes something of documents while they are read, so that none of a long file has to be kept. It may be called for a text twice: for JSON
     * first without places, and if anything is reported then, once more with them; only what the last time made counts.
     *
     * @param <T> what is made
     */
    public interface Reader<T> {
        /** A document that is in order as a tree; what else is wrong is reported to it. */
        void document(Tree document, List<T> into);

        /** Whether the items of a document's outermost list {@code items} come one by one, before the document, which then has an empty list. */
        default boolean takesItems() {
            return false;
        }

        /** One of the items; called only if asked for. */
        default void item(Tree item, List<T> into) {
            throw new UnsupportedOperationException();
        }
    }

    private Trees() {
    }

    /**
     * What a reader makes of a text's documents. The result counts only if nothing was reported.
     *
     * @param file     the name to report problems under
     * @param problems gets the problems, those that the reader reports included
     */
    public static <T> List<T> each(String file, byte[] utf8, Problems problems, Reader<T> reader) {
        if (JsonText.isLikely(utf8)) {
            Problems none = new Problems();
            List<T> made = new ArrayList<>();
            if (JsonText.read(file, utf8, none, reader, made) && none.isEmpty()) return made;
        }
        List<T> made = new ArrayList<>();
        try {
            String text = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT).decode(ByteBuffer.wrap(utf8)).toString();
            YamlText.read(file, text, problems, reader, made);
        } catch (CharacterCodingException e) {
            problems.add(new Problem(file, 0, 0, 0, "", "not UTF-8 text"));
        }
        return made;
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
     * The documents of a text; empty ones are left out, but counted. For short texts: all of it is kept, with the place of every value.
     *
     * @param file     the name to report problems under
     * @param problems gets the problems, the tree readers' later ones included
     */
    public static List<Tree> read(String file, String text, Problems problems) {
        List<Tree> documents = new ArrayList<>();
        YamlText.read(file, text, problems, (document, into) -> into.add(document), documents);
        return documents;
    }
}
