package io.patchbay.lifecycle.internal;

/** A change was not made, or was undone; the message says which, why, and what to do. Nothing has changed. */
final class ChangeRefused extends Exception {
    private static final long serialVersionUID = 1L;

    ChangeRefused(String message) {
        super(message);
    }

    ChangeRefused(String message, Throwable cause) {
        super(message, cause);
    }
}
