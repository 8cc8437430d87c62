package io.patchbay.cluster.decode;

import java.util.List;
import java.util.stream.Collectors;

/** A text was refused. The message has one line a problem. */
public final class DecodeException extends Exception {
    private static final long serialVersionUID = 1L;
    private final transient List<Problem> problems;

    public DecodeException(List<Problem> problems) {
        super(problems.stream().map(Problem::toString).collect(Collectors.joining("\n")));
        this.problems = List.copyOf(problems);
    }

    public List<Problem> problems() {
        return problems == null ? List.of() : problems;
    }
}
