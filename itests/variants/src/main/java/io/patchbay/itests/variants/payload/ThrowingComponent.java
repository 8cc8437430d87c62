package io.patchbay.itests.variants.payload;

/** Put into jars as their only component: a version whose activation throws. */
public final class ThrowingComponent {
    /** Found again in the message that the user gets. */
    public static final String REASON = "this component was made to fail";

    /** Called by Declarative Services. */
    public ThrowingComponent() {
        throw new IllegalStateException(REASON);
    }
}
