package io.patchbay.cni.internal;

/** A call's failure with its number of the specification, or one of our own from 100. */
final class CniException extends Exception {
    static final int INCOMPATIBLE_VERSION = 1;
    static final int UNSUPPORTED_FIELD = 2;
    static final int INVALID_ENVIRONMENT = 4;
    static final int DECODE_FAILURE = 6;
    static final int INVALID_CONFIG = 7;
    static final int TRY_AGAIN = 11;
    static final int NOT_AVAILABLE = 50;
    static final int FAILED = 100;
    static final int UNHEALTHY = 101;
    static final int EXHAUSTED = 102;
    private static final long serialVersionUID = 1L;

    private final int code;
    private final String details;

    CniException(int code, String message, String details) {
        super(message);
        this.code = code;
        this.details = details;
    }

    CniException(int code, String message) {
        this(code, message, "");
    }

    int code() {
        return code;
    }

    String details() {
        return details;
    }
}
