package io.patchbay.cluster.decode;

import java.util.List;

/** What a text consists of: values with their places (from 1; 0: not known), whatever read it. */
sealed interface Parsed {
    int line();

    int column();

    /** What a scalar is by the JSON schema of YAML 1.2. */
    enum Type {
        STRING, INTEGER, FLOAT, BOOLEAN, NULL
    }

    /** @param plain written without quotes */
    record Scalar(Type type, String text, boolean plain, int line, int column) implements Parsed {
    }

    /** In the text's order, each key once. */
    record Mapping(List<Member> members, int line, int column) implements Parsed {
        Member member(String key) {
            for (Member m : members) if (m.key.equals(key)) return m;
            return null;
        }
    }

    /** @param line of the key, as {@code column} */
    record Member(String key, Parsed value, int line, int column) {
    }

    record Sequence(List<Parsed> items, int line, int column) implements Parsed {
    }
}
