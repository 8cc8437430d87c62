package io.patchbay.api.cluster.policy;

/** Seen from the subject: towards it, or from it. The ordinal is the direction bit of the datapath's keys. */
public enum Direction {
    INGRESS("ingress"), EGRESS("egress");

    private final String text;

    Direction(String text) {
        this.text = text;
    }

    public String text() {
        return text;
    }
}
