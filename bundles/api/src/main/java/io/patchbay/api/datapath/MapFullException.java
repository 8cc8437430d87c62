package io.patchbay.api.datapath;

/** A map has no room for a new key; what it held is unchanged. */
public class MapFullException extends DatapathException {
    private static final long serialVersionUID = 1L;

    public MapFullException(String message) {
        super(message);
    }
}
