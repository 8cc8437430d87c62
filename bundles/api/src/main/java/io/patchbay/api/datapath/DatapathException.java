package io.patchbay.api.datapath;

/** The kernel or the loader refused; the message names what, where and what to do. */
public class DatapathException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public DatapathException(String message) {
        super(message);
    }

    public DatapathException(String message, Throwable cause) {
        super(message, cause);
    }
}
