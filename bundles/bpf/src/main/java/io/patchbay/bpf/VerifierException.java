package io.patchbay.bpf;

/** The verifier refused a program. The message ends with the end of its log, where the reason stands. */
public final class VerifierException extends BpfException {
    private static final long serialVersionUID = 1L;
    private static final int LINES = 40;
    private final String program;
    private final String log;

    VerifierException(String program, int errno, String log) {
        super("load", "program " + program, errno, log.isEmpty() ? "the kernel gave no reason" : "the verifier's log ends\n" + end(log));
        this.program = program;
        this.log = log;
    }

    /** The refused program's name. */
    public String program() {
        return program;
    }

    /** The log; of a very long one (over 16 MiB) only the end. */
    public String log() {
        return log;
    }

    private static String end(String log) {
        String[] lines = log.stripTrailing().split("\n");
        StringBuilder text = new StringBuilder();
        for (int i = Math.max(0, lines.length - LINES); i < lines.length; i++) {
            text.append("    ").append(lines[i]).append('\n');
        }
        return text.toString().stripTrailing();
    }
}
