package io.patchbay.api.shell;

/** The words of a command were wrong; the message names the word and what would be right. */
public class UsageException extends Exception {
    private static final long serialVersionUID = 1L;

    public UsageException(String message) {
        super(message);
    }
}
