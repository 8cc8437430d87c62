package io.patchbay.itests.variants.payload;

/** Put into jars as their only component: a version that starts and never says that it is ready. */
public final class SilentComponent {
    /** Called by Declarative Services. */
    public SilentComponent() {
        // Silence is what it is for.
    }
}
